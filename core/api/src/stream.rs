//! The event log, live: one WebSocket that replays from where its reader was.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        FromRequestParts, State,
        ws::{
            CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code,
            rejection::WebSocketUpgradeRejection,
        },
    },
    http::request::Parts,
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use tandem_domain::{
    WorkspaceId,
    bus::{Heard, Listener, Topic},
    store::{Store, StoreError},
};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use crate::{ApiState, auth::Caller, error::ApiError, extract::Query, view::Event};

/// Rows read at a time.
const BATCH: usize = 200;
/// A reader who has missed more than this reads what it needs over the lists instead.
const REPLAY: u64 = 10_000;
/// A lost wake-up costs at most this; it is also how often a silent connection is probed.
const SWEEP: Duration = Duration::from_secs(15);
/// A reader that takes nothing for this long is gone.
const SEND: Duration = Duration::from_secs(10);
/// How long the other side has to say goodbye too.
const FAREWELL: Duration = Duration::from_secs(2);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct From {
    /// The last number seen; what follows is replayed. Without it the stream begins now.
    last_seq: Option<u64>,
}

/// The request to become a WebSocket, or why it is none.
pub(crate) struct Upgrade(WebSocketUpgrade);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        WebSocketUpgrade::from_request_parts(parts, state)
            .await
            .map(Self)
            .map_err(|rejection: WebSocketUpgradeRejection| {
                ApiError::invalid("Upgrade", rejection.body_text())
            })
    }
}

/// A WebSocket of events as they happen, each a text frame `{seq, event, conversation, data, at}`
/// in order and without gaps. When too much was missed, one frame `resync_required` comes first
/// and the stream goes on from its `seq`.
#[utoipa::path(get, path = "/api/v1/events/stream", operation_id = "streamEvents", tag = "events", params(From),
    responses((status = 101, description = "The stream begins"),
        (status = 429, body = crate::error::ErrorBody)))]
pub(crate) async fn open(
    State(state): State<ApiState>,
    caller: Caller,
    Query(from): Query<From>,
    Upgrade(upgrade): Upgrade,
) -> Result<Response, ApiError> {
    let permit = state
        .stream_permits()
        .try_acquire_owned()
        .map_err(|_| ApiError::TooMany("event streams"))?;
    let workspace = caller.workspace().clone();
    // Both before the answer: what happens once the client is connected, it hears. And the wake-ups
    // before the number, so that nothing falls between.
    let listener = state
        .engine()
        .bus()
        .subscribe(&Topic::Events(workspace.clone()));
    let newest = newest(state.store(), &workspace).await?;
    let reader = Reader {
        workspace,
        listener,
        newest,
        last_seq: from.last_seq,
    };
    Ok(upgrade
        .max_message_size(4096)
        .on_upgrade(move |socket| run(socket, state, reader, permit)))
}

/// Somebody who follows the log.
struct Reader {
    workspace: WorkspaceId,
    listener: Box<dyn Listener>,
    /// The log's last number when they came.
    newest: u64,
    last_seq: Option<u64>,
}

async fn run(
    mut socket: WebSocket,
    state: ApiState,
    reader: Reader,
    _permit: OwnedSemaphorePermit,
) {
    let stop = state.stop().clone();
    let ended = stop.or(follow(&mut socket, state.store(), reader)).await;
    let (code, reason) = match ended {
        None => (close_code::RESTART, "the server is stopping"),
        Some(Ok(())) => return,
        Some(Err(Ended::Gone)) => return,
        Some(Err(Ended::Store(error))) => {
            tracing::warn!(%error, "An event stream ended because the log could not be read.");
            (close_code::AGAIN, "the event log cannot be read right now")
        }
    };
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    // Somebody who has left does not read why.
    let said = tokio::time::timeout(SEND, socket.send(Message::Close(Some(frame)))).await;
    if said.is_ok_and(|sent| sent.is_ok()) {
        // What is left unread when a connection closes resets it, and the reason is lost.
        let _ = tokio::time::timeout(FAREWELL, async {
            while let Some(Ok(_)) = socket.recv().await {}
        })
        .await;
    }
}

enum Ended {
    Gone,
    Store(StoreError),
}

impl std::convert::From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn follow(
    socket: &mut WebSocket,
    store: &Arc<dyn Store>,
    reader: Reader,
) -> Result<(), Ended> {
    let Reader {
        workspace,
        mut listener,
        newest,
        last_seq,
    } = reader;
    let mut seen = match last_seq {
        None => newest,
        Some(last) if last <= newest && newest - last <= REPLAY => last,
        Some(_) => {
            let frame = json!({"seq": newest, "event": "resync_required", "data": {}});
            send(socket, frame.to_string()).await?;
            newest
        }
    };
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        seen = catch_up(socket, store, &workspace, seen).await?;
        tokio::select! {
            heard = listener.next() => match heard {
                Heard::Signal(_) | Heard::Missed => {}
                // The bus is gone: the sweep alone goes on.
                Heard::Closed => { sweep.tick().await; }
            },
            _ = sweep.tick() => {
                deliver(socket, Message::Ping(Default::default())).await?;
            }
            // Nothing is asked here; reading notices who leaves.
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(_)) => {}
            },
        }
    }
}

async fn catch_up(
    socket: &mut WebSocket,
    store: &Arc<dyn Store>,
    workspace: &WorkspaceId,
    mut seen: u64,
) -> Result<u64, Ended> {
    loop {
        let rows = store.events(workspace, seen, BATCH).await?;
        let full = rows.len() == BATCH;
        for row in rows {
            let seq = row.seq;
            let frame =
                serde_json::to_string(&Event::from(row)).expect("an event is made of JSON values");
            send(socket, frame).await?;
            seen = seq;
        }
        if !full {
            return Ok(seen);
        }
    }
}

async fn send(socket: &mut WebSocket, text: String) -> Result<(), Ended> {
    deliver(socket, Message::text(text)).await
}

async fn deliver(socket: &mut WebSocket, message: Message) -> Result<(), Ended> {
    match tokio::time::timeout(SEND, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Ended::Gone),
    }
}

/// The log's last number. Numbers have no gaps, so it is found by halving.
async fn newest(store: &Arc<dyn Store>, workspace: &WorkspaceId) -> Result<u64, StoreError> {
    let (mut low, mut step) = (0_u64, 1_u64);
    // `low` is 0 or followed by the number found; `high` is followed by nothing.
    let mut high = loop {
        match store.events(workspace, low + step - 1, 1).await?.first() {
            Some(event) => {
                low = event.seq;
                step = step.saturating_mul(2);
            }
            None => break low + step - 1,
        }
    };
    while low < high {
        let middle = low + (high - low) / 2;
        match store.events(workspace, middle, 1).await?.first() {
            Some(event) => low = event.seq,
            None => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_number_is_found_in_a_log_of_any_length() {
        use tandem_domain::{Timestamp, store as rows};
        let folder = tempfile::tempdir().unwrap();
        let store =
            tandem_store::open_sqlite(folder.path().join("t.db"), Default::default()).unwrap();
        let workspace = WorkspaceId::default();
        for length in 0..40 {
            assert_eq!(newest(&store, &workspace).await.unwrap(), length);
            let mut commit = rows::Commit::new(workspace.clone());
            commit.writes.push(rows::Write::EventPut(rows::Event {
                seq: 0,
                name: "x".to_owned(),
                conversation: None,
                data: json!({}),
                at: Timestamp(0),
            }));
            store.commit(commit).await.unwrap();
        }
    }
}
