//! What a `lua:` step may ask of the host, and the journal of it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tandem_domain::{Map, Value};

/// A request a script makes, before any policy has looked at it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    #[serde(default)]
    pub body: Body,
    /// The script says it may be repeated.
    #[serde(default)]
    pub idempotent: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    #[default]
    None,
    Json(Value),
    Form(Vec<(String, String)>),
    Text(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    pub status: u16,
    /// Names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// A call to the host, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", content = "args")]
pub enum HostRequest {
    #[serde(rename = "http")]
    Http(HttpRequest),
    #[serde(rename = "store.get")]
    StoreGet { key: String },
    #[serde(rename = "store.put")]
    StorePut {
        key: String,
        value: Value,
        /// Milliseconds it is kept; none means for good.
        ttl_ms: Option<u64>,
    },
    #[serde(rename = "store.delete")]
    StoreDelete { key: String },
    #[serde(rename = "plugin.call")]
    Plugin(PluginRequest),
}

/// A method of a plugin and what it is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginRequest {
    pub plugin: String,
    pub method: String,
    pub args: Value,
}

/// Why the host did not do it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// `timeout`, `unavailable`, `refused`, `too_large`, `bad_response`, `unknown`, `replay`, or a
    /// plugin's own.
    pub code: String,
    pub message: String,
}

impl HostError {
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostCall {
    /// From 0, in the order of the calls: with the step it is the key of idempotency.
    pub ordinal: u32,
    #[serde(flatten)]
    pub request: HostRequest,
    pub result: Result<Value, HostError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "debug" => Self::Debug,
            "warn" => Self::Warn,
            "error" => Self::Error,
            _ => Self::Info,
        }
    }
}

/// What a script wrote with `log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub level: Level,
    pub message: String,
}

/// Answers the host calls of one run.
///
/// Implementations hold whatever scope a run has (workspace, pack, allow-list). Every method gets
/// the call's ordinal; a call may be dropped in mid-flight when the run's deadline passes. Never
/// trust the arguments: a script chose them, and only their size has been checked.
#[async_trait]
pub trait Host: Send + Sync {
    async fn http(&self, ordinal: u32, request: &HttpRequest) -> Result<HttpResponse, HostError>;
    async fn store_get(&self, ordinal: u32, key: &str) -> Result<Option<Value>, HostError>;
    async fn store_put(
        &self,
        ordinal: u32,
        key: &str,
        value: &Value,
        ttl: Option<Duration>,
    ) -> Result<(), HostError>;
    async fn store_delete(&self, ordinal: u32, key: &str) -> Result<(), HostError>;
    /// Calls a plugin within what is left of the run's time.
    async fn plugin(&self, ordinal: u32, request: &PluginRequest) -> Result<Value, HostError>;
}

/// Lets the host answer one call, in the journal's terms.
pub(crate) async fn dispatch(
    host: &dyn Host,
    ordinal: u32,
    request: &HostRequest,
) -> Result<Value, HostError> {
    match request {
        HostRequest::Http(http) => {
            let response = host.http(ordinal, http).await?;
            serde_json::to_value(response)
                .map_err(|e| HostError::new("bad_response", e.to_string()))
        }
        HostRequest::StoreGet { key } => {
            Ok(host.store_get(ordinal, key).await?.unwrap_or_default())
        }
        HostRequest::StorePut { key, value, ttl_ms } => {
            let ttl = ttl_ms.map(Duration::from_millis);
            host.store_put(ordinal, key, value, ttl).await?;
            Ok(Value::Null)
        }
        HostRequest::StoreDelete { key } => {
            host.store_delete(ordinal, key).await?;
            Ok(Value::Null)
        }
        HostRequest::Plugin(call) => host.plugin(ordinal, call).await,
    }
}

/// A host that answers from a journal and does nothing else. A call that differs from the
/// recorded one fails with the code `replay`.
#[derive(Debug)]
pub struct Replay(Mutex<VecDeque<HostCall>>);

impl Replay {
    #[must_use]
    pub fn new(calls: impl IntoIterator<Item = HostCall>) -> Self {
        Self(Mutex::new(calls.into_iter().collect()))
    }

    /// Recorded calls that were not asked for.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn answer(&self, ordinal: u32, request: &HostRequest) -> Result<Value, HostError> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recorded = calls
            .pop_front()
            .ok_or_else(|| HostError::new("replay", format!("call {ordinal} was not recorded")))?;
        if recorded.ordinal != ordinal || recorded.request != *request {
            return Err(HostError::new(
                "replay",
                format!("call {ordinal} differs from the recorded one"),
            ));
        }
        recorded.result
    }
}

#[async_trait]
impl Host for Replay {
    async fn http(&self, ordinal: u32, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        let answer = self.answer(ordinal, &HostRequest::Http(request.clone()))?;
        serde_json::from_value(answer).map_err(|e| HostError::new("replay", e.to_string()))
    }

    async fn store_get(&self, ordinal: u32, key: &str) -> Result<Option<Value>, HostError> {
        let key = key.to_owned();
        let answer = self.answer(ordinal, &HostRequest::StoreGet { key })?;
        Ok(Some(answer).filter(|value| !value.is_null()))
    }

    async fn store_put(
        &self,
        ordinal: u32,
        key: &str,
        value: &Value,
        ttl: Option<Duration>,
    ) -> Result<(), HostError> {
        let request = HostRequest::StorePut {
            key: key.to_owned(),
            value: value.clone(),
            ttl_ms: ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
        };
        self.answer(ordinal, &request).map(drop)
    }

    async fn store_delete(&self, ordinal: u32, key: &str) -> Result<(), HostError> {
        let key = key.to_owned();
        self.answer(ordinal, &HostRequest::StoreDelete { key })
            .map(drop)
    }

    async fn plugin(&self, ordinal: u32, request: &PluginRequest) -> Result<Value, HostError> {
        self.answer(ordinal, &HostRequest::Plugin(request.clone()))
    }
}

/// Largest body and value a script may hand to the host, in bytes of JSON.
const PAYLOAD_MAX: usize = 256 << 10;
const KEY_MAX: usize = 200;
const URL_MAX: usize = 4 << 10;
/// Bytes of a plugin's and a method's name.
const NAME_MAX: usize = 64;
const PAIRS_MAX: usize = 64;
const PAIR_BYTES_MAX: usize = 16 << 10;

/// Reads the arguments of a host call. The message says what is wrong with them.
pub(crate) fn parse(name: &str, args: Vec<Value>) -> Result<HostRequest, String> {
    let mut args = args.into_iter();
    let mut next = || args.next().unwrap_or_default();
    match name {
        "http" => http_request(next()).map(HostRequest::Http),
        "store.get" => Ok(HostRequest::StoreGet {
            key: store_key(next())?,
        }),
        "store.delete" => Ok(HostRequest::StoreDelete {
            key: store_key(next())?,
        }),
        "store.put" => {
            let key = store_key(next())?;
            let value = next();
            sized(&value)?;
            let ttl_ms = match next() {
                Value::Null => None,
                ttl => Some(
                    ttl.as_f64()
                        .filter(|secs| *secs > 0.0 && *secs < 1e10)
                        .map(|secs| (secs * 1000.0) as u64)
                        .ok_or("the time to live is a number of seconds above 0")?,
                ),
            };
            Ok(HostRequest::StorePut { key, value, ttl_ms })
        }
        "plugin.call" => plugin_request(next(), next(), next()).map(HostRequest::Plugin),
        other => Err(format!("there is no host function {other}")),
    }
}

fn store_key(value: Value) -> Result<String, String> {
    match value {
        Value::String(key) if !key.is_empty() && key.len() <= KEY_MAX => Ok(key),
        _ => Err(format!("a key is a text of 1 to {KEY_MAX} bytes")),
    }
}

fn plugin_request(plugin: Value, method: Value, args: Value) -> Result<PluginRequest, String> {
    let name = |value: Value, what: &str| match value {
        Value::String(name) if (1..=NAME_MAX).contains(&name.len()) => Ok(name),
        _ => Err(format!("the {what} is a text of 1 to {NAME_MAX} bytes")),
    };
    let plugin = name(plugin, "plugin")?;
    let method = name(method, "method")?;
    let args = match args {
        Value::Null => Value::Object(Map::new()),
        Value::Object(_) => args,
        _ => return Err("what a plugin is given is a table with names".to_owned()),
    };
    sized(&args)?;
    Ok(PluginRequest {
        plugin,
        method,
        args,
    })
}

fn http_request(value: Value) -> Result<HttpRequest, String> {
    let Value::Object(fields) = value else {
        return Err("http takes a table".to_owned());
    };
    let mut request = HttpRequest {
        method: "GET".to_owned(),
        ..HttpRequest::default()
    };
    for (field, value) in fields {
        match (field.as_str(), value) {
            ("url", Value::String(url)) if url.len() <= URL_MAX => request.url = url,
            ("method", Value::String(method)) if method.len() <= 16 => {
                request.method = method.to_ascii_uppercase();
            }
            ("query", Value::Object(map)) => request.query = pairs(map)?,
            ("headers", Value::Object(map)) => request.headers = pairs(map)?,
            ("idempotent", Value::Bool(flag)) => request.idempotent = flag,
            ("json" | "form" | "body", _) if request.body != Body::None => {
                return Err("http takes one of json, form and body".to_owned());
            }
            ("json", value) => {
                sized(&value)?;
                request.body = Body::Json(value);
            }
            ("form", Value::Object(map)) => request.body = Body::Form(pairs(map)?),
            ("body", Value::String(text)) if text.len() <= PAYLOAD_MAX => {
                request.body = Body::Text(text);
            }
            ("url" | "method" | "query" | "headers" | "idempotent" | "form" | "body", _) => {
                return Err(format!("http: {field} has the wrong type or is too long"));
            }
            _ => return Err(format!("http: there is no field {field}")),
        }
    }
    if request.url.is_empty() {
        return Err("http needs a url".to_owned());
    }
    Ok(request)
}

fn pairs(map: Map) -> Result<Vec<(String, String)>, String> {
    if map.len() > PAIRS_MAX {
        return Err(format!("at most {PAIRS_MAX} fields are allowed"));
    }
    let mut bytes = 0;
    let mut pairs = Vec::with_capacity(map.len());
    for (name, value) in map {
        let mut push = |value: Value| {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                _ => return Err(format!("{name} must be a text, a number or a boolean")),
            };
            bytes += name.len() + text.len();
            pairs.push((name.clone(), text));
            Ok(())
        };
        match value {
            Value::Null => {}
            Value::Array(items) => items.into_iter().take(PAIRS_MAX).try_for_each(&mut push)?,
            single => push(single)?,
        }
    }
    if bytes > PAIR_BYTES_MAX {
        return Err("the fields are too large".to_owned());
    }
    Ok(pairs)
}

fn sized(value: &Value) -> Result<(), String> {
    let size = serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len());
    if size > PAYLOAD_MAX {
        return Err(format!("the value is larger than {} kB", PAYLOAD_MAX >> 10));
    }
    Ok(())
}
