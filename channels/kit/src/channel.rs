//! The trait every channel implements.

use std::{future::Future, time::Duration};

use async_trait::async_trait;
use axum::body::Bytes;
use serde::Serialize;
use tandem_domain::{
    BoxError,
    capabilities::Capabilities,
    channel::{Receipt, SendError},
    message::{Media, Outbound},
};
use tokio_util::sync::CancellationToken;

use crate::Inbox;

/// One configured account of one platform.
///
/// The host makes one instance an account, mounts its [`routes`](Channel::routes), runs
/// [`run`](Channel::run) until shutdown and calls [`send`](Channel::send) from the outbox, at most
/// once at a time for a lane but for many lanes at once. A sign that somebody is writing
/// ([`Typing`](tandem_domain::message::SendOp::Typing)) may come beside a send.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// What the platform can show and take. Asked often; must be cheap and must not change while
    /// the channel runs.
    fn capabilities(&self) -> Capabilities;

    /// Receives until `stop`, then puts an end to what it began and returns. A platform is told
    /// that an event was received only after [`Inbox::accept`] returned.
    ///
    /// # Errors
    /// See [`ChannelError`]. Returning early without an error counts as a lost connection.
    async fn run(&self, inbox: Inbox, stop: Stop) -> Result<(), ChannelError>;

    /// HTTP routes with absolute paths that carry the account's id, so that accounts never clash.
    fn routes(&self, _inbox: Inbox) -> axum::Router {
        axum::Router::new()
    }

    /// Customers of this channel read the transcript itself, so what is committed to it is
    /// delivered: nothing of it enters the outbox and [`send`](Channel::send) is never called.
    fn reads_transcript(&self) -> bool {
        false
    }

    /// Answers may be written into the platform's own request for so long after an event came:
    /// sends that answer it are left to [`Inbox::reply_within`] until then.
    fn in_band(&self) -> Option<Duration> {
        None
    }

    /// What the platform calls this account: a phone number's id, a page, a bot's user id. Events
    /// addressed to one of them find the account by it, and what one of them said is our own.
    /// Asked with every event; may grow once the platform has told it.
    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    /// How the account stands, as far as the channel knows more than its last send told.
    fn health(&self) -> Health {
        Health::Good
    }

    /// One attempt. Never retries and never sleeps: the outbox decides what follows from the
    /// error. `message.uuid` is the idempotency key where the platform understands one.
    ///
    /// # Errors
    /// The way the attempt ended; [`SendError::Uncertain`] once bytes left that cannot be
    /// repeated safely.
    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError>;

    /// Fetches a medium that a customer sent, by the reference its part came with. The host does
    /// it once the event is committed, again later where that may help, and keeps the bytes; a
    /// part whose reference is a stored file (`file:…`) already is never asked for.
    ///
    /// # Errors
    /// As a send: the credential, patience, refusal. [`SendError::Rejected`] where the platform
    /// has it no more or it is larger than [`MEDIA_MAX`].
    async fn fetch(&self, _media: &Media) -> Result<Fetched, SendError> {
        Err(SendError::Rejected {
            code: "media".to_owned(),
            message: "this channel fetches no media".to_owned(),
        })
    }
}

/// Bytes of the largest medium that is fetched.
pub const MEDIA_MAX: usize = 25 << 20;

/// A medium as the platform gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What the platform says it is; the host looks into the bytes.
    pub mime: Option<String>,
    pub bytes: Bytes,
}

/// How an account stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "health", content = "reason", rename_all = "snake_case")]
pub enum Health {
    #[default]
    Good,
    /// It works in part, or will again by itself: a connection is being made anew.
    Degraded(String),
    /// The platform refuses the credential. Messages wait until it is changed.
    Unauthorized(String),
    /// It cannot work before somebody changes the configuration.
    Broken(String),
}

/// Why a channel stopped receiving.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The connection broke or the platform is out of reach; the host runs the channel again
    /// after a pause that grows.
    #[error("the connection was lost: {0}")]
    Lost(#[source] BoxError),
    /// The credential is wrong or was revoked; running again cannot help before it is changed.
    #[error("the platform refused the credential: {0}")]
    Unauthorized(String),
    /// The configuration cannot work.
    #[error("the channel is not configured right: {0}")]
    Config(String),
}

/// Tells a running channel to finish. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everyone who holds a clone to finish. Doing it twice is doing it once.
    pub fn stop(&self) {
        self.0.cancel();
    }

    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns once stopped, at once if it already is.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }

    /// A stop of its own that is also stopped with this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Runs `work` to its end, or drops it when stopped first: then `None`.
    pub async fn or<F: Future>(&self, work: F) -> Option<F::Output> {
        self.0.run_until_cancelled(work).await
    }
}
