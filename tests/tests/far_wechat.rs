//! The WeChat family carries what every channel must: an Official Account in the encrypted mode,
//! which answers in WeChat's own requests; a mini program, which answers by the API; and 微信客服,
//! whose messages are fetched.
#![allow(clippy::unwrap_used)]

use tandem_channel_wechat::Family;
use tandem_tests::far::{Platform as _, scenarios, wechat::WechatSystem, wxkf::DeskSystem};

const BINARY: &str = env!("CARGO_BIN_EXE_tandem-under-test");

async fn official() -> WechatSystem {
    WechatSystem::start(Family::OfficialAccount).await.unwrap()
}

async fn mini() -> WechatSystem {
    WechatSystem::start(Family::MiniProgram).await.unwrap()
}

async fn desk() -> DeskSystem {
    DeskSystem::start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_official_account_converses_in_both_languages() {
    let platform = official().await;
    scenarios::conversations(BINARY, &platform).await.unwrap();
    assert!(platform.board().of("nobody").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_messages_to_an_official_account_keep_their_order() {
    scenarios::burst(BINARY, &official().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_official_account_keeps_a_picture() {
    scenarios::media(BINARY, &official().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_official_account_answers_in_the_request_whatever_the_api_does() {
    let platform = official().await;
    scenarios::trouble(BINARY, &platform).await.unwrap();
    assert_eq!(platform.called(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_double_nothing_of_an_official_account() {
    scenarios::kills(BINARY, &official().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_loses_and_doubles_nothing_of_a_mini_program() {
    scenarios::trouble(BINARY, &mini().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_double_nothing_of_a_mini_program() {
    scenarios::kills(BINARY, &mini().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn customer_service_converses_in_both_languages() {
    scenarios::conversations(BINARY, &desk().await)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_messages_to_customer_service_keep_their_order() {
    scenarios::burst(BINARY, &desk().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn customer_service_keeps_a_picture() {
    scenarios::media(BINARY, &desk().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_loses_and_doubles_nothing_of_customer_service() {
    scenarios::trouble(BINARY, &desk().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_double_nothing_of_customer_service() {
    scenarios::kills(BINARY, &desk().await).await.unwrap();
}
