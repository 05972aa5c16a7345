//! Customers on a real IRC server are answered by the real program, over a channel that is a plugin.
#![allow(clippy::unwrap_used)]

mod accounts;
mod certificate;
mod network;

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tandem_server::shop::{self, Seed, ShopDb};
use tandem_tests::{
    command::{self, out},
    far::scenarios::COUNTING,
    libraries, packs, root,
    server::{Server, Setup},
};
use tempfile::TempDir;

use network::{Network, within};

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem-under-test");
/// The folder that plugins lie in, with the library cargo builds for this test.
fn plugins() -> TempDir {
    let folder = libraries::folder().unwrap();
    let library = libraries::built("tandem_irc").unwrap();
    libraries::replace(&library, &folder.path().join("libtandem_irc.so")).unwrap();
    folder
}

fn setup(network: &Network, plugins: &TempDir, environment: Vec<(String, String)>) -> Setup {
    Setup {
        environment,
        config: json!({
            "plugin_folders": [plugins.path()],
            "plugins": {"irc": {"path": "libtandem_irc.so", "kinds": ["channel"]}},
            "channels": {"irc": {"plugin": "irc", "accounts": {"home": {
                "server": format!("127.0.0.1:{}", network.port), "tls": false,
                "nick": "shopbot", "channels": ["#shop"], "line_ms": 0,
            }}}},
        }),
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_on_irc_are_answered_in_both_languages_over_restarts_of_both_sides() {
    let test = "customers on IRC";
    let Some(mut network) = Network::start(test) else {
        return;
    };
    let plugins = plugins();
    let db = ShopDb::open(None, Seed::Demo).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    tokio::spawn(shop::serve(listener, db, None, std::future::pending()));
    let environment = vec![
        ("SHOP_URL".to_owned(), url),
        ("SHOP_TOKEN".to_owned(), "any".to_owned()),
    ];
    let setup = setup(&network, &plugins, environment);
    let pack = root().join("flows/retail");
    let mut server = Server::start_as(TANDEM, &pack, setup).await.unwrap();

    // In private, in English, with a restart of the server in the middle.
    let mut ann = network.person("ann").await;
    ann.sees("shopbot").await;
    ann.asks("shopbot", "\u{2}where\u{2} is my order?", "order number")
        .await;
    server.stop().await.unwrap();
    server.restart().await.unwrap();
    ann.sees("shopbot").await;
    ann.asks("shopbot", "12345678", "e-mail").await;
    server.kill().await.unwrap();
    // The network still shows a nick whose program was killed, until it notices.
    server.restart().await.unwrap();
    ann.sees("shopbot").await;
    let answer = ann.asks("shopbot", "ann@example.com", "on its way").await;
    assert!(answer.starts_with(":shopbot"), "{answer}");

    // In a channel, in Chinese; named once, then followed, and answered by name and number.
    let mut fang = network.person("fang").await;
    fang.raw("JOIN #shop").await;
    fang.line_with(" 366 ").await;
    fang.sees_in("shopbot", "#shop").await;
    let answer = fang.asks("#shop", "shopbot：我要退货", "订单号").await;
    assert!(answer.contains("PRIVMSG #shop :fang: "), "{answer}");
    fang.asks("#shop", "６６６６６６６６，wangfang@example.com", "哪")
        .await;
    let option = fang.line_with("蕨叶抱枕").await;
    let number: String = option
        .rsplit(':')
        .next()
        .unwrap()
        .chars()
        .filter(char::is_ascii_digit)
        .take(1)
        .collect();
    fang.asks("#shop", &number, "不想要了").await;

    // The network goes down and comes back: so does the bot.
    network.restart();
    let mut ann = network.person("ann").await;
    ann.sees("shopbot").await;
    ann.asks("shopbot", "where is my order?", "Which order")
        .await;
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_keeps_its_order_and_a_reload_changes_no_conversation() {
    let Some(network) = Network::start("a burst on IRC") else {
        return;
    };
    let (plugins, pack) = (plugins(), packs::folder(COUNTING));
    let setup = setup(&network, &plugins, Vec::new());
    let server = Server::start_as(TANDEM, pack.path(), setup).await.unwrap();

    let mut bob = network.person("bob").await;
    bob.sees("shopbot").await;
    bob.asks("shopbot", "a person please", "A colleague").await;
    let burst = 1000;
    for n in 0..burst {
        bob.says("shopbot", &format!("line {n}")).await;
    }
    let expected: Vec<String> = (0..burst).map(|n| format!("line {n}")).collect();
    let mut told = Vec::new();
    within("the whole burst", async {
        while told.len() < burst {
            tokio::time::sleep(Duration::from_millis(100)).await;
            told = lines_of(&server, "a person please").await;
        }
    })
    .await;
    assert_eq!(told, expected);

    let mut cy = network.person("cy").await;
    cy.asks("shopbot", "start counting", "Next number?").await;
    cy.asks("shopbot", "1", "Got 1.").await;
    let reloaded = server
        .api(reqwest::Method::POST, "/plugins/irc/reload", None)
        .await;
    let (status, answer) = reloaded.unwrap();
    assert_eq!(status, 200, "{answer}");
    cy.sees("shopbot").await;
    cy.asks("shopbot", "2", "Got 2.").await;
    let listed = server.api(reqwest::Method::GET, "/plugins", None).await;
    let listed = listed.unwrap().1.to_string();
    assert!(listed.contains("irc.home"), "{listed}");
}

/// What the customer wrote behind these words, in the order it stands in the transcript.
async fn lines_of(server: &Server, first: &str) -> Vec<String> {
    for conversation in server.list("/conversations").await.unwrap() {
        let id = conversation["id"].as_str().unwrap();
        let path = format!("/conversations/{id}/messages");
        let lines = server.list(&path).await.unwrap();
        let said = lines
            .iter()
            .filter(|line| line["author"]["kind"] == "contact")
            .filter_map(|line: &Value| line["content"]["parts"][0]["text"].as_str())
            .map(str::to_owned);
        let said: Vec<String> = said.collect();
        if said.first().is_some_and(|said| said == first) {
            return said[1..].to_vec();
        }
    }
    Vec::new()
}

#[test]
fn a_misspelt_setting_of_an_account_is_told_with_its_line() {
    let (plugins, pack) = (plugins(), packs::folder(COUNTING));
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "plugin_folders: [{}]\nplugins:\n  irc: {{path: libtandem_irc.so, kinds: [channel]}}\n\
         workspaces:\n  default: {{pack: {}}}\nchannels:\n  irc:\n    plugin: irc\n    accounts:\n\
         \x20     libera:\n        server: irc.libera.chat\n        nick: shopbot\n        chanels: ['#a']\n",
        plugins.path().display(),
        pack.path().display()
    );
    fs::write(folder.path().join("tandem.yaml"), &config).unwrap();
    let checked = command::run(TANDEM, &["check", "tandem.yaml"], folder.path());
    let said = out(&checked) + &command::err(&checked);
    assert!(!checked.status.success(), "{said}");
    assert!(said.contains("`channels`"), "{said}");
    let line = config.lines().position(|l| l.contains("chanels")).unwrap() + 1;
    assert!(said.contains(&format!("tandem.yaml:{line}:")), "{said}");
    let good = config.replace("chanels", "channels");
    let check = |config: &str| {
        fs::write(folder.path().join("tandem.yaml"), config).unwrap();
        let checked = command::run(TANDEM, &["check", "tandem.yaml"], folder.path());
        let said = out(&checked) + &command::err(&checked);
        (checked.status.success(), said)
    };
    let (well, said) = check(&good);
    assert!(well, "{said}");
    // Nobody is connected to.
    let tried = command::run(TANDEM, &["plugin", "check", "irc"], folder.path());
    let said = out(&tried) + &command::err(&tried);
    assert!(tried.status.success(), "{said}");
    assert!(said.contains("it is called shopbot"), "{said}");
    assert!(said.contains("the instance for `libera` ends"), "{said}");
    for (from, to, wrong) in [
        ("plugin: irc", "plugin: irk", "there is no such plugin"),
        (
            "plugin: irc",
            "plugin: irc\n    file: a.luau",
            "either a `file` or a `plugin`",
        ),
        ("kinds: [channel]", "kinds: [action]", "do not allow"),
        ("nick: shopbot", "nick: shop bot", "does not match"),
        (
            "nick: shopbot",
            "nick: shopbot\n        sasl: hunter2",
            "never written here",
        ),
    ] {
        let (well, said) = check(&good.replace(from, to));
        assert!(!well && said.contains(wrong), "{to}: {said}");
    }
}
