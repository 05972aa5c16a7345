//! How a call to Discord can fail, and what follows from it.

use std::{error::Error, fmt, time::Duration};

use reqwest::{StatusCode, header::HeaderMap};
use serde::Deserialize;
use tandem_channel_kit::ChannelError;
use tandem_domain::{BoxError, Value, channel::SendError};

/// Where Discord does not say how long to wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest word of an error that is shown.
pub(crate) const SHOWN: usize = 300;

/// Interactions' tokens are no longer known, or their message is gone.
pub(crate) const GONE: [u64; 3] = [10_008, 10_015, 10_062];
/// We may not see or write there.
pub(crate) const NO_ACCESS: [u64; 2] = [50_001, 50_013];

/// Why a call has no good answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nothing was sent.
    Unsent(BoxError),
    /// It was sent, and no whole answer came.
    Cut(BoxError),
    /// Discord refused.
    Refused(Refusal),
}

#[derive(Debug)]
pub(crate) struct Refusal {
    pub status: u16,
    /// Discord's own; 0 where it has none.
    pub code: u64,
    pub message: String,
    pub wait: Option<Duration>,
    /// The whole account is meant.
    pub global: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(why) => write!(f, "Discord cannot be reached: {why}"),
            Self::Cut(why) => write!(f, "no answer came from Discord: {why}"),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Discord answered {}", self.status)?;
        if self.code != 0 {
            write!(f, " with {}", self.code)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Error for Fault {}

impl Fault {
    /// What it means for a send. `repeatable`: doing it again changes nothing, so that an answer
    /// that got lost is no doubt.
    pub fn ending(self, repeatable: bool) -> SendError {
        match self {
            Self::Unsent(why) => SendError::Transient(why),
            Self::Cut(why) if repeatable => SendError::Transient(why),
            Self::Cut(why) => SendError::Uncertain(why),
            Self::Refused(refusal) => refusal.ending(repeatable),
        }
    }

    /// What it means for receiving.
    pub fn lost(self) -> ChannelError {
        match self {
            Self::Refused(refusal) if refusal.status == 401 => ChannelError::Unauthorized(
                "Discord does not know the bot's token; reset it at the bot's page and copy the new one".to_owned(),
            ),
            other => ChannelError::Lost(other.into()),
        }
    }

    /// Discord's own code, where it refused.
    pub fn code(&self) -> u64 {
        match self {
            Self::Refused(refusal) => refusal.code,
            _ => 0,
        }
    }

    pub fn status(&self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.status,
            _ => 0,
        }
    }
}

impl Refusal {
    pub fn ending(self, repeatable: bool) -> SendError {
        match self.status {
            429 => {
                let wait = self.wait.unwrap_or(PATIENCE);
                match self.global {
                    true => SendError::AccountRetryAfter(wait),
                    false => SendError::RetryAfter(wait),
                }
            }
            401 => SendError::Unauthorized(self.to_string()),
            // It passed our words on to somebody who did not answer in time.
            408 | 504 | 524 if !repeatable => SendError::Uncertain(self.to_string().into()),
            408 | 500.. => SendError::Transient(self.to_string().into()),
            status => SendError::Rejected {
                code: match self.code {
                    0 => status.to_string(),
                    code => code.to_string(),
                },
                message: self.message,
            },
        }
    }

    pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        struct Told {
            #[serde(default)]
            code: u64,
            #[serde(default)]
            message: String,
            #[serde(default)]
            errors: Option<Value>,
            #[serde(default)]
            retry_after: Option<f64>,
            #[serde(default)]
            global: Option<bool>,
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let told = serde_json::from_slice::<Told>(body).ok();
        // What stands before Discord counts by address, whatever the channel.
        let outside = told.as_ref().is_none_or(|told| told.retry_after.is_none());
        let told = told.unwrap_or_default();
        let header = text("retry-after").and_then(|seconds| seconds.trim().parse::<f64>().ok());
        let seconds = told.retry_after.or(header);
        let seconds = seconds.filter(|s| s.is_finite() && *s >= 0.0);
        let mut message = match told.message.is_empty() {
            true => String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned(),
            false => told.message,
        };
        if let Some(errors) = told.errors {
            message = format!("{message}: {errors}");
        }
        Self {
            status: status.as_u16(),
            code: told.code,
            message: message.chars().take(SHOWN).collect(),
            wait: seconds.map(|s| Duration::from_secs_f64(s.min(86_400.0))),
            global: told.global == Some(true)
                || text("x-ratelimit-scope") == Some("global")
                || outside,
        }
    }
}

/// What a request's own failure is.
pub(crate) fn fault(error: reqwest::Error) -> Fault {
    match error.is_connect() || error.is_builder() {
        true => unsent(error),
        false => Fault::Cut(told(error)),
    }
}

pub(crate) fn unsent(error: reqwest::Error) -> Fault {
    Fault::Unsent(told(error))
}

/// What went wrong, down to the ground of it, and without the address: it carries the tokens of
/// interactions.
pub(crate) fn told(error: reqwest::Error) -> BoxError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn refused(status: u16, headers: &[(&'static str, &str)], body: &str) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        let refusal = Refusal::read(status, &map, body.as_bytes());
        format!("{:?}", Fault::Refused(refusal).ending(false))
    }

    #[test]
    fn every_refusal_is_what_it_means() {
        let waits = r#"{"message": "slow down", "retry_after": 1.25, "global": false}"#;
        assert_eq!(refused(429, &[], waits), "RetryAfter(1.25s)");
        let all = waits.replace("false", "true");
        assert_eq!(refused(429, &[], &all), "AccountRetryAfter(1.25s)");
        let scoped = [("x-ratelimit-scope", "global")];
        assert_eq!(refused(429, &scoped, waits), "AccountRetryAfter(1.25s)");
        // Not from Discord itself, but from what stands before it.
        let header = [("retry-after", "60")];
        assert_eq!(refused(429, &header, "<html>"), "AccountRetryAfter(60s)");
        assert!(refused(401, &[], "{}").starts_with("Unauthorized"));
        let dm = r#"{"code": 50007, "message": "Cannot send messages to this user"}"#;
        assert!(refused(403, &[], dm).starts_with("Rejected { code: \"50007\""));
        assert!(refused(404, &[], "").starts_with("Rejected { code: \"404\""));
        let form = r#"{"code": 50035, "message": "Invalid Form Body", "errors": {"content": 1}}"#;
        assert!(refused(400, &[], form).contains("Invalid Form Body: {"));
        assert!(refused(500, &[], "").starts_with("Transient"));
        assert!(refused(502, &[], "").starts_with("Transient"));
        assert!(refused(504, &[], "").starts_with("Uncertain"));
    }
}
