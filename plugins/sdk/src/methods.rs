//! The methods of a plugin by name: how a request becomes a call of Rust, and its result bytes.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{Serialize, de::DeserializeOwned};
use tandem_plugin_abi::code;

use crate::{
    About, Error, Kind, Manifest, Meta, MethodSpec, Plugin,
    wire::{Request, read},
};

type Handler<P> = Box<dyn Fn(&P, &[u8]) -> Result<Vec<u8>, Failure> + Send + Sync>;

/// All methods of one plugin.
pub struct Methods<P> {
    about: About,
    kinds: Vec<Kind>,
    entries: BTreeMap<String, Entry<P>>,
}

struct Entry<P> {
    spec: MethodSpec,
    run: Handler<P>,
}

/// A code with an optional explanation.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    pub(crate) error: Error,
}

impl Failure {
    pub(crate) fn bad_input(why: impl std::fmt::Display) -> Self {
        Self {
            code: code::BAD_INPUT,
            error: Error::new("bad_input", why),
        }
    }
}

impl<P: Plugin> Methods<P> {
    #[doc(hidden)]
    #[must_use]
    pub fn of_plugin() -> Self {
        Self {
            about: P::about(),
            kinds: Vec::new(),
            entries: BTreeMap::new(),
        }
    }

    pub(crate) fn kind(&mut self, kind: Kind) {
        self.kinds.push(kind);
    }

    pub(crate) fn add<A, R>(
        &mut self,
        name: &str,
        run: impl Fn(&P, A, &Meta) -> Result<R, Error> + Send + Sync + 'static,
    ) -> &mut MethodSpec
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        let run = move |plugin: &P, request: &[u8]| {
            let Request { params, meta } =
                read::<Request<A>>(request).map_err(Failure::bad_input)?;
            match run(plugin, params, &meta) {
                Ok(result) => serde_json::to_vec(&result).map_err(|why| Failure {
                    code: code::ERROR,
                    error: Error::new("bad_result", why),
                }),
                Err(error) => Err(Failure {
                    code: code::ERROR,
                    error,
                }),
            }
        };
        let entry = Entry {
            spec: MethodSpec::default(),
            run: Box::new(run),
        };
        &mut self
            .entries
            .entry(name.to_owned())
            .insert_entry(entry)
            .into_mut()
            .spec
    }

    /// What the plugin is, as its host reads it.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        let About {
            name,
            version,
            config,
            serial,
            nonblocking,
            concurrency,
        } = self.about.clone();
        Manifest {
            name,
            version,
            panic: Some("unwind".to_owned()),
            kinds: self
                .kinds
                .iter()
                .map(|kind| (kind.name().to_owned(), 1))
                .collect(),
            serial,
            nonblocking,
            concurrency,
            config,
            methods: self
                .entries
                .iter()
                .map(|(name, entry)| (name.clone(), entry.spec.clone()))
                .collect(),
        }
    }

    pub(crate) fn call(
        &self,
        plugin: &P,
        method: &[u8],
        request: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let entry = std::str::from_utf8(method)
            .ok()
            .and_then(|name| self.entries.get(name));
        let Some(entry) = entry else {
            return Err(Failure {
                code: code::UNKNOWN_METHOD,
                error: Error::new(
                    "unknown_method",
                    format_args!("there is no method `{}`", String::from_utf8_lossy(method)),
                ),
            });
        };
        guarded(|| (entry.run)(plugin, request))
    }
}

/// Runs what the author wrote; a panic becomes a [`code::PANICKED`].
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result,
        Err(payload) => {
            let words = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic without words".to_owned());
            // The payload is the author's and may panic when dropped: it is leaked instead.
            std::mem::forget(payload);
            Err(Failure {
                code: code::PANICKED,
                error: Error::new("panicked", words),
            })
        }
    }
}
