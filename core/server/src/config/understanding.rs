//! Settings of understanding: the embedding model an operator may add.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Secret, Span, check::is_address};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Understanding {
    /// Lifts understanding beyond the words of a pack's phrases; none by default.
    pub embedder: Option<Embedder>,
}

/// A model in a folder, a service, or a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Embedder {
    /// A folder with config.json, tokenizer.json and model.safetensors, as Hugging Face lays them
    /// out; run in this process.
    pub model_dir: Option<PathBuf>,
    pub endpoint: Option<Endpoint>,
    /// The name of a plugin that is an embedder.
    pub plugin: Option<String>,
    /// Texts whose vectors are kept in memory.
    #[schemars(range(min = 1))]
    pub cache: usize,
}

/// A service that speaks OpenAI's embeddings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// What /embeddings is added to, as https://api.example.com/v1.
    pub url: String,
    pub model: String,
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// How long one call may take; a message is read by its words when it takes longer.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// Let the address be this machine or a private one.
    #[serde(default)]
    pub allow_private: bool,
}

impl Default for Embedder {
    fn default() -> Self {
        Self {
            model_dir: None,
            endpoint: None,
            plugin: None,
            cache: 20_000,
        }
    }
}

fn timeout() -> Span {
    Span::secs(2)
}

impl Understanding {
    /// What cannot work, with the setting it stands in, in English and Chinese.
    pub(super) fn objection(
        &self,
    ) -> Option<(&'static [&'static str], &'static str, &'static str)> {
        let embedder = self.embedder.as_ref()?;
        let sources = [
            embedder.model_dir.is_some(),
            embedder.endpoint.is_some(),
            embedder.plugin.is_some(),
        ];
        if sources.into_iter().filter(|is| *is).count() != 1 {
            return Some((
                &["understanding", "embedder"],
                "an embedder has one of `model_dir`, `endpoint` and `plugin`",
                "嵌入模型须有 `model_dir`、`endpoint`、`plugin` 中的一项",
            ));
        }
        if embedder.cache == 0 {
            return Some((
                &["understanding", "embedder", "cache"],
                "this must be 1 or more",
                "须为 1 或更大",
            ));
        }
        let endpoint = embedder.endpoint.as_ref()?;
        if !is_address(&endpoint.url) {
            return Some((
                &["understanding", "embedder", "endpoint", "url"],
                "this is no address of a service: write it as https://api.example.com/v1",
                "这不是服务地址：请写成 https://api.example.com/v1",
            ));
        }
        if endpoint.model.trim().is_empty() {
            return Some((
                &["understanding", "embedder", "endpoint", "model"],
                "the service has to be told which model",
                "须写明模型名称",
            ));
        }
        let longest = std::time::Duration::from_secs(60);
        if endpoint.timeout.0.is_zero() || endpoint.timeout.0 > longest {
            return Some((
                &["understanding", "embedder", "endpoint", "timeout"],
                "this must lie between 1ms and 1m",
                "须在 1ms 与 1m 之间",
            ));
        }
        None
    }
}
