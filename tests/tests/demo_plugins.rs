//! The demo with the example plugins, as `plugins/examples/tandem.yaml` configures it: a library in
//! Rust, one in C, and a program in Python, replaced while customers ask.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use Does::{Presses, Says};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_server::shop::{self, Seed, ShopDb};
use tandem_tests::{
    libraries, require, root,
    server::{Server, Setup},
    visitor::{Visitor, text},
};

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem-under-test");
const SECRET: &str = "the site signs with this";
/// What the shop asks for, and its carrier.
const TOKEN: &str = "opens the shop";
const TEST: &str = "the demo with the example plugins";

async fn shop() -> String {
    let db = ShopDb::open(None, Seed::Demo).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    let token = Some(TOKEN.to_owned());
    tokio::spawn(shop::serve(listener, db, token, std::future::pending()));
    url
}

/// What the example's configuration says of plugins, with the shop where it is now.
fn configured(shop: &str) -> Value {
    let file = root().join("plugins/examples/tandem.yaml");
    let config: Value = serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut plugins = config["plugins"].clone();
    plugins["parcel"]["config"]["url"] = json!(format!("{shop}/carrier"));
    plugins
}

/// The folder that the README has them put into.
fn plugins(folder: &Path) -> Option<()> {
    let examples = root().join("plugins/examples");
    let parcel = libraries::built("tandem_plugin_parcel").unwrap();
    libraries::replace(&parcel, &folder.join("libparcel.so")).unwrap();
    let greeter = folder.join("libgreeter.so");
    libraries::in_c(&examples.join("c-greeter/greeter.c"), &greeter, TEST).unwrap()?;
    let loyalty = folder.join("python-loyalty");
    fs::create_dir(&loyalty).unwrap();
    for file in ["plugin.py", "tandem_plugin.py"] {
        let from = examples.join("python-loyalty").join(file);
        libraries::replace(&from, &loyalty.join(file)).unwrap();
    }
    Some(())
}

/// What a customer does next.
enum Does {
    Says(&'static str),
    Presses(&'static str),
}

/// Waits until the bot has said this to it: some of an answer comes after a plugin was asked.
async fn hears(visitor: &mut Visitor, does: Does, part: &str) {
    let seq = |line: &Value| line["seq"].as_u64().unwrap();
    let said = visitor.transcript().await.unwrap();
    let before = said.iter().map(seq).max().unwrap_or_default();
    match does {
        Does::Says(words) => visitor.say(words).await.unwrap(),
        Does::Presses(label) => visitor.press(label).await.unwrap(),
    };
    let begun = Instant::now();
    loop {
        let said = visitor.transcript().await.unwrap();
        let new: Vec<_> = said.iter().filter(|line| seq(line) > before).collect();
        if new.iter().any(|line| text(line).contains(part)) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{part}: {new:#?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_works_with_all_examples_and_they_are_reloaded_under_traffic() {
    if !require::tool("python3", TEST) {
        return;
    }
    let folder = libraries::folder().unwrap();
    let Some(()) = plugins(folder.path()) else {
        return;
    };
    let shop = shop().await;
    let setup = Setup {
        environment: vec![
            ("SHOP_URL".to_owned(), shop.clone()),
            ("SHOP_TOKEN".to_owned(), TOKEN.to_owned()),
            ("IDENTITY_SECRET".to_owned(), SECRET.to_owned()),
        ],
        config: json!({
            "plugin_folders": [folder.path()],
            "plugins": configured(&shop),
            "channels": {"web": {"accounts": {"web": {"identity_secret": {"env": "IDENTITY_SECRET"}}}}},
        }),
        ..Setup::default()
    };
    let pack = root().join("flows/retail");
    let mut server = Server::start_as(TANDEM, &pack, setup).await.unwrap();

    // The C library, by a script's `plugin.call`.
    let soon = jiff::Timestamp::now().as_second() + 3600;
    let ann = [
        ("id", json!("c1")),
        ("name", json!("Ann")),
        ("exp", json!(soon)),
    ];
    let ann = ann.map(|(name, value)| (name.to_owned(), value)).into();
    let ann = Visitor::known(&server.http, &server.url, ann, SECRET).await;
    let mut ann = ann.unwrap();
    hears(&mut ann, Says("hello"), "Hello, Ann!").await;

    // The Rust library, by a step: the carrier is asked.
    let place = "last saw your parcel in";
    hears(&mut ann, Says("where is my order?"), "order number").await;
    hears(&mut ann, Says("12345678 ann@example.com"), place).await;
    let mut fang = server.visitor().await.unwrap();
    hears(&mut fang, Says("我的订单到哪了"), "订单号").await;
    hears(
        &mut fang,
        Says("12345678 ann@example.com"),
        "的最新消息：包裹在",
    )
    .await;

    // The program in Python; the bonus is given once, also to who asks again.
    let mut fang = server.visitor().await.unwrap();
    hears(&mut fang, Says("我有多少积分"), "邮箱").await;
    hears(&mut fang, Says("wangfang@example.com"), "50 奖励积分").await;
    let mut again = server.visitor().await.unwrap();
    hears(&mut again, Says("how many points do I have"), "e-mail").await;
    hears(
        &mut again,
        Says("wangfang@example.com"),
        "another 50 bonus points",
    )
    .await;

    let enough = Arc::new(AtomicBool::new(false));
    let mut traffic = Vec::new();
    for _ in 0..3 {
        let (mut visitor, enough) = (server.visitor().await.unwrap(), enough.clone());
        hears(&mut visitor, Says("where is my order?"), "order number").await;
        hears(&mut visitor, Says("12345678 ann@example.com"), place).await;
        hears(
            &mut visitor,
            Says("how many points do I have"),
            "bonus points",
        )
        .await;
        traffic.push(tokio::spawn(async move {
            let mut asked = 0;
            while !enough.load(Ordering::Relaxed) {
                hears(&mut visitor, Says("where is my order?"), "Which order").await;
                hears(&mut visitor, Presses("Order 12345678"), place).await;
                hears(
                    &mut visitor,
                    Says("how many points do I have"),
                    "bonus points",
                )
                .await;
                asked += 1;
            }
            asked
        }));
    }
    for _ in 0..3 {
        for name in ["parcel", "loyalty", "greeter"] {
            let path = format!("/plugins/{name}/reload");
            let (status, plugin) = server.api(Method::POST, &path, None).await.unwrap();
            assert_eq!(status, 200, "{plugin}");
        }
    }
    enough.store(true, Ordering::Relaxed);
    for visitor in traffic {
        assert!(visitor.await.unwrap() > 0);
    }
    let begun = Instant::now();
    let list = loop {
        let (_, list) = server.api(Method::GET, "/plugins", None).await.unwrap();
        let well = |plugin: &Value| plugin["state"] == "ok" && plugin["faults"] == 0;
        if list["items"].as_array().unwrap().iter().all(well) {
            break list;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{list:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert!(items.iter().all(|plugin| plugin["loads"] == 4), "{list:#}");
    hears(&mut ann, Says("hello"), "Hello, Ann!").await;
    server.stop().await.unwrap();
}
