//! A plugin that promises not to block: it is called without the hop to a thread of its own, for as
//! long as it keeps the promise.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, thread, time::Duration};

use serde_json::{Value, json};
use tandem_plugin_host::{
    Limits, NoServices, Nonblocking, Plugin, PluginConfig, PluginError, Retired,
};
use tandem_plugin_sdk::{
    About, Action, Actions, Error, Host, Plugin as Author, ffi::linked, implement_plugin,
};

mod common;
use common::{World, call};

/// Says which thread it is called on.
struct Quick(Host);
/// The same, one call at a time.
struct Serial;

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

impl Author for Quick {
    type Config = Value;

    fn about() -> About {
        About::new("quick", "1").nonblocking()
    }

    fn create(_: Value, host: Host) -> Result<Self, Error> {
        Ok(Self(host))
    }
}

impl Action for Quick {
    fn actions(actions: &mut Actions<'_, Self>) {
        actions.add("thread", |_: &Self, _: Value, _| Ok(thread_name()));
        actions.add("panic", |_: &Self, _: Value, _| -> Result<(), Error> {
            panic!("as the test wants it")
        });
        actions.add("log", |quick: &Self, _: Value, _| {
            quick.0.info("a line");
            Ok(thread_name())
        });
        actions.add("ask", |quick: &Self, _: Value, _| {
            match quick.0.call::<Value>("kv.get", &json!({})) {
                Ok(_) => Ok("answered".to_owned()),
                Err(why) => Ok(why.to_string()),
            }
        });
    }
}

impl Author for Serial {
    type Config = Value;

    fn about() -> About {
        About::new("serial", "1").nonblocking().serial()
    }

    fn create(_: Value, _: Host) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Action for Serial {
    fn actions(actions: &mut Actions<'_, Self>) {
        actions.add("thread", |_: &Self, _: Value, _| Ok(thread_name()));
    }
}

implement_plugin!(Quick: action);
implement_plugin!(Serial: action);

/// Calls that are measured before the promise is believed.
const TRIAL: usize = 32;

fn world(short: Duration) -> World {
    let limits = Limits {
        short,
        failures: 10_000,
        ..common::limits()
    };
    World::with(limits, Arc::new(NoServices))
}

async fn quick(world: &World) -> Arc<Plugin> {
    let config: PluginConfig = serde_json::from_value(json!({"name": "quick"})).unwrap();
    world.plugins.link(config, linked::<Quick>()).await.unwrap()
}

async fn on_its_own(plugin: &Plugin) -> bool {
    let name = call(plugin, "action.thread", json!({})).await.unwrap();
    name.as_str().unwrap().starts_with("plugin ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_it_is_believed_it_is_called_on_the_task_that_calls() {
    let world = world(Duration::from_secs(600));
    let quick = quick(&world).await;
    for _ in 0..TRIAL {
        assert_eq!(quick.health().nonblocking, Some(Nonblocking::Tried));
        assert!(on_its_own(&quick).await);
    }
    for _ in 0..2000 {
        assert!(!on_its_own(&quick).await);
    }
    let panicked = call(&quick, "action.panic", json!({})).await.unwrap_err();
    assert!(matches!(panicked, PluginError::Panicked(_)), "{panicked:?}");
    assert!(call(&quick, "action.log", json!({})).await.is_ok());
    let kept = Nonblocking::Kept { overruns: 0 };
    let health = quick.health();
    assert_eq!(health.nonblocking, Some(kept));
    assert_eq!((health.running, health.waiting, health.stuck), (0, 0, 0));
    let shown = serde_json::to_value(health).unwrap();
    assert_eq!(
        shown["nonblocking"],
        json!({"promise": "kept", "overruns": 0})
    );
    // A new image is tried anew.
    assert_eq!(quick.reload(None).await, Ok(Retired::Destroyed));
    assert!(on_its_own(&quick).await);
    assert_eq!(quick.unload().await, Retired::Destroyed);
    assert_eq!(
        call(&quick, "action.thread", json!({})).await,
        Err(PluginError::Stopped)
    );
}

#[tokio::test]
async fn one_that_asks_the_host_after_all_is_refused_once_and_keeps_its_thread_from_then_on() {
    // With one thread in all an answer could never come.
    let world = world(Duration::from_secs(600));
    let quick = quick(&world).await;
    for _ in 0..TRIAL {
        call(&quick, "action.thread", json!({})).await.unwrap();
    }
    let asked = call(&quick, "action.ask", json!({})).await.unwrap();
    assert!(asked.as_str().unwrap().contains("may not ask"), "{asked}");
    let Some(Nonblocking::Lost { why }) = quick.health().nonblocking else {
        panic!("it asked");
    };
    assert!(why.en.contains("asks the host"), "{why}");
    assert!(on_its_own(&quick).await);
    let asked = call(&quick, "action.ask", json!({})).await.unwrap();
    assert_eq!(asked, json!("the host has no such method"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_calls_take_too_long_is_never_believed() {
    let world = world(Duration::ZERO);
    let quick = quick(&world).await;
    for _ in 0..2 * TRIAL {
        assert!(on_its_own(&quick).await);
    }
    let Some(Nonblocking::Lost { why }) = quick.health().nonblocking else {
        panic!("every call takes some time");
    };
    assert!(why.en.contains("4 of its last 4 calls"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_calls_without_the_hop_fail_none() {
    let world = world(Duration::from_secs(600));
    let quick = quick(&world).await;
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let quick = quick.clone();
            tokio::spawn(async move {
                for _ in 0..3000 {
                    call(&quick, "action.thread", json!({})).await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(quick.reload(None).await, Ok(Retired::Destroyed));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(quick.health().faults, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serial_plugin_keeps_its_thread() {
    let world = world(Duration::from_secs(600));
    let config: PluginConfig = serde_json::from_value(json!({"name": "serial"})).unwrap();
    let serial = world
        .plugins
        .link(config, linked::<Serial>())
        .await
        .unwrap();
    for _ in 0..2 * TRIAL {
        assert!(on_its_own(&serial).await);
    }
    assert_eq!(serial.health().nonblocking, None);
}
