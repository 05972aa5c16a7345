//! Logs: fields and one full sentence, as text for people or JSON for machines, on standard error.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

#[derive(Clone, Debug)]
pub struct Logging {
    pub json: bool,
    /// As `RUST_LOG` is written; that variable goes first.
    pub level: String,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            json: false,
            level: "info".into(),
        }
    }
}

/// Begins to log. A second call changes nothing.
pub fn start(logging: &Logging) {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(&logging.level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let started = if logging.json {
        let layer = fmt::layer().json().with_writer(std::io::stderr);
        registry.with(layer).try_init()
    } else {
        let layer = fmt::layer()
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .with_writer(std::io::stderr);
        registry.with(layer).try_init()
    };
    // Tests start several servers in one process: the first one's settings stand.
    drop(started);
}
