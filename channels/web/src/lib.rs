//! The web channel: a chat widget on the business's own pages, over HTTP and WebSocket.
//!
//! A visitor holds a signed token; the token names the conversation. What the visitor writes goes
//! through the inbox and is acknowledged once it is committed; what they read is the transcript
//! itself, followed by cursor, so a reconnect loses and doubles nothing and nothing of this
//! channel needs the outbox.
//!
//! * [`config`] – what an operator sets;
//! * [`signature`] – visitor tokens, file links, who the business says is logged in;
//! * [`inbound`] – what a browser sends, as events; [`outbound`] – what it is sent;
//! * `http`, `socket`, `files` – the endpoints under `/web/{account}/`;
//! * [`guard`] – origins, rates, connection counts;
//! * [`assets`] – the widget and the demo page, inside the binary.
//!
//! | endpoint | |
//! |---|---|
//! | `GET /web/{account}/settings` | what the widget needs before anyone writes |
//! | `POST /web/{account}/session` | a token, new or renewed |
//! | `POST /web/{account}/messages?wait=ms` | write, and wait for the answer if wanted |
//! | `GET /web/{account}/messages?after=&wait=ms` | read on from a cursor |
//! | `GET /web/{account}/socket` | both, live |
//! | `POST /web/{account}/files` | upload |
//! | `GET /web/{account}/files/{id}` | a file, to its conversation or by signed link |

pub mod assets;
pub mod config;
mod files;
pub mod guard;
mod http;
pub mod inbound;
pub mod outbound;
pub mod signature;
mod socket;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use tandem_channel_kit::{Account, Channel, ChannelError, Inbox, Stop};
use tandem_domain::{
    LaneId, Timestamp,
    capabilities::{Capabilities, Choices, Format, Limit, MediaBy, MediaLimit, TextLimit, Unit},
    channel::{Receipt, SendError},
    message::{MediaKind, NativeConversation, Outbound, SendOp},
};

pub use config::Config;
use guard::Guard;
use signature::Keys;

/// What the wall clock says; a test hands in its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One widget account.
#[derive(Clone)]
pub struct WebChannel(Arc<Shared>);

/// Everything the endpoints of one account share.
pub(crate) struct Shared {
    pub(crate) account: Account,
    pub(crate) config: Config,
    pub(crate) keys: Keys,
    pub(crate) guard: Guard,
    pub(crate) clock: Clock,
    /// Stopped once the channel's `run` was told to: endpoints refuse, sockets close.
    pub(crate) stop: Stop,
    /// For `send`, which has no other way to say that somebody is typing.
    inbox: OnceLock<Inbox>,
}

impl WebChannel {
    /// # Errors
    /// [`ChannelError::Config`] when a setting cannot work: no key, a short one, an origin that is
    /// none, an account id that cannot stand in a URL.
    pub fn new(account: Account, config: Config) -> Result<Self, ChannelError> {
        Self::with_clock(account, config, Arc::new(Timestamp::now))
    }

    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(
        account: Account,
        config: Config,
        clock: Clock,
    ) -> Result<Self, ChannelError> {
        config.validate().map_err(ChannelError::Config)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let id = account.id.as_str();
        if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
            return Err(ChannelError::Config(format!(
                "the account id {id:?} must be 1 to 64 letters, digits, '-', '_' or '.'"
            )));
        }
        let keys = Keys::new(&account, &config);
        let guard = Guard::new(&config);
        Ok(Self(Arc::new(Shared {
            account,
            config,
            keys,
            guard,
            clock,
            stop: Stop::new(),
            inbox: OnceLock::new(),
        })))
    }

    /// How many sockets are open, for metrics.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.guard.connections()
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A visitor's conversation is named by the visitor.
    pub(crate) fn conversation(visitor: &str) -> NativeConversation {
        NativeConversation {
            kind: tandem_domain::message::ConversationKind::Dm,
            id: visitor.to_owned(),
            thread: None,
        }
    }

    pub(crate) fn lane(&self, visitor: &str) -> LaneId {
        Self::conversation(visitor).lane(&self.account.workspace, &self.account.id)
    }
}

#[async_trait]
impl Channel for WebChannel {
    fn capabilities(&self) -> Capabilities {
        let everything = Choices {
            max: 50,
            text: None,
            label: Limit {
                max: 200,
                unit: Unit::Grapheme,
            },
            value: Limit {
                max: 2048,
                unit: Unit::Byte,
            },
            url: true,
        };
        Capabilities {
            text: TextLimit {
                max: 32 * 1024,
                unit: Unit::Byte,
                format: Format::Plain,
            },
            buttons: Some(everything),
            batch_max: 32,
            cards: true,
            media: [
                MediaKind::Image,
                MediaKind::Audio,
                MediaKind::Video,
                MediaKind::File,
            ]
            .map(|kind| {
                let any = MediaLimit {
                    by: MediaBy::Url,
                    max: None,
                };
                (kind, any)
            })
            .into(),
            receipts: true,
            typing: true,
            proactive: true,
            ..Capabilities::default()
        }
    }

    fn reads_transcript(&self) -> bool {
        true
    }

    async fn run(&self, inbox: Inbox, stop: Stop) -> Result<(), ChannelError> {
        // Routes may have set it before; both handles are the same account's.
        let _ = self.0.inbox.set(inbox);
        stop.stopped().await;
        self.0.stop.stop();
        // Open sockets say goodbye; one that hangs is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.0.guard.drained()).await;
        Ok(())
    }

    fn routes(&self, inbox: Inbox) -> axum::Router {
        let _ = self.0.inbox.set(inbox.clone());
        http::routes(self.0.clone(), inbox)
    }

    /// What was committed to the transcript is already visible, so there is nothing left to do.
    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        if let (SendOp::Typing, Some(inbox)) = (&message.op, self.0.inbox.get()) {
            inbox.typing(message.lane, true);
        }
        Ok(Receipt {
            native_ids: vec![message.uuid.to_string()],
        })
    }
}
