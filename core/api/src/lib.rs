//! The HTTP API: REST under `/api/v1`, one WebSocket of events, health and figures.
//!
//! * [`router`] – every route with the scope it asks for; nothing is open but `/healthz`,
//!   `/readyz` and signed links to files;
//! * [`auth`], [`scope`] – tokens, and what each may do; [`error`] – the one status mapping;
//! * `frame` – ids, time limit, headers and metrics around every request; `extract` – reading
//!   what comes in;
//! * [`conversations`], [`messages`], [`contacts`], [`tickets`], [`dead_letters`], [`accounts`], [`files`],
//!   [`events`], [`stream`], [`packs`], [`plugins`], [`understanding`], [`health`] – the endpoints; [`view`] – what they show;
//! * [`openapi`] – the description, made from the same routes.

pub mod auth;
pub mod error;
pub mod scope;
pub mod view;

mod accounts;
mod contacts;
mod conversations;
mod dead_letters;
mod events;
mod extract;
mod files;
mod frame;
mod health;
mod messages;
pub mod packs;
pub mod plugins;
mod routes;
mod stream;
mod tickets;
mod understanding;

use std::{sync::Arc, time::Duration, time::Instant};

use tandem_channel_kit::Stop;
use tandem_domain::store::Store;
use tandem_engine::Engine;
use tokio::sync::{Mutex, Semaphore};

pub use auth::Token;
pub use error::ApiError;
pub use packs::{AccountReload, Problem, Reload, ReloadOutcome, Reloads};
pub use plugins::{Images, NoPlugins, PluginReload, PluginState, PluginView, Plugins};
pub use routes::{openapi, router};
pub use scope::Scope;

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    pub tokens: Vec<Token>,
    /// Anyone may read `/metrics`.
    pub open_metrics: bool,
    /// Event streams open at the same time.
    pub streams: usize,
    /// Largest body, in bytes.
    pub body_limit: usize,
    pub request_timeout: Duration,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            open_metrics: false,
            streams: 256,
            body_limit: 1 << 20,
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// Writes the figures down in the Prometheus text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What every handler works with. Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

struct Inner {
    engine: Engine,
    config: ApiConfig,
    tokens: Vec<Arc<Token>>,
    reloads: Arc<dyn Reloads>,
    plugins: Arc<dyn Plugins>,
    metrics: RenderMetrics,
    stop: Stop,
    streams: Arc<Semaphore>,
    /// When the store was last asked, and whether it answered.
    last_look: Mutex<Option<(Instant, &'static str)>>,
}

impl ApiState {
    /// `stop` ends event streams and makes `/readyz` say so.
    #[must_use]
    pub fn new(
        engine: Engine,
        config: ApiConfig,
        reloads: Arc<dyn Reloads>,
        plugins: Arc<dyn Plugins>,
        metrics: RenderMetrics,
        stop: Stop,
    ) -> Self {
        Self(Arc::new(Inner {
            engine,
            tokens: config.tokens.iter().cloned().map(Arc::new).collect(),
            streams: Arc::new(Semaphore::new(config.streams)),
            config,
            reloads,
            plugins,
            metrics,
            stop,
            last_look: Mutex::new(None),
        }))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        self.0.engine.store()
    }

    pub(crate) fn config(&self) -> &ApiConfig {
        &self.0.config
    }

    pub(crate) fn tokens(&self) -> &[Arc<Token>] {
        &self.0.tokens
    }

    pub(crate) fn reloads(&self) -> &dyn Reloads {
        &*self.0.reloads
    }

    pub(crate) fn plugins(&self) -> &dyn Plugins {
        &*self.0.plugins
    }

    pub(crate) fn metrics(&self) -> String {
        (self.0.metrics)()
    }

    pub(crate) fn stop(&self) -> &Stop {
        &self.0.stop
    }

    pub(crate) fn stream_permits(&self) -> Arc<Semaphore> {
        self.0.streams.clone()
    }

    pub(crate) fn last_look(&self) -> &Mutex<Option<(Instant, &'static str)>> {
        &self.0.last_look
    }
}
