//! What a file asks for, done: calls through the guarded client, values in the store.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tandem_domain::{FileId, Value};
use tandem_net::{Body as NetBody, Form, NetError, NetErrorKind, Request};
use tokio::time::Instant;

use crate::{
    account::{Ready, Shared},
    call::{Answer, Body, Call, Content, Effects, Field, NoAnswer},
    machine::effect_limits,
};

/// Largest multipart form with its files.
const FORM_MAX: usize = 25 << 20;

/// The effects of one run.
pub(crate) struct Wire<'a> {
    shared: &'a Shared,
    ready: &'a Ready,
    deadline: Instant,
}

impl<'a> Wire<'a> {
    pub fn new(shared: &'a Shared, ready: &'a Ready) -> Self {
        Self {
            shared,
            ready,
            deadline: Instant::now() + effect_limits().wall,
        }
    }

    async fn body(&self, body: &Body) -> Result<NetBody, NoAnswer> {
        let bytes = |content_type: &str, bytes| NetBody::Bytes {
            content_type: content_type.to_owned(),
            bytes,
        };
        Ok(match body {
            Body::None => NetBody::None,
            Body::Json(value) => NetBody::Json(value.clone()),
            Body::Form(fields) => NetBody::Form(fields.clone()),
            Body::Bytes(own) => bytes("application/octet-stream", own.clone()),
            Body::Multipart(fields) => self.form(fields).await?,
        })
    }

    async fn form(&self, fields: &[Field]) -> Result<NetBody, NoAnswer> {
        let mut form = Form::new();
        for field in fields {
            let (bytes, name, mime) = match &field.content {
                Content::Text(text) => (text.clone(), field.filename.clone(), field.mime.clone()),
                Content::File(part) => {
                    let (bytes, name, mime) = self.file(part).await?;
                    let name = field.filename.clone().unwrap_or(name);
                    (bytes, Some(name), field.mime.clone().or(Some(mime)))
                }
            };
            form.part(&field.name, name.as_deref(), mime.as_deref(), &bytes);
            if form.len() > FORM_MAX {
                let text = format!("an upload has at most {} MB", FORM_MAX >> 20);
                return Err(NoAnswer::new("too_large", text, false));
            }
        }
        Ok(form.finish())
    }

    /// The bytes of a stored file, with its name and type.
    async fn file(&self, part: &Value) -> Result<(Bytes, String, String), NoAnswer> {
        let id: Option<FileId> = part
            .get("ref")
            .and_then(Value::as_str)
            .and_then(|text| text.strip_prefix("file:"))
            .and_then(|id| id.parse().ok());
        let Some(id) = id else {
            let text = "only a stored file can be uploaded";
            return Err(NoAnswer::new("refused", text, false));
        };
        let Some(inbox) = self.shared.inbox.get() else {
            return Err(unavailable("the channel has not begun"));
        };
        match inbox.load_file(id).await {
            Ok(Some(file)) => Ok((file.bytes, file.row.name, file.row.mime)),
            Ok(None) => Err(NoAnswer::new("refused", "there is no such file", false)),
            Err(error) => Err(unavailable(&error.to_string())),
        }
    }
}

fn unavailable(text: &str) -> NoAnswer {
    NoAnswer::new("unavailable", text, false)
}

fn no_answer(error: &NetError) -> NoAnswer {
    // Whether bytes left is told apart from whether that matters, which the caller knows.
    let left = matches!(
        error.kind,
        NetErrorKind::Timeout
            | NetErrorKind::Broken
            | NetErrorKind::TooLarge
            | NetErrorKind::BadResponse
    );
    let code = match error.kind {
        NetErrorKind::Timeout => "timeout",
        NetErrorKind::Connect | NetErrorKind::Broken | NetErrorKind::Open => "unavailable",
        NetErrorKind::TooLarge => "too_large",
        NetErrorKind::BadResponse => "bad_response",
        NetErrorKind::Refused | NetErrorKind::Misconfigured | NetErrorKind::Invalid => "refused",
    };
    NoAnswer::new(code, error.to_string(), left)
}

#[async_trait]
impl Effects for Wire<'_> {
    async fn http(&self, call: &Call) -> Result<Answer, NoAnswer> {
        let method = Request::parse_method(&call.method).map_err(|e| no_answer(&e))?;
        let mut request = Request::new(method, call.url.clone());
        request.query.clone_from(&call.query);
        for (name, value) in &call.headers {
            request.header(name, value).map_err(|e| no_answer(&e))?;
        }
        request.body = self.body(&call.body).await?;
        request.idempotent = call.idempotent;
        let response = self
            .ready
            .client
            .send(&request, Some(self.deadline))
            .await
            .map_err(|e| no_answer(&e))?;
        Ok(Answer {
            status: response.status,
            headers: response
                .headers
                .iter()
                .filter_map(|(name, value)| {
                    Some((name.to_string(), value.to_str().ok()?.to_owned()))
                })
                .collect(),
            body: response.body,
        })
    }

    async fn get(&self, key: &str) -> Result<Option<Value>, NoAnswer> {
        let memory = &self.shared.host.memory;
        memory
            .get(&self.shared.scope("kv"), key, self.shared.now())
            .await
            .map_err(|error| unavailable(&error.to_string()))
    }

    async fn put(&self, key: &str, value: Value, ttl: Option<Duration>) -> Result<(), NoAnswer> {
        let end = ttl.map(|ttl| self.shared.now() + ttl);
        let memory = &self.shared.host.memory;
        memory
            .put(&self.shared.scope("kv"), key, value, end)
            .await
            .map_err(|error| unavailable(&error.to_string()))
    }

    async fn delete(&self, key: &str) -> Result<(), NoAnswer> {
        let memory = &self.shared.host.memory;
        memory
            .delete(&self.shared.scope("kv"), key)
            .await
            .map_err(|error| unavailable(&error.to_string()))
    }
}
