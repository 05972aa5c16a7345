//! Plugins in the running server: flows call them, files are replaced under traffic, the server is
//! killed in the middle of a call, a plugin misbehaves; and the commands.
#![allow(clippy::unwrap_used)]

mod commands;
mod killed;
mod running;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, extract, routing::get};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_tests::{
    command::{self, err, out},
    libraries, packs, require, root,
    server::{Server, Setup},
    visitor::{Visitor, text},
};
use tempfile::TempDir;

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem-under-test");

fn tandem(args: &[&str], folder: &Path) -> std::process::Output {
    command::run(TANDEM, args, folder)
}

fn folder() -> TempDir {
    libraries::folder().unwrap()
}

fn replace(from: &Path, to: &Path) {
    libraries::replace(from, to).unwrap();
}

/// The parcel example.
fn parcel() -> PathBuf {
    libraries::built("tandem_plugin_parcel").unwrap()
}

/// A library of this source; `None`, visibly, where there is no compiler.
fn in_c(source: &str, to: &Path, test: &str) -> Option<()> {
    let from = to.with_extension("c");
    fs::write(&from, source).unwrap();
    libraries::in_c(&from, to, test).unwrap()
}

/// A carrier that knows one parcel.
async fn carrier() -> String {
    let track = async |extract::Path(number): extract::Path<String>| match number.as_str() {
        "P-1001" => Ok(Json(json!({"status": "in_transit", "place": "Leipzig"}))),
        _ => Err(axum::http::StatusCode::NOT_FOUND),
    };
    let app = Router::new().route("/v1/parcels/{number}", get(track));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

const PACK: &str = "name: p\nlocales: [en]\ntime_zone: UTC\ndefault_skill: general\n";
const DESK: &str = "skills: [general]\n";

const TRACK: &str = r#"
version: 1
slots:
  tracking: {type: object, source: plugin}
flows:
  found:
    title: a parcel
    start_when: {phrases: [where is my parcel]}
    steps:
      - plugin: parcel.track
        with: {number: P-1001}
        save: tracking
        on_error: [{say: Tracking failed.}, {end: failed}]
      - say: "It is in {{ tracking.place }}."
  lost:
    title: a lost parcel
    start_when: {phrases: [where is the lost one]}
    steps:
      - plugin: parcel.track
        with: {number: P-4040}
        save: tracking
        on_error: [{say: Nobody knows.}]
"#;

/// A pack of these flows, with the contracts of these plugins.
fn pack(flows: &str, contracts: &[(&str, &Path)]) -> TempDir {
    let pack = packs::folder(&[
        ("pack.yaml", PACK),
        ("desk.yaml", DESK),
        ("main.flow.yaml", flows),
    ]);
    for (name, plugin) in contracts {
        let at = pack.path().display().to_string();
        let args = [
            "plugin",
            "inspect",
            &plugin.display().to_string(),
            "--write",
            &at,
        ];
        let written = tandem(&args, pack.path());
        assert!(
            written.status.success(),
            "{}{}",
            out(&written),
            err(&written)
        );
        assert!(pack.path().join(format!("plugins/{name}.json")).is_file());
    }
    pack
}

async fn start(pack: &Path, folder: &Path, plugins: Value) -> Server {
    let config = json!({"plugin_folders": [folder], "plugins": plugins});
    Server::start_as(TANDEM, pack, Setup::config(config))
        .await
        .unwrap()
}

/// How a plugin stands.
async fn standing(server: &Server, name: &str) -> Value {
    let (status, list) = server.api(Method::GET, "/plugins", None).await.unwrap();
    assert_eq!(status, 200, "{list}");
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .find(|item| item["name"] == name)
        .unwrap()
        .clone()
}

/// Looks until it is so.
async fn until(server: &Server, name: &str, so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let plugin = standing(server, name).await;
        if so(&plugin) {
            return plugin;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{plugin:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn asks(visitor: &mut Visitor, words: &str) -> String {
    let lines = visitor.say(words).await.unwrap();
    let texts: Vec<String> = lines.iter().map(text).collect();
    texts.join("|")
}
