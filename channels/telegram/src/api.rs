//! One call of the Bot API, and the ways it can end. Nothing here repeats a call, and no error
//! shows an address: the token stands in it.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use tandem_channel_kit::MEDIA_MAX;
use tandem_domain::channel::SendError;
use tandem_net::{Body, Client, Form, Method, NetError, NetErrorKind, Policy, Request, Transport};
use teloxide::requests::Payload;
use url::Url;

/// How long Telegram holds a poll open when there is nothing to tell.
pub(crate) const POLL: Duration = Duration::from_secs(25);
/// What a call may take; a poll gets so much on top.
const CALL: Duration = Duration::from_secs(15);
/// What handing over or fetching a file may take.
const FILE: Duration = Duration::from_secs(60);
/// Largest answer to a poll: a hundred updates.
const UPDATES_MAX: usize = 32 << 20;
/// When Telegram asks for patience and does not say how much.
const PATIENCE: Duration = Duration::from_secs(5);
/// The name under which a form carries a file that a field refers to.
pub(crate) const ATTACHED: &str = "file";

/// The methods of one bot.
#[derive(Debug)]
pub(crate) struct Api {
    /// `https://api.telegram.org/bot…`; never shown.
    base: Address,
    files: Address,
    calls: Client,
    uploads: Client,
    polls: Client,
}

struct Address(Url);

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address(…)")
    }
}

/// How a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Nothing left.
    #[error("{0}")]
    NotSent(String),
    /// It left, and nobody knows what became of it.
    #[error("{0}")]
    Unknown(String),
    /// The Bot API broke, and says so.
    #[error("Telegram is out of order: {0}")]
    Broken(String),
    #[error("Telegram asks to wait {0:?}")]
    Wait(Duration),
    /// The group lives on as a supergroup under this id.
    #[error("the group has become the supergroup {0}")]
    Moved(i64),
    /// 401, or the 404 that a malformed token gets.
    #[error("Telegram does not know the token ({0}); ask @BotFather for /token")]
    Unauthorized(String),
    /// Somebody else receives for this bot.
    #[error(
        "another program receives for this bot, by polling or by a webhook of its own; stop it, a token serves one program ({0})"
    )]
    Conflict(String),
    #[error("{description}")]
    Refused { code: u16, description: String },
}

impl Failure {
    /// What Telegram said, without the class it begins with. Its codes tell no more than HTTP
    /// does, so some refusals are told apart by their words.
    pub fn words(&self) -> &str {
        match self {
            Self::Refused { description, .. } => description
                .split_once(": ")
                .map_or(description.as_str(), |(_, words)| words),
            _ => "",
        }
    }
}

impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        let refused = |code: &str| Self::Rejected {
            code: code.to_owned(),
            message: failure.to_string(),
        };
        match failure {
            Failure::NotSent(_) | Failure::Broken(_) => Self::Transient(failure.into()),
            // Telegram knows no idempotency key: it may have the message.
            Failure::Unknown(_) => Self::Uncertain(failure.into()),
            // It does not say whose patience it means. The governor takes two chats in a row that
            // are told to wait for the account.
            Failure::Wait(pause) => Self::RetryAfter(pause),
            Failure::Unauthorized(_) => Self::Unauthorized(failure.to_string()),
            Failure::Moved(_) => refused("moved"),
            Failure::Conflict(_) => refused("conflict"),
            Failure::Refused { code, .. } => match failure.words() {
                "bot was blocked by the user" => refused("blocked"),
                "user is deactivated" => refused("deactivated"),
                "chat not found" | "bot can't initiate conversation with a user" => {
                    refused("not_started")
                }
                words if words.starts_with("bot was kicked") => refused("removed"),
                _ => refused(&code.to_string()),
            },
        }
    }
}

/// What every call is answered with.
#[derive(Deserialize)]
struct Answer<'a> {
    ok: bool,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error_code: Option<u16>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Parameters>,
}

#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    retry_after: Option<u64>,
    #[serde(default)]
    migrate_to_chat_id: Option<i64>,
}

impl Api {
    /// # Errors
    /// When the address is not one that may be called.
    pub fn new(base: &Url, token: &str) -> Result<Self, NetError> {
        let at = |segments: &[&str]| {
            let mut url = base.clone();
            let mut path = url.path_segments_mut().expect("the settings were checked");
            path.pop_if_empty().extend(segments);
            drop(path);
            Address(url)
        };
        let bot = format!("bot{token}");
        let host = base.host_str().unwrap_or_default();
        let host = match base.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let policy = Policy {
            name: "telegram".to_owned(),
            // Reached only where the operator names such an address.
            allow_private: true,
            timeout: CALL,
            // The outbox decides what is tried again, and when.
            retries: 0,
            breaker_failures: u32::MAX,
            ..Policy::default()
        }
        .with_hosts([host])?;
        let transport = Transport::system()?;
        let with = |timeout, max_body| {
            let policy = Policy {
                timeout,
                max_body,
                ..policy.clone()
            };
            Client::with_transport(policy, &transport)
        };
        Ok(Self {
            base: at(&[&bot]),
            files: at(&["file", &bot]),
            calls: with(CALL, 1 << 20),
            uploads: with(FILE, MEDIA_MAX),
            polls: with(POLL + CALL, UPDATES_MAX),
        })
    }

    /// Calls a method.
    pub async fn call<P>(&self, payload: &P) -> Result<Bytes, Failure>
    where
        P: Payload + Serialize,
    {
        let client = match payload.timeout_hint() {
            Some(_) => &self.polls,
            None => &self.calls,
        };
        let body = Body::Json(serde_json::to_value(payload).map_err(unwritten)?);
        self.post(client, P::NAME, body).await
    }

    /// Calls a method with a file that one of its fields refers to as `attach://file`.
    pub async fn upload<P>(
        &self,
        payload: &P,
        name: &str,
        mime: &str,
        bytes: &Bytes,
    ) -> Result<Bytes, Failure>
    where
        P: Payload + Serialize,
    {
        let fields = serde_json::to_value(payload).map_err(unwritten)?;
        let mut form = Form::new();
        for (field, value) in fields.as_object().into_iter().flatten() {
            match value {
                Value::String(text) => form.text(field, text),
                other => form.text(field, &other.to_string()),
            }
        }
        form.file(ATTACHED, name, mime, bytes);
        self.post(&self.uploads, P::NAME, form.finish()).await
    }

    /// Fetches a file that `getFile` gave the path of.
    pub async fn download(&self, path: &str) -> Result<tandem_net::Response, NetError> {
        let mut url = self.files.0.clone();
        url.path_segments_mut()
            .expect("the settings were checked")
            .extend(path.split('/'));
        let request = Request::new(Method::GET, url);
        self.uploads.send(&request, None).await
    }

    async fn post(&self, client: &Client, method: &str, body: Body) -> Result<Bytes, Failure> {
        let mut url = self.base.0.clone();
        url.path_segments_mut()
            .expect("the settings were checked")
            .push(method);
        let mut request = Request::new(Method::POST, url);
        request.body = body;
        let response = client.send(&request, None).await.map_err(|error| {
            let words = error.to_string();
            match error.kind {
                NetErrorKind::Timeout
                | NetErrorKind::Broken
                | NetErrorKind::TooLarge
                | NetErrorKind::BadResponse => Failure::Unknown(words),
                _ => Failure::NotSent(words),
            }
        })?;
        judge(response.status, &response.body)?;
        Ok(response.body)
    }
}

fn unwritten(error: serde_json::Error) -> Failure {
    Failure::NotSent(format!("the call cannot be written: {error}"))
}

/// What a good answer holds.
///
/// # Errors
/// When it holds something else.
pub(crate) fn result<T: DeserializeOwned>(answer: &[u8]) -> Result<T, serde_json::Error> {
    #[derive(Deserialize)]
    struct Good<T> {
        result: T,
    }
    serde_json::from_slice::<Good<T>>(answer).map(|good| good.result)
}

/// Whether the answer is a good one; else what it means.
fn judge(status: u16, body: &[u8]) -> Result<(), Failure> {
    let Ok(answer) = serde_json::from_slice::<Answer<'_>>(body) else {
        let description = format!("status {status}, without an answer of the Bot API");
        return Err(match status {
            // Something before the Bot API refused it: it never got there.
            401 | 404 => Failure::Unauthorized(description),
            429 => Failure::Wait(PATIENCE),
            500 | 501 | 503 => Failure::Broken(description),
            400..=499 if status != 408 => Failure::Refused {
                code: status,
                description,
            },
            // A good status without an answer, or a gateway that got none from behind it.
            _ => Failure::Unknown(description),
        });
    };
    if answer.ok {
        return match answer.result {
            Some(_) => Ok(()),
            None => Err(Failure::Unknown("an answer without a result".to_owned())),
        };
    }
    let code = answer.error_code.unwrap_or(status);
    let parameters = answer.parameters.unwrap_or_default();
    let description: String = answer.description.unwrap_or_default();
    let description: String = description.chars().take(500).collect();
    if let Some(id) = parameters.migrate_to_chat_id {
        return Err(Failure::Moved(id));
    }
    Err(match code {
        429 => {
            let asked = parameters.retry_after.map(Duration::from_secs);
            Failure::Wait(asked.unwrap_or(PATIENCE))
        }
        401 => Failure::Unauthorized(description),
        // A 404 that says more is about what was asked for.
        404 if description == "Not Found" => Failure::Unauthorized(description),
        409 => Failure::Conflict(description),
        504 => Failure::Unknown(description),
        500.. => Failure::Broken(description),
        code => Failure::Refused { code, description },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(status: u16, body: &Value) -> SendError {
        let failure = judge(status, body.to_string().as_bytes()).unwrap_err();
        failure.into()
    }

    fn error(code: u16, description: &str) -> Value {
        json!({"ok": false, "error_code": code, "description": description})
    }

    #[test]
    fn a_refusal_is_told_by_what_telegram_says() {
        for (code, description, expected) in [
            (403, "Forbidden: bot was blocked by the user", "blocked"),
            (403, "Forbidden: user is deactivated", "deactivated"),
            (
                403,
                "Forbidden: bot can't initiate conversation with a user",
                "not_started",
            ),
            (400, "Bad Request: chat not found", "not_started"),
            (
                403,
                "Forbidden: bot was kicked from the supergroup chat",
                "removed",
            ),
            (400, "Bad Request: something new", "400"),
            (404, "Not Found: method not found", "404"),
        ] {
            let SendError::Rejected { code, message } = judged(code, &error(code, description))
            else {
                panic!("{description} is a refusal");
            };
            assert_eq!((code.as_str(), message.as_str()), (expected, description));
        }
    }

    #[test]
    fn what_may_have_arrived_is_uncertain_and_what_did_not_is_tried_again() {
        let broken = error(502, "Bad Gateway");
        assert!(matches!(judged(502, &broken), SendError::Transient(_)));
        for status in [502, 504, 408, 200] {
            let end: SendError = judge(status, b"<html>").unwrap_err().into();
            assert!(matches!(end, SendError::Uncertain(_)), "{status}: {end}");
        }
        let end: SendError = judge(503, b"<html>").unwrap_err().into();
        assert!(matches!(end, SendError::Transient(_)));
        assert!(judge(200, br#"{"ok":true,"result":true}"#).is_ok());
    }

    #[test]
    fn patience_is_as_long_as_telegram_says() {
        let mut said = error(429, "Too Many Requests: retry after 17");
        said["parameters"] = json!({"retry_after": 17});
        assert!(
            matches!(judged(429, &said), SendError::RetryAfter(pause) if pause.as_secs() == 17)
        );
    }

    #[test]
    fn no_error_shows_the_token() {
        let base = Url::parse("https://api.telegram.org").unwrap();
        let api = Api::new(&base, "123:secret").unwrap();
        assert!(!format!("{api:?}").contains("secret"), "{api:?}");
    }
}
