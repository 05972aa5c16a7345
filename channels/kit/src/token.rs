//! Access tokens: fetched by one for all, renewed before they expire, dropped when refused.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use tandem_domain::{Timestamp, channel::SendError};

/// Longest life that is believed.
const LIFE_MAX: f64 = 366.0 * 86_400.0;

/// A token as the platform gave it. Never shown.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Acquired {
    pub value: String,
    /// Seconds.
    pub expires_in: f64,
}

/// A token in use. Never shown.
#[derive(Clone)]
pub struct Token {
    pub value: Arc<str>,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

/// The credential of one account.
#[derive(Default)]
pub struct Tokens {
    current: Mutex<Option<Token>>,
    /// Held by whoever fetches a new one; the others wait for what comes of it.
    flight: tokio::sync::Mutex<()>,
}

impl Acquired {
    /// To be used from now on.
    #[must_use]
    pub fn token(self, now: Timestamp) -> Token {
        let life = self.expires_in.clamp(0.0, LIFE_MAX);
        Token {
            value: self.value.into(),
            renew_at: now + Duration::from_secs_f64(life * 0.8),
            expires_at: now + Duration::from_secs_f64(life),
        }
    }
}

impl Tokens {
    /// The token to send with. `fetch` runs at most once at a time; while one that still holds is
    /// being renewed, the others go on with it.
    ///
    /// # Errors
    /// As `fetch` fails, when there is no token left to go on with.
    pub async fn get<F>(
        &self,
        now: impl Fn() -> Timestamp,
        fetch: impl FnOnce() -> F,
    ) -> Result<Token, SendError>
    where
        F: Future<Output = Result<Token, SendError>>,
    {
        let known = self.known(now());
        if let Some(token) = &known
            && now() < token.renew_at
        {
            return Ok(token.clone());
        }
        let _flight = match (&known, self.flight.try_lock()) {
            (_, Ok(flight)) => flight,
            (Some(token), Err(_)) => return Ok(token.clone()),
            (None, Err(_)) => self.flight.lock().await,
        };
        // Whoever held the flight before may have brought one.
        if let Some(token) = self.known(now())
            && now() < token.renew_at
        {
            return Ok(token);
        }
        match (fetch().await, known) {
            (Ok(token), _) => {
                *self.current() = Some(token.clone());
                Ok(token)
            }
            (Err(error), Some(token)) if now() < token.expires_at => {
                tracing::warn!(%error, "A token could not be renewed; the old one still holds.");
                Ok(token)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The platform refused this one. A newer one stays.
    pub fn drop_refused(&self, refused: &Token) {
        let mut current = self.current();
        if current
            .as_ref()
            .is_some_and(|token| Arc::ptr_eq(&token.value, &refused.value))
        {
            *current = None;
        }
    }

    /// Forgets the token: the file or the settings changed.
    pub fn forget(&self) {
        *self.current() = None;
    }

    fn known(&self, now: Timestamp) -> Option<Token> {
        self.current()
            .clone()
            .filter(|token| now < token.expires_at)
    }

    fn current(&self) -> MutexGuard<'_, Option<Token>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};

    use super::*;

    fn token(value: u32, now: Timestamp) -> Token {
        Acquired {
            value: value.to_string(),
            expires_in: 100.0,
        }
        .token(now)
    }

    #[tokio::test]
    async fn one_fetches_for_all_and_renews_in_time() {
        let (tokens, clock, fetched) = (Tokens::default(), AtomicI64::new(0), AtomicU32::new(0));
        let now = || Timestamp(clock.load(Relaxed));
        let get = || {
            tokens.get(now, || async {
                tokio::task::yield_now().await;
                Ok(token(fetched.fetch_add(1, Relaxed), now()))
            })
        };
        let many = futures::future::join_all((0..50).map(|_| get())).await;
        assert!(many.into_iter().all(|t| &*t.unwrap().value == "0"));
        clock.store(79_999, Relaxed);
        assert_eq!(&*get().await.unwrap().value, "0");
        clock.store(80_000, Relaxed);
        assert_eq!(&*get().await.unwrap().value, "1");
        assert_eq!(fetched.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn an_old_token_serves_while_it_holds() {
        let (tokens, clock) = (Tokens::default(), AtomicI64::new(0));
        let now = || Timestamp(clock.load(Relaxed));
        let first = tokens.get(now, || async { Ok(token(7, now())) }).await;
        assert!(first.is_ok());
        let failing = || tokens.get(now, || async { Err(SendError::Transient("down".into())) });
        clock.store(90_000, Relaxed);
        assert_eq!(&*failing().await.unwrap().value, "7");
        clock.store(100_000, Relaxed);
        assert!(failing().await.is_err());
    }

    #[test]
    fn only_the_token_that_was_refused_is_dropped() {
        let tokens = Tokens::default();
        let (old, new) = (token(1, Timestamp(0)), token(1, Timestamp(0)));
        *tokens.current() = Some(new.clone());
        tokens.drop_refused(&old);
        assert!(tokens.known(Timestamp(1)).is_some());
        tokens.drop_refused(&new);
        assert!(tokens.known(Timestamp(1)).is_none());
    }
}
