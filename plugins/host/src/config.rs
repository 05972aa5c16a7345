//! What is configured.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tandem_plugin_sdk::wire::Kind;

use crate::Probe;

/// One plugin, as it stands under `plugins` in the server's configuration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginConfig {
    /// What flows call it by.
    pub name: String,
    /// The shared library. Either this or `command`.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// A program with its arguments that speaks JSON lines, for code that is not trusted or not
    /// native.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// What the plugin is given; checked against its own schema.
    #[serde(default = "no_config")]
    pub config: Value,
    /// The kinds it may be. Absent: whatever it offers.
    #[serde(default)]
    pub kinds: Option<Vec<Kind>>,
    /// Calls at once, where that is to be fewer than the plugin says is useful.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// How long a call may take where neither the caller nor the plugin says.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// The most memory a `command` may take, in MiB.
    #[serde(default)]
    pub memory_mb: Option<u64>,
}

impl PluginConfig {
    /// One of this name without anything else: neither `path` nor `command` yet.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: None,
            command: None,
            config: no_config(),
            kinds: None,
            concurrency: None,
            timeout_ms: None,
            memory_mb: None,
        }
    }
}

fn no_config() -> Value {
    Value::Object(serde_json::Map::new())
}

/// What holds for all plugins.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Libraries and programs are taken from these folders only.
    pub folders: Vec<PathBuf>,
    /// A folder of our own for copies of libraries; made when it is not there.
    pub private: PathBuf,
    /// How a library is tried out in a child process. `None` leaves that out.
    pub probe: Option<Probe>,
    pub limits: Limits,
}

/// Bounds that keep one plugin from taking more than its share.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a library's file.
    pub file: u64,
    /// Bytes of a request or a result.
    pub body: usize,
    /// Bytes of a manifest.
    pub manifest: usize,
    /// Calls at once of a plugin that does not say.
    pub concurrency: u32,
    /// Calls that wait for a thread; more are answered as busy.
    pub queue: usize,
    /// Calls that never came back before the plugin is taken out of use.
    pub stuck: u32,
    /// Failures in a row before the plugin is left alone for a while.
    pub failures: u32,
    /// How long it is left alone the first time; doubles up to `pause_max`.
    pub pause: Duration,
    pub pause_max: Duration,
    /// How long a call may take where nobody says.
    pub timeout: Duration,
    /// How long a call may take of a plugin that promises not to block.
    pub short: Duration,
    /// How long loading and `create` may take.
    pub load: Duration,
    /// How long `channel.stop`, the calls under way, and `destroy` may take, each.
    pub stop: Duration,
    /// How long the server may take to answer a plugin.
    pub service: Duration,
    /// Images in one process over its life: each stays mapped, and what every image takes of the
    /// process for ever runs out at about 1,000.
    pub images: usize,
    /// Memory of a plugin's process where its configuration does not say, in MiB.
    pub memory_mb: u64,
    /// How long to wait before a process that ended is started again; doubles up to `pause_max`.
    pub restart: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 256 << 20,
            body: 16 << 20,
            manifest: 1 << 20,
            concurrency: 8,
            queue: 256,
            stuck: 4,
            failures: 5,
            pause: Duration::from_secs(5),
            pause_max: Duration::from_secs(300),
            timeout: Duration::from_secs(5),
            short: Duration::from_millis(1),
            load: Duration::from_secs(10),
            stop: Duration::from_secs(5),
            service: Duration::from_secs(30),
            images: 256,
            memory_mb: 1024,
            restart: Duration::from_millis(200),
        }
    }
}
