//! Plugins written as an author would, called through their tables.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Condvar, Mutex},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_plugin_sdk::{
    About, Action, Actions, Channel, Error, Exporter, Host, HostError, Kind, Level, Meta, Plugin,
    SendError, TextToSpeech,
    abi::code,
    implement_plugin,
    testkit::{Kit, Plan, conformance},
    wire::{
        Bytes, Capabilities, ExportBatch, ExportReceipt, Inbound, Outbound, Part, Receipt, Speak,
        Speech, StoredMedia,
    },
};

/// Does some of everything.
struct Shop {
    host: Host,
    prefix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShopConfig {
    prefix: String,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct How {
    bomb: bool,
}

#[derive(Serialize)]
struct Said {
    text: String,
}

impl Plugin for Shop {
    type Config = ShopConfig;

    fn about() -> About {
        About::new("shop", "1.2.3")
            .config(json!({"type": "object", "required": ["prefix"]}))
            .concurrency(4)
    }

    fn create(config: ShopConfig, host: Host) -> Result<Self, Error> {
        if config.prefix.is_empty() {
            return Err(Error::new("bad_prefix", "the prefix is empty"));
        }
        host.info("begun");
        Ok(Self {
            host,
            prefix: config.prefix,
        })
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.host.info("nobody hears this");
        if self.prefix == "panics" {
            panic!("in drop");
        }
    }
}

/// Panics again when its payload is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("once more");
    }
}

impl Action for Shop {
    fn actions(actions: &mut Actions<'_, Self>) {
        actions
            .add("greet", |shop: &Self, who: Name, _| {
                let text = format!("{} {}", shop.prefix, who.name);
                Ok(Said { text })
            })
            .params(json!({"type": "object", "required": ["name"]}))
            .timeout_ms(250);
        actions
            .add("buy", |_: &Self, what: Name, _| -> Result<(), Error> {
                match what.name.as_str() {
                    "tea" => Err(Error::new("sold_out", "no tea is left")),
                    "milk" => Err(Error::new("unavailable", "the cow is out")),
                    _ => Err(Error::new("unheard_of", "nobody sells this")),
                }
            })
            .error("sold_out", "none is left")
            .error("closed", "come back tomorrow");
        actions.add("meta", |_: &Self, _: Value, meta| Ok(meta.clone()));
        actions.add("fail", |_: &Self, _: Value, _| -> Result<(), Error> {
            Err(Error::new("sold_out", "none left").retry_after(Duration::from_secs(3)))
        });
        actions.add("panic", |_: &Self, how: How, _| -> Result<(), Error> {
            match how.bomb {
                true => std::panic::panic_any(Bomb),
                false => panic!("broken {}", 7),
            }
        });
        actions.add("count", |shop: &Self, _: Value, _| {
            let kv = shop.host.kv();
            let failed = |why: HostError| Error::new("kv", why);
            let count = kv.get::<u64>("count").map_err(failed)?.unwrap_or(0) + 1;
            kv.put("count", Some(&count)).map_err(failed)?;
            Ok(count)
        });
    }
}

impl TextToSpeech for Shop {
    fn speak(&self, request: Speak, _: &Meta) -> Result<Speech, Error> {
        Ok(Speech {
            mime: request.mime,
            data: Bytes(request.text.into_bytes()),
        })
    }
}

impl Exporter for Shop {
    fn export(&self, batch: ExportBatch, _: &Meta) -> Result<ExportReceipt, Error> {
        Ok(ExportReceipt {
            accepted: batch.records.len() as u64,
        })
    }
}

implement_plugin!(Shop: action, text_to_speech, exporter);

/// A channel that receives one message and waits to be stopped.
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

    fn create(config: Value, host: Host) -> Result<Self, Error> {
        if !config.is_object() {
            return Err(Error::new("bad_config", "this is no object"));
        }
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
        let event = Inbound::text("e1", "ada", 1_700_000_000_000, "hello");
        self.host
            .inbox()
            .accept(&[event])
            .map_err(|why| Error::new("unavailable", why))?;
        let stopped = self.stopped.lock().unwrap();
        drop(self.told.wait_while(stopped, |stopped| !*stopped).unwrap());
        Ok(())
    }

    fn stop(&self) {
        *self.stopped.lock().unwrap() = true;
        self.told.notify_all();
    }

    fn send(&self, message: Outbound, _: &Meta) -> Result<Receipt, SendError> {
        if let Some(Part::Media(media)) = message.content.parts.first() {
            let file = self
                .host
                .media(&media.reference)
                .map_err(HostError::before_send)?;
            let said = format!("{}, {} bytes", file.mime, file.data.0.len());
            return Ok(Receipt {
                native_ids: vec![said],
            });
        }
        match message.content.plain().as_str() {
            "refuse" => Err(SendError::Rejected {
                code: "470".into(),
                message: "outside of the window".into(),
            }),
            text => Ok(Receipt {
                native_ids: vec![format!("n-{text}")],
            }),
        }
    }
}

implement_plugin!(Line: channel);

fn plan() -> Plan {
    Plan {
        config: json!({"prefix": "Hello"}),
        refused: vec![
            json!({}),
            json!({"prefix": ""}),
            json!({"prefix": "a", "x": 1}),
        ],
        calls: vec![
            ("action.greet".into(), json!({"name": "Ada"})),
            ("action.count".into(), json!({})),
            ("tts".into(), json!({"text": "hi", "mime": "audio/wav"})),
            ("export".into(), json!({"batch_id": "b", "records": [1, 2]})),
        ],
        fails: vec![
            fails("action.buy", json!({"name": "tea"}), "sold_out"),
            fails("action.fail", json!({}), "sold_out"),
        ],
    }
}

fn fails(method: &str, params: Value, code: &str) -> (String, Value, String) {
    (method.to_owned(), params, code.to_owned())
}

fn send(text: &str) -> Value {
    json!({"message": {"uuid": "u", "conversation": {"id": "ada"}, "author": {"kind": "bot"},
        "content": {"parts": [{"type": "text", "text": text}, {"type": "from_a_newer_host"}]}}})
}

#[test]
fn a_manifest_is_made_from_the_traits() {
    let manifest = Kit::of::<Shop>().manifest().unwrap();
    assert_eq!((&*manifest.name, &*manifest.version), ("shop", "1.2.3"));
    assert_eq!(manifest.panic.as_deref(), Some("unwind"));
    assert_eq!(manifest.concurrency, Some(4));
    for kind in [Kind::Action, Kind::TextToSpeech, Kind::Exporter] {
        assert!(manifest.offers(kind));
    }
    let greet = &manifest.methods["action.greet"];
    assert_eq!(greet.timeout_ms, Some(250));
    assert_eq!(greet.params.as_ref().unwrap()["required"], json!(["name"]));
    assert!(Kit::of::<Line>().manifest().unwrap().serial);
    let codes = json!({"sold_out": "none is left", "closed": "come back tomorrow"});
    let spec = |method: &str| serde_json::to_value(&manifest.methods[method]).unwrap();
    assert_eq!(spec("action.buy"), json!({ "errors": codes }));
    assert_eq!(
        spec("action.meta"),
        json!({}),
        "nothing is said of its codes"
    );
}

#[test]
fn methods_are_called_with_their_types() {
    let shop = Kit::of::<Shop>().start(&plan().config).unwrap();
    let call = |method, params| shop.call(method, &params);
    assert_eq!(
        call("action.greet", json!({"name": "Ada"})),
        Ok(json!({"text": "Hello Ada"}))
    );
    assert_eq!(
        call("tts", json!({"text": "hi", "mime": "audio/wav"})),
        Ok(json!({"mime": "audio/wav", "data": "aGk="}))
    );
    assert_eq!(
        call("export", json!({"batch_id": "b", "records": [1, 2]})),
        Ok(json!({"accepted": 2}))
    );
    let meta = call("action.meta", json!({})).unwrap();
    assert_eq!(meta, json!({"workspace": "default", "deadline_ms": 5000}));
    assert!(shop.stop());
}

#[test]
fn failures_keep_their_code_and_their_words() {
    let shop = Kit::of::<Shop>().start(&plan().config).unwrap();
    let refused = |method, params| shop.call(method, &params).unwrap_err();
    let sold_out = refused("action.fail", json!({}));
    assert_eq!(sold_out.code, code::ERROR);
    assert_eq!(sold_out.error.code, "sold_out");
    assert_eq!(sold_out.error.retry_after_ms, Some(3000));

    let misspelt = refused("action.greet", json!({"nmae": "Ada"}));
    assert_eq!(misspelt.code, code::BAD_INPUT);
    assert!(misspelt.error.message.contains("name"), "{misspelt:?}");
    assert_eq!(refused("action.gret", json!({})).code, code::UNKNOWN_METHOD);
}

#[test]
fn panics_are_caught_wherever_they_come_from() {
    let kit = Kit::of::<Shop>();
    let shop = kit.start(&json!({"prefix": "panics"})).unwrap();
    let caught = shop
        .call("action.panic", &json!({"bomb": false}))
        .unwrap_err();
    assert_eq!(caught.code, code::PANICKED);
    assert_eq!(caught.error.message, "broken 7");
    let caught = shop
        .call("action.panic", &json!({"bomb": true}))
        .unwrap_err();
    assert_eq!(caught.error.message, "a panic without words");
    let greeted = shop.call("action.greet", &json!({"name": "Ada"}));
    assert!(greeted.is_ok(), "it goes on: {greeted:?}");
    assert!(shop.stop(), "a panic in drop ends there");
}

#[test]
fn the_host_keeps_values_and_logs_until_the_end() {
    let kit = Kit::of::<Shop>();
    let shop = kit.start(&plan().config).unwrap();
    assert_eq!(shop.call("action.count", &json!({})), Ok(json!(1)));
    assert_eq!(shop.call("action.count", &json!({})), Ok(json!(2)));
    assert_eq!(kit.host().value("count"), Some(json!(2)));
    kit.host().refuse(Some(code::BUSY));
    let busy = shop.call("action.count", &json!({})).unwrap_err();
    assert_eq!(busy.error.message, "the host is busy");
    kit.host().refuse(None);
    shop.close_host();
    let gone = shop.call("action.count", &json!({})).unwrap_err();
    assert_eq!(gone.error.message, "this plugin has ended");
    assert!(shop.stop());
    assert_eq!(kit.logged(Level::Info), ["begun"]);
}

#[test]
fn a_channel_receives_sends_and_stops() {
    let kit = Kit::of::<Line>();
    let line = kit.start(&json!({})).unwrap();
    assert_eq!(
        line.call("channel.send", &send("hi")),
        Ok(json!({"native_ids": ["n-hi"]}))
    );
    let refused = line.call("channel.send", &send("refuse")).unwrap_err();
    let end = SendError::from(refused.error);
    assert!(matches!(end, SendError::Rejected { code, .. } if code == "470"));
    let http = line.call("channel.http", &json!({"method": "GET", "path": "/"}));
    assert_eq!(http.unwrap()["status"], 404);

    std::thread::scope(|scope| {
        let running = scope.spawn(|| line.call("channel.run", &json!({})));
        let events = kit.host().wait_for_events(1, Duration::from_secs(20));
        assert_eq!(events.len(), 1);
        line.call("channel.stop", &json!({})).unwrap();
        assert_eq!(running.join().unwrap(), Ok(Value::Null));
    });
    assert!(line.stop());
}

#[test]
fn a_file_that_a_message_names_is_the_hosts_to_give() {
    let kit = Kit::of::<Line>();
    let line = kit.start(&json!({})).unwrap();
    let bill = StoredMedia {
        mime: "application/pdf".into(),
        name: None,
        data: Bytes(vec![1, 2, 3]),
    };
    kit.host().keep_media("file:1", bill);
    let with = |reference: &str| {
        let mut params = send("");
        params["message"]["content"]["parts"] = json!([{"type": "media", "media": "file",
            "ref": reference, "mime": "application/pdf"}]);
        line.call("channel.send", &params)
            .map_err(|refused| SendError::from(refused.error))
    };
    assert_eq!(
        with("file:1"),
        Ok(json!({"native_ids": ["application/pdf, 3 bytes"]}))
    );
    let gone = with("file:2");
    assert!(
        matches!(&gone, Err(SendError::Rejected { code, .. }) if code == "not_found"),
        "{gone:?}"
    );
    kit.host().refuse(Some(code::BUSY));
    assert!(matches!(with("file:1"), Err(SendError::Transient(_))));
    kit.host().refuse(Some(code::TOO_LARGE));
    let large = with("file:1");
    assert!(
        matches!(&large, Err(SendError::Rejected { code, .. }) if code == "too_large"),
        "{large:?}"
    );
    assert!(line.stop());
}

#[test]
fn the_suite_passes_good_plugins() {
    conformance(&Kit::of::<Shop>(), &plan()).assert_passed();
    let plan = Plan {
        config: json!({}),
        refused: vec![json!(7)],
        calls: vec![("channel.send".into(), send("hi"))],
        fails: vec![fails("channel.send", send("refuse"), "rejected")],
    };
    conformance(&Kit::of::<Line>(), &plan).assert_passed();
}

#[test]
fn the_suite_says_what_is_wrong_with_a_bad_one() {
    let mut wrong = plan();
    wrong.refused.push(json!({"prefix": "fine"}));
    wrong
        .calls
        .push(("action.panic".into(), json!({"bomb": false})));
    let report = conformance(&Kit::of::<Shop>(), &wrong);
    let failed: Vec<_> = report.0.iter().filter(|c| c.result.is_err()).collect();
    assert!(!report.passed());
    assert!(failed.iter().any(|c| c.name.contains("configuration")));
    assert!(report.to_string().contains("broken 7"), "{report}");
}

#[test]
fn the_suite_says_which_code_was_not_declared_and_which_was_not_answered() {
    let failed = |method: &str, name: &str, code: &str| {
        let mut plan = plan();
        plan.fails
            .push(fails(method, json!({ "name": name }), code));
        let report = conformance(&Kit::of::<Shop>(), &plan);
        let failed = report.0.into_iter().filter(|check| check.result.is_err());
        let failed: Vec<String> = failed
            .map(|check| format!("{}: {}", check.name, check.result.unwrap_err()))
            .collect();
        failed.join("\n")
    };
    assert_eq!(
        failed("action.buy", "milk", "unavailable"),
        "",
        "any call may"
    );
    let undeclared = failed("action.buy", "snow", "unheard_of");
    assert_eq!(
        undeclared,
        "no method answers with a code that it does not declare: \
         `action.buy` answers the code `unheard_of`, which its `errors` do not name"
    );
    let other = failed("action.buy", "tea", "closed");
    assert!(
        other.contains("each with its code") && other.contains("sold_out"),
        "{other}"
    );
    let well = failed("action.greet", "Ada", "closed");
    assert!(well.contains("Hello Ada"), "{well}");
}
