//! The endpoints that are plain requests.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tandem_channel_kit::{Accepted, Inbox, InboxError};
use tandem_domain::{
    InboxId, LaneId, MessageId,
    bus::{Heard, Signal},
    message::Author,
    store::Message,
};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use crate::{
    Shared, files,
    inbound::{Decoder, Refusal, Said},
    outbound::{Line, own_id},
    signature::{SignatureError, Visitor},
    socket,
};

/// Bytes of a request that is no upload; also of a frame.
pub(crate) const BODY_MAX: usize = 64 * 1024;
/// A quarter of what is still received of a body that is too large.
const HEARD_OUT: usize = 1 << 20;
/// Longest that a request may wait for an answer.
const WAIT_MAX: Duration = Duration::from_secs(25);
/// Longest that a request may take altogether, an upload aside.
const REQUEST_MAX: Duration = Duration::from_secs(60);
/// Lines in one answer.
pub(crate) const PAGE: usize = 100;

#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Inbox,
}

pub(crate) fn routes(shared: Arc<Shared>, inbox: Inbox) -> Router {
    let base = format!("/web/{}", shared.account.id);
    let file_max = shared.config.files.max_bytes;
    let web = Web { shared, inbox };
    Router::new()
        .route(&format!("{base}/settings"), get(settings))
        .route(&format!("{base}/session"), post(session))
        .route(&format!("{base}/messages"), get(read).post(write))
        .route(&format!("{base}/socket"), get(socket::upgrade))
        .layer(middleware::from_fn(in_time))
        .route(
            &format!("{base}/files"),
            // Room for the wrapping of a multipart body.
            post(files::upload).layer(DefaultBodyLimit::max(file_max + 16 * 1024)),
        )
        .layer(middleware::from_fn_with_state(web.clone(), doorkeeper))
        // Images are loaded without an origin; the link's signature is their key.
        .route(&format!("{base}/files/{{id}}"), get(files::download))
        .with_state(web)
}

/// Checks the origin, answers preflights, and refuses everything during shutdown.
async fn doorkeeper(State(web): State<Web>, request: Request, next: Next) -> Response {
    if web.shared.stop.is_stopped() {
        return ApiError::unavailable("the server is shutting down").into_response();
    }
    let headers = request.headers();
    if !web.shared.guard.admits(headers) {
        return ApiError::new(
            StatusCode::FORBIDDEN,
            "origin",
            "this page may not use the chat",
        )
        .into_response();
    }
    let origin = headers.get(header::ORIGIN).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let answer = response.headers_mut();
    answer.insert(header::VARY, HeaderValue::from_static("origin"));
    answer.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Some(origin) = origin {
        let fixed = [
            (
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST"),
            ),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("authorization, content-type, x-file-name"),
            ),
            (
                header::ACCESS_CONTROL_MAX_AGE,
                HeaderValue::from_static("7200"),
            ),
            (
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("retry-after"),
            ),
        ];
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.extend(fixed);
    }
    response
}

/// Ends a request whose body drips in; the wait for an answer has a shorter limit of its own.
async fn in_time(request: Request, next: Next) -> Response {
    timeout(REQUEST_MAX, next.run(request))
        .await
        .unwrap_or_else(|_| {
            let message = "the request took too long";
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", message).into_response()
        })
}

/// What the widget needs before anyone writes. The same for everybody.
async fn settings(State(web): State<Web>) -> Response {
    let config = &web.shared.config;
    let appearance = &config.appearance;
    let body = json!({
        "title": appearance.title,
        "subtitle": appearance.subtitle,
        "greeting": appearance.greeting,
        "suggestions": appearance.suggestions,
        "color": appearance.color,
        "page_after": appearance.page_after,
        "text_max": config.limits.text,
        "files": config.files.enabled.then(|| json!({
            "max_bytes": config.files.max_bytes,
            "types": config.files.types,
        })),
    });
    let cache = [(header::CACHE_CONTROL, "public, max-age=60")];
    (cache, axum::Json(body)).into_response()
}

#[derive(Default, Deserialize)]
struct SessionRequest {
    /// The token the visitor has, to be renewed.
    #[serde(default)]
    token: Option<String>,
    /// Signed by the business; see [`crate::signature::Identity`].
    #[serde(default)]
    identity: Option<Value>,
}

/// Gives a token. The visitor stays the same where the old token is good; somebody else logging in
/// on the same browser is another visitor.
async fn session(
    State(web): State<Web>,
    peer: Peer,
    body: Result<Whole, ApiError>,
) -> Result<Response, ApiError> {
    let shared = &web.shared;
    let request: SessionRequest = parse(body)?;
    shared
        .guard
        .session(peer.0)
        .map_err(ApiError::rate_limited)?;
    let now = shared.now();
    let old = request
        .token
        .as_deref()
        .and_then(|t| shared.keys.visitor(t, now).ok());
    let identity = match request.identity.filter(|i| !i.is_null()) {
        Some(claimed) => Some(shared.keys.identity(&claimed, now).map_err(|error| {
            let code = match error {
                SignatureError::NotConfigured => "identity_not_configured",
                SignatureError::Forged | SignatureError::Expired => "identity_refused",
            };
            ApiError::new(StatusCode::FORBIDDEN, code, error.to_string())
        })?),
        None => None,
    };
    let user = identity.as_ref().map(|i| i.id.clone());
    let mut visitor = match (old, &user) {
        (Some(old), None) => old,
        (Some(old), Some(user)) if old.user.as_ref().is_none_or(|u| u == user) => old,
        // On another device, the same user finds the same conversation.
        (_, Some(user)) => Visitor {
            id: user_id(shared, user),
            user: None,
            name: None,
            told: None,
            expires_at: now,
        },
        (None, None) => Visitor {
            id: Uuid::now_v7().simple().to_string(),
            user: None,
            name: None,
            told: None,
            expires_at: now,
        },
    };
    visitor.expires_at = now + Duration::from_secs(u64::from(shared.config.token_days) * 86_400);
    if let Some(identity) = &identity {
        let news = visitor.told.as_ref() != Some(&identity.digest);
        visitor.user = user;
        visitor.name.clone_from(&identity.name);
        visitor.told = Some(identity.digest.clone());
        if news {
            let event = shared.decoder(&visitor).identified(identity);
            web.inbox.accept(vec![event]).await?;
        }
    }
    let body = json!({
        "token": shared.keys.visitor_token(&visitor),
        "visitor": visitor.id,
        "user": visitor.user,
        "expires_at": visitor.expires_at,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response())
}

fn user_id(shared: &Shared, user: &str) -> String {
    let name = format!("{}|{}|{user}", shared.account.workspace, shared.account.id);
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
    format!("u{}", id.simple())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paging {
    after: Option<String>,
    limit: Option<usize>,
    wait: Option<u64>,
}

impl Paging {
    fn deadline(&self) -> Option<Instant> {
        let wait = Duration::from_millis(self.wait.filter(|w| *w > 0)?).min(WAIT_MAX);
        Some(Instant::now() + wait)
    }

    fn after(&self) -> Option<MessageId> {
        self.after.as_deref().and_then(|id| id.parse().ok())
    }
}

#[derive(Serialize)]
struct Lines<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<InboxId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
    messages: Vec<Line<'a>>,
    /// What to read on from.
    cursor: Option<MessageId>,
}

/// Takes what a visitor writes; with `wait`, answers with the lines up to the reply.
async fn write(
    State(web): State<Web>,
    peer: Peer,
    Query(paging): Query<Paging>,
    headers: HeaderMap,
    body: Result<Whole, ApiError>,
) -> Result<Response, ApiError> {
    let shared = &web.shared;
    let visitor = shared.authorized(&headers)?;
    let said: Said = parse(body)?;
    shared
        .guard
        .message(&visitor.id, peer.0)
        .map_err(ApiError::rate_limited)?;
    let client_id = said.client_id.clone();
    let event = shared.decoder(&visitor).said(said)?;
    let accepted = web.inbox.accept(vec![event]).await?;
    let (id, duplicate) = match accepted.first() {
        Some(Accepted::New(id)) => (*id, false),
        Some(Accepted::Duplicate(id)) => (*id, true),
        Some(Accepted::Skipped) | None => return Err(Refusal::Empty.into()),
    };
    let messages = match paging.deadline() {
        Some(deadline) => {
            let new = (!duplicate).then_some(id);
            web.reply_to(&visitor, &client_id, new, deadline).await?
        }
        None => Arc::default(),
    };
    let lines = Lines {
        id: Some(id),
        duplicate: Some(duplicate),
        cursor: messages.last().map(|m| m.id),
        messages: messages
            .iter()
            .map(|m| shared.line(&visitor.id, m))
            .collect(),
    };
    Ok(json_response(&lines))
}

/// Lines after a cursor, or the last ones; with `wait`, as soon as there are any.
async fn read(
    State(web): State<Web>,
    peer: Peer,
    Query(paging): Query<Paging>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let shared = &web.shared;
    let visitor = shared.authorized(&headers)?;
    shared
        .guard
        .message(&visitor.id, peer.0)
        .map_err(ApiError::rate_limited)?;
    let lane = shared.lane(&visitor.id);
    let limit = paging.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let after = paging.after();
    let mut ear = paging
        .deadline()
        .map(|deadline| (web.inbox.listen(lane), deadline));
    let messages = loop {
        let messages = web.inbox.transcript(lane, after, limit).await?;
        let Some((ear, deadline)) = ear.as_mut().filter(|_| messages.is_empty()) else {
            break messages;
        };
        match timeout_at(*deadline, grown(ear.as_mut())).await {
            Ok(true) if !shared.stop.is_stopped() => {}
            _ => break messages,
        }
    };
    let lines = Lines {
        id: None,
        duplicate: None,
        cursor: messages.last().map(|m| m.id).or(after),
        messages: messages
            .iter()
            .map(|m| shared.line(&visitor.id, m))
            .collect(),
    };
    Ok(json_response(&lines))
}

/// Waits until the transcript may have grown; false when there will be no more signals.
async fn grown(ear: &mut dyn tandem_domain::bus::Listener) -> bool {
    loop {
        match ear.next().await {
            Heard::Signal(Signal::Transcript { .. }) | Heard::Missed => return true,
            Heard::Signal(_) => {}
            Heard::Closed => return false,
        }
    }
}

impl Web {
    /// The lines from the visitor's own up to the reply that has come by the deadline. `new` is the
    /// event if it came just now: one that came before may long be answered, and waiting for its
    /// turn would be in vain.
    async fn reply_to(
        &self,
        visitor: &Visitor,
        client_id: &str,
        new: Option<InboxId>,
        deadline: Instant,
    ) -> Result<Arc<Vec<Message>>, InboxError> {
        if let Some(id) = new {
            let limit = deadline.saturating_duration_since(Instant::now());
            let settled = self.inbox.settled(id, limit).await;
            if let Some(lines) = settled.filter(|lines| answers(lines)) {
                return Ok(lines);
            }
        }
        // The turn said nothing yet (it waits for a service, or for a person), or nobody
        // remembers it: follow the transcript.
        let lane = self.shared.lane(&visitor.id);
        let mut ear = self.inbox.listen(lane);
        loop {
            let lines = Arc::new(self.since(visitor, lane, client_id).await?);
            if answers(&lines) || Instant::now() >= deadline {
                return Ok(lines);
            }
            match timeout_at(deadline, grown(ear.as_mut())).await {
                Ok(true) if !self.shared.stop.is_stopped() => {}
                _ => return Ok(lines),
            }
        }
    }

    /// The last lines from the one the visitor sent under this id.
    async fn since(
        &self,
        visitor: &Visitor,
        lane: LaneId,
        client_id: &str,
    ) -> Result<Vec<Message>, InboxError> {
        let mut lines = self.inbox.transcript(lane, None, PAGE).await?;
        let own = lines.iter().rposition(|m| {
            m.client_id
                .as_deref()
                .is_some_and(|id| own_id(&visitor.id, id) == client_id)
        });
        Ok(own.map(|at| lines.split_off(at)).unwrap_or_default())
    }
}

fn answers(lines: &[Message]) -> bool {
    lines
        .iter()
        .any(|m| matches!(m.author, Author::Bot | Author::Agent { .. }))
}

impl Shared {
    pub(crate) fn decoder<'a>(&'a self, visitor: &'a Visitor) -> Decoder<'a> {
        Decoder {
            account: &self.account,
            keys: &self.keys,
            visitor,
            text_max: self.config.limits.text,
            now: self.now(),
        }
    }

    /// The visitor whose token the request carries.
    pub(crate) fn authorized(&self, headers: &HeaderMap) -> Result<Visitor, ApiError> {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.strip_prefix("Bearer "))
            .ok_or_else(|| ApiError::unauthorized("a visitor token is needed"))?;
        self.keys
            .visitor(token, self.now())
            .map_err(|error| ApiError::unauthorized(error.to_string()))
    }
}

/// The address of the other end, where the server knows it.
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

impl axum::extract::FromRequestParts<Web> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        web: &Web,
    ) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let guard = &web.shared.guard;
        Ok(Self(guard.address(&parts.headers, peer.map(|p| p.0))))
    }
}

/// A request's body of at most [`BODY_MAX`] bytes. Of a longer one the rest is heard out, so that the
/// client is told why and does not only see its connection break.
struct Whole(Vec<u8>);

impl axum::extract::FromRequest<Web> for Whole {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Web) -> Result<Self, ApiError> {
        let mut stream = request.into_body().into_data_stream();
        let mut body = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| ApiError::from(Refusal::BadFrame))?;
            if body.len() + chunk.len() > BODY_MAX {
                files::hear_out(&mut stream, HEARD_OUT).await;
                return Err(ApiError::too_large("the request", BODY_MAX as u64));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self(body))
    }
}

fn parse<T: DeserializeOwned + Default>(body: Result<Whole, ApiError>) -> Result<T, ApiError> {
    let Whole(body) = body?;
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&body).map_err(|error| {
        let message = format!("this is not the JSON that was expected: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    })
}

fn json_response<T: Serialize>(body: &T) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let body = serde_json::to_vec(body).expect("plain structs serialise");
    (headers, body).into_response()
}

/// An error as the visitor's browser sees it: `{"error": {"code", "message"}}`.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(crate) fn unavailable(message: &str) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
        }
    }

    pub(crate) fn too_large(what: &str, max: u64) -> Self {
        let message = format!("{what} is larger than {max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    pub(crate) fn rate_limited(wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "too many at once; wait a moment",
            )
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refusal.code(), refusal.to_string())
    }
}

impl From<InboxError> for ApiError {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Invalid(message) => {
                Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
            }
            InboxError::TooLarge { what, max } => Self::too_large(what, max),
            other => {
                tracing::error!(error = %other, "The web channel could not reach its inbox.");
                Self::unavailable("the message could not be taken; try again in a moment")
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (
            self.status,
            [(header::CACHE_CONTROL, "no-store")],
            axum::Json(json!({"error": {"code": self.code, "message": self.message}})),
        )
            .into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
