//! Hot reload: a saved file is checked and the pack swapped whole; a pack with errors changes
//! nothing and is reported.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use notify::{RecursiveMode, Watcher as _};
use tandem_api::{AccountReload, Problem, Reload, ReloadOutcome};
use tandem_channel_kit::Stop;
use tandem_domain::{AccountId, Locale, Text, Timestamp, WorkspaceId};
use tandem_engine::packs::PackSet;
use tandem_flow::{
    diagnostic::{Diagnostic, Severity, Words},
    load::Loaded,
};
use tokio::sync::mpsc;

use crate::{accounts::Accounts, plugins::PluginSet};

/// Editors save in several steps; a reload waits until they are through.
const QUIET: Duration = Duration::from_millis(150);

/// A pack on disk and the live versions made of it.
pub struct Reloader {
    folder: PathBuf,
    packs: Arc<PackSet>,
    /// What the pack expects of them may be another with it.
    plugins: Arc<PluginSet>,
    last: Mutex<Option<Reload>>,
    /// One reload at a time.
    busy: tokio::sync::Mutex<()>,
}

impl Reloader {
    #[must_use]
    pub fn new(folder: PathBuf, packs: Arc<PackSet>, plugins: Arc<PluginSet>) -> Self {
        Self {
            folder,
            packs,
            plugins,
            last: Mutex::default(),
            busy: tokio::sync::Mutex::default(),
        }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How the last reload ended; none before the first.
    #[must_use]
    pub fn last(&self) -> Option<Reload> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Learns the live version anew: what packs are trained with is another.
    pub async fn retrain(&self) {
        let _busy = self.busy.lock().await;
        self.packs.retrain().await;
    }

    /// Reads the folder and swaps the pack in if it has no errors.
    pub async fn reload(&self) -> Reload {
        let _busy = self.busy.lock().await;
        let folder = self.folder.clone();
        let loaded =
            tokio::task::spawn_blocking(move || tandem_flow::load::load_dir(&folder)).await;
        let reload = match loaded {
            Ok(loaded) => self.swap(loaded).await,
            Err(error) => {
                tracing::error!(%error, "The loader failed.");
                Reload {
                    at: Timestamp::now(),
                    outcome: ReloadOutcome::Refused,
                    problems: Vec::new(),
                }
            }
        };
        self.report(&reload);
        if reload.outcome == ReloadOutcome::Swapped {
            self.plugins.compare();
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(reload.clone());
        reload
    }

    async fn swap(&self, loaded: Loaded) -> Reload {
        let problems = loaded.diagnostics.iter().map(problem).collect();
        let outcome = match loaded.pack {
            None => ReloadOutcome::Refused,
            Some(pack) if pack.hash == self.packs.view().current.pack.hash => {
                ReloadOutcome::Unchanged
            }
            Some(pack) => match self.packs.swap(pack).await {
                Ok(()) => ReloadOutcome::Swapped,
                Err(error) => {
                    tracing::error!(%error, "The new version could not be stored.");
                    ReloadOutcome::Refused
                }
            },
        };
        Reload {
            at: Timestamp::now(),
            outcome,
            problems,
        }
    }

    fn report(&self, reload: &Reload) {
        let folder = self.folder.display();
        match reload.outcome {
            ReloadOutcome::Unchanged => return,
            ReloadOutcome::Swapped => tracing::info!(%folder, "The pack is live as saved."),
            ReloadOutcome::Refused => {
                tracing::error!(%folder, "The pack cannot be used as saved; the last good version stays live.");
            }
        }
        for problem in reload.problems.iter().filter(|p| p.severity == "error") {
            let english = problem.message.0.values().next().map_or("", String::as_str);
            tracing::error!(%folder, "{}:{}:{}: {english}", problem.file, problem.line, problem.column);
        }
    }

    /// Watches the folder until `stop`.
    ///
    /// # Errors
    /// When the folder cannot be watched.
    pub async fn watch(self: Arc<Self>, stop: Stop) -> notify::Result<()> {
        let mut saves = Saves::in_folder(&self.folder, RecursiveMode::Recursive)?;
        while saves.next(&stop).await {
            self.reload().await;
        }
        Ok(())
    }
}

/// Notices that files of a folder were saved.
pub struct Saves {
    signal: mpsc::Receiver<()>,
    /// Watches for as long as it is held.
    _watcher: notify::RecommendedWatcher,
}

impl Saves {
    /// # Errors
    /// When the folder cannot be watched.
    pub fn in_folder(folder: &Path, mode: RecursiveMode) -> notify::Result<Self> {
        // One waiting signal is enough: a reload reads everything.
        let (saved, signal) = mpsc::channel(1);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.is_ok_and(|event| event.kind.is_access()) {
                    return;
                }
                // A full channel already says it.
                let _ = saved.try_send(());
            })?;
        watcher.watch(folder, mode)?;
        Ok(Self {
            signal,
            _watcher: watcher,
        })
    }

    /// Waits until something was saved and all is quiet again. False once stopped.
    pub async fn next(&mut self, stop: &Stop) -> bool {
        if stop.or(self.signal.recv()).await.flatten().is_none() {
            return false;
        }
        while tokio::time::timeout(QUIET, self.signal.recv())
            .await
            .is_ok()
        {
            if stop.is_stopped() {
                return false;
            }
        }
        true
    }
}

/// What can be loaded again, for the API.
pub struct Reloaders {
    pub packs: HashMap<WorkspaceId, Arc<Reloader>>,
    pub(crate) accounts: Arc<Accounts>,
}

#[async_trait]
impl tandem_api::Reloads for Reloaders {
    fn last(&self, workspace: &WorkspaceId) -> Option<Reload> {
        self.packs.get(workspace)?.last()
    }

    async fn reload(&self, workspace: &WorkspaceId) -> Reload {
        match self.packs.get(workspace) {
            Some(reloader) => reloader.reload().await,
            None => Reload {
                at: Timestamp::now(),
                outcome: ReloadOutcome::Refused,
                problems: Vec::new(),
            },
        }
    }

    async fn reload_account(&self, account: &AccountId) -> Result<AccountReload, String> {
        let reloaded = self.accounts.reload(account).await;
        reloaded.map_err(|error| format!("{error:#}"))
    }
}

fn problem(diagnostic: &Diagnostic) -> Problem {
    Problem {
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
        .into(),
        code: diagnostic.code.into(),
        file: diagnostic.file.clone(),
        line: diagnostic.line,
        column: diagnostic.column,
        source: Some(diagnostic.source_line.clone()),
        message: both(&diagnostic.message),
        hint: Some(both(&diagnostic.hint)),
    }
}

fn both(words: &Words) -> Text {
    Text(BTreeMap::from([
        (Locale::new("en"), words.en.clone()),
        (Locale::new("zh"), words.zh.clone()),
    ]))
}
