//! Plugins that misbehave when they are called: the caller is told, the others go on, and health says
//! which plugin and why.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tandem_plugin_host::{Health, Limits, NoServices, Plugin, PluginError, Retired};

mod common;
use common::{World, call, call_soon, config, in_chinese, limits};

const SOURCE: &str = include_str!("common/plugin.c");

/// Failures are not what this is about: nothing is paused.
fn patient() -> Limits {
    Limits {
        failures: 10_000,
        ..limits()
    }
}

fn world(limits: Limits) -> World {
    World::with(limits, Arc::new(NoServices))
}

async fn plugin(world: &World, defines: &[&str]) -> Option<Arc<Plugin>> {
    let path = world.build("hostile", SOURCE, defines)?;
    Some(world.load("hostile", &path).await.unwrap())
}

async fn works(plugin: &Plugin) {
    let echo = call(plugin, "action.echo", json!({"a": 1})).await.unwrap();
    assert_eq!(echo["params"], json!({"a": 1}));
}

fn fifo(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    path
}

/// Waits on a thread that may be left behind.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_none_are_told_as_such() {
    let world = world(patient());
    let Some(plugin) = plugin(&world, &[]).await else {
        return;
    };
    for method in [
        "garbage",
        "utf8",
        "hidden_utf8",
        "deep",
        "null",
        "lie",
        "longest",
        "code",
        "error_garbage",
    ] {
        let error = call(&plugin, &format!("action.{method}"), json!({}))
            .await
            .unwrap_err();
        assert!(
            matches!(error, PluginError::Broken(_)),
            "{method}: {error:?}"
        );
        assert!(error.may_have_happened(), "{method}");
        assert_eq!(error.code(), "bad_response");
        in_chinese(&error.zh(), &[]);
    }
    let huge = call(&plugin, "action.huge", json!({})).await.unwrap_err();
    assert!(matches!(huge, PluginError::TooLarge { .. }), "{huge:?}");
    let panicked = call(&plugin, "action.panicked", json!({}))
        .await
        .unwrap_err();
    assert_eq!(panicked, PluginError::Panicked("index 7".into()));
    assert_eq!(panicked.zh(), "插件发生 panic：index 7");
    let Health::Failing { in_a_row, last } = plugin.health().health else {
        panic!("{:?}", plugin.health());
    };
    assert_eq!((in_a_row, last), (11, panicked.said()));
    let said = call(&plugin, "action.said", json!({})).await.unwrap_err();
    assert_eq!((said.code(), said.may_have_happened()), ("sold_out", false));
    assert_eq!(
        call(&plugin, "action.empty", json!({})).await,
        Ok(Value::Null)
    );
    assert_eq!(
        call(&plugin, "action.static", json!({})).await,
        Ok(json!([1]))
    );
    works(&plugin).await;
    let health = plugin.health();
    assert_eq!((health.health, health.faults), (Health::Ok, 11));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_in_and_comes_out_is_held_against_the_schemas() {
    let world = world(patient());
    let Some(plugin) = plugin(&world, &[]).await else {
        return;
    };
    let wrong = call(&plugin, "action.number", json!({})).await.unwrap_err();
    assert!(matches!(wrong, PluginError::BadInput(_)), "{wrong:?}");
    in_chinese(&wrong.zh(), &[]);
    let wrong = call(&plugin, "action.number", json!({"n": 1}))
        .await
        .unwrap_err();
    assert!(matches!(wrong, PluginError::Broken(_)), "{wrong:?}");
    in_chinese(&wrong.zh(), &[]);
    let none = call(&plugin, "action.nothing", json!({}))
        .await
        .unwrap_err();
    assert_eq!(none, PluginError::UnknownMethod("action.nothing".into()));
    let large = "x".repeat(17 << 20);
    let large = call(&plugin, "action.echo", json!(large))
        .await
        .unwrap_err();
    assert!(matches!(large, PluginError::TooLarge { .. }) && !large.may_have_happened());
    works(&plugin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_never_return_lose_their_threads_and_at_last_the_plugin() {
    let world = world(Limits {
        stuck: 3,
        ..patient()
    });
    let Some(plugin) = plugin(&world, &["-DEXTRA=\"\\\"concurrency\\\": 1, \""]).await else {
        return;
    };
    for stuck in 1..=3 {
        let method = if stuck == 2 {
            "action.spin"
        } else {
            "action.never"
        };
        let over = call_soon(&plugin, method).await.unwrap_err();
        assert!(
            matches!(over, PluginError::Timeout { begun: true, .. }),
            "{over:?}"
        );
        assert!(over.may_have_happened());
        assert_eq!(over.zh(), "300 毫秒内没有回复");
        assert_eq!(plugin.health().stuck, stuck);
        if stuck < 3 {
            works(&plugin).await;
        }
    }
    let refused = call(&plugin, "action.echo", json!({})).await.unwrap_err();
    assert!(matches!(refused, PluginError::Disabled(_)), "{refused:?}");
    in_chinese(&refused.zh(), &[]);
    assert_eq!(plugin.health().health, Health::Stuck { calls: 3 });
    let left = plugin.reload(None).await.unwrap();
    let Retired::Leaked(left) = left else {
        panic!("{left:?}");
    };
    in_chinese(&left.said().zh, &[]);
    works(&plugin).await;
    assert_eq!(plugin.health().health, Health::Ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serial_plugin_is_never_called_beside_a_call_that_hangs() {
    let world = world(patient());
    let path = fifo(&world.folder, "go");
    let serial = ["-DEXTRA=\"\\\"serial\\\": true, \""];
    let Some(library) = world.build("serial", SOURCE, &serial) else {
        return;
    };
    let mut config = config("serial", &library);
    config.config = json!({"url": path});
    let plugin = world.plugins.load(config).await.unwrap();
    let over = call_soon(&plugin, "action.held").await.unwrap_err();
    assert!(matches!(over, PluginError::Timeout { begun: true, .. }));
    let refused = call(&plugin, "action.echo", json!({})).await.unwrap_err();
    assert!(matches!(refused, PluginError::Disabled(_)), "{refused:?}");
    // The call comes back after all, and so does the plugin.
    apart(move || fs::write(path, "1")).await.unwrap();
    while plugin.health().stuck > 0 {
        tokio::task::yield_now().await;
    }
    works(&plugin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_keeps_failing_is_left_alone_and_the_others_are_not() {
    let world = world(Limits {
        failures: 3,
        pause: Duration::from_secs(600),
        pause_max: Duration::from_secs(600),
        ..limits()
    });
    let Some(bad) = plugin(&world, &[]).await else {
        return;
    };
    let library = world.build("other", SOURCE, &[]).unwrap();
    let other = world.load("other", &library).await.unwrap();
    for _ in 0..3 {
        let _ = call(&bad, "action.garbage", json!({})).await;
    }
    let refused = call(&bad, "action.echo", json!({})).await.unwrap_err();
    assert!(matches!(refused, PluginError::Disabled(_)), "{refused:?}");
    in_chinese(&refused.zh(), &[]);
    let Health::Paused { last, .. } = bad.health().health else {
        panic!("{:?}", bad.health());
    };
    in_chinese(&last.zh, &[]);
    works(&other).await;
    bad.enable();
    works(&bad).await;
    bad.disable("maintenance");
    assert!(call(&bad, "action.echo", json!({})).await.is_err());
    let health = serde_json::to_value(world.plugins.health()).unwrap();
    assert_eq!(health[0]["name"], "hostile");
    assert_eq!(health[0]["state"], "disabled");
    assert_eq!(health[1]["state"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_leaks_and_floods_are_survived() {
    let world = world(patient());
    let Some(plugin) = plugin(&world, &[]).await else {
        return;
    };
    assert_eq!(
        call(&plugin, "action.threads", json!({})).await,
        Ok(json!(50))
    );
    for _ in 0..20 {
        call(&plugin, "action.leak", json!({})).await.unwrap();
    }
    call(&plugin, "action.flood", json!({})).await.unwrap();
    // A number nobody was given; a slice at no address; no place for the answer.
    let codes = call(&plugin, "action.bogus", json!({})).await.unwrap();
    assert_eq!(codes, json!([-4, -3, -2]));
    works(&plugin).await;
    assert_eq!(plugin.unload().await, Retired::Destroyed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_end_a_plugin_is_told_that_it_is_gone() {
    let world = world(patient());
    let path = fifo(&world.folder, "said");
    let Some(library) = world.build("after", SOURCE, &["-DASKS_AFTER"]) else {
        return;
    };
    let mut config = config("after", &library);
    config.config = json!({"url": path});
    let plugin = world.plugins.load(config).await.unwrap();
    works(&plugin).await;
    assert_eq!(
        world.plugins.unload("after").await,
        Some(Retired::Destroyed)
    );
    let said = apart(move || fs::read_to_string(path)).await.unwrap();
    assert_eq!(said, "-4\n");
    let stopped = call(&plugin, "action.echo", json!({})).await.unwrap_err();
    assert_eq!(stopped, PluginError::Stopped);
    let Health::Stopped { why } = plugin.health().health else {
        panic!("{:?}", plugin.health());
    };
    in_chinese(&why.zh, &[]);
    assert_eq!(plugin.unload().await, Retired::Destroyed, "twice is once");
    assert_eq!(world.plugins.unload("after").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroy_that_hangs_does_not_hold_up_the_end() {
    let world = world(patient());
    let Some(_plugin) = plugin(&world, &["-DDESTROY_HANGS"]).await else {
        return;
    };
    let library = world.build("other", SOURCE, &[]).unwrap();
    world.load("other", &library).await.unwrap();
    let ended = world.plugins.shutdown().await;
    assert!(matches!(&ended[0], (name, Retired::Leaked(_)) if name == "hostile"));
    assert_eq!(ended[1], ("other".to_owned(), Retired::Destroyed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_traffic_fail_no_call() {
    let world = world(patient());
    let Some(plugin) = plugin(&world, &[]).await else {
        return;
    };
    let done = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (plugin, done) = (plugin.clone(), done.clone());
            tokio::spawn(async move {
                let mut calls = 0u32;
                while !done.load(Ordering::Relaxed) {
                    works(&plugin).await;
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    for _ in 0..8 {
        assert_eq!(plugin.reload(None).await, Ok(Retired::Destroyed));
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
    let health = plugin.health();
    assert_eq!((health.loads, health.faults), (9, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_is_refused_changes_nothing() {
    let world = world(patient());
    let Some(plugin) = plugin(&world, &[]).await else {
        return;
    };
    let library = world.folder.join("hostile.so");
    fs::write(&library, "truncated while it runs").unwrap();
    assert!(plugin.reload(None).await.is_err());
    works(&plugin).await;
    fs::remove_file(&library).unwrap();
    assert!(plugin.reload(None).await.is_err());
    works(&plugin).await;
    assert_eq!(plugin.health().loads, 1);
}
