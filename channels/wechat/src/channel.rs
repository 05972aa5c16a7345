//! The channel of one account: what the outbox and the host of channels see of it.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_channel_kit::{Account, Channel, ChannelError, Fetched, Health, Inbox, Stop};
use tandem_domain::{
    capabilities::Capabilities,
    channel::{Receipt, SendError},
    message::{Media, Outbound, SendOp, SessionState},
};
use tandem_net::Transport;

use crate::{
    api::{Api, Effect, Failure},
    config::Settings,
    errors::{ApiError, MEDIA_GONE, WRONG_STATE},
    family::Family,
    hook,
    media::{self, Uploads},
    menu,
    outbound::{self, Said},
    passive::Asks,
    sealed::Seal,
    sync::Sync,
};

/// How long WeCom knows what it was sent.
const COMPARED: u64 = 1800;

/// How long an answer waits for the customer to ask for it, before it leaves as a customer-service
/// message after all.
const ASKED_FOR: Duration = Duration::from_secs(600);

/// One account of a channel of the family.
#[derive(Clone, Debug)]
pub struct WechatChannel(Arc<Shared>);

/// What the webhook and the sends of one account share.
pub(crate) struct Shared {
    pub account: Account,
    pub settings: Settings,
    pub seal: Seal,
    pub api: Api,
    pub uploads: Uploads,
    pub sync: Sync,
    /// Messages that are being asked about.
    pub asks: Asks,
    /// Routes or run have it first; both are the same account's.
    inbox: OnceLock<Inbox>,
    degraded: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub fn set_degraded(&self, degraded: bool) {
        self.degraded.store(degraded, Ordering::Relaxed);
    }

    /// A message as it is said there; its file is uploaded first.
    pub async fn said(&self, message: &Outbound) -> Result<Said, SendError> {
        let content = &message.content;
        let Some(file) = outbound::file(content) else {
            return Ok(Said::words(content));
        };
        let family = self.settings.family;
        let inbox = self.inbox.get();
        let uploaded = self.uploads.put(family, &self.api, inbox, file).await?;
        Ok(match uploaded {
            Some(uploaded) => Said::File(uploaded),
            None => Said::with(outbound::named(file), content.choices.clone()),
        })
    }
}

impl WechatChannel {
    /// # Errors
    /// [`ChannelError::Config`] when a secret is missing or is none, or the API has no address.
    pub fn new(
        account: Account,
        settings: Settings,
        transport: &Transport,
        data_dir: PathBuf,
    ) -> Result<Self, ChannelError> {
        let seal = settings.seal().ok_or_else(|| {
            ChannelError::Config(
                "the secret, the token or the encoding_aes_key (43 characters) is missing or none"
                    .to_owned(),
            )
        })?;
        let api = Api::new(&settings, transport)
            .map_err(|error| ChannelError::Config(error.to_string()))?;
        Ok(Self(Arc::new(Shared {
            seal,
            api,
            uploads: Uploads::new(transport),
            sync: Sync::new(&settings.desks, &data_dir),
            asks: Asks::default(),
            inbox: OnceLock::new(),
            degraded: AtomicBool::new(false),
            account,
            settings,
        })))
    }

    async fn deliver(&self, message: &Outbound) -> Result<Receipt, SendError> {
        let shared = &self.0;
        let family = shared.settings.family;
        let said = shared.said(message).await?;
        let sent = match family {
            Family::OfficialAccount | Family::MiniProgram => {
                let body = outbound::custom(message, &said);
                let path = "/cgi-bin/message/custom/send";
                shared.api.call(path, &body, Effect::Message).await
            }
            Family::WeCom => {
                let compared = shared.settings.duplicate_check;
                let body = outbound::app(message, &said, shared.settings.agent, compared);
                let path = "/cgi-bin/message/send";
                let sent = shared.api.call(path, &body, Effect::Message).await;
                sent.and_then(whole)
            }
            Family::CustomerService => self.send_for_desk(message, &said).await,
        };
        match sent {
            Ok(answer) => {
                let id = answer.get("msgid").and_then(Value::as_str);
                Ok(Receipt {
                    native_ids: id.map(str::to_owned).into_iter().collect(),
                })
            }
            Err(Failure::Refused(error)) if error.code == MEDIA_GONE => {
                if let Said::File(file) = &said {
                    shared.uploads.forget(&file.id);
                }
                Err(SendError::Transient(error.into()))
            }
            Err(failure) => Err(failure.into_ending(family)),
        }
    }

    /// Sends for a desk, and once more where the conversation had to be taken first: what is
    /// refused for its state was not taken.
    async fn send_for_desk(&self, message: &Outbound, said: &Said) -> Result<Value, Failure> {
        let shared = &self.0;
        let desks = &shared.settings.desks;
        let desk = message.conversation.thread.as_ref().or(desks.first());
        let desk = desk.map(String::as_str).unwrap_or_default();
        let (path, body) = outbound::desk(message, said, desk);
        match shared.api.call(path, &body, Effect::Message).await {
            Err(Failure::Refused(error)) if error.code == WRONG_STATE => {
                self.take(desk, &message.conversation.id, error).await?;
                shared.api.call(path, &body, Effect::Message).await
            }
            other => other,
        }
    }

    /// Makes the conversation the bot's, where it is nobody's.
    async fn take(&self, desk: &str, customer: &str, refused: ApiError) -> Result<(), Failure> {
        let api = &self.0.api;
        let who = json!({"open_kfid": desk, "external_userid": customer});
        let state = api
            .call("/cgi-bin/kf/service_state/get", &who, Effect::None)
            .await?;
        let held = match state.get("service_state").and_then(Value::as_i64) {
            Some(2) if self.0.settings.handoff_to.is_some() => {
                "the conversation waits for a person at WeCom; it can be ended there"
            }
            Some(3) => "a person at WeCom has the conversation; it can be ended there",
            Some(4) => "the conversation has ended; the customer has to write first",
            _ => {
                let mut take = who;
                take["service_state"] = json!(1);
                api.call("/cgi-bin/kf/service_state/trans", &take, Effect::None)
                    .await?;
                return Ok(());
            }
        };
        Err(Failure::Refused(ApiError {
            message: held.to_owned(),
            ..refused
        }))
    }

    /// Makes the account's menu what the settings say. WeChat shows it within a day at the latest.
    async fn tell_menu(&self) -> Result<(), ChannelError> {
        let shared = &self.0;
        if shared.settings.menu.is_empty() {
            return Ok(());
        }
        let body = menu::body(&shared.settings.menu);
        let told = shared.api.call("/cgi-bin/menu/create", &body, Effect::None);
        let account = &shared.account.id;
        match told.await {
            Ok(_) => {
                tracing::info!(%account, "The account's menu is as configured.");
                Ok(())
            }
            Err(failure) => match failure.into_ending(shared.settings.family) {
                SendError::Unauthorized(why) => Err(ChannelError::Unauthorized(why)),
                SendError::Rejected { code, message } => {
                    // Customers can write all the same.
                    tracing::error!(%account, code, message, "WeChat does not take the menu; mend `menu` in the account's settings, or see whether the account may have one.");
                    Ok(())
                }
                error => Err(ChannelError::Lost(error.into())),
            },
        }
    }

    /// Tells the desk who has the conversation. People who answer from here do it as the bot does,
    /// in state 1, which is the one that takes messages from the API; where the settings name
    /// WeCom's own people, they get it. Done again, it changes nothing.
    async fn session(&self, message: &Outbound, state: SessionState) -> Result<Receipt, SendError> {
        let shared = &self.0;
        let desks = &shared.settings.desks;
        let desk = message.conversation.thread.as_ref().or(desks.first());
        let who = json!({"open_kfid": desk, "external_userid": message.conversation.id});
        let api = &shared.api;
        let moved = async {
            let present = api
                .call("/cgi-bin/kf/service_state/get", &who, Effect::None)
                .await?;
            let present = present.get("service_state").and_then(Value::as_i64);
            let staff = shared.settings.handoff_to.as_deref();
            let mut change = who.clone();
            let next = match (state, present, staff) {
                (_, Some(4), _) => return Ok(()),
                (SessionState::Ended, ..) => 4,
                // From WeCom's people there is no way back: ended, the next words are the bot's.
                (SessionState::Bot, Some(2 | 3), _) => 4,
                (SessionState::Human, Some(2 | 3), _) => return Ok(()),
                (SessionState::Human, _, Some("pool")) => 2,
                (SessionState::Human, _, Some(servicer)) => {
                    change["servicer_userid"] = json!(servicer);
                    3
                }
                (SessionState::Bot | SessionState::Human, Some(1), _) => return Ok(()),
                (SessionState::Bot | SessionState::Human, ..) => 1,
            };
            change["service_state"] = json!(next);
            api.call("/cgi-bin/kf/service_state/trans", &change, Effect::None)
                .await?;
            Ok(())
        };
        let moved: Result<(), Failure> = moved.await;
        moved
            .map(|()| Receipt::default())
            .map_err(|failure| failure.into_ending(shared.settings.family))
    }

    /// Nobody misses it where it fails.
    async fn typing(&self, message: &Outbound) -> Receipt {
        let body = json!({"touser": message.conversation.id, "command": "Typing"});
        let path = "/cgi-bin/message/custom/typing";
        if let Err(failure) = self.0.api.call(path, &body, Effect::None).await {
            let error = failure.into_ending(self.0.settings.family);
            tracing::debug!(%error, "WeChat does not show that we are typing.");
        }
        Receipt::default()
    }
}

/// WeCom says with success that the one person it was for cannot have it.
fn whole(answer: Value) -> Result<Value, Failure> {
    let named = ["invaliduser", "unlicenseduser"].into_iter().find(|name| {
        answer
            .get(name)
            .and_then(Value::as_str)
            .is_some_and(|who| !who.is_empty())
    });
    match named {
        None => Ok(answer),
        Some(name) => Err(Failure::Refused(ApiError {
            code: 81013,
            message: format!("the person is out of the app's reach ({name})"),
        })),
    }
}

#[async_trait]
impl Channel for WechatChannel {
    fn capabilities(&self) -> Capabilities {
        let settings = &self.0.settings;
        let mut capabilities = settings.family.capabilities();
        if settings.duplicate_check {
            capabilities.idempotency_secs = Some(COMPARED);
        }
        capabilities
    }

    async fn run(&self, inbox: Inbox, stop: Stop) -> Result<(), ChannelError> {
        let _ = self.0.inbox.set(inbox.clone());
        if self.0.settings.family == Family::CustomerService {
            return self.0.sync.run(&self.0, &inbox, &stop).await;
        }
        if let Some(told) = stop.or(self.tell_menu()).await {
            told?;
        }
        stop.stopped().await;
        Ok(())
    }

    fn routes(&self, inbox: Inbox) -> axum::Router {
        let _ = self.0.inbox.set(inbox.clone());
        hook::routes(self.0.clone(), inbox)
    }

    fn in_band(&self) -> Option<Duration> {
        let settings = &self.0.settings;
        let late = settings.late_prompt.as_ref().map(|_| ASKED_FOR);
        let span = settings.family.in_band()?;
        Some(span + late.unwrap_or_default())
    }

    fn addresses(&self) -> Vec<String> {
        self.0.settings.desks.clone()
    }

    fn health(&self) -> Health {
        match self.0.degraded.load(Ordering::Relaxed) {
            true => Health::Degraded("messages cannot be fetched; it is tried again".to_owned()),
            false => Health::Good,
        }
    }

    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        match message.op {
            SendOp::Send => self.deliver(message).await,
            SendOp::Typing => Ok(self.typing(message).await),
            SendOp::Session { state } => self.session(message, state).await,
            SendOp::Edit { .. } | SendOp::Delete { .. } => Err(SendError::Rejected {
                code: "unsupported".to_owned(),
                message: "what was sent to WeChat cannot be changed".to_owned(),
            }),
        }
    }

    async fn fetch(&self, media: &Media) -> Result<Fetched, SendError> {
        media::fetch(self.0.settings.family, &self.0.api, media).await
    }
}
