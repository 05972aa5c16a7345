//! Updates that Telegram brings: one a request, committed before it is answered.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;
use tandem_channel_kit::{
    ChannelError, Health, Inbox, Stop,
    hook::{self, BODY_MAX, Refused},
};
use tandem_domain::Timestamp;
use teloxide::payloads::{GetWebhookInfo, SetWebhook};

use crate::{
    api::{Failure, result},
    channel::{Hook, Shared},
    inbound::ALLOWED,
    signature,
};

/// Requests that Telegram makes at once, at most.
const CONNECTIONS: u8 = 40;
/// How often Telegram is asked whether it reaches us.
const LOOK: Duration = Duration::from_secs(300);

#[derive(Clone)]
struct Door {
    shared: Arc<Shared>,
    inbox: Inbox,
}

pub(crate) fn routes(shared: Arc<Shared>, inbox: Inbox) -> Router {
    let path = format!("/hooks/{}/{}", shared.account.channel, shared.account.id);
    Router::new()
        .route(&path, post(hear))
        .with_state(Door { shared, inbox })
}

async fn hear(State(door): State<Door>, headers: HeaderMap, body: Body) -> Response {
    match take(&door, &headers, body).await {
        Ok(response) => response,
        Err(refused) => refused.answer(&door.shared.account),
    }
}

async fn take(door: &Door, headers: &HeaderMap, body: Body) -> Result<Response, Refused> {
    let shared = &door.shared;
    let secret = shared.hook.as_ref().map(|hook| hook.secret.as_str());
    let carried = headers.get(signature::HEADER).map(|value| value.as_bytes());
    if !signature::matches(secret.unwrap_or_default(), carried) {
        return Err(Refused::Forged("it does not carry the secret".into()));
    }
    if shared.stop.is_stopped() {
        return Err(Refused::Later("the server is stopping".to_owned()));
    }
    let body = hook::read(body, BODY_MAX).await?;
    let update = shared.read(&body);
    let press = update.press.clone();
    shared.commit(&door.inbox, vec![(update, &body)]).await?;
    Ok(match press {
        // The answer is a call at once, and ends the button's spinner.
        Some(id) => {
            Json(json!({"method": "answerCallbackQuery", "callback_query_id": id})).into_response()
        }
        None => StatusCode::OK.into_response(),
    })
}

/// Gives Telegram the address and sees that it stays there. It is left there at the end: while we
/// are away, Telegram keeps what it cannot deliver, and goes on when we are back.
pub(crate) async fn run(shared: &Shared, hook: &Hook, stop: &Stop) -> Result<(), ChannelError> {
    let begin = async {
        shared.introduce().await?;
        let mut payload = SetWebhook::new(hook.url.clone());
        payload.max_connections = Some(CONNECTIONS);
        payload.allowed_updates = Some(ALLOWED.to_vec());
        payload.secret_token = Some(hook.secret.clone());
        shared.api.call(&payload).await.map(drop)
    };
    match stop.or(begin).await {
        Some(begun) => begun?,
        None => return Ok(()),
    }
    tracing::info!(account = %shared.account.id, webhook = %hook.url, "Telegram brings updates to this address.");
    while stop.or(tokio::time::sleep(LOOK)).await.is_some() {
        match stop.or(look(shared, hook)).await {
            Some(looked) => looked?,
            None => break,
        }
    }
    Ok(())
}

/// Whether the webhook is still ours, and what Telegram met there.
async fn look(shared: &Shared, hook: &Hook) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Info {
        url: String,
        #[serde(default)]
        last_error_date: i64,
        #[serde(default)]
        last_error_message: String,
    }
    let answer = shared.api.call(&GetWebhookInfo::new()).await?;
    let info: Info = result(&answer).map_err(|error| Failure::Unknown(error.to_string()))?;
    if info.url != hook.url.as_str() {
        return Err(Failure::Conflict("the webhook was changed".to_owned()));
    }
    let since = Timestamp::now().since(Timestamp(info.last_error_date.saturating_mul(1000)));
    shared.feels(match since < LOOK * 2 {
        true => Health::Degraded(format!(
            "Telegram does not reach the webhook: {}",
            info.last_error_message
        )),
        false => Health::Good,
    });
    Ok(())
}
