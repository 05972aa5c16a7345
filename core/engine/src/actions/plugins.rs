//! Calls of plugins, from `plugin:` steps and from scripts, and their line in the journal.

use serde::{Deserialize, Serialize};
use tandem_domain::{
    Value,
    action::{Action, ActionError, Meta, Request},
};
use tandem_flow::{model::Pack, step::TraceLine};
use tokio::time::Instant;

/// What a script calls it, and the journal.
const NAME: &str = "plugin.call";

/// How a call of a plugin went, for `trace`. It holds nothing of what was handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PluginCalled {
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

    /// The line of a `plugin:` step, in the form that a script's calls have.
    pub(super) fn line(&self, plugin: &str, method: &str) -> Value {
        let mut line = serde_json::json!({
            "name": NAME,
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

/// What the trace says of a line: `parcel.track 0.3.0: ok, 12 ms`; nothing where it is no call of a
/// plugin.
pub(crate) fn traced(line: &Value) -> Option<TraceLine> {
    if line.get("name")?.as_str()? != NAME {
        return None;
    }
    let name = |key: &str| line.get("args")?.get(key)?.as_str();
    let (plugin, method) = (name("plugin")?, name("method")?);
    let how = match PluginCalled::deserialize(line) {
        Ok(called) => {
            let version = called.version.map(|v| format!(" {v}")).unwrap_or_default();
            format!("{version}: {}, {} ms", called.outcome, called.ms)
        }
        Err(_) => ": the script's time was over before it answered".to_owned(),
    };
    Some(TraceLine {
        kind: "plugin".to_owned(),
        text: format!("{plugin}.{method}{how}"),
        step: None,
    })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(line: &Value) -> Option<String> {
        traced(line).map(|line| line.text)
    }

    #[test]
    fn calls_of_plugins_are_told_with_version_time_and_outcome() {
        let step = json!({"name": "plugin.call", "args": {"plugin": "parcel", "method": "track"},
            "version": "0.3.0", "ms": 12, "outcome": "ok"});
        assert_eq!(
            told(&step).as_deref(),
            Some("parcel.track 0.3.0: ok, 12 ms")
        );
        let script = json!({"ordinal": 1, "name": "plugin.call",
            "args": {"plugin": "parcel", "method": "track", "args": {}},
            "result": {"Err": {"code": "away", "message": ""}}, "ms": 310, "outcome": "away"});
        assert_eq!(told(&script).as_deref(), Some("parcel.track: away, 310 ms"));
        let cut = json!({"name": "plugin.call", "args": {"plugin": "a", "method": "b"}});
        assert!(told(&cut).unwrap().starts_with("a.b: "));
        assert_eq!(
            told(&json!({"name": "store.get", "args": {"key": "k"}})),
            None
        );
        assert_eq!(
            told(&json!({"name": "plugin.call", "args": {"plugin": 1}})),
            None
        );
    }
}
