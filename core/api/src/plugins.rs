//! The server's plugins: how each stands, loading one again, switching one off and on.
//!
//! Plugins belong to the server, not to a workspace: whoever has the scope sees and switches them for
//! all workspaces.

use async_trait::async_trait;
use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::json;
use tandem_domain::{Text, Timestamp};
use utoipa::ToSchema;

use crate::{ApiState, ReloadOutcome, auth::Caller, error::ApiError, extract::Id};

/// What stands behind these routes: the server, which has loaded the plugins.
#[async_trait]
pub trait Plugins: Send + Sync + 'static {
    /// Every configured plugin, by name.
    fn list(&self) -> Vec<PluginView>;

    fn images(&self) -> Images;

    /// Loads one anew from its file; none where no such plugin is configured. The error says why the
    /// new one is refused: the one before goes on.
    async fn reload(&self, name: &str) -> Option<Result<(), Text>>;

    /// Switches one on or off; false where none of that name is loaded. `by` is who asks.
    fn switch(&self, name: &str, on: bool, by: &str) -> bool;
}

/// A server without plugins.
#[derive(Clone, Copy, Debug)]
pub struct NoPlugins;

#[async_trait]
impl Plugins for NoPlugins {
    fn list(&self) -> Vec<PluginView> {
        Vec::new()
    }

    fn images(&self) -> Images {
        Images { loaded: 0, most: 0 }
    }

    async fn reload(&self, _: &str) -> Option<Result<(), Text>> {
        None
    }

    fn switch(&self, _: &str, _: bool, _: &str) -> bool {
        false
    }
}

/// A plugin and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Plugin)]
pub struct PluginView {
    /// What flows call it by.
    pub name: String,
    /// Its own version; absent while it is not loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub kinds: Vec<String>,
    /// Whether it is a process of its own.
    pub process: bool,
    pub state: PluginState,
    /// Why it is not `ok`, by language.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub why: Option<Text>,
    /// How many times it was loaded.
    pub loads: u32,
    pub calls: u64,
    /// Calls that ended in a way no plugin should.
    pub faults: u64,
    pub running: usize,
    pub waiting: usize,
    /// Calls that were begun and have not come back in their time.
    pub stuck: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_load: Option<PluginReload>,
    /// Where it is not what a pack was checked against, by language.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, value_type = Vec<std::collections::BTreeMap<String, String>>)]
    pub warnings: Vec<Text>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    Ok,
    /// Its last calls failed in a way no plugin should.
    Failing,
    /// It kept failing and is left alone for a while.
    Paused,
    /// Somebody switched it off.
    Disabled,
    /// Too many calls never came back.
    Stuck,
    /// Its process is being started again.
    Starting,
    /// It was ended.
    Stopped,
    /// It was refused when the server started.
    Refused,
}

impl PluginState {
    /// What anybody may read: no words of the plugin's own, which may tell of customers.
    fn in_short(self) -> &'static str {
        match self {
            Self::Ok => "it works",
            Self::Failing => "its last calls failed",
            Self::Paused => "it kept failing and is left alone for a while",
            Self::Disabled => "it was switched off",
            Self::Stuck => "calls never came back",
            Self::Starting => "its process is being started again",
            Self::Stopped => "it was ended",
            Self::Refused => "it was refused when the server started",
        }
    }
}

/// How the last load ended.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PluginReload {
    #[schema(value_type = i64)]
    pub at: Timestamp,
    pub outcome: ReloadOutcome,
    /// Why it was refused, by language.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub why: Option<Text>,
}

/// Libraries in the process. None ever leaves it, so their number is bounded over its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Images {
    pub loaded: usize,
    /// At this number the next load asks for a restart.
    pub most: usize,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginList {
    items: Vec<PluginView>,
    images: Images,
}

/// A plugin that does not work as it should, for anybody who monitors.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unwell {
    name: String,
    state: PluginState,
    why: &'static str,
}

/// The plugins that do not work as they should.
pub(crate) fn unwell(state: &ApiState) -> Vec<Unwell> {
    let all = state.plugins().list().into_iter();
    all.filter(|plugin| plugin.state != PluginState::Ok)
        .map(|plugin| Unwell {
            name: plugin.name,
            state: plugin.state,
            why: plugin.state.in_short(),
        })
        .collect()
}

/// Every plugin and how it stands.
#[utoipa::path(get, path = "/api/v1/plugins", operation_id = "listPlugins", tag = "plugins",
    responses((status = 200, body = PluginList)))]
pub(crate) async fn list(State(state): State<ApiState>) -> Json<PluginList> {
    let plugins = state.plugins();
    Json(PluginList {
        items: plugins.list(),
        images: plugins.images(),
    })
}

/// Loads a plugin anew from its file. One that is refused changes nothing and is answered 422 with
/// the reason.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/reload", operation_id = "reloadPlugin", tag = "plugins",
    params(("name" = String, Path)),
    responses((status = 200, body = PluginView), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn reload(
    State(state): State<ApiState>,
    Id(name): Id<String>,
) -> Result<Json<PluginView>, ApiError> {
    match state.plugins().reload(&name).await {
        None => Err(ApiError::NotFound("plugin")),
        Some(Err(why)) => Err(ApiError::PluginRefused(json!({"why": why}))),
        Some(Ok(())) => show(&state, &name),
    }
}

/// Switches a plugin off until it is enabled or the server starts again: its calls fail at once.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/disable", operation_id = "disablePlugin", tag = "plugins",
    params(("name" = String, Path)), responses((status = 200, body = PluginView)))]
pub(crate) async fn disable(
    State(state): State<ApiState>,
    caller: Caller,
    Id(name): Id<String>,
) -> Result<Json<PluginView>, ApiError> {
    switch(&state, &caller, &name, false)
}

/// Switches a plugin on again and forgets its failures.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/enable", operation_id = "enablePlugin", tag = "plugins",
    params(("name" = String, Path)), responses((status = 200, body = PluginView)))]
pub(crate) async fn enable(
    State(state): State<ApiState>,
    caller: Caller,
    Id(name): Id<String>,
) -> Result<Json<PluginView>, ApiError> {
    switch(&state, &caller, &name, true)
}

fn switch(
    state: &ApiState,
    caller: &Caller,
    name: &str,
    on: bool,
) -> Result<Json<PluginView>, ApiError> {
    if !state.plugins().switch(name, on, caller.name()) {
        return Err(ApiError::NotFound("plugin"));
    }
    show(state, name)
}

fn show(state: &ApiState, name: &str) -> Result<Json<PluginView>, ApiError> {
    let mut all = state.plugins().list().into_iter();
    all.find(|plugin| plugin.name == name)
        .map(Json)
        .ok_or(ApiError::NotFound("plugin"))
}
