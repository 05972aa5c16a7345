//! Settings of an account that change while the server runs.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_tests::{packs, server::Server};

use crate::{
    COUNTING, TANDEM,
    certificate::Authority,
    lines_of,
    network::{Network, within},
    plugins, setup,
};

/// Has the account read its settings again; how it ended.
async fn reload(server: &Server) -> (u16, Value) {
    let reload = server.api(Method::POST, "/accounts/home/reload", None);
    within("the reload", reload).await.unwrap()
}

async fn reload_with(server: &Server, settings: &Value) -> (u16, Value) {
    let accounts = json!({"home": settings});
    let config = json!({"channels": {"irc": {"accounts": accounts}}});
    server.configure(&config).unwrap();
    reload(server).await
}

async fn goes_over(server: &Server, settings: &Value) {
    let (status, answer) = reload_with(server, settings).await;
    assert_eq!(
        (status, &answer["outcome"]),
        (200, &json!("changed")),
        "{answer}"
    );
}

async fn is_refused(server: &Server, settings: &Value, why: &str) {
    let (status, answer) = reload_with(server, settings).await;
    assert_eq!(status, 422, "{answer}");
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(said.contains(why), "{said}");
}

/// Waits until the account says this of itself.
async fn says(server: &Server, why: &str) {
    let mut seen = Value::Null;
    let said = async {
        loop {
            let (_, accounts) = server.api(Method::GET, "/accounts", None).await.unwrap();
            let items = accounts["items"].as_array().unwrap();
            seen = items.iter().find(|a| a["id"] == "home").unwrap().clone();
            if seen["reason"]
                .as_str()
                .is_some_and(|said| said.contains(why))
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    within(why, said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_goes_over_to_another_nick_and_another_network_while_people_talk_to_it() {
    let test = "other settings of an account on IRC";
    let (Some(network), Some(other)) = (Network::start(test), Network::start(test)) else {
        return;
    };
    let (plugins, pack) = (plugins(), packs::folder(COUNTING));
    let setup = setup(&network, &plugins, Vec::new());
    let server = Server::start_as(TANDEM, pack.path(), setup).await.unwrap();
    let mut cy = network.person("cy").await;
    cy.sees("shopbot").await;
    cy.asks("shopbot", "start counting", "Next number?").await;
    cy.asks("shopbot", "1", "Got 1.").await;
    let mut bob = network.person("bob").await;
    bob.asks("shopbot", "a person please", "A colleague").await;

    // Nothing is new: nobody notices.
    let (status, answer) = reload(&server).await;
    assert_eq!(
        (status, &answer["outcome"]),
        (200, &json!("unchanged")),
        "{answer}"
    );
    assert!(cy.is_on("shopbot").await);

    // What cannot be used changes nothing, whether the schema, the plugin or nobody says why.
    is_refused(&server, &json!({"nick": "shop bot"}), "nick").await;
    let no_pem = json!({"nick": "shopbot", "tls": true, "ca": "no certificate"});
    is_refused(&server, &no_pem, "`ca` holds no certificates in PEM").await;
    cy.asks("shopbot", "2", "Got 2.").await;

    // Another nick, back and forth, while a person answers: each line once and in order.
    let home = json!({"tls": false, "ca": null, "nick": "helpbot"});
    let conversation = conversation_of(&server, "a person please").await;
    let path = format!("/conversations/{conversation}/messages");
    let lines = 60;
    let answering = async {
        for n in 0..lines {
            let line = json!({"text": format!("answer {n}.")});
            let (status, said) = server.api(Method::POST, &path, Some(line)).await.unwrap();
            assert_eq!(status, 201, "{said}");
        }
    };
    let reloading = async {
        for nick in ["helpbot", "shopbot", "helpbot"] {
            let mut settings = home.clone();
            settings["nick"] = nick.into();
            goes_over(&server, &settings).await;
            cy.sees(nick).await;
        }
    };
    tokio::join!(answering, reloading);
    for n in 0..lines {
        let line = bob.line_with("PRIVMSG bob ").await;
        assert!(line.ends_with(&format!(":answer {n}.")), "{n}: {line}");
    }
    assert!(!cy.is_on("shopbot").await);
    cy.asks("helpbot", "3", "Got 3.").await;
    bob.says("helpbot", "thank you").await;
    let said = async {
        while lines_of(&server, "a person please").await != ["thank you"] {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    within("the customer's line", said).await;

    // Another network: there it begins anew, here it is gone.
    let there = json!({"server": format!("127.0.0.1:{}", other.port), "nick": "shopbot"});
    goes_over(&server, &there).await;
    let mut dee = other.person("dee").await;
    dee.sees("shopbot").await;
    dee.asks("shopbot", "start counting", "Next number?").await;
    dee.asks("shopbot", "1", "Got 1.").await;
    assert!(!cy.is_on("helpbot").await);
    let (_, listed) = server.api(Method::GET, "/plugins", None).await.unwrap();
    let items = listed["items"].as_array().unwrap();
    let account = items
        .iter()
        .find(|item| item["name"] == "irc.home")
        .unwrap();
    assert_eq!(
        (&account["state"], &account["loads"]),
        (&json!("ok"), &json!(5))
    );
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// The conversation that began with these words.
async fn conversation_of(server: &Server, first: &str) -> String {
    for conversation in server.list("/conversations").await.unwrap() {
        let id = conversation["id"].as_str().unwrap();
        let lines = server.list(&format!("/conversations/{id}/messages")).await;
        if lines.unwrap()[0]["content"]["parts"][0]["text"] == first {
            return id.to_owned();
        }
    }
    panic!("nobody said {first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_believed_where_its_authority_is_and_names_the_server() {
    let test = "certificates of IRC servers";
    let (Some(ours), Some(foreign)) = (Authority::new(test), Authority::new(test)) else {
        return;
    };
    let Some(mut network) = Network::start_with(test, &ours.signs("IP:127.0.0.1")) else {
        return;
    };
    let (plugins, pack) = (plugins(), packs::folder(COUNTING));
    let mut setup = setup(&network, &plugins, Vec::new());
    let home = &mut setup.config["channels"]["irc"]["accounts"]["home"];
    home["server"] = format!("127.0.0.1:{}", network.tls_port).into();
    home["tls"] = true.into();
    // The system knows nothing of this authority.
    let server = Server::start_as(TANDEM, pack.path(), setup).await.unwrap();
    says(&server, "TLS: invalid peer certificate").await;
    let mut cy = network.person("cy").await;
    assert!(!cy.is_on("shopbot").await);

    // Another's certificate.
    goes_over(&server, &json!({"ca": {"file": foreign.ca()}})).await;
    says(&server, "TLS: invalid peer certificate").await;
    assert!(!cy.is_on("shopbot").await);

    // The right one.
    goes_over(&server, &json!({"ca": {"file": ours.ca()}})).await;
    cy.sees("shopbot").await;
    cy.asks("shopbot", "start counting", "Next number?").await;
    cy.asks("shopbot", "1", "Got 1.").await;

    // Somebody with a certificate of the same authority that names another server.
    network.restart_with(&ours.signs("DNS:irc.elsewhere.test"));
    says(&server, "TLS: invalid peer certificate").await;
    let mut cy = network.person("cy").await;
    assert!(!cy.is_on("shopbot").await);
    network.restart_with(&ours.signs("IP:127.0.0.1"));
    let mut cy = network.person("cy").await;
    cy.sees("shopbot").await;
    cy.asks("shopbot", "2", "Got 2.").await;
}
