//! The shop over HTTP: routes, the bearer token, and which status a refusal has.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, Path, Query, Request, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    db::{Now, Result, ShopDb, ShopError, invalid},
    orders, service,
};

/// A request of a shop's client is small.
const BODY_MAX: usize = 64 * 1024;
const KEY_MAX: usize = 200;

/// All routes. With a `token`, `/api` wants it as a bearer token.
pub fn router(db: ShopDb, token: Option<Arc<str>>) -> Router {
    let api = Router::new()
        .route("/orders", reads(orders::find))
        .route("/customers/orders", reads(orders::of_customer))
        .route(
            "/orders/cancel",
            writes("order.cancel", 200, orders::cancel),
        )
        .route(
            "/orders/address",
            writes("order.address", 200, orders::change_address),
        )
        .route(
            "/returns",
            reads(|db: &Connection, _: &Now, ask: &orders::ById| orders::get_return(db, ask))
                .merge(writes("return.create", 201, orders::create_return)),
        )
        .route(
            "/refunds",
            reads(|db: &Connection, _: &Now, ask: &orders::OfOrder| orders::refund(db, ask)),
        )
        .route(
            "/invoices",
            reads(|db: &Connection, _: &Now, ask: &orders::OfOrder| orders::invoice(db, ask)),
        )
        .route(
            "/invoices/send",
            writes("invoice.send", 200, orders::send_invoice),
        )
        .route(
            "/parcels/reports",
            writes("parcel.report", 201, orders::report),
        )
        .route("/carrier/parcels/{number}", get(carrier))
        .route(
            "/products",
            reads(|db: &Connection, _: &Now, ask: &service::Search| service::search(db, ask)),
        )
        .route(
            "/products/detail",
            reads(|db: &Connection, _: &Now, ask: &service::OneProduct| service::product(db, ask)),
        )
        .route(
            "/stock",
            reads(|db: &Connection, _: &Now, ask: &service::OneProduct| service::stock(db, ask)),
        )
        .route("/stores", reads(service::stores))
        .route("/appointments/slots", reads(service::slots))
        .route(
            "/appointments",
            reads(|db: &Connection, _: &Now, ask: &service::OneBooking| service::booking(db, ask))
                .merge(writes("appointment.book", 201, service::book)),
        )
        .route(
            "/appointments/cancel",
            writes("appointment.cancel", 200, service::cancel_booking),
        )
        .route("/coupons", reads(service::coupon))
        .route(
            "/account/verification",
            writes("account.verification", 202, |db, now, ask| {
                service::account_mail(db, now, ask, "verification")
            }),
        )
        .route(
            "/account/password-reset",
            writes("account.password_reset", 202, |db, now, ask| {
                service::account_mail(db, now, ask, "password_reset")
            }),
        )
        .route(
            "/membership",
            reads(|db: &Connection, _: &Now, ask: &service::OfAccount| {
                service::membership(db, ask)
            }),
        )
        .route("/tickets", writes("ticket.create", 201, service::ticket))
        .route("/writes", get(list_writes))
        .layer(middleware::from_fn_with_state(token, authorised))
        .layer(DefaultBodyLimit::max(BODY_MAX));
    Router::new()
        .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
        .nest("/api", api)
        .fallback(|| async {
            refusal(
                StatusCode::NOT_FOUND,
                "no_such_path",
                "There is nothing here.",
            )
        })
        .method_not_allowed_fallback(|| async {
            refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "This path has another method.",
            )
        })
        .with_state(db)
}

/// A GET whose query becomes `ask`.
fn reads<A, F>(read: F) -> axum::routing::MethodRouter<ShopDb>
where
    A: DeserializeOwned + Send + 'static,
    F: Fn(&Connection, &Now, &A) -> Result<Value> + Clone + Send + Sync + 'static,
{
    get(
        async move |State(db): State<ShopDb>,
                    query: std::result::Result<Query<A>, QueryRejection>| {
            let Query(ask) = query.map_err(|e| invalid(e.body_text()))?;
            db.read(move |db, now| read(db, now, &ask)).await.map(Json)
        },
    )
}

/// A POST whose JSON body becomes `ask`; audited, and done once per `Idempotency-Key`.
fn writes<A, F>(op: &'static str, status: u16, write: F) -> axum::routing::MethodRouter<ShopDb>
where
    A: DeserializeOwned + Send + 'static,
    F: Fn(&Connection, &Now, &A) -> Result<Value> + Clone + Send + Sync + 'static,
{
    post(
        async move |State(db): State<ShopDb>,
                    headers: HeaderMap,
                    body: std::result::Result<Json<Value>, JsonRejection>| {
            let Json(body) = body.map_err(|e| invalid(e.body_text()))?;
            let ask: A =
                serde_json::from_value(body.clone()).map_err(|e| invalid(e.to_string()))?;
            let key = idempotency_key(&headers)?;
            let (status, answer) = db
                .write(op, key, body, status, move |db, now| write(db, now, &ask))
                .await?;
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            Ok::<_, ShopError>((status, Json(answer)))
        },
    )
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= KEY_MAX => Ok(Some(key.to_owned())),
        _ => Err(invalid(
            "An idempotency key has 1 to 200 visible characters.",
        )),
    }
}

/// The carrier's own service, which knows parcels by their numbers.
async fn carrier(State(db): State<ShopDb>, Path(number): Path<String>) -> Result<Json<Value>> {
    db.read(move |db, now| orders::track(db, now, &number))
        .await
        .map(Json)
}

async fn list_writes(State(db): State<ShopDb>) -> Result<Json<Value>> {
    db.writes().await.map(Json)
}

async fn authorised(
    State(token): State<Option<Arc<str>>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(token) = token {
        let given = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        if !given.is_some_and(|given| same(given.as_bytes(), token.as_bytes())) {
            return refusal(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "A valid bearer token is needed.",
            );
        }
    }
    next.run(request).await
}

/// Compares without telling by its duration where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "error": { "code": code, "message": message } });
    (status, Json(body)).into_response()
}

impl IntoResponse for ShopError {
    fn into_response(self) -> Response {
        let message = self.to_string();
        match self {
            Self::NotFound(code, _) => refusal(StatusCode::NOT_FOUND, code, &message),
            Self::Conflict(code, _) => refusal(StatusCode::CONFLICT, code, &message),
            Self::Gone(code, _) => refusal(StatusCode::GONE, code, &message),
            Self::Invalid(code, _) => refusal(StatusCode::UNPROCESSABLE_ENTITY, code, &message),
            Self::Database(_) | Self::Stored(_) | Self::Cancelled => {
                tracing::error!(error = ?self, "The demo shop failed.");
                refusal(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "Something went wrong here.",
                )
            }
        }
    }
}
