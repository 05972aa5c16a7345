//! Texts as vectors that lie near each other when they mean the same.

use thiserror::Error;

/// An embedding model. An optional help: whoever holds one goes on without when it fails.
///
/// Called on threads that may block, never on an async worker; a call takes from milliseconds to
/// seconds, by the number of texts, and bounds its own time. The same text gives the same vector.
pub trait Embedder: Send + Sync {
    /// One vector of [`Embedder::dimensions`] numbers and of length 1 for each text, in order. A
    /// text longer than the model reads is cut.
    ///
    /// # Errors
    /// When no vectors can be had; none are given then.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError>;

    fn dimensions(&self) -> usize;

    /// Names the model in logs and keys what is kept of it: another model has another name.
    fn name(&self) -> &str;
}

/// Why there are no vectors.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EmbedError {
    /// There is no such model, or it cannot be read.
    #[error("the embedding model cannot be used: {0}")]
    Broken(String),
    /// The service did not answer, or not in time.
    #[error("the embedding service did not answer: {0}")]
    Unavailable(String),
    /// Something came back that is not what was asked for.
    #[error("the embedding service gave no usable answer: {0}")]
    Answer(String),
    /// Too many are waiting already.
    #[error("too many texts are waiting to be embedded")]
    Busy,
}
