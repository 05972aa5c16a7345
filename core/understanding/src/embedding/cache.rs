//! An embedder that remembers, works in batches and keeps a bounded queue.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use lru::LruCache;

use super::{EmbedError, Embedder};

/// Texts that are handed to the model at once.
const BATCH: usize = 64;
/// Callers that may wait for the model at once; each holds a thread.
const MAX_WAITING: usize = 32;
/// No model gives more numbers.
const MAX_DIMENSIONS: usize = 1 << 16;
/// Begins what is kept between runs; the last byte is the layout's number.
const MAGIC: &[u8; 8] = b"tdmvec\0\x01";

type Key = [u8; 16];

/// Any embedder, with the vectors of texts it has seen at hand.
pub struct Cached {
    inner: Arc<dyn Embedder>,
    entries: Mutex<LruCache<Key, Arc<[f32]>>>,
    waiting: AtomicUsize,
}

impl Cached {
    /// Keeps the vectors of up to `capacity` texts: at 384 numbers 1.6 kB each.
    #[must_use]
    pub fn new(inner: Arc<dyn Embedder>, capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self {
            inner,
            entries: Mutex::new(LruCache::new(capacity)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// How many texts are at hand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is remembered, to be kept between runs.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let entries = self.entries();
        let mut bytes = Vec::with_capacity(48 + entries.len() * (16 + 4 * self.dimensions()));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&key(self.name()));
        let numbers = entries.iter().next().map_or(0, |(_, vector)| vector.len());
        bytes.extend_from_slice(&u32::try_from(numbers).unwrap_or(0).to_le_bytes());
        // The least lately used first, so that reading back restores the order.
        for (key, vector) in entries.iter().rev() {
            bytes.extend_from_slice(key);
            for number in vector.iter() {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes
    }

    /// Takes back what [`Cached::to_bytes`] gave; how many texts that were. What another model or
    /// layout wrote, or what is cut off, is left alone.
    pub fn restore(&self, bytes: &[u8]) -> usize {
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&key(self.name()));
        let Some((numbers, records)) = bytes
            .strip_prefix(&head[..])
            .and_then(|rest| rest.split_first_chunk())
        else {
            return 0;
        };
        let numbers = u32::from_le_bytes(*numbers) as usize;
        // A service tells its dimensions with its first answer only.
        let known = self.dimensions();
        if numbers == 0 || numbers > MAX_DIMENSIONS || (known != 0 && known != numbers) {
            return 0;
        }
        let mut taken = 0;
        let mut entries = self.entries();
        for record in records.chunks_exact(size_of::<Key>() + 4 * numbers) {
            let (key, numbers) = record.split_at(size_of::<Key>());
            let (numbers, _) = numbers.as_chunks::<4>();
            let vector: Arc<[f32]> = numbers.iter().map(|n| f32::from_le_bytes(*n)).collect();
            let length: f32 = vector.iter().map(|x| x * x).sum();
            if let (true, Ok(key)) = ((length - 1.0).abs() < 0.01, Key::try_from(key)) {
                entries.put(key, vector);
                taken += 1;
            }
        }
        taken
    }

    fn entries(&self) -> MutexGuard<'_, LruCache<Key, Arc<[f32]>>> {
        // Nothing in a critical section can leave the cache half changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let rows = self.inner.embed(texts)?;
        let fits = |row: &Vec<f32>| row.len() == self.inner.dimensions();
        if rows.len() != texts.len() || !rows.iter().all(fits) {
            return Err(EmbedError::Answer(format!(
                "{} vectors of {} numbers for {} texts",
                rows.len(),
                rows.first().map_or(0, Vec::len),
                texts.len()
            )));
        }
        rows.into_iter().map(super::unit).collect()
    }
}

impl Embedder for Cached {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let keys: Vec<Key> = texts.iter().map(|text| key(text)).collect();
        let mut found: Vec<Option<Arc<[f32]>>> = {
            let mut entries = self.entries();
            keys.iter().map(|key| entries.get(key).cloned()).collect()
        };
        let missing: Vec<usize> = (0..texts.len()).filter(|i| found[*i].is_none()).collect();
        if !missing.is_empty() {
            let _place = Place::take(&self.waiting)?;
            for batch in missing.chunks(BATCH) {
                let asked: Vec<&str> = batch.iter().map(|i| texts[*i]).collect();
                let rows = self.ask(&asked)?;
                let mut entries = self.entries();
                for (i, row) in batch.iter().zip(rows) {
                    let row: Arc<[f32]> = row.into();
                    entries.put(keys[*i], row.clone());
                    found[*i] = Some(row);
                }
            }
        }
        let rows = found.into_iter().flatten().map(|row| row.to_vec());
        Ok(rows.collect())
    }

    fn dimensions(&self) -> usize {
        self.inner.dimensions()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

/// A place among those that wait, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, EmbedError> {
        if waiting.fetch_add(1, Ordering::AcqRel) >= MAX_WAITING {
            waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(EmbedError::Busy);
        }
        Ok(Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn key(text: &str) -> Key {
    let mut key = Key::default();
    key.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what it is asked, and says how long a text is.
    #[derive(Default)]
    struct Lengths(AtomicUsize);

    impl Embedder for Lengths {
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
            self.0.fetch_add(texts.len(), Ordering::Relaxed);
            Ok(texts
                .iter()
                .map(|text| vec![text.len() as f32, 1.0])
                .collect())
        }

        fn dimensions(&self) -> usize {
            2
        }

        fn name(&self) -> &str {
            "lengths"
        }
    }

    #[test]
    fn a_text_is_embedded_once_and_vectors_have_length_one() {
        let inner = Arc::new(Lengths::default());
        let cached = Cached::new(inner.clone(), 100);
        let first = cached.embed(&["one", "three", "one"]).unwrap();
        assert_eq!(first[0], first[2]);
        assert!((super::super::cosine(&first[1], &first[1]) - 1.0).abs() < 1e-6);
        let asked = inner.0.load(Ordering::Relaxed);
        assert_eq!(cached.embed(&["three", "one"]).unwrap()[0], first[1]);
        assert_eq!(inner.0.load(Ordering::Relaxed), asked);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let cached = Cached::new(Arc::new(Lengths::default()), 3);
        let texts: Vec<String> = (0..50).map(|i| i.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(cached.embed(&texts).unwrap().len(), 50);
        assert_eq!(cached.len(), 3);
    }

    #[test]
    fn what_is_kept_comes_back_and_what_is_foreign_does_not() {
        let inner = Arc::new(Lengths::default());
        let cached = Cached::new(inner.clone(), 10);
        cached.embed(&["a", "bb"]).unwrap();
        let bytes = cached.to_bytes();
        let again = Cached::new(inner.clone(), 10);
        assert_eq!(again.restore(&bytes), 2);
        let asked = inner.0.load(Ordering::Relaxed);
        again.embed(&["bb", "a"]).unwrap();
        assert_eq!(inner.0.load(Ordering::Relaxed), asked);
        assert_eq!(again.restore(&bytes[..bytes.len() - 3]), 1);
        assert_eq!(again.restore(b"nothing of the kind"), 0);
        assert_eq!(again.restore(&[]), 0);
        let mut other = bytes.clone();
        other[9] ^= 1;
        assert_eq!(again.restore(&other), 0);
    }

    /// Gives what it was made with, whatever it is asked.
    struct Odd(Vec<Vec<f32>>);

    impl Embedder for Odd {
        fn embed(&self, _: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
            Ok(self.0.clone())
        }

        fn dimensions(&self) -> usize {
            2
        }

        fn name(&self) -> &str {
            "odd"
        }
    }

    #[test]
    fn answers_that_do_not_fit_are_refused() {
        for rows in [
            vec![],
            vec![vec![1.0]],
            vec![vec![f32::NAN, 1.0]],
            vec![vec![0.0, 0.0]],
            vec![vec![1.0, 0.0]; 2],
        ] {
            let cached = Cached::new(Arc::new(Odd(rows)), 10);
            assert!(matches!(cached.embed(&["x"]), Err(EmbedError::Answer(_))));
            assert!(cached.is_empty());
        }
    }

    /// Asks the cache it stands behind again, deeper and deeper.
    struct Crowd(Mutex<Option<Arc<Cached>>>, AtomicUsize);

    impl Embedder for Crowd {
        fn embed(&self, _: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
            let cached = self.0.lock().unwrap().clone().unwrap();
            let depth = self.1.fetch_add(1, Ordering::Relaxed);
            cached.embed(&[&format!("{depth}")])
        }

        fn dimensions(&self) -> usize {
            2
        }

        fn name(&self) -> &str {
            "crowd"
        }
    }

    #[test]
    fn who_comes_when_too_many_wait_is_turned_away() {
        let crowd = Arc::new(Crowd(Mutex::default(), AtomicUsize::new(0)));
        let cached = Arc::new(Cached::new(crowd.clone(), 10));
        *crowd.0.lock().unwrap() = Some(cached.clone());
        assert_eq!(cached.embed(&["x"]), Err(EmbedError::Busy));
        assert_eq!(crowd.1.load(Ordering::Relaxed), MAX_WAITING);
        assert_eq!(cached.waiting.load(Ordering::Relaxed), 0);
        *crowd.0.lock().unwrap() = None;
    }
}
