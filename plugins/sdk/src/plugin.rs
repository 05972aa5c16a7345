//! The trait every plugin implements, and what it says of itself.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Host};

/// A plugin: made once for each entry in the server's configuration.
///
/// Calls come from several threads at once, unless [`About::serial`] is said. Dropping it is its
/// end: no call is in flight then, and the host answers no more.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// What stands under `config` in the server's configuration. Refuse unknown fields with
    /// `#[serde(deny_unknown_fields)]`, so that a slip of the pen is noticed.
    type Config: DeserializeOwned;

    /// Name, version and manners. Asked before anything else; must not do anything.
    fn about() -> About;

    /// Makes an instance.
    ///
    /// # Errors
    /// When it cannot work with this configuration; the server says why and goes on without.
    fn create(config: Self::Config, host: Host) -> Result<Self, Error>;
}

/// What a plugin says of itself beside its methods.
#[derive(Clone, Debug)]
pub struct About {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) config: Option<Value>,
    pub(crate) serial: bool,
    pub(crate) nonblocking: bool,
    pub(crate) concurrency: Option<u32>,
}

impl About {
    /// `name` is what flows call the plugin by: small letters, digits, `_` and `-`.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            config: None,
            serial: false,
            nonblocking: false,
            concurrency: None,
        }
    }

    /// The JSON Schema of the configuration: what does not fit is refused before `create`.
    #[must_use]
    pub fn config(mut self, schema: Value) -> Self {
        self.config = Some(schema);
        self
    }

    /// One call at a time. A channel's `run` and `stop` come beside them all the same.
    #[must_use]
    pub fn serial(mut self) -> Self {
        self.serial = true;
        self
    }

    /// Promises that every call returns within a millisecond, asks the host for nothing but its log
    /// and needs little stack: it is then made on the server's own task, without the hop to a thread
    /// of the plugin's. Calls are measured; a plugin that breaks the promise loses it. One that
    /// never returns takes a thread of the server with it. A channel's `run` and `stop` are not
    /// meant. A serial plugin keeps its thread.
    #[must_use]
    pub fn nonblocking(mut self) -> Self {
        self.nonblocking = true;
        self
    }

    /// How many calls at once are useful; the server may allow fewer.
    #[must_use]
    pub fn concurrency(mut self, calls: u32) -> Self {
        self.concurrency = Some(calls);
        self
    }
}
