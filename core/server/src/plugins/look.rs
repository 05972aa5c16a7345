//! Plugins looked at without being loaded: read, tried out in a child process, asked what they are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tandem_plugin_host::{
    HostConfig, Limits, Manifest, NoServices, PluginConfig, Plugins, Refusal,
};

/// A host that loads nothing, with a private folder of its own that goes with it.
pub struct Looks {
    host: Plugins,
    private: PathBuf,
}

impl Looks {
    /// Plugins may lie in these folders.
    ///
    /// # Errors
    /// When there is no place for copies.
    pub fn new(folders: Vec<PathBuf>) -> Result<Self, Refusal> {
        let name = format!("tandem-plugins-{}", uuid::Uuid::now_v7());
        let private = std::env::temp_dir().join(name);
        let config = HostConfig {
            folders,
            private: private.clone(),
            probe: super::probe(),
            limits: Limits::default(),
        };
        let host = Plugins::new(config, Arc::new(NoServices))?;
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
        &self.private
    }

    /// The host itself, for whoever goes on to load.
    #[must_use]
    pub fn host(&self) -> &Plugins {
        &self.host
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        // Nobody looks for it again; a copy that is left does no harm.
        let _ = std::fs::remove_dir_all(&self.private);
    }
}
