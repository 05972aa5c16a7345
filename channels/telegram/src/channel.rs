//! The channel of one bot: what the outbox and the host of channels see of it, and the one way in
//! that polls and webhooks share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use serde::Deserialize;
use tandem_channel_kit::{
    Account, Channel, ChannelError, Fetched, Health, Inbox, InboxError, MEDIA_MAX, Stop, hook,
};
use tandem_domain::{
    Timestamp,
    capabilities::{
        Capabilities, Choices, Format, Limit, MediaBy, MediaLimit, Pace, Rate, TextLimit, Unit,
    },
    channel::{Receipt, SendError},
    message::{Media, MediaKind, Outbound},
};
use tandem_net::{NetError, NetErrorKind};
use teloxide::{
    payloads::{AnswerCallbackQuery, GetFile, GetMe},
    types::{CallbackQueryId, FileId},
};
use url::Url;

use crate::{
    api::{Api, Failure, result},
    config::{Settings, bot_id},
    inbound::{Reader, Says, Update},
    outbound, poll, signature, webhook,
};

/// Button presses acknowledged at once.
const AT_ONCE: usize = 8;

/// One bot.
#[derive(Clone, Debug)]
pub struct TelegramChannel(Arc<Shared>);

/// What a webhook needs.
pub(crate) struct Hook {
    /// The address given to Telegram.
    pub url: Url,
    pub secret: String,
}

/// Everything the ways in and out share.
pub(crate) struct Shared {
    pub account: Account,
    pub api: Api,
    /// The bot's id.
    bot: u64,
    /// None: updates are polled for.
    pub hook: Option<Hook>,
    /// Stopped once `run` was told to: the webhook refuses.
    pub stop: Stop,
    /// For files that are sent: `send` is handed none.
    inbox: OnceLock<Inbox>,
    /// As Telegram says it at every start: it may be changed there.
    username: Mutex<Option<Arc<str>>>,
    health: Mutex<Health>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("account", &self.account)
            .field("bot", &self.bot)
            .finish_non_exhaustive()
    }
}

impl TelegramChannel {
    /// The channel of a bot whose settings were checked; with a webhook's address, updates come
    /// there.
    ///
    /// # Errors
    /// When no client for the Bot API can be made.
    pub fn open(
        account: Account,
        settings: &Settings,
        api: &Url,
        webhook: Option<Url>,
    ) -> Result<Self, NetError> {
        let token = settings.token.expose();
        let hook = webhook.map(|url| Hook {
            url,
            secret: match &settings.secret_token {
                Some(secret) => secret.expose().to_owned(),
                None => signature::secret_of(token, account.id.as_str()),
            },
        });
        Ok(Self(Arc::new(Shared {
            api: Api::new(api, token)?,
            bot: bot_id(token).unwrap_or_default(),
            account,
            hook,
            stop: Stop::new(),
            inbox: OnceLock::new(),
            username: Mutex::default(),
            health: Mutex::default(),
        })))
    }
}

impl Shared {
    /// Learns who the bot is; the first that a refused token meets.
    pub async fn introduce(&self) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Me {
            username: Option<String>,
        }
        let answer = self.api.call(&GetMe::new()).await?;
        let me: Me = result(&answer).map_err(|error| Failure::Unknown(error.to_string()))?;
        *lock(&self.username) = me.username.map(Into::into);
        Ok(())
    }

    pub fn feels(&self, health: Health) {
        *lock(&self.health) = health;
    }

    /// Reads an update.
    pub fn read(&self, body: &[u8]) -> Update {
        let username = lock(&self.username).clone();
        let reader = Reader {
            account: &self.account,
            bot: self.bot,
            username: username.as_deref(),
            now: Timestamp::now(),
        };
        reader.read(body)
    }

    /// Commits what updates say, each with the bytes it was read from, in one transaction where
    /// none of them is at fault; what is not understood, or never acceptable, is kept for a
    /// person. Only then may Telegram be told that we have them.
    ///
    /// # Errors
    /// When nothing, or not everything, could be stored: let Telegram deliver them again.
    pub async fn commit(
        &self,
        inbox: &Inbox,
        updates: Vec<(Update, &[u8])>,
    ) -> Result<(), InboxError> {
        let (mut events, mut bodies) = (Vec::new(), Vec::new());
        for (update, body) in updates {
            match update.says {
                Says::Event(event) => {
                    events.push(*event);
                    bodies.push(body);
                }
                Says::Nothing => {}
                Says::Unknown(why) => inbox.accept_unknown(why, body).await?,
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        match inbox.accept(events).await {
            Err(error) if error.is_of_the_event() => {}
            accepted => return accepted.map(drop),
        }
        // One of them is at fault, and the others are not to suffer for it.
        for body in bodies {
            let Says::Event(event) = self.read(body).says else {
                continue;
            };
            hook::take(inbox, vec![*event], body).await?;
        }
        Ok(())
    }

    /// Ends the spinners on pressed buttons. What comes of it changes nothing: the presses are
    /// committed.
    pub async fn answer(&self, presses: Vec<String>) {
        let each = futures::stream::iter(presses);
        each.for_each_concurrent(AT_ONCE, async |id| {
            let payload = AnswerCallbackQuery::new(CallbackQueryId(id));
            if let Err(failure) = self.api.call(&payload).await {
                tracing::debug!(account = %self.account.id, %failure, "A pressed button was not acknowledged.");
            }
        })
        .await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<Failure> for ChannelError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unauthorized(_) => Self::Unauthorized(failure.to_string()),
            _ => Self::Lost(failure.into()),
        }
    }
}

/// What Telegram shows and takes.
pub(crate) fn capabilities() -> Capabilities {
    let bytes = |max| MediaLimit {
        by: MediaBy::Upload,
        max: Some(max),
    };
    let limit = |max, unit| Limit { max, unit };
    Capabilities {
        text: TextLimit {
            max: 4096,
            unit: Unit::Utf16,
            format: Format::Plain,
        },
        buttons: Some(Choices {
            max: 100,
            text: None,
            // Telegram names no limit; longer ones a phone does not show whole.
            label: limit(40, Unit::Char),
            value: limit(64, Unit::Byte),
            url: true,
        }),
        media: [
            MediaKind::Image,
            MediaKind::Audio,
            MediaKind::Video,
            MediaKind::File,
        ]
        .map(|kind| (kind, bytes(50 << 20)))
        .into(),
        edit_secs: Some(-1),
        delete_secs: Some(48 * 3600),
        typing: true,
        proactive: true,
        rate: Rate {
            account: vec![Pace::new(30, 1)],
            chat: vec![Pace::new(1, 1)],
            group: vec![Pace::new(20, 60)],
        },
        ..Capabilities::default()
    }
}

#[async_trait]
impl Channel for TelegramChannel {
    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    async fn run(&self, inbox: Inbox, stop: Stop) -> Result<(), ChannelError> {
        // Routes may have set it before; both handles are the same account's.
        let _ = self.0.inbox.set(inbox.clone());
        let ended = match &self.0.hook {
            None => poll::run(&self.0, &inbox, &stop).await,
            Some(hook) => webhook::run(&self.0, hook, &stop).await,
        };
        if stop.is_stopped() {
            self.0.stop.stop();
        }
        ended
    }

    fn routes(&self, inbox: Inbox) -> axum::Router {
        let _ = self.0.inbox.set(inbox.clone());
        match &self.0.hook {
            None => axum::Router::new(),
            Some(_) => webhook::routes(self.0.clone(), inbox),
        }
    }

    fn addresses(&self) -> Vec<String> {
        vec![self.0.bot.to_string()]
    }

    fn health(&self) -> Health {
        lock(&self.0.health).clone()
    }

    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        outbound::send(&self.0.api, self.0.inbox.get(), message).await
    }

    async fn fetch(&self, media: &Media) -> Result<Fetched, SendError> {
        #[derive(Deserialize)]
        struct File {
            file_path: Option<String>,
        }
        let gone = |message: String| SendError::Rejected {
            code: "media".to_owned(),
            message,
        };
        let payload = GetFile::new(FileId(media.reference.clone()));
        let answer = self
            .0
            .api
            .call(&payload)
            .await
            .map_err(|failure| match failure {
                Failure::Refused { .. } => gone(failure.to_string()),
                // Asking twice does no harm.
                Failure::Unknown(_) => SendError::Transient(failure.into()),
                failure => failure.into(),
            })?;
        let file: File = result(&answer).map_err(|error| SendError::Transient(error.into()))?;
        let path = file.file_path.unwrap_or_default();
        if path.is_empty() || path.starts_with('/') {
            let text = "the Bot API server gives no path to fetch it by; one of your own must run without --local";
            return Err(gone(text.to_owned()));
        }
        let response = self
            .0
            .api
            .download(&path)
            .await
            .map_err(|error| match error.kind {
                NetErrorKind::TooLarge => gone(format!("it is larger than {} MB", MEDIA_MAX >> 20)),
                _ => SendError::Transient(error.into()),
            })?;
        match response.status {
            200..=299 => Ok(Fetched {
                // Telegram calls everything application/octet-stream; it said better before.
                mime: Some(media.mime.clone()),
                bytes: response.body,
            }),
            429 | 500.. => Err(SendError::Transient(
                format!("Telegram answered {}", response.status).into(),
            )),
            status => Err(gone(format!("Telegram answered {status}"))),
        }
    }
}
