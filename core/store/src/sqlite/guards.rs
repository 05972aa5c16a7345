//! Guards: read-only checks, made before anything of the commit is written.

use rusqlite::{Connection, OptionalExtension as _, Params, params};
use tandem_domain::{
    InboxId,
    store::{Guard, Outcome},
};
use uuid::Uuid;

use super::{
    failure::Failure,
    rows::{int, key},
};

/// The outcome the first guard that fails decides, or none when all hold.
pub(super) fn check(
    conn: &Connection,
    workspace: i64,
    guards: &[Guard],
) -> Result<Option<Outcome>, Failure> {
    for (at, guard) in guards.iter().enumerate() {
        let holds = match guard {
            Guard::NotAccepted { account, dedupe } => {
                let accepted: Option<[u8; 16]> = one(
                    conn,
                    "SELECT id FROM inbox WHERE workspace = ?1 AND account = ?2 AND dedupe = ?3",
                    params![workspace, account.as_str(), dedupe],
                )?;
                if let Some(id) = accepted {
                    return Ok(Some(Outcome::Duplicate(InboxId(Uuid::from_bytes(id)))));
                }
                true
            }
            Guard::InboxPending(id) => exists(
                conn,
                "SELECT 1 FROM inbox WHERE workspace = ?1 AND id = ?2 AND state = 0",
                params![workspace, key(id.0)],
            )?,
            Guard::LaneVersion { lane, version } => {
                let found: Option<i64> = one(
                    conn,
                    "SELECT version FROM lanes WHERE workspace = ?1 AND id = ?2",
                    params![workspace, key(lane.0)],
                )?;
                found == version.map(int)
            }
            Guard::ControlEpoch {
                conversation,
                epoch,
            } => {
                let found: Option<i64> = one(
                    conn,
                    "SELECT control_epoch FROM conversations WHERE workspace = ?1 AND id = ?2",
                    params![workspace, key(conversation.0)],
                )?;
                found.unwrap_or(0) == int(*epoch)
            }
            Guard::TimerSet(id) => exists(
                conn,
                "SELECT 1 FROM timers WHERE workspace = ?1 AND id = ?2",
                params![workspace, key(id.0)],
            )?,
            Guard::ActionPending(id) => exists(
                conn,
                "SELECT 1 FROM actions WHERE workspace = ?1 AND id = ?2 AND pending = 1",
                params![workspace, key(id.0)],
            )?,
            Guard::OutboxLease { id, lease } => exists(
                conn,
                "SELECT 1 FROM outbox WHERE workspace = ?1 AND id = ?2 AND state = 1 AND lease = ?3",
                params![workspace, key(id.0), lease.cast_signed()],
            )?,
            Guard::OutboxReady(id) => exists(
                conn,
                "SELECT 1 FROM outbox WHERE workspace = ?1 AND id = ?2 AND state = 0",
                params![workspace, key(id.0)],
            )?,
            Guard::NoClientId {
                conversation,
                client_id,
            } => !exists(
                conn,
                "SELECT 1 FROM messages \
                 WHERE workspace = ?1 AND conversation = ?2 AND client_id = ?3 AND ours = 1",
                params![workspace, key(conversation.0), client_id],
            )?,
            Guard::LineOfLane { lane, message } => exists(
                conn,
                "SELECT 1 FROM messages WHERE workspace = ?1 AND id = ?2 AND lane = ?3",
                params![workspace, key(message.0), key(lane.0)],
            )?,
            Guard::OnceFree {
                contact,
                key: claim,
                now,
            } => !exists(
                conn,
                "SELECT 1 FROM onces \
                 WHERE workspace = ?1 AND contact = ?2 AND key = ?3 AND expires_at > ?4",
                params![workspace, key(contact.0), claim, now.0],
            )?,
            Guard::NoContact { account, native_id } => !exists(
                conn,
                "SELECT 1 FROM contacts \
                 WHERE workspace = ?1 AND account = ?2 AND native_id = ?3",
                params![workspace, account.as_str(), native_id],
            )?,
            Guard::ReachIs {
                lane,
                heard_at,
                reply_used,
            } => exists(
                conn,
                "SELECT 1 FROM reaches WHERE workspace = ?1 AND lane = ?2 \
                 AND heard_at = ?3 AND reply_used = ?4",
                params![workspace, key(lane.0), heard_at.0, reply_used],
            )?,
            Guard::NoNative { account, native } => !exists(
                conn,
                "SELECT 1 FROM natives WHERE workspace = ?1 AND account = ?2 AND native = ?3",
                params![workspace, account.as_str(), native],
            )?,
        };
        if !holds {
            return Ok(Some(Outcome::Conflict(at)));
        }
    }
    Ok(None)
}

fn exists(conn: &Connection, sql: &str, params: impl Params) -> Result<bool, Failure> {
    Ok(conn.prepare_cached(sql)?.exists(params)?)
}

fn one<T: rusqlite::types::FromSql>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Option<T>, Failure> {
    Ok(conn
        .prepare_cached(sql)?
        .query_row(params, |row| row.get(0))
        .optional()?)
}
