//! HTTP services that hang, lie and break. The customer hears what the flow has for that, what
//! they said is kept, and others are answered.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use tandem_tests::{
    packs,
    server::Server,
    visitor::{Visitor, text},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::{BINARY, FLOWS, PACK, is_answered};

/// What the service does under each path, and what the flow is told of it.
const HOWS: &[(&str, &[&str])] = &[
    ("hang", &["timeout"]),
    ("drip", &["timeout"]),
    ("hang_up", &["unavailable"]),
    ("noise", &["unavailable"]),
    ("says_more", &["unavailable"]),
    ("says_less", &["bad_response"]),
    ("html_as_json", &["bad_response"]),
    ("no_json", &["bad_response"]),
    ("gzip_bomb", &["bad_response"]),
    ("deep", &["too_large"]),
    ("wide", &["too_large"]),
    ("hundred_mb", &["too_large"]),
    ("endless", &["too_large"]),
    ("headers", &["too_large", "unavailable"]),
    ("error_500", &["500"]),
    ("error_404_html", &["404"]),
    ("redirect", &["302"]),
    // A list where the flow keeps an object: see the last test here.
    ("another_shape", &[]),
    // The type is wrong and the answer is not.
    ("json_as_html", &["fine"]),
    ("gate", &["fine"]),
];

/// A service that speaks HTTP byte by byte, so that it can speak it badly.
struct Service {
    url: String,
    /// Path → idempotency keys of its requests.
    asked: Mutex<BTreeMap<String, Vec<Option<String>>>>,
    /// Somebody stands at the gate.
    waiting: Notify,
    gate: Notify,
}

impl Service {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            asked: Mutex::default(),
            waiting: Notify::new(),
            gate: Notify::new(),
        });
        let door = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = door.clone();
                // The client hangs up on most of it.
                tokio::spawn(async move { service.answer(stream).await });
            }
        });
        service
    }

    fn count(&self, path: &str) -> usize {
        self.keys(path).len()
    }

    fn keys(&self, path: &str) -> Vec<Option<String>> {
        let asked = self.asked.lock().unwrap();
        asked.get(path).cloned().unwrap_or_default()
    }

    async fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let path = path
            .trim_start_matches('/')
            .split('?')
            .next()
            .unwrap_or_default();
        let key = head
            .lines()
            .find_map(|line| line.strip_prefix("idempotency-key: "));
        {
            let mut asked = self.asked.lock().unwrap();
            let keys = asked.entry(path.to_owned()).or_default();
            keys.push(key.map(str::to_owned));
        }
        let fine = r#"{"id": "x1"}"#;
        let json = "content-type: application/json\r\n";
        let whole = |kind: &str, body: &str| {
            let length = body.len();
            format!("HTTP/1.1 200 OK\r\n{kind}content-length: {length}\r\n\r\n{body}")
        };
        let text = match path {
            "hang" => {
                // Until the client has had enough.
                let _ = stream.read_u8().await;
                return Ok(());
            }
            "drip" => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
                    .await?;
                loop {
                    stream.write_all(b" ").await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            "gate" => {
                self.waiting.notify_one();
                self.gate.notified().await;
                whole(json, fine)
            }
            "hang_up" => return Ok(()),
            "noise" => "SSH-2.0-OpenSSH_9.6\r\n\0\x01\x02".into(),
            "says_more" => format!("HTTP/1.1 200 OK\r\n{json}content-length: 5000\r\n\r\n{fine}"),
            "says_less" => format!("HTTP/1.1 200 OK\r\n{json}content-length: 5\r\n\r\n{fine}"),
            "html_as_json" => whole(json, "<html>login please</html>"),
            "json_as_html" => whole("content-type: text/html\r\n", fine),
            "no_json" => whole(json, r#"{"id": }"#),
            "another_shape" => whole(json, "[1, 2, 3]"),
            "gzip_bomb" => {
                // 50 MB of blanks, packed: nobody asked for it packed.
                let mut packer = GzEncoder::new(Vec::new(), Compression::best());
                packer.write_all(&vec![b' '; 50 << 20])?;
                let bomb = packer.finish()?;
                let length = bomb.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\n{json}content-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await?;
                return stream.write_all(&bomb).await;
            }
            "deep" => whole(json, &"[".repeat(200_000)),
            "wide" => whole(json, &format!("[{}1]", "1,".repeat(200_000))),
            "hundred_mb" => {
                let head = format!("HTTP/1.1 200 OK\r\n{json}content-length: 104857600\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                for _ in 0..100 {
                    stream.write_all(&vec![b' '; 1 << 20]).await?;
                }
                return Ok(());
            }
            "endless" => {
                let head = format!("HTTP/1.1 200 OK\r\n{json}transfer-encoding: chunked\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
                loop {
                    stream.write_all(chunk.as_bytes()).await?;
                }
            }
            "headers" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
                for n in 0.. {
                    let line = format!("x-{n}: {}\r\n", "a".repeat(1_000));
                    stream.write_all(line.as_bytes()).await?;
                }
                return Ok(());
            }
            "error_404_html" => "HTTP/1.1 404 Not Found\r\ncontent-length: 6\r\n\r\n<html>".into(),
            "redirect" => {
                let to = format!("{}/secret", self.url);
                format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
            }
            "error_500" => {
                "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\nboom".into()
            }
            _ => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".into(),
        };
        stream.write_all(text.as_bytes()).await
    }
}

/// A pack with a connection for every way, so that none suffers from another's circuit.
fn pack() -> TempDir {
    let mut connections = String::from("connections:\n");
    let mut cases = String::new();
    for (how, _) in HOWS {
        let timeout = if *how == "gate" { "30s" } else { "1s" };
        write!(
            connections,
            "  {how}:
    base_url: http://127.0.0.1:1
    base_url_env: SERVICE_URL
    hosts: [127.0.0.1]
    timeout: {timeout}
    operations:
      call: {{method: GET, path: /{how}}}
"
        )
        .unwrap();
        let told: String = [
            "timeout",
            "unavailable",
            "too_large",
            "bad_response",
            "500",
            "404",
            "302",
        ]
        .iter()
        .map(|code| format!("                {code}: [{{say: 'Sorry {{{{ name }}}}, {code}.'}}]\n"))
        .collect();
        write!(
            cases,
            "          {how}:
            - http: {how}.call
              retry: 0
              save: got
              on_error:
{told}                other: [{{say: 'Sorry {{{{ name }}}}, something else.'}}]
"
        )
        .unwrap();
    }
    let (slots, flows) = FLOWS.split_once("faqs:").unwrap();
    let flows = format!(
        "{slots}  how: {{type: text}}
  got: {{type: object, source: http}}
faqs:{flows}  service:
    title: the service
    start_when: {{phrases: [call the service]}}
    steps:
      - id: who
        collect: name
        ask: What is your name?
      - id: next
        collect: how
        always_ask: true
        ask: Which one?
      - set: {{got: null}}
      - switch: how
        cases:
{cases}      - say: '{{{{ name }}}} got {{{{ got.id or \"nothing\" }}}} from {{{{ how }}}}.'
      - {{goto: next, max: 1000}}
"
    );
    let mut files = PACK.to_vec();
    files.retain(|(name, _)| *name != "main.flow.yaml");
    files.push(("connections.yaml", &connections));
    files.push(("main.flow.yaml", &flows));
    packs::folder(&files)
}

/// Answers the open question; what the bot says until it asks again.
async fn ask(visitor: &mut Visitor, words: &str, question: &str) -> Vec<String> {
    visitor.say(words).await.unwrap();
    for _ in 0..1_000 {
        let lines = visitor.transcript().await.unwrap();
        let said = since_own(&lines);
        if said.iter().any(|line| line == question) {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "{question:?} did not come after {words:?}: {:#?}",
        visitor.transcript().await
    );
}

fn since_own(lines: &[Value]) -> Vec<String> {
    let own = lines
        .iter()
        .rposition(|line| line["author"]["kind"] == "contact");
    lines[own.map_or(0, |at| at + 1)..]
        .iter()
        .map(text)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_hang_lie_or_break_take_the_flows_way_and_nothing_is_lost() {
    let service = Service::start().await;
    let pack = pack();
    let server = Server::start_with(BINARY, pack.path(), &[("SERVICE_URL", &service.url)])
        .await
        .unwrap();
    let mut ann = server.visitor().await.unwrap();
    let mut bob = server.visitor().await.unwrap();
    ask(&mut ann, "call the service", "What is your name?").await;
    ask(&mut ann, "Ann", "Which one?").await;

    // Somebody waits for a service, and others are answered.
    let (said, ()) = tokio::join!(ask(&mut ann, "gate", "Which one?"), async {
        service.waiting.notified().await;
        for _ in 0..3 {
            is_answered(&mut bob).await;
        }
        service.gate.notify_one();
    });
    assert_eq!(said, ["Ann got x1 from gate.", "Which one?"]);

    let tried = |how: &str| how != "gate" && how != "another_shape";
    for (how, codes) in HOWS.iter().filter(|(how, _)| tried(how)) {
        let said = ask(&mut ann, how, "Which one?").await;
        assert_eq!(service.count(how), 1, "{how} was asked once");
        if *codes == ["fine"] {
            assert_eq!(said, [&format!("Ann got x1 from {how}."), "Which one?"]);
            continue;
        }
        // The flow's own words, with what the customer had said before.
        let sorry: Vec<String> = codes
            .iter()
            .map(|code| format!("Sorry Ann, {code}."))
            .collect();
        assert!(sorry.contains(&said[0]), "{how}: {said:?}");
        assert_eq!(
            said[1..],
            [format!("Ann got nothing from {how}."), "Which one?".into()]
        );
    }
    assert_eq!(service.count("secret"), 0, "a redirect was followed");
    is_answered(&mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steps_retries_are_made_on_the_wire_under_one_key() {
    // Connection, its operation's own entry, the step's entry, requests in all.
    let cases = [
        ("neither", "GET", "", "", 3),
        ("operation", "GET", ", retry: 1", "", 2),
        ("none", "GET", ", retry: 3", "retry: 0", 1),
        ("three", "GET", ", retry: 1", "retry: 3", 4),
        ("write", "POST", "", "effect: write, retry: 3", 4),
    ];
    let mut connections = String::from("connections:\n");
    let mut steps = String::new();
    for (name, method, operation, step, _) in cases {
        write!(
            connections,
            "  {name}:
    base_url: http://127.0.0.1:1
    base_url_env: SERVICE_URL
    hosts: [127.0.0.1]
    operations: {{call: {{method: {method}, path: /{name}{operation}}}}}
"
        )
        .unwrap();
        let comma = if step.is_empty() { "" } else { ", " };
        writeln!(
            steps,
            "      - {{http: {name}.call{comma}{step}, on_error: {{other: [{{say: no {name}}}]}}}}"
        )
        .unwrap();
    }
    let flows = format!(
        "{FLOWS}  service:
    title: the service
    start_when: {{phrases: [call the service]}}
    steps:
{steps}      - say: That was all.
"
    );
    let mut files = PACK.to_vec();
    files.retain(|(name, _)| *name != "main.flow.yaml");
    files.push(("connections.yaml", &connections));
    files.push(("main.flow.yaml", &flows));
    let pack = packs::folder(&files);
    let service = Service::start().await;
    let server = Server::start_with(BINARY, pack.path(), &[("SERVICE_URL", &service.url)])
        .await
        .unwrap();
    let mut ann = server.visitor().await.unwrap();
    ask(&mut ann, "call the service", "That was all.").await;
    for (name, _, _, _, times) in cases {
        assert_eq!(service.count(name), times, "{name}");
    }
    let keys = service.keys("write");
    assert!(
        keys[0].is_some() && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_shape_takes_the_flows_way() {
    let service = Service::start().await;
    let pack = pack();
    let server = Server::start_with(BINARY, pack.path(), &[("SERVICE_URL", &service.url)])
        .await
        .unwrap();
    let mut ann = server.visitor().await.unwrap();
    ask(&mut ann, "call the service", "What is your name?").await;
    ask(&mut ann, "Ann", "Which one?").await;
    let said = ask(&mut ann, "another_shape", "Which one?").await;
    assert_eq!(said[0], "Sorry Ann, bad_response.");
}
