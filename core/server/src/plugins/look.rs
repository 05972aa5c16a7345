//! Plugins looked at without being loaded: read, tried out in a child process, asked what they are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_plugin_host::{
    HostConfig, Limits, Manifest, PluginConfig, Plugins, Refusal, ServiceError, Services,
};

use super::Private;

/// A host that loads nothing, with a private folder of its own that goes with it.
pub struct Looks {
    host: Arc<Plugins>,
    private: Private,
}

impl Looks {
    /// Plugins may lie in these folders.
    ///
    /// # Errors
    /// When there is no place for copies.
    pub fn new(folders: Vec<PathBuf>) -> Result<Self, Refusal> {
        let private = Private::fresh();
        let config = HostConfig {
            folders,
            private: private.path().to_owned(),
            probe: super::probe(),
            limits: Limits::default(),
        };
        let host = Arc::new(Plugins::new(config, Arc::new(Forgetful))?);
        Ok(Self { host, private })
    }

    /// What a configured plugin is.
    ///
    /// # Errors
    /// Why a start would refuse it, as far as that is seen without giving it its configuration.
    pub async fn look(&self, config: &PluginConfig) -> Result<Manifest, Refusal> {
        self.host.look(config).await
    }

    /// The folder for copies.
    #[must_use]
    pub fn private(&self) -> &Path {
        self.private.path()
    }

    /// The host itself, for whoever goes on to load.
    #[must_use]
    pub fn host(&self) -> &Arc<Plugins> {
        &self.host
    }
}

/// What a plugin asks that is only tried: it has kept nothing yet, and nothing is kept.
struct Forgetful;

#[async_trait]
impl Services for Forgetful {
    async fn call(&self, _: &str, method: &str, _: Value) -> Result<Value, ServiceError> {
        match method {
            "kv.get" => Ok(json!({"value": null})),
            "kv.put" => Ok(json!({})),
            _ => Err(ServiceError::UnknownMethod),
        }
    }
}
