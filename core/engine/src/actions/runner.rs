//! Sends each request to what can answer it, under the pack it was made in.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use tandem_domain::{
    WorkspaceId,
    action::{Action, ActionError, Meta, Ran, Request},
    store::Store,
};
use tandem_flow::{model::Pack, step::Packs as _};

use super::{http::Web, lua};
use crate::packs::PackSet;

/// The actions of all workspaces.
pub struct Runner {
    sites: HashMap<WorkspaceId, Arc<PackSet>>,
    store: Arc<dyn Store>,
    web: Arc<Web>,
    scripts: tandem_lua::Runner,
}

impl Runner {
    #[must_use]
    pub fn new(
        sites: HashMap<WorkspaceId, Arc<PackSet>>,
        store: Arc<dyn Store>,
        web: Arc<Web>,
        scripts: tandem_lua::Runner,
    ) -> Self {
        Self {
            sites,
            store,
            web,
            scripts,
        }
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
        let Some(pack) = self.pack(meta).await else {
            return Err(ActionError::new("unavailable", "the workspace is not served here")).into();
        };
        match request {
            Request::Http {
                connection,
                operation,
                args,
            } => self
                .web
                .operation(&pack, connection, operation, args, meta)
                .await
                .into(),
            Request::Lua {
                module,
                function,
                args,
            } => {
                let what = (module.as_str(), function.as_str(), args);
                lua::run(&self.scripts, &pack, &self.web, &self.store, what, meta).await
            }
            Request::Plugin { plugin, method, .. } => Err(ActionError::new(
                "unavailable",
                format!("no plugin `{plugin}` with `{method}` is loaded"),
            ))
            .into(),
            Request::Answer { .. } => Err(ActionError::new(
                "unavailable",
                "knowledge is answered within the turn",
            ))
            .into(),
        }
    }
}
