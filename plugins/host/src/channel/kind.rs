//! How a configured plugin becomes channels.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tandem_channel_kit::{
    Channel, Kind as ChannelKind, Opening,
    kind::{Complaint, OpenError},
};
use tandem_domain::capabilities::Capabilities;
use tandem_plugin_abi::table::Table;
use tandem_plugin_sdk::wire::{Kind, Manifest};

use super::{account::PluginChannel, instance, settings};
use crate::{PluginConfig, Plugins};

/// The kind of channel that a plugin is. Each account it opens is an instance of the plugin, of the
/// name `PLUGIN.ACCOUNT`; its configuration is the account's settings over what the plugin's own
/// `config` says.
pub struct PluginKind {
    channel: String,
    config: PluginConfig,
    manifest: Manifest,
    house: Option<House>,
}

struct House {
    plugins: Arc<Plugins>,
    linked: Option<Table>,
}

impl PluginKind {
    /// A kind that settings can be held against and that opens nothing: `channel` is its name in the
    /// configuration, `config` the plugin's entry, `manifest` what the plugin says of itself.
    #[must_use]
    pub fn new(channel: &str, config: PluginConfig, manifest: Manifest) -> Self {
        Self {
            channel: channel.to_owned(),
            config,
            manifest,
            house: None,
        }
    }

    /// With the host that its accounts are instances of.
    #[must_use]
    pub fn with_plugins(mut self, plugins: Arc<Plugins>) -> Self {
        self.house = Some(House {
            plugins,
            linked: None,
        });
        self
    }

    /// With the host, and the plugin's table where it is linked into the program.
    #[must_use]
    pub fn linked(mut self, plugins: Arc<Plugins>, table: Table) -> Self {
        self.house = Some(House {
            plugins,
            linked: Some(table),
        });
        self
    }

    /// An account's settings, with what the plugin's entry says for all accounts.
    fn merged(&self, account: &Value) -> Value {
        let mut all = match &self.config.config {
            Value::Object(all) => all.clone(),
            _ => Map::new(),
        };
        for (name, value) in account.as_object().into_iter().flatten() {
            all.insert(name.clone(), value.clone());
        }
        Value::Object(all)
    }
}

#[async_trait]
impl ChannelKind for PluginKind {
    fn name(&self) -> &str {
        &self.channel
    }

    fn schema(&self) -> Value {
        let any = || json!({"type": "object"});
        self.manifest.config.clone().unwrap_or_else(any)
    }

    /// What is known before an account is open: the floor that every message survives.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn check(&self, settings: &Value) -> Vec<Complaint> {
        settings::check(&self.manifest, settings, &self.merged(settings))
    }

    async fn open(&self, opening: Opening) -> Result<Arc<dyn Channel>, OpenError> {
        let failed = |why: &str| OpenError::Failed(why.to_owned().into());
        let Some(house) = &self.house else {
            return Err(failed("this program only looks at plugins"));
        };
        if !self.manifest.offers(Kind::Channel) {
            let name = &self.config.name;
            return Err(failed(&format!("the plugin `{name}` is no channel")));
        }
        let config = PluginConfig {
            name: instance(&self.config.name, opening.account.id.as_str()),
            config: settings::plain(&self.merged(&opening.settings)),
            ..self.config.clone()
        };
        let plugin = match (house.plugins.get(&config.name), house.linked) {
            // The account is open with other settings: what it was ends once this is there, and goes
            // on where this is refused.
            (Some(plugin), _) => plugin.open_anew(config).await.map(|_| plugin),
            (None, Some(table)) => house.plugins.link(config, table).await,
            (None, None) => house.plugins.load(config).await,
        };
        let plugin = plugin.map_err(|refusal| OpenError::Failed(refusal.into()))?;
        let path = opening.webhook_path();
        let desk = house.plugins.desk().clone();
        let channel = PluginChannel::new(plugin, opening.account, path, desk);
        Ok(Arc::new(channel.ok_or_else(|| {
            failed("the plugin was unloaded while it was opened")
        })?))
    }
}
