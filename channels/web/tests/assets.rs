//! The widget as it is served.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use flate2::{Compression, write::GzEncoder};
use tandem_channel_web::assets;
use tower::ServiceExt;

#[test]
fn the_widget_is_under_25_kb_on_the_wire() {
    let widget = assets::find("/widget.js").unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    gzip.write_all(widget.body).unwrap();
    let size = gzip.finish().unwrap().len();
    println!("widget.js: {} bytes, {size} gzipped", widget.body.len());
    assert!(size < 25_000, "{size}");
}

#[test]
fn the_widget_keeps_to_a_strict_policy() {
    let widget = std::str::from_utf8(assets::find("/widget.js").unwrap().body).unwrap();
    for banned in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "setAttribute(\"style\"",
        "cssText",
        "javascript:",
    ] {
        assert!(!widget.contains(banned), "{banned}");
    }
    let page = std::str::from_utf8(assets::find("/demo/index.html").unwrap().body).unwrap();
    for banned in [" style=\"", "<style", " onclick=", "<script>"] {
        assert!(!page.contains(banned), "{banned}");
    }
}

#[tokio::test]
async fn assets_are_served_with_a_tag_that_saves_the_second_download() {
    let get = async |path: &str, tag: Option<&str>| {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        let request = request.body(Body::empty()).unwrap();
        assets::routes().oneshot(request).await.unwrap()
    };
    let first = get("/widget.js", None).await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(
        first.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let second = get("/widget.js", Some(&tag)).await;
    assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
    assert!(to_bytes(second.into_body(), 10).await.unwrap().is_empty());
    let page = get("/demo/", None).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(
        !page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("unsafe")
    );
}
