//! The embedding model an operator adds: opened or called as configured, kept between runs, and
//! left out with a line in the log when it cannot be had.
//!
//! * [`trainer`] – what packs are trained with;
//! * `remote` – a model that is asked: behind an address (`service`), or a plugin (`plugin`).

mod plugin;
mod remote;
mod service;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tandem_domain::{
    embedder::{EmbedError, Embedder},
    reading::Trainer,
};
use tandem_net::Transport;
use tandem_understanding::{
    PhraseTrainer,
    embedding::{Cached, EmbeddingTrainer},
};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::{
    config::{Config, Environment, wire::WireError},
    plugins::PluginSet,
};
use plugin::PluginTrainer;
use service::Service;

/// What packs are trained with: an embedder where one is configured and can be had. One that is a
/// plugin is looked for each time a pack is trained.
///
/// # Errors
/// When a service's key is not where the configuration says.
pub async fn trainer(
    config: &Config,
    environment: &Environment,
    transport: &Transport,
    plugins: &Arc<PluginSet>,
) -> Result<Arc<dyn Trainer>, WireError> {
    let Some(wanted) = &config.understanding.embedder else {
        return Ok(Arc::new(PhraseTrainer));
    };
    let file = config.data_dir.join("embeddings.bin");
    if let Some(plugin) = &wanted.plugin {
        return Ok(Arc::new(PluginTrainer {
            plugins: plugins.clone(),
            plugin: plugin.clone(),
            cache: wanted.cache,
            file,
            runtime: Handle::current(),
            current: Mutex::default(),
        }));
    }
    let opened = match (&wanted.endpoint, &wanted.model_dir) {
        (Some(endpoint), _) => {
            let key = config.embedder_key(environment)?;
            Service::new(endpoint, key, transport).map(|s| Arc::new(s) as Arc<dyn Embedder>)
        }
        (None, Some(folder)) => open(folder.clone()).await,
        (None, None) => return Ok(Arc::new(PhraseTrainer)),
    };
    Ok(match opened {
        Ok(embedder) => Arc::new(remembering(embedder, wanted.cache, file)),
        Err(error) => {
            tracing::error!(%error, "Messages are understood by their words alone.");
            Arc::new(PhraseTrainer)
        }
    })
}

/// Trains with this embedder, whose vectors are kept in the file.
fn remembering(embedder: Arc<dyn Embedder>, cache: usize, file: PathBuf) -> EmbeddingTrainer {
    let kept = Arc::new(Kept {
        cached: Cached::new(embedder.clone(), cache),
        embedder,
        file,
        taken_back: Mutex::default(),
    });
    let keeper = kept.clone();
    EmbeddingTrainer::new(Arc::new(OffWorker(kept))).after(move || keeper.keep())
}

/// An embedder whose vectors outlive the process.
struct Kept {
    cached: Cached,
    embedder: Arc<dyn Embedder>,
    file: PathBuf,
    /// Whether those of an earlier run are at hand; who comes meanwhile waits for them.
    taken_back: Mutex<bool>,
}

impl Kept {
    fn take_back(&self) {
        let mut done = self
            .taken_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *done, true) {
            return;
        }
        let Ok(bytes) = std::fs::read(&self.file) else {
            return;
        };
        // Some tell the length of their vectors with an answer only, and another length is another
        // model, whatever its name. One that does not answer now is taken by its name.
        if self.embedder.dimensions() == 0 {
            let _ = self.embedder.embed(&["?"]);
        }
        let texts = self.cached.restore(&bytes);
        tracing::info!(texts, "Vectors of an earlier run are at hand.");
    }

    /// Written beside and moved over, so that a crash leaves the old or the new file.
    fn keep(&self) {
        let beside = self.file.with_extension("new");
        let kept = std::fs::write(&beside, self.cached.to_bytes())
            .and_then(|()| std::fs::rename(&beside, &self.file));
        if let Err(error) = kept {
            let file = self.file.display();
            tracing::warn!(%error, %file, "The vectors could not be kept; they are made again at the next start.");
        }
    }
}

impl Embedder for Kept {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.take_back();
        self.cached.embed(texts)
    }

    fn dimensions(&self) -> usize {
        self.cached.dimensions()
    }

    fn name(&self) -> &str {
        self.cached.name()
    }
}

#[cfg(feature = "embedding")]
async fn open(folder: PathBuf) -> Result<Arc<dyn Embedder>, EmbedError> {
    let opening =
        tokio::task::spawn_blocking(move || tandem_understanding::embedding::Local::open(&folder));
    let opened = opening
        .await
        .map_err(|error| EmbedError::Broken(error.to_string()))?;
    opened.map(|model| Arc::new(model) as Arc<dyn Embedder>)
}

#[cfg(not(feature = "embedding"))]
async fn open(folder: PathBuf) -> Result<Arc<dyn Embedder>, EmbedError> {
    Err(EmbedError::Broken(format!(
        "{}: this program was built without models of its own",
        folder.display()
    )))
}

/// Tells tokio before its worker is held up by a model or a service.
struct OffWorker(Arc<dyn Embedder>);

impl Embedder for OffWorker {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let shared = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() != RuntimeFlavor::CurrentThread);
        if shared {
            tokio::task::block_in_place(|| self.0.embed(texts))
        } else {
            self.0.embed(texts)
        }
    }

    fn dimensions(&self) -> usize {
        self.0.dimensions()
    }

    fn name(&self) -> &str {
        self.0.name()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    /// Tells the length of its vectors with an answer only, and counts the texts it is asked.
    #[derive(Default)]
    struct Model {
        numbers: usize,
        known: OnceLock<usize>,
        asked: Mutex<Vec<String>>,
    }

    impl Embedder for Model {
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
            let mut asked = self.asked.lock().unwrap();
            asked.extend(texts.iter().map(|text| (*text).to_owned()));
            let length = *self.known.get_or_init(|| self.numbers);
            Ok(vec![vec![1.0; length]; texts.len()])
        }

        fn dimensions(&self) -> usize {
            self.known.get().copied().unwrap_or(0)
        }

        fn name(&self) -> &str {
            "model"
        }
    }

    #[test]
    fn vectors_outlive_the_process_unless_the_model_gives_others() {
        let folder = tempfile::tempdir().unwrap();
        let run = |numbers: usize| {
            let model = Arc::new(Model {
                numbers,
                ..Model::default()
            });
            let kept = Kept {
                cached: Cached::new(model.clone(), 10),
                embedder: model.clone(),
                file: folder.path().join("embeddings.bin"),
                taken_back: Mutex::default(),
            };
            let rows = kept.embed(&["a", "b"]).unwrap();
            assert!(rows.iter().all(|row| row.len() == numbers));
            kept.keep();
            std::mem::take(&mut *model.asked.lock().unwrap())
        };
        assert_eq!(run(2), ["a", "b"]);
        assert_eq!(run(2), ["?"]);
        assert_eq!(run(3), ["?", "a", "b"]);
        assert_eq!(run(3), ["?"]);
    }
}
