//! One account of a channel that is a plugin.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_channel_kit::{Account, Channel, ChannelError, Fetched, Health, Inbox, MEDIA_MAX, Stop};
use tandem_domain::{
    capabilities::Capabilities,
    channel::{Receipt, SendError},
    message::{Media, Outbound},
};
use tandem_plugin_sdk::{
    Error,
    wire::{self, Meta},
};

use super::{
    Opened,
    desk::{self, Desk},
    http,
};
use crate::{Plugin, PluginError, gate, plugin::Generation};

/// How long a send or a fetch may take where neither the configuration nor the plugin says.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct PluginChannel(Arc<Shared>);

pub(super) struct Shared {
    pub plugin: Arc<Plugin>,
    pub account: Account,
    /// Where the platform's requests go.
    pub path: String,
    desk: Arc<Desk>,
    /// As it was when the account was opened: it does not change while the channel runs.
    opened: Opened,
    /// Which opening of the account this channel is. A later one gives it other settings.
    opening: u32,
    /// The load whose process ended: the next one has to open the account again. 0 for none.
    reopen: AtomicU32,
}

impl PluginChannel {
    /// `None` when the plugin was unloaded meanwhile.
    pub(super) fn new(
        plugin: Arc<Plugin>,
        account: Account,
        path: String,
        desk: Arc<Desk>,
    ) -> Option<Self> {
        let load = plugin.current()?;
        Some(Self(Arc::new(Shared {
            opened: load.opened.clone()?,
            opening: load.opening,
            plugin,
            account,
            path,
            desk,
            reopen: AtomicU32::new(0),
        })))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // What the account hands in is the later channel's.
        if self.current().is_none_or(|load| self.serves(&load)) {
            self.desk.detach(self.plugin.name());
        }
    }
}

impl Shared {
    pub(super) fn meta(&self) -> Meta {
        Meta {
            workspace: self.account.workspace.as_str().to_owned(),
            ..Meta::default()
        }
    }

    fn patience(&self, method: &str) -> Option<Duration> {
        Some(self.plugin.time_for(method).unwrap_or(PATIENCE))
    }

    fn current(&self) -> Option<Arc<Generation>> {
        self.plugin.current()
    }

    /// Whether this channel is still the account's.
    fn serves(&self, load: &Generation) -> bool {
        load.opening == self.opening
    }

    async fn ask(
        &self,
        load: &Generation,
        method: &str,
        limit: Option<Duration>,
    ) -> Result<Value, PluginError> {
        let (plugin, nothing) = (&self.plugin, json!({}));
        plugin
            .call_load(load, method, &nothing, self.meta(), limit)
            .await
    }

    /// A later load says other things than the first: messages are still made for the first.
    fn compare(&self, load: &Generation) {
        let opened = load.opened.as_ref();
        if opened.is_some_and(|now| *now != self.opened) {
            let plugin = self.plugin.name();
            tracing::warn!(
                plugin,
                "The reloaded channel can show other things than before; restart the server to use them."
            );
        }
    }

    /// Tells the plugin to stop and waits for its `run`, as long as an end may take.
    async fn end(
        &self,
        load: &Generation,
        running: impl Future<Output = Result<Value, PluginError>>,
    ) {
        let (plugin, limit) = (self.plugin.name(), self.plugin.limits().stop);
        match self.ask(load, "channel.stop", Some(limit)).await {
            // Whoever replaced it has told it.
            Ok(_) | Err(PluginError::Stopped) => {}
            Err(error) => tracing::warn!(plugin, %error, "A channel could not be stopped."),
        }
        if tokio::time::timeout(limit, running).await.is_err() {
            tracing::warn!(plugin, "A channel was told to stop and still receives.");
        }
    }
}

#[async_trait]
impl Channel for PluginChannel {
    fn capabilities(&self) -> Capabilities {
        self.0.opened.capabilities.clone()
    }

    async fn run(&self, inbox: Inbox, stop: Stop) -> Result<(), ChannelError> {
        let shared = &self.0;
        shared.desk.attach(shared.plugin.name(), inbox);
        let mut before = None;
        loop {
            let Some(load) = shared.current() else {
                return Err(ended(PluginError::Stopped));
            };
            if !shared.serves(&load) {
                stop.stopped().await;
                return Ok(());
            }
            if before.replace(load.load).is_some() {
                shared.compare(&load);
            }
            if shared.reopen.load(Ordering::Relaxed) == load.load {
                let limit = shared.plugin.limits().load;
                let opened = shared.ask(&load, "channel.open", Some(limit)).await;
                opened.map_err(ended)?;
                shared.reopen.store(0, Ordering::Relaxed);
            }
            let mut running = pin!(shared.ask(&load, "channel.run", None));
            let result = tokio::select! {
                biased;
                result = &mut running => result,
                () = stop.stopped() => {
                    shared.end(&load, running).await;
                    return Ok(());
                }
                // What was replaced has not come back and never may: the new one takes over.
                () = shared.plugin.replaced(load.load) => Ok(Value::Null),
            };
            if stop.is_stopped() {
                return Ok(());
            }
            let replaced = shared.current().is_some_and(|now| now.load != load.load);
            if replaced {
                continue;
            }
            return Err(match result {
                Ok(_) => ChannelError::Lost("it ended by itself".into()),
                Err(error) => {
                    if matches!(error, PluginError::Died { .. }) {
                        shared.reopen.store(load.load, Ordering::Relaxed);
                    }
                    ended(error)
                }
            });
        }
    }

    fn routes(&self, inbox: Inbox) -> axum::Router {
        self.0.desk.attach(self.0.plugin.name(), inbox);
        http::routes(self.0.clone())
    }

    fn in_band(&self) -> Option<Duration> {
        self.0.opened.in_band
    }

    fn addresses(&self) -> Vec<String> {
        self.0.opened.addresses.clone()
    }

    fn health(&self) -> Health {
        match self.0.plugin.health().health {
            gate::Health::Ok | gate::Health::Failing { .. } => Health::Good,
            gate::Health::Paused { last, .. } => {
                Health::Degraded(format!("its plugin keeps failing: {last}"))
            }
            gate::Health::Starting { why } => {
                Health::Degraded(format!("its plugin is being started: {why}"))
            }
            gate::Health::Disabled { why } => {
                Health::Broken(format!("its plugin is switched off: {why}"))
            }
            gate::Health::Stuck { calls } => Health::Broken(format!(
                "its plugin has {calls} calls that never came back; reload it"
            )),
            gate::Health::Stopped { why } => {
                Health::Broken(format!("its plugin is not loaded: {why}"))
            }
        }
    }

    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        let unfit = |why: serde_json::Error| SendError::Rejected {
            code: "bad_input".to_owned(),
            message: why.to_string(),
        };
        let params = json!({"message": desk::outbound(message).map_err(unfit)?});
        let meta = Meta {
            conversation: Some(message.conversation_id.to_string()),
            idempotency_key: Some(message.uuid.to_string()),
            ..self.0.meta()
        };
        let limit = self.0.patience("channel.send");
        let sent = self.0.plugin.call("channel.send", &params, meta, limit);
        let told = sent.await.map_err(unsent)?;
        // It took the message, whatever else it says.
        desk::receipt(&told).map_err(|why| {
            SendError::Uncertain(format!("its receipt cannot be read: {why}").into())
        })
    }

    async fn fetch(&self, media: &Media) -> Result<Fetched, SendError> {
        let refused = |message: String| SendError::Rejected {
            code: "media".to_owned(),
            message,
        };
        let params = json!({"media": media});
        let limit = self.0.patience("channel.fetch");
        let meta = self.0.meta();
        let fetched = self.0.plugin.call("channel.fetch", &params, meta, limit);
        let fetched = fetched.await.map_err(|error| match error {
            PluginError::UnknownMethod(_) => refused("this channel fetches no media".to_owned()),
            PluginError::TooLarge { .. } => refused(error.to_string()),
            PluginError::Failed(error) => desk::send_error(error),
            // Nothing leaves by a fetch: it may be tried again.
            other => SendError::Transient(other.into()),
        })?;
        let fetched: wire::Fetched = serde_path_to_error::deserialize(&fetched)
            .map_err(|why| SendError::Transient(why.to_string().into()))?;
        if fetched.data.0.len() > MEDIA_MAX {
            return Err(refused(format!("it is larger than {MEDIA_MAX} bytes")));
        }
        Ok(Fetched {
            mime: fetched.mime.filter(|mime| mime.len() <= 255),
            bytes: fetched.data.0.into(),
        })
    }
}

/// Why a channel stopped receiving.
fn ended(error: PluginError) -> ChannelError {
    match error {
        PluginError::Failed(Error { code, message, .. }) => match code.as_str() {
            "unauthorized" => ChannelError::Unauthorized(message),
            "config" => ChannelError::Config(message),
            _ => ChannelError::Lost(format!("{code}: {message}").into()),
        },
        other => ChannelError::Lost(other.into()),
    }
}

/// How an attempt ended. What nobody knows is uncertain and never tried again blindly.
fn unsent(error: PluginError) -> SendError {
    match error {
        PluginError::Failed(error) => desk::send_error(error),
        PluginError::UnknownMethod(_) | PluginError::BadInput(_) => SendError::Rejected {
            code: "bad_input".to_owned(),
            message: error.to_string(),
        },
        _ if error.may_have_happened() => SendError::Uncertain(error.into()),
        PluginError::TooLarge { .. } => SendError::Rejected {
            code: "too_large".to_owned(),
            message: error.to_string(),
        },
        _ => SendError::Transient(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_certainly_did_not_leave_is_tried_again() {
        let after = Duration::from_secs(1);
        let died = |begun| PluginError::Died {
            why: "killed".into(),
            begun,
        };
        for lost in [
            PluginError::Panicked("p".into()),
            PluginError::Broken("b".into()),
            PluginError::Timeout { after, begun: true },
            died(true),
            PluginError::TooLarge {
                what: crate::error::ANSWER,
                most: 1,
            },
            PluginError::Failed(Error::new("a word of its own", "m")),
        ] {
            let end = unsent(lost.clone());
            assert!(matches!(end, SendError::Uncertain(_)), "{lost:?}: {end:?}");
        }
        for kept in [
            PluginError::Busy,
            PluginError::Stopped,
            PluginError::Disabled("d".into()),
            PluginError::Timeout {
                after,
                begun: false,
            },
            died(false),
            PluginError::Failed(Error::new("transient", "m")),
        ] {
            let end = unsent(kept.clone());
            assert!(matches!(end, SendError::Transient(_)), "{kept:?}: {end:?}");
        }
        let too_large = PluginError::TooLarge {
            what: crate::error::REQUEST,
            most: 1,
        };
        assert!(
            matches!(unsent(too_large), SendError::Rejected { code, .. } if code == "too_large")
        );
    }

    #[test]
    fn an_end_of_receiving_is_mended_by_time_by_a_credential_or_by_the_configuration() {
        let with = |code: &str| ended(PluginError::Failed(Error::new(code, "m")));
        assert!(matches!(with("unauthorized"), ChannelError::Unauthorized(m) if m == "m"));
        assert!(matches!(with("config"), ChannelError::Config(m) if m == "m"));
        assert!(matches!(with("reset"), ChannelError::Lost(_)));
        assert!(matches!(ended(PluginError::Busy), ChannelError::Lost(_)));
    }
}
