//! Messages that did not reach the customer, for a person to decide on.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use tandem_domain::{OutboxId, store::OutboxState};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiState,
    auth::Caller,
    error::ApiError,
    extract::{Id, Input, Query, page_size},
    view::{DeadLetter, Page},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<OutboxId>,
    limit: Option<usize>,
}

/// Messages that failed for good, or whose fate nobody knows; newest first.
#[utoipa::path(get, path = "/api/v1/dead-letters", operation_id = "listDeadLetters", tag = "dead letters", params(Filter),
    responses((status = 200, body = Page<DeadLetter>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<DeadLetter>>, ApiError> {
    let limit = page_size(filter.limit)?;
    let mut wanted = limit + 1;
    loop {
        let mut rows = state
            .store()
            .dead_letters(caller.workspace(), wanted)
            .await?;
        let all = rows.len() < wanted;
        if let Some(cursor) = filter.cursor {
            match rows.iter().position(|row| row.id() == cursor) {
                Some(at) => {
                    rows.drain(..=at);
                }
                None => rows.clear(),
            }
        }
        if all || rows.len() > limit {
            return Ok(Json(Page::of(
                rows,
                limit,
                |row| row.id().to_string(),
                DeadLetter::from,
            )));
        }
        wanted = wanted.saturating_mul(2);
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resend {
    /// Needed for a message that the customer may have got already.
    #[serde(default)]
    #[schema(required = false)]
    even_if_uncertain: bool,
}

/// Makes a dead letter ready to be sent once more.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/resend", operation_id = "resendDeadLetter", tag = "dead letters",
    params(("id" = String, Path)), request_body = Resend,
    responses((status = 202, description = "It is on its way"),
        (status = 409, body = crate::error::ErrorBody)))]
pub(crate) async fn resend(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<OutboxId>,
    Input(input): Input<Resend>,
) -> Result<StatusCode, ApiError> {
    let row = state
        .store()
        .outbox(caller.workspace(), id)
        .await?
        .ok_or(ApiError::NotFound("dead letter"))?;
    if matches!(row.state, OutboxState::Uncertain { .. }) && !input.even_if_uncertain {
        return Err(ApiError::Conflict {
            code: "uncertain",
            message: "the customer may have this message already; say even_if_uncertain to send it again",
        });
    }
    if state.engine().resend(caller.workspace(), id).await? {
        return Ok(StatusCode::ACCEPTED);
    }
    Err(ApiError::Conflict {
        code: "not_dead",
        message: "this message has been sent, or is still on its way",
    })
}
