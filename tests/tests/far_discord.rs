//! Discord carries what every channel must.
#![allow(clippy::unwrap_used)]

use tandem_tests::far::{discord::Discord, scenarios};

const BINARY: &str = env!("CARGO_BIN_EXE_tandem-under-test");

#[tokio::test(flavor = "multi_thread")]
async fn conversations_in_both_languages() {
    let platform = Discord::start().await.unwrap();
    scenarios::conversations(BINARY, &platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_kept() {
    let platform = Discord::start().await.unwrap();
    scenarios::media(BINARY, &platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_messages_keep_their_order() {
    let platform = Discord::start().await.unwrap();
    scenarios::burst(BINARY, &platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_loses_and_doubles_nothing() {
    let platform = Discord::start().await.unwrap();
    scenarios::trouble(BINARY, &platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_double_nothing() {
    let platform = Discord::start().await.unwrap();
    scenarios::kills(BINARY, &platform).await.unwrap();
}
