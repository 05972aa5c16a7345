//! Files of the transcript: what customers sent, what was sent to them.

use axum::{
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderValue, header},
    response::Response,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tandem_channel_kit::{File, link::Pass};
use tandem_domain::{FileId, Timestamp, WorkspaceId};

use crate::{ApiState, auth::Caller, error::ApiError, extract::Id};

/// The bytes of a file that a part of a message names as `file:ID`. One that a customer sent a
/// moment ago may still be on its way from their platform: ask again after `Retry-After`.
#[utoipa::path(get, path = "/api/v1/files/{id}", operation_id = "getFile", tag = "conversations",
    params(("id" = String, Path)),
    responses((status = 200, description = "The file", content_type = "application/octet-stream", body = [u8]),
        (status = 410, body = crate::error::ErrorBody, description = "The platform did not give it to us"),
        (status = 503, body = crate::error::ErrorBody, description = "It is being fetched")))]
pub(crate) async fn download(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<FileId>,
) -> Result<Response, ApiError> {
    let workspace = caller.workspace();
    let Some(file) = state.engine().file(workspace, id).await? else {
        let fetch = state.store().fetch(workspace, id).await?;
        let fetch = fetch.ok_or(ApiError::NotFound("file"))?;
        return Err(match fetch.due_at {
            Some(_) => ApiError::Pending("the file"),
            None => ApiError::Gone("the platform did not give us this file"),
        });
    };
    Ok(show(file, "attachment"))
}

#[derive(Deserialize)]
pub(crate) struct Signature {
    #[serde(default)]
    s: String,
}

/// A file by a public link of ours, for platforms and customers: `s` names its end and proves that
/// we made it.
#[utoipa::path(get, path = "/files/{workspace}/{id}", operation_id = "openFile", tag = "conversations",
    params(("workspace" = String, Path), ("id" = String, Path), ("s" = String, Query)),
    responses((status = 200, description = "The file", content_type = "application/octet-stream", body = [u8]),
        (status = 404, body = crate::error::ErrorBody, description = "No link of ours"),
        (status = 410, body = crate::error::ErrorBody, description = "Its time is over")))]
pub(crate) async fn open(
    State(state): State<ApiState>,
    Path((workspace, id)): Path<(String, String)>,
    signature: Result<Query<Signature>, QueryRejection>,
) -> Result<Response, ApiError> {
    const NONE: ApiError = ApiError::NotFound("file");
    let workspace = WorkspaceId::new(&workspace);
    let id: FileId = id.parse().map_err(|_| NONE)?;
    let Query(signature) = signature.map_err(|_| NONE)?;
    let links = state.engine().links(&workspace).ok_or(NONE)?;
    match links.check(id, &signature.s, Timestamp::now()) {
        Pass::Good => {}
        Pass::Expired => {
            return Err(ApiError::Gone(
                "this link has expired; ask for the file again in the chat · 此链接已过期，请在对话中重新索取文件",
            ));
        }
        Pass::Forged => return Err(NONE),
    }
    let file = state.engine().file(&workspace, id).await?.ok_or(NONE)?;
    // Pictures may show; whatever else a browser could run is saved.
    let picture = matches!(
        file.row.mime.as_str(),
        "image/png" | "image/jpeg" | "image/gif" | "image/webp"
    );
    Ok(show(file, if picture { "inline" } else { "attachment" }))
}

/// Somebody else made it: in a browser nothing of it may run as a page of ours.
fn show(file: File, how: &str) -> Response {
    let name = utf8_percent_encode(&file.row.name, NON_ALPHANUMERIC);
    let disposition = HeaderValue::try_from(format!("{how}; filename*=UTF-8''{name}"));
    let mime = HeaderValue::try_from(file.row.mime.as_str());
    let mut response = Response::new(Body::from(file.bytes));
    let headers = response.headers_mut();
    let mime = mime.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, mime);
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        ),
        (header::CACHE_CONTROL, "private, max-age=3600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
