//! Calls of plugins that flows ask for.
//!
//! What a plugin may rely on: a step that writes carries an idempotency key, the same on every
//! attempt of the same step, also after the server was killed in the middle of the call; a step that
//! only reads may simply be asked again.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tandem_domain::action::{Action, ActionError, Meta, Ran, Request};
use tandem_plugin_host::{Meta as CallMeta, PluginError};

use super::PluginSet;

/// Characters of a plugin's own words that are kept.
const MESSAGE_MAX: usize = 500;
/// Bytes of a code that `on_error` may choose by.
const CODE_MAX: usize = 64;

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
        let limit = limit(meta.timeout_ms, plugin.time_for(&method));
        let of = CallMeta {
            workspace: meta.workspace.as_str().to_owned(),
            conversation: Some(meta.conversation.to_string()),
            idempotency_key: meta.idempotency_key.clone(),
            ..CallMeta::default()
        };
        let called = plugin.call(&method, args, of, Some(limit)).await;
        called.map_err(|error| explain(&error, meta.write)).into()
    }
}

/// The step's time, and no more than the plugin's own. A little less, so that a plugin that takes too
/// long is seen to do so before the step is over.
fn limit(step_ms: u64, own: Option<Duration>) -> Duration {
    let step = Duration::from_millis(step_ms.saturating_sub((step_ms / 20).min(50)).max(1));
    own.map_or(step, |own| own.min(step))
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

fn is_code(code: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !code.is_empty() && code.len() <= CODE_MAX && code.bytes().all(plain)
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
    fn a_call_ends_before_its_step_and_within_the_plugins_own_time() {
        let own = |ms| Some(Duration::from_millis(ms));
        assert_eq!(limit(10_000, None), Duration::from_millis(9950));
        assert_eq!(limit(10_000, own(4000)), Duration::from_millis(4000));
        assert_eq!(limit(100, own(4000)), Duration::from_millis(95));
        assert_eq!(limit(1, None), Duration::from_millis(1));
    }
}
