//! What a call of a plugin costs, in one run: the table alone, with JSON on both sides, all of it as
//! the server calls, with and without the hop to the plugin's thread, and beside it a function in
//! Lua and processes in Rust and in Python that do the same.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    fs,
    hint::black_box,
    io::{BufRead, Write},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
};

use criterion::{Criterion, criterion_group};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_domain::Timestamp;
use tandem_lua::{Limits as LuaLimits, Program, Session};
use tandem_plugin_abi::services::HostHandle;
use tandem_plugin_host::{Meta, Plugin, PluginConfig, library::Images};
use tandem_plugin_sdk::{
    About, Action, Actions, Error, Host, Plugin as Author,
    abi::table::Table,
    ffi::linked,
    implement_plugin,
    testkit::MemoryHost,
    wire::{Request, read},
};
use tokio::{runtime::Runtime, sync::oneshot};

#[path = "../tests/common/mod.rs"]
mod common;
use common::{World, mode};

/// Gives back what it is asked with, on a thread of its own.
struct Echo;
/// The same without the hop to a thread.
struct Quick;

#[derive(Deserialize, Serialize)]
struct Order {
    number: String,
    items: u32,
}

macro_rules! echo {
    ($plugin:ident, $about:expr) => {
        impl Author for $plugin {
            type Config = Value;

            fn about() -> About {
                $about
            }

            fn create(_: Value, _: Host) -> Result<Self, Error> {
                Ok(Self)
            }
        }

        impl Action for $plugin {
            fn actions(actions: &mut Actions<'_, Self>) {
                actions.add("echo", |_: &Self, order: Order, _| Ok(order));
            }
        }

        implement_plugin!($plugin: action);
    };
}

echo!(Echo, About::new("echo", "1.0.0"));
echo!(Quick, About::new("quick", "1.0.0").nonblocking());

const LUA: &str = "
local orders = {}
function orders.echo(order)
  return { number = order.number, items = order.items }
end
return orders
";

const PYTHON: &str = "
from tandem_plugin import Plugin
plugin = Plugin('echo', '1.0.0')

@plugin.action('echo')
def echo(params, meta):
    return {'number': params['number'], 'items': params['items']}

plugin.run()
";

fn order() -> Order {
    Order {
        number: "R-20260214-0042".to_owned(),
        items: 3,
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

fn table(c: &mut Criterion) {
    let host = HostHandle::open(Arc::new(MemoryHost::default()));
    let world = runtime().block_on(async { World::new() });
    let source = include_str!("../tests/common/plugin.c");
    if let Some(path) = world.build("echo", source, &["-O2"]) {
        let table: Table = Images::new(1).load(&path).unwrap();
        let instance = table.create(host.api(), b"{}").unwrap();
        let request = serde_json::to_vec(&json!({"params": order()})).unwrap();
        c.bench_function("table, bytes there and back, a library in C", |b| {
            b.iter(|| {
                let answer = instance.call("action.echo", black_box(&request));
                answer.body(1 << 20).unwrap().len()
            })
        });
    }
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
            read::<Value>(answer.body(1 << 20).unwrap()).unwrap()
        })
    });
}

fn calls(c: &mut Criterion, runtime: &Runtime, name: &str, plugin: &Plugin) {
    let params = json!(order());
    c.bench_function(name, |b| {
        b.to_async(runtime).iter(|| async {
            let called = plugin.call("action.echo", black_box(&params), Meta::default(), None);
            called.await.unwrap()
        })
    });
}

/// What two threads that sleep cost each other on this machine, whatever is done: a number through a
/// channel to a thread and back. No hop is shorter.
fn bare_hop(c: &mut Criterion, runtime: &Runtime) {
    type Asked = (u32, oneshot::Sender<u32>);
    let (ask, asked) = mpsc::sync_channel::<Asked>(1);
    let there = thread::spawn(move || {
        for (number, answer) in asked {
            answer.send(number).unwrap();
        }
    });
    c.bench_function("a bare hop to a thread and back", |b| {
        b.to_async(runtime).iter(|| async {
            let (answer, answered) = oneshot::channel();
            ask.send((black_box(7), answer)).unwrap();
            answered.await.unwrap()
        })
    });
    drop(ask);
    there.join().unwrap();
}

fn entry(name: &str, more: Value) -> PluginConfig {
    let mut entry = json!({"name": name});
    entry
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value(entry).unwrap()
}

fn host(c: &mut Criterion) {
    let runtime = runtime();
    let world = runtime.block_on(async { World::new() });
    let plugins = &world.plugins;
    let none = || json!({});
    let quick = runtime.block_on(plugins.link(entry("quick", none()), linked::<Quick>()));
    calls(c, &runtime, "host, without the hop", &quick.unwrap());
    let echo = runtime.block_on(plugins.link(entry("echo", none()), linked::<Echo>()));
    calls(
        c,
        &runtime,
        "host, with the hop to the plugin's thread",
        &echo.unwrap(),
    );
    bare_hop(c, &runtime);
    let lua = Program::compile([("orders.luau", LUA)]).unwrap();
    let mut session = Session::new(&lua, LuaLimits::pure(), Timestamp(0), 1);
    let arguments = [json!(order())];
    session.call("orders", "echo", &arguments).unwrap();
    c.bench_function("Lua, a function with a table there and back", |b| {
        b.iter(|| {
            session
                .call("orders", "echo", black_box(&arguments))
                .unwrap()
        })
    });
    let me = world.folder.join("speaks");
    fs::copy(std::env::current_exe().unwrap(), &me).unwrap();
    mode(&me, 0o755);
    let rust = entry(
        "rust",
        json!({"command": [me, "--speak"], "memory_mb": 4096}),
    );
    let rust = runtime.block_on(plugins.load(rust)).unwrap();
    calls(c, &runtime, "process in Rust", &rust);
    let python = python(&world.folder);
    let python = entry("python", json!({"command": ["python3", python]}));
    match runtime.block_on(plugins.load(python)) {
        Ok(python) => calls(c, &runtime, "process in Python", &python),
        Err(refusal) => println!("SKIPPED: {refusal}"),
    }
    runtime.block_on(plugins.shutdown());
}

fn python(folder: &Path) -> PathBuf {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kit = kit.join("../examples/python-loyalty/tandem_plugin.py");
    for (name, text) in [
        (
            "tandem_plugin.py",
            fs::read_to_string(kit).unwrap().as_str(),
        ),
        ("echo.py", PYTHON),
    ] {
        fs::write(folder.join(name), text).unwrap();
        mode(&folder.join(name), 0o644);
    }
    folder.join("echo.py")
}

/// The process in Rust: this program, asked to speak.
fn speak() {
    #[derive(Deserialize)]
    struct Asked {
        id: u64,
        method: String,
        #[serde(default)]
        params: Value,
    }
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let asked: Asked = serde_json::from_str(&line.unwrap()).unwrap();
        let result = match asked.method.as_str() {
            "plugin.manifest" => json!({"name": "rust", "version": "1", "kinds": {"action": 1},
                "methods": {"action.echo": {}}}),
            "action.echo" => {
                let order: Order = serde_json::from_value(asked.params).unwrap();
                json!(order)
            }
            _ => Value::Null,
        };
        writeln!(out, "{}", json!({"id": asked.id, "result": result})).unwrap();
        out.flush().unwrap();
    }
}

criterion_group!(benches, table, host);

fn main() {
    if std::env::args().nth(1).as_deref() == Some("--speak") {
        return speak();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
