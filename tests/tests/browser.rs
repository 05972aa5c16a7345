//! The demo in Chromium: the retail conversations as a customer has them, in English and Chinese,
//! with buttons, an upload, a reload in mid-form, a dropped connection and a person who takes over.
#![allow(clippy::unwrap_used)]

use reqwest::Method;
use serde_json::json;
use tandem_server::shop::{Seed, ShopDb};
use tandem_tests::{browser::Browser, require, root, server::Server};

const SHOP_TOKEN: &str = "shop-token-for-tests";

/// The retail pack with the demo shop behind it, and a browser; none where Chromium is missing.
async fn demo(test: &str) -> Option<(Server, Browser)> {
    if !require::tool("chromedriver", test) || !require::tool("chromium", test) {
        return None;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shop = format!("http://{}/api", listener.local_addr().unwrap());
    let db = ShopDb::open(None, Seed::Demo).unwrap();
    tokio::spawn(tandem_server::shop::serve(
        listener,
        db,
        Some(SHOP_TOKEN.into()),
        std::future::pending(),
    ));
    let server = Server::start_with(
        env!("CARGO_BIN_EXE_tandem-under-test"),
        &root().join("flows/retail"),
        &[("SHOP_URL", &shop), ("SHOP_TOKEN", SHOP_TOKEN)],
    )
    .await
    .unwrap();
    Some((server, Browser::start().await.unwrap()))
}

/// Keeps a picture of the window where `TANDEM_PICTURES` names a folder.
async fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("TANDEM_PICTURES") {
        let still = "return document.querySelector('tandem-chat').shadowRoot.getAnimations().every(a => a.playState !== 'running')";
        browser
            .until("the end of all movement", still)
            .await
            .unwrap();
        let path = std::path::Path::new(&folder).join(name);
        std::fs::write(path, browser.screenshot().await.unwrap()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_finds_an_order_across_a_reload_in_mid_form_and_sends_a_picture() {
    let Some((server, browser)) = demo("an order in the browser").await else {
        return;
    };
    browser
        .open(&format!("{}/demo/", server.url))
        .await
        .unwrap();
    browser.say("where is my order?").await.unwrap();
    browser.answered("order number").await.unwrap();
    browser.say("12345678").await.unwrap();
    browser.answered("e-mail").await.unwrap();
    // What was said and asked outlives the page.
    browser.reload().await.unwrap();
    browser.answered("e-mail").await.unwrap();
    browser.say("ann@example.com").await.unwrap();
    let lines = browser.answered("12345678").await.unwrap();
    assert!(
        lines
            .last()
            .unwrap()
            .buttons
            .iter()
            .any(|b| b.contains("Track"))
    );
    picture(&browser, "widget.png").await;

    browser.say("how much is delivery?").await.unwrap();
    browser.answered("€4.95").await.unwrap();
    // A file is shown, stored and given back to its visitor only.
    let photo = tempfile::Builder::new().suffix(".png").tempfile().unwrap();
    std::fs::write(photo.path(), PNG).unwrap();
    browser.upload(photo.path()).await.unwrap();
    browser
        .until(
            "the uploaded picture",
            "const root = document.querySelector('tandem-chat').shadowRoot;
             const img = [...root.querySelectorAll('.m.me img')].pop();
             return !!img && img.complete && img.naturalWidth > 0 && !root.querySelector('.m.me.pending')",
        )
        .await
        .unwrap();
    let source = browser
        .script(
            "const root = document.querySelector('tandem-chat').shadowRoot;
             return [...root.querySelectorAll('.m.me img')].pop().src",
        )
        .await
        .unwrap();
    assert!(source.is_string());
    browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_writes_chinese_and_presses_buttons() {
    let Some((server, browser)) = demo("Chinese in the browser").await else {
        return;
    };
    browser
        .open(&format!("{}/demo/?lang=zh", server.url))
        .await
        .unwrap();
    browser.say("我的订单到哪了").await.unwrap();
    browser.answered("订单号").await.unwrap();
    browser.say("１２３４５６７８").await.unwrap();
    browser.answered("邮箱").await.unwrap();
    browser.say("ann@example.com").await.unwrap();
    browser.answered("12345678").await.unwrap();
    picture(&browser, "widget.zh.png").await;
    browser.say("我想退货").await.unwrap();
    let lines = browser.answered("哪个订单").await.unwrap();
    let button = lines.last().unwrap().buttons[0].clone();
    browser.press(&button).await.unwrap();
    browser.answered("").await.unwrap();
    let lines = browser.lines().await.unwrap();
    assert!(lines.iter().any(|l| l.me && l.text == button), "{lines:#?}");
    browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_loses_and_doubles_nothing() {
    let Some((mut server, browser)) = demo("a dropped connection").await else {
        return;
    };
    browser
        .open(&format!("{}/demo/", server.url))
        .await
        .unwrap();
    browser.say("do you sell gift cards?").await.unwrap();
    browser.answered("€10").await.unwrap();
    let before = browser.lines().await.unwrap().len();
    let address = server.url.trim_start_matches("http://").to_owned();
    server.kill().await.unwrap();
    browser.say("how much is delivery?").await.unwrap();
    server.restart_on(&address).await.unwrap();
    let lines = browser.answered("€4.95").await.unwrap();
    assert_eq!(lines.len(), before + 2, "{lines:#?}");
    browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_answers_through_the_api_and_the_bot_goes_on() {
    let Some((server, browser)) = demo("a handoff in the browser").await else {
        return;
    };
    browser
        .open(&format!("{}/demo/", server.url))
        .await
        .unwrap();
    browser.say("I want to talk to a human").await.unwrap();
    let conversation = loop {
        let (_, page) = server
            .api(Method::GET, "/conversations?routing_state=queued", None)
            .await
            .unwrap();
        if let Some(found) = page["items"].as_array().and_then(|a| a.first()) {
            break found.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let id = conversation["id"].as_str().unwrap();
    let (status, answer) = server
        .api(
            Method::POST,
            &format!("/conversations/{id}/messages"),
            Some(json!({"text": "Hello, this is Kim. How can I help?"})),
        )
        .await
        .unwrap();
    assert!(status < 300, "{status} {answer}");
    browser.answered("this is Kim").await.unwrap();
    let (status, answer) = server
        .api(
            Method::POST,
            &format!("/conversations/{id}/resolve"),
            Some(json!({})),
        )
        .await
        .unwrap();
    assert!(status < 300, "{status} {answer}");
    browser.say("how much is delivery?").await.unwrap();
    browser.answered("€4.95").await.unwrap();
    browser.close().await.unwrap();
}

/// A red square of 2 × 2 pixels.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x08, 0x02, 0x00, 0x00, 0x00, 0xfd, 0xd4, 0x9a,
    0x73, 0x00, 0x00, 0x00, 0x10, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xf8, 0xcf, 0xc0, 0x00,
    0x44, 0x0c, 0x10, 0x0a, 0x00, 0x1f, 0xee, 0x03, 0xfd, 0x63, 0x5e, 0xbb, 0x5b, 0x00, 0x00, 0x00,
    0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];
