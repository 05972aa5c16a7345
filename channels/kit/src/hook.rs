//! What the webhooks of all platforms share: a body read within bounds, and what a request is
//! answered that has no good answer.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody as _},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tandem_domain::{message::Inbound, store::StoreError};

use crate::{Accepted, Account, Inbox, InboxError};

/// Largest request of a platform whose own are a few kilobytes.
pub const BODY_MAX: usize = 1 << 20;
/// How long a request may take to arrive.
const ARRIVE: Duration = Duration::from_secs(10);
/// How much more than the limit is listened to, so that the answer is heard.
const HEAR_OUT: usize = 4 << 20;

/// Why a request has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 401: not the platform, or less than it does; how that shows, for the log.
    Forged(Cow<'static, str>),
    /// 413.
    TooLarge,
    /// 408.
    Slow,
    /// 503: the platform keeps it and tries again.
    Later(String),
}

impl Refused {
    /// Says it in the log and to whoever asked.
    #[must_use]
    pub fn answer(self, account: &Account) -> Response {
        let account = &account.id;
        let status = match self {
            Self::Forged(why) => {
                tracing::warn!(%account, %why, "A webhook was not the platform's and is refused.");
                StatusCode::UNAUTHORIZED
            }
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Later(why) => {
                tracing::warn!(%account, why, "A webhook could not be taken and is to come again.");
                let again = [(header::RETRY_AFTER, "5")];
                return (StatusCode::SERVICE_UNAVAILABLE, again).into_response();
            }
        };
        status.into_response()
    }
}

impl From<InboxError> for Refused {
    fn from(error: InboxError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Later(error.to_string())
    }
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// [`Refused::TooLarge`], or [`Refused::Slow`] where it does not come, or breaks off.
pub async fn read(body: Body, limit: usize) -> Result<Bytes, Refused> {
    let read = tokio::time::timeout(ARRIVE, frames(body, limit));
    read.await.unwrap_or(Err(Refused::Slow))
}

async fn frames(body: Body, limit: usize) -> Result<Bytes, Refused> {
    let mut body = Limited::new(body, limit + HEAR_OUT);
    let mut bytes = Vec::new();
    let mut over = false;
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) if error.is::<LengthLimitError>() => return Err(Refused::TooLarge),
            Err(_) => return Err(Refused::Slow),
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        over |= bytes.len() + data.len() > limit;
        if over {
            continue;
        }
        // Most come in one piece, which needs no copy.
        if bytes.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        bytes.extend_from_slice(&data);
    }
    match over {
        true => Err(Refused::TooLarge),
        false => Ok(bytes.into()),
    }
}

/// Commits the events of one request; one answer an event. Where no inbox ever takes them, `raw`
/// is kept for a person instead, and there is no answer: sending it again would change nothing.
///
/// # Errors
/// When nothing could be stored: let the platform try again.
pub async fn take(
    inbox: &Inbox,
    events: Vec<Inbound>,
    raw: &[u8],
) -> Result<Vec<Accepted>, InboxError> {
    match inbox.accept(events).await {
        Err(error) if error.is_of_the_event() => {
            inbox.accept_unknown(&error.to_string(), raw).await?;
            Ok(Vec::new())
        }
        accepted => accepted,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn pieces(pieces: Vec<&'static [u8]>) -> Body {
        let pieces = pieces.into_iter().map(Ok::<_, Infallible>);
        Body::from_stream(futures::stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        assert_eq!(read(Body::empty(), 3).await, Ok(Bytes::new()));
        assert_eq!(read(Body::from("abc"), 3).await, Ok(Bytes::from("abc")));
        let three = || pieces(vec![b"a", b"", b"bc"]);
        assert_eq!(read(three(), 3).await, Ok(Bytes::from("abc")));
        assert_eq!(read(three(), 2).await, Err(Refused::TooLarge));
        assert_eq!(read(Body::from("abcd"), 3).await, Err(Refused::TooLarge));
        let long = Body::from(vec![0; HEAR_OUT + 10]);
        assert_eq!(read(long, 3).await, Err(Refused::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_is_given_up() {
        let stuck = futures::stream::pending::<Result<Bytes, Infallible>>();
        assert_eq!(read(Body::from_stream(stuck), 3).await, Err(Refused::Slow));
    }

    #[tokio::test]
    async fn a_refusal_has_its_status() {
        let account = crate::fake::account("test", "a");
        let forged = Refused::Forged("unsigned".into()).answer(&account);
        assert_eq!(forged.status(), 401);
        assert_eq!(Refused::TooLarge.answer(&account).status(), 413);
        assert_eq!(Refused::Slow.answer(&account).status(), 408);
        let later = Refused::from(InboxError::Full("no room".into())).answer(&account);
        assert_eq!(later.status(), 503);
        assert_eq!(later.headers()[header::RETRY_AFTER], "5");
    }
}
