//! Interactions by webhook: verified, committed, acknowledged.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use tandem_channel_kit::{
    Inbox,
    hook::{self, BODY_MAX, Refused},
};

use crate::{
    channel::Hub, config::PublicKey, inbound::Asked, native::Interaction, signature::is_signed,
};

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
        .route(&path, post(hear))
        .with_state(Hook { hub, inbox, key })
}

async fn hear(State(hook): State<Hook>, headers: HeaderMap, body: Body) -> Response {
    match take(&hook, &headers, body).await {
        Ok(response) => response,
        // After a 503 Discord shows the customer that it failed, and they press once more.
        Err(refused) => refused.answer(&hook.hub.account),
    }
}

async fn take(hook: &Hook, headers: &HeaderMap, body: Body) -> Result<Response, Refused> {
    let body = hook::read(body, BODY_MAX).await?;
    let field = |name: &str| headers.get(name).map_or(&[][..], |value| value.as_bytes());
    let timestamp = field("x-signature-timestamp");
    let signature = field("x-signature-ed25519");
    if !is_signed(&hook.key, timestamp, signature, &body, hook.hub.now()) {
        // Discord itself tries one when the address is entered.
        return Err(Refused::Forged("the signature or its time is wrong".into()));
    }
    let unread = async |why: String| {
        hook.inbox.accept_unknown(&why, &body).await?;
        Ok(StatusCode::OK.into_response())
    };
    let asked = match serde_json::from_slice::<Interaction>(&body) {
        Ok(asked) => asked,
        Err(error) => return unread(error.to_string()).await,
    };
    hook.hub.learn(&asked);
    let said = hook.hub.reader().interaction(&asked);
    match &said {
        Asked::Unknown => {
            return unread(format!("an interaction of the type {}", asked.kind)).await;
        }
        Asked::Command(event) | Asked::Press(event) => {
            let taken = hook::take(&hook.inbox, vec![(**event).clone()], &body).await?;
            if taken.is_empty() {
                return Ok(StatusCode::OK.into_response());
            }
        }
        Asked::Ping | Asked::Completion => {}
    }
    Ok(Json(said.acknowledgement()).into_response())
}
