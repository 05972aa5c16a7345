//! Packs that are edited while customers talk.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use reqwest::Method;
use tandem_tests::{
    server::Server,
    visitor::{Visitor, text},
};

const FLOWS: &str = r#"
version: 1
slots:
  name: {type: text}
  city: {type: text}
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

/// Asks until the answer holds this text; how long that took.
async fn until_says(visitor: &mut Visitor, question: &str, wanted: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let lines = visitor.say(question).await.unwrap();
        if lines.iter().any(|line| text(line).contains(wanted)) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{lines:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_saved_file_is_live_a_broken_one_changes_nothing_and_conversations_keep_their_version() {
    let pack = tempfile::tempdir().unwrap();
    let flows = pack.path().join("main.flow.yaml");
    std::fs::write(
        pack.path().join("pack.yaml"),
        "name: shop\nlocales: [en]\ntime_zone: UTC\n",
    )
    .unwrap();
    std::fs::write(&flows, FLOWS).unwrap();
    let server = Server::start(env!("CARGO_BIN_EXE_tandem-under-test"), pack.path())
        .await
        .unwrap();
    let mut ann = server.visitor().await.unwrap();
    let mut bob = server.visitor().await.unwrap();
    ann.say("sign me up").await.unwrap();

    // A text.
    std::fs::write(&flows, FLOWS.replace("We open at nine.", "We open at ten.")).unwrap();
    until_says(&mut bob, "when are you open", "at ten").await;

    // A mistake: the last good version stays, and the API says where it is wrong.
    std::fs::write(&flows, FLOWS.replace("answer: hours", "answer: hourz")).unwrap();
    let problem = loop {
        let (_, packs) = server.api(Method::GET, "/packs", None).await.unwrap();
        let last = &packs["items"][0]["last_reload"];
        if last["outcome"] == "refused" {
            break last["problems"][0].clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(problem["file"], "main.flow.yaml");
    assert!(problem["line"].as_u64().unwrap() > 0, "{problem}");
    until_says(&mut bob, "when are you open", "at ten").await;

    // A question less: who is in the flow still meets it, who begins does not.
    let shorter = FLOWS
        .replace(
            "      - id: city\n        collect: city\n        ask: Where do you live?\n",
            "",
        )
        .replace("  city: {type: text}\n", "")
        .replace(
            "Welcome, {{ name }} of {{ city }}!",
            "Welcome, {{ name }}, at last!",
        )
        .replace("We open at nine.", "We open at eleven.");
    std::fs::write(&flows, shorter).unwrap();
    until_says(&mut bob, "when are you open", "at eleven").await;
    let asked = ann.say("Ann Lee").await.unwrap();
    assert_eq!(text(&asked[0]), "Where do you live?");
    let welcome = ann.say("Berlin").await.unwrap();
    assert_eq!(text(&welcome[0]), "Welcome, Ann Lee of Berlin!");
    bob.say("sign me up").await.unwrap();
    let welcome = bob.say("Bob").await.unwrap();
    assert_eq!(text(&welcome[0]), "Welcome, Bob, at last!");
}
