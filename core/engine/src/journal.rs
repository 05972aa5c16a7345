//! What a replay needs of one turn, and nothing else: events with their readings, what Lua
//! answered, the time, the surroundings and the version of the pack. The trace stands beside it,
//! so that it can be shown without a replay.

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use tandem_domain::{Timestamp, Value, store::JournalRow};
use tandem_flow::step::{Around, Event, LuaAnswer, TraceLine};

use crate::seal::{SealError, SealKey};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub cause: String,
    pub now: Timestamp,
    /// Hash of the pack that was current.
    pub pack: String,
    pub steps: Steps,
    /// What the action whose result this is asked of the outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Value>,
    pub trace: Vec<TraceLine>,
}

/// The inputs of the stepper's calls in this turn; sealed where a sensitive value is among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Steps {
    Open(Vec<Step>),
    /// Base64 of [`Step`]s as JSON, sealed under the lane's key.
    Sealed(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub event: Event,
    pub around: Around,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<LuaCall>,
}

/// One call of a `prepare` or validator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LuaCall {
    pub module: String,
    pub function: String,
    pub value: Value,
    pub answer: LuaAnswer,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal entry is not of a known form: {0}")]
    Form(#[from] serde_json::Error),
    #[error("the inputs of this turn are sealed, and their key was erased")]
    Erased,
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Steps {
    pub(crate) fn keep(steps: Vec<Step>, key: Option<&SealKey>) -> Self {
        match key {
            None => Self::Open(steps),
            Some(key) => {
                let plain = serde_json::to_vec(&steps).unwrap_or_default();
                Self::Sealed(base64::engine::general_purpose::STANDARD.encode(key.seal(&plain)))
            }
        }
    }

    /// # Errors
    /// When the inputs are sealed and `key` does not open them.
    pub fn open(self, key: Option<&SealKey>) -> Result<Vec<Step>, JournalError> {
        match self {
            Self::Open(steps) => Ok(steps),
            Self::Sealed(sealed) => {
                let key = key.ok_or(JournalError::Erased)?;
                let sealed = base64::engine::general_purpose::STANDARD
                    .decode(sealed)
                    .map_err(|_| SealError::Opened)?;
                Ok(serde_json::from_slice(&key.open(&sealed)?)?)
            }
        }
    }
}

impl Entry {
    /// # Errors
    /// When the row was written by a newer version.
    pub fn read(row: &JournalRow) -> Result<Self, JournalError> {
        Ok(serde_json::from_slice(&row.body)?)
    }
}
