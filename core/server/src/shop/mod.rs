//! The demo shop: Larkwood, an invented home and furniture shop, as the kind of HTTP service a
//! business already has. The retail pack calls it over the network like any other service; it
//! knows nothing of conversations and can be run alone.
//!
//! * [`db`] – its own small SQLite database: schema, reading, idempotent writing;
//! * [`orders`], [`service`] – what customers do with orders, and everything else they ask for;
//! * [`http`] – routes, the bearer token, status codes;
//! * [`seed`] – products, stores, customers and orders dated relative to now.
//!
//! Every answer is JSON; a refusal is `{"error": {"code", "message"}}` with a fitting status. A
//! write takes an `Idempotency-Key` header: the same key with the same body has one effect and
//! gives the same answer. Every write is listed at `GET /api/writes`.

pub mod db;
pub mod http;
mod orders;
pub mod seed;
mod service;

#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc};

use anyhow::Context as _;

pub use db::{Clock, Seed, ShopDb};

/// Serves the shop until `stop` resolves; requests under way are finished first.
///
/// With a `token`, every path under `/api` wants `Authorization: Bearer TOKEN`; `/health` is open.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    db: ShopDb,
    token: Option<String>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the shop has no address")?;
    tracing::info!(%address, "The demo shop is open.");
    axum::serve(listener, http::router(db, token.map(Arc::from)))
        .with_graceful_shutdown(stop)
        .await
        .context("the shop stopped serving")
}
