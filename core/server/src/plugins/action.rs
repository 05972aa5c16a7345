//! Calls of plugins that flows ask for.
//!
//! What a plugin may rely on: a step that writes carries an idempotency key, the same on every
//! attempt of the same step, also after the server was killed in the middle of the call; a step that
//! only reads may simply be asked again.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tandem_domain::action::{Action, ActionError, Meta, Ran, Request};
use tandem_plugin_host::{Meta as CallMeta, PluginError, manifest::is_code};
use tokio::time::Instant;

use super::PluginSet;

/// Characters of a plugin's own words that are kept.
const MESSAGE_MAX: usize = 500;

/// Before the second attempt; doubles with each.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes [`Request::Plugin`] to the plugin it names.
pub struct PluginAction(pub Arc<PluginSet>);

#[async_trait]
impl Action for PluginAction {
    async fn run(&self, request: &Request, meta: &Meta) -> Ran {
        let Request::Plugin {
            plugin: name,
            method,
            args,
        } = request
        else {
            return Err(ActionError::new("refused", "only plugins are asked here")).into();
        };
        let Some(plugin) = self.0.get(name) else {
            let why = format!("no plugin `{name}` is loaded");
            return Err(ActionError::new("unavailable", why)).into();
        };
        let method = format!("action.{method}");
        let until = Instant::now() + step_limit(meta.timeout_ms);
        let mut attempt = 0;
        let called = loop {
            let left = until.saturating_duration_since(Instant::now());
            let limit = plugin.time_for(&method).map_or(left, |own| own.min(left));
            let of = CallMeta {
                workspace: meta.workspace.as_str().to_owned(),
                conversation: Some(meta.conversation.to_string()),
                idempotency_key: meta.idempotency_key.clone(),
                ..CallMeta::default()
            };
            let called = plugin.call(&method, args, of, Some(limit)).await;
            let again = called
                .as_ref()
                .err()
                .and_then(|error| again(error, meta, attempt));
            match again {
                Some(pause) if Instant::now() + pause < until => {
                    tokio::time::sleep(pause).await;
                    attempt += 1;
                }
                _ => break called,
            }
        };
        called.map_err(|error| explain(&error, meta.write)).into()
    }
}

/// The step's time, but for a little: a plugin that takes too long is seen to do so before the step is
/// over.
fn step_limit(step_ms: u64) -> Duration {
    Duration::from_millis(step_ms.saturating_sub((step_ms / 20).min(50)).max(1))
}

/// After what pause the step may be tried again; `None` where that cannot help, was not asked for, or
/// could do twice what is to be done once.
fn again(error: &PluginError, meta: &Meta, attempt: u32) -> Option<Duration> {
    if attempt >= meta.retries.unwrap_or(0) {
        return None;
    }
    let safe = !meta.write || meta.idempotency_key.is_some() || !error.may_have_happened();
    let passing = match error {
        PluginError::Failed(error) => error.retry_after_ms.is_some() || error.code == "unavailable",
        PluginError::Disabled(_) => false,
        error => matches!(error.code(), "timeout" | "unavailable"),
    };
    let asked = match error {
        PluginError::Failed(error) => error.retry_after_ms.map(Duration::from_millis),
        _ => None,
    };
    let growing = PAUSE.saturating_mul(1 << attempt.min(6));
    (safe && passing).then(|| asked.unwrap_or(growing))
}

/// What a flow's `on_error` chooses by. A write that may have happened is `unknown`, whatever went
/// wrong.
fn explain(error: &PluginError, write: bool) -> ActionError {
    let message = |text: &str| -> String {
        let plain = text.chars().take(MESSAGE_MAX);
        plain
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    };
    let code = match error {
        error if write && error.may_have_happened() => ActionError::UNKNOWN,
        PluginError::Failed(error) if !is_code(&error.code) => "refused",
        error => error.code(),
    };
    let words = match error {
        PluginError::Failed(error) => message(&error.message),
        error => message(&error.to_string()),
    };
    ActionError::new(code, words)
}

#[cfg(test)]
mod tests {
    use tandem_plugin_host::Error;

    use super::*;

    fn code(error: PluginError, write: bool) -> String {
        explain(&error, write).code
    }

    #[test]
    fn a_plugins_own_code_passes_unless_it_is_none() {
        let own = |code: &str| PluginError::Failed(Error::new(code, "no\nsuch parcel"));
        assert_eq!(code(own("not_found"), false), "not_found");
        assert_eq!(code(own("not_found"), true), "not_found");
        assert_eq!(code(own("404"), false), "404");
        for none in ["", "not found", "{{ x }}", &"x".repeat(65)] {
            assert_eq!(code(own(none), false), "refused");
        }
        assert_eq!(explain(&own("a"), false).message, "no such parcel");
    }

    #[test]
    fn what_may_have_happened_is_unknown_for_a_write_alone() {
        let after = Duration::from_secs(1);
        let happened = [
            (PluginError::Panicked("p".into()), "bad_response"),
            (PluginError::Broken("b".into()), "bad_response"),
            (PluginError::Timeout { after, begun: true }, "timeout"),
            (
                PluginError::Died {
                    why: "w".into(),
                    begun: true,
                },
                "unavailable",
            ),
        ];
        for (error, read) in happened {
            assert_eq!(code(error.clone(), true), "unknown", "{error}");
            assert_eq!(code(error, false), read);
        }
        let not_begun = [
            (
                PluginError::Timeout {
                    after,
                    begun: false,
                },
                "unavailable",
            ),
            (PluginError::Busy, "unavailable"),
            (PluginError::Stopped, "unavailable"),
            (PluginError::Disabled("d".into()), "unavailable"),
            (PluginError::BadInput("i".into()), "refused"),
            (PluginError::UnknownMethod("m".into()), "refused"),
        ];
        for (error, word) in not_begun {
            assert_eq!(code(error.clone(), true), word, "{error}");
            assert_eq!(code(error, false), word);
        }
    }

    #[test]
    fn a_step_is_tried_again_where_it_asks_for_it_and_nothing_happens_twice() {
        let meta = |write: bool, key: Option<&str>| Meta {
            workspace: "w".into(),
            conversation: tandem_domain::ConversationId::fresh(),
            contact: tandem_domain::ContactId::fresh(),
            locale: "en".into(),
            pack: String::new(),
            now: tandem_domain::Timestamp::now(),
            timeout_ms: 1000,
            retries: Some(2),
            idempotency_key: key.map(str::to_owned),
            write,
        };
        let after = Duration::from_secs(1);
        let overrun = PluginError::Timeout { after, begun: true };
        let read = meta(false, None);
        assert_eq!(again(&overrun, &read, 0), Some(PAUSE));
        assert_eq!(again(&overrun, &read, 1), Some(PAUSE * 2));
        assert_eq!(again(&overrun, &read, 2), None);
        assert_eq!(again(&overrun, &meta(true, None), 0), None);
        assert_eq!(again(&overrun, &meta(true, Some("k")), 0), Some(PAUSE));
        assert_eq!(again(&PluginError::Busy, &meta(true, None), 0), Some(PAUSE));
        let wait = Error::new("slow_down", "").retry_after(Duration::from_millis(7));
        let wait = PluginError::Failed(wait);
        assert_eq!(again(&wait, &read, 0), Some(Duration::from_millis(7)));
        let said = PluginError::Failed(Error::new("not_found", ""));
        assert_eq!(again(&said, &read, 0), None);
        assert_eq!(again(&PluginError::Panicked(String::new()), &read, 0), None);
        let off = PluginError::Disabled("maintenance".into());
        assert_eq!(again(&off, &read, 0), None);
        let none = Meta {
            retries: None,
            ..read
        };
        assert_eq!(again(&PluginError::Busy, &none, 0), None);
    }

    #[test]
    fn a_call_ends_a_little_before_its_step() {
        assert_eq!(step_limit(10_000), Duration::from_millis(9950));
        assert_eq!(step_limit(100), Duration::from_millis(95));
        assert_eq!(step_limit(1), Duration::from_millis(1));
    }
}
