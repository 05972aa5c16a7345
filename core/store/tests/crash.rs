//! What was acknowledged is there after the process was killed at any moment.

#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use rusqlite::Connection;
use tandem_domain::{
    AccountId, WorkspaceId,
    store::{Guard, Outcome, Store, Write},
};
use tandem_store::{SqliteOptions, conformance::samples::Thread, open_sqlite};

/// Set for the child: the database it commits to until it is killed.
const DATABASE: &str = "TANDEM_CRASH_DATABASE";
const KILLS: u64 = 20;

/// Not a test of its own: the child's work. Without the variable it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(DATABASE) else {
        return;
    };
    let store = open_sqlite(path, SqliteOptions::default()).unwrap();
    let run = fresh_name();
    let mut tasks = tokio::task::JoinSet::new();
    for committer in 0..16 {
        let (store, run) = (store.clone(), run.clone());
        tasks.spawn(async move {
            let thread = Thread::new(&format!("{run}-{committer}"));
            for version in 1_u64.. {
                let mut commit = thread.turn(version);
                commit
                    .writes
                    .push(Write::EventPut(thread.event("message.created")));
                assert_eq!(store.commit(commit).await.unwrap(), Outcome::Committed);
                // One write of a whole line, so that a kill cannot mix two.
                let line = format!("ack {run}-{committer}-{version}\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    tasks.join_all().await;
}

fn fresh_name() -> String {
    tandem_domain::MessageId::fresh().to_string()
}

#[tokio::test]
async fn every_acknowledged_commit_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        // From the very start of the schema to some hundred commits in.
        let acks = match kill {
            0 => 0,
            n => n * n * 2,
        };
        let seen = run_and_kill(&path, acks);
        acknowledged.extend(seen);
        assert_eq!(integrity(&path), "ok");
        let store = open_sqlite(&path, SqliteOptions::default()).unwrap();
        check(&store, &acknowledged).await;
    }
    assert!(acknowledged.len() > 1_000, "{}", acknowledged.len());
}

/// Runs the child, kills it once it acknowledged that many commits, and returns all it
/// acknowledged.
fn run_and_kill(path: &Path, acks: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_commits_until_it_is_killed", "--nocapture"])
        .env(DATABASE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    let mut note = |line: String| {
        // The harness prints the test's name in front of the first one.
        if let Some((_, ack)) = line.split_once("ack ") {
            seen.push(ack.to_owned());
        }
        seen.len() as u64
    };
    while acks > 0 && note(lines.next().expect("the child goes on").unwrap()) < acks {}
    // SIGKILL, in the middle of whatever it does.
    child.kill().unwrap();
    // What it had acknowledged before it died counts too; its last line may be cut off.
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    for line in rest {
        note(line);
    }
    child.wait().unwrap();
    seen
}

fn integrity(path: &Path) -> String {
    Connection::open(path)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap()
}

async fn check(store: &Arc<dyn Store>, acknowledged: &[String]) {
    let w = WorkspaceId::default();
    let account = AccountId::new("web-1");
    for dedupe in acknowledged {
        let guard = Guard::NotAccepted {
            account: account.clone(),
            dedupe: dedupe.clone(),
        };
        let outcome = Thread::new("x").try_guard(&**store, guard).await;
        assert!(
            matches!(outcome, Outcome::Duplicate(_)),
            "{dedupe} was acknowledged and is gone"
        );
    }
    // Whole commits only: each lane's version counts its journal and half its lines; the event
    // log has no gap.
    let mut events = 0;
    loop {
        let page = store.events(&w, events, 1_000).await.unwrap();
        if page.is_empty() {
            break;
        }
        for event in page {
            events += 1;
            assert_eq!(event.seq, events);
        }
    }
    let query = tandem_domain::store::ConversationQuery {
        limit: usize::MAX,
        ..Default::default()
    };
    let mut turns = 0;
    for conversation in store.conversations(&w, &query).await.unwrap() {
        let lane = store.lane(&w, conversation.lane).await.unwrap().unwrap();
        let journal = store.journal(&w, conversation.id).await.unwrap();
        let lines = store.messages(&w, conversation.id, 0, usize::MAX).await;
        assert_eq!(journal.len() as u64, lane.version);
        assert_eq!(lines.unwrap().len() as u64, lane.version * 2);
        turns += lane.version;
    }
    assert_eq!(turns, events);
    assert!(turns >= acknowledged.len() as u64);
}
