//! Plugins that are processes: the Python example, and one that misbehaves.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_plugin_host::{
    Health, Limits, Meta, Plugin, PluginConfig, PluginError, Refusal, Retired, ServiceError,
    Services,
};

mod common;
use common::{World, call, call_soon, in_chinese, limits, mode, skip};

/// What the plugin itself says.
const OWN: [&str; 4] = ["debugging", "no database", "bad_config", "the key is wrong"];

/// Keeps values, as the server does.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, Value>>);

#[async_trait]
impl Services for Kept {
    async fn call(&self, plugin: &str, method: &str, params: Value) -> Result<Value, ServiceError> {
        let key = format!("{plugin}/{}", params["key"].as_str().unwrap_or(""));
        let mut kept = self.0.lock().unwrap();
        match method {
            "kv.get" => Ok(json!({"value": kept.get(&key)})),
            "kv.put" => {
                kept.insert(key, params["value"].clone());
                Ok(Value::Null)
            }
            _ => Err(ServiceError::UnknownMethod),
        }
    }
}

fn python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if !found {
        skip("python3");
    }
    found
}

fn world() -> World {
    let limits = Limits {
        restart: Duration::from_millis(1),
        failures: 10_000,
        stuck: 2,
        body: 1 << 20,
        ..limits()
    };
    World::with(limits, Arc::new(Kept::default()))
}

fn bring(world: &World, from: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
    let to = world.folder.join(from.file_name().unwrap());
    fs::copy(&from, &to).unwrap();
    mode(&to, 0o644);
    to
}

fn config(name: &str, script: &Path, argument: &str, config: Value) -> PluginConfig {
    let command = json!(["python3", script, argument]);
    serde_json::from_value(json!({"name": name, "command": command, "config": config})).unwrap()
}

async fn hostile(world: &World, begins: &str) -> Result<Arc<Plugin>, Refusal> {
    let script = bring(world, "tests/common/hostile.py");
    let config = config("hostile", &script, begins, json!({}));
    world.plugins.load(config).await
}

async fn pid(plugin: &Plugin) -> Option<u64> {
    let echo = call(plugin, "action.echo", json!({"a": 1})).await.ok()?;
    assert_eq!(echo["params"], json!({"a": 1}));
    echo["pid"].as_u64()
}

/// Waits until a process answers again that is another than `before`.
async fn restarted(plugin: &Plugin, before: u64) -> u64 {
    loop {
        match pid(plugin).await {
            Some(pid) if pid != before => return pid,
            _ => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_example_keeps_points() {
    if !python() {
        return;
    }
    let world = world();
    bring(&world, "../examples/python-loyalty/tandem_plugin.py");
    let script = bring(&world, "../examples/python-loyalty/plugin.py");
    let wrong = config("loyalty", &script, "", json!({"members": 7}));
    let refused = world.plugins.load(wrong).await.unwrap_err();
    assert!(
        refused.to_string().contains("`config/members`"),
        "{refused}"
    );

    let right = json!({"members": ["ada"], "points_per_unit": 2});
    let right = config("loyalty", &script, "", right);
    let plugin = world.plugins.load(right).await.unwrap();
    common::kept_by_the_retail_pack(&plugin.manifest().unwrap());
    let ada = json!({"member": "ada"});
    let none = call(&plugin, "action.balance", ada.clone()).await;
    assert_eq!(none, Ok(json!({"points": 0, "tier": "basic"})));
    let meta = Meta {
        idempotency_key: Some("order-1".into()),
        ..Meta::default()
    };
    for _ in 0..2 {
        let earned = json!({"member": "ada", "amount": 150});
        let earned = plugin
            .call("action.earn", &earned, meta.clone(), None)
            .await;
        assert_eq!(earned, Ok(json!({"points": 300, "tier": "silver"})));
    }
    let nobody = call(&plugin, "action.balance", json!({"member": "bob"})).await;
    assert!(matches!(nobody, Err(PluginError::Failed(error)) if error.code == "not_found"));
    let misspelt = call(&plugin, "action.balance", json!({"memebr": "ada"})).await;
    assert!(matches!(misspelt, Err(PluginError::BadInput(_))));

    assert_eq!(plugin.reload(None).await, Ok(Retired::Destroyed));
    let again = call(&plugin, "action.balance", ada).await;
    assert_eq!(again, Ok(json!({"points": 300, "tier": "silver"})));
    assert!(plugin.health().process);
    assert_eq!(plugin.unload().await, Retired::Destroyed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_does_not_begin_is_refused_with_the_reason() {
    if !python() {
        return;
    }
    let mut short = limits();
    short.load = Duration::from_secs(1);
    let mute = World::with(short, Arc::new(Kept::default()));
    let refused = hostile(&mute, "mute").await.unwrap_err();
    assert!(refused.to_string().contains("plugin.manifest"), "{refused}");
    in_chinese(&refused.zh(), &[]);

    let world = World::with(limits(), Arc::new(Kept::default()));
    for (begins, words) in [
        ("dies", "code 3; its last words: no database"),
        ("kindless", "kinds"),
        ("refuses", "the key is wrong"),
    ] {
        let refused = hostile(&world, begins).await.unwrap_err();
        assert!(refused.to_string().contains(words), "{begins}: {refused}");
        in_chinese(&refused.zh(), &OWN);
    }
    let elsewhere: PluginConfig =
        serde_json::from_value(json!({"name": "x", "command": ["/bin/cat"]})).unwrap();
    let refused = world.plugins.load(elsewhere).await.unwrap_err();
    assert!(matches!(refused, Refusal::Outside { .. }), "{refused:?}");
    let here = config("x", Path::new("Cargo.toml"), "well", json!({}));
    let refused = world.plugins.load(here).await.unwrap_err();
    assert!(matches!(refused, Refusal::NoProgram { .. }), "{refused:?}");
    let script = bring(&world, "tests/common/hostile.py");
    mode(&script, 0o666);
    let open = config("x", &script, "well", json!({}));
    let refused = world.plugins.load(open).await.unwrap_err();
    assert!(matches!(refused, Refusal::Writable { .. }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_or_breaks_the_rules_is_started_again() {
    if !python() {
        return;
    }
    let world = world();
    let plugin = hostile(&world, "well").await.unwrap();
    let mut before = pid(&plugin).await.unwrap();
    for (method, words) in [
        ("die", "the code 7"),
        ("garbage", "debugging"),
        ("utf8", "UTF-8"),
        ("stranger", "987654321"),
        ("long", "1048576"),
    ] {
        let method = format!("action.{method}");
        let died = call(&plugin, &method, json!({})).await.unwrap_err();
        let PluginError::Died { why, begun } = &died else {
            panic!("{method}: {died:?}");
        };
        assert!(*begun && died.may_have_happened(), "{method}");
        // How a process ended and that its output did are seen in any order.
        assert!(
            why.en.contains(words) || why.en.contains("output ended"),
            "{method}: {why}"
        );
        in_chinese(&died.zh(), &OWN);
        before = restarted(&plugin, before).await;
    }
    // The first answer counts; the second is one that nobody asked for.
    assert_eq!(call(&plugin, "action.twice", json!({})).await, Ok(json!(1)));
    restarted(&plugin, before).await;
    assert_eq!(plugin.health().health, Health::Ok);
    // A call that was under way when the last one ended is one more.
    assert!((5..=6).contains(&plugin.health().faults));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_do_not_come_back_end_the_process() {
    if !python() {
        return;
    }
    let world = world();
    let plugin = hostile(&world, "well").await.unwrap();
    let before = pid(&plugin).await.unwrap();
    let over = call_soon(&plugin, "action.never").await.unwrap_err();
    assert!(
        matches!(over, PluginError::Timeout { begun: true, .. }),
        "{over:?}"
    );
    assert_eq!(pid(&plugin).await, Some(before), "one is put up with");
    let over = call_soon(&plugin, "action.spin").await.unwrap_err();
    assert!(
        matches!(over, PluginError::Timeout { begun: true, .. }),
        "{over:?}"
    );
    restarted(&plugin, before).await;

    let serial = config(
        "serial",
        &world.folder.join("hostile.py"),
        "serial",
        json!({}),
    );
    let serial = world.plugins.load(serial).await.unwrap();
    let before = pid(&serial).await.unwrap();
    assert!(call_soon(&serial, "action.never").await.is_err());
    restarted(&serial, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_environment_and_talk_are_bounded() {
    if !python() {
        return;
    }
    let world = world();
    let plugin = hostile(&world, "well").await.unwrap();
    let memory = call(&plugin, "action.memory", json!({})).await.unwrap_err();
    assert_eq!(memory.code(), "memory");
    // Each thread takes a stack of the bounded address space.
    let threads = call(&plugin, "action.bomb", json!({})).await.unwrap();
    assert!(threads.as_u64().unwrap() < 1000, "{threads}");
    let echo = call(&plugin, "action.echo", json!({})).await.unwrap();
    let names = echo["env"].as_array().unwrap();
    assert!(!names.contains(&json!("CARGO_MANIFEST_DIR")), "{names:?}");
    assert_eq!(
        call(&plugin, "action.talk", json!({})).await,
        Ok(json!(true))
    );
    assert_eq!(
        call(&plugin, "action.stderr", json!({})).await,
        Ok(json!(true))
    );
    let asked = call(&plugin, "action.ask", json!({})).await.unwrap();
    assert_eq!(asked, json!({"id": "mine", "result": {"value": null}}));
    let large = json!("x".repeat(2 << 20));
    let large = call(&plugin, "action.echo", large).await.unwrap_err();
    assert!(matches!(large, PluginError::TooLarge { .. }), "{large:?}");
    assert!(pid(&plugin).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_that_changes_is_not_taken_without_a_reload() {
    if !python() {
        return;
    }
    let world = world();
    let plugin = hostile(&world, "changes").await.unwrap();
    let _ = call(&plugin, "action.die", json!({})).await;
    let why = loop {
        match plugin.health().health {
            Health::Starting { why } if why.en.contains("manifest") => break why,
            _ => tokio::task::yield_now().await,
        }
    };
    assert!(why.en.contains("reload"), "{why}");
    in_chinese(&why.zh, &[]);
    let down = call(&plugin, "action.echo", json!({})).await.unwrap_err();
    assert!(matches!(&down, PluginError::Died { begun: false, .. }) && !down.may_have_happened());
    plugin.reload(None).await.unwrap();
    assert!(pid(&plugin).await.is_some());
}
