//! Sends each request to what can answer it, under the pack it was made in.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use tandem_domain::{
    WorkspaceId,
    action::{Action, ActionError, Meta, Ran, Request},
    store::Store,
};
use tandem_flow::{model::Pack, step::Packs as _};

use super::{http::Web, lua, plugins};
use crate::packs::PackSet;

/// What requests are answered with.
pub struct Tools {
    pub store: Arc<dyn Store>,
    pub web: Arc<Web>,
    pub scripts: tandem_lua::Runner,
    /// Takes [`Request::Plugin`] and nothing else.
    pub plugins: Arc<dyn Action>,
}

/// A program without plugins.
#[derive(Clone, Copy, Debug)]
pub struct NoPlugins;

#[async_trait]
impl Action for NoPlugins {
    async fn run(&self, request: &Request, _: &Meta) -> Ran {
        let why = match request {
            Request::Plugin { plugin, .. } => format!("no plugin `{plugin}` is loaded"),
            _ => "only plugins are asked here".to_owned(),
        };
        Err(ActionError::new("unavailable", why)).into()
    }
}

impl Tools {
    /// Answers a request of this pack.
    pub async fn run(&self, pack: &Arc<Pack>, request: &Request, meta: &Meta) -> Ran {
        let unavailable = |why: String| Err(ActionError::new("unavailable", why)).into();
        match request {
            Request::Http {
                connection,
                operation,
                args,
            } => self
                .web
                .operation(pack, connection, operation, args, meta)
                .await
                .into(),
            Request::Lua {
                module,
                function,
                args,
            } => {
                let what = (module.as_str(), function.as_str(), args);
                lua::run(self, pack, what, meta).await
            }
            Request::Plugin {
                plugin,
                method,
                args,
            } => {
                let what = (plugin.as_str(), method.as_str(), args);
                let (result, called) = plugins::call(&*self.plugins, pack, what, meta).await;
                Ran {
                    result,
                    calls: vec![called.line(plugin, method)],
                }
            }
            Request::Answer { .. } => unavailable("knowledge is answered within the turn".into()),
        }
    }
}

/// The actions of all workspaces.
pub struct Runner {
    sites: HashMap<WorkspaceId, Arc<PackSet>>,
    tools: Tools,
}

impl Runner {
    #[must_use]
    pub fn new(sites: HashMap<WorkspaceId, Arc<PackSet>>, tools: Tools) -> Self {
        Self { sites, tools }
    }

    /// The pack the request was made under; the current one where that is gone.
    async fn pack(&self, meta: &Meta) -> Option<Arc<Pack>> {
        let packs = self.sites.get(&meta.workspace)?;
        if let Err(error) = packs.ensure(std::slice::from_ref(&meta.pack)).await {
            tracing::warn!(%error, "The version an action was made under could not be read.");
        }
        let view = packs.view();
        Some(
            view.pinned(&meta.pack)
                .unwrap_or_else(|| view.current().clone()),
        )
    }
}

#[async_trait]
impl Action for Runner {
    async fn run(&self, request: &Request, meta: &Meta) -> Ran {
        match self.pack(meta).await {
            Some(pack) => self.tools.run(&pack, request, meta).await,
            None => Err(ActionError::new(
                "unavailable",
                "the workspace is not served here",
            ))
            .into(),
        }
    }
}
