//! Discord as the configuration knows it.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_channel_kit::{
    Channel, Kind, Opening,
    kind::{Complaint, OpenError, check},
};
use tandem_domain::{Timestamp, Value, capabilities::Capabilities};

use crate::{
    DiscordChannel,
    config::{Interactions, Settings, object, schema},
    outbound,
};

/// Channels of this kind are bots on Discord.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiscordKind;

#[async_trait]
impl Kind for DiscordKind {
    fn name(&self) -> &str {
        "discord"
    }

    fn schema(&self) -> Value {
        schema()
    }

    fn capabilities(&self) -> Capabilities {
        outbound::capabilities()
    }

    fn check(&self, settings: &Value) -> Vec<Complaint> {
        check(settings, object)
    }

    async fn open(&self, opening: Opening) -> Result<Arc<dyn Channel>, OpenError> {
        let settings: Settings = opening.settings()?;
        if settings.interactions == Interactions::Webhook {
            let endpoint = opening.webhook_url();
            let endpoint = endpoint.unwrap_or_else(|| opening.webhook_path());
            tracing::info!(
                endpoint,
                "Interactions come by webhook; enter its address at Discord as the interactions endpoint URL."
            );
        }
        let clock = Arc::new(Timestamp::now);
        let channel = DiscordChannel::new(opening.account, settings, &opening.data_dir, clock);
        Ok(Arc::new(channel.map_err(OpenError::Failed)?))
    }
}
