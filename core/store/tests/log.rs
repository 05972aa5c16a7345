//! The write-ahead log stays short while commits never stop.

#![allow(clippy::unwrap_used)]

use tandem_domain::store::Outcome;
use tandem_store::{SqliteOptions, conformance::samples::Thread, open_sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_begins_anew_under_unceasing_commits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let pages = 200;
    let options = SqliteOptions {
        checkpoint_pages: pages,
        ..SqliteOptions::default()
    };
    let store = open_sqlite(&path, options).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for committer in 0..16 {
        let store = store.clone();
        tasks.spawn(async move {
            let thread = Thread::new(&committer.to_string());
            for version in 1..=200 {
                let outcome = store.commit(thread.turn(version)).await.unwrap();
                assert_eq!(outcome, Outcome::Committed);
            }
        });
    }
    tasks.join_all().await;
    // The turns wrote many times that.
    let log = std::fs::metadata(folder.path().join("tandem.db-wal")).unwrap();
    assert!(log.len() < u64::from(pages) * 4 * 4096 * 2, "{}", log.len());
    assert!(std::fs::metadata(&path).unwrap().len() > 3_200 * 1_000);
    drop(store);
    // Closed cleanly, nothing is left beside the file.
    assert!(!folder.path().join("tandem.db-wal").exists());
}
