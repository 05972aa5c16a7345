//! What a service answered.

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tandem_domain::Value;

use crate::{NetError, NetErrorKind};

/// Nesting of a JSON answer.
const DEPTH_MAX: usize = 64;
/// Values in a JSON answer.
const NODES_MAX: usize = 100_000;
/// Bytes of all headers together.
const HEADERS_MAX: usize = 64 << 10;

/// A complete answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    /// Reads an answer to its end. Fails when it is larger than `max`: at once where it says so
    /// itself, else as soon as the bytes are there.
    pub(crate) async fn read(
        mut response: reqwest::Response,
        host: &str,
        max: usize,
    ) -> Result<Self, NetError> {
        let large = || {
            let text = format!("the answer of {host} is larger than {max} bytes");
            NetError::new(NetErrorKind::TooLarge, text)
        };
        let headers = std::mem::take(response.headers_mut());
        let size: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if size > HEADERS_MAX {
            return Err(large());
        }
        if response
            .content_length()
            .is_some_and(|length| usize::try_from(length).map_or(true, |length| length > max))
        {
            return Err(large());
        }
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > max => return Err(large()),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => {
                    let text = format!("the answer of {host} broke off");
                    return Err(NetError::new(NetErrorKind::Broken, text));
                }
            }
        }
        Ok(Self {
            status: response.status().as_u16(),
            headers,
            body: body.freeze(),
        })
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's value, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON. Fails where it is none, or is nested too deeply or has too many values
    /// to be worth keeping.
    pub fn json(&self) -> Result<Value, NetError> {
        if !is_modest(&self.body) {
            let text = "the answer is JSON with too many values or too deep";
            return Err(NetError::new(NetErrorKind::TooLarge, text));
        }
        serde_json::from_slice(&self.body)
            .map_err(|_| NetError::new(NetErrorKind::BadResponse, "the answer is not valid JSON"))
    }

    /// The body as a flow sees it: JSON where the service says so or where it is, null where
    /// there is none, else text. Fails when the service says JSON and it is none.
    pub fn value(&self) -> Result<Value, NetError> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        let declared = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|kind| kind.split(';').next())
            .map(|kind| kind.trim().to_ascii_lowercase());
        let json =
            declared.is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"));
        match self.json() {
            Ok(value) => Ok(value),
            Err(error) if json || error.kind == NetErrorKind::TooLarge => Err(error),
            Err(_) => Ok(Value::String(self.text())),
        }
    }
}

/// Whether JSON of this shape is within bounds: a look at its brackets and commas, before memory
/// is spent on it.
fn is_modest(body: &[u8]) -> bool {
    let (mut depth, mut nodes) = (0_usize, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for byte in body {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => {
                depth += 1;
                nodes += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => nodes += 1,
            _ => {}
        }
        if depth > DEPTH_MAX || nodes > NODES_MAX {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn response(kind: &str, body: impl Into<Bytes>) -> Response {
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        }
        Response {
            status: 200,
            headers,
            body: body.into(),
        }
    }

    #[test]
    fn bodies_become_values() {
        assert_eq!(
            response("application/json; charset=utf-8", r#"{"a":1}"#)
                .value()
                .unwrap(),
            json!({"a": 1})
        );
        assert_eq!(response("", "[1]").value().unwrap(), json!([1]));
        assert_eq!(
            response("text/plain", "hello").value().unwrap(),
            json!("hello")
        );
        assert_eq!(
            response("application/json", " ").value().unwrap(),
            json!(null)
        );
        assert_eq!(
            response("text/plain", vec![0xff, b'a']).value().unwrap(),
            json!("\u{fffd}a")
        );
        let lie = response("application/problem+json", "<html>")
            .value()
            .unwrap_err();
        assert_eq!(lie.kind, NetErrorKind::BadResponse);
    }

    #[test]
    fn json_that_is_too_deep_or_too_wide_is_refused_before_it_is_parsed() {
        for body in [
            "[".repeat(100_000),
            format!("[{}1]", "1,".repeat(200_000)),
            "{\"a\":".repeat(65),
        ] {
            assert_eq!(
                response("", body).value().unwrap_err().kind,
                NetErrorKind::TooLarge
            );
        }
        let quoted = json!(["[".repeat(1000), "\\\"[[[", ",".repeat(200_000)]);
        assert_eq!(response("", quoted.to_string()).value().unwrap(), quoted);
    }
}
