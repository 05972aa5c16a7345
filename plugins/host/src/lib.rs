//! Loads plugins into a running server, calls them, and keeps the server whole when they fail.
//!
//! A plugin in the process is trusted with everything the server is trusted with: no library can
//! keep native code from overwriting memory. What this crate prevents is everything else – a wrong
//! file, a wrong version, a panic, garbage, a call that never returns. Code that is not trusted runs
//! as a process of its own, behind the same [`Plugin`].
//!
//! Loading, in this order, each step before anything of the next runs:
//!
//! 1. [`file`] – where it lies, who may write to it; a private copy;
//! 2. [`elf`] – the copy is read: architecture, segments, the symbol, magic and version;
//! 3. [`probe`] – a child process loads it and tells its manifest;
//! 4. [`library`] – it is loaded, never to be unloaded; the one module with `unsafe`;
//! 5. [`schema`], `cost` – its configuration against its own schema, then `create`.
//!
//! Calling:
//!
//! * [`plugins`] – all of them: [`Plugins`];
//! * [`plugin`] – one of them, over its reloads: [`Plugin`];
//! * [`gate`] – failures are counted; one that keeps failing is left alone for a while;
//! * `native`, `threads` – in the process, on threads of the plugin's own;
//! * `promise` – or on the caller's task, for one that promises not to block;
//! * `stdio` – out of the process, JSON lines, supervised;
//! * [`services`] – what plugins may ask of the server;
//! * [`channel`] – an account of a channel that is a plugin;
//! * [`config`], [`refusal`], [`error`] – what is configured, why one is not loaded, how calls fail;
//! * [`said`] – a sentence in English and Chinese.

pub mod channel;
pub mod config;
mod cost;
pub mod elf;
pub mod error;
pub mod file;
pub mod gate;
pub mod library;
mod native;
pub mod plugin;
pub mod plugins;
pub mod probe;
mod promise;
pub mod refusal;
pub mod said;
pub mod schema;
pub mod services;
mod stdio;
mod threads;

/// What reads plugins' bytes, for the fuzz targets. No part of the API.
#[doc(hidden)]
pub mod readers {
    pub use crate::{
        native::decode,
        stdio::{
            line::{Message, next, parse},
            talk,
        },
    };
}

pub use channel::PluginKind;
pub use config::{HostConfig, Limits, PluginConfig};
pub use error::PluginError;
pub use gate::Health;
pub use plugin::{Left, Plugin, PluginHealth, Retired};
pub use plugins::Plugins;
pub use probe::Probe;
pub use promise::Nonblocking;
pub use refusal::Refusal;
pub use said::Said;
pub use services::{NoServices, ServiceError, Services};
pub use tandem_plugin_sdk::{
    Error,
    wire::{Embed, Embedded, Kind, Manifest, Meta, MethodSpec, manifest},
};
