//! Updates that Telegram brings: one a request, committed before it is answered.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::json;
use tandem_channel_kit::{ChannelError, Health, Inbox, Stop};
use tandem_domain::Timestamp;
use teloxide::payloads::{GetWebhookInfo, SetWebhook};

use crate::{
    api::{Failure, result},
    channel::{Hook, Shared},
    inbound::ALLOWED,
    signature,
};

/// Largest update.
const BODY_MAX: usize = 1 << 20;
/// How long one may take to arrive.
const ARRIVE: Duration = Duration::from_secs(10);
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
        .route(&path, post(hook))
        .with_state(Door { shared, inbox })
}

/// Why a request has no good answer.
enum Refused {
    /// 401: not Telegram.
    Forged,
    /// 413.
    TooLarge,
    /// 408.
    Slow,
    /// 503: Telegram keeps it and tries again.
    Later(String),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Forged => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Later(why) => {
                tracing::warn!(why, "An update could not be taken and is to come again.");
                let again = [(header::RETRY_AFTER, "5")];
                return (StatusCode::SERVICE_UNAVAILABLE, again).into_response();
            }
        };
        status.into_response()
    }
}

async fn hook(
    State(door): State<Door>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let shared = &door.shared;
    let secret = shared.hook.as_ref().map(|hook| hook.secret.as_str());
    let carried = headers.get(signature::HEADER).map(|value| value.as_bytes());
    if !signature::matches(secret.unwrap_or_default(), carried) {
        tracing::warn!(account = %shared.account.id, "An update does not carry Telegram's secret and is refused.");
        return Err(Refused::Forged);
    }
    if shared.stop.is_stopped() {
        return Err(Refused::Later("the server is stopping".to_owned()));
    }
    let body = match tokio::time::timeout(ARRIVE, read(body)).await {
        Ok(body) => body?,
        Err(_) => return Err(Refused::Slow),
    };
    let update = shared.read(&body);
    let press = update.press.clone();
    let committed = shared.commit(&door.inbox, vec![(update, &body)]).await;
    committed.map_err(|error| Refused::Later(error.to_string()))?;
    Ok(match press {
        // The answer is a call at once, and ends the button's spinner.
        Some(id) => {
            Json(json!({"method": "answerCallbackQuery", "callback_query_id": id})).into_response()
        }
        None => StatusCode::OK.into_response(),
    })
}

async fn read(body: Body) -> Result<Bytes, Refused> {
    match Limited::new(body, BODY_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refused::TooLarge),
        Err(_) => Err(Refused::Slow),
    }
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
