//! What packs were checked against, held against what is loaded.
//!
//! A pack carries the manifest of each plugin it calls, `plugins/NAME.json`, so that it can be
//! checked where the plugin is not. Plugins change apart from packs: where what a pack was promised
//! is not what is loaded, the operator is told before a customer meets it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tandem_flow::diagnostic::{Words, words};
use tandem_plugin_host::{Manifest, MethodSpec};

/// Bytes of a contract.
const CONTRACT_MAX: u64 = 1 << 20;
/// Differences told of one contract.
const TOLD: usize = 10;

/// The contract of a plugin in a pack's folder; none where the pack has none, or it cannot be read,
/// which loading the pack tells.
pub(crate) fn contract(pack: &Path, plugin: &str) -> Option<Manifest> {
    let path = file(pack, plugin);
    let size = std::fs::metadata(&path).ok()?.len();
    if size > CONTRACT_MAX {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Where a pack keeps the contract of a plugin.
#[must_use]
pub fn file(pack: &Path, plugin: &str) -> PathBuf {
    pack.join("plugins").join(format!("{plugin}.json"))
}

/// The plugins whose contracts a pack keeps, in order.
pub(crate) fn names(pack: &Path) -> Vec<String> {
    let files = std::fs::read_dir(pack.join("plugins"));
    let mut names: Vec<String> = files
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            name.strip_suffix(".json").map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

/// The contract as it is written into a pack: the manifest under the name the plugin is called by.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn text(manifest: &Manifest, name: &str) -> serde_json::Result<String> {
    let contract = Manifest {
        name: name.to_owned(),
        ..manifest.clone()
    };
    Ok(serde_json::to_string_pretty(&contract)? + "\n")
}

/// What a pack was promised and the loaded plugin does not keep.
pub(super) fn differences(plugin: &str, promised: &Manifest, loaded: &Manifest) -> Vec<Words> {
    let (then, now) = (&promised.version, &loaded.version);
    broken(promised, loaded)
        .into_iter()
        .map(|what| {
            words(
                format!("the pack was checked against {plugin} {then}, loaded is {now}: {}; write its contract again with `tandem plugin inspect {plugin} --write PACK` and check the pack", what.en),
                format!("业务包按 {plugin} {then} 检查，已加载的是 {now}：{}；请用 `tandem plugin inspect {plugin} --write 业务包` 重写契约并检查业务包", what.zh),
            )
        })
        .collect()
}

/// What of a contract a plugin does not keep, at most so much that it can be read.
pub(crate) fn broken(promised: &Manifest, offered: &Manifest) -> Vec<Words> {
    let mut found = Vec::new();
    for (method, spec) in &promised.methods {
        match offered.methods.get(method) {
            None => found.push(words(
                format!("the method `{method}` is gone"),
                format!("方法 `{method}` 已不存在"),
            )),
            Some(now) => found.extend(changes(method, spec, now)),
        }
    }
    let more = found.len().saturating_sub(TOLD);
    found.truncate(TOLD);
    if more > 0 {
        found.push(words(format!("and {more} more"), format!("另有 {more} 处")));
    }
    found
}

fn changes(method: &str, promised: &MethodSpec, now: &MethodSpec) -> Vec<Words> {
    let one = |en: &str, zh: &str, promised: &Option<Value>, now: &Option<Value>| {
        (promised != now).then(|| {
            words(
                format!("the {en} of `{method}` are others"),
                format!("`{method}` 的{zh}已改变"),
            )
        })
    };
    // One that says nothing of its codes any more may still fail with them.
    let left = now.errors.as_ref();
    let gone = left.into_iter().flat_map(|left| {
        let promised = promised.errors.iter().flat_map(BTreeMap::keys);
        promised.filter(|code| !left.contains_key(*code))
    });
    let gone = gone.map(|code| {
        words(
            format!("the error code `{code}` of `{method}` is gone"),
            format!("`{method}` 的错误码 `{code}` 已不存在"),
        )
    });
    [
        one("parameters", "参数", &promised.params, &now.params),
        one("results", "结果", &promised.result, &now.result),
    ]
    .into_iter()
    .flatten()
    .chain(gone)
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(version: &str, methods: Value) -> Manifest {
        serde_json::from_value(json!({
            "name": "tracker", "version": version, "kinds": {"action": 1}, "methods": methods,
        }))
        .unwrap()
    }

    #[test]
    fn what_is_gone_or_other_is_told_and_what_is_more_is_not() {
        let track = json!({"params": {"type": "object"}, "result": {"type": "object"}});
        let promised = manifest("0.3.0", json!({"action.track": track, "action.find": {}}));
        assert!(differences("parcel", &promised, &promised).is_empty());
        let more = json!({"action.track": track, "action.find": {}, "action.new": {}});
        assert!(differences("parcel", &promised, &manifest("0.4.0", more)).is_empty());
        let other = json!({"action.track": {"params": {"type": "object"}, "result": true}});
        let found = differences("parcel", &promised, &manifest("0.4.0", other));
        let said: Vec<&str> = found.iter().map(|words| words.en.as_str()).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].contains("parcel 0.3.0, loaded is 0.4.0: the method `action.find` is gone")
        );
        assert!(said[1].contains("the results of `action.track` are others"));
        assert!(found[0].zh.contains("已不存在"));
    }

    #[test]
    fn a_code_that_is_gone_is_told() {
        let manifest = |errors: Value| manifest("1", json!({"action.track": {"errors": errors}}));
        let promised = manifest(json!({"not_found": "no such parcel", "asleep": "try at noon"}));
        let other = manifest(json!({"not_found": "the carrier has none", "moved": "look there"}));
        let found = differences("parcel", &promised, &other);
        assert_eq!(found.len(), 1, "{found:?}");
        let gone = "the error code `asleep` of `action.track` is gone";
        assert!(found[0].en.contains(gone), "{found:?}");
        assert!(
            found[0].zh.contains("的错误码 `asleep` 已不存在"),
            "{found:?}"
        );
        assert_eq!(
            differences("parcel", &promised, &manifest(json!({}))).len(),
            2
        );
        let nothing_said = manifest(json!(null));
        assert!(differences("parcel", &promised, &nothing_said).is_empty());
        assert!(differences("parcel", &nothing_said, &promised).is_empty());
    }

    #[test]
    fn a_contract_is_read_as_it_was_written_under_the_name_it_is_called_by() {
        let pack = tempfile::tempdir().unwrap();
        let manifest = manifest("1", json!({"action.go": {}}));
        let path = file(pack.path(), "parcel");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text(&manifest, "parcel").unwrap()).unwrap();
        let read = contract(pack.path(), "parcel").unwrap();
        assert_eq!(
            (read.name.as_str(), read.methods),
            ("parcel", manifest.methods)
        );
        assert!(contract(pack.path(), "other").is_none());
        assert_eq!(names(pack.path()), ["parcel"]);
        assert!(names(&pack.path().join("none")).is_empty());
        std::fs::write(path, "{").unwrap();
        assert!(contract(pack.path(), "parcel").is_none());
    }
}
