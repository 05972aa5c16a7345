//! Customers.

use axum::{Json, extract::State};
use tandem_domain::ContactId;

use crate::{ApiState, auth::Caller, error::ApiError, extract::Id, view::Contact};

/// A customer on one channel.
#[utoipa::path(get, path = "/api/v1/contacts/{id}", operation_id = "getContact", tag = "contacts",
    params(("id" = String, Path)),
    responses((status = 200, body = Contact)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<ContactId>,
) -> Result<Json<Contact>, ApiError> {
    let row = state.store().contact(caller.workspace(), id).await?;
    row.map(|row| Json(row.into()))
        .ok_or(ApiError::NotFound("contact"))
}
