//! Reading requests: everything that does not fit becomes an [`ApiError`] with the field's name.

use std::str::FromStr;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;

use crate::{ApiState, error::ApiError};

/// Deepest nesting of a body. What is stored is wrapped some levels deeper and must still be
/// readable.
const DEPTH: usize = 32;
/// Rows on a page: when nothing is asked for, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 200;
/// Longest key a client may choose, in bytes.
const KEY: usize = 200;

/// A JSON body.
pub(crate) struct Input<T>(pub T);

impl<T: DeserializeOwned> FromRequest<ApiState> for Input<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"));
        let bytes = bytes(request.into_body(), state.config().body_limit).await?;
        if !is_json && !bytes.is_empty() {
            return Err(ApiError::UnsupportedMedia);
        }
        // An empty body says nothing, which may be enough.
        let bytes = if bytes.is_empty() { &b"{}"[..] } else { &bytes };
        parse(bytes).map(Self)
    }
}

async fn bytes(body: Body, limit: usize) -> Result<axum::body::Bytes, ApiError> {
    // Whatever broke off the body, a client that is still there sent too much of it.
    to_bytes(body, limit)
        .await
        .map_err(|_| ApiError::TooLarge(limit))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if depth(bytes) > DEPTH {
        return Err(ApiError::BadJson(format!(
            "it is nested deeper than {DEPTH} levels"
        )));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            let field = if field == "." {
                "body".to_owned()
            } else {
                field
            };
            ApiError::invalid(field, plain(&inner))
        } else {
            ApiError::BadJson(inner.to_string())
        }
    })?;
    reader
        .end()
        .map_err(|error| ApiError::BadJson(error.to_string()))?;
    Ok(value)
}

/// Without the place: the field is named already.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_text = false,
            (true, _) => {}
            (false, b'"') => in_text = true,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, _) => {}
        }
    }
    deepest
}

/// The query string.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| ApiError::invalid("query", rejection.body_text()))
    }
}

/// The id in the address. One that is no id names nothing: 404.
pub(crate) struct Id<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::NotFound("address"))?;
        text.parse().map(Self).map_err(|_| ApiError::NotFound("id"))
    }
}

/// How many rows a page has.
pub(crate) fn page_size(limit: Option<usize>) -> Result<usize, ApiError> {
    match limit {
        None => Ok(PAGE),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(ApiError::invalid(
            "limit",
            format!("must lie between 1 and {PAGE_MAX}"),
        )),
    }
}

/// A key that makes a write happen once, from the header `Idempotency-Key`.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    key(value.to_str().unwrap_or_default(), "Idempotency-Key").map(Some)
}

/// A key a client chose: visible characters of ASCII.
pub(crate) fn key(text: &str, field: &str) -> Result<String, ApiError> {
    let good = (1..=KEY).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !good {
        return Err(ApiError::invalid(
            field,
            format!("must be 1 to {KEY} visible ASCII characters without spaces"),
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_texts() {
        assert_eq!(depth(br#"{"a": ["[[[", "\"[", {}]}"#), 3);
        assert_eq!(depth(b"[[]]]]]]["), 2);
        assert_eq!(depth(b""), 0);
    }

    #[test]
    fn a_wrong_value_is_named_by_its_field() {
        #[derive(serde::Deserialize, Debug)]
        #[allow(dead_code)]
        struct Outer {
            inner: Vec<u32>,
        }
        let error = parse::<Outer>(br#"{"inner": [1, "x"]}"#).unwrap_err();
        assert!(
            matches!(&error, ApiError::Invalid { field, message }
                if field == "inner[1]" && !message.contains("line")),
            "{error:?}"
        );
        for text in ["{", "", "{} {}", "\u{0}", "nul"] {
            let error = parse::<Outer>(text.as_bytes()).unwrap_err();
            assert!(
                matches!(error, ApiError::BadJson(_)) || text == "{} {}",
                "{error:?}"
            );
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(
            parse::<serde_json::Value>(deep.as_bytes()),
            Err(ApiError::BadJson(_))
        ));
    }
}
