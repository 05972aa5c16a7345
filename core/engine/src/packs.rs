//! Versions of a pack: the one new flows start in, and those that running frames are pinned to.
//!
//! A version is kept in the store by its content, so a pinned frame outlives a restart. The flows
//! and the model trained on them swap together.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwap;
use tandem_domain::{
    Timestamp, WorkspaceId,
    reading::{Trainer, TrainingSet, Understanding},
    store::{Commit, PackRow, Store, StoreError, Write},
};
use tandem_flow::{model::Pack, step::Packs};

/// A pack and what understanding learned from it.
pub struct Version {
    pub pack: Arc<Pack>,
    pub model: Arc<dyn Understanding>,
}

/// One consistent view for one turn: what is current, and every pinned version it may need.
#[derive(Clone)]
pub struct View {
    pub current: Arc<Version>,
    pinned: Arc<HashMap<String, Arc<Pack>>>,
}

impl Packs for View {
    fn current(&self) -> &Arc<Pack> {
        &self.current.pack
    }

    fn pinned(&self, structure: &str) -> Option<Arc<Pack>> {
        if self.current.pack.structure == structure {
            return Some(self.current.pack.clone());
        }
        self.pinned.get(structure).cloned()
    }
}

/// The live versions of one workspace's pack.
pub struct PackSet {
    workspace: WorkspaceId,
    name: String,
    store: Arc<dyn Store>,
    trainer: Arc<dyn Trainer>,
    view: ArcSwap<View>,
    /// Held while the view is replaced, so that two swaps don't undo each other.
    swapping: Mutex<()>,
}

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a stored version of the pack `{0}` no longer loads: {1}")]
    Stored(String, String),
}

impl PackSet {
    /// Trains the pack, stores this version and makes it the active one.
    ///
    /// # Errors
    /// When the store cannot keep it.
    pub async fn open(
        workspace: WorkspaceId,
        store: Arc<dyn Store>,
        trainer: Arc<dyn Trainer>,
        pack: Pack,
    ) -> Result<Self, PackError> {
        let name = pack.name.clone();
        keep(&*store, &workspace, &pack).await?;
        let current = Arc::new(train(trainer.clone(), pack, None).await);
        Ok(Self {
            workspace,
            name,
            store,
            trainer,
            view: ArcSwap::from_pointee(View {
                current,
                pinned: Arc::default(),
            }),
            swapping: Mutex::new(()),
        })
    }

    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Replaces the active version. Frames of the old one go on in it; where only texts differ
    /// they speak the new words at once.
    ///
    /// # Errors
    /// When the store cannot keep it; the old version then stays.
    pub async fn swap(&self, pack: Pack) -> Result<(), PackError> {
        keep(&*self.store, &self.workspace, &pack).await?;
        let old = self.view();
        let same_lessons = old.current.pack.training_set() == pack.training_set();
        let version = if same_lessons {
            Version {
                pack: Arc::new(pack),
                model: old.current.model.clone(),
            }
        } else {
            train(self.trainer.clone(), pack, Some(old.current.model.clone())).await
        };
        let _swapping = self.lock();
        let old = self.view();
        let mut pinned = (*old.pinned).clone();
        pinned.insert(old.current.pack.structure.clone(), old.current.pack.clone());
        pinned.remove(&version.pack.structure);
        self.view.store(Arc::new(View {
            current: Arc::new(version),
            pinned: Arc::new(pinned),
        }));
        Ok(())
    }

    /// Learns the active version anew, where what packs are trained with has become another. Not to
    /// be called while a [`swap`](Self::swap) is under way.
    pub async fn retrain(&self) {
        let old = self.view().current.clone();
        let set = old.pack.training_set();
        let model = learn(self.trainer.clone(), set, Some(old.model.clone())).await;
        let _swapping = self.lock();
        let view = self.view();
        let pack = old.pack.clone();
        self.view.store(Arc::new(View {
            current: Arc::new(Version { pack, model }),
            pinned: view.pinned.clone(),
        }));
    }

    /// Brings back the versions that a lane's frames are pinned to, after a restart.
    ///
    /// # Errors
    /// When the store cannot be read. A version that is gone or no longer loads is left out:
    /// the stepper then moves the frame to the current one.
    pub async fn ensure(&self, structures: &[String]) -> Result<(), PackError> {
        for structure in structures {
            if self.view().pinned(structure).is_some() {
                continue;
            }
            let row = self
                .store
                .pack_by_structure(&self.workspace, &self.name, structure)
                .await?;
            let Some(row) = row else { continue };
            let loaded = tandem_flow::load::load_files(row.files);
            let Some(pack) = loaded.pack else {
                tracing::warn!(pack = %self.name, structure, "A stored version of the pack no longer loads; its conversations move to the current one.");
                continue;
            };
            let _swapping = self.lock();
            let old = self.view();
            let mut pinned = (*old.pinned).clone();
            pinned.insert(structure.clone(), Arc::new(pack));
            self.view.store(Arc::new(View {
                current: old.current.clone(),
                pinned: Arc::new(pinned),
            }));
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ()> {
        // Nothing in the critical section can leave the view half made.
        self.swapping
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn keep(store: &dyn Store, workspace: &WorkspaceId, pack: &Pack) -> Result<(), PackError> {
    let mut commit = Commit::new(workspace.clone());
    commit.writes.push(Write::PackPut(PackRow {
        name: pack.name.clone(),
        hash: pack.hash.clone(),
        structure: pack.structure.clone(),
        files: pack.files.clone(),
        created_at: Timestamp::now(),
    }));
    commit.writes.push(Write::PackActivate {
        name: pack.name.clone(),
        hash: pack.hash.clone(),
    });
    store.commit(commit).await?;
    Ok(())
}

async fn train(
    trainer: Arc<dyn Trainer>,
    pack: Pack,
    before: Option<Arc<dyn Understanding>>,
) -> Version {
    let model = learn(trainer, pack.training_set(), before).await;
    Version {
        pack: Arc::new(pack),
        model,
    }
}

/// Trains off the async workers: a large pack takes seconds.
async fn learn(
    trainer: Arc<dyn Trainer>,
    set: TrainingSet,
    before: Option<Arc<dyn Understanding>>,
) -> Arc<dyn Understanding> {
    let learned = tokio::task::spawn_blocking(move || match before {
        Some(before) => trainer.retrain(&set, &*before),
        None => trainer.train(&set),
    });
    learned.await.expect("training a model does not panic")
}
