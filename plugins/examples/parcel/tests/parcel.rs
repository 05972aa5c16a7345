//! The plugin against a carrier that is not there, linked in and loaded as a library.
#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tandem_plugin_host::{HostConfig, Limits, Meta, NoServices, Plugins};
use tandem_plugin_parcel::Parcel;
use tandem_plugin_sdk::testkit::{Kit, Plan, conformance};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path},
};

async fn carrier() -> MockServer {
    let carrier = MockServer::start().await;
    let answers = [
        (
            "P-1001",
            ResponseTemplate::new(200).set_body_json(tracking()),
        ),
        ("P-4040", ResponseTemplate::new(404)),
        ("P-5000", ResponseTemplate::new(500)),
        (
            "P-2000",
            ResponseTemplate::new(200).set_body_string("<html>"),
        ),
        (
            "P-9000",
            ResponseTemplate::new(200).set_body_string("x".repeat(70_000)),
        ),
    ];
    for (number, answer) in answers {
        Mock::given(method("GET"))
            .and(path(format!("/v1/parcels/{number}")))
            .and(header("authorization", "Bearer t0ken"))
            .respond_with(answer)
            .mount(&carrier)
            .await;
    }
    carrier
}

fn tracking() -> Value {
    json!({"status": "in_transit", "place": "Leipzig", "expected": "2026-03-02", "internal": 7})
}

fn config(carrier: &MockServer) -> Value {
    json!({"url": format!("{}/v1", carrier.uri()), "token": "t0ken"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_passes_the_suite() {
    let carrier = carrier().await;
    let plan = Plan {
        config: config(&carrier),
        refused: vec![
            json!({}),
            json!({"url": 7}),
            json!({"url": "mailto:a@b.c"}),
            json!({"url": "http://c.example", "tokn": "x"}),
        ],
        calls: vec![("action.track".into(), json!({"number": "P-1001"}))],
        fails: [
            ("P-4040", "not_found"),
            ("P-5000", "unavailable"),
            ("P-2000", "bad_response"),
        ]
        .map(|(number, code)| {
            let params = json!({ "number": number });
            ("action.track".to_owned(), params, code.to_owned())
        })
        .into(),
    };
    tokio::task::spawn_blocking(move || conformance(&Kit::of::<Parcel>(), &plan).assert_passed())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_carrier_says_comes_back_with_a_code_for_what_it_does_not() {
    let carrier = carrier().await;
    let config = config(&carrier);
    let asked = tokio::task::spawn_blocking(move || {
        let plugin = Kit::of::<Parcel>().start(&config).unwrap();
        let track = |number: &str| plugin.call("action.track", &json!({"number": number}));
        let found = track("P-1001").unwrap();
        let codes = ["P-4040", "P-5000", "P-2000", "P-9000"].map(|number| {
            let refused = track(number).unwrap_err();
            assert!(!refused.error.message.contains(number), "{refused:?}");
            refused.error.code
        });
        assert!(plugin.stop());
        (found, codes)
    });
    let (found, codes) = asked.await.unwrap();
    assert_eq!(
        found,
        json!({"status": "in_transit", "place": "Leipzig", "expected": "2026-03-02"})
    );
    assert_eq!(
        codes,
        ["not_found", "unavailable", "bad_response", "bad_response"]
    );
}

/// The demo's pack keeps the plugin's manifest, by which its flows are checked.
#[test]
fn the_retail_pack_has_the_contract_of_this_plugin() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = folder.join("../../../flows/retail/plugins/parcel.json");
    let manifest = Kit::of::<Parcel>().manifest().unwrap();
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        let text = serde_json::to_string_pretty(&manifest).unwrap();
        fs::write(&path, text + "\n").unwrap();
    }
    let kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let hint = "UPDATE_CONTRACTS=1 cargo test -p tandem-plugin-parcel writes it";
    assert_eq!(kept, serde_json::to_value(&manifest).unwrap(), "{hint}");
}

/// The library beside this test, where cargo puts it.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let name = format!("libtandem_plugin_parcel{}", std::env::consts::DLL_SUFFIX);
    let places = [
        test.parent().unwrap(),
        test.parent().unwrap().parent().unwrap(),
    ];
    let mut found = places.iter().map(|place| place.join(&name));
    found
        .find(|path| path.exists())
        .expect("cargo builds the library")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_loads_as_a_library_answers_and_is_reloaded() {
    let carrier = carrier().await;
    let all = tempfile::tempdir().unwrap();
    let at = all.path().join("parcel.so");
    fs::copy(library(), &at).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(0o644)).unwrap();
    let host = HostConfig {
        folders: vec![all.path().to_path_buf()],
        private: all.path().join("private"),
        probe: None,
        limits: Limits {
            load: Duration::from_secs(30),
            ..Limits::default()
        },
    };
    let plugins = Plugins::new(host, Arc::new(NoServices)).unwrap();
    let entry = json!({"name": "parcel", "path": at, "config": config(&carrier)});
    let plugin = plugins
        .load(serde_json::from_value(entry).unwrap())
        .await
        .unwrap();
    for _ in 0..2 {
        let params = json!({"number": "P-1001"});
        let found = plugin
            .call("action.track", &params, Meta::default(), None)
            .await
            .unwrap();
        assert_eq!(found["place"], "Leipzig");
        plugin.reload(None).await.unwrap();
    }
    let misspelt = json!({"nubmer": "P-1001"});
    let refused = plugin.call("action.track", &misspelt, Meta::default(), None);
    assert_eq!(refused.await.unwrap_err().code(), "refused");
    plugins.shutdown().await;
}
