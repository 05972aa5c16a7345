//! What is asked of a service.

use bytes::Bytes;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tandem_domain::Value;

use crate::NetError;

/// A request before any policy has looked at it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Absolute.
    pub url: String,
    /// Added to the URL, encoded.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Body,
    /// Sent with every attempt; makes any method safe to repeat.
    pub idempotency: Option<IdempotencyKey>,
    /// The caller vouches that repeating is safe.
    pub idempotent: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    #[default]
    None,
    Json(Value),
    Form(Vec<(String, String)>),
    Text(String),
    /// Bytes of a media type of their own: a file, a multipart form.
    Bytes {
        content_type: String,
        bytes: Bytes,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub header: String,
    pub key: String,
}

impl Request {
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Body::None,
            idempotency: None,
            idempotent: false,
        }
    }

    /// Reads a method's name. Fails on one that a service call has no use for.
    pub fn parse_method(name: &str) -> Result<Method, NetError> {
        match name.to_ascii_uppercase().as_str() {
            "GET" => Ok(Method::GET),
            "HEAD" => Ok(Method::HEAD),
            "POST" => Ok(Method::POST),
            "PUT" => Ok(Method::PUT),
            "PATCH" => Ok(Method::PATCH),
            "DELETE" => Ok(Method::DELETE),
            _ => Err(NetError::invalid(
                "the method must be GET, HEAD, POST, PUT, PATCH or DELETE",
            )),
        }
    }

    /// Adds a header. Fails on names and values no header can have, and on headers that belong to
    /// the connection; the value is not repeated in the error.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), NetError> {
        let name = header_name(name)?;
        let value = HeaderValue::from_str(value).map_err(|_| {
            NetError::invalid(format!("the value of the header {name} is not allowed"))
        })?;
        self.headers.insert(name, value);
        Ok(())
    }

    /// Whether sending it twice does no more than sending it once.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.idempotent
            || self.idempotency.is_some()
            || self.is_read()
            || matches!(self.method, Method::PUT | Method::DELETE)
    }

    pub(crate) fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

pub(crate) fn header_name(name: &str) -> Result<HeaderName, NetError> {
    const OURS: [&str; 10] = [
        "host",
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    ];
    let bad = || NetError::invalid("a header's name is not allowed");
    if name.len() > 100 {
        return Err(bad());
    }
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
    if OURS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
        return Err(bad());
    }
    Ok(name)
}
