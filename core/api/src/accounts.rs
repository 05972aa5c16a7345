//! The accounts of channels: how each stands, and what of theirs was not understood.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tandem_channel_kit::Health;
use tandem_domain::{AccountId, Timestamp, UnknownId, edge::UnknownRow};
use tandem_engine::AccountStatus;
use utoipa::{IntoParams, ToSchema};

use crate::{
    AccountReload, ApiState,
    auth::Caller,
    error::ApiError,
    extract::{Id, Query, page_size},
    view::Page,
};

/// An account of a channel.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    #[schema(value_type = String)]
    id: AccountId,
    /// `web`, `telegram` …
    channel: String,
    state: Standing,
    /// What is wrong, where something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when its messages wait for a credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    waiting_since: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AccountState)]
pub(crate) enum Standing {
    Good,
    /// It works in part, or is being connected anew.
    Degraded,
    /// The platform refuses its credential; its messages wait.
    Unauthorized,
    /// Somebody has to change its configuration.
    Broken,
}

impl From<AccountStatus> for Account {
    fn from(status: AccountStatus) -> Self {
        let (state, reason) = match status.health {
            Health::Good => (Standing::Good, None),
            Health::Degraded(why) => (Standing::Degraded, Some(why)),
            Health::Unauthorized(why) => (Standing::Unauthorized, Some(why)),
            Health::Broken(why) => (Standing::Broken, Some(why)),
        };
        Self {
            id: status.account.id,
            channel: status.account.channel,
            state,
            reason,
            waiting_since: status.since,
        }
    }
}

/// Every account of the workspace and how it stands.
#[utoipa::path(get, path = "/api/v1/accounts", operation_id = "listAccounts", tag = "accounts",
    responses((status = 200, body = Page<Account>)))]
pub(crate) async fn list(State(state): State<ApiState>, caller: Caller) -> Json<Page<Account>> {
    let accounts = state.engine().accounts().into_iter();
    let items = accounts
        .filter(|status| status.account.workspace == *caller.workspace())
        .map(Account::from)
        .collect();
    Json(Page { items, next: None })
}

/// Lets an account whose credential was refused send and receive again.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/resume", operation_id = "resumeAccount", tag = "accounts",
    params(("id" = String, Path)),
    responses((status = 202, description = "It tries again")))]
pub(crate) async fn resume(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<StatusCode, ApiError> {
    let id = AccountId::new(&id);
    let engine = state.engine();
    let known = engine
        .channel(&id)
        .filter(|c| c.account.workspace == *caller.workspace());
    if known.is_none() || !engine.resume(&id) {
        return Err(ApiError::NotFound("account"));
    }
    Ok(StatusCode::ACCEPTED)
}

/// How it ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reloaded {
    outcome: AccountReload,
}

/// Reads an account's settings and secrets again and goes over to them, without a restart: what
/// waits to be sent then goes. Settings that cannot be used change nothing and are answered 422.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/reload", operation_id = "reloadAccount", tag = "accounts",
    params(("id" = String, Path)),
    responses((status = 200, body = Reloaded), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn reload(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<Json<Reloaded>, ApiError> {
    let id = AccountId::new(&id);
    let known = state.engine().channel(&id);
    if known.is_none_or(|c| c.account.workspace != *caller.workspace()) {
        return Err(ApiError::NotFound("account"));
    }
    match state.reloads().reload_account(&id).await {
        Ok(outcome) => Ok(Json(Reloaded { outcome })),
        Err(why) => Err(ApiError::AccountRefused(why)),
    }
}

/// Something the platform sent that was signed rightly and not understood.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unknown {
    #[schema(value_type = String, format = Uuid)]
    id: UnknownId,
    #[schema(value_type = String)]
    account: AccountId,
    reason: String,
    /// As it came; what is no text in it is replaced.
    body: String,
    #[schema(value_type = i64)]
    at: Timestamp,
}

impl From<UnknownRow> for Unknown {
    fn from(row: UnknownRow) -> Self {
        Self {
            id: row.id,
            account: row.account,
            reason: row.reason,
            body: String::from_utf8_lossy(&row.body).into_owned(),
            at: row.at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    limit: Option<usize>,
}

/// What platforms sent lately that nobody understood, newest first.
#[utoipa::path(get, path = "/api/v1/accounts/unknown", operation_id = "listUnknown", tag = "accounts", params(Filter),
    responses((status = 200, body = Page<Unknown>)))]
pub(crate) async fn unknown(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<Unknown>>, ApiError> {
    let limit = page_size(filter.limit)?;
    let rows = state.store().unknowns(caller.workspace(), limit).await?;
    let items = rows.into_iter().map(Unknown::from).collect();
    Ok(Json(Page { items, next: None }))
}
