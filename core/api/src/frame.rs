//! What surrounds every request: an id, a time limit, a catch for panics, headers, metrics.

use std::{any::Any, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use uuid::Uuid;

use crate::{ApiState, error::ApiError};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers of the API are for programs: no page may frame, run or keep them.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
];

pub(crate) async fn frame(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = Uuid::now_v7().to_string();
    let method = request.method().clone();
    // Addresses carry ids; the route's pattern does not.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let answered = tokio::time::timeout(state.config().request_timeout, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| ApiError::Timeout.into_response());
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        if let Some(cause) = error.cause() {
            tracing::error!(request_id = %id, %method, route, cause, "A request failed: {error}.");
        }
        let told = response;
        response = error.answer(&id);
        // What a layer added to the empty answer stays: `Allow`, say.
        for (name, value) in told.headers() {
            if !matches!(*name, header::CONTENT_LENGTH | header::CONTENT_TYPE) {
                response.headers_mut().entry(name).or_insert(value.clone());
            }
        }
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16().to_string();
    // A client may make methods up; a label for each would never end.
    let label = match method.as_str() {
        known @ ("GET" | "POST" | "HEAD" | "OPTIONS" | "PUT" | "PATCH" | "DELETE") => {
            known.to_owned()
        }
        _ => "other".to_owned(),
    };
    metrics::counter!("tandem_http_requests_total",
        "method" => label, "route" => route.clone(), "status" => status)
    .increment(1);
    metrics::histogram!("tandem_http_request_seconds", "route" => route)
        .record(began.elapsed().as_secs_f64());
    response
}

/// A handler that panicked answers like any other failure.
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    ApiError::Internal(format!("a handler panicked: {words}")).into_response()
}
