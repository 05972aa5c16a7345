//! Trouble with the file: full, locked, damaged, taken, newer, not there.

#![allow(clippy::unwrap_used)]

use std::{path::Path, sync::Arc, time::Duration};

use rusqlite::Connection;
use tandem_domain::{
    edge::Keep,
    store::{Outcome, Store, StoreError, Write},
};
use tandem_store::{
    SqliteOptions,
    conformance::samples::{START, Thread},
    open_sqlite, open_sqlite_read_only,
};

fn quick() -> SqliteOptions {
    SqliteOptions {
        busy_timeout: Duration::from_millis(20),
        ..SqliteOptions::default()
    }
}

fn error(opened: Result<Arc<dyn Store>, StoreError>) -> StoreError {
    opened.err().expect("it should not open")
}

async fn commit(store: &dyn Store, writes: Vec<Write>) -> Result<Outcome, StoreError> {
    store.commit(Thread::new("a").commit(writes)).await
}

fn big(key: usize) -> Write {
    Write::KvPut {
        scope: "big".into(),
        key: key.to_string(),
        value: "x".repeat(50_000).into(),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let options = SqliteOptions {
        max_pages: Some(400),
        ..SqliteOptions::default()
    };
    let store = open_sqlite(&path, options).unwrap();
    let thread = Thread::new("a");
    let mut kept = 0;
    let failure = loop {
        match commit(&*store, vec![big(kept), thread.kv(&kept.to_string(), 1)]).await {
            Ok(outcome) => assert_eq!(outcome, Outcome::Committed),
            Err(failure) => break failure,
        }
        kept += 1;
    };
    assert!(matches!(failure, StoreError::Full(_)), "{failure}");
    assert!(kept > 5);
    // All of the commit or nothing: its second write is not there either.
    let w = &thread.workspace;
    let read = |key: usize| {
        let store = store.clone();
        async move { store.kv(w, "pack", &key.to_string(), START).await.unwrap() }
    };
    assert!(read(kept - 1).await.is_some());
    assert_eq!(read(kept).await, None);

    // Many at once: small ones still find room in the pages that are there, big ones fail alone.
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..32 {
        let store = store.clone();
        tasks.spawn(async move {
            let write = if n % 2 == 0 {
                big(1_000 + n)
            } else {
                Thread::new("a").kv("0", i64::try_from(n).unwrap())
            };
            (n, commit(&*store, vec![write]).await)
        });
    }
    for (n, outcome) in tasks.join_all().await {
        if n % 2 == 0 {
            assert!(matches!(outcome, Err(StoreError::Full(_))), "{outcome:?}");
        } else {
            assert_eq!(outcome.unwrap(), Outcome::Committed);
        }
    }

    // Room is made, and all is well.
    let delete = |key: usize| Write::KvDelete {
        scope: "big".into(),
        key: key.to_string(),
    };
    commit(&*store, vec![delete(0), delete(1)]).await.unwrap();
    commit(&*store, vec![big(0)]).await.unwrap();
    store.ping().await.unwrap();
    drop(store);
    assert_eq!(integrity(&path), "ok");
}

fn integrity(path: &Path) -> String {
    Connection::open(path)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn a_lock_held_by_another_program_is_told_and_outlived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let store = open_sqlite(&path, quick()).unwrap();
    let thread = Thread::new("a");
    commit(&*store, vec![thread.kv("k", 1)]).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failure = commit(&*store, vec![thread.kv("k", 2)]).await.unwrap_err();
    assert!(matches!(failure, StoreError::Unavailable(_)), "{failure}");
    assert!(failure.to_string().contains("another process"), "{failure}");
    // Reading goes on.
    let found = store.kv(&thread.workspace, "pack", "k", START).await;
    assert_eq!(found.unwrap(), Some(1.into()));
    other.execute_batch("ROLLBACK").unwrap();
    commit(&*store, vec![thread.kv("k", 3)]).await.unwrap();
}

#[tokio::test]
async fn a_second_writer_is_refused_while_a_reader_is_welcome() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let thread = Thread::new("a");
    let missing = error(open_sqlite_read_only(&path, quick()));
    assert!(missing.to_string().contains("no such file"), "{missing}");

    let store = open_sqlite(&path, quick()).unwrap();
    store.commit(thread.turn(1)).await.unwrap();
    let second = error(open_sqlite(&path, quick()));
    assert!(matches!(second, StoreError::Unavailable(_)));
    let text = second.to_string();
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(text.contains("tandem.db"), "{text}");

    let reader = open_sqlite_read_only(&path, quick()).unwrap();
    let w = &thread.workspace;
    let journal = reader.journal(w, thread.conversation).await.unwrap();
    assert_eq!(journal.len(), 1);
    store.commit(thread.turn(2)).await.unwrap();
    let journal = reader.journal(w, thread.conversation).await.unwrap();
    assert_eq!(journal.len(), 2);
    for refused in [
        reader.commit(thread.turn(3)).await.map(|_| ()),
        reader
            .lease_outbox(w, &thread.account, START, Duration::from_secs(1), 1)
            .await
            .map(|_| ()),
        reader.purge(START, &Keep::default()).await.map(|_| ()),
        reader.ping().await,
    ] {
        let failure = refused.unwrap_err();
        assert!(failure.to_string().contains("reading only"), "{failure}");
    }
    // The reader does not keep the file from being closed and opened again.
    drop(store);
    let store = open_sqlite(&path, quick()).unwrap();
    store.commit(thread.turn(3)).await.unwrap();
    let journal = reader.journal(w, thread.conversation).await.unwrap();
    assert_eq!(journal.len(), 3);
}

#[tokio::test]
async fn files_that_are_no_store_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.db");
    std::fs::write(&garbage, "this is a letter, not a database ".repeat(100)).unwrap();
    let failure = error(open_sqlite(&garbage, quick()));
    assert!(matches!(failure, StoreError::Corrupt(_)), "{failure}");

    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE cookies (name TEXT)")
        .unwrap();
    let failure = error(open_sqlite(&foreign, quick()));
    assert!(failure.to_string().contains("another program"), "{failure}");
    let failure = error(open_sqlite_read_only(&foreign, quick()));
    assert!(failure.to_string().contains("another program"), "{failure}");

    let nowhere = folder.path().join("missing").join("tandem.db");
    let failure = error(open_sqlite(&nowhere, quick()));
    assert!(matches!(failure, StoreError::Unavailable(_)));
    assert!(failure.to_string().contains("does not exist"), "{failure}");
    // A folder that even root may not write to.
    #[cfg(target_os = "linux")]
    {
        let failure = error(open_sqlite("/proc/tandem.db", quick()));
        assert!(matches!(failure, StoreError::Unavailable(_)));
        assert!(failure.to_string().contains("cannot lock"), "{failure}");
    }
}

#[tokio::test]
async fn a_newer_or_altered_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    drop(open_sqlite(&path, quick()).unwrap());
    for (change, word) in [
        (
            "INSERT INTO schema_migrations (version, name, checksum, applied_at) \
             VALUES (999, 'later', 'x', 0)",
            "newer Tandem",
        ),
        (
            "DELETE FROM schema_migrations WHERE version = 999; \
             UPDATE schema_migrations SET checksum = 'x' WHERE version = 1",
            "not the one that was applied",
        ),
    ] {
        Connection::open(&path)
            .unwrap()
            .execute_batch(change)
            .unwrap();
        for opened in [
            open_sqlite(&path, quick()),
            open_sqlite_read_only(&path, quick()),
        ] {
            let text = error(opened).to_string();
            assert!(text.contains(word), "{text}");
        }
    }
}

#[tokio::test]
async fn a_damaged_page_and_a_damaged_document_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let store = open_sqlite(&path, quick()).unwrap();
    store.commit(thread.turn(1)).await.unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("UPDATE conversations SET body = '{\"id\": 1}'")
        .unwrap();
    let failure = store.conversation(w, thread.conversation).await;
    assert!(matches!(failure, Err(StoreError::Corrupt(_))));
    // The lane is still readable.
    assert!(store.lane(w, thread.lane).await.unwrap().is_some());
    drop(store);

    // All pages but the first, which holds the schema.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let damaged = match open_sqlite(&path, quick()) {
        Err(failure) => failure,
        Ok(store) => store.lane(w, thread.lane).await.unwrap_err(),
    };
    assert!(matches!(damaged, StoreError::Corrupt(_)), "{damaged}");
}

#[tokio::test]
async fn erased_secrets_leave_no_bytes_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let sealed = b"the-sealed-bytes-of-an-iban".repeat(3);
    let put = Write::SecretPut {
        owner: "c1".into(),
        name: "iban".into(),
        sealed: sealed.clone(),
    };
    let there = || {
        std::fs::read(&path)
            .unwrap()
            .windows(sealed.len())
            .any(|bytes| bytes == sealed)
    };
    for (writes, expected) in [
        (vec![put], true),
        (vec![Write::SecretErase { owner: "c1".into() }], false),
    ] {
        // Closing moves the log into the file.
        let store = open_sqlite(&path, quick()).unwrap();
        commit(&*store, writes).await.unwrap();
        drop(store);
        assert_eq!(there(), expected);
    }
}

#[tokio::test]
async fn callers_that_give_up_leave_the_store_sound() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_sqlite(folder.path().join("tandem.db"), quick()).unwrap();
    let thread = Thread::new("a");
    for version in 1..=50 {
        let commit = store.commit(thread.turn(version));
        // Polled once, then dropped: it may be done or not, but never by half.
        let _ = tokio::time::timeout(Duration::ZERO, commit).await;
    }
    store.ping().await.unwrap();
    let w = &thread.workspace;
    let version = store
        .lane(w, thread.lane)
        .await
        .unwrap()
        .map_or(0, |lane| lane.version);
    let journal = store.journal(w, thread.conversation).await.unwrap();
    assert_eq!(journal.len() as u64, version);
    let lines = store
        .messages(w, thread.conversation, 0, 999)
        .await
        .unwrap();
    assert_eq!(lines.len() as u64, version * 2);
}
