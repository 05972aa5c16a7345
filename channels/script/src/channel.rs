//! The channel of one account: what the outbox and the host of channels see of it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use tandem_channel_kit::{
    Account, Channel, ChannelError, Fetched, Inbox, Stop,
    token::{Acquired, Token},
};
use tandem_domain::{
    Value,
    capabilities::Capabilities,
    channel::{Receipt, SendError},
    message::{Media, Outbound, SendOp},
};
use tandem_lua::LuaError;
use tandem_net::{Method, NetErrorKind, Request};
use url::Url;

use crate::{
    account::{Host, Ready, Settings, Shared},
    inbound,
    machine::Arg,
    outbound,
    script::Script,
    verdict::{Judge, Seen, verdict},
    wire::Wire,
};

/// How often the platform's public keys are fetched anew, and how soon after a failure.
const KEYS: Duration = Duration::from_secs(6 * 3600);
const KEYS_AGAIN: Duration = Duration::from_secs(30);
/// Redirects followed to a medium.
const HOPS: usize = 3;

/// One account of a channel's file.
#[derive(Clone, Debug)]
pub struct ScriptChannel(Arc<Shared>);

impl ScriptChannel {
    /// # Errors
    /// [`ChannelError::Config`] when a setting is missing, empty or unknown to the file, or when
    /// the account's id cannot stand in a URL.
    pub fn new(
        account: Account,
        script: Arc<Script>,
        settings: Settings,
        host: Host,
    ) -> Result<Self, ChannelError> {
        Shared::new(account, script, settings, host).map(Self)
    }

    /// The address to enter at the platform.
    #[must_use]
    pub fn webhook_url(&self) -> &str {
        self.0.webhook.as_str()
    }

    /// Runs a function that takes (what, config, token), and again with a new token when the
    /// first was refused. After the second the outbox pauses the account.
    async fn run(
        &self,
        ready: &Arc<Ready>,
        function: &'static str,
        what: Value,
    ) -> Result<(Result<Value, LuaError>, Seen), SendError> {
        let shared = &self.0;
        let with_token = ready.version.has("acquire_token");
        let mut tried = false;
        loop {
            let token = match with_token {
                true => Some(self.token(ready).await?),
                false => None,
            };
            let wire = Wire::new(shared, ready);
            let judge = Judge::new(&wire);
            let args = vec![
                Arg::Json(what.clone()),
                Arg::Values(ready.values.clone()),
                Arg::Text(token.as_ref().map(|token| token.value.to_string())),
            ];
            let machine = &ready.version.machine;
            let runner = shared.script.runner();
            let result = machine
                .run(runner, function, args, &judge, shared.now())
                .await;
            let seen = judge.seen().clone();
            let refused = matches!(&result, Ok(value) if value.get("error").and_then(Value::as_str) == Some("unauthorized"));
            if !refused || seen.unknown {
                return Ok((result, seen));
            }
            let Some(token) = token else {
                return Ok((result, seen));
            };
            shared.tokens.drop_refused(&token);
            if tried {
                return Ok((result, seen));
            }
            tried = true;
        }
    }

    async fn token(&self, ready: &Arc<Ready>) -> Result<Token, SendError> {
        let shared = &self.0;
        let fetch = || async {
            let wire = Wire::new(shared, ready);
            let args = vec![Arg::Values(ready.values.clone())];
            let machine = &ready.version.machine;
            let runner = shared.script.runner();
            let result = machine
                .run(runner, "acquire_token", args, &wire, shared.now())
                .await;
            let value = result.map_err(|error| SendError::Transient(error.into()))?;
            if value.get("error").is_some() {
                return Err(match verdict(Ok(value), &Seen::default()) {
                    Err(SendError::Rejected { message, .. }) => SendError::Unauthorized(message),
                    Err(error) => error,
                    Ok(_) => SendError::Transient("no token".into()),
                });
            }
            let acquired: Acquired = serde_json::from_value(value).map_err(|_| {
                SendError::Transient("acquire_token must return {value, expires_in}".into())
            })?;
            Ok(acquired.token(shared.now()))
        };
        shared.tokens.get(|| shared.now(), fetch).await
    }

    /// Fetches the public keys a version names; whether all are there.
    async fn fetch_keys(&self, ready: &Ready) -> bool {
        let mut whole = true;
        for url in &ready.version.caps.edge.keys {
            let request = Request::new(Method::GET, url.clone());
            let fetched = match ready.client.send(&request, None).await {
                Ok(response) if response.is_success() => response.json(),
                Ok(response) => {
                    let text = format!("status {}", response.status);
                    tracing::warn!(url, text, "Public keys could not be fetched.");
                    whole = false;
                    continue;
                }
                Err(error) => Err(error),
            };
            match fetched {
                Ok(set) => ready.version.machine.keys().put(url, set),
                Err(error) => {
                    tracing::warn!(url, %error, "Public keys could not be fetched.");
                    whole = false;
                }
            }
        }
        whole
    }
}

#[async_trait]
impl Channel for ScriptChannel {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities.clone()
    }

    async fn run(&self, inbox: Inbox, stop: Stop) -> Result<(), ChannelError> {
        let shared = &self.0;
        // Routes may have set it before; both handles are the same account's.
        let _ = shared.inbox.set(inbox);
        loop {
            let ready = shared.ready();
            let pause = match self.fetch_keys(&ready).await {
                true => KEYS,
                false => KEYS_AGAIN,
            };
            let waited = stop
                .or(async {
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        // A new version has no keys yet.
                        () = shared.swapped.notified() => {}
                    }
                })
                .await;
            if waited.is_none() {
                break;
            }
        }
        shared.stop.stop();
        Ok(())
    }

    fn routes(&self, inbox: Inbox) -> axum::Router {
        let _ = self.0.inbox.set(inbox.clone());
        inbound::routes(self.0.clone(), inbox)
    }

    fn addresses(&self) -> Vec<String> {
        self.0.settings.address.clone().into_iter().collect()
    }

    /// Redirects are followed within the allow-list; headers go to the first host only.
    async fn fetch(&self, media: &Media) -> Result<Fetched, SendError> {
        #[derive(Deserialize)]
        struct Address {
            url: String,
            #[serde(default)]
            headers: std::collections::BTreeMap<String, String>,
        }
        let ready = self.0.ready();
        let address = if ready.version.has("fetch_media") {
            let part = json!({
                "type": "media", "media": media.media, "ref": media.reference,
                "mime": media.mime, "name": media.name, "size": media.size,
            });
            let (result, _) = self.run(&ready, "fetch_media", part).await?;
            let value = result.map_err(|error| SendError::Transient(error.into()))?;
            if value.get("error").is_some() {
                return Err(verdict(Ok(value), &Seen::default())
                    .err()
                    .unwrap_or_else(|| SendError::Transient("no address".into())));
            }
            serde_json::from_value(value).map_err(|error| SendError::Transient(error.into()))?
        } else {
            Address {
                url: media.reference.clone(),
                headers: std::collections::BTreeMap::new(),
            }
        };
        let refused = |message: String| SendError::Rejected {
            code: "media".to_owned(),
            message,
        };
        let mut url = Url::parse(&address.url).map_err(|_| refused("it has no address".into()))?;
        let first = url.origin();
        for _ in 0..=HOPS {
            let mut request = Request::new(Method::GET, url.as_str());
            if url.origin() == first {
                for (name, value) in &address.headers {
                    let added = request.header(name, value);
                    added.map_err(|error| refused(error.to_string()))?;
                }
            }
            let response = ready
                .media
                .send(&request, None)
                .await
                .map_err(|error| match error.kind {
                    NetErrorKind::Refused => {
                        let file = &ready.version.name;
                        SendError::Transient(format!("{error}; where customers' media lie there, add the host to caps.hosts of {file}.luau").into())
                    }
                    _ => SendError::Transient(error.into()),
                })?;
            match response.status {
                200..=299 => {
                    return Ok(Fetched {
                        mime: response.header("content-type").map(str::to_owned),
                        bytes: response.body,
                    });
                }
                301 | 302 | 303 | 307 | 308 => {
                    let next = response.header("location").and_then(|to| url.join(to).ok());
                    url = next.ok_or_else(|| refused("a redirect leads nowhere".into()))?;
                }
                401 | 403 => {
                    let text = format!("the platform answered {}", response.status);
                    return Err(SendError::Unauthorized(text));
                }
                429 | 500.. => {
                    let text = format!("the platform answered {}", response.status);
                    return Err(SendError::Transient(text.into()));
                }
                status => return Err(refused(format!("the platform answered {status}"))),
            }
        }
        Err(refused("too many redirects".into()))
    }

    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        let ready = self.0.ready();
        let caps = &ready.version.caps.capabilities;
        let able = match message.op {
            SendOp::Send => true,
            SendOp::Edit { .. } => caps.edit_secs.is_some(),
            SendOp::Delete { .. } => caps.delete_secs.is_some(),
            // Nobody misses it.
            SendOp::Typing if !caps.typing => return Ok(Receipt::default()),
            SendOp::Typing => true,
            SendOp::Session { .. } => caps.sessions,
        };
        if !able {
            return Err(SendError::Rejected {
                code: "unsupported".to_owned(),
                message: "this platform cannot do that to a message".to_owned(),
            });
        }
        let what = outbound::message(message);
        let (result, seen) = self.run(&ready, "send", what).await?;
        verdict(result, &seen)
    }
}
