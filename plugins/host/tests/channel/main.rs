//! Channels that are plugins: the suite every channel passes, and what a plugin may do wrong.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../examples/pigeon.rs"]
mod pigeon;
mod receiving;
mod sending;
#[path = "../common/signed.rs"]
mod signed;
mod suite;
mod tape;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tandem_channel_kit::{
    Account, Channel, ChannelError, Health, Inbox, InboxError, Kind as _, NewFile, Opening, Stop,
    fake::{
        self, MemorySink,
        platform::{Call, FarPlatform, Reply},
    },
    kind::Secret,
};
use tandem_domain::{
    LaneId, WorkspaceId,
    channel::SendError,
    message::{Content, Media, MediaKind, Part},
};
use tandem_plugin_host::{NoServices, PluginConfig, PluginKind, Plugins, Retired};
use tandem_plugin_sdk::{
    About, Error, Host, HostError, Meta, Plugin,
    abi::table::Table,
    ffi::{Exported, linked},
    implement_plugin,
    wire::{
        self, Capabilities, Fetched, HttpRequest, HttpResponse, Inbound, Manifest, Outbound,
        Receipt,
    },
};

use common::World;

/// A channel whose accounts are instances of this linked plugin.
fn kind<P: Exported>(plugins: &Arc<Plugins>) -> PluginKind {
    let manifest = P::methods().manifest();
    let entry = json!({"name": manifest.name, "kinds": ["channel"]});
    let config: PluginConfig = serde_json::from_value(entry).unwrap();
    let table: Table = linked::<P>();
    PluginKind::new(&manifest.name.clone(), config, manifest).linked(plugins.clone(), table)
}

fn opening(channel: &str, account: &str, settings: Value) -> Opening {
    Opening {
        account: fake::account(channel, account),
        settings,
        public_url: None,
        data_dir: PathBuf::new(),
    }
}

/// A host of its own for each, as after a start; it stays until the test ends.
fn world() -> World {
    World::with(common::limits(), Arc::new(NoServices))
}
