//! A Telegram bot, by polling and by webhook, carries what every channel must.
#![allow(clippy::unwrap_used)]

use tandem_tests::far::{scenarios, telegram::Telegram};

const BINARY: &str = env!("CARGO_BIN_EXE_tandem-under-test");

#[tokio::test(flavor = "multi_thread")]
async fn conversations_in_both_languages() {
    let platform = Telegram::polled().await.unwrap();
    scenarios::conversations(BINARY, &platform).await.unwrap();
    assert_eq!(platform.spinning(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_in_both_languages_by_webhook() {
    let platform = Telegram::called().await.unwrap();
    scenarios::conversations(BINARY, &platform).await.unwrap();
    assert_eq!(platform.spinning(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_kept() {
    let platform = Telegram::polled().await.unwrap();
    scenarios::media(BINARY, &platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_messages_keep_their_order() {
    let platform = Telegram::polled().await.unwrap();
    scenarios::burst(BINARY, &platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_loses_and_doubles_nothing() {
    let platform = Telegram::polled().await.unwrap();
    scenarios::trouble(BINARY, &platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_double_nothing() {
    let platform = Telegram::polled().await.unwrap();
    scenarios::kills(BINARY, &platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_double_nothing_by_webhook() {
    let platform = Telegram::called().await.unwrap();
    scenarios::kills(BINARY, &platform).await.unwrap();
}
