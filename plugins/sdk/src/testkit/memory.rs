//! A host that keeps everything in memory.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Value, json};
use tandem_plugin_abi::{code, level, services::Services};

use crate::{
    Error, Level,
    wire::{Accepted, Inbound, StoredMedia, read},
};

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub level: Level,
    pub message: String,
}

/// Answers what a plugin asks, and remembers it.
#[derive(Debug, Default)]
pub struct MemoryHost {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<Line>,
    events: Vec<Inbound>,
    values: BTreeMap<String, Value>,
    settled: Vec<Value>,
    unknown: Vec<Value>,
    media: BTreeMap<String, StoredMedia>,
    refuse: Option<i32>,
}

impl MemoryHost {
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.kept().lines.clone()
    }

    /// Events accepted, each once.
    #[must_use]
    pub fn events(&self) -> Vec<Inbound> {
        self.kept().events.clone()
    }

    /// Waits until so many events were accepted; what there is when `limit` passes.
    #[must_use]
    pub fn wait_for_events(&self, count: usize, limit: Duration) -> Vec<Inbound> {
        let end = Instant::now() + limit;
        let mut kept = self.kept();
        while kept.events.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            kept = self
                .changed
                .wait_timeout(kept, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        kept.events.clone()
    }

    #[must_use]
    pub fn value(&self, key: &str) -> Option<Value> {
        self.kept().values.get(key).cloned()
    }

    /// What was not understood, as it was handed in.
    #[must_use]
    pub fn unknown(&self) -> Vec<Value> {
        self.kept().unknown.clone()
    }

    /// Ends of claims, as they were told.
    #[must_use]
    pub fn settled(&self) -> Vec<Value> {
        self.kept().settled.clone()
    }

    /// Keeps a file for messages that name it: `file:1`.
    pub fn keep_media(&self, reference: &str, media: StoredMedia) {
        self.kept().media.insert(reference.to_owned(), media);
    }

    /// From now on everything is answered with this code; `None` ends that.
    pub fn refuse(&self, code: Option<i32>) {
        self.kept().refuse = code;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, method: &str, params: &[u8]) -> Result<Value, (i32, Error)> {
        fn refused(code: i32, why: impl std::fmt::Display) -> (i32, Error) {
            (code, Error::new("refused", why))
        }
        fn params_of<T: serde::de::DeserializeOwned>(params: &[u8]) -> Result<T, (i32, Error)> {
            read(params).map_err(|why| refused(code::BAD_INPUT, why))
        }
        #[derive(Deserialize)]
        struct Get {
            media: Reference,
        }
        #[derive(Deserialize)]
        struct Reference {
            #[serde(rename = "ref")]
            reference: String,
        }
        #[derive(Deserialize)]
        struct Accept {
            events: Vec<Inbound>,
        }
        #[derive(Deserialize)]
        struct Key {
            key: String,
            #[serde(default)]
            value: Value,
        }
        let mut kept = self.kept();
        if let Some(code) = kept.refuse {
            return Err(refused(code, "as the test wants it"));
        }
        match method {
            "inbox.accept" => {
                let Accept { events } = params_of(params)?;
                let accepted: Vec<Accepted> =
                    events.into_iter().map(|event| kept.accept(event)).collect();
                self.changed.notify_all();
                Ok(json!({"accepted": accepted}))
            }
            "inbox.accept_unknown" => {
                kept.unknown.push(params_of(params)?);
                Ok(Value::Null)
            }
            "inbox.reply_within" => Ok(Value::Null),
            "receipt.update" => {
                kept.settled.push(params_of(params)?);
                Ok(Value::Null)
            }
            "media.get" => {
                let Get { media } = params_of(params)?;
                let gone = || {
                    (
                        code::ERROR,
                        Error::new("not_found", "there is no such file"),
                    )
                };
                let found = kept.media.get(&media.reference).ok_or_else(gone)?;
                Ok(json!(found))
            }
            "kv.get" => {
                let Key { key, .. } = params_of(params)?;
                Ok(json!({"value": kept.values.get(&key)}))
            }
            "kv.put" => {
                let Key { key, value } = params_of(params)?;
                if value.is_null() {
                    kept.values.remove(&key);
                } else {
                    kept.values.insert(key, value);
                }
                Ok(Value::Null)
            }
            _ => {
                let why = format_args!("there is no `{method}`");
                Err(refused(code::UNKNOWN_METHOD, why))
            }
        }
    }
}

impl Kept {
    fn accept(&mut self, event: Inbound) -> Accepted {
        if event.sender.is_self {
            return Accepted::Skipped;
        }
        let known = self.events.iter().any(|known| known.id == event.id);
        let id = format!("inbox-{}", event.id);
        if known {
            return Accepted::Duplicate(id);
        }
        self.events.push(event);
        Accepted::New(id)
    }
}

impl Services for MemoryHost {
    fn log(&self, level: u32, message: &[u8]) {
        let level = match level {
            level::LOG_ERROR => Level::Error,
            level::LOG_WARN => Level::Warn,
            level::LOG_INFO => Level::Info,
            level::LOG_DEBUG => Level::Debug,
            _ => Level::Trace,
        };
        let message = String::from_utf8_lossy(message).into_owned();
        self.kept().lines.push(Line { level, message });
    }

    fn call(&self, method: &[u8], params: &[u8]) -> (i32, Vec<u8>) {
        let method = String::from_utf8_lossy(method);
        match self.answer(&method, params) {
            Ok(result) => (code::OK, result.to_string().into_bytes()),
            Err((code, error)) => (code, serde_json::to_vec(&error).unwrap_or_default()),
        }
    }
}
