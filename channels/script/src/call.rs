//! What a file asks of the host while it sends: calls over HTTP, and values to keep.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mlua::{MultiValue, Table, Value as LuaValue};
use tandem_domain::Value;
use tandem_lua::{Limits, State};

use crate::prim::{digest, json};

/// Largest body a file may build itself; files of media are streamed in by the host.
const BODY_MAX: usize = 1 << 20;
const URL_MAX: usize = 4 << 10;
const PAIRS_MAX: usize = 64;
const PAIR_BYTES_MAX: usize = 64 << 10;
/// Fields of a multipart form.
const FIELDS_MAX: usize = 16;
const KEY_MAX: usize = 200;
const VALUE_MAX: usize = 64 << 10;

/// A request before any policy has looked at it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    pub method: String,
    pub url: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// The file says that doing it twice does no more than doing it once.
    pub idempotent: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    #[default]
    None,
    Json(Value),
    Form(Vec<(String, String)>),
    Bytes(Bytes),
    Multipart(Vec<Field>),
}

/// A field of a multipart form.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub filename: Option<String>,
    pub mime: Option<String>,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Text(Bytes),
    /// A media part of the message: the host puts its bytes here.
    File(Value),
}

impl Call {
    /// Whether it may be done again without asking.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.idempotent || matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

/// Any answer, whatever its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Answer {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NoAnswer {
    /// `timeout`, `unavailable`, `refused`, `too_large`, `bad_response`.
    pub code: String,
    pub message: String,
    /// The request, or a part of it, may have arrived.
    pub left: bool,
}

impl NoAnswer {
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>, left: bool) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            left,
        }
    }
}

/// Does what a file asks. The real one goes out through the guarded client; a fixture's answers
/// from its lines.
#[async_trait]
pub trait Effects: Send + Sync {
    async fn http(&self, call: &Call) -> Result<Answer, NoAnswer>;
    async fn get(&self, key: &str) -> Result<Option<Value>, NoAnswer>;
    async fn put(&self, key: &str, value: Value, ttl: Option<Duration>) -> Result<(), NoAnswer>;
    async fn delete(&self, key: &str) -> Result<(), NoAnswer>;

    fn random(&self, count: usize) -> Option<Vec<u8>> {
        digest::random(count)
    }
}

/// One wish of a script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    Http(Box<Call>),
    Get(String),
    Put(String, Value, Option<Duration>),
    Delete(String),
    Random(usize),
}

/// What it gets.
pub(crate) enum Given {
    Answer(Answer),
    Value(Value),
    Bytes(Vec<u8>),
    /// Raised as a table with `code` and `message`.
    Failed(NoAnswer),
    /// The arguments were wrong: raised at the caller's line.
    Misuse(String),
}

impl Asked {
    pub(crate) async fn answer(&self, effects: &dyn Effects) -> Given {
        let done = match self {
            Self::Http(call) => effects.http(call).await.map(Given::Answer),
            Self::Get(key) => {
                let found = effects.get(key).await;
                found.map(|value| Given::Value(value.unwrap_or_default()))
            }
            Self::Put(key, value, ttl) => {
                let put = effects.put(key, value.clone(), *ttl).await;
                put.map(|()| Given::Value(Value::Null))
            }
            Self::Delete(key) => {
                let gone = effects.delete(key).await;
                gone.map(|()| Given::Value(Value::Null))
            }
            Self::Random(count) => Ok(match effects.random(*count) {
                Some(bytes) => Given::Bytes(bytes),
                None => Given::Misuse("random gives at most 1024 bytes".to_owned()),
            }),
        };
        done.unwrap_or_else(Given::Failed)
    }

    /// Reads the arguments of a call to the host; the error says what is wrong with them.
    pub(crate) fn read(
        state: &State,
        limits: &Limits,
        name: &str,
        args: MultiValue,
    ) -> Result<Self, String> {
        let mut args = args.into_iter();
        let mut next = || args.next().unwrap_or_default();
        match name {
            "http" => match next() {
                LuaValue::Table(request) => call(state, limits, &request).map(Self::Http),
                _ => Err("http takes a table".to_owned()),
            },
            "random" => match next() {
                LuaValue::Integer(count) => usize::try_from(count)
                    .map(Self::Random)
                    .map_err(|_| "random takes how many bytes".to_owned()),
                LuaValue::Number(count) if (0.0..=1024.0).contains(&count) => {
                    Ok(Self::Random(count as usize))
                }
                _ => Err("random takes how many bytes, at most 1024".to_owned()),
            },
            "kv.get" => Ok(Self::Get(key(&next())?)),
            "kv.delete" => Ok(Self::Delete(key(&next())?)),
            "kv.put" => {
                let key = key(&next())?;
                let value = state
                    .read(&next(), limits, "the value")
                    .map_err(|error| error.message)?;
                if value.to_string().len() > VALUE_MAX {
                    return Err("a kept value has at most 64 kB".to_owned());
                }
                let ttl = match next() {
                    LuaValue::Nil => None,
                    ttl => Some(
                        number(&ttl)
                            .filter(|secs| *secs > 0.0 && *secs < 1e10)
                            .map(Duration::from_secs_f64)
                            .ok_or("the time to live is a number of seconds above 0")?,
                    ),
                };
                Ok(Self::Put(key, value, ttl))
            }
            other => Err(format!("there is no host function {other}")),
        }
    }
}

impl Given {
    /// What a call returns, as the script is resumed with it: whether it is well, and the value.
    pub(crate) fn to_lua(
        &self,
        state: &State,
        limits: &Limits,
    ) -> Result<(bool, LuaValue), tandem_lua::LuaError> {
        let lua = state.lua();
        let full = |error: mlua::Error| state.explain(&LuaValue::Error(Box::new(error)));
        Ok(match self {
            Self::Answer(answer) => {
                let table = lua.create_table().map_err(full)?;
                let fill = || {
                    table.raw_set("status", answer.status)?;
                    table.raw_set("body", lua.create_string(&answer.body)?)?;
                    let headers = lua.create_table()?;
                    for (name, value) in &answer.headers {
                        headers.raw_set(name.as_str(), value.as_str())?;
                    }
                    table.raw_set("headers", headers)?;
                    table.raw_set("json", json::decode(lua, state.array(), &answer.body)?)
                };
                fill().map_err(full)?;
                (true, LuaValue::Table(table))
            }
            Self::Value(value) => (true, state.to_lua(value, limits)?),
            Self::Bytes(bytes) => (
                true,
                LuaValue::String(lua.create_string(bytes).map_err(full)?),
            ),
            Self::Failed(failure) => {
                let table = serde_json::json!({"code": failure.code, "message": failure.message});
                (false, state.to_lua(&table, limits)?)
            }
            Self::Misuse(reason) => {
                let reason = lua.create_string(reason).map_err(full)?;
                (false, LuaValue::String(reason))
            }
        })
    }
}

fn call(state: &State, limits: &Limits, request: &Table) -> Result<Box<Call>, String> {
    let mut call = Call::default();
    for pair in request.pairs::<LuaValue, LuaValue>() {
        let (name, value) = pair.map_err(|_| "http: the request changed while it was read")?;
        let LuaValue::String(name) = &name else {
            return Err("http: the request has named fields only".to_owned());
        };
        let name = name.to_string_lossy();
        let body = matches!(&*name, "json" | "form" | "body" | "multipart");
        if body && call.body != Body::None {
            return Err("http takes one of json, form, body and multipart".to_owned());
        }
        let json = |value: &LuaValue| {
            state
                .read(value, limits, "http: the request")
                .map_err(|error| error.message)
        };
        match (&*name, &value) {
            ("url", LuaValue::String(url)) if url.as_bytes().len() <= URL_MAX => {
                call.url = url.to_string_lossy();
            }
            ("method", LuaValue::String(method)) if method.as_bytes().len() <= 16 => {
                call.method = method.to_string_lossy().to_ascii_uppercase();
            }
            ("query", LuaValue::Table(_)) => call.query = pairs(json(&value)?)?,
            ("headers", LuaValue::Table(_)) => call.headers = pairs(json(&value)?)?,
            ("idempotent", LuaValue::Boolean(flag)) => call.idempotent = *flag,
            ("json", _) => call.body = Body::Json(json(&value)?),
            ("form", LuaValue::Table(_)) => call.body = Body::Form(pairs(json(&value)?)?),
            ("body", LuaValue::String(bytes)) if bytes.as_bytes().len() <= BODY_MAX => {
                call.body = Body::Bytes(Bytes::copy_from_slice(&bytes.as_bytes()));
            }
            ("multipart", LuaValue::Table(list)) => {
                call.body = Body::Multipart(multipart(state, limits, list)?);
            }
            (
                "url" | "method" | "query" | "headers" | "idempotent" | "form" | "body"
                | "multipart",
                _,
            ) => {
                return Err(format!("http: {name} has the wrong type or is too long"));
            }
            _ => return Err(format!("http: there is no field {name}")),
        }
    }
    if call.url.is_empty() {
        return Err("http needs a url".to_owned());
    }
    if call.method.is_empty() {
        let method = if call.body == Body::None {
            "GET"
        } else {
            "POST"
        };
        call.method = method.to_owned();
    }
    Ok(Box::new(call))
}

fn multipart(state: &State, limits: &Limits, list: &Table) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    for item in list.sequence_values::<Table>() {
        let item = item.map_err(|_| "http: multipart is a list of tables")?;
        let get = |name: &str| {
            item.raw_get::<LuaValue>(name)
                .map_err(|_| "http: a multipart field cannot be read".to_owned())
        };
        let text = |name: &str| match get(name)? {
            LuaValue::Nil => Ok(None),
            LuaValue::String(text) if text.as_bytes().len() <= KEY_MAX => {
                let text = text.to_string_lossy();
                let plain = !text.contains(['\r', '\n', '"', '\0']);
                plain.then_some(Some(text)).ok_or_else(|| {
                    format!("http: a multipart field's {name} holds a line break or a quote")
                })
            }
            _ => Err(format!("http: a multipart field's {name} is no short text")),
        };
        let content = match (get("value")?, get("file")?) {
            (LuaValue::String(value), LuaValue::Nil) if value.as_bytes().len() <= BODY_MAX => {
                Content::Text(Bytes::copy_from_slice(&value.as_bytes()))
            }
            (LuaValue::Nil, part @ LuaValue::Table(_)) => Content::File(
                state
                    .read(&part, limits, "http: the file")
                    .map_err(|error| error.message)?,
            ),
            _ => {
                return Err("http: a multipart field has a value or a file".to_owned());
            }
        };
        fields.push(Field {
            name: text("name")?.ok_or("http: a multipart field has a name")?,
            filename: text("filename")?,
            mime: text("mime")?,
            content,
        });
        if fields.len() > FIELDS_MAX {
            return Err(format!("http: multipart has at most {FIELDS_MAX} fields"));
        }
    }
    Ok(fields)
}

fn pairs(value: Value) -> Result<Vec<(String, String)>, String> {
    let Value::Object(map) = value else {
        return Err("http: a table with named fields is needed".to_owned());
    };
    let mut bytes = 0;
    let mut pairs = Vec::with_capacity(map.len());
    for (name, value) in map {
        let values = match value {
            Value::Null => continue,
            Value::Array(items) => items,
            single => vec![single],
        };
        for value in values {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                _ => return Err(format!("http: {name} must be text, a number or a boolean")),
            };
            bytes += name.len() + text.len();
            pairs.push((name.clone(), text));
        }
    }
    if pairs.len() > PAIRS_MAX || bytes > PAIR_BYTES_MAX {
        return Err("http: the fields are too many or too large".to_owned());
    }
    Ok(pairs)
}

fn key(value: &LuaValue) -> Result<String, String> {
    match value {
        LuaValue::String(key) if (1..=KEY_MAX).contains(&key.as_bytes().len()) => {
            Ok(key.to_string_lossy())
        }
        _ => Err(format!("a key is a text of 1 to {KEY_MAX} bytes")),
    }
}

fn number(value: &LuaValue) -> Option<f64> {
    match value {
        LuaValue::Integer(int) => Some(*int as f64),
        LuaValue::Number(number) => Some(*number),
        _ => None,
    }
}
