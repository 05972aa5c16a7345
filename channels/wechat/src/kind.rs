//! The channels of the family as the configuration knows them.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tandem_channel_kit::{
    Channel, Kind, Opening,
    kind::{Complaint, OpenError},
};
use tandem_domain::capabilities::Capabilities;
use tandem_net::Transport;

use crate::{
    channel::WechatChannel,
    config::{self, Settings},
    family::Family,
};

/// One channel of the family.
pub struct WechatKind {
    family: Family,
    /// None where settings are only checked.
    transport: Option<Transport>,
}

impl WechatKind {
    /// All four. Without a transport their settings can be checked only.
    #[must_use]
    pub fn all(transport: Option<&Transport>) -> Vec<Self> {
        Family::ALL
            .into_iter()
            .map(|family| Self {
                family,
                transport: transport.cloned(),
            })
            .collect()
    }
}

#[async_trait]
impl Kind for WechatKind {
    fn name(&self) -> &str {
        self.family.name()
    }

    fn schema(&self) -> Value {
        config::schema(self.family)
    }

    fn capabilities(&self) -> Capabilities {
        self.family.capabilities()
    }

    fn check(&self, settings: &Value) -> Vec<Complaint> {
        match Settings::read(self.family, settings) {
            Ok(settings) => settings.objections(),
            Err(complaint) => vec![complaint],
        }
    }

    async fn open(&self, opening: Opening) -> Result<Arc<dyn Channel>, OpenError> {
        let Some(transport) = &self.transport else {
            let text = "this kind of channel was made to check settings only";
            return Err(OpenError::Failed(text.into()));
        };
        let settings =
            Settings::read(self.family, &opening.settings).map_err(OpenError::Settings)?;
        let webhook = opening.webhook_url();
        let channel = WechatChannel::new(opening.account, settings, transport, opening.data_dir)
            .map_err(|error| OpenError::Failed(error.into()))?;
        tracing::info!(
            webhook,
            "A channel's webhook is ready; enter its address at the platform."
        );
        Ok(Arc::new(channel))
    }
}
