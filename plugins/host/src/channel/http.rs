//! The platform's requests to an account's address, handed to the plugin.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::any,
};
use tandem_plugin_sdk::wire::{self, HttpRequest, HttpResponse};

use super::account::Shared;
use crate::PluginError;

/// Longest body, in either direction.
const BODY_MAX: usize = 1 << 20;
/// Headers in either direction: how many, and bytes of all of them.
const HEADERS: usize = 64;
const HEADERS_MAX: usize = 16 << 10;

/// Between this server and its neighbour only, or none of the plugin's business: the cookies are
/// those of people who sit at the desk.
const NOT_THEIRS: [&str; 9] = [
    "connection",
    "cookie",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// What a plugin does not say for this server.
const NOT_THEIRS_TO_SAY: [&str; 5] = [
    "content-length",
    "date",
    "server",
    "set-cookie",
    "strict-transport-security",
];

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    let path = shared.path.clone();
    Router::new()
        .route(&path, any(receive))
        .route(&format!("{path}/{{*rest}}"), any(receive))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(shared)
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(headers) = given(&headers) else {
        return StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response();
    };
    let path = uri.path().strip_prefix(&shared.path).unwrap_or_default();
    let request = HttpRequest {
        method: method.as_str().to_owned(),
        path: path.to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers,
        body: wire::Bytes(body.to_vec()),
    };
    // To its end, also when nobody waits for it any more: what was begun cannot be taken back.
    let asked = tokio::spawn(async move { ask(&shared, &request).await });
    match asked.await {
        Ok(response) => response,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn ask(shared: &Shared, request: &HttpRequest) -> Response {
    let plugin = shared.plugin.name();
    let Ok(params) = serde_json::to_value(request) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let asked = shared
        .plugin
        .call("channel.http", &params, shared.meta(), None);
    let error = match asked.await {
        Ok(answer) => match serde_path_to_error::deserialize(&answer) {
            Ok(answer) => return response(plugin, answer),
            Err(why) => PluginError::Broken(why.to_string().into()),
        },
        Err(error) => error,
    };
    tracing::warn!(plugin, %error, "A platform's request was not answered by its plugin.");
    match error {
        PluginError::UnknownMethod(_) => StatusCode::NOT_FOUND.into_response(),
        // The platform keeps it and comes again.
        PluginError::Busy | PluginError::Disabled(_) | PluginError::Stopped => {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        PluginError::Failed(error) => match error.retry_after_ms {
            Some(ms) => {
                let secs = ms.div_ceil(1000).min(24 * 3600);
                let wait = (header::RETRY_AFTER, secs.to_string());
                (StatusCode::SERVICE_UNAVAILABLE, [wait]).into_response()
            }
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What the plugin sees of the headers: names in small letters, values that are text, those that
/// came more than once joined. `None` when they are too many.
fn given(headers: &HeaderMap) -> Option<BTreeMap<String, String>> {
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    let mut room = HEADERS_MAX;
    for (name, value) in headers {
        let Ok(value) = value.to_str() else { continue };
        if NOT_THEIRS.contains(&name.as_str()) {
            continue;
        }
        room = room.checked_sub(name.as_str().len() + value.len())?;
        match given.get_mut(name.as_str()) {
            Some(before) => {
                before.push_str(", ");
                before.push_str(value);
            }
            None => {
                given.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
    }
    (given.len() <= HEADERS).then_some(given)
}

/// The plugin's answer, as far as it is one.
fn response(plugin: &str, answer: HttpResponse) -> Response {
    let broken = |why: &str| {
        tracing::warn!(plugin, why, "A plugin's answer to its platform is none.");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    };
    let status = match StatusCode::from_u16(answer.status) {
        Ok(status) if (200..600).contains(&answer.status) => status,
        _ => return broken("its status is none"),
    };
    let said: usize = answer.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
    if answer.body.0.len() > BODY_MAX || said > HEADERS_MAX || answer.headers.len() > HEADERS {
        return broken("it is too large");
    }
    let mut response = Response::new(Body::from(answer.body.0));
    *response.status_mut() = status;
    for (name, value) in &answer.headers {
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) else {
            return broken("a header is none");
        };
        let ours =
            NOT_THEIRS.contains(&name.as_str()) || NOT_THEIRS_TO_SAY.contains(&name.as_str());
        if !ours {
            response.headers_mut().insert(name, value);
        }
    }
    // The desk lives at the same address: what a plugin answers is never a page of it.
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_sees_the_platforms_headers_and_nobodys_cookies() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-signature", "abc"),
            ("x-many", "1"),
            ("x-many", "2"),
            ("cookie", "desk=secret"),
            ("connection", "keep-alive"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("x-bytes", HeaderValue::from_bytes(b"\xff").unwrap());
        let given = given(&headers).unwrap();
        let seen: Vec<_> = given
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(seen, [("x-many", "1, 2"), ("x-signature", "abc")]);
        let long = HeaderValue::from_bytes(&[b'a'; HEADERS_MAX]).unwrap();
        headers.append("x-long", long);
        assert_eq!(super::given(&headers), None);
    }

    #[test]
    fn an_answer_that_is_none_is_an_error_of_ours() {
        let with = |status, headers: &[(&str, &str)], body: usize| {
            let own = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
            response(
                "irc.libera",
                HttpResponse {
                    status,
                    headers: headers.iter().map(own).collect(),
                    body: wire::Bytes(vec![0; body]),
                },
            )
        };
        for status in [0, 99, 101, 199, 600, 65535] {
            assert_eq!(with(status, &[], 0).status(), 500, "{status}");
        }
        assert_eq!(with(200, &[("a b", "c")], 0).status(), 500);
        assert_eq!(with(200, &[("a", "b\r\nc: d")], 0).status(), 500);
        assert_eq!(with(200, &[], BODY_MAX + 1).status(), 500);
        let good = with(
            202,
            &[
                ("Content-Type", "text/plain"),
                ("Set-Cookie", "a=b"),
                ("content-length", "9"),
                ("transfer-encoding", "chunked"),
            ],
            3,
        );
        assert_eq!(good.status(), 202);
        assert_eq!(good.headers()["content-type"], "text/plain");
        for dropped in ["set-cookie", "content-length", "transfer-encoding"] {
            assert!(!good.headers().contains_key(dropped), "{dropped}");
        }
    }
}
