//! The embedding model that a plugin is.
//!
//! Vectors of two models say nothing of each other. So an embedder here is one load of the plugin:
//! when the plugin is loaded anew, that embedder answers no more, and packs are trained anew with
//! the next one.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tandem_domain::{
    embedder::EmbedError,
    reading::{Trainer, TrainingSet, Understanding},
};
use tandem_plugin_host::{Embed, Embedded, Kind, Meta, Plugin, PluginError};
use tandem_understanding::{PhraseTrainer, embedding::EmbeddingTrainer};
use tokio::runtime::Handle;

use super::{
    remembering,
    remote::{Ask, Remote},
};
use crate::plugins::PluginSet;

/// The one method of an embedder.
const METHOD: &str = "embed";

/// Trains packs with the plugin as it is loaded at the time; by their words where it cannot be used.
pub(super) struct PluginTrainer {
    pub plugins: Arc<PluginSet>,
    pub plugin: String,
    /// Texts whose vectors are kept in memory.
    pub cache: usize,
    /// Where they are kept between runs.
    pub file: PathBuf,
    pub runtime: Handle,
    /// Packs of one load share what is remembered.
    pub current: Mutex<Option<(u32, EmbeddingTrainer)>>,
}

impl PluginTrainer {
    /// For the plugin as it is loaded now.
    fn trainer(&self) -> Result<EmbeddingTrainer, EmbedError> {
        let embedder = PluginEmbedder::of(&self.plugins, &self.plugin, self.runtime.clone())?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((load, trainer)) = &*current
            && *load == embedder.asked.load
        {
            return Ok(trainer.clone());
        }
        let load = embedder.asked.load;
        let trainer = remembering(Arc::new(embedder), self.cache, self.file.clone());
        *current = Some((load, trainer.clone()));
        Ok(trainer)
    }

    fn with(
        &self,
        train: impl FnOnce(&dyn Trainer) -> Arc<dyn Understanding>,
    ) -> Arc<dyn Understanding> {
        match self.trainer() {
            Ok(trainer) => train(&trainer),
            Err(error) => {
                tracing::error!(%error, "Messages are understood by their words alone.");
                train(&PhraseTrainer)
            }
        }
    }
}

impl Trainer for PluginTrainer {
    fn train(&self, set: &TrainingSet) -> Arc<dyn Understanding> {
        self.with(|trainer| trainer.train(set))
    }

    fn retrain(&self, set: &TrainingSet, before: &dyn Understanding) -> Arc<dyn Understanding> {
        self.with(|trainer| trainer.retrain(set, before))
    }
}

/// One load of a plugin that is an embedder.
struct PluginEmbedder {
    plugin: Arc<Plugin>,
    load: u32,
    version: String,
}

impl PluginEmbedder {
    /// Calls nothing yet.
    fn of(plugins: &PluginSet, name: &str, runtime: Handle) -> Result<Remote<Self>, EmbedError> {
        let loaded = plugins.get(name).and_then(|plugin| {
            // Before the manifest: what is loaded in between is not taken for this load.
            let load = plugin.loads();
            Some((plugin.manifest()?, plugin, load))
        });
        let Some((manifest, plugin, load)) = loaded else {
            return Err(EmbedError::Broken(format!("no plugin `{name}` is loaded")));
        };
        if !manifest.offers(Kind::Embedder) {
            return Err(EmbedError::Broken(format!(
                "the plugin `{name}` is no embedder"
            )));
        }
        // Another configuration may be another model. Secrets are in it by where they are kept.
        let config = plugins.settings(name).map(|settings| &settings.config);
        let config = config.map_or_else(String::new, ToString::to_string);
        let config = blake3::hash(config.as_bytes()).to_hex();
        let version = manifest.version;
        let name = format!("{name} {version} {}", &config[..8]);
        let embedder = Self {
            plugin,
            load,
            version,
        };
        Ok(Remote::new(embedder, name, runtime))
    }

    /// That it is this load which answers, and no later one.
    fn is_loaded(&self) -> Result<(), EmbedError> {
        let manifest = self.plugin.manifest();
        let same = self.plugin.loads() == self.load
            && manifest.is_some_and(|manifest| manifest.version == self.version);
        match same {
            true => Ok(()),
            false => Err(EmbedError::Unavailable(
                "the plugin was loaded anew or ended".to_owned(),
            )),
        }
    }
}

impl Ask for PluginEmbedder {
    async fn ask(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let params = Embed {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            // Phrases, passages and messages share their vectors.
            purpose: None,
        };
        let params = serde_json::to_value(params).map_err(|error| unusable(&error))?;
        self.is_loaded()?;
        let answer = self
            .plugin
            .call(METHOD, &params, Meta::default(), None)
            .await;
        // A call goes to what is loaded then.
        self.is_loaded()?;
        let answer = answer.map_err(|error| failed(&error))?;
        let answer: Embedded = serde_json::from_value(answer).map_err(|error| unusable(&error))?;
        Ok(answer.vectors)
    }
}

fn unusable(why: &dyn std::fmt::Display) -> EmbedError {
    EmbedError::Answer(why.to_string())
}

fn failed(error: &PluginError) -> EmbedError {
    match error {
        PluginError::Busy => EmbedError::Busy,
        PluginError::Broken(_) | PluginError::TooLarge { .. } => unusable(error),
        PluginError::UnknownMethod(_) | PluginError::BadInput(_) => {
            EmbedError::Broken(error.to_string())
        }
        error => EmbedError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use tandem_domain::embedder::Embedder as _;

    use super::*;
    use crate::{
        config::{Config, Environment},
        embedding::OffWorker,
        plugins::PluginServices,
    };

    /// Says how long a text is and how many came together; some texts get what is no answer.
    const LENGTHS: &str = r#"
import json, sys
manifest = {"name": "lengths", "version": "VERSION", "kinds": {"KIND": 1}, "methods": {"METHOD": {}}}
odd = {"few": [], "none": [[]], "uneven": [[1, 2], [1]], "huge": [[1e39, 1]], "long": [[1, 2, 3]], "words": [["a"]]}
for line in sys.stdin:
    asked = json.loads(line)
    answer = {"result": None}
    if asked["method"] == "plugin.manifest":
        answer = {"result": manifest}
    elif asked["method"] == "embed":
        texts = asked["params"]["texts"]
        if texts[0] == "fail":
            answer = {"error": {"code": "away", "message": "not now"}}
        else:
            rows = [[len(text), len(texts)] for text in texts]
            answer = {"result": {"vectors": odd.get(texts[0], rows)}}
    print(json.dumps({"id": asked["id"], **answer}), flush=True)
"#;

    fn save(folder: &Path, version: &str, kind: &str, method: &str) {
        let script = LENGTHS
            .replace("VERSION", version)
            .replace("KIND", kind)
            .replace("METHOD", method);
        fs::write(folder.join("new.py"), script).unwrap();
        fs::rename(folder.join("new.py"), folder.join("lengths.py")).unwrap();
    }

    /// `None` where there is no Python.
    async fn open(folder: &Path, settings: &str) -> Option<Arc<PluginSet>> {
        if !crate::tests::python() {
            return None;
        }
        let text = format!(
            "data_dir: {0}/data\nplugin_folders: [{0}]\nplugins: {{lengths: {{command: [python3, lengths.py], config: {settings}}}}}",
            folder.display()
        );
        let environment = Environment::default();
        let config = Config::parse(&text, "tandem.yaml", &environment).unwrap();
        let options = tandem_store::SqliteOptions::default();
        let store = tandem_store::open_sqlite(":memory:", options).unwrap();
        let services = Arc::new(PluginServices::new(store));
        Some(
            PluginSet::open(&config, &environment, services)
                .await
                .unwrap(),
        )
    }

    fn embedder(plugins: &PluginSet) -> Result<Remote<PluginEmbedder>, EmbedError> {
        PluginEmbedder::of(plugins, "lengths", Handle::current())
    }

    async fn embed(
        embedder: &Arc<Remote<PluginEmbedder>>,
        texts: Vec<String>,
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let off = OffWorker(embedder.clone());
        let asked = tokio::spawn(async move {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            off.embed(&texts)
        });
        asked.await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn texts_go_in_batches_and_what_comes_back_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), "1", "embedder", "embed");
        let Some(plugins) = open(folder.path(), "{}").await else {
            return;
        };
        let embedder = Arc::new(embedder(&plugins).unwrap());
        let mut texts = vec!["x".to_owned(); 130];
        texts[0] = "长".repeat(5_000);
        let rows = embed(&embedder, texts).await.unwrap();
        assert_eq!((rows.len(), embedder.dimensions()), (130, 2));
        assert_eq!(rows[0], [4_000.0, 64.0]);
        assert_eq!((&rows[64], &rows[129]), (&vec![1.0, 64.0], &vec![1.0, 2.0]));
        assert_eq!(embed(&embedder, Vec::new()).await, Ok(Vec::new()));
        for odd in ["few", "none", "uneven", "huge", "long", "words"] {
            let refused = embed(&embedder, vec![odd.to_owned()]).await;
            assert!(
                matches!(refused, Err(EmbedError::Answer(_))),
                "{odd}: {refused:?}"
            );
        }
        let failed = embed(&embedder, vec!["fail".to_owned()]).await;
        assert!(matches!(failed, Err(EmbedError::Unavailable(why)) if why.contains("not now")));
        plugins.shutdown().await;
        let ended = embed(&embedder, vec!["x".to_owned()]).await;
        assert!(
            matches!(ended, Err(EmbedError::Unavailable(_))),
            "{ended:?}"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn another_load_is_another_embedder_and_another_version_or_configuration_another_name() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), "1", "embedder", "embed");
        let Some(plugins) = open(folder.path(), "{}").await else {
            return;
        };
        let before = Arc::new(embedder(&plugins).unwrap());
        let mut reloads = plugins.reloads("lengths").unwrap();
        embed(&before, vec!["x".to_owned()]).await.unwrap();
        plugins.reload("lengths").await.unwrap().unwrap();
        assert!(reloads.has_changed().unwrap());
        reloads.mark_unchanged();
        let gone = embed(&before, vec!["x".to_owned()]).await;
        assert!(matches!(gone, Err(EmbedError::Unavailable(_))), "{gone:?}");
        let same = Arc::new(embedder(&plugins).unwrap());
        assert_eq!(same.name(), before.name());
        embed(&same, vec!["x".to_owned()]).await.unwrap();

        save(folder.path(), "2", "embedder", "embed");
        plugins.reload("lengths").await.unwrap().unwrap();
        let next = embedder(&plugins).unwrap();
        assert!(next.name().starts_with("lengths 2 "), "{}", next.name());
        assert_ne!(next.name(), before.name());
        let other = open(folder.path(), "{model: large}").await.unwrap();
        assert_ne!(embedder(&other).unwrap().name(), next.name());

        save(folder.path(), "3", "action", "action.embed");
        plugins.reload("lengths").await.unwrap().unwrap();
        let none = embedder(&plugins).err();
        assert!(matches!(none, Some(EmbedError::Broken(_))), "{none:?}");
        save(folder.path(), "4", "nothing", "embed");
        reloads.mark_unchanged();
        plugins.reload("lengths").await.unwrap().unwrap_err();
        assert!(!reloads.has_changed().unwrap(), "nothing is loaded anew");
    }
}
