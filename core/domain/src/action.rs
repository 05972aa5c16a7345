//! Calls to the outside that a flow asks for. They run between transactions; the answer comes
//! back to the flow as an event.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ContactId, ConversationId, Locale, Timestamp, Value, WorkspaceId};

/// What a step wants done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// A declared operation of a declared connection.
    Http {
        connection: String,
        operation: String,
        args: Value,
    },
    /// A Lua function with the host API.
    Lua {
        module: String,
        function: String,
        args: Value,
    },
    Plugin {
        plugin: String,
        method: String,
        args: Value,
    },
    /// Passages from the knowledge. Local: the engine answers it within the turn.
    Answer { query: crate::reading::Query },
}

/// Everything a runner needs besides the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    pub workspace: WorkspaceId,
    pub conversation: ConversationId,
    pub contact: ContactId,
    pub locale: Locale,
    /// The pack's version the request was made under.
    pub pack: String,
    /// Frozen for the run, so that a replay sees the same time.
    pub now: Timestamp,
    /// Milliseconds the whole call may take, retries included.
    pub timeout_ms: u64,
    /// Attempts after the first where repeating is safe, in place of the connection's own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// The same on every attempt; sent along where the far side understands one.
    pub idempotency_key: Option<String>,
    /// A write is never repeated without an idempotency key.
    pub write: bool,
}

/// How a call failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ActionError {
    /// What `on_error` chooses by: an HTTP status (`404`), or `timeout`, `unavailable`,
    /// `refused`, `too_large`, `bad_response`, `script`, `unknown`, or a plugin's own.
    pub code: String,
    pub message: String,
}

impl ActionError {
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// The code of a write whose fate nobody knows.
    pub const UNKNOWN: &'static str = "unknown";
}

/// How a call ended, and what a replay needs of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    pub result: Result<Value, ActionError>,
    /// What the run itself asked of the outside, in order: the host calls of a script.
    pub calls: Vec<Value>,
}

impl From<Result<Value, ActionError>> for Ran {
    fn from(result: Result<Value, ActionError>) -> Self {
        Self {
            result,
            calls: Vec::new(),
        }
    }
}

#[async_trait]
pub trait Action: Send + Sync {
    /// Runs to the end or to its deadline; cancelling drops it.
    async fn run(&self, request: &Request, meta: &Meta) -> Ran;
}
