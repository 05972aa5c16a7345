//! What a plugin may ask of Tandem. From any thread, also from its own; once the plugin has ended,
//! everything answers [`HostError::Gone`].

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tandem_plugin_abi::{code, level};

use crate::{
    Error, SendError,
    ffi::HostRef,
    wire::{Accepted, Bytes, Inbound, Receipt, ReplyClaim, StoredMedia, read},
};

/// The host. Copy it to wherever it is needed.
#[derive(Clone, Copy, Debug)]
pub struct Host(pub(crate) HostRef);

/// How grave a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Why the host did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostError {
    /// This plugin has ended.
    Gone,
    /// Try again later: the server is overloaded or shutting down.
    Busy,
    /// This host has no such method.
    UnknownMethod,
    /// What was asked is not as the method takes it; repeating cannot help.
    BadInput(String),
    TooLarge(String),
    /// The host tried and failed.
    Failed(Error),
    /// The answer is not as the ABI wants it.
    Broken(String),
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("this plugin has ended"),
            Self::Busy => f.write_str("the host is busy"),
            Self::UnknownMethod => f.write_str("the host has no such method"),
            Self::BadInput(why) => write!(f, "the host does not take this: {why}"),
            Self::TooLarge(why) => write!(f, "too large for the host: {why}"),
            Self::Failed(error) => write!(f, "the host failed: {error}"),
            Self::Broken(why) => write!(f, "the host's answer cannot be read: {why}"),
        }
    }
}

impl std::error::Error for HostError {}

impl HostError {
    /// What it means in a `send` of which nothing has left yet: what the host never will do is
    /// refused, the rest may be tried again. Once bytes left a failure is uncertain, whoever's it is.
    #[must_use]
    pub fn before_send(self) -> SendError {
        let code = match &self {
            Self::Failed(error) if error.code == "not_found" => "not_found",
            Self::TooLarge(_) => "too_large",
            Self::BadInput(_) | Self::UnknownMethod => "bad_input",
            _ => return SendError::Transient(self.to_string()),
        };
        SendError::Rejected {
            code: code.to_owned(),
            message: self.to_string(),
        }
    }
}

impl Host {
    /// A line in the server's log, under the plugin's name. No secrets.
    pub fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Error => level::LOG_ERROR,
            Level::Warn => level::LOG_WARN,
            Level::Info => level::LOG_INFO,
            Level::Debug => level::LOG_DEBUG,
            Level::Trace => level::LOG_TRACE,
        };
        self.0.log(level, message.as_bytes());
    }

    pub fn error(&self, message: &str) {
        self.log(Level::Error, message);
    }

    pub fn warn(&self, message: &str) {
        self.log(Level::Warn, message);
    }

    pub fn info(&self, message: &str) {
        self.log(Level::Info, message);
    }

    pub fn debug(&self, message: &str) {
        self.log(Level::Debug, message);
    }

    /// Calls a method of the host. The others of this type are made of it.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<R, HostError> {
        let params =
            serde_json::to_vec(params).map_err(|why| HostError::BadInput(why.to_string()))?;
        let (code, body) = self.0.call(method.as_bytes(), &params)?;
        let error = || {
            read::<Error>(&body).unwrap_or_else(|_| Error::new("unknown", "without an explanation"))
        };
        match code {
            code::OK => read(&body).map_err(|why| HostError::Broken(why.to_string())),
            code::ERROR | code::PANICKED => Err(HostError::Failed(error())),
            code::UNKNOWN_METHOD => Err(HostError::UnknownMethod),
            code::BAD_INPUT => Err(HostError::BadInput(error().message)),
            code::GONE => Err(HostError::Gone),
            code::TOO_LARGE => Err(HostError::TooLarge(error().message)),
            code::BUSY => Err(HostError::Busy),
            other => Err(HostError::Broken(format!("the code {other}"))),
        }
    }

    /// Where a channel hands in what it received.
    #[must_use]
    pub fn inbox(&self) -> Inbox {
        Inbox(*self)
    }

    /// The bytes of a stored file that a part of a message names: `file:…`, as `media.reference`
    /// or the `image` of a card. For accounts of a channel, and files of their own workspace.
    ///
    /// # Errors
    /// [`Failed`](HostError::Failed) with the code `not_found` where there is none of this
    /// workspace, [`TooLarge`](HostError::TooLarge), [`BadInput`](HostError::BadInput) where the
    /// reference is another; see [`HostError`]. [`before_send`](HostError::before_send) makes of it
    /// what the outbox needs.
    pub fn media(&self, reference: &str) -> Result<StoredMedia, HostError> {
        #[derive(Serialize)]
        struct Params<'a> {
            media: Reference<'a>,
        }
        #[derive(Serialize)]
        struct Reference<'a> {
            #[serde(rename = "ref")]
            reference: &'a str,
        }
        let media = Reference { reference };
        self.call("media.get", &Params { media })
    }

    /// Small values that outlive the plugin.
    #[must_use]
    pub fn kv(&self) -> Kv {
        Kv(*self)
    }
}

/// See [`Host::inbox`].
#[derive(Clone, Copy, Debug)]
pub struct Inbox(Host);

impl Inbox {
    /// Commits events, all or none, durably before it returns; one answer an event, in order. The
    /// same event given twice is a [`Duplicate`](Accepted::Duplicate) and does nothing.
    ///
    /// # Errors
    /// [`HostError::Busy`] and [`Failed`](HostError::Failed): do not confirm to the platform, so
    /// that it delivers again. [`BadInput`](HostError::BadInput): repeating cannot help.
    pub fn accept(&self, events: &[Inbound]) -> Result<Vec<Accepted>, HostError> {
        #[derive(Serialize)]
        struct Params<'a> {
            events: &'a [Inbound],
        }
        #[derive(Deserialize)]
        struct Answer {
            accepted: Vec<Accepted>,
        }
        let answer: Answer = self.0.call("inbox.accept", &Params { events })?;
        Ok(answer.accepted)
    }

    /// Keeps something that was the platform's and is not understood, for a person to look at; tell
    /// the platform that all is well then, since sending it again would change nothing.
    ///
    /// # Errors
    /// As of [`accept`](Self::accept).
    pub fn accept_unknown(&self, reason: &str, raw: &[u8]) -> Result<(), HostError> {
        #[derive(Serialize)]
        struct Params<'a> {
            reason: &'a str,
            body: Bytes,
        }
        let body = Bytes(raw.to_vec());
        self.0
            .call("inbox.accept_unknown", &Params { reason, body })
    }

    /// Waits up to `limit_ms` for what is answered to an accepted event, to be written into the
    /// platform's own request: one message, what else there is leaves by `send`. End the claim with
    /// [`settle`](Self::settle); one that is not ended within a minute stands as uncertain.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn reply_within(&self, id: &str, limit_ms: u64) -> Result<Option<ReplyClaim>, HostError> {
        #[derive(Serialize)]
        struct Params<'a> {
            id: &'a str,
            limit_ms: u64,
        }
        self.0.call("inbox.reply_within", &Params { id, limit_ms })
    }

    /// Ends a claim: the platform took the messages, or why it did not.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn settle(
        &self,
        claim: &str,
        end: Result<&Receipt, crate::SendError>,
    ) -> Result<(), HostError> {
        #[derive(Serialize)]
        struct Params<'a> {
            claim: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            receipt: Option<&'a Receipt>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<Error>,
        }
        let (receipt, error) = match end {
            Ok(receipt) => (Some(receipt), None),
            Err(error) => (None, Some(error.into())),
        };
        let params = Params {
            claim,
            receipt,
            error,
        };
        self.0.call("receipt.update", &params)
    }
}

/// See [`Host::kv`].
#[derive(Clone, Copy, Debug)]
pub struct Kv(Host);

impl Kv {
    /// # Errors
    /// See [`HostError`].
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, HostError> {
        #[derive(Serialize)]
        struct Params<'a> {
            key: &'a str,
        }
        #[derive(Deserialize)]
        struct Answer<T> {
            value: Option<T>,
        }
        let answer: Answer<T> = self.0.call("kv.get", &Params { key })?;
        Ok(answer.value)
    }

    /// Keeps a value under a key of this plugin; `None` forgets it.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn put(&self, key: &str, value: Option<&impl Serialize>) -> Result<(), HostError> {
        #[derive(Serialize)]
        struct Params<'a, T> {
            key: &'a str,
            value: Option<&'a T>,
        }
        self.0.call("kv.put", &Params { key, value })
    }
}
