//! Opening a database file: settings, the lock, the schema.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use tandem_domain::{
    Timestamp,
    store::{Result, Store},
};

use super::{
    SqliteStore, checkpoint::Checkpoints, failure::Failure, readers::Readers, writer::Writer,
};
use crate::migrations::{self, Applied, Migration};

/// Marks a file as Tandem's: "TNDM".
const APPLICATION_ID: i32 = 0x544e_444d;

/// How a database is opened. The defaults suit a server.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// How long to wait for another program that holds the file's lock, a backup say.
    pub busy_timeout: Duration,
    /// Connections that read.
    pub readers: usize,
    /// Commits that may wait for the writer before `commit` itself waits.
    pub queue: usize,
    /// The writer's page cache.
    pub cache_mib: u32,
    /// Pages (of 4 KiB) in the write-ahead log before they are moved into the file.
    pub checkpoint_pages: u32,
    /// The file may not outgrow this many pages.
    pub max_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            busy_timeout: Duration::from_secs(5),
            readers: 4,
            queue: 1024,
            cache_mib: 16,
            checkpoint_pages: 16_384,
            max_pages: None,
        }
    }
}

/// Opens a database, made on first use, and brings its schema up to date. `:memory:` opens one
/// that lives as long as the store.
///
/// Blocks for as long as the file system takes. The store stops its thread and lets go of the
/// file when it is dropped.
///
/// # Errors
/// `Unavailable` when another process has it open for writing or the file cannot be opened,
/// `Corrupt` when it is no database, another program's, or of another schema, `Full` when there
/// is no room.
pub fn open_sqlite(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Arc<dyn Store>> {
    let path = path.as_ref();
    Ok(if path == Path::new(":memory:") {
        open_memory(&options)
    } else {
        open_file(path, &options)
            .map_err(|failure| failure.while_doing(&format!("opening {}", path.display())))
    }?)
}

/// Opens a database that may be in use by a server, to look at it. Every write is refused.
///
/// # Errors
/// As [`open_sqlite`]; also when the file is missing or its schema is not up to date.
pub fn open_sqlite_read_only(
    path: impl AsRef<Path>,
    options: SqliteOptions,
) -> Result<Arc<dyn Store>> {
    let path = path.as_ref();
    let open = || -> Result<_, Failure> {
        must_be_file(path)?;
        let readers = Readers::open(path, &options)?;
        readers.with_any(|conn| {
            check_owner(conn)?;
            let left = outstanding(conn)?.len();
            if left > 0 {
                return Err(Failure::unavailable(format!(
                    "{left} schema steps are not applied yet; serving from it applies them"
                )));
            }
            Ok(())
        })?;
        Ok(Arc::new(SqliteStore {
            readers,
            writer: None,
            _lock: None,
        }))
    };
    Ok(open().map_err(|failure| failure.while_doing(&format!("opening {}", path.display())))?)
}

/// A new database is for its owner's eyes only; SQLite gives its log the same mode. Where this
/// fails, opening the file says why.
fn make_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

fn open_memory(options: &SqliteOptions) -> Result<Arc<dyn Store>, Failure> {
    let mut conn = Connection::open_in_memory()?;
    settings(&conn, options)?;
    migrate(&mut conn)?;
    Ok(Arc::new(SqliteStore {
        writer: Some(Writer::start(conn, None, options)?),
        readers: Readers::on_the_writer(),
        _lock: None,
    }))
}

fn open_file(path: &Path, options: &SqliteOptions) -> Result<Arc<dyn Store>, Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Failure::unavailable(format!(
            "the folder {} does not exist",
            folder.display()
        )));
    }
    let lock = lock(path)?;
    make_private(path);
    let mut conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(options.busy_timeout)?;
    check_owner(&conn)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Failure::unavailable(
            "its file system cannot hold a write-ahead log",
        ));
    }
    settings(&conn, options)?;
    migrate(&mut conn)?;
    // Checkpoints run beside the commits, see there.
    conn.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
    let checkpoints = Checkpoints::start(path, options)?;
    let readers = Readers::open(path, options)?;
    Ok(Arc::new(SqliteStore {
        writer: Some(Writer::start(conn, Some(checkpoints), options)?),
        readers,
        _lock: Some(lock),
    }))
}

fn must_be_file(path: &Path) -> Result<(), Failure> {
    if path.is_file() {
        return Ok(());
    }
    Err(Failure::unavailable("there is no such file"))
}

/// Takes `<path>.lock`, which tells a second process who has the database. SQLite's own locks
/// would let two writers take turns, each with a stale memory of what the other wrote.
fn lock(path: &Path) -> Result<File, Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let cannot = |error: std::io::Error| {
        Failure::unavailable(format!("cannot lock {}: {error}", name.display()))
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name)
        .map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who it is only helps the reader of the message.
            let _ = (&mut file).take(32).read_to_string(&mut holder);
            return Err(Failure::unavailable(format!(
                "process {} has it open; only one may write to it",
                holder.trim()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(cannot(error)),
    }
    // A full disk must not keep a server from starting that could serve reads and then make room.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Refuses a file that some other program made.
fn check_owner(conn: &Connection) -> Result<(), Failure> {
    let id: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id == APPLICATION_ID || (id == 0 && tables == 0) {
        return Ok(());
    }
    Err(Failure::corrupt("it is the database of another program"))
}

fn settings(conn: &Connection, options: &SqliteOptions) -> Result<(), Failure> {
    conn.set_prepared_statement_cache_capacity(256);
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "foreign_keys", false)?;
    conn.pragma_update(None, "cache_size", -1024 * i64::from(options.cache_mib))?;
    // After a burst the log gives its room back.
    conn.query_row("PRAGMA journal_size_limit = 67108864", [], |_| Ok(()))?;
    if let Some(pages) = options.max_pages {
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    Ok(())
}

const SCHEMA_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        applied_at INTEGER NOT NULL
    ) STRICT";

fn outstanding(conn: &Connection) -> Result<&'static [Migration], Failure> {
    let there: Option<i64> = conn
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let applied = if there.is_some() {
        conn.prepare("SELECT version, checksum FROM schema_migrations ORDER BY version")?
            .query_map([], |row| {
                Ok(Applied {
                    version: row.get(0)?,
                    checksum: row.get(1)?,
                })
            })?
            .collect::<Result<Vec<_>, _>>()?
    } else {
        Vec::new()
    };
    migrations::outstanding(migrations::SQLITE, &applied)
        .map_err(|error| Failure::corrupt(error.to_string()))
}

pub(super) fn migrate(conn: &mut Connection) -> Result<(), Failure> {
    for step in outstanding(conn)? {
        let what = format!("schema step {} ({})", step.version, step.name);
        let apply = |conn: &mut Connection| -> Result<(), Failure> {
            let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tx.execute_batch(SCHEMA_TABLE)?;
            tx.execute_batch(step.sql)?;
            tx.execute(
                "INSERT INTO schema_migrations (version, name, checksum, applied_at) \
                 VALUES (?1, ?2, ?3, ?4)",
                params![step.version, step.name, step.checksum(), Timestamp::now().0],
            )?;
            Ok(tx.commit()?)
        };
        apply(conn).map_err(|failure| failure.while_doing(&what))?;
    }
    Ok(())
}
