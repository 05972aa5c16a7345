//! Fetches what 微信客服 has for us. Its callback tells only that there is something; the messages
//! are fetched page by page from where we were, each page committed before the next.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tandem_channel_kit::{ChannelError, Inbox, InboxError, Stop};
use tandem_domain::{Timestamp, channel::SendError, message::Inbound};
use tokio::{sync::Notify, time::Instant};

use crate::{
    api::{Effect, Failure},
    channel::Shared,
    cursor::Cursor,
    customer_service::{self, Page},
    errors::CALLBACK_TOKEN,
};

/// Messages of a page.
const PAGE: u32 = 1000;
/// A callback's token is good for ten minutes.
const TOKEN: Duration = Duration::from_secs(9 * 60);
/// A look without a callback, in case one got lost; the platform allows few of these.
const LOOK: Duration = Duration::from_secs(15 * 60);
/// Pauses after failures, doubled from the first to the last.
const AGAIN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(300)];

/// Everything that is fetched for one account.
pub(crate) struct Sync {
    desks: BTreeMap<String, Desk>,
    /// Told when a callback's fetch failed.
    failed: Notify,
}

/// One account of 微信客服.
struct Desk {
    id: String,
    cursor: Cursor,
    /// Fetches that were asked for.
    asked: AtomicU64,
    token: Mutex<Option<(String, Instant)>>,
    /// Held by the one fetch that is under way.
    place: tokio::sync::Mutex<Place>,
}

#[derive(Default)]
struct Place {
    /// The last fetch that was asked for before one that is over began.
    done: u64,
    /// None until the file was read.
    cursor: Option<Option<String>>,
}

/// Why a fetch did not come to its end. Nothing is lost: the cursor stays where it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error(transparent)]
    Api(#[from] SendError),
    #[error(transparent)]
    Inbox(#[from] InboxError),
    #[error("the cursor could not be kept: {0}")]
    Cursor(#[from] std::io::Error),
}

impl Sync {
    pub fn new(desks: &[String], folder: &Path) -> Self {
        let desk = |id: &String| Desk {
            id: id.clone(),
            cursor: Cursor::new(folder, id),
            asked: AtomicU64::new(0),
            token: Mutex::default(),
            place: tokio::sync::Mutex::default(),
        };
        Self {
            desks: desks.iter().map(|id| (id.clone(), desk(id))).collect(),
            failed: Notify::new(),
        }
    }

    /// Fetches everything that is there now for a desk. Whoever asks while a fetch is under way
    /// shares the one after it. A desk that is not ours is none of our business.
    pub async fn fetch(
        &self,
        shared: &Shared,
        inbox: &Inbox,
        desk: &str,
        token: Option<String>,
    ) -> Result<(), SyncError> {
        let Some(desk) = self.desks.get(desk) else {
            tracing::debug!(desk, account = %shared.account.id, "A callback is for a desk that is not configured here.");
            return Ok(());
        };
        if let Some(token) = token {
            *desk.token() = Some((token, Instant::now()));
        }
        let ticket = desk.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut place = desk.place.lock().await;
        if place.done >= ticket {
            return Ok(());
        }
        let asked = desk.asked.load(Ordering::Acquire);
        let fetched = desk.pages(shared, inbox, &mut place).await;
        match &fetched {
            Ok(()) => place.done = asked,
            Err(error) => {
                tracing::warn!(desk = desk.id, account = %shared.account.id, %error, "Messages could not be fetched; it is tried again.");
            }
        }
        fetched
    }

    /// A fetch that a callback asked for failed: it is made good soon.
    pub fn again(&self) {
        self.failed.notify_one();
    }

    /// Fetches at the start, after failures and now and then, until stopped.
    pub async fn run(
        &self,
        shared: &Shared,
        inbox: &Inbox,
        stop: &Stop,
    ) -> Result<(), ChannelError> {
        let mut pause = AGAIN[0];
        loop {
            let mut whole = true;
            for desk in self.desks.keys() {
                let Some(fetched) = stop.or(self.fetch(shared, inbox, desk, None)).await else {
                    return Ok(());
                };
                match fetched {
                    Ok(()) => {}
                    Err(SyncError::Api(SendError::Unauthorized(why))) => {
                        return Err(ChannelError::Unauthorized(why));
                    }
                    Err(_) => whole = false,
                }
            }
            shared.set_degraded(!whole);
            let waited = if whole {
                pause = AGAIN[0];
                stop.or(async {
                    tokio::select! {
                        () = tokio::time::sleep(LOOK) => {}
                        () = async {
                            self.failed.notified().await;
                            tokio::time::sleep(AGAIN[0]).await;
                        } => {}
                    }
                })
                .await
            } else {
                let waited = stop.or(tokio::time::sleep(pause)).await;
                pause = (pause * 2).min(AGAIN[1]);
                waited
            };
            if waited.is_none() {
                return Ok(());
            }
        }
    }
}

impl Desk {
    async fn pages(
        &self,
        shared: &Shared,
        inbox: &Inbox,
        place: &mut Place,
    ) -> Result<(), SyncError> {
        let mut cursor = match place.cursor.take() {
            Some(cursor) => cursor,
            None => self.cursor.load().await?,
        };
        // Whatever happens, the place is as far as we came.
        let outcome = loop {
            match self.page(shared, inbox, &mut cursor).await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        place.cursor = Some(cursor);
        outcome
    }

    /// Fetches and commits one page; whether there is another.
    async fn page(
        &self,
        shared: &Shared,
        inbox: &Inbox,
        cursor: &mut Option<String>,
    ) -> Result<bool, SyncError> {
        let answer = self.ask(shared, cursor.as_deref()).await?;
        let desks = &shared.settings.desks;
        let Page {
            events,
            odd,
            cursor: next,
            more,
        } = customer_service::page(&shared.account, desks, &answer, Timestamp::now());
        for entry in odd {
            let reason = "an entry of kf/sync_msg has no known form";
            inbox
                .accept_unknown(reason, entry.to_string().as_bytes())
                .await?;
        }
        accept(inbox, events).await?;
        let Some(next) = next.filter(|next| Some(next) != cursor.as_ref()) else {
            return Ok(false);
        };
        self.cursor.save(&next).await?;
        *cursor = Some(next);
        Ok(more)
    }

    async fn ask(&self, shared: &Shared, cursor: Option<&str>) -> Result<Value, SendError> {
        let mut body = json!({"open_kfid": self.id, "limit": PAGE, "voice_format": 0});
        if let Some(cursor) = cursor {
            body["cursor"] = json!(cursor);
        }
        let token = {
            let mut token = self.token();
            token.take_if(|(_, at)| at.elapsed() > TOKEN);
            token.as_ref().map(|(token, _)| token.clone())
        };
        if let Some(token) = &token {
            body["token"] = json!(token);
        }
        let path = "/cgi-bin/kf/sync_msg";
        match shared.api.call(path, &body, Effect::None).await {
            Err(Failure::Refused(error)) if error.code == CALLBACK_TOKEN && token.is_some() => {
                self.token().take();
                if let Some(body) = body.as_object_mut() {
                    body.remove("token");
                }
                shared.api.call(path, &body, Effect::None).await
            }
            other => other,
        }
        .map_err(|failure| failure.into_ending(shared.settings.family))
    }

    fn token(&self) -> std::sync::MutexGuard<'_, Option<(String, Instant)>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commits a page in its order. One event that can never be accepted does not hold up the others.
async fn accept(inbox: &Inbox, events: Vec<Inbound>) -> Result<(), InboxError> {
    for batch in events.chunks(inbox.limits().events) {
        match inbox.accept(batch.to_vec()).await {
            Ok(_) => {}
            Err(InboxError::Invalid(_) | InboxError::TooLarge { .. }) => {
                for event in batch {
                    match inbox.accept(vec![event.clone()]).await {
                        Ok(_) => {}
                        Err(error @ (InboxError::Invalid(_) | InboxError::TooLarge { .. })) => {
                            let raw = serde_json::to_vec(event).unwrap_or_default();
                            inbox.accept_unknown(&error.to_string(), &raw).await?;
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
