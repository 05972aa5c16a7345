//! Interactions by webhook: verified, committed, acknowledged.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest as _, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use tandem_channel_kit::{Inbox, InboxError};
use tandem_domain::message::Inbound;

use crate::{
    channel::Hub, config::PublicKey, inbound::Asked, native::Interaction, signature::is_signed,
};

/// Discord's requests are a few kilobytes.
pub(crate) const BODY_LIMIT: usize = 1 << 20;
/// How long a request may take to arrive.
const ARRIVE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Hook {
    hub: Arc<Hub>,
    inbox: Inbox,
    key: PublicKey,
}

/// The endpoint of one account.
pub(crate) fn routes(hub: Arc<Hub>, inbox: Inbox, key: PublicKey) -> Router {
    let path = format!("/hooks/{}/{}", hub.account.channel, hub.account.id);
    Router::new()
        .route(&path, post(hook))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Hook { hub, inbox, key })
}

/// 503: Discord shows the customer that it failed, and they press once more.
fn later(error: &InboxError) -> Response {
    tracing::warn!(%error, "An interaction could not be taken.");
    let headers = [(header::RETRY_AFTER, "5")];
    (StatusCode::SERVICE_UNAVAILABLE, headers).into_response()
}

async fn hook(State(hook): State<Hook>, headers: HeaderMap, request: Request) -> Response {
    let body = match tokio::time::timeout(ARRIVE, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(too_large_or_broken)) => return too_large_or_broken.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let field = |name: &str| headers.get(name).map_or(&[][..], |value| value.as_bytes());
    let timestamp = field("x-signature-timestamp");
    let signature = field("x-signature-ed25519");
    if !is_signed(&hook.key, timestamp, signature, &body, hook.hub.now()) {
        // Discord itself tries one when the address is entered.
        tracing::warn!(account = %hook.hub.account.id, "An interaction was not signed by Discord and is refused.");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let asked = match serde_json::from_slice::<Interaction>(&body) {
        Ok(asked) => asked,
        Err(error) => return unread(&hook, &body, &error.to_string()).await,
    };
    hook.hub.learn(&asked);
    let said = hook.hub.reader().interaction(&asked);
    match &said {
        Asked::Unknown => {
            let why = format!("an interaction of the type {}", asked.kind);
            return unread(&hook, &body, &why).await;
        }
        Asked::Command(event) | Asked::Press(event) => {
            if let Err(response) = accept(&hook, (**event).clone(), &body).await {
                return response;
            }
        }
        Asked::Ping | Asked::Completion => {}
    }
    Json(said.acknowledgement()).into_response()
}

async fn accept(hook: &Hook, event: Inbound, body: &[u8]) -> Result<(), Response> {
    match hook.inbox.accept(vec![event]).await {
        Ok(_) => Ok(()),
        Err(error @ (InboxError::Invalid(_) | InboxError::TooLarge { .. })) => {
            Err(unread(hook, body, &error.to_string()).await)
        }
        Err(error) => Err(later(&error)),
    }
}

/// Keeps what is signed and not understood, for a person.
async fn unread(hook: &Hook, body: &[u8], why: &str) -> Response {
    match hook.inbox.accept_unknown(why, body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => later(&error),
    }
}
