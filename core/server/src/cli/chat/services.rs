//! What a conversation in the terminal calls, for real: the services that connections.yaml names
//! and the configured plugins, with credentials from the environment.

use std::{sync::Arc, time::Duration};

use tandem_domain::{
    Value,
    action::{Action, ActionError, Meta, Request},
};
use tandem_engine::actions::{NoPlugins, Tools, http::Web};
use tandem_flow::{
    model::Pack,
    testing::sim::{Actions, Moment},
};
use tandem_plugin_host::library::exit_now;

use crate::{
    cli::serve::stop_signal,
    config::{Config, Environment},
    plugins::{BadPlugin, PluginServices, PluginSet, Private, action::PluginAction},
};

/// How a shell tells that a program was interrupted.
const INTERRUPTED: i32 = 130;

pub(super) struct Services {
    /// There until the end.
    runtime: Option<tokio::runtime::Runtime>,
    tools: Tools,
    plugins: Option<Arc<Loaded>>,
    pack: Arc<Pack>,
}

/// The plugins, and the folder their copies lie in.
struct Loaded {
    set: Arc<PluginSet>,
    private: Private,
}

impl Services {
    /// Loads the plugins of the configuration; those that are refused are told. What plugins keep
    /// is kept in memory, and goes with the conversation.
    pub fn open(
        pack: &Arc<Pack>,
        config: Option<&Config>,
        environment: &Environment,
    ) -> anyhow::Result<(Self, Vec<BadPlugin>)> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let transport = tandem_net::Transport::system()?;
        let lookup = Arc::new(|name: &str| std::env::var(name).ok());
        let web = Arc::new(Web::new(transport, lookup));
        let store = tandem_store::open_sqlite(":memory:", tandem_store::SqliteOptions::default())?;
        let mut refused = Vec::new();
        let mut plugins = None;
        if let Some(config) = config {
            let services = Arc::new(PluginServices::new(store.clone()));
            let private = Private::fresh();
            let opening = PluginSet::open_beside(config, environment, services, &private);
            let (set, bad) = runtime.block_on(opening)?;
            set.note_native();
            refused = bad;
            let loaded = Arc::new(Loaded { set, private });
            runtime.spawn(end_with_signal(loaded.clone()));
            plugins = Some(loaded);
        }
        let called: Arc<dyn Action> = match &plugins {
            Some(loaded) => Arc::new(PluginAction(loaded.set.clone())),
            None => Arc::new(NoPlugins),
        };
        let services = Self {
            tools: Tools {
                store,
                web,
                scripts: tandem_lua::Runner::new(1),
                plugins: called,
            },
            plugins,
            pack: pack.clone(),
            runtime: Some(runtime),
        };
        Ok((services, refused))
    }
}

impl Drop for Services {
    /// Plugins are ended however the conversation ends.
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        if let Some(loaded) = &self.plugins {
            runtime.block_on(loaded.set.shutdown());
        }
        // A script or a lookup that hangs must not keep the program.
        runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

/// Whoever leaves by Ctrl-C leaves as others do.
async fn end_with_signal(loaded: Arc<Loaded>) {
    stop_signal().await;
    loaded.set.shutdown().await;
    // Nothing is dropped when the process ends here.
    let _ = std::fs::remove_dir_all(loaded.private.path());
    exit_now(INTERRUPTED);
}

impl Actions for Services {
    fn call(&mut self, pack: &Pack, request: &Request, at: Moment) -> Result<Value, ActionError> {
        let meta = Meta {
            workspace: tandem_domain::WorkspaceId::default(),
            conversation: tandem_domain::ConversationId::derive(&["chat"]),
            contact: tandem_domain::ContactId::derive(&["chat"]),
            locale: pack.default_locale().clone(),
            pack: pack.structure.clone(),
            now: at.now,
            timeout_ms: at.timeout_ms,
            retries: None,
            idempotency_key: None,
            write: false,
        };
        let Some(runtime) = &self.runtime else {
            return Err(ActionError::new(
                "unavailable",
                "the conversation is at its end",
            ));
        };
        runtime.block_on(async {
            let limit = Duration::from_millis(at.timeout_ms);
            match tokio::time::timeout(limit, self.tools.run(&self.pack, request, &meta)).await {
                Ok(ran) => ran.result,
                Err(_) => Err(ActionError::new("timeout", "no answer in time")),
            }
        })
    }
}
