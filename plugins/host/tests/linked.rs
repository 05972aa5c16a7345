//! Plugins in Rust that are linked in: a channel over its life, and what the host's services say.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_plugin_host::{
    Meta, PluginConfig, PluginError, Plugins, Refusal, Retired, ServiceError, Services,
};
use tandem_plugin_sdk::{
    About, Channel, Error, Host, Plugin, SendError,
    ffi::linked,
    implement_plugin,
    wire::{Capabilities, Inbound, Outbound, Receipt},
};
use tokio::sync::mpsc;

mod common;
use common::World;

/// Receives one message each time it runs, and waits for its end.
struct Line {
    host: Host,
    stopped: Mutex<bool>,
    told: Condvar,
}

impl Plugin for Line {
    type Config = Value;

    fn about() -> About {
        About::new("line", "0.1.0").serial()
    }

    fn create(_: Value, host: Host) -> Result<Self, Error> {
        Ok(Self {
            host,
            stopped: Mutex::new(false),
            told: Condvar::new(),
        })
    }
}

impl Channel for Line {
    fn open(&self) -> Result<Capabilities, Error> {
        Ok(json!({"text": {"max": 400}}))
    }

    fn run(&self) -> Result<(), Error> {
        let event = Inbound::text("e1", "ada", 1, "hello");
        let accepted = self.host.inbox().accept(&[event]);
        accepted.map_err(|why| Error::new("unavailable", why))?;
        let stopped = self.stopped.lock().unwrap();
        drop(self.told.wait_while(stopped, |stopped| !*stopped).unwrap());
        // What was still to be handed in at the end is taken.
        let last = Inbound::text("e2", "ada", 2, "the last");
        let accepted = self.host.inbox().accept(&[last]);
        accepted.map_err(|why| Error::new("unavailable", why))?;
        Ok(())
    }

    fn stop(&self) {
        *self.stopped.lock().unwrap() = true;
        self.told.notify_all();
    }

    fn send(&self, message: Outbound, _: &Meta) -> Result<Receipt, SendError> {
        match message.content.plain().as_str() {
            "panic" => panic!("as the test wants it"),
            "wait" => Err(SendError::RetryAfter(Duration::from_secs(3))),
            _ => Ok(Receipt::default()),
        }
    }
}

implement_plugin!(Line: channel);

/// Tells the test what was accepted.
struct Accepts(mpsc::Sender<String>);

#[async_trait]
impl Services for Accepts {
    async fn call(&self, plugin: &str, method: &str, params: Value) -> Result<Value, ServiceError> {
        assert_eq!((plugin, method), ("line", "inbox.accept"));
        let id = params["events"][0]["id"].as_str().unwrap();
        self.0.send(id.to_owned()).await.unwrap();
        Ok(json!({"accepted": [{"new": format!("inbox-{id}")}]}))
    }
}

async fn line(plugins: &Plugins) -> Arc<tandem_plugin_host::Plugin> {
    let config: PluginConfig = serde_json::from_value(json!({"name": "line"})).unwrap();
    plugins.link(config, linked::<Line>()).await.unwrap()
}

fn send(text: &str) -> Value {
    json!({"message": {"uuid": "u", "conversation": {"id": "ada"}, "author": {"kind": "bot"},
        "content": {"parts": [{"type": "text", "text": text}]}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_runs_beside_its_sends_until_a_reload_or_the_end() {
    let (tell, mut accepted) = mpsc::channel(16);
    let world = World::with(common::limits(), Arc::new(Accepts(tell)));
    let line = line(&world.plugins).await;
    let call =
        async |method: &str, params: Value| line.call(method, &params, Meta::default(), None).await;
    let opened = call("channel.open", json!({})).await.unwrap();
    assert_eq!(opened["text"]["max"], 400);
    for end in ["reload", "unload"] {
        let running = tokio::spawn({
            let line = line.clone();
            async move {
                let nothing = json!({});
                line.call("channel.run", &nothing, Meta::default(), None)
                    .await
            }
        });
        assert_eq!(accepted.recv().await.as_deref(), Some("e1"));
        // It is serial, and runs: sends pass all the same.
        assert!(call("channel.send", send("hi")).await.is_ok());
        let retired = match end {
            "reload" => line.reload(None).await.unwrap(),
            _ => line.unload().await,
        };
        assert_eq!(retired, Retired::Destroyed);
        assert_eq!(accepted.recv().await.as_deref(), Some("e2"), "{end}");
        assert_eq!(running.await.unwrap(), Ok(Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_panics_is_uncertain() {
    let (tell, _accepted) = mpsc::channel(16);
    let world = World::with(common::limits(), Arc::new(Accepts(tell)));
    let line = line(&world.plugins).await;
    let sent = async |text: &str| {
        let message = send(text);
        let sent = line.call("channel.send", &message, Meta::default(), None);
        sent.await.unwrap_err()
    };
    let panicked = sent("panic").await;
    assert_eq!(
        panicked,
        PluginError::Panicked("as the test wants it".into())
    );
    assert!(panicked.may_have_happened());
    let PluginError::Failed(error) = sent("wait").await else {
        panic!("this is a failure the plugin foresaw");
    };
    assert_eq!(
        SendError::from(error),
        SendError::RetryAfter(Duration::from_secs(3))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_linked_has_no_path() {
    let (tell, _accepted) = mpsc::channel(16);
    let world = World::with(common::limits(), Arc::new(Accepts(tell)));
    let config: PluginConfig =
        serde_json::from_value(json!({"name": "line", "path": "/a.so"})).unwrap();
    let refused = world.plugins.link(config, linked::<Line>()).await;
    assert_eq!(refused.unwrap_err(), Refusal::PathOrCommand);
    let misspelt = json!({"name": "line", "pth": "/a.so"});
    assert!(serde_json::from_value::<PluginConfig>(misspelt).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_nobody_waits_for_any_more_is_no_reason_to_stop_sending() {
    let (tell, mut accepted) = mpsc::channel(16);
    let world = World::with(common::limits(), Arc::new(Accepts(tell)));
    let line = line(&world.plugins).await;
    let nothing = json!({});
    {
        let running = line.call("channel.run", &nothing, Meta::default(), None);
        tokio::select! {
            ended = running => panic!("{ended:?}"),
            id = accepted.recv() => assert_eq!(id.as_deref(), Some("e1")),
        }
    }
    let sent = line
        .call("channel.send", &send("hi"), Meta::default(), None)
        .await;
    assert!(sent.is_ok(), "{sent:?}");
    let again = line
        .call("channel.run", &nothing, Meta::default(), None)
        .await;
    assert_eq!(again, Err(PluginError::Busy), "the first still receives");
    assert_eq!(line.unload().await, Retired::Destroyed);
    assert_eq!(accepted.recv().await.as_deref(), Some("e2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_loaded_once_the_server_ends() {
    let (tell, _accepted) = mpsc::channel(16);
    let world = World::with(common::limits(), Arc::new(Accepts(tell)));
    line(&world.plugins).await;
    let ended = world.plugins.shutdown().await;
    assert_eq!(ended, [("line".to_owned(), Retired::Destroyed)]);
    let config: PluginConfig = serde_json::from_value(json!({"name": "late"})).unwrap();
    let refused = world.plugins.link(config, linked::<Line>()).await;
    assert_eq!(refused.unwrap_err(), Refusal::Closed);
}
