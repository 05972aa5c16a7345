//! For orchestrators and monitoring: alive, ready, in figures.

use std::time::{Duration, Instant};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tandem_domain::store::StoreError;
use utoipa::ToSchema;

use crate::{
    ApiState,
    error::ApiError,
    plugins::{self, Unwell},
};

/// How long one look at the store counts: anybody may ask, and each look writes.
const KEPT: Duration = Duration::from_secs(1);
/// A store that takes longer is not ready.
const PING: Duration = Duration::from_secs(3);

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, else what is the matter: `disk_full`, `store`, `stopping`.
    status: &'static str,
    /// Plugins that do not work as they should: the server does all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    plugins: Vec<Unwell>,
}

impl Health {
    fn only(status: &'static str) -> Self {
        let plugins = Vec::new();
        Self { status, plugins }
    }
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/healthz", operation_id = "getLiveness", tag = "health", responses((status = 200, body = Health)))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health::only("ok"))
}

/// Whether requests can be served: the store takes a write, and nothing is stopping.
#[utoipa::path(get, path = "/readyz", operation_id = "getReadiness", tag = "health",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn ready(State(state): State<ApiState>) -> Response {
    let status = if state.stop().is_stopped() {
        "stopping"
    } else {
        store_says(&state).await
    };
    let code = match status {
        "ok" => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let plugins = plugins::unwell(&state);
    (code, Json(Health { status, plugins })).into_response()
}

async fn store_says(state: &ApiState) -> &'static str {
    // Whoever comes meanwhile waits for this look instead of taking another.
    let mut last = state.last_look().lock().await;
    if let Some((at, said)) = *last
        && at.elapsed() < KEPT
    {
        return said;
    }
    let said = match tokio::time::timeout(PING, state.store().ping()).await {
        Ok(Ok(())) => "ok",
        Ok(Err(error)) => {
            tracing::warn!(%error, "The store does not take a write.");
            match error {
                StoreError::Full(_) => "disk_full",
                _ => "store",
            }
        }
        Err(_) => {
            tracing::warn!("The store takes too long to answer.");
            "store"
        }
    };
    *last = Some((Instant::now(), said));
    said
}

/// Figures in the Prometheus text format, of the whole server.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "health",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn figures(State(state): State<ApiState>) -> Result<Response, ApiError> {
    for workspace in state.store().workspaces().await? {
        let depths = state.store().depths(&workspace).await?;
        let depths = [
            ("inbox", depths.inbox),
            ("outbox", depths.outbox),
            ("dead_letters", depths.dead),
            ("timers", depths.timers),
            ("actions", depths.actions),
        ];
        for (what, depth) in depths {
            let workspace = workspace.as_str().to_owned();
            // A gauge is a float; no queue is so long that it matters.
            metrics::gauge!("tandem_waiting", "what" => what, "workspace" => workspace)
                .set(depth as f64);
        }
    }
    let text = state.metrics();
    Ok((
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response())
}
