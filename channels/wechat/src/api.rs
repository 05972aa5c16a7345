//! Calls to the platform's API, with access tokens that are fetched by one for all.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tandem_channel_kit::{
    MEDIA_MAX,
    token::{Acquired, Token, Tokens},
};
use tandem_domain::{BoxError, Timestamp, channel::SendError};
use tandem_net::{
    Body, Client, Method, NetError, NetErrorKind, Policy, Request, Response, Transport,
};
use url::Url;

use crate::{
    config::Settings,
    errors::{ApiError, ending, is_stale_token},
    family::Family,
};

/// Largest answer but for media: a thousand messages.
const ANSWER_MAX: usize = 8 << 20;
/// When a gateway asks for patience and does not say how much.
const PAUSE: Duration = Duration::from_secs(30);

/// The API as one account sees it.
pub struct Api {
    family: Family,
    id: String,
    secret: String,
    base: String,
    client: Client,
    /// The same hosts and those that WeChat keeps videos on, for larger answers.
    media: Client,
    tokens: Tokens,
    /// The token that was refused last: a service that gives it again is asked for another.
    refused: Mutex<Option<Arc<str>>>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// What a call does at the platform, where nobody knows whether it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The customer sees it.
    Message,
    /// Nothing that repeating would double.
    None,
}

/// How a call fails.
#[derive(Debug)]
pub enum Failure {
    /// The platform said no; nothing was taken.
    Refused(ApiError),
    /// Everything else.
    Ended(SendError),
}

impl Failure {
    /// The end of the attempt that the call was made for.
    #[must_use]
    pub fn into_ending(self, family: Family) -> SendError {
        match self {
            Self::Refused(error) => ending(family, &error),
            Self::Ended(error) => error,
        }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self::Ended(error)
    }
}

impl Api {
    /// # Errors
    /// When the address names no host that can be called.
    pub fn new(settings: &Settings, transport: &Transport) -> Result<Self, NetError> {
        let base = settings.api.as_str().trim_end_matches('/').to_owned();
        let policy = Policy {
            name: settings.family.name().to_owned(),
            // Only where the operator's own setting names one.
            allow_private: true,
            max_body: ANSWER_MAX,
            // The outbox decides what is tried again.
            retries: 0,
            ..Policy::default()
        }
        .with_hosts([authority(&settings.api)])?;
        let media = Policy {
            max_body: MEDIA_MAX,
            timeout: Duration::from_secs(30),
            ..policy.clone()
        }
        .with_hosts(["*.qq.com"])?;
        Ok(Self {
            family: settings.family,
            id: settings.id.clone(),
            secret: settings.secret.expose().to_owned(),
            base,
            client: Client::with_transport(policy, transport),
            media: Client::with_transport(media, transport),
            tokens: Tokens::default(),
            refused: Mutex::default(),
        })
    }

    /// One call with a token, and again with a new one where the first was stale.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn call(&self, path: &str, body: &Value, effect: Effect) -> Result<Value, Failure> {
        let body = Body::Json(body.clone());
        self.with_token(|token| {
            let request = self.request(path, Some(&token), body.clone());
            self.answer(&self.client, request, effect)
        })
        .await
    }

    /// Uploads a file for three days; its id.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn upload(
        &self,
        kind: &str,
        name: &str,
        mime: &str,
        bytes: &Bytes,
    ) -> Result<String, Failure> {
        let (content_type, form) = form(name, mime, bytes);
        let value = self
            .with_token(|token| {
                let body = Body::Bytes {
                    content_type: content_type.clone(),
                    bytes: form.clone(),
                };
                let mut request = self.request("/cgi-bin/media/upload", Some(&token), body);
                request.query.push(("type".to_owned(), kind.to_owned()));
                self.answer(&self.media, request, Effect::None)
            })
            .await?;
        let id = value.get("media_id").and_then(Value::as_str);
        id.map(str::to_owned)
            .ok_or_else(|| SendError::Transient("the upload was given no id".into()).into())
    }

    /// The bytes of a customer's file.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn media(&self, id: &str) -> Result<Response, Failure> {
        let found = self
            .with_token(|token| {
                let mut request = self.request("/cgi-bin/media/get", Some(&token), Body::None);
                request.method = Method::GET;
                request.query.push(("media_id".to_owned(), id.to_owned()));
                async move {
                    let response = self.fetch(&request).await?;
                    // An error is JSON, and so is where a video lies; a file never begins so.
                    if !response.body.starts_with(b"{") {
                        return Ok(Found::File(response));
                    }
                    let value = read(response, Effect::None)?;
                    Ok(Found::At(text(&value, "video_url")))
                }
            })
            .await?;
        match found {
            Found::File(response) => Ok(response),
            Found::At(Some(url)) => self.fetch(&Request::new(Method::GET, url)).await,
            Found::At(None) => {
                let text = "WeChat gave neither a file nor an address";
                Err(SendError::Transient(text.into()).into())
            }
        }
    }

    async fn fetch(&self, request: &Request) -> Result<Response, Failure> {
        let response = self
            .media
            .send(request, None)
            .await
            .map_err(|error| net(error, Effect::None))?;
        status(&response, Effect::None)?;
        Ok(response)
    }

    async fn with_token<T, F>(&self, call: impl Fn(Arc<str>) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut tried = false;
        loop {
            let token = self.token().await?;
            match call(token.value.clone()).await {
                Err(Failure::Refused(error)) if is_stale_token(error.code) => {
                    *lock(&self.refused) = Some(token.value.clone());
                    self.tokens.drop_refused(&token);
                    if tried {
                        return Err(Failure::Refused(error));
                    }
                    tried = true;
                }
                other => return other,
            }
        }
    }

    async fn token(&self) -> Result<Token, SendError> {
        let fetch = || async {
            let acquired = self.acquire(false).await?;
            let again = lock(&self.refused).as_deref() == Some(acquired.value.as_str());
            let acquired = match again && !self.family.is_corporate() {
                true => self.acquire(true).await?,
                false => acquired,
            };
            Ok(acquired.token(Timestamp::now()))
        };
        self.tokens.get(Timestamp::now, fetch).await
    }

    /// `force` voids the token that everybody else holds, too, and may be done twenty times a day.
    async fn acquire(&self, force: bool) -> Result<Acquired, SendError> {
        let request = if self.family.is_corporate() {
            let mut request = self.request("/cgi-bin/gettoken", None, Body::None);
            request.method = Method::GET;
            request.query = vec![
                ("corpid".to_owned(), self.id.clone()),
                ("corpsecret".to_owned(), self.secret.clone()),
            ];
            request
        } else {
            let body = json!({
                "grant_type": "client_credential", "appid": self.id, "secret": self.secret,
                "force_refresh": force,
            });
            self.request("/cgi-bin/stable_token", None, Body::Json(body))
        };
        let answer = self.answer(&self.client, request, Effect::None).await;
        let value = answer.map_err(|failure| match failure.into_ending(self.family) {
            // No token, whatever the reason: the message is not at fault.
            SendError::Rejected { code, message } => {
                SendError::Unauthorized(format!("{code}: {message}"))
            }
            other => other,
        })?;
        let life = value.get("expires_in").and_then(Value::as_f64);
        match (text(&value, "access_token"), life) {
            (Some(value), Some(expires_in)) => Ok(Acquired { value, expires_in }),
            _ => Err(SendError::Transient("no token was given".into())),
        }
    }

    fn request(&self, path: &str, token: Option<&str>, body: Body) -> Request {
        let mut request = Request::new(Method::POST, format!("{}{path}", self.base));
        if let Some(token) = token {
            request
                .query
                .push(("access_token".to_owned(), token.to_owned()));
        }
        request.body = body;
        request
    }

    async fn answer(
        &self,
        client: &Client,
        request: Request,
        effect: Effect,
    ) -> Result<Value, Failure> {
        let response = client
            .send(&request, None)
            .await
            .map_err(|error| net(error, effect))?;
        status(&response, effect)?;
        read(response, effect)
    }
}

enum Found {
    File(Response),
    At(Option<String>),
}

/// Host and port of an address, as an allow-list writes them.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// A message whose fate nobody knows is uncertain; what changes nothing is tried again.
fn unclear(why: impl Into<BoxError>, effect: Effect) -> Failure {
    Failure::Ended(match effect {
        Effect::Message => SendError::Uncertain(why.into()),
        Effect::None => SendError::Transient(why.into()),
    })
}

fn net(error: NetError, effect: Effect) -> Failure {
    match error.kind {
        NetErrorKind::Connect | NetErrorKind::Open => SendError::Transient(error.into()).into(),
        NetErrorKind::Refused | NetErrorKind::Misconfigured | NetErrorKind::Invalid => {
            Failure::Ended(SendError::Rejected {
                code: "refused".to_owned(),
                message: error.message,
            })
        }
        NetErrorKind::TooLarge if effect == Effect::None => Failure::Ended(SendError::Rejected {
            code: "media".to_owned(),
            message: error.message,
        }),
        _ => unclear(error, effect),
    }
}

/// The platform's own errors come with status 200; others are those of what stands before it.
fn status(response: &Response, effect: Effect) -> Result<(), Failure> {
    let said = || format!("the platform answered {}", response.status);
    Err(match response.status {
        200..=299 => return Ok(()),
        429 => {
            let asked = response
                .header("retry-after")
                .and_then(|text| text.trim().parse().ok());
            let pause = asked.map_or(PAUSE, Duration::from_secs);
            SendError::AccountRetryAfter(pause).into()
        }
        401 | 403 => SendError::Unauthorized(said()).into(),
        // It took no requests at all.
        503 => SendError::Transient(said().into()).into(),
        408 | 500.. => unclear(said(), effect),
        status => Failure::Ended(SendError::Rejected {
            code: status.to_string(),
            message: said(),
        }),
    })
}

fn read(response: Response, effect: Effect) -> Result<Value, Failure> {
    let value = response.json().map_err(|error| unclear(error, effect))?;
    if !value.is_object() {
        return Err(unclear("the platform's answer is none", effect));
    }
    match value.get("errcode").and_then(Value::as_i64) {
        None | Some(0) => Ok(value),
        Some(code) => Err(Failure::Refused(ApiError {
            code,
            message: text(&value, "errmsg")
                .unwrap_or_default()
                .chars()
                .take(500)
                .collect(),
        })),
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// A multipart form of one file.
fn form(name: &str, mime: &str, bytes: &Bytes) -> (String, Bytes) {
    // Longer than any run of these bytes that could be in the file by chance; made from it, so
    // that the same file is uploaded by the same words.
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let boundary = format!("tandem-{}", hex::encode(&digest.as_ref()[..16]));
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| match c {
                '"' | '\\' => '_',
                c if c.is_control() => '_',
                c => c,
            })
            .collect()
    };
    let mut form = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"media\"; filename=\"{}\"; filelength={}\r\nContent-Type: {}\r\n\r\n",
        plain(name),
        bytes.len(),
        plain(mime),
    )
    .into_bytes();
    form.extend_from_slice(bytes);
    form.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (
        format!("multipart/form-data; boundary={boundary}"),
        form.into(),
    )
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
