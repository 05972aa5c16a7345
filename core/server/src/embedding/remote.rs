//! A model that is asked: so many texts at a time, each of a bounded length, and what comes back is
//! checked.

use std::sync::OnceLock;

use tandem_domain::embedder::{EmbedError, Embedder};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Texts of one call.
const BATCH: usize = 64;
/// Characters of a text that are sent.
const MAX_CHARS: usize = 4_000;

/// Who is asked.
pub(super) trait Ask: Send + Sync {
    /// One vector for each text, in their order, as far as the other side keeps to it.
    async fn ask(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError>;
}

/// Waits for the answers of whoever is asked.
pub(super) struct Remote<A> {
    pub asked: A,
    name: String,
    /// Known with the first answer.
    dimensions: OnceLock<usize>,
    runtime: Handle,
}

impl<A: Ask> Remote<A> {
    /// Asks nothing yet. What vectors are kept under is the name.
    pub fn new(asked: A, name: String, runtime: Handle) -> Self {
        Self {
            asked,
            name,
            dimensions: OnceLock::new(),
            runtime,
        }
    }

    /// One vector a text, of numbers, all of the length that all before had.
    pub(super) fn checked(
        &self,
        rows: Vec<Vec<f32>>,
        texts: usize,
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let unusable = |why: String| Err(EmbedError::Answer(why));
        let length = rows.first().map_or(0, Vec::len);
        let whole = rows.len() == texts && length > 0;
        if !whole || rows.iter().any(|row| row.len() != length) {
            return unusable("not one vector a text, all of one length".to_owned());
        }
        if !rows.iter().flatten().all(|number| number.is_finite()) {
            return unusable("a vector is not made of numbers".to_owned());
        }
        let known = *self.dimensions.get_or_init(|| length);
        if length != known {
            return unusable(format!(
                "vectors of {length} numbers, where those before had {known}"
            ));
        }
        Ok(rows)
    }
}

impl<A: Ask> Embedder for Remote<A> {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        // A worker of a runtime with one thread would wait for itself.
        let alone = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread);
        if alone {
            return Err(EmbedError::Unavailable(
                "no thread may wait for it here".to_owned(),
            ));
        }
        let mut rows = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            let texts: Vec<&str> = batch.iter().map(|text| short(text)).collect();
            let answer = self.runtime.block_on(self.asked.ask(&texts))?;
            rows.extend(self.checked(answer, texts.len())?);
        }
        Ok(rows)
    }

    fn dimensions(&self) -> usize {
        self.dimensions.get().copied().unwrap_or(0)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

fn short(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_CHARS);
    end.map_or(text, |(at, _)| &text[..at])
}
