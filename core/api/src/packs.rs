//! The workspace's pack: which version answers, and loading it again.

use async_trait::async_trait;
use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::json;
use tandem_domain::{AccountId, Text, Timestamp, WorkspaceId};
use utoipa::ToSchema;

use crate::{ApiState, auth::Caller, error::ApiError, view::Page};

/// What stands behind the reload: the server, which knows where packs lie.
#[async_trait]
pub trait Reloads: Send + Sync + 'static {
    /// How the last reload of the workspace's pack ended, by hand or by a saved file; none before
    /// the first.
    fn last(&self, workspace: &WorkspaceId) -> Option<Reload>;

    /// Loads the pack again now. A bad one changes nothing.
    async fn reload(&self, workspace: &WorkspaceId) -> Reload;

    /// Reads an account's settings and secrets again and goes over to them.
    ///
    /// # Errors
    /// When they cannot be used, in words; the account goes on as it was.
    async fn reload_account(&self, account: &AccountId) -> Result<AccountReload, String>;
}

/// What reading an account's settings again led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountReload {
    /// It runs with the new ones.
    Changed,
    /// They say the same as before.
    Unchanged,
}

/// How a reload ended.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Reload {
    #[schema(value_type = i64)]
    pub at: Timestamp,
    pub outcome: ReloadOutcome,
    /// What is wrong with the files, or worth a second look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub problems: Vec<Problem>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReloadOutcome {
    /// The new version answers.
    Swapped,
    /// The files say the same as before.
    Unchanged,
    /// The files cannot be used; the version before stays.
    Refused,
}

/// A problem in a pack, placed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// `error` or `warning`.
    pub severity: String,
    pub code: String,
    pub file: String,
    /// Both from 1.
    pub line: u32,
    pub column: u32,
    /// The line it stands on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// By language.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub message: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub hint: Option<Text>,
}

/// The version that answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Pack {
    name: String,
    /// Of everything in it.
    hash: String,
    /// Of everything but texts: what running flows are pinned to.
    structure: String,
    #[schema(value_type = Vec<String>)]
    locales: Vec<tandem_domain::Locale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reload: Option<Reload>,
}

/// The packs that answer, and how their last reload ended.
#[utoipa::path(get, path = "/api/v1/packs", operation_id = "listPacks", tag = "packs",
    responses((status = 200, body = Page<Pack>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<Json<Page<Pack>>, ApiError> {
    Ok(Json(present(&state, &caller)))
}

/// Loads the pack's files again. A pack with errors changes nothing and is answered 422 with
/// every problem.
#[utoipa::path(post, path = "/api/v1/packs/reload", operation_id = "reloadPacks", tag = "packs",
    responses((status = 200, body = Page<Pack>), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn reload(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<Json<Page<Pack>>, ApiError> {
    if state.engine().site(caller.workspace()).is_none() {
        return Err(ApiError::NotFound("pack"));
    }
    let reload = state.reloads().reload(caller.workspace()).await;
    if reload.outcome == ReloadOutcome::Refused {
        return Err(ApiError::Refused(json!(reload.problems)));
    }
    Ok(Json(present(&state, &caller)))
}

fn present(state: &ApiState, caller: &Caller) -> Page<Pack> {
    let items = state
        .engine()
        .site(caller.workspace())
        .map(|site| {
            let view = site.packs.view();
            let pack = &view.current.pack;
            Pack {
                name: pack.name.clone(),
                hash: pack.hash.clone(),
                structure: pack.structure.clone(),
                locales: pack.locales.clone(),
                last_reload: state.reloads().last(caller.workspace()),
            }
        })
        .into_iter()
        .collect();
    Page { items, next: None }
}
