//! Moving the write-ahead log into the file.
//!
//! SQLite would do it inside the `COMMIT` that makes the log too long, and every commit behind
//! that one would wait. Here a thread of its own moves the bulk while the writer goes on. What
//! the writer adds meanwhile gets less with each round; once little is left the writer moves that
//! itself, so that the log begins anew instead of growing.

use std::{
    path::Path,
    sync::mpsc::{self, SyncSender},
    thread::JoinHandle,
};

use rusqlite::{Connection, OpenFlags};

use super::{SqliteOptions, failure::Failure};

/// The part of the limit that the writer may move by itself.
const REST: i64 = 16;
/// Times the limit at which the writer moves everything: the other thread does not keep up.
const TOO_LONG: i64 = 4;

pub(super) struct Checkpoints {
    limit: i64,
    /// Taken on drop: the thread ends when nobody can call it any more.
    call: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(super) fn start(path: &Path, options: &SqliteOptions) -> Result<Self, Failure> {
        let conn = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        conn.busy_timeout(options.busy_timeout)?;
        // One call waits while another is worked on; more would say nothing new.
        let (call, calls) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || {
                while calls.recv().is_ok() {
                    // A full disk is told to whoever commits; here it only delays.
                    if let Err(error) = checkpoint(&conn, "PASSIVE") {
                        tracing::debug!(%error, "The log could not be moved into the file.");
                    }
                }
            })
            .map_err(|error| Failure::unavailable(format!("no thread to run on: {error}")))?;
        Ok(Self {
            limit: i64::from(options.checkpoint_pages.max(1)),
            call: Some(call),
            thread: Some(thread),
        })
    }

    /// Between two transactions: sees how long the log is and has it moved. `conn` is the writer's.
    pub(super) fn tend(&self, conn: &Connection) {
        let seen = checkpoint(conn, "NOOP").and_then(|log| {
            if log.pages < self.limit {
                return Ok(());
            }
            if log.left <= self.limit / REST || log.pages > self.limit * TOO_LONG {
                checkpoint(conn, "PASSIVE")?;
            } else if let Some(call) = &self.call {
                // Already called is called enough.
                let _ = call.try_send(());
            }
            Ok(())
        });
        if let Err(error) = seen {
            tracing::debug!(%error, "The log could not be moved into the file.");
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.call = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic: it only runs one pragma.
            let _ = thread.join();
        }
    }
}

struct Log {
    /// In the log since it last began anew.
    pages: i64,
    /// Not yet in the file.
    left: i64,
}

fn checkpoint(conn: &Connection, mode: &str) -> rusqlite::Result<Log> {
    conn.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
        .query_row([], |row| {
            let (pages, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(Log {
                pages,
                left: pages - moved,
            })
        })
}
