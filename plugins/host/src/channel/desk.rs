//! What the accounts of channels hand in and ask for, by the names of their instances.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tandem_channel_kit::{Inbox, InboxError, ReplyClaim};
use tandem_domain::{
    InboxId,
    channel::{Receipt, SendError},
    message::Outbound,
};
use tandem_plugin_sdk::{
    Error,
    wire::{self, Bytes},
};

use super::{event, media};
use crate::{ServiceError, Services};

/// Claims of one account that are open at once.
const CLAIMS: usize = 256;
/// How long a claim stays open: longer than any platform waits for an answer.
const CLAIM_LIFE: Duration = Duration::from_secs(60);
/// Longest wait for an answer, well within what a plugin's request may take.
const WAIT_MAX: Duration = Duration::from_secs(25);
/// Messages in one claim.
const CLAIM_MOST: usize = 16;
/// Ids in one receipt, and bytes of one of them.
const NATIVE_IDS: usize = 64;
const NATIVE_ID_MAX: usize = 2048;

/// Where accounts hand in what their platforms said.
#[derive(Default)]
pub(crate) struct Desk {
    inboxes: Mutex<HashMap<String, Inbox>>,
    claims: Arc<Mutex<HashMap<String, Open>>>,
}

/// A claim and the instance it was given to.
struct Open {
    instance: String,
    claim: ReplyClaim,
}

impl Desk {
    /// From now on the instance's events go to this inbox.
    pub(super) fn attach(&self, instance: &str, inbox: Inbox) {
        lock(&self.inboxes).insert(instance.to_owned(), inbox);
    }

    /// The instance is no account's any more; claims it left open stand as uncertain.
    pub(super) fn detach(&self, instance: &str) {
        lock(&self.inboxes).remove(instance);
        lock(&self.claims).retain(|_, open| open.instance != instance);
    }

    /// `None` for what is not a channel's to ask.
    async fn call(
        &self,
        instance: &str,
        method: &str,
        params: &Value,
    ) -> Option<Result<Value, ServiceError>> {
        let known = matches!(
            method,
            "inbox.accept"
                | "inbox.accept_unknown"
                | "inbox.reply_within"
                | "media.get"
                | "receipt.update"
        );
        if !known {
            return None;
        }
        let inbox = lock(&self.inboxes).get(instance).cloned();
        let Some(inbox) = inbox else {
            // It asks before it is connected.
            return Some(Err(ServiceError::Busy));
        };
        Some(match method {
            "inbox.accept" => accept(&inbox, params).await,
            "inbox.accept_unknown" => accept_unknown(&inbox, params).await,
            "inbox.reply_within" => self.reply_within(instance, &inbox, params).await,
            "media.get" => media::get(&inbox, params).await,
            _ => self.settle(instance, params).await,
        })
    }

    async fn reply_within(
        &self,
        instance: &str,
        inbox: &Inbox,
        params: &Value,
    ) -> Result<Value, ServiceError> {
        #[derive(Deserialize)]
        struct Params {
            id: InboxId,
            limit_ms: u64,
            #[serde(default)]
            most: Option<usize>,
        }
        let Params { id, limit_ms, most } = typed(params)?;
        let mine = |open: &&Open| open.instance == instance;
        if lock(&self.claims).values().filter(mine).count() >= CLAIMS {
            return Err(ServiceError::Busy);
        }
        let limit = Duration::from_millis(limit_ms).min(WAIT_MAX);
        let most = most.unwrap_or(1).clamp(1, CLAIM_MOST);
        let Some(claim) = inbox.reply_within(id, limit, most).await else {
            return Ok(Value::Null);
        };
        let outbound: Result<Vec<Value>, _> = claim.outbound.iter().map(outbound).collect();
        let outbound = outbound.map_err(|why| {
            ServiceError::Failed(Error::new("failed", format_args!("a message: {why}")))
        })?;
        let name = uuid::Uuid::now_v7().to_string();
        let open = Open {
            instance: instance.to_owned(),
            claim,
        };
        lock(&self.claims).insert(name.clone(), open);
        // One that nobody ends is dropped, and stands as uncertain.
        let (claims, ending) = (Arc::downgrade(&self.claims), name.clone());
        tokio::spawn(async move {
            tokio::time::sleep(CLAIM_LIFE).await;
            if let Some(claims) = claims.upgrade() {
                let left = lock(&claims).remove(&ending);
                drop(left);
            }
        });
        Ok(json!({"claim": name, "outbound": outbound}))
    }

    async fn settle(&self, instance: &str, params: &Value) -> Result<Value, ServiceError> {
        #[derive(Deserialize)]
        struct Params {
            claim: String,
            #[serde(default)]
            receipt: Option<Value>,
            #[serde(default)]
            error: Option<Error>,
        }
        let params: Params = typed(params)?;
        let end = match (params.receipt, params.error) {
            (Some(told), None) => Ok(receipt(&told).map_err(ServiceError::BadInput)?),
            (None, Some(error)) => Err(send_error(error)),
            _ => {
                let why = "either `receipt` or `error` is wanted";
                return Err(ServiceError::BadInput(why.into()));
            }
        };
        let claim = {
            let mut claims = lock(&self.claims);
            match claims.get(&params.claim) {
                Some(open) if open.instance == instance => claims.remove(&params.claim),
                _ => None,
            }
        };
        let Some(Open { claim, .. }) = claim else {
            let why = "this claim has ended already, or was never yours";
            return Err(ServiceError::BadInput(why.into()));
        };
        match end {
            Ok(receipt) => claim.written(receipt).await,
            Err(error) => claim.failed(error).await,
        }
        Ok(Value::Null)
    }
}

/// Returns only once they are committed.
async fn accept(inbox: &Inbox, params: &Value) -> Result<Value, ServiceError> {
    #[derive(Deserialize)]
    struct Params {
        events: Vec<Value>,
    }
    let Params { events } = typed(params)?;
    let mut read = Vec::with_capacity(events.len().min(inbox.limits().events));
    for (at, event) in events.into_iter().enumerate() {
        let event = event::read(event, inbox.account());
        read.push(event.map_err(|why| ServiceError::BadInput(format!("events[{at}]: {why}")))?);
    }
    let accepted = inbox.accept(read).await.map_err(refused)?;
    let accepted: Vec<wire::Accepted> = accepted.into_iter().map(told).collect();
    Ok(json!({ "accepted": accepted }))
}

fn told(accepted: tandem_channel_kit::Accepted) -> wire::Accepted {
    use tandem_channel_kit::Accepted;
    match accepted {
        Accepted::New(id) => wire::Accepted::New(id.to_string()),
        Accepted::Duplicate(id) => wire::Accepted::Duplicate(id.to_string()),
        Accepted::Skipped => wire::Accepted::Skipped,
    }
}

async fn accept_unknown(inbox: &Inbox, params: &Value) -> Result<Value, ServiceError> {
    #[derive(Deserialize)]
    struct Params {
        reason: String,
        body: Bytes,
    }
    let Params { reason, body } = typed(params)?;
    let kept = inbox.accept_unknown(&reason, &body.0).await;
    kept.map(|()| Value::Null).map_err(refused)
}

pub(super) fn typed<T: DeserializeOwned>(params: &Value) -> Result<T, ServiceError> {
    serde_path_to_error::deserialize(params).map_err(|why| ServiceError::BadInput(why.to_string()))
}

fn refused(error: InboxError) -> ServiceError {
    match error {
        InboxError::Unavailable(_) => ServiceError::Busy,
        InboxError::Full(why) => ServiceError::Failed(Error::new("full", why)),
        InboxError::Invalid(why) => ServiceError::BadInput(why),
        InboxError::TooLarge { .. } => ServiceError::TooLarge(error.to_string()),
        InboxError::Failed(why) => {
            tracing::error!(why, "An event of a plugin's channel could not be stored.");
            ServiceError::Failed(Error::new("failed", "the event could not be stored"))
        }
    }
}

/// A message as plugins know it: nothing else of ours crosses.
pub(super) fn outbound(message: &Outbound) -> Result<Value, serde_json::Error> {
    let message: wire::Outbound = serde_json::from_value(serde_json::to_value(message)?)?;
    serde_json::to_value(message)
}

/// What a platform said it made of a message.
pub(super) fn receipt(told: &Value) -> Result<Receipt, String> {
    let told: wire::Receipt = serde_path_to_error::deserialize(told).map_err(|w| w.to_string())?;
    let fits = |id: &String| (1..=NATIVE_ID_MAX).contains(&id.len());
    if told.native_ids.len() > NATIVE_IDS || !told.native_ids.iter().all(fits) {
        return Err(format!(
            "native_ids: at most {NATIVE_IDS}, none of them empty"
        ));
    }
    Ok(Receipt {
        native_ids: told.native_ids,
    })
}

/// How a plugin says that a send ended.
pub(super) fn send_error(error: Error) -> SendError {
    use tandem_plugin_sdk::SendError as Said;
    match Said::from(error) {
        Said::RetryAfter(pause) => SendError::RetryAfter(pause.min(PAUSE_MAX)),
        Said::AccountRetryAfter(pause) => SendError::AccountRetryAfter(pause.min(PAUSE_MAX)),
        Said::Transient(why) => SendError::Transient(short(&why).into()),
        Said::Rejected { code, message } => SendError::Rejected {
            code: short(&code),
            message: short(&message),
        },
        Said::Unauthorized(why) => SendError::Unauthorized(short(&why)),
        Said::Uncertain(why) => SendError::Uncertain(short(&why).into()),
    }
}

/// The longest a platform may ask to wait.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);

fn short(words: &str) -> String {
    words.chars().take(1000).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The services of all plugins, with the desk before them.
pub(crate) struct Front {
    desk: Arc<Desk>,
    services: Arc<dyn Services>,
}

impl Front {
    pub(crate) fn new(desk: Arc<Desk>, services: Arc<dyn Services>) -> Self {
        Self { desk, services }
    }
}

#[async_trait]
impl Services for Front {
    async fn call(&self, plugin: &str, method: &str, params: Value) -> Result<Value, ServiceError> {
        if super::is_account(plugin)
            && let Some(answer) = self.desk.call(plugin, method, &params).await
        {
            return answer;
        }
        self.services.call(plugin, method, params).await
    }
}
