//! What a call of a plugin in the process costs: the table alone with typed JSON on both sides, the
//! same with values, and all of it as the server calls, with the hop to the plugin's thread and back.
#![allow(clippy::unwrap_used)]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_plugin_abi::services::HostHandle;
use tandem_plugin_host::{HostConfig, Limits, NoServices, PluginConfig, Plugins};
use tandem_plugin_sdk::{
    About, Action, Actions, Error, Host, Meta, Plugin,
    ffi::linked,
    implement_plugin,
    testkit::MemoryHost,
    wire::{Request, read},
};

struct Echo;

#[derive(Deserialize, Serialize)]
struct Order {
    number: String,
    items: u32,
}

impl Plugin for Echo {
    type Config = serde_json::Value;

    fn about() -> About {
        About::new("echo", "1.0.0")
    }

    fn create(_: serde_json::Value, _: Host) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Action for Echo {
    fn actions(actions: &mut Actions<'_, Self>) {
        actions.add("echo", |_: &Self, order: Order, _| Ok(order));
    }
}

implement_plugin!(Echo: action);

fn order() -> Order {
    Order {
        number: "R-20260214-0042".to_owned(),
        items: 3,
    }
}

fn table(c: &mut Criterion) {
    let host = HostHandle::open(Arc::new(MemoryHost::default()));
    let instance = linked::<Echo>().create(host.api(), b"{}").unwrap();
    c.bench_function("table, typed JSON on both sides", |b| {
        b.iter(|| {
            let request = Request {
                params: black_box(order()),
                meta: Meta::default(),
            };
            let request = serde_json::to_vec(&request).unwrap();
            let answer = instance.call("action.echo", &request);
            read::<Order>(answer.body(1 << 20).unwrap()).unwrap()
        })
    });
    let params = json!(order());
    c.bench_function("table, values on the host's side", |b| {
        b.iter(|| {
            let request = Request {
                params: black_box(&params),
                meta: Meta::default(),
            };
            let request = serde_json::to_vec(&request).unwrap();
            let answer = instance.call("action.echo", &request);
            read::<serde_json::Value>(answer.body(1 << 20).unwrap()).unwrap()
        })
    });
}

fn host(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = HostConfig {
        folders: Vec::new(),
        private: folder.path().join("private"),
        probe: None,
        limits: Limits::default(),
    };
    let plugins = Plugins::new(config, Arc::new(NoServices)).unwrap();
    let entry: PluginConfig = serde_json::from_value(json!({"name": "echo"})).unwrap();
    let plugin = runtime
        .block_on(plugins.link(entry, linked::<Echo>()))
        .unwrap();
    let params = json!(order());
    c.bench_function("host, with the hop to the plugin's thread", |b| {
        b.to_async(&runtime).iter(|| async {
            let called = plugin.call("action.echo", black_box(&params), Meta::default(), None);
            called.await.unwrap()
        })
    });
}

criterion_group!(benches, table, host);
criterion_main!(benches);
