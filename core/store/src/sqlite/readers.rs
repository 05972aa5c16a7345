//! Connections that only read.
//!
//! A read by key takes a few microseconds, less than handing it to another thread: it runs where
//! it is called. Reads of unknown size go to tokio's blocking threads. With a write-ahead log no
//! reader waits for the writer.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use tandem_domain::WorkspaceId;
use tokio::sync::Semaphore;

use super::{SqliteOptions, failure::Failure, writer::Writer};

/// The numbers that stand for workspaces in keys. A workspace never changes its number, so what
/// was read once (of committed rows) holds.
#[derive(Default)]
pub(super) struct Spaces(RwLock<HashMap<WorkspaceId, i64>>);

impl Spaces {
    pub(super) fn number(
        &self,
        conn: &Connection,
        workspace: &WorkspaceId,
    ) -> Result<Option<i64>, Failure> {
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(workspace)
            .copied();
        if known.is_some() {
            return Ok(known);
        }
        let number = conn
            .prepare_cached("SELECT number FROM workspaces WHERE name = ?1")?
            .query_row([workspace.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(number) = number {
            self.0
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(workspace.clone(), number);
        }
        Ok(number)
    }
}

pub(super) struct Readers {
    /// Empty: a database in memory has one connection, the writer's, and reads go there.
    pool: Arc<[Mutex<Connection>]>,
    /// Leaves one connection to reads by key.
    scans: Semaphore,
    spaces: Arc<Spaces>,
}

impl Readers {
    pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<Self, Failure> {
        let pool = (0..options.readers.max(2))
            .map(|_| {
                let conn = Connection::open_with_flags(
                    path,
                    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
                )?;
                conn.busy_timeout(options.busy_timeout)?;
                conn.set_prepared_statement_cache_capacity(128);
                conn.pragma_update(None, "query_only", true)?;
                Ok(Mutex::new(conn))
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        Ok(Self {
            scans: Semaphore::new(pool.len() - 1),
            pool: pool.into(),
            spaces: Arc::default(),
        })
    }

    pub(super) fn on_the_writer() -> Self {
        Self {
            pool: Arc::new([]),
            scans: Semaphore::new(1),
            spaces: Arc::default(),
        }
    }

    pub(super) fn spaces(&self) -> Arc<Spaces> {
        self.spaces.clone()
    }

    /// Runs on a free connection, waiting for one if it must. For opening; blocks.
    pub(super) fn with_any<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        read(&any(&self.pool))
    }

    pub(super) async fn point<T, F>(
        &self,
        writer: Option<&Writer>,
        workspace: &WorkspaceId,
        read: F,
    ) -> Result<T, Failure>
    where
        T: Default + Send + 'static,
        F: FnOnce(&Connection, i64) -> Result<T, Failure> + Send + 'static,
    {
        if let Some(conn) = free(&self.pool) {
            return match self.spaces.number(&conn, workspace)? {
                Some(number) => read(&conn, number),
                None => Ok(T::default()),
            };
        }
        let (workspace, spaces) = (workspace.clone(), self.spaces());
        self.scan(writer, move |conn| {
            match spaces.number(conn, &workspace)? {
                Some(number) => read(conn, number),
                None => Ok(T::default()),
            }
        })
        .await
    }

    pub(super) async fn scan<T, F>(&self, writer: Option<&Writer>, read: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        if self.pool.is_empty() {
            let writer = writer.expect("a database in memory has a writer");
            return writer.read(read).await;
        }
        let _permit = self
            .scans
            .acquire()
            .await
            .map_err(|_| Failure::unavailable("it is shutting down"))?;
        let pool = self.pool.clone();
        tokio::task::spawn_blocking(move || read(&any(&pool)))
            .await
            .map_err(|error| Failure::unavailable(format!("a read was cut short: {error}")))?
    }
}

fn free(pool: &[Mutex<Connection>]) -> Option<MutexGuard<'_, Connection>> {
    pool.iter().find_map(|slot| match slot.try_lock() {
        Ok(conn) => Some(conn),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    })
}

fn any(pool: &[Mutex<Connection>]) -> MutexGuard<'_, Connection> {
    free(pool).unwrap_or_else(|| {
        pool.first()
            .expect("a pool has at least two connections")
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    })
}
