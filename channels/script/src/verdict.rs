//! How a send ended: what the file says of it, and what its requests on the wire allow.
//!
//! A request that must not be repeated and got no clear answer may have been taken. After one,
//! no failure that the file reports can be trusted: the message stands as uncertain.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, de::IgnoredAny};
use tandem_domain::{
    Value,
    channel::{Receipt, SendError},
};
use tandem_lua::LuaError;

use crate::call::{Answer, Call, Effects, NoAnswer};

/// When neither the file nor the platform says how long to wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happened on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// A request that must not be repeated is out, or ended without a clear answer.
    pub unknown: bool,
    /// One such was accepted.
    pub accepted: bool,
    /// What it was answered with, where an answer came that is none.
    pub status: Option<u16>,
    /// What the platform asks us to wait.
    pub retry_after: Option<u64>,
    /// The last answer says that all is well, and the rest of it cannot be read.
    pub garbled: bool,
}

/// Passes a file's requests on and remembers what became of them.
pub(crate) struct Judge<'a> {
    inner: &'a dyn Effects,
    seen: Mutex<Seen>,
}

impl<'a> Judge<'a> {
    pub fn new(inner: &'a dyn Effects) -> Self {
        Self {
            inner,
            seen: Mutex::default(),
        }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Effects for Judge<'_> {
    async fn http(&self, call: &Call) -> Result<Answer, NoAnswer> {
        let repeatable = call.is_repeatable();
        {
            let mut seen = self.seen();
            if !repeatable {
                if seen.accepted || seen.unknown {
                    let text = "a message is sent by one request that is not idempotent; an earlier one was accepted or may have been";
                    return Err(NoAnswer::new("refused", text, false));
                }
                // Until the answer is here: the run may be cut short while it is out.
                seen.unknown = true;
            }
        }
        let result = self.inner.http(call).await;
        let mut seen = self.seen();
        let garbled = result.as_ref().is_ok_and(is_garbled);
        let unclear = match &result {
            Ok(answer) => answer.status >= 500 || answer.status == 408 || garbled,
            Err(failure) => failure.left,
        };
        seen.garbled = garbled;
        if !repeatable {
            seen.unknown = unclear;
            seen.status = result.as_ref().ok().map(|answer| answer.status);
            seen.accepted |= matches!(&result, Ok(a) if (200..300).contains(&a.status));
        }
        if let Ok(answer) = &result {
            let asked = answer.header("retry-after").map(str::trim);
            seen.retry_after = asked.and_then(|text| text.parse().ok());
        }
        result
    }

    async fn get(&self, key: &str) -> Result<Option<Value>, NoAnswer> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &str, value: Value, ttl: Option<Duration>) -> Result<(), NoAnswer> {
        self.inner.put(key, value, ttl).await
    }

    async fn delete(&self, key: &str) -> Result<(), NoAnswer> {
        self.inner.delete(key).await
    }

    fn random(&self, count: usize) -> Option<Vec<u8>> {
        self.inner.random(count)
    }
}

/// Whether an answer means well and its JSON is none.
fn is_garbled(answer: &Answer) -> bool {
    let json = answer.header("content-type").is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    });
    (200..300).contains(&answer.status)
        && json
        && !answer.body.is_empty()
        && serde_json::from_slice::<IgnoredAny>(&answer.body).is_err()
}

/// What `send` returns; one of `status` and `error` is there.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Outcome {
    #[serde(default)]
    pub status: Option<Taken>,
    #[serde(default)]
    pub ids: Option<Value>,
    #[serde(default)]
    pub error: Option<Failure>,
    #[serde(default)]
    pub seconds: Option<f64>,
    /// Who has to wait.
    #[serde(default)]
    pub scope: Option<Scope>,
    #[serde(default)]
    pub code: Option<Value>,
    #[serde(default)]
    pub message: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Taken {
    Queued,
    Sent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failure {
    RetryAfter,
    Transient,
    Rejected,
    Unauthorized,
    Uncertain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    Chat,
    Account,
}

/// The end of an attempt, from what the file returned or raised.
pub(crate) fn verdict(result: Result<Value, LuaError>, seen: &Seen) -> Result<Receipt, SendError> {
    let outcome = match result {
        Ok(value) => match serde_json::from_value::<Outcome>(value) {
            Ok(outcome) if outcome.status.is_some() != outcome.error.is_some() => outcome,
            Ok(_) => return Err(broken("the file must return a status or an error", seen)),
            Err(error) => {
                let text = format!("what the file returned is no outcome: {error}");
                return Err(broken(&text, seen));
            }
        },
        Err(error) if error.code.as_deref() == Some("refused") && !taken(seen) => {
            return Err(SendError::Rejected {
                code: "refused".to_owned(),
                message: error.to_string(),
            });
        }
        Err(error) => return Err(broken(&error.to_string(), seen)),
    };
    let Some(error) = outcome.error else {
        return Ok(Receipt {
            native_ids: ids(outcome.ids),
        });
    };
    let said = outcome.message.map_or_else(|| format!("{error:?}"), text);
    let said: String = said.chars().take(500).collect();
    if seen.unknown {
        let said = match seen.status {
            Some(status) => format!("{status}: {said}"),
            None => said,
        };
        return Err(SendError::Uncertain(said.into()));
    }
    if seen.garbled {
        // The request may be repeated, and what became of this one nobody can tell.
        return Err(SendError::Transient(said.into()));
    }
    Err(match error {
        Failure::RetryAfter => {
            let seconds = outcome.seconds.filter(|s| s.is_finite() && *s >= 0.0);
            let asked = seconds.map(|s| Duration::from_secs_f64(s.min(1e7)));
            let hinted = seen
                .retry_after
                .map(|s| Duration::from_secs(s.min(10_000_000)));
            // A file's guess is never shorter than what the platform says.
            let pause = asked.max(hinted).unwrap_or(PATIENCE);
            match outcome.scope {
                Some(Scope::Account) => SendError::AccountRetryAfter(pause),
                _ => SendError::RetryAfter(pause),
            }
        }
        Failure::Transient => SendError::Transient(said.into()),
        Failure::Rejected => SendError::Rejected {
            code: outcome.code.map_or_else(|| "rejected".to_owned(), text),
            message: said,
        },
        Failure::Unauthorized => SendError::Unauthorized(said),
        Failure::Uncertain => SendError::Uncertain(said.into()),
    })
}

/// Whether the platform has the message, or may have it.
fn taken(seen: &Seen) -> bool {
    seen.unknown || seen.accepted
}

/// The script failed: only before anything was taken is trying again safe.
fn broken(text: &str, seen: &Seen) -> SendError {
    if taken(seen) {
        SendError::Uncertain(text.into())
    } else {
        SendError::Transient(text.into())
    }
}

fn ids(value: Option<Value>) -> Vec<String> {
    match value {
        Some(Value::Array(ids)) => ids.into_iter().map(text).collect(),
        Some(id @ (Value::String(_) | Value::Number(_))) => vec![text(id)],
        _ => Vec::new(),
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_lua::ErrorKind;

    use super::*;

    fn judged(value: Value, seen: &Seen) -> String {
        format!("{:?}", verdict(Ok(value), seen))
    }

    #[test]
    fn a_failure_after_bytes_without_a_clear_answer_is_uncertain() {
        let unknown = Seen {
            unknown: true,
            ..Seen::default()
        };
        for error in [
            "retry_after",
            "transient",
            "rejected",
            "unauthorized",
            "uncertain",
        ] {
            let said = judged(json!({"error": error}), &unknown);
            assert!(said.contains("Uncertain"), "{error}: {said}");
        }
        let raised = || LuaError::new(ErrorKind::Runtime, "attempt to index nil");
        assert!(matches!(
            verdict(Err(raised()), &unknown),
            Err(SendError::Uncertain(_))
        ));
        assert!(matches!(
            verdict(Err(raised()), &Seen::default()),
            Err(SendError::Transient(_))
        ));
        assert!(
            judged(json!({"status": "sent", "ids": [1, "b"]}), &unknown).contains("\"1\", \"b\"")
        );
    }

    #[test]
    fn after_an_accepted_request_only_the_files_own_word_is_a_failure() {
        let accepted = Seen {
            accepted: true,
            ..Seen::default()
        };
        assert!(judged(json!({"error": "rejected", "code": 7}), &accepted).contains("\"7\""));
        assert!(judged(json!(null), &accepted).contains("Uncertain"));
        assert!(judged(json!({}), &accepted).contains("Uncertain"));
        assert!(judged(json!(null), &Seen::default()).contains("Transient"));
    }

    #[test]
    fn an_answer_that_is_none_is_told_with_its_status() {
        let answered = Seen {
            unknown: true,
            status: Some(502),
            ..Seen::default()
        };
        let ended = verdict(
            Ok(json!({"error": "transient", "message": "{}"})),
            &answered,
        );
        let said = ended.unwrap_err().to_string();
        assert_eq!(said, "sent, and nobody knows whether it was taken: 502: {}");
    }

    #[test]
    fn waiting_is_as_long_as_somebody_said() {
        let hinted = Seen {
            retry_after: Some(7),
            ..Seen::default()
        };
        assert!(judged(json!({"error": "retry_after", "seconds": 9}), &hinted).contains("9s"));
        assert!(judged(json!({"error": "retry_after", "seconds": 3}), &hinted).contains("7s"));
        assert!(judged(json!({"error": "retry_after"}), &hinted).contains("7s"));
        assert!(
            judged(
                json!({"error": "retry_after", "seconds": -1}),
                &Seen::default()
            )
            .contains("30s")
        );
    }
}
