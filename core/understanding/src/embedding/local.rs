//! A sentence embedding model from a folder, run in this process.
//!
//! The folder is laid out as Hugging Face's: `config.json`, `tokenizer.json` and
//! `model.safetensors`, and, where sentence-transformers wrote them, `modules.json`,
//! `1_Pooling/config.json` and `sentence_bert_config.json`. Pure Rust on the processor.

use std::{collections::BTreeMap, fs, path::Path};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, de::DeserializeOwned};
use tokenizers::{Tokenizer, TruncationParams};

use super::{
    EmbedError, Embedder,
    bert::{Bert, Config},
};

/// Larger files are refused: a model of this size answers no message in time.
const MAX_WEIGHTS: u64 = 4 << 30;
const MAX_JSON: u64 = 64 << 20;
/// Characters of a text that are read, and tokens where the folder names no number.
const MAX_CHARS: usize = 4_000;
const MAX_TOKENS: usize = 256;
/// Tokens that are computed at once, in texts of the same length: bounds the memory of a batch.
const BATCH_TOKENS: usize = 2_048;

/// A model in memory: as large as its file.
pub struct Local {
    name: String,
    tokenizer: Tokenizer,
    bert: Bert,
    pooling: Pooling,
    dimensions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pooling {
    Mean,
    First,
}

#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    /// How newer versions say it.
    #[serde(default)]
    pooling_mode: Option<String>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Local {
    /// Reads a model folder.
    ///
    /// # Errors
    /// [`EmbedError::Broken`] when a file is missing, cannot be read or is of a kind that is not
    /// run here.
    pub fn open(folder: &Path) -> Result<Self, EmbedError> {
        let config: Config = json(folder, "config.json")?;
        if let Some(fault) = config.fault() {
            return Err(broken(folder, "config.json", fault));
        }
        let sentence: SentenceConfig =
            optional(folder, "sentence_bert_config.json")?.unwrap_or_default();
        let longest = sentence.max_seq_length.unwrap_or(MAX_TOKENS);
        let longest = longest.clamp(4, config.longest().max(4));
        let bytes = read(folder, "tokenizer.json", MAX_JSON)?;
        let mut tokenizer = Tokenizer::from_bytes(&bytes)
            .map_err(|error| broken(folder, "tokenizer.json", error))?;
        let cut = TruncationParams {
            max_length: longest,
            ..TruncationParams::default()
        };
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(Some(cut))
            .map_err(|error| broken(folder, "tokenizer.json", error))?;
        let weights = read(folder, "model.safetensors", MAX_WEIGHTS)?;
        // What tells this model from another in what is kept of it.
        let print = blake3::Hasher::new()
            .update(&weights)
            .update(&bytes)
            .finalize();
        let file = |error| broken(folder, "model.safetensors", error);
        let vars = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)
            .map_err(file)?;
        let bert = Bert::load(&vars, &config).map_err(file)?;
        let model = Self {
            name: format!("{} {}", name(folder), &print.to_hex()[..12]),
            tokenizer,
            bert,
            pooling: pooling(folder)?,
            dimensions: config.dimensions(),
        };
        // A vocabulary that does not fit its weights is told now, not at a customer's message.
        model.embed(&["Hello, 你好 123"])?;
        Ok(model)
    }

    fn batch(&self, ids: &[u32], texts: usize) -> candle_core::Result<Vec<Vec<f32>>> {
        let out: Tensor = self.bert.run(ids, texts)?;
        let pooled = match self.pooling {
            Pooling::Mean => out.mean(1)?,
            Pooling::First => out.narrow(1, 0, 1)?.squeeze(1)?,
        };
        pooled.to_vec2()
    }
}

impl Embedder for Local {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let fault =
            |error: &dyn std::fmt::Display| EmbedError::Broken(format!("{}: {error}", self.name));
        let mut ids: Vec<Vec<u32>> = Vec::with_capacity(texts.len());
        for text in texts {
            let end = text
                .char_indices()
                .nth(MAX_CHARS)
                .map_or(text.len(), |(at, _)| at);
            let encoded = self
                .tokenizer
                .encode_fast(&text[..end], true)
                .map_err(|e| fault(&e))?;
            let mut encoded = encoded.get_ids().to_vec();
            if encoded.is_empty() {
                encoded.push(0);
            }
            ids.push(encoded);
        }
        let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (text, ids) in ids.iter().enumerate() {
            by_length.entry(ids.len()).or_default().push(text);
        }
        let mut rows = vec![Vec::new(); texts.len()];
        for (length, members) in by_length {
            for batch in members.chunks((BATCH_TOKENS / length).max(1)) {
                let flat: Vec<u32> = batch.iter().flat_map(|t| ids[*t].iter().copied()).collect();
                let vectors = self.batch(&flat, batch.len()).map_err(|e| fault(&e))?;
                for (text, vector) in batch.iter().zip(vectors) {
                    rows[*text] = super::unit(vector)?;
                }
            }
        }
        Ok(rows)
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn name(&self) -> &str {
        &self.name
    }
}

fn pooling(folder: &Path) -> Result<Pooling, EmbedError> {
    let modules: Option<Vec<Module>> = optional(folder, "modules.json")?;
    for module in modules.iter().flatten() {
        let kind = module.kind.rsplit('.').next().unwrap_or_default();
        if !["Transformer", "Pooling", "Normalize"].contains(&kind) {
            let fault = format!("its part `{kind}` is not run here");
            return Err(broken(folder, "modules.json", fault));
        }
    }
    let file = "1_Pooling/config.json";
    let Some(config) = optional::<PoolingConfig>(folder, file)? else {
        return Ok(Pooling::Mean);
    };
    match config.pooling_mode.as_deref() {
        Some("mean") => Ok(Pooling::Mean),
        Some("cls") => Ok(Pooling::First),
        None if config.pooling_mode_mean_tokens => Ok(Pooling::Mean),
        None if config.pooling_mode_cls_token => Ok(Pooling::First),
        _ => Err(broken(
            folder,
            file,
            "it pools neither by mean nor by first token",
        )),
    }
}

/// The folder's own name, where it says something.
fn name(folder: &Path) -> String {
    let name = folder
        .canonicalize()
        .unwrap_or_else(|_| folder.to_path_buf());
    let name = name.file_name().map(|n| n.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "model".to_owned())
}

fn json<T: DeserializeOwned>(folder: &Path, file: &str) -> Result<T, EmbedError> {
    let bytes = read(folder, file, MAX_JSON)?;
    serde_json::from_slice(&bytes).map_err(|error| broken(folder, file, error))
}

fn optional<T: DeserializeOwned>(folder: &Path, file: &str) -> Result<Option<T>, EmbedError> {
    if folder.join(file).is_file() {
        json(folder, file).map(Some)
    } else {
        Ok(None)
    }
}

fn read(folder: &Path, file: &str, most: u64) -> Result<Vec<u8>, EmbedError> {
    let path = folder.join(file);
    let size = fs::metadata(&path)
        .map_err(|error| broken(folder, file, error))?
        .len();
    if size > most {
        return Err(broken(folder, file, format!("{size} bytes are too many")));
    }
    fs::read(&path).map_err(|error| broken(folder, file, error))
}

fn broken(folder: &Path, file: &str, why: impl std::fmt::Display) -> EmbedError {
    EmbedError::Broken(format!("{}: {why}", folder.join(file).display()))
}
