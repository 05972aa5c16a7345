//! The encoder of BERT and its kin, as far as sentence embeddings need it.
//!
//! Texts of one batch have the same number of tokens, so there is no padding and no mask, and a
//! text's vector does not depend on its neighbours.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::{
    Embedding, LayerNorm, Linear, Module as _, VarBuilder, embedding, layer_norm, linear, ops,
};
use serde::Deserialize;

/// Larger models are not for a message's few milliseconds.
const MAX_LAYERS: usize = 48;
const MAX_SIZE: usize = 8192;
const MAX_VOCABULARY: usize = 2_000_000;

/// `config.json`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Config {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "epsilon")]
    layer_norm_eps: f64,
    max_position_embeddings: usize,
    #[serde(default = "one")]
    type_vocab_size: usize,
    vocab_size: usize,
    #[serde(default)]
    pad_token_id: usize,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn absolute() -> String {
    "absolute".to_owned()
}

fn epsilon() -> f64 {
    1e-12
}

fn one() -> usize {
    1
}

impl Config {
    /// What is wrong with it, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        let known = ["bert", "roberta", "xlm-roberta", "camembert"];
        if !known.contains(&self.model_type.as_str()) {
            return Some(format!("its kind `{}` is not known here", self.model_type));
        }
        if self.position_embedding_type != "absolute" {
            return Some("its positions are not absolute".to_owned());
        }
        if !["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"].contains(&self.hidden_act.as_str()) {
            return Some(format!(
                "its activation `{}` is not known here",
                self.hidden_act
            ));
        }
        let size = |n: usize, most: usize| (1..=most).contains(&n);
        let fits = size(self.hidden_size, MAX_SIZE)
            && size(self.intermediate_size, 4 * MAX_SIZE)
            && size(self.num_hidden_layers, MAX_LAYERS)
            && size(self.num_attention_heads, self.hidden_size)
            && self.hidden_size.is_multiple_of(self.num_attention_heads)
            && size(self.vocab_size, MAX_VOCABULARY)
            && size(self.type_vocab_size, 16)
            && size(self.max_position_embeddings, 1 << 16)
            && self.longest() >= 4;
        (!fits).then(|| "its sizes make no sense".to_owned())
    }

    /// Tokens a text may have.
    pub(super) fn longest(&self) -> usize {
        self.max_position_embeddings
            .saturating_sub(self.first_position())
    }

    pub(super) fn dimensions(&self) -> usize {
        self.hidden_size
    }

    /// RoBERTa counts positions from behind its padding token.
    fn first_position(&self) -> usize {
        if self.model_type == "bert" {
            0
        } else {
            self.pad_token_id + 1
        }
    }
}

#[derive(Debug)]
pub(super) struct Bert {
    words: Embedding,
    positions: Embedding,
    first_position: usize,
    /// The one segment there is.
    segment: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

impl Bert {
    pub(super) fn load(vars: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let prefixes = ["", "bert", "roberta"];
        let with = |prefix: &&str| {
            let vars = if prefix.is_empty() {
                vars.clone()
            } else {
                vars.pp(prefix)
            };
            vars.contains_tensor("embeddings.word_embeddings.weight")
                .then_some(vars)
        };
        let Some(vars) = prefixes.iter().find_map(with) else {
            candle_core::bail!("it holds no embeddings.word_embeddings.weight");
        };
        let size = config.hidden_size;
        let embeddings = vars.pp("embeddings");
        let segments = embedding(
            config.type_vocab_size,
            size,
            embeddings.pp("token_type_embeddings"),
        )?;
        let layers = (0..config.num_hidden_layers)
            .map(|n| Layer::load(&vars.pp("encoder.layer").pp(n), config));
        Ok(Self {
            words: embedding(config.vocab_size, size, embeddings.pp("word_embeddings"))?,
            positions: embedding(
                config.max_position_embeddings,
                size,
                embeddings.pp("position_embeddings"),
            )?,
            first_position: config.first_position(),
            segment: segments.embeddings().get(0)?,
            norm: layer_norm(size, config.layer_norm_eps, embeddings.pp("LayerNorm"))?,
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// The last layer's vectors of texts of equal length, as (text, token, number).
    pub(super) fn run(&self, ids: &[u32], texts: usize) -> Result<Tensor> {
        let tokens = ids.len() / texts.max(1);
        let first = u32::try_from(self.first_position).unwrap_or(0);
        let last = first + u32::try_from(tokens).unwrap_or(0);
        let ids = Tensor::from_slice(ids, (texts, tokens), &Device::Cpu)?;
        let positions = Tensor::arange(first, last, &Device::Cpu)?;
        let x = self.words.forward(&ids)?;
        let x = x.broadcast_add(&self.positions.forward(&positions)?)?;
        let x = x.broadcast_add(&self.segment)?;
        let mut x = self.norm.forward(&x)?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        Ok(x)
    }
}

#[derive(Debug)]
struct Layer {
    heads: usize,
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attended_norm: LayerNorm,
    inner: Linear,
    outer: Linear,
    norm: LayerNorm,
    activation: Activation,
}

#[derive(Clone, Copy, Debug)]
enum Activation {
    Gelu,
    GeluTanh,
    Relu,
}

impl Layer {
    fn load(vars: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let (size, inner) = (config.hidden_size, config.intermediate_size);
        let own = vars.pp("attention.self");
        let out = vars.pp("attention.output");
        let last = vars.pp("output");
        Ok(Self {
            heads: config.num_attention_heads,
            query: linear(size, size, own.pp("query"))?,
            key: linear(size, size, own.pp("key"))?,
            value: linear(size, size, own.pp("value"))?,
            attended: linear(size, size, out.pp("dense"))?,
            attended_norm: layer_norm(size, config.layer_norm_eps, out.pp("LayerNorm"))?,
            inner: linear(size, inner, vars.pp("intermediate.dense"))?,
            outer: linear(inner, size, last.pp("dense"))?,
            norm: layer_norm(size, config.layer_norm_eps, last.pp("LayerNorm"))?,
            activation: match config.hidden_act.as_str() {
                "relu" => Activation::Relu,
                "gelu" => Activation::Gelu,
                _ => Activation::GeluTanh,
            },
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (texts, tokens, size) = x.dims3()?;
        let head = size / self.heads;
        let split = |t: Tensor| {
            t.reshape((texts, tokens, self.heads, head))?
                .transpose(1, 2)?
                .contiguous()
        };
        let query = split(self.query.forward(x)?)?;
        let key = split(self.key.forward(x)?)?;
        let value = split(self.value.forward(x)?)?;
        let scores = (query.matmul(&key.t()?.contiguous()?)? / (head as f64).sqrt())?;
        let attended = ops::softmax(&scores, D::Minus1)?.matmul(&value)?;
        let attended = attended
            .transpose(1, 2)?
            .contiguous()?
            .reshape((texts, tokens, size))?;
        let x = (x + self.attended.forward(&attended)?)?;
        let x = self.attended_norm.forward(&x)?;
        let inner = self.inner.forward(&x)?;
        let inner = match self.activation {
            Activation::Gelu => inner.gelu_erf()?,
            Activation::GeluTanh => inner.gelu()?,
            Activation::Relu => inner.relu()?,
        };
        let x = (&x + self.outer.forward(&inner)?)?;
        self.norm.forward(&x)
    }
}
