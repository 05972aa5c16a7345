//! Hot reload: a saved file is checked and the pack swapped whole; a pack with errors changes
//! nothing and is reported.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use notify::{RecursiveMode, Watcher as _};
use tandem_channel_kit::Stop;
use tandem_domain::Timestamp;
use tandem_engine::packs::PackSet;
use tandem_flow::diagnostic::Diagnostic;
use tokio::sync::mpsc;

/// Editors save in several steps; a reload waits until they are through.
const QUIET: Duration = Duration::from_millis(150);

/// How the last attempt to load a pack went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub at: Timestamp,
    /// Whether this version went live.
    pub live: bool,
    pub diagnostics: Vec<Diagnostic>,
    /// Why it could not be stored, when that was the reason.
    pub error: Option<String>,
}

/// A pack on disk and the live versions made of it.
pub struct Reloader {
    folder: PathBuf,
    packs: Arc<PackSet>,
    last: Mutex<Outcome>,
    /// One reload at a time.
    busy: tokio::sync::Mutex<()>,
}

impl Reloader {
    #[must_use]
    pub fn new(folder: PathBuf, packs: Arc<PackSet>, warnings: Vec<Diagnostic>) -> Self {
        Self {
            folder,
            packs,
            last: Mutex::new(Outcome {
                at: Timestamp::now(),
                live: true,
                diagnostics: warnings,
                error: None,
            }),
            busy: tokio::sync::Mutex::new(()),
        }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn packs(&self) -> &Arc<PackSet> {
        &self.packs
    }

    #[must_use]
    pub fn last(&self) -> Outcome {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads the folder and swaps the pack in if it has no errors.
    pub async fn reload(&self) -> Outcome {
        let _busy = self.busy.lock().await;
        let folder = self.folder.clone();
        let loaded = tokio::task::spawn_blocking(move || tandem_flow::load::load_dir(&folder)).await;
        let outcome = match loaded {
            Err(error) => Outcome {
                at: Timestamp::now(),
                live: false,
                diagnostics: Vec::new(),
                error: Some(format!("the loader failed: {error}")),
            },
            Ok(loaded) => self.swap(loaded).await,
        };
        report(&self.folder, &outcome);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = outcome.clone();
        outcome
    }

    async fn swap(&self, loaded: tandem_flow::load::Loaded) -> Outcome {
        let at = Timestamp::now();
        let diagnostics = loaded.diagnostics;
        let Some(pack) = loaded.pack else {
            return Outcome {
                at,
                live: false,
                diagnostics,
                error: None,
            };
        };
        if pack.hash == self.packs.view().current.pack.hash {
            return Outcome {
                at,
                live: true,
                diagnostics,
                error: None,
            };
        }
        let swapped = self.packs.swap(pack).await;
        Outcome {
            at,
            live: swapped.is_ok(),
            diagnostics,
            error: swapped.err().map(|error| error.to_string()),
        }
    }

    /// Watches the folder until `stop`.
    ///
    /// # Errors
    /// When the folder cannot be watched.
    pub async fn watch(self: Arc<Self>, stop: Stop) -> notify::Result<()> {
        // One waiting signal is enough: a reload reads everything.
        let (saved, mut signal) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let relevant = match event {
                Ok(event) => !event.kind.is_access(),
                Err(_) => true,
            };
            if relevant {
                // A full channel already says it.
                let _ = saved.try_send(());
            }
        })?;
        watcher.watch(&self.folder, RecursiveMode::Recursive)?;
        while stop.or(signal.recv()).await.flatten().is_some() {
            while tokio::time::timeout(QUIET, signal.recv()).await.is_ok() {
                if stop.is_stopped() {
                    return Ok(());
                }
            }
            self.reload().await;
        }
        Ok(())
    }
}

fn report(folder: &Path, outcome: &Outcome) {
    let folder = folder.display();
    if let Some(error) = &outcome.error {
        tracing::error!(%folder, %error, "The pack could not be swapped in; the last good version stays live.");
    } else if outcome.live {
        tracing::info!(%folder, "The pack is live as saved.");
    } else {
        tracing::error!(%folder, "The pack has errors; the last good version stays live.");
    }
    for diagnostic in outcome.diagnostics.iter().filter(|d| d.is_error()) {
        tracing::error!(%folder, "{}", diagnostic.one_line());
    }
}
