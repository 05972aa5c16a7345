//! Counters and timings for Prometheus.

use std::sync::{Arc, OnceLock};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tandem_api::RenderMetrics;

/// The recorder counts for the whole process; this is the one thing that cannot be handed from the
/// entry point down, because the `metrics` macros look for it there.
static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to count; a second server in one process shares the counters.
pub fn install() -> RenderMetrics {
    let handle = HANDLE
        .get_or_init(|| PrometheusBuilder::new().install_recorder().ok())
        .clone();
    Arc::new(move || {
        handle
            .as_ref()
            .map(PrometheusHandle::render)
            .unwrap_or_default()
    })
}
