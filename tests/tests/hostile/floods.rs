//! More than anybody can honestly write. The limits are those a server has by default.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tandem_tests::{
    server::{Server, Setup},
    visitor::Visitor,
};

use super::{is_answered, own_ids, small};

/// Messages of a flood.
const FLOOD: usize = 1_000;

/// The limits as they come, but for those named.
fn limits(but: Value) -> Setup {
    let mut limits = json!({
        "burst": 20, "per_second": 5.0, "sessions_burst": 60, "sessions_per_second": 1.0,
        "per_ip_burst": 200, "per_ip_per_second": 50.0, "connections_per_ip": 100,
    });
    for (name, value) in but.as_object().unwrap() {
        limits[name] = value.clone();
    }
    Setup::config(json!({"channels": {"web": {"accounts": {"web": {"limits": limits}}}}}))
}

/// Somebody at another address.
async fn elsewhere(server: &Server) -> Visitor {
    let address: IpAddr = "127.0.0.2".parse().unwrap();
    let http = reqwest::Client::builder()
        .local_address(address)
        .build()
        .unwrap();
    Visitor::new(&http, &server.url).await.unwrap()
}

/// Writes each message once, many at the same time; the ids of those that were taken.
async fn flood(visitors: &[Visitor]) -> Vec<BTreeSet<String>> {
    let outcomes: Vec<(usize, Option<String>)> = stream::iter(0..FLOOD)
        .map(|n| async move {
            let id = format!("f{n}");
            let visitor = n % visitors.len();
            let said = json!({"client_id": id, "text": "when are you open"});
            let answer = visitors[visitor].post(&said).await.unwrap();
            match answer.status().as_u16() {
                200 => (visitor, Some(id)),
                429 => {
                    let wait = answer.headers()["retry-after"].to_str().unwrap();
                    assert!(wait.parse::<u64>().unwrap() >= 1, "{wait}");
                    let told: Value = answer.json().await.unwrap();
                    assert_eq!(told["error"]["code"], "rate_limited");
                    (visitor, None)
                }
                other => panic!("{other}: {}", answer.text().await.unwrap()),
            }
        })
        .buffer_unordered(64)
        .collect()
        .await;
    let mut taken = vec![BTreeSet::new(); visitors.len()];
    for (visitor, id) in outcomes {
        taken[visitor].extend(id);
    }
    taken
}

/// Once the flood is over: what was taken stands once and is answered, and what was not does not.
async fn stands(visitor: &Visitor, taken: &BTreeSet<String>) {
    let lines = loop {
        let answer = visitor.transcript().await;
        match answer {
            Ok(lines) => break lines,
            // Reading costs as much as writing.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let ids = own_ids(&lines);
    assert_eq!(ids.len(), taken.len(), "{ids:?}");
    assert_eq!(&ids.into_iter().collect::<BTreeSet<_>>(), taken);
    let answers = lines
        .iter()
        .filter(|line| line["author"]["kind"] == "bot")
        .count();
    assert_eq!(answers, taken.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_pours_in_messages_is_told_to_wait_and_others_are_answered() {
    let (server, _pack) = small(limits(json!({}))).await;
    let ann = [server.visitor().await.unwrap()];
    let mut bob = server.visitor().await.unwrap();
    let begun = std::time::Instant::now();
    let (taken, ()) = tokio::join!(flood(&ann), async {
        for _ in 0..10 {
            is_answered(&mut bob).await;
        }
    });
    let most = 21 + usize::try_from(begun.elapsed().as_millis()).unwrap() * 5 / 1_000;
    let taken = &taken[0];
    assert!(
        (20..=most).contains(&taken.len()),
        "{} of at most {most}",
        taken.len()
    );
    stands(&ann[0], taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_many_visitors_is_told_to_wait_and_others_are_answered() {
    let (server, _pack) = small(limits(json!({"sessions_burst": 100}))).await;
    let mut visitors = Vec::new();
    for _ in 0..100 {
        visitors.push(server.visitor().await.unwrap());
    }
    // They come one after another only so fast.
    let refused = server
        .http
        .post(format!("{}/web/web/session", server.url))
        .json(&json!({}));
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));

    let mut bob = elsewhere(&server).await;
    let begun = std::time::Instant::now();
    let (taken, ()) = tokio::join!(flood(&visitors), async {
        for _ in 0..10 {
            is_answered(&mut bob).await;
        }
    });
    let most = 201 + usize::try_from(begun.elapsed().as_millis()).unwrap() * 50 / 1_000;
    let total: usize = taken.iter().map(BTreeSet::len).sum();
    assert!(
        (200..=most.min(FLOOD - 1)).contains(&total),
        "{total} of at most {most}"
    );
    for (visitor, taken) in visitors.iter().zip(&taken) {
        stands(visitor, taken).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_pours_in_messages_is_told_to_wait_and_keeps_its_place() {
    let (server, _pack) = small(limits(json!({}))).await;
    let ann = server.visitor().await.unwrap();
    let mut bob = server.visitor().await.unwrap();
    let mut live = ann.live().await.unwrap();
    for n in 0..FLOOD {
        let said =
            json!({"type": "message", "client_id": format!("f{n}"), "text": "when are you open"});
        // A server that reads slowly is the limit at work; it is read on below.
        if tokio::time::timeout(Duration::from_millis(500), live.send(&said))
            .await
            .is_err()
        {
            break;
        }
        if n == 100 {
            for _ in 0..10 {
                is_answered(&mut bob).await;
            }
        }
    }
    let mut taken = BTreeSet::new();
    let mut wait = None;
    while wait.is_none() || taken.len() < 20 {
        let frame = live.frame().await.unwrap();
        match frame["type"].as_str().unwrap() {
            "ack" => {
                assert_eq!(frame["duplicate"], false);
                taken.insert(frame["client_id"].as_str().unwrap().to_owned());
            }
            "error" => {
                assert_eq!(frame["code"], "rate_limited");
                wait = frame["retry_after_ms"].as_u64();
                assert!(wait.is_some_and(|ms| ms > 0), "{frame}");
            }
            _ => {}
        }
    }
    drop(live);
    // What was acknowledged stands, once; more may have been taken whose word was not waited for.
    let lines = loop {
        match ann.transcript().await {
            Ok(lines) => break lines,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let ids = own_ids(&lines);
    let once: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(once.len(), ids.len(), "{ids:?}");
    assert!(taken.is_subset(&once), "{taken:?} in {once:?}");
    assert!(ids.len() < FLOOD / 2, "{}", ids.len());
}

#[tokio::test]
async fn one_address_opens_only_so_many_sockets() {
    let (server, _pack) = small(limits(json!({"connections_per_ip": 3}))).await;
    let ann = server.visitor().await.unwrap();
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(ann.live().await.unwrap());
    }
    let error = ann.live().await.err().unwrap().to_string();
    assert!(error.contains("429"), "{error}");
    let mut bob = elsewhere(&server).await;
    is_answered(&mut bob).await;
    // A place that is left is another's.
    open.pop();
    for _ in 0..200 {
        if ann.live().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of a closed socket was never given up");
}
