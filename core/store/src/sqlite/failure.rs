//! Why a statement failed, as the store's three kinds of error.

use rusqlite::{Error, ErrorCode, ffi};
use tandem_domain::store::StoreError;

/// A [`StoreError`] that can be told to several waiters.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    kind: Kind,
    text: String,
    /// Somebody else holds the file; trying the same at once would only wait again.
    pub(super) busy: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Unavailable,
    Full,
    Corrupt,
}

impl Failure {
    pub(super) fn unavailable(text: impl Into<String>) -> Self {
        Self {
            kind: Kind::Unavailable,
            text: text.into(),
            busy: false,
        }
    }

    pub(super) fn corrupt(text: impl Into<String>) -> Self {
        Self {
            kind: Kind::Corrupt,
            text: text.into(),
            busy: false,
        }
    }

    /// Says first what was being done.
    pub(super) fn while_doing(mut self, what: &str) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let busy = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        );
        let kind = match &error {
            Error::SqliteFailure(cause, _) => match cause.code {
                ErrorCode::DiskFull => Kind::Full,
                // No room for the index of the write-ahead log.
                _ if cause.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Kind::Full,
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch => Kind::Corrupt,
                _ => Kind::Unavailable,
            },
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
            | Error::InvalidColumnType(..) => Kind::Corrupt,
            _ => Kind::Unavailable,
        };
        let text = if busy {
            "another process holds the database's lock".to_owned()
        } else {
            error.to_string()
        };
        Self { kind, text, busy }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::corrupt(format!("a stored document cannot be read: {error}"))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            Kind::Unavailable => Self::Unavailable(failure.text),
            Kind::Full => Self::Full(failure.text),
            Kind::Corrupt => Self::Corrupt(failure.text),
        }
    }
}
