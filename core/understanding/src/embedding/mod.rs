//! Texts as vectors, where an operator adds a model: what it lifts, and how it stays bounded.
//!
//! * [`Local`] – a model folder in the Hugging Face layout, run in this process (`bert` is its
//!   network); there with the feature `local-model`;
//! * [`Cached`] – any [`Embedder`] with what it said before at hand, in batches, for a bounded
//!   number of callers;
//! * [`Dense`] – a classifier over vectors;
//! * `scripts` – which languages a model was seen to understand;
//! * [`EmbeddingTrainer`] – trains a pack with an embedder, and without when it fails.
//!
//! The seam is [`tandem_domain::embedder::Embedder`]; a service over HTTP stands behind it too.

#[cfg(feature = "local-model")]
mod bert;
mod cache;
mod dense;
mod lifted;
#[cfg(feature = "local-model")]
mod local;
mod scripts;

pub use cache::Cached;
pub use dense::Dense;
pub use lifted::{EmbeddingTrainer, Lifted};
#[cfg(feature = "local-model")]
pub use local::Local;
pub use tandem_domain::embedder::{EmbedError, Embedder};

/// The cosine of two vectors of length 1; 0 where they don't fit.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    if a.len() == b.len() { dot(a, b) } else { 0.0 }
}

/// Summed in eight lanes, in an order that is always the same.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// A vector brought to length 1; one without length or with anything but numbers is refused.
///
/// # Errors
/// [`EmbedError::Answer`].
pub fn unit(mut vector: Vec<f32>) -> Result<Vec<f32>, EmbedError> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if !length.is_finite() || length < 1e-12 {
        return Err(EmbedError::Answer("a vector has no length".to_owned()));
    }
    vector.iter_mut().for_each(|x| *x /= length);
    Ok(vector)
}
