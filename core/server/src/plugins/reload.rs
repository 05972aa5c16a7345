//! Plugins loaded anew while the server runs: as their files are saved, or by hand.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::RecursiveMode;
use tandem_channel_kit::Stop;
use tandem_flow::diagnostic::{Words, words};
use tandem_plugin_host::{Retired, channel::plugin_of};

use super::{Entry, PluginSet};
use crate::reload::Saves;

/// By what a file is known to be another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([i128; 4]);

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let about = std::fs::metadata(path).ok()?;
        let modified = i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec());
        let changed = i128::from(about.ctime()) * 1_000_000_000 + i128::from(about.ctime_nsec());
        let (inode, size) = (i128::from(about.ino()), i128::from(about.size()));
        Some(Self([inode, size, modified, changed]))
    }
}

impl PluginSet {
    /// Loads a plugin anew from its file, with its secrets looked up again; one that was refused at
    /// the start is loaded now. `None` where no such plugin is configured.
    ///
    /// # Errors
    /// Why the new one is refused: the old one goes on.
    pub async fn reload(self: &Arc<Self>, name: &str) -> Option<Result<(), Words>> {
        // An account is reloaded with all that share its library.
        let name = plugin_of(name);
        self.entries.get(name)?;
        let (set, name) = (self.clone(), name.to_owned());
        // Whoever asked may be gone before the old one has ended, which must not stop its end.
        let reload = tokio::spawn(async move { set.reload_now(&name).await });
        Some(
            reload
                .await
                .unwrap_or_else(|_| Err(words("the reload failed", "重新加载失败"))),
        )
    }

    async fn reload_now(&self, plugin: &str) -> Result<(), Words> {
        let Some(entry) = self.entries.get(plugin) else {
            return Ok(());
        };
        let _busy = entry.busy.lock().await;
        let loads = || self.get(plugin).map(|plugin| plugin.loads());
        let before = loads();
        let loaded = self.load(plugin, entry).await;
        // Also where one of its accounts was refused after it.
        if loads() != before {
            entry
                .reloads
                .send_modify(|times| *times = times.wrapping_add(1));
        }
        match loaded {
            Ok(retired) => {
                let left = matches!(retired, Some(Retired::Leaked(_)));
                tracing::info!(plugin, left_behind = left, "The plugin is live as saved.");
                self.compare();
                Ok(())
            }
            Err(why) => {
                let text = &why.en;
                tracing::error!(
                    plugin,
                    "The plugin cannot be used as saved; what was loaded before goes on: {text}"
                );
                Err(why)
            }
        }
    }

    /// Reloads plugins as their files are saved, until `stop`.
    pub fn watch(self: &Arc<Self>, stop: &Stop) {
        let mut folders: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
        for (name, entry) in &self.entries {
            let file = entry.settings.file(&self.folders);
            if let Some(folder) = file.as_deref().and_then(Path::parent) {
                folders
                    .entry(folder.to_owned())
                    .or_default()
                    .push(name.clone());
            }
        }
        for (folder, names) in folders {
            let (set, stop) = (self.clone(), stop.child());
            tokio::spawn(async move {
                let mut saves = match Saves::in_folder(&folder, RecursiveMode::NonRecursive) {
                    Ok(saves) => saves,
                    Err(error) => {
                        tracing::warn!(folder = %folder.display(), %error, "The plugins' folder cannot be watched; reload over the API.");
                        return;
                    }
                };
                loop {
                    // Also once before the first: what was saved while the server started.
                    for name in &names {
                        set.reload_changed(name).await;
                    }
                    if !saves.next(&stop).await {
                        return;
                    }
                }
            });
        }
    }

    async fn reload_changed(self: &Arc<Self>, name: &str) {
        let Some(entry) = self.entries.get(name) else {
            return;
        };
        // A file that is gone is being replaced, or is missed when it is needed again.
        let now = entry.stamp(&self.folders);
        if now.is_none() || now == entry.state().seen {
            return;
        }
        // What became of it is in the log.
        let _ = self.reload(name).await;
    }
}

impl Entry {
    pub(super) fn stamp(&self, folders: &[PathBuf]) -> Option<Stamp> {
        Stamp::of(&self.settings.file(folders)?)
    }
}
