//! How a call fails.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A failure that the plugin foresaw. Flows branch on `code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// A word for machines: `not_found`, `unauthorized`, `unavailable`.
    pub code: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// When it is worth trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The platform's own code, where a platform refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native_code: Option<String>,
}

impl Error {
    #[must_use]
    pub fn new(code: &str, message: impl fmt::Display) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_string(),
            retry_after_ms: None,
            native_code: None,
        }
    }

    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after_ms = Some(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

/// How an attempt of a channel to send can end. The host decides what follows; a plugin never
/// tries again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The platform asks for patience in this conversation.
    RetryAfter(Duration),
    /// The platform asks the whole account for patience.
    AccountRetryAfter(Duration),
    /// Certainly not taken; trying again may help.
    Transient(String),
    /// Never will be taken in this form; `code` is the platform's.
    Rejected { code: String, message: String },
    /// The credential is wrong or expired.
    Unauthorized(String),
    /// Bytes left and no answer came; the message may have arrived.
    Uncertain(String),
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::RetryAfter(pause) => {
                Error::new("retry_after", "the platform asks to wait").retry_after(pause)
            }
            SendError::AccountRetryAfter(pause) => Error::new(
                "account_retry_after",
                "the platform asks the account to wait",
            )
            .retry_after(pause),
            SendError::Transient(message) => Error::new("transient", message),
            SendError::Rejected { code, message } => Error {
                native_code: Some(code),
                ..Error::new("rejected", message)
            },
            SendError::Unauthorized(message) => Error::new("unauthorized", message),
            SendError::Uncertain(message) => Error::new("uncertain", message),
        }
    }
}

impl From<Error> for SendError {
    /// The other way round, for hosts. A code that is none of ours is uncertain: nobody knows
    /// whether bytes left.
    fn from(error: Error) -> Self {
        let pause = || Duration::from_millis(error.retry_after_ms.unwrap_or(1000));
        match error.code.as_str() {
            "retry_after" => Self::RetryAfter(pause()),
            "account_retry_after" => Self::AccountRetryAfter(pause()),
            "transient" => Self::Transient(error.message),
            "rejected" => Self::Rejected {
                code: error.native_code.unwrap_or_else(|| "rejected".to_owned()),
                message: error.message,
            },
            "unauthorized" => Self::Unauthorized(error.message),
            "uncertain" => Self::Uncertain(error.message),
            _ => Self::Uncertain(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_of_a_send_comes_through_as_it_was() {
        for end in [
            SendError::RetryAfter(Duration::from_millis(1500)),
            SendError::AccountRetryAfter(Duration::from_secs(9)),
            SendError::Transient("reset".into()),
            SendError::Rejected {
                code: "131026".into(),
                message: "no such number".into(),
            },
            SendError::Unauthorized("expired".into()),
            SendError::Uncertain("no answer".into()),
        ] {
            assert_eq!(SendError::from(Error::from(end.clone())), end);
        }
        let other = SendError::from(Error::new("oops", "what"));
        assert_eq!(other, SendError::Uncertain("oops: what".into()));
    }
}
