//! A plugin without a server: its table is called as the host calls it, and what it asks of the
//! host is answered from memory.
//!
//! ```no_run
//! # use serde_json::json;
//! # fn kit() -> tandem_plugin_sdk::testkit::Kit { unimplemented!() }
//! # let kit = kit(); // Kit::of::<MyPlugin>()
//! let plugin = kit.start(&json!({"greeting": "Hello"})).unwrap();
//! let said = plugin.call("action.greet", &json!({"name": "Ada"})).unwrap();
//! assert_eq!(said, json!({"text": "Hello, Ada!"}));
//! ```
//!
//! [`conformance`](crate::testkit::conformance) is the suite every plugin passes.

mod conformance;
mod memory;

use std::sync::Arc;

use serde_json::{Value, json};
use tandem_plugin_abi::{
    code,
    services::HostHandle,
    table::{Answer, Instance, Table},
};

pub use conformance::{Check, Plan, Report, conformance};
pub use memory::{Line, MemoryHost};

use crate::{
    Error, Level, Manifest,
    ffi::{Exported, linked},
    wire::{Meta, read},
};

/// The most bytes the kit takes of a plugin.
const BODY_MAX: usize = 16 << 20;

/// A plugin's table and a host made of memory.
#[derive(Clone, Debug)]
pub struct Kit {
    table: Table,
    host: Arc<MemoryHost>,
}

/// What a call gave other than a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// One of [`code`], or what a broken plugin made up.
    pub code: i32,
    pub error: Error,
}

impl Kit {
    /// The kit for a plugin that is linked into the test.
    #[must_use]
    pub fn of<P: Exported>() -> Self {
        Self::of_table(linked::<P>())
    }

    /// The kit for any table, also one that was loaded.
    #[must_use]
    pub fn of_table(table: Table) -> Self {
        Self {
            table,
            host: Arc::new(MemoryHost::default()),
        }
    }

    /// # Errors
    /// When the plugin gives none, or one that no host goes by.
    pub fn manifest(&self) -> Result<Manifest, String> {
        let answer = self.table.manifest();
        if answer.code() != code::OK {
            return Err(format!("`manifest` answers {}", answer.code()));
        }
        let body = answer.body(BODY_MAX).map_err(|why| why.to_string())?;
        let manifest: Manifest = read(body).map_err(|why| why.to_string())?;
        manifest.check().map_err(|fault| fault.to_string())?;
        Ok(manifest)
    }

    /// Makes an instance with this configuration.
    ///
    /// # Errors
    /// What the plugin says against it.
    pub fn start(&self, config: &Value) -> Result<Started, Refused> {
        self.start_with(config.to_string().as_bytes())
    }

    /// As [`start`](Self::start), with bytes that need not be JSON.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(&self, config: &[u8]) -> Result<Started, Refused> {
        let handle = HostHandle::open(self.host.clone());
        match self.table.create(handle.api(), config) {
            Ok(instance) => Ok(Started {
                instance: Arc::new(instance),
                handle,
            }),
            Err(answer) => Err(refused(&answer)),
        }
    }

    /// What the plugin asked and logged.
    #[must_use]
    pub fn host(&self) -> &MemoryHost {
        &self.host
    }

    /// Lines of the log at `level`.
    #[must_use]
    pub fn logged(&self, level: Level) -> Vec<String> {
        let lines = self.host.lines();
        let at_level = lines.into_iter().filter(|line| line.level == level);
        at_level.map(|line| line.message).collect()
    }
}

/// A running instance.
#[derive(Debug)]
pub struct Started {
    instance: Arc<Instance>,
    handle: HostHandle,
}

impl Started {
    /// Calls a method as a host does.
    ///
    /// # Errors
    /// Any code but 0.
    pub fn call(&self, method: &str, params: &Value) -> Result<Value, Refused> {
        let meta = Meta {
            workspace: "default".to_owned(),
            deadline_ms: 5000,
            ..Meta::default()
        };
        self.call_with(
            method,
            json!({"params": params, "meta": meta})
                .to_string()
                .as_bytes(),
        )
    }

    /// As [`call`](Self::call), with bytes that need not be JSON.
    ///
    /// # Errors
    /// As there.
    pub fn call_with(&self, method: &str, request: &[u8]) -> Result<Value, Refused> {
        call(&self.instance, method, request)
    }

    /// From now on the host answers that the plugin has ended.
    pub fn close_host(&self) {
        self.handle.close();
    }

    /// Ends it as a host does: the host is closed, then the instance is destroyed. False when a
    /// call is still in flight; the instance is leaked then.
    pub fn stop(self) -> bool {
        self.handle.close();
        match Arc::into_inner(self.instance) {
            Some(instance) => {
                instance.destroy();
                true
            }
            None => false,
        }
    }
}

fn call(instance: &Instance, method: &str, request: &[u8]) -> Result<Value, Refused> {
    let answer = instance.call(method, request);
    if answer.code() != code::OK {
        return Err(refused(&answer));
    }
    let broken = |why: String| Refused {
        code: code::OK,
        error: Error::new("broken", why),
    };
    let body = answer
        .body(BODY_MAX)
        .map_err(|why| broken(why.to_string()))?;
    read(body).map_err(|why| broken(why.to_string()))
}

fn refused(answer: &Answer) -> Refused {
    let body = answer.body(BODY_MAX).unwrap_or_default();
    Refused {
        code: answer.code(),
        error: read(body).unwrap_or_else(|_| Error::new("", "")),
    }
}
