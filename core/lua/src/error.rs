//! How a call into Lua fails.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, for callers that branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The source does not compile.
    Syntax,
    /// The script raised an error.
    Runtime,
    /// Processor time or the deadline ran out.
    Timeout,
    /// The state would have grown past its memory.
    Memory,
    /// Calls nested too deeply.
    Depth,
    NoSuchFunction,
    /// A value that is not JSON, or is too large, on its way in or out.
    BadValue,
}

/// An error a pack's author can act on: it names their file and line, never ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LuaError {
    pub kind: ErrorKind,
    pub message: String,
    /// Path of the module's file, relative to the pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Counted in characters from 1; known for syntax errors only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The host's code (`timeout`, `refused`, `unknown`) when a host call failed and the script
    /// let the error through, or the `code` of an error table the script raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Longest message kept, in characters.
const MESSAGE_MAX: usize = 500;

impl LuaError {
    /// An error without a place; the message is cut to a length fit for a log line.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: shorten(message.into()),
            module: None,
            line: None,
            column: None,
            code: None,
        }
    }

    pub(crate) fn bad_value(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadValue, message)
    }

    /// Time ran out.
    #[must_use]
    pub fn timeout() -> Self {
        Self::new(ErrorKind::Timeout, "the script took too long")
    }

    pub(crate) fn memory() -> Self {
        Self::new(ErrorKind::Memory, "the script used too much memory")
    }

    /// The same, with its place.
    #[must_use]
    pub fn at(mut self, module: &str, line: Option<u32>) -> Self {
        self.module = Some(module.to_owned());
        self.line = line;
        self
    }
}

impl fmt::Display for LuaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.module, self.line) {
            (Some(module), Some(line)) => write!(f, "{module}:{line}: {}", self.message),
            (Some(module), None) => write!(f, "{module}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for LuaError {}

/// Cuts a text the script chose to a length fit for a log line, without control characters.
pub(crate) fn shorten(text: String) -> String {
    let clean = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    if text.chars().nth(MESSAGE_MAX).is_none() {
        return text.chars().map(clean).collect();
    }
    let mut short: String = text.chars().take(MESSAGE_MAX).map(clean).collect();
    short.push('…');
    short
}
