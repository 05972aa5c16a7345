//! Calls of plugins, from `plugin:` steps and from scripts, and their line in the journal.

use serde::{Deserialize, Serialize};
use tandem_domain::{
    Value,
    action::{Action, ActionError, Meta, Request},
};
use tandem_flow::model::Pack;
use tokio::time::Instant;

/// How a call of a plugin went, for `trace`. It holds nothing of what was handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginCalled {
    /// Of the contract in the pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Milliseconds, all attempts together.
    pub ms: u64,
    /// `ok`, or the error's code.
    pub outcome: String,
}

impl PluginCalled {
    pub(super) fn new(begun: Instant, result: &Result<Value, ActionError>) -> Self {
        Self {
            version: None,
            ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            outcome: match result {
                Ok(_) => "ok".to_owned(),
                Err(error) => error.code.clone(),
            },
        }
    }

    /// Of a call whose run ended before it came back.
    #[must_use]
    pub fn cut_short() -> Self {
        Self {
            version: None,
            ms: 0,
            outcome: ActionError::UNKNOWN.to_owned(),
        }
    }

    /// The line of a `plugin:` step, in the form that a script's calls have.
    pub(super) fn line(&self, plugin: &str, method: &str) -> Value {
        let mut line = serde_json::json!({
            "name": "plugin.call",
            "args": {"plugin": plugin, "method": method},
        });
        self.add_to(&mut line);
        line
    }

    /// Puts it beside what a line says already.
    pub(super) fn add_to(&self, line: &mut Value) {
        if let (Some(line), Ok(Value::Object(fields))) =
            (line.as_object_mut(), serde_json::to_value(self))
        {
            line.extend(fields);
        }
    }
}

/// Calls a plugin. Its attempts and its time are the callee's business, by `meta`.
pub(super) async fn call(
    plugins: &dyn Action,
    pack: &Pack,
    (plugin, method, args): (&str, &str, &Value),
    meta: &Meta,
) -> (Result<Value, ActionError>, PluginCalled) {
    let begun = Instant::now();
    let request = Request::Plugin {
        plugin: plugin.to_owned(),
        method: method.to_owned(),
        args: args.clone(),
    };
    let result = plugins.run(&request, meta).await.result;
    let called = PluginCalled {
        version: pack.contracts.get(plugin).map(|c| c.version.clone()),
        ..PluginCalled::new(begun, &result)
    };
    (result, called)
}
