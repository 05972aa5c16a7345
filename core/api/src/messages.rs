//! Lines of a conversation: read them, and write one as a person.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use tandem_channel_kit::clean;
use tandem_domain::{
    ConversationId,
    message::{Choice, Content, Part},
    store::Visibility,
};
use tandem_engine::{Amendment, Person};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiState,
    auth::Caller,
    conversations::{find, if_match},
    error::ApiError,
    extract::{Id, Input, Query, idempotency_key, key, page_size},
    scope::Scope,
    view::{
        Page,
        message::{self, Message, kept_client_id},
    },
};

/// Longest text of one message, in bytes.
const TEXT: usize = 16 * 1024;
/// Most parts, and most choices.
const PARTS: usize = 20;
const CHOICES: usize = 20;
/// Longest label, value, name or reference, in bytes.
const FIELD: usize = 2048;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// `next` of the page before: lines after this number.
    after: Option<u64>,
    limit: Option<usize>,
}

/// The transcript, oldest line first, notes included.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages", operation_id = "listMessages", tag = "conversations",
    params(("id" = String, Path), After),
    responses((status = 200, body = Page<Message>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    Query(query): Query<After>,
) -> Result<Json<Page<Message>>, ApiError> {
    let limit = page_size(query.limit)?;
    find(&state, &caller, id).await?;
    let rows = state
        .store()
        .messages(caller.workspace(), id, query.after.unwrap_or(0), limit + 1)
        .await?;
    Ok(Json(Page::of(
        rows,
        limit,
        |row| row.seq.to_string(),
        Message::from,
    )))
}

/// Who speaks, where it is not the token itself.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentInput {
    #[schema(max_length = 100)]
    id: String,
    /// Shown to the customer.
    #[schema(max_length = 200)]
    name: Option<String>,
}

/// Either `text` or `content`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    text: Option<String>,
    #[schema(value_type = Option<message::Content>)]
    content: Option<Content>,
    /// `public`, to the customer, unless told.
    #[serde(default)]
    #[schema(value_type = Option<message::Visibility>)]
    visibility: Visibility,
    /// The same twice writes once. The header `Idempotency-Key` says the same.
    client_id: Option<String>,
    /// Needs the scope `conversations:impersonate`.
    agent: Option<AgentInput>,
}

/// Writes as a person. A public line takes the conversation from the bot or the queue; a note
/// changes nothing.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages", operation_id = "createMessage", tag = "conversations",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header),
        ("If-Match" = Option<String>, Header)),
    request_body = Reply,
    responses((status = 201, body = Message), (status = 409, body = crate::error::ErrorBody)))]
pub(crate) async fn reply(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    headers: HeaderMap,
    Input(input): Input<Reply>,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    let by = person(&caller, input.agent)?;
    let client_id = client_id(&headers, input.client_id)?;
    let content = match (input.text, input.content) {
        (Some(text), None) => Content::text(text),
        (None, Some(content)) => content,
        _ => {
            return Err(ApiError::invalid(
                "text",
                "either `text` or `content` is needed",
            ));
        }
    };
    let content = usable(content)?;
    let kept = client_id.map(|key| kept_client_id(caller.name(), &key));
    if let Some(kept) = &kept
        && let Some(line) = state
            .store()
            .message_by_client_id(caller.workspace(), id, kept)
            .await?
    {
        // Written before: what has changed since is no reason to refuse the answer again.
        if line.content != content || line.visibility != input.visibility {
            return Err(ApiError::Conflict {
                code: "key_reused",
                message: "this Idempotency-Key stands for another message",
            });
        }
        return Ok((StatusCode::CREATED, Json(line.into())));
    }
    if_match(&state, &caller, id, &headers).await?;
    let line = state
        .engine()
        .reply(caller.workspace(), id, by, content, input.visibility, kept)
        .await?;
    Ok((StatusCode::CREATED, Json(line.into())))
}

/// Other words for a line.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    text: String,
    /// Needs the scope `conversations:impersonate`.
    agent: Option<AgentInput>,
}

/// Changes what a person said to the customer, here and on the customer's side, on channels that
/// can. Only a text that left as one message.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}/messages/{seq}", operation_id = "editMessage", tag = "conversations",
    params(("id" = String, Path), ("seq" = u64, Path)),
    request_body = Edit,
    responses((status = 200, body = Message), (status = 409, body = crate::error::ErrorBody)))]
pub(crate) async fn edit(
    State(state): State<ApiState>,
    caller: Caller,
    path: Line,
    Input(input): Input<Edit>,
) -> Result<Json<Message>, ApiError> {
    let by = person(&caller, input.agent)?;
    let content = usable(Content::text(input.text))?;
    let what = Amendment::Edit(content.plain());
    amend(&state, &caller, path, &by, what).await
}

/// Takes back what a person said to the customer, here and on the customer's side, on channels
/// that can.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/messages/{seq}", operation_id = "deleteMessage", tag = "conversations",
    params(("id" = String, Path), ("seq" = u64, Path)),
    responses((status = 200, body = Message), (status = 409, body = crate::error::ErrorBody)))]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    path: Line,
) -> Result<Json<Message>, ApiError> {
    let by = person(&caller, None)?;
    amend(&state, &caller, path, &by, Amendment::Delete).await
}

/// A conversation and the number of one of its lines, from the path.
type Line = Result<Path<(ConversationId, u64)>, PathRejection>;

async fn amend(
    state: &ApiState,
    caller: &Caller,
    path: Line,
    by: &Person,
    what: Amendment,
) -> Result<Json<Message>, ApiError> {
    let Path((id, seq)) = path.map_err(|_| ApiError::NotFound("message"))?;
    let line = state
        .engine()
        .amend(caller.workspace(), id, seq, by, what)
        .await?;
    Ok(Json(line.into()))
}

/// Who a write is by.
///
/// # Errors
/// When somebody else is named and the token may not.
pub(crate) fn person(caller: &Caller, agent: Option<AgentInput>) -> Result<Person, ApiError> {
    let Some(agent) = agent else {
        return Ok(Person {
            id: caller.name().to_owned(),
            name: None,
        });
    };
    caller.needs(Scope::ConversationsImpersonate)?;
    let id = key(&agent.id, "agent.id")?;
    let name = agent.name.map(|name| clean::line(&name, 200));
    Ok(Person {
        id,
        name: name.filter(|name| !name.is_empty()),
    })
}

fn client_id(headers: &HeaderMap, body: Option<String>) -> Result<Option<String>, ApiError> {
    let header = idempotency_key(headers)?;
    let body = body.map(|id| key(&id, "client_id")).transpose()?;
    match (header, body) {
        (Some(header), Some(body)) if header != body => Err(ApiError::invalid(
            "client_id",
            "must equal the header Idempotency-Key where both are given",
        )),
        (header, body) => Ok(header.or(body)),
    }
}

/// Cleans what a person wants said and holds it against what channels can carry.
fn usable(mut content: Content) -> Result<Content, ApiError> {
    if content.parts.len() > PARTS {
        return Err(ApiError::invalid(
            "content.parts",
            format!("at most {PARTS} parts"),
        ));
    }
    if content.plain().len() > TEXT {
        return Err(ApiError::invalid("text", format!("at most {TEXT} bytes")));
    }
    for part in &mut content.parts {
        match part {
            Part::Text { text } => *text = clean::text(text, TEXT),
            Part::Media(media) => {
                reference(&media.reference, "content.parts.ref")?;
                media.name = media.name.take().map(|name| clean::file_name(&name));
                media.alt = media.alt.take().map(|alt| clean::line(&alt, FIELD));
                media.mime = clean::line(&media.mime, 100);
            }
            Part::Location { lat, lon, name } => {
                if !(-90.0..=90.0).contains(lat) || !(-180.0..=180.0).contains(lon) {
                    return Err(ApiError::invalid("content.parts", "no place on earth"));
                }
                *name = name.take().map(|name| clean::line(&name, FIELD));
            }
            Part::Card(card) => {
                card.title = clean::line(&card.title, FIELD);
                card.text = card.text.take().map(|text| clean::text(&text, TEXT));
                for address in card.image.iter().chain(&card.url) {
                    reference(address, "content.parts.url")?;
                }
                choices(&mut card.choices)?;
            }
            Part::Template {
                name,
                language,
                params,
                text,
            } => {
                if params.len() > 32 {
                    return Err(ApiError::invalid("content.parts.params", "at most 32"));
                }
                for field in [name, language].into_iter().chain(params) {
                    *field = clean::line(field, FIELD);
                }
                *text = text.take().map(|text| clean::text(&text, TEXT));
            }
            Part::Mention { .. } | Part::Unsupported { .. } => {
                return Err(ApiError::invalid(
                    "content.parts",
                    "a person writes text, media, location, card or template",
                ));
            }
        }
    }
    choices(&mut content.choices)?;
    if content
        .quote
        .as_ref()
        .is_some_and(|quote| quote.len() > FIELD)
    {
        return Err(ApiError::invalid("content.quote", "too long"));
    }
    let says_something = content.parts.iter().any(|part| match part {
        Part::Text { text } => !text.trim().is_empty(),
        _ => true,
    });
    if !says_something {
        return Err(ApiError::invalid("text", "is empty"));
    }
    Ok(content)
}

fn choices(choices: &mut [Choice]) -> Result<(), ApiError> {
    if choices.len() > CHOICES {
        return Err(ApiError::invalid(
            "content.choices",
            format!("at most {CHOICES} choices"),
        ));
    }
    for choice in choices {
        choice.label = clean::line(&choice.label, FIELD);
        if choice.label.is_empty() {
            return Err(ApiError::invalid("content.choices.label", "is empty"));
        }
        if choice.value.len() > FIELD {
            return Err(ApiError::invalid("content.choices.value", "too long"));
        }
        match &choice.url {
            Some(url) => reference(url, "content.choices.url")?,
            None if choice.value.is_empty() => {
                return Err(ApiError::invalid(
                    "content.choices",
                    "needs `value` or `url`",
                ));
            }
            None => {}
        }
    }
    Ok(())
}

/// A stored file or a page on the web; nothing that a browser would run.
fn reference(text: &str, field: &str) -> Result<(), ApiError> {
    let good = text.len() <= FIELD
        && ["https://", "file:"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    good.then_some(())
        .ok_or_else(|| ApiError::invalid(field, "must be an https address or a stored file"))
}
