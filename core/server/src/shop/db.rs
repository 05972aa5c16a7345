//! The shop's database: schema, connection, and the frame every write runs in.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Value, json};

use super::seed;

/// Gives the shop its present moment; tests hand in a fixed one.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// What a new database starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// The invented shop's goods, stores, customers and orders, dated relative to now.
    Demo,
    /// Tables only.
    Empty,
}

/// Why the shop refuses. The HTTP status follows from the variant.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    #[error("{1}")]
    NotFound(&'static str, String),
    /// The state of things does not allow it.
    #[error("{1}")]
    Conflict(&'static str, String),
    /// It was possible once.
    #[error("{1}")]
    Gone(&'static str, String),
    #[error("{1}")]
    Invalid(&'static str, String),
    /// Ours, not the caller's; logged and not shown.
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    #[error("a stored value cannot be read")]
    Stored(#[from] serde_json::Error),
    #[error("the work was cut short")]
    Cancelled,
}

pub type Result<T, E = ShopError> = std::result::Result<T, E>;

pub(super) fn invalid(message: impl Into<String>) -> ShopError {
    ShopError::Invalid("invalid", message.into())
}

pub(super) fn not_found(what: &'static str, message: impl Into<String>) -> ShopError {
    ShopError::NotFound(what, message.into())
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS products (
  sku TEXT PRIMARY KEY, category TEXT NOT NULL, name_en TEXT NOT NULL, name_zh TEXT NOT NULL,
  text_en TEXT NOT NULL, text_zh TEXT NOT NULL, size TEXT NOT NULL, material_en TEXT NOT NULL,
  material_zh TEXT NOT NULL, price INTEGER NOT NULL, was INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS stores (
  id TEXT PRIMARY KEY, name_en TEXT NOT NULL, name_zh TEXT NOT NULL, city_en TEXT NOT NULL,
  city_zh TEXT NOT NULL, address TEXT NOT NULL, phone TEXT NOT NULL,
  weekday TEXT NOT NULL, saturday TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS stock (
  sku TEXT NOT NULL, place TEXT NOT NULL, qty INTEGER NOT NULL, PRIMARY KEY (sku, place)) STRICT;
CREATE TABLE IF NOT EXISTS customers (
  email TEXT PRIMARY KEY, name TEXT NOT NULL, locale TEXT NOT NULL, verified INTEGER NOT NULL,
  member_no TEXT, tier TEXT, points INTEGER NOT NULL DEFAULT 0, member_since TEXT) STRICT;
CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, number TEXT NOT NULL UNIQUE, email TEXT NOT NULL, status TEXT NOT NULL,
  payment TEXT NOT NULL, payment_status TEXT NOT NULL, shipping INTEGER NOT NULL,
  placed_at TEXT NOT NULL, eta TEXT, shipped_at TEXT, delivered_at TEXT, cancelled_at TEXT,
  carrier TEXT, tracking TEXT, name TEXT NOT NULL, street TEXT NOT NULL, postcode TEXT NOT NULL,
  city TEXT NOT NULL, country TEXT NOT NULL, invoice TEXT) STRICT;
CREATE INDEX IF NOT EXISTS orders_email ON orders (email);
CREATE TABLE IF NOT EXISTS lines (
  order_id TEXT NOT NULL REFERENCES orders (id), sku TEXT NOT NULL, qty INTEGER NOT NULL,
  price INTEGER NOT NULL, status TEXT NOT NULL, PRIMARY KEY (order_id, sku)) STRICT;
CREATE TABLE IF NOT EXISTS returns (
  id TEXT PRIMARY KEY, order_id TEXT NOT NULL, sku TEXT NOT NULL, qty INTEGER NOT NULL,
  kind TEXT NOT NULL, reason TEXT NOT NULL, wanted TEXT, photo TEXT, status TEXT NOT NULL,
  created_at TEXT NOT NULL, due TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS refunds (
  id TEXT PRIMARY KEY, order_id TEXT NOT NULL, amount INTEGER NOT NULL, method TEXT NOT NULL,
  status TEXT NOT NULL, created_at TEXT NOT NULL, expected_at TEXT NOT NULL, paid_at TEXT) STRICT;
CREATE TABLE IF NOT EXISTS reports (
  id TEXT PRIMARY KEY, order_id TEXT NOT NULL, kind TEXT NOT NULL, sku TEXT, note TEXT,
  photo TEXT, status TEXT NOT NULL, answer_by TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS coupons (
  code TEXT PRIMARY KEY, kind TEXT NOT NULL, value INTEGER NOT NULL, minimum INTEGER NOT NULL,
  starts TEXT NOT NULL, ends TEXT NOT NULL, text_en TEXT NOT NULL, text_zh TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS appointments (
  id TEXT PRIMARY KEY, store TEXT NOT NULL, service TEXT NOT NULL, at TEXT NOT NULL,
  email TEXT NOT NULL, status TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_booking ON appointments (store, service, at)
  WHERE status = 'booked';
CREATE TABLE IF NOT EXISTS tickets (
  id TEXT PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL, email TEXT, skill TEXT,
  status TEXT NOT NULL, created_at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS mails (
  seq INTEGER PRIMARY KEY, recipient TEXT NOT NULL, kind TEXT NOT NULL, about TEXT,
  at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS keys (
  key TEXT PRIMARY KEY, op TEXT NOT NULL, body TEXT NOT NULL, status INTEGER NOT NULL,
  answer TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS writes (
  seq INTEGER PRIMARY KEY, at TEXT NOT NULL, op TEXT NOT NULL, key TEXT, body TEXT NOT NULL,
  answer TEXT NOT NULL) STRICT;
";

/// The shop's data. Cloning shares it.
#[derive(Clone)]
pub struct ShopDb {
    /// One connection: the demo's load is a person's, and SQLite writes one at a time anyway.
    connection: Arc<Mutex<Connection>>,
    clock: Clock,
}

impl ShopDb {
    /// Opens the database at `path`, or one in memory. A database without orders gets `seed`.
    ///
    /// # Errors
    /// When the file cannot be opened or is not the shop's.
    pub fn open(path: Option<&Path>, seed: Seed) -> anyhow::Result<Self> {
        Self::open_at(path, seed, Arc::new(jiff::Timestamp::now))
    }

    /// As [`Self::open`], with a clock of the caller's.
    ///
    /// # Errors
    /// When the file cannot be opened or is not the shop's.
    pub fn open_at(path: Option<&Path>, seed: Seed, clock: Clock) -> anyhow::Result<Self> {
        let mut connection = match path {
            Some(path) => Connection::open(path)
                .with_context(|| format!("cannot open the shop's database {}", path.display()))?,
            None => Connection::open_in_memory()?,
        };
        connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON;")?;
        connection
            .execute_batch(SCHEMA)
            .context("cannot prepare the shop's tables")?;
        let orders: i64 = connection.query_row("SELECT count(*) FROM orders", [], |r| r.get(0))?;
        if seed == Seed::Demo && orders == 0 {
            let transaction = connection.transaction()?;
            seed::fill(&transaction, &Now::at(clock()))
                .map_err(anyhow::Error::from)
                .context("cannot fill the shop")?;
            transaction.commit()?;
        }
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            clock,
        })
    }

    /// Runs `read` on a thread that may block.
    ///
    /// # Errors
    /// What `read` gives.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, &Now) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = self.clone();
        tokio::task::spawn_blocking(move || {
            // A panic under the lock leaves at worst a transaction that was rolled back.
            let connection = shared
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            read(&connection, &Now::at((shared.clock)()))
        })
        .await
        .map_err(|_| ShopError::Cancelled)?
    }

    /// Runs a write once per `key`: its effect, its audit line and its answer commit together. A
    /// refusal has no effect and is not remembered, so that a mended request may use the key again.
    ///
    /// # Errors
    /// What `write` gives; `key_reused` where the key came with another request before.
    pub(super) async fn write(
        &self,
        op: &'static str,
        key: Option<String>,
        body: Value,
        status: u16,
        write: impl FnOnce(&Connection, &Now) -> Result<Value> + Send + 'static,
    ) -> Result<(u16, Value)> {
        let shared = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut connection = shared
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let now = Now::at((shared.clock)());
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let body = body.to_string();
            if let Some(key) = &key
                && let Some(answer) = remembered(&transaction, key, op, &body)?
            {
                return Ok(answer);
            }
            let answer = write(&transaction, &now)?;
            let text = answer.to_string();
            if let Some(key) = &key {
                transaction.execute(
                    "INSERT INTO keys (key, op, body, status, answer) VALUES (?, ?, ?, ?, ?)",
                    params![key, op, body, status, text],
                )?;
            }
            transaction.execute(
                "INSERT INTO writes (at, op, key, body, answer) VALUES (?, ?, ?, ?, ?)",
                params![now.stamp(), op, key, body, text],
            )?;
            transaction.commit()?;
            Ok((status, answer))
        })
        .await
        .map_err(|_| ShopError::Cancelled)?
    }

    /// Every write that had an effect, oldest first.
    pub(super) async fn writes(&self) -> Result<Value> {
        self.read(|db, _| {
            let mut statement =
                db.prepare("SELECT seq, at, op, key, body, answer FROM writes ORDER BY seq")?;
            let rows = statement.query_map([], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, Option<String>>(3)?,
                    row.get::<_, String>(4)?,
                    row.get::<_, String>(5)?,
                ))
            })?;
            let mut writes = Vec::new();
            for row in rows {
                let (seq, at, op, key, body, answer) = row?;
                let body: Value = serde_json::from_str(&body)?;
                let answer: Value = serde_json::from_str(&answer)?;
                writes.push(json!({
                    "seq": seq, "at": at, "op": op, "key": key, "body": body, "answer": answer,
                }));
            }
            Ok(json!({ "writes": writes }))
        })
        .await
    }
}

fn remembered(db: &Connection, key: &str, op: &str, body: &str) -> Result<Option<(u16, Value)>> {
    let row = db
        .query_row(
            "SELECT op, body, status, answer FROM keys WHERE key = ?",
            [key],
            |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, u16>(2)?,
                    row.get::<_, String>(3)?,
                ))
            },
        )
        .optional()?;
    let Some((then_op, then_body, status, answer)) = row else {
        return Ok(None);
    };
    if then_op != op || then_body != body {
        return Err(ShopError::Invalid(
            "key_reused",
            "This idempotency key came with another request before.".into(),
        ));
    }
    Ok(Some((status, serde_json::from_str(&answer)?)))
}

/// The moment a request is answered at, on the shop's calendar.
pub(super) struct Now {
    pub zoned: jiff::Zoned,
}

impl Now {
    pub(super) fn at(instant: jiff::Timestamp) -> Self {
        let zone = jiff::tz::TimeZone::get(ZONE).unwrap_or(jiff::tz::TimeZone::UTC);
        Self {
            zoned: instant.to_zoned(zone),
        }
    }

    pub(super) fn today(&self) -> jiff::civil::Date {
        self.zoned.date()
    }

    /// `2026-03-03`, so many days from today.
    pub(super) fn day(&self, days: i64) -> String {
        self.today()
            .saturating_add(jiff::Span::new().days(days))
            .to_string()
    }

    pub(super) fn stamp(&self) -> String {
        self.zoned.timestamp().to_string()
    }
}

/// Where the shop and all its stores are.
const ZONE: &str = "Europe/Berlin";

/// The next number of a series, as `R-1001`.
pub(super) fn next_id(db: &Connection, series: &str) -> Result<String> {
    let value: i64 = db.query_row(
        "INSERT INTO counters (name, value) VALUES (?, 1001)
         ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
        [series],
        |row| row.get(0),
    )?;
    Ok(format!("{series}-{value}"))
}

/// Notes a mail the shop would send. The demo sends none.
pub(super) fn mail(db: &Connection, now: &Now, to: &str, kind: &str, about: &str) -> Result<()> {
    db.execute(
        "INSERT INTO mails (recipient, kind, about, at) VALUES (?, ?, ?, ?)",
        params![to, kind, about, now.stamp()],
    )?;
    Ok(())
}

/// Cents as `129.00`.
pub(super) fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The column in the caller's language: Chinese where asked, else English.
pub(super) fn local(row: &Row<'_>, column: &str, zh: bool) -> rusqlite::Result<String> {
    let name = format!("{column}_{}", if zh { "zh" } else { "en" });
    row.get(name.as_str())
}

/// `ann@example.com` as `a••@example.com`.
pub(super) fn masked(email: &str) -> String {
    match email.split_once('@') {
        Some((name, host)) => {
            let first: String = name.chars().take(1).collect();
            format!("{first}••@{host}")
        }
        None => "••".to_owned(),
    }
}
