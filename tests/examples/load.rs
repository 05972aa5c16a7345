//! A load of customers on the web channel, from one core:
//!
//! * `load http URL VISITORS SECONDS [RATE]` – each visitor posts and waits for the bot's reply;
//!   with a rate, that many a second in all, else as fast as they are answered;
//! * `load ws URL VISITORS SECONDS` – the same over WebSockets;
//! * `load tokens URL N` – prints N visitors' tokens, for wrk;
//! * `load fill URL N` – N visitors say one thing each;
//! * `load talk URL N` – one visitor has N answers, and the last hundred are timed;
//! * `load idle URL N PID` – N open sockets, and what the process grew by.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tandem_tests::visitor::Visitor;
use tokio_tungstenite::tungstenite::Message;

const QUESTION: &str = "how much is delivery?";

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let text = |at: usize| {
        args.get(at)
            .map(String::as_str)
            .context("see the head of this file")
    };
    let number = |at: usize| anyhow::Ok(text(at)?.parse::<u64>()?);
    let url = text(1)?.to_owned();
    match text(0)? {
        "http" => {
            let rate = args.get(4).map(|r| r.parse()).transpose()?;
            http(&url, number(2)?, number(3)?, rate).await
        }
        "ws" => ws(&url, number(2)?, number(3)?).await,
        "tokens" => {
            let client = reqwest::Client::new();
            for _ in 0..number(2)? {
                say(&Visitor::new(&client, &url).await?.token);
            }
            Ok(())
        }
        "fill" => fill(&url, number(2)?).await,
        "talk" => talk(&url, number(2)?).await,
        "idle" => idle(&url, number(2)?, number(3)?).await,
        other => bail!("{other}? see the head of this file"),
    }
}

fn say(line: &str) {
    use std::io::Write as _;
    // A reader that went away ends the program at its next line.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn report(what: &str, mut took: Vec<Duration>, over: Duration) {
    took.sort_unstable();
    let at = |share: f64| {
        let index = (took.len() as f64 * share) as usize;
        took.get(index.min(took.len().saturating_sub(1)))
            .map_or(0.0, |d| d.as_secs_f64() * 1000.0)
    };
    say(&format!(
        "{what}: {:.0} answers/s, p50 {:.2} ms, p99 {:.2} ms ({} answers)",
        took.len() as f64 / over.as_secs_f64(),
        at(0.5),
        at(0.99),
        took.len()
    ));
}

async fn http(url: &str, visitors: u64, seconds: u64, rate: Option<f64>) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let run = uuid::Uuid::now_v7().simple().to_string();
    let counter = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    for _ in 0..visitors {
        let visitor = Visitor::new(&client, url).await?;
        let (run, counter) = (run.clone(), counter.clone());
        tasks.push(tokio::spawn(async move {
            let mut took = Vec::new();
            loop {
                let n = counter.fetch_add(1, Ordering::Relaxed);
                // An open load: what is late is measured from when it should have left.
                let due = rate.map(|rate| begun + Duration::from_secs_f64(n as f64 / rate));
                if let Some(due) = due {
                    tokio::time::sleep_until(due.into()).await;
                }
                let from = due.unwrap_or_else(Instant::now);
                if Instant::now() >= until {
                    return anyhow::Ok(took);
                }
                let body = json!({"client_id": format!("{run}-{n}"), "text": QUESTION});
                let lines = visitor.write(body).await?;
                anyhow::ensure!(!lines.is_empty(), "no answer");
                took.push(from.elapsed());
            }
        }));
    }
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    report("http", took, begun.elapsed());
    Ok(())
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn socket(url: &str, token: &str) -> anyhow::Result<Socket> {
    let address = format!("{}/web/web/socket", url.replacen("http", "ws", 1));
    let (mut socket, _) = tokio_tungstenite::connect_async(address).await?;
    let hello = json!({"type": "hello", "token": token});
    socket.send(Message::text(hello.to_string())).await?;
    until(&mut socket, |frame| frame["type"] == "ready").await?;
    Ok(socket)
}

async fn until(socket: &mut Socket, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            let frame: Value = serde_json::from_str(&text)?;
            if wanted(&frame) {
                return Ok(frame);
            }
        }
    }
    bail!("the socket was closed")
}

async fn ws(url: &str, visitors: u64, seconds: u64) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let mut tasks = Vec::new();
    let mut sockets = Vec::new();
    for _ in 0..visitors {
        let visitor = Visitor::new(&client, url).await?;
        sockets.push(socket(url, &visitor.token).await?);
    }
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    for mut socket in sockets {
        tasks.push(tokio::spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < end {
                let from = Instant::now();
                let id = format!("w{}", took.len());
                let message = json!({"type": "message", "client_id": id, "text": QUESTION});
                socket.send(Message::text(message.to_string())).await?;
                until(&mut socket, |frame| {
                    frame["type"] == "message" && frame["author"]["kind"] == "bot"
                })
                .await?;
                took.push(from.elapsed());
            }
            anyhow::Ok(took)
        }));
    }
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    report("ws", took, begun.elapsed());
    Ok(())
}

async fn fill(url: &str, visitors: u64) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let left = Arc::new(AtomicU64::new(visitors));
    let mut tasks = Vec::new();
    for _ in 0..64 {
        let (client, url, left) = (client.clone(), url.to_owned(), left.clone());
        tasks.push(tokio::spawn(async move {
            while left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                .is_ok()
            {
                Visitor::new(&client, &url).await?.say(QUESTION).await?;
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn talk(url: &str, answers: u64) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let mut visitor = Visitor::new(&client, url).await?;
    let mut took = Vec::new();
    for n in 0..answers {
        let from = Instant::now();
        visitor.say(QUESTION).await?;
        if n + 100 >= answers {
            took.push(from.elapsed());
        }
    }
    let over = took.iter().sum();
    report(&format!("after {answers}"), took, over);
    Ok(())
}

async fn idle(url: &str, count: u64, pid: u64) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let before = resident(pid)?;
    let mut open = Vec::new();
    for _ in 0..count {
        let visitor = Visitor::new(&client, url).await?;
        open.push(socket(url, &visitor.token).await?);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = resident(pid)?;
    say(&format!(
        "{} idle sockets: {:.1} MB, {:.1} kB each (from {:.1} MB)",
        open.len(),
        (after - before) as f64 / 1e6,
        (after - before) as f64 / 1e3 / count as f64,
        before as f64 / 1e6
    ));
    Ok(())
}

/// Bytes of a process in memory.
fn resident(pid: u64) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
}
