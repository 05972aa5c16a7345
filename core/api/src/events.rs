//! Events: handed in for flows to start on, and the log of what happened.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use tandem_channel_kit::{Accepted, Inbox};
use tandem_domain::{
    AccountId, ContactId, ConversationId, InboxId, Timestamp, Value,
    conversation::Conversation,
    message::{ConversationKind, Inbound, InboundKind, NativeConversation, Sender},
    store::{Contact, ConversationQuery},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiState,
    auth::Caller,
    conversations,
    error::ApiError,
    extract::{Input, Query, idempotency_key, key, page_size},
    view::{Event, Page},
};

/// An event, and the one customer it is about: by `conversation`, by `contact`, or by `account`
/// with `native_id`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEvent {
    /// What flows start on.
    #[schema(example = "order.shipped", max_length = 100)]
    name: String,
    /// At most 16 KB.
    #[serde(default)]
    data: Option<Value>,
    #[schema(value_type = Option<String>, format = Uuid)]
    conversation: Option<ConversationId>,
    #[schema(value_type = Option<String>, format = Uuid)]
    contact: Option<ContactId>,
    /// A configured account of a channel.
    account: Option<String>,
    /// The customer's id on that account.
    native_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AcceptedEvent {
    #[schema(value_type = String, format = Uuid)]
    id: InboxId,
    /// The event was accepted before under this key; nothing happens again.
    duplicate: bool,
}

/// Hands an event in. It is stored when this answers, and worked on in its customer's turn.
#[utoipa::path(post, path = "/api/v1/events", operation_id = "createEvent", tag = "events",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = NewEvent,
    responses((status = 202, body = AcceptedEvent)))]
pub(crate) async fn accept(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    Input(input): Input<NewEvent>,
) -> Result<(StatusCode, Json<AcceptedEvent>), ApiError> {
    let name = name(&input.name)?;
    let id = match idempotency_key(&headers)? {
        // Keys of different tokens are different keys.
        Some(key) => format!("api/{}/{key}", caller.name()),
        None => format!("api/{}/{}", caller.name(), InboxId::fresh()),
    };
    let about = about(&state, &caller, &input).await?;
    let connected = state
        .engine()
        .channel(&about.account)
        .filter(|connected| &connected.account.workspace == caller.workspace())
        .ok_or(ApiError::NotFound("account"))?;
    let inbox = Inbox::new(connected.account.clone(), Arc::new(state.engine().clone()));
    let event = Inbound {
        id,
        channel: connected.account.channel.clone(),
        account: about.account,
        conversation: about.native,
        sender: about.sender,
        ts: Timestamp::now(),
        kind: InboundKind::System {
            name,
            data: input.data.unwrap_or_default(),
        },
        message_id: None,
        parts: Vec::new(),
        quote: None,
        mentions_me: false,
        album: None,
        reply_context: None,
    };
    let accepted = inbox.accept(vec![event]).await?;
    let (id, duplicate) = match accepted.first() {
        Some(Accepted::New(id)) => (*id, false),
        Some(Accepted::Duplicate(id)) => (*id, true),
        Some(Accepted::Skipped) | None => {
            return Err(ApiError::Internal(
                "an event of the API was skipped".to_owned(),
            ));
        }
    };
    Ok((StatusCode::ACCEPTED, Json(AcceptedEvent { id, duplicate })))
}

struct About {
    account: AccountId,
    native: NativeConversation,
    sender: Sender,
}

async fn about(state: &ApiState, caller: &Caller, input: &NewEvent) -> Result<About, ApiError> {
    let store = state.store();
    let workspace = caller.workspace();
    match (
        input.conversation,
        input.contact,
        &input.account,
        &input.native_id,
    ) {
        (Some(id), None, None, None) => {
            let conversation = conversations::find(state, caller, id).await?;
            let contact = store.contact(workspace, conversation.contact).await?;
            let contact = contact.ok_or(ApiError::NotFound("contact"))?;
            Ok(of_conversation(conversation, contact))
        }
        (None, Some(id), None, None) => {
            let contact = store.contact(workspace, id).await?;
            let contact = contact.ok_or(ApiError::NotFound("contact"))?;
            let query = ConversationQuery {
                contact: Some(id),
                limit: 1,
                ..ConversationQuery::default()
            };
            let latest = store.conversations(workspace, &query).await?.pop();
            Ok(match latest {
                Some(conversation) => of_conversation(conversation, contact),
                None => About {
                    account: contact.account.clone(),
                    native: direct(contact.native_id.clone()),
                    sender: sender(contact),
                },
            })
        }
        (None, None, Some(account), Some(native_id)) => {
            let native_id = key(native_id, "native_id")?;
            let account = AccountId::new(account);
            let contact = store.contact_of(workspace, &account, &native_id).await?;
            Ok(About {
                account,
                native: direct(native_id.clone()),
                sender: contact.map_or_else(
                    || Sender {
                        id: native_id,
                        ..Sender::default()
                    },
                    sender,
                ),
            })
        }
        _ => Err(ApiError::invalid(
            "conversation",
            "exactly one of `conversation`, `contact`, or `account` with `native_id` is needed",
        )),
    }
}

fn of_conversation(conversation: Conversation, contact: Contact) -> About {
    About {
        account: conversation.account,
        native: conversation.native,
        sender: sender(contact),
    }
}

fn direct(id: String) -> NativeConversation {
    NativeConversation {
        kind: ConversationKind::Dm,
        id,
        thread: None,
    }
}

fn sender(contact: Contact) -> Sender {
    Sender {
        id: contact.native_id,
        name: contact.name,
        is_self: false,
        locale: contact.locale,
    }
}

fn name(name: &str) -> Result<String, ApiError> {
    let good = (1..=100).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':'));
    if !good {
        return Err(ApiError::invalid(
            "name",
            "must be 1 to 100 letters, digits, dots, hyphens, underscores or colons",
        ));
    }
    Ok(name.to_owned())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// `next` of the page before: events after this number.
    after: Option<u64>,
    limit: Option<usize>,
}

/// The event log, oldest first.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "listEvents", tag = "events", params(After),
    responses((status = 200, body = Page<Event>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<After>,
) -> Result<Json<Page<Event>>, ApiError> {
    let limit = page_size(query.limit)?;
    let rows = state
        .store()
        .events(caller.workspace(), query.after.unwrap_or(0), limit + 1)
        .await?;
    Ok(Json(Page::of(
        rows,
        limit,
        |row| row.seq.to_string(),
        Event::from,
    )))
}
