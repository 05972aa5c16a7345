//! Everything from outside that is too much, false or broken, against the program as it ships:
//! a clear error, nothing lost, and others are answered meanwhile.
//!
//! * `visitors` – what customers and their browsers send; `files` – uploads; `floods` – how much;
//! * `connections` – clients that dawdle or do not speak the protocol;
//! * `services` – HTTP services a pack calls; `scripts` – its Lua and its templates;
//! * `packs` – packs that are broken or hostile, checked and saved; `starts` – servers that cannot
//!   start; `disk` – no room left.
#![allow(clippy::unwrap_used)]

mod connections;
mod disk;
mod files;
mod floods;
mod packs;
mod scripts;
mod services;
mod starts;
mod visitors;

use reqwest::Method;
use serde_json::Value;
use tandem_tests::{
    server::{Server, Setup},
    visitor::{Visitor, text},
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_tandem-under-test");

const PACK: &[(&str, &str)] = &[
    (
        "pack.yaml",
        "name: small\nlocales: [en]\ntime_zone: UTC\ndefault_skill: general\n",
    ),
    ("desk.yaml", "skills: [general]\n"),
    ("main.flow.yaml", FLOWS),
];

const FLOWS: &str = r#"version: 1
slots:
  name: {type: text}
  city: {type: text}
  letter: {type: file, accept: ["*/*"]}
faqs:
  hours: {title: Hours, phrases: [when are you open], answer: hours}
responses:
  hours: We open at nine.
flows:
  sign:
    title: signing up
    start_when: {phrases: [sign me up]}
    steps:
      - id: name
        collect: name
        ask: What is your name?
      - id: city
        collect: city
        ask: Where do you live?
      - say: Welcome, {{ name }} of {{ city }}!
"#;

fn pack() -> TempDir {
    tandem_tests::packs::folder(PACK)
}

/// A server with the small pack; the pack's folder lives as long as it is held.
async fn small(setup: Setup) -> (Server, TempDir) {
    let pack = pack();
    let server = Server::start_as(BINARY, pack.path(), setup).await.unwrap();
    (server, pack)
}

/// Somebody who is answered, whatever else is going on.
async fn is_answered(visitor: &mut Visitor) {
    let lines = visitor.say("when are you open").await.unwrap();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(text(&lines[0]), "We open at nine.");
}

/// The ids that customers gave the messages that stand in a conversation of theirs, in order.
fn own_ids(transcript: &[Value]) -> Vec<String> {
    transcript
        .iter()
        .filter(|line| line["author"]["kind"] == "contact")
        .map(|line| line["client_id"].as_str().unwrap().to_owned())
        .collect()
}

/// All conversations, as the API tells of them.
async fn conversations(server: &Server) -> Vec<Value> {
    let (status, page) = server
        .api(Method::GET, "/conversations?limit=100", None)
        .await
        .unwrap();
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().unwrap().clone()
}

/// Status, code and message of an answer that says what is wrong.
async fn refusal(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    let error: Value =
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{status} {e}: {body}"));
    let error = &error["error"];
    assert!(!error["message"].as_str().unwrap().is_empty(), "{body}");
    (status, error["code"].as_str().unwrap().to_owned())
}
