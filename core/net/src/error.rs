//! How a call to the outside fails.

use tandem_domain::action::ActionError;

/// What went wrong, for callers that branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetErrorKind {
    /// The policy does not allow it: the host, its address, the scheme.
    Refused,
    /// The connection's own settings are incomplete: a secret that is not set.
    Misconfigured,
    /// The arguments do not make a request: a missing placeholder, a bad header.
    Invalid,
    Timeout,
    /// No connection came about; nothing was sent.
    Connect,
    /// The connection broke before the answer was complete.
    Broken,
    /// The answer is larger than the policy allows.
    TooLarge,
    /// The answer is not what it says it is.
    BadResponse,
    /// The service failed too often lately and is left alone for a while.
    Open,
}

/// A failed call. The message names the host at most: no URL, no header, no body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NetError {
    pub kind: NetErrorKind,
    /// The request may change something and may have arrived: nobody knows whether it took
    /// effect. Never true of GET and HEAD, nor where no connection came about.
    pub uncertain: bool,
    pub message: String,
}

impl NetError {
    pub(crate) fn new(kind: NetErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            uncertain: false,
            message: message.into(),
        }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(NetErrorKind::Refused, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(NetErrorKind::Invalid, message)
    }

    /// The code a flow's `on_error` chooses by.
    #[must_use]
    pub fn code(&self) -> &'static str {
        if self.uncertain {
            return ActionError::UNKNOWN;
        }
        match self.kind {
            NetErrorKind::Refused | NetErrorKind::Misconfigured | NetErrorKind::Invalid => {
                "refused"
            }
            NetErrorKind::Timeout => "timeout",
            NetErrorKind::Connect | NetErrorKind::Broken | NetErrorKind::Open => "unavailable",
            NetErrorKind::TooLarge => "too_large",
            NetErrorKind::BadResponse => "bad_response",
        }
    }

    /// Whether another attempt may do better.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self.kind,
            NetErrorKind::Timeout | NetErrorKind::Connect | NetErrorKind::Broken
        )
    }
}

impl From<NetError> for ActionError {
    fn from(error: NetError) -> Self {
        Self::new(error.code(), error.message)
    }
}
