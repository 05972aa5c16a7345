//! One hundred deaths under load: the server is killed with SIGKILL at random moments while
//! customers write, services are called and timers run. In the end every message that was accepted
//! has exactly one answer, in order; every reminder came once; every write happened once.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use serde_json::{Value, json};
use tandem_tests::{packs, server::Server, visitor::Visitor};
use tempfile::TempDir;
use tokio::sync::{RwLock, watch};

const KILLS: u32 = 100;
const VISITORS: usize = 8;

const PACK: &[(&str, &str)] = &[
    (
        "pack.yaml",
        "name: crash\nlocales: [en]\ntime_zone: UTC\ndefault_skill: general\n",
    ),
    ("desk.yaml", "skills: [general]\n"),
    (
        "connections.yaml",
        r#"
connections:
  ledger:
    base_url: http://127.0.0.1:1
    base_url_env: LEDGER_URL
    hosts: [127.0.0.1]
    timeout: 5s
    operations:
      add: {method: POST, path: /add, returns: {total: integer}}
"#,
    ),
    (
        "main.flow.yaml",
        r#"
version: 1
slots:
  n: {type: integer}
  entry: {type: object, source: http}
flows:
  count:
    title: counting
    start_when: {phrases: [start counting]}
    steps:
      - id: next
        collect: n
        always_ask: true
        ask: Next number?
      - say: Got {{ n }}.
      - if: n % 10 == 0
        then:
          - remind: Reminder {{ n }}.
            after: 1s
      - if: n % 5 == 0
        then:
          - http: ledger.add
            effect: write
            once_per: [n]
            with: {n: "{{ n }}"}
            save: entry
            on_error: {other: [{say: "Failed {{ n }}."}]}
          - say: Booked {{ n }}.
      - {goto: next, max: 1000000}
"#,
    ),
];

/// A service that books each idempotency key once and counts every call.
#[derive(Default)]
struct Ledger {
    /// Key → (number, times asked).
    booked: Mutex<BTreeMap<String, (Value, u32)>>,
}

async fn add(
    State(ledger): State<Arc<Ledger>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Json<Value> {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    let mut booked = ledger.booked.lock().unwrap();
    let entry = booked.entry(key).or_insert_with(|| (body["n"].clone(), 0));
    entry.1 += 1;
    Json(json!({"total": booked.len()}))
}

/// Numbers that differ from run to run and can be repeated from the seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

async fn start(ledger: &str) -> (Server, TempDir) {
    let pack = packs::folder(PACK);
    let binary = env!("CARGO_BIN_EXE_tandem-under-test");
    let server = Server::start_with(binary, pack.path(), &[("LEDGER_URL", ledger)]).await;
    (server.unwrap(), pack)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_lose_and_double_nothing() {
    let seed = std::env::var("TANDEM_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    println!("TANDEM_SEED={seed}");
    let mut dice = Dice(seed);

    let ledger = Arc::new(Ledger::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ledger_url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new()
        .route("/add", post(add))
        .with_state(ledger.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let (mut server, _pack) = start(&ledger_url).await;

    let url = Arc::new(RwLock::new(server.url.clone()));
    let enough = Arc::new(AtomicBool::new(false));
    let (taken, mut seen) = watch::channel(0_u64);
    let mut customers = Vec::new();
    for _ in 0..VISITORS {
        let visitor = server.visitor().await.unwrap();
        customers.push(tokio::spawn(talk(
            visitor,
            url.clone(),
            enough.clone(),
            taken.clone(),
        )));
    }
    for _ in 0..KILLS {
        // Some work first, however slow the machine, and then a moment of chance within it.
        let wanted = *seen.borrow() + dice.below(8);
        let worked = seen.wait_for(|taken| *taken >= wanted);
        let _ = tokio::time::timeout(Duration::from_secs(2), worked).await;
        tokio::time::sleep(Duration::from_micros(dice.below(60_000))).await;
        server.kill().await.unwrap();
        server.restart().await.unwrap();
        *url.write().await = server.url.clone();
    }
    enough.store(true, Ordering::SeqCst);
    let mut sent = Vec::new();
    for customer in customers {
        sent.push(customer.await.unwrap());
    }
    let total: u64 = sent.iter().sum();
    println!("{total} numbers were accepted from {VISITORS} customers across {KILLS} kills");
    assert!(
        total > u64::from(KILLS),
        "the load was too thin to mean anything"
    );

    let conversations = server.list("/conversations").await.unwrap();
    assert_eq!(conversations.len(), VISITORS);
    let mut booked = 0;
    let mut accepted = Vec::new();
    for conversation in &conversations {
        let id = conversation["id"].as_str().unwrap();
        let (said, answered) = settled(&server, id).await;
        let n = said.len() as u64 - 1;
        accepted.push(n);
        let expected: Vec<String> = std::iter::once("start counting".to_owned())
            .chain((1..=n).map(|k| k.to_string()))
            .collect();
        assert_eq!(
            said, expected,
            "what the customer wrote stands once and in order"
        );
        for (prefix, every) in [("Got", 1), ("Booked", 5), ("Reminder", 10)] {
            let found: Vec<u64> = answered
                .iter()
                .filter_map(|line| {
                    line.strip_prefix(prefix)?
                        .trim()
                        .strip_suffix('.')?
                        .parse()
                        .ok()
                })
                .collect();
            let mut once = found.clone();
            if prefix == "Reminder" {
                // Reminders are in order of time, and overdue ones come together.
                once.sort_unstable();
            }
            let wanted: Vec<u64> = (1..=n).filter(|k| k % every == 0).collect();
            assert_eq!(once, wanted, "{prefix} in {id}");
        }
        assert!(!answered.iter().any(|line| line.starts_with("Failed")));
        booked += n / 5;
    }
    accepted.sort_unstable();
    sent.sort_unstable();
    assert_eq!(
        accepted, sent,
        "what customers had acknowledged is what stands"
    );
    let ledger = ledger.booked.lock().unwrap();
    assert_eq!(
        ledger.len() as u64,
        booked,
        "each write happened under one key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_before_a_kill_is_shown_at_once_when_it_is_asked_again() {
    let (mut server, _pack) = start("http://127.0.0.1:9").await;
    let mut visitor = server.visitor().await.unwrap();
    for (id, text) in [("m0", "start counting"), ("m1", "1")] {
        let body = json!({"client_id": id, "text": text});
        visitor.write(body).await.unwrap();
    }
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    visitor.url.clone_from(&server.url);
    let again = visitor.write(json!({"client_id": "m1", "text": "1"}));
    // It would wait for ten seconds if it waited for the turn of long ago.
    let said = tokio::time::timeout(Duration::from_secs(8), again)
        .await
        .expect("the answer is there already")
        .unwrap();
    assert!(said[0]["parts"].to_string().contains("Got 1."), "{said:?}");
}

/// Counts up, each number repeated under its id until the server has acknowledged it.
async fn talk(
    mut visitor: Visitor,
    url: Arc<RwLock<String>>,
    enough: Arc<AtomicBool>,
    taken: watch::Sender<u64>,
) -> u64 {
    let mut n = 0;
    insist(&mut visitor, &url, "m0", "start counting").await;
    while !enough.load(Ordering::SeqCst) {
        n += 1;
        insist(&mut visitor, &url, &format!("m{n}"), &n.to_string()).await;
        taken.send_modify(|taken| *taken += 1);
    }
    n
}

async fn insist(visitor: &mut Visitor, url: &RwLock<String>, id: &str, text: &str) {
    loop {
        visitor.url.clone_from(&*url.read().await);
        let body = json!({"client_id": id, "text": text});
        if visitor.write(body).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The lines of a conversation once nothing is under way any more.
async fn settled(server: &Server, id: &str) -> (Vec<String>, Vec<String>) {
    let mut before = 0;
    let mut quiet = 0;
    loop {
        let lines = server
            .list(&format!("/conversations/{id}/messages"))
            .await
            .unwrap();
        quiet = if lines.len() == before { quiet + 1 } else { 0 };
        before = lines.len();
        // Reminders take a second; two quiet ones are enough.
        if quiet >= 4 {
            let of = |who: &str| {
                lines
                    .iter()
                    .filter(|line| line["author"]["kind"] == who)
                    .map(|line| {
                        line["content"]["parts"][0]["text"]
                            .as_str()
                            .unwrap()
                            .to_owned()
                    })
                    .collect::<Vec<_>>()
            };
            return (of("contact"), of("bot"));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
