//! Tickets and callbacks that flows left for people.

use axum::{Json, extract::State};
use serde::Deserialize;
use tandem_domain::{ConversationId, TicketId};
use utoipa::IntoParams;

use crate::{
    ApiState,
    auth::Caller,
    error::ApiError,
    extract::{Query, page_size},
    view::{Page, Ticket},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those of this conversation.
    #[param(value_type = Option<String>)]
    conversation: Option<ConversationId>,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<TicketId>,
    limit: Option<usize>,
}

/// Tickets, newest first.
#[utoipa::path(get, path = "/api/v1/tickets", operation_id = "listTickets", tag = "tickets", params(Filter),
    responses((status = 200, body = Page<Ticket>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<Ticket>>, ApiError> {
    let limit = page_size(filter.limit)?;
    // The store counts from the newest, so what comes before the page is read with it.
    let mut wanted = limit + 1;
    loop {
        let mut rows = state
            .store()
            .tickets(caller.workspace(), filter.conversation, wanted)
            .await?;
        let all = rows.len() < wanted;
        if let Some(cursor) = filter.cursor {
            match rows.iter().position(|row| row.id == cursor) {
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
                |row| row.id.to_string(),
                Ticket::from,
            )));
        }
        wanted = wanted.saturating_mul(2);
    }
}
