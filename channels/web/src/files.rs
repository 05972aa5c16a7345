//! Uploads and downloads. What a file is, its bytes say; what it is called is only shown.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::{FromRequest, Multipart, Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::json;
use tandem_channel_kit::{NewFile, clean, file_type::sniff};
use tandem_domain::FileId;
use tokio::time::timeout;

use crate::{
    config::Files,
    http::{ApiError, Peer, Web},
    signature::Upload,
};

/// Longest that receiving one file may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Takes one file: a multipart body with a file field, or the bytes alone with their name in
/// `X-File-Name`, percent-encoded. Gives a reference to put into a message.
pub(crate) async fn upload(
    State(web): State<Web>,
    peer: Peer,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let shared = &web.shared;
    let files = &shared.config.files;
    if !files.enabled {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "files_off",
            "files are not taken here",
        ));
    }
    let visitor = shared.authorized(&headers)?;
    shared
        .guard
        .message(&visitor.id, peer.0)
        .map_err(ApiError::rate_limited)?;
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<u64>().ok());
    let most = files.max_bytes as u64;
    let _turn = shared
        .guard
        .upload()
        .ok_or_else(|| ApiError::unavailable("too many uploads at once"))?;
    let received = timeout(PATIENCE, async {
        if length.is_some_and(|l| l > most + 16 * 1024) {
            hear_out(&mut request.into_body().into_data_stream(), files.max_bytes).await;
            return Err(ApiError::too_large("the file", most));
        }
        receive(request, files.max_bytes).await
    });
    let (name, bytes) = received.await.map_err(|_| {
        let message = "the upload took too long";
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
    })??;
    if bytes.is_empty() {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "empty",
            "the file is empty",
        ));
    }
    let kind = sniff(&bytes).filter(|kind| allowed(files, kind.mime));
    let Some(kind) = kind else {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "file_type",
            "files of this type are not taken",
        ));
    };
    let lane = shared.lane(&visitor.id);
    let file = NewFile {
        name: kind.name(&clean::file_name(&name)),
        mime: kind.mime.to_owned(),
        bytes,
    };
    let row = web.inbox.store_file(lane, file).await?;
    let body = json!({
        "ref": shared.keys.upload_token(&Upload {
            id: row.id,
            lane,
            name: row.name.clone(),
            mime: row.mime.clone(),
            size: row.size,
        }),
        "id": row.id,
        "name": row.name,
        "mime": row.mime,
        "size": row.size,
        "url": shared.file_link(row.id),
    });
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}

async fn receive(request: Request, max: usize) -> Result<(String, Bytes), ApiError> {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let broken = |_| {
        let message = "the upload broke off or is too large";
        ApiError::new(StatusCode::BAD_REQUEST, "bad_upload", message)
    };
    if !content_type.starts_with("multipart/form-data") {
        let name = request
            .headers()
            .get("x-file-name")
            .and_then(|v| v.to_str().ok())
            .map(percent_decode)
            .unwrap_or_default();
        let mut stream = request.into_body().into_data_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| broken(()))?;
            if bytes.len() + chunk.len() > max {
                hear_out(&mut stream, max).await;
                return Err(ApiError::too_large("the file", max as u64));
            }
            bytes.extend_from_slice(&chunk);
        }
        return Ok((name, bytes.into()));
    }
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|_| broken(()))?;
    while let Some(mut field) = form.next_field().await.map_err(|_| broken(()))? {
        let Some(name) = field.file_name().map(str::to_owned) else {
            continue;
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(|_| broken(()))? {
            if bytes.len() + chunk.len() > max {
                return Err(ApiError::too_large("the file", max as u64));
            }
            bytes.extend_from_slice(&chunk);
        }
        return Ok((name, bytes.into()));
    }
    Err(ApiError::new(
        StatusCode::BAD_REQUEST,
        "empty",
        "there is no file in the form",
    ))
}

/// Reads on and keeps nothing, up to four times what is taken: a browser that is hung up on while it
/// sends sees a broken connection, not the answer.
pub(crate) async fn hear_out(stream: &mut BodyDataStream, max: usize) {
    let mut left = max.saturating_mul(4);
    while let Some(Ok(chunk)) = stream.next().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            return;
        }
    }
}

fn allowed(files: &Files, mime: &str) -> bool {
    files.types.iter().any(|t| match t.strip_suffix("/*") {
        Some(family) => mime.split('/').next() == Some(family),
        None => t == mime,
    })
}

#[derive(Deserialize)]
pub(crate) struct Key {
    #[serde(default)]
    sig: Option<String>,
    #[serde(default)]
    token: Option<String>,
}

/// Gives a file to whoever has a signed link to it, or to its own conversation's visitor. Anyone
/// else is told that there is none.
pub(crate) async fn download(
    State(web): State<Web>,
    Path(id): Path<String>,
    Query(key): Query<Key>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let shared = &web.shared;
    let none = || ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such file");
    let id: FileId = id.parse().map_err(|_| none())?;
    let now = shared.now();
    let linked = key
        .sig
        .as_deref()
        .is_some_and(|sig| shared.keys.file(id, sig, now).is_ok());
    let visitor = match &key.token {
        Some(token) => shared.keys.visitor(token, now).ok(),
        None => shared.authorized(&headers).ok(),
    };
    if !linked && visitor.is_none() {
        return Err(none());
    }
    let file = web.inbox.load_file(id).await?.ok_or_else(none)?;
    let own = visitor.is_some_and(|v| shared.lane(&v.id) == file.row.lane);
    if !linked && !own {
        return Err(none());
    }
    let mime = file.row.mime.as_str();
    let shown = matches!(
        mime,
        "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif"
    ) || mime.starts_with("audio/")
        || mime.starts_with("video/");
    let kind = match mime {
        "text/plain" => HeaderValue::from_static("text/plain; charset=utf-8"),
        _ if shown || mime == "application/pdf" => HeaderValue::from_str(mime)
            .unwrap_or(HeaderValue::from_static("application/octet-stream")),
        _ => HeaderValue::from_static("application/octet-stream"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (
            header::CONTENT_DISPOSITION,
            disposition(shown, &file.row.name),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; sandbox"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("cross-origin"),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, max-age=86400, immutable"),
        ),
    ];
    Ok((headers, Body::from(file.bytes)).into_response())
}

fn disposition(shown: bool, name: &str) -> HeaderValue {
    let how = if shown { "inline" } else { "attachment" };
    let plain: String = name
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') => c,
            _ => '_',
        })
        .collect();
    let full: String = name
        .bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_') => {
                char::from(b).to_string()
            }
            b => format!("%{b:02X}"),
        })
        .collect();
    HeaderValue::from_str(&format!(
        "{how}; filename=\"{plain}\"; filename*=UTF-8''{full}"
    ))
    .unwrap_or(HeaderValue::from_static("attachment"))
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, left)) = rest.split_first() {
        let code = (*first == b'%')
            .then(|| left.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &left[2..];
            }
            None => {
                bytes.push(*first);
                rest = left;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

    #[test]
    fn the_bytes_say_what_a_file_is() {
        assert_eq!(sniff(PNG).unwrap().mime, "image/png");
        assert_eq!(sniff(b"%PDF-1.7\n").unwrap().mime, "application/pdf");
        assert_eq!(sniff("a,b\n一,二\n".as_bytes()).unwrap().mime, "text/plain");
        for markup in [
            &b"<html><script>alert(1)</script>"[..],
            b"\xef\xbb\xbf  \n<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>",
            b"<?xml version='1.0'?><svg/>",
            b"\xff\xfe<\0s\0v\0g\0",
            b"#!/bin/sh\nrm -rf /",
            b"\0\x01\x02\x03",
        ] {
            assert!(
                sniff(markup).is_none_or(|k| !allowed(&Files::default(), k.mime)),
                "{markup:?}"
            );
        }
        let exe = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0";
        assert!(sniff(exe).is_none_or(|k| !allowed(&Files::default(), k.mime)));
    }

    #[test]
    fn a_name_that_lies_gets_its_true_ending() {
        let png = sniff(PNG).unwrap();
        assert_eq!(png.name("photo.PNG"), "photo.PNG");
        assert_eq!(png.name("photo.exe"), "photo.exe.png");
        assert_eq!(png.name("photo"), "photo.png");
    }

    #[test]
    fn names_in_headers_stay_one_header() {
        let value = disposition(false, "发票 \"1\"; x.pdf");
        assert_eq!(
            value.to_str().unwrap(),
            "attachment; filename=\"__ _1__ x.pdf\"; filename*=UTF-8''%E5%8F%91%E7%A5%A8%20%221%22%3B%20x.pdf"
        );
        assert_eq!(percent_decode("%E5%8F%91%zz%"), "发%zz%");
    }
}
