//! Conversations: list, look at, close, give back; what they wait for and why they went as they
//! did.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tandem_channel_kit::clean;
use tandem_domain::{
    ContactId, ConversationId, Timestamp, Value, conversation as domain, store::ConversationQuery,
};
use tandem_engine::journal::{Entry, Steps};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiState,
    auth::Caller,
    error::ApiError,
    extract::{Id, Input, Query, page_size},
    messages::{AgentInput, person},
    view::{Conversation, ConversationDetail, Page, RoutingState, Status, Timer},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only these.
    #[param(value_type = Option<Status>)]
    status: Option<domain::Status>,
    #[param(value_type = Option<RoutingState>)]
    routing_state: Option<domain::RoutingState>,
    /// Waiting for this skill.
    skill: Option<String>,
    #[param(value_type = Option<String>)]
    contact: Option<ContactId>,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<ConversationId>,
    /// Rows on a page, 50 unless told, 200 at most.
    limit: Option<usize>,
}

/// Conversations, the last changed first.
#[utoipa::path(get, path = "/api/v1/conversations", operation_id = "listConversations", tag = "conversations", params(Filter),
    responses((status = 200, body = Page<Conversation>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<Conversation>>, ApiError> {
    let limit = page_size(filter.limit)?;
    let query = ConversationQuery {
        status: filter.status,
        routing_state: filter.routing_state,
        skill: filter.skill,
        contact: filter.contact,
        lane: None,
        before: filter.cursor,
        limit: limit + 1,
    };
    let rows = state
        .store()
        .conversations(caller.workspace(), &query)
        .await?;
    Ok(Json(Page::of(
        rows,
        limit,
        |row| row.id.to_string(),
        Conversation::from,
    )))
}

/// One conversation with its customer. The `ETag` can be handed back as `If-Match`.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", operation_id = "getConversation", tag = "conversations",
    params(("id" = String, Path)),
    responses((status = 200, body = ConversationDetail)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
) -> Result<Response, ApiError> {
    let row = find(&state, &caller, id).await?;
    let contact = state
        .store()
        .contact(caller.workspace(), row.contact)
        .await?;
    let tag = etag(&row);
    let body = ConversationDetail {
        conversation: row.into(),
        customer: contact.map(Into::into),
    };
    Ok(([(header::ETAG, tag)], Json(body)).into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolve {
    /// How it ended, for reports: `solved`, `duplicate`.
    #[schema(max_length = 100)]
    outcome: Option<String>,
    agent: Option<AgentInput>,
}

/// Closes the conversation. The flow that handed it over then runs its `after`.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/resolve", operation_id = "resolveConversation", tag = "conversations",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = Resolve,
    responses((status = 200, body = Conversation), (status = 409, body = crate::error::ErrorBody)))]
pub(crate) async fn resolve(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    headers: HeaderMap,
    Input(input): Input<Resolve>,
) -> Result<Response, ApiError> {
    let outcome = match input.outcome {
        None => None,
        Some(outcome) => {
            let clean = clean::line(&outcome, 100);
            if clean.is_empty() || clean.len() != outcome.len() {
                return Err(ApiError::invalid(
                    "outcome",
                    "must be one line of 1 to 100 bytes",
                ));
            }
            Some(clean)
        }
    };
    close(&state, &caller, id, &headers, input.agent, outcome, false).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Return {
    agent: Option<AgentInput>,
}

/// Gives the conversation back to the bot, which goes on where it was.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/return", operation_id = "returnConversation", tag = "conversations",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = Return,
    responses((status = 200, body = Conversation), (status = 409, body = crate::error::ErrorBody)))]
pub(crate) async fn give_back(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    headers: HeaderMap,
    Input(input): Input<Return>,
) -> Result<Response, ApiError> {
    close(&state, &caller, id, &headers, input.agent, None, true).await
}

async fn close(
    state: &ApiState,
    caller: &Caller,
    id: ConversationId,
    headers: &HeaderMap,
    agent: Option<AgentInput>,
    outcome: Option<String>,
    returned: bool,
) -> Result<Response, ApiError> {
    let by = person(caller, agent)?;
    if_match(state, caller, id, headers).await?;
    let row = state
        .engine()
        .close(caller.workspace(), id, by, outcome, returned)
        .await?;
    Ok(([(header::ETAG, etag(&row))], Json(Conversation::from(row))).into_response())
}

/// Shows the customer for some seconds that a person writes, on channels that can. Say it again
/// every few seconds for as long as it is true.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/typing", operation_id = "showTyping", tag = "conversations",
    params(("id" = String, Path)),
    responses((status = 202, description = "Shown where the channel can")))]
pub(crate) async fn typing(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
) -> Result<StatusCode, ApiError> {
    state.engine().typing(caller.workspace(), id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What the conversation's flows wait to do: reminders, timeouts.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/timers", operation_id = "listTimers", tag = "conversations",
    params(("id" = String, Path)),
    responses((status = 200, body = Page<Timer>)))]
pub(crate) async fn timers(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
) -> Result<Json<Page<Timer>>, ApiError> {
    let row = find(&state, &caller, id).await?;
    let rows = state
        .store()
        .lane_timers(caller.workspace(), row.lane)
        .await?;
    Ok(Json(Page::of(
        rows,
        usize::MAX,
        |row| row.id.to_string(),
        Timer::from,
    )))
}

/// One turn: what happened, and what was decided about it.
#[derive(Serialize, ToSchema)]
pub(crate) struct TraceEntry {
    /// Counts the lane's turns.
    version: u64,
    #[schema(value_type = i64)]
    at: Timestamp,
    /// What made the turn happen.
    cause: String,
    /// The hash of the pack that was current.
    pack: String,
    /// What the stepper was given; absent where a sensitive value is among it.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<Value>>,
    /// Every decision with its reason, in order: `kind`, `text`, and `step` where it has one.
    #[schema(value_type = Vec<TraceLine>)]
    trace: Vec<Value>,
}

/// One decision and its reason.
#[derive(Serialize, ToSchema)]
pub(crate) struct TraceLine {
    /// `match`, `step`, `slot`, `jump`, …
    kind: String,
    text: String,
    /// Where in the pack: `flow/block.index`.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Turns {
    /// `next` of the page before: turns after this version.
    after: Option<u64>,
    limit: Option<usize>,
}

/// The conversation's turns, oldest first, each with its decisions and their reasons.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/trace", operation_id = "getTrace", tag = "conversations",
    params(("id" = String, Path), Turns),
    responses((status = 200, body = Page<TraceEntry>)))]
pub(crate) async fn trace(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    Query(turns): Query<Turns>,
) -> Result<Json<Page<TraceEntry>>, ApiError> {
    let limit = page_size(turns.limit)?;
    find(&state, &caller, id).await?;
    let rows = state.store().journal(caller.workspace(), id).await?;
    let after = turns.after.unwrap_or(0);
    let mut entries = Vec::new();
    for row in rows
        .iter()
        .filter(|row| row.version > after)
        .take(limit + 1)
    {
        let entry = Entry::read(row).map_err(|error| ApiError::Internal(error.to_string()))?;
        entries.push(TraceEntry {
            version: row.version,
            at: row.at,
            cause: entry.cause,
            pack: entry.pack,
            events: match entry.steps {
                Steps::Open(steps) => Some(steps.iter().map(|step| value(&step.event)).collect()),
                Steps::Sealed(_) => None,
            },
            trace: entry.trace.iter().map(value).collect(),
        });
    }
    Ok(Json(Page::of(
        entries,
        limit,
        |entry| entry.version.to_string(),
        |entry| entry,
    )))
}

fn value(data: &impl Serialize) -> Value {
    serde_json::to_value(data).unwrap_or_default()
}

/// The conversation, if it is the caller's to see.
pub(crate) async fn find(
    state: &ApiState,
    caller: &Caller,
    id: ConversationId,
) -> Result<domain::Conversation, ApiError> {
    state
        .store()
        .conversation(caller.workspace(), id)
        .await?
        .ok_or(ApiError::NotFound("conversation"))
}

/// Names a state of the conversation.
fn etag(row: &domain::Conversation) -> HeaderValue {
    let tag = format!(
        "\"{}.{}.{}\"",
        row.updated_at.0, row.control_epoch, row.last_seq
    );
    HeaderValue::from_str(&tag).expect("digits, dots and quotes are a header value")
}

/// # Errors
/// [`ApiError::Precondition`] when the request names another state than the present one.
pub(crate) async fn if_match(
    state: &ApiState,
    caller: &Caller,
    id: ConversationId,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let Some(wanted) = headers.get(header::IF_MATCH) else {
        return Ok(());
    };
    let present = etag(&find(state, caller, id).await?);
    let wanted = wanted.to_str().unwrap_or_default();
    let holds = wanted
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || present == tag);
    holds.then_some(()).ok_or(ApiError::Precondition)
}
