//! Files of the transcript: what customers sent, what was sent to them.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use tandem_domain::FileId;

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
            Some(_) => ApiError::Unavailable("the file is on its way from the platform".into()),
            None => ApiError::Gone("the platform did not give us this file"),
        });
    };
    let mut response = Response::new(Body::from(file.bytes));
    let headers = response.headers_mut();
    let mime = HeaderValue::try_from(file.row.mime.as_str());
    let mime = mime.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, mime);
    // Somebody else made it: in a browser nothing of it may run as a page of ours.
    for (name, value) in [
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        ),
        (header::CACHE_CONTROL, "private, max-age=3600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
