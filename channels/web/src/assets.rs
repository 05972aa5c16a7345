//! The widget and the demo page, inside the binary, so that one file runs anywhere.

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use sha2::{Digest, Sha256};

/// One file of `web/`.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Where it is served.
    pub path: &'static str,
    pub mime: &'static str,
    pub body: &'static [u8],
}

macro_rules! assets {
    ($($path:literal, $mime:literal;)*) => {
        &[$(Asset {
            path: $path,
            mime: $mime,
            body: include_bytes!(concat!("../../../web", $path)),
        },)*]
    };
}

/// Everything that is served.
pub const ASSETS: &[Asset] = assets! {
    "/widget.js", "text/javascript; charset=utf-8";
    "/demo/index.html", "text/html; charset=utf-8";
    "/demo/demo.css", "text/css; charset=utf-8";
    "/demo/demo.js", "text/javascript; charset=utf-8";
    "/demo/mark.svg", "image/svg+xml";
    "/demo/room.svg", "image/svg+xml";
    "/demo/chair.svg", "image/svg+xml";
    "/demo/lamp.svg", "image/svg+xml";
    "/demo/throw.svg", "image/svg+xml";
    "/demo/vase.svg", "image/svg+xml";
    "/demo/mugs.svg", "image/svg+xml";
    "/demo/mirror.svg", "image/svg+xml";
};

/// What the demo page may load: its own files and nothing inline, as a strict shop would have it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' https: data: blob:; media-src 'self' https: blob:; connect-src 'self'; \
    font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// `/widget.js` and the demo page under `/demo/`.
pub fn routes() -> Router {
    let mut router = Router::new()
        .route("/demo", get(|| async { Redirect::permanent("/demo/") }))
        .route(
            "/demo/",
            get(|h: HeaderMap| async move { serve(&ASSETS[1], &h) }),
        );
    for asset in ASSETS {
        let etag = etag(asset.body);
        router = router.route(
            asset.path,
            get(move |headers: HeaderMap| async move { respond(asset, &etag, &headers) }),
        );
    }
    router
}

#[must_use]
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|a| a.path == path)
}

fn serve(asset: &'static Asset, headers: &HeaderMap) -> Response {
    respond(asset, &etag(asset.body), headers)
}

fn respond(asset: &'static Asset, etag: &HeaderValue, headers: &HeaderMap) -> Response {
    let common = [
        (header::ETAG, etag.clone()),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300, must-revalidate"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        // The widget is loaded by other sites' pages.
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("cross-origin"),
        ),
        (
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
    ];
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|tags| {
            tags.split(',')
                .any(|t| t.trim().trim_start_matches("W/").as_bytes() == etag.as_bytes())
        });
    if known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime))];
    (common, kind, asset.body).into_response()
}

fn etag(body: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(body);
    let short: String = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
    HeaderValue::from_str(&format!("\"{short}\"")).expect("hex digits are a header value")
}
