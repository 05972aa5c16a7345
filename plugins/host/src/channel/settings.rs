//! An account's settings against the plugin's own schema of them.
//!
//! Secrets stand among them as where they are kept; the plugin is given plain texts. A setting that
//! the schema calls `writeOnly` is a secret and is never written into the configuration itself.

use serde_json::{Map, Value};
use tandem_channel_kit::kind::{Complaint, Secret};
use tandem_plugin_sdk::wire::Manifest;

use crate::{
    Said,
    schema::{Mismatch, misfits},
};

/// Stands for a secret that is not looked up. Schemas that ask more of a secret than a length see
/// it when the account is opened.
const PLACEHOLDER: &str = "a secret of some length";

/// What is wrong with settings whose secrets may still only say where they are kept: those of the
/// account alone, and with what the plugin's entry says for all accounts.
pub(super) fn check(manifest: &Manifest, account: &Value, settings: &Value) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if let Some(schema) = &manifest.config {
        written(schema, account, &mut Vec::new(), &mut complaints);
    }
    let mut secrets = Vec::new();
    let plain = replaced(settings, &mut Vec::new(), &mut secrets);
    let found = match misfits(manifest, &plain) {
        Ok(found) => found,
        Err(refusal) => {
            complaints.push(Complaint {
                path: Vec::new(),
                en: refusal.to_string(),
                zh: refusal.zh(),
            });
            return complaints;
        }
    };
    for misfit in found {
        // What it is is not known yet, only that it is a text.
        let secret = secrets.contains(&misfit.path);
        let Said { en, zh } = match &misfit.what {
            Mismatch::Unknown => unknown(manifest, &misfit.path),
            Mismatch::Other(_) if secret => continue,
            what @ Mismatch::Missing(_) => what.said(),
            what @ Mismatch::Other(_) => {
                let Said { en, zh } = what.said();
                Said::new(en, format!("该设置不符合插件的要求：{zh}"))
            }
        };
        complaints.push(Complaint {
            path: misfit.path,
            en,
            zh,
        });
    }
    complaints
}

/// The settings as the plugin is given them.
pub(super) fn plain(settings: &Value) -> Value {
    replaced(settings, &mut Vec::new(), &mut Vec::new())
}

fn replaced(value: &Value, path: &mut Vec<String>, secrets: &mut Vec<Vec<String>>) -> Value {
    if Secret::is_reference(value) {
        secrets.push(path.clone());
        return PLACEHOLDER.into();
    }
    match value {
        Value::Object(map) if map.len() == 1 && map.get("secret").is_some_and(Value::is_string) => {
            map["secret"].clone()
        }
        Value::Object(map) => {
            let inner = map.iter().map(|(key, value)| {
                path.push(key.clone());
                let value = replaced(value, path, secrets);
                path.pop();
                (key.clone(), value)
            });
            Value::Object(inner.collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            let inner = items.iter().enumerate().map(|(at, item)| {
                path.push(at.to_string());
                let item = replaced(item, path, secrets);
                path.pop();
                item
            });
            Value::Array(inner.collect())
        }
        other => other.clone(),
    }
}

/// Secrets that are written into the configuration.
fn written(schema: &Value, value: &Value, path: &mut Vec<String>, found: &mut Vec<Complaint>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let Some(value) = value.get(name) else {
            continue;
        };
        path.push(name.clone());
        if inner["writeOnly"] == true && value.is_string() {
            found.push(Complaint {
                path: path.clone(),
                en: "a secret is never written here: name where it is kept, {env: NAME} or {file: /run/secrets/name}".to_owned(),
                zh: "此处不得直接写入密钥：请写明存放位置，{env: 变量名} 或 {file: /run/secrets/文件名}".to_owned(),
            });
        }
        written(inner, value, path, found);
        path.pop();
    }
}

/// The way out of a setting that the plugin does not know.
fn unknown(manifest: &Manifest, path: &[String]) -> Said {
    let (name, above) = path
        .split_last()
        .map_or(("", path), |(n, a)| (n.as_str(), a));
    let mut schema = manifest.config.as_ref();
    for step in above {
        schema = schema.and_then(|schema| schema["properties"].get(step));
    }
    let known: Vec<&str> = schema
        .and_then(|schema| schema["properties"].as_object())
        .map(|known| known.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let close = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), *known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    match close {
        Some((_, close)) => Said::new(
            format!("unknown setting `{name}`; did you mean `{close}`?"),
            format!("未知设置 `{name}`；是否想写 `{close}`？"),
        ),
        None => {
            let known = known.join(", ");
            Said::new(
                format!("unknown setting `{name}`; known are: {known}"),
                format!("未知设置 `{name}`；可用的有：{known}"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Manifest {
        serde_json::from_value(json!({
            "name": "a", "version": "1", "kinds": {"channel": 1}, "methods": {},
            "config": {"type": "object", "required": ["server"], "additionalProperties": false,
                "properties": {
                    "server": {"type": "string", "minLength": 1},
                    "password": {"type": "string", "maxLength": 3, "writeOnly": true},
                    "lines": {"type": "array", "items": {"type": "string"}}}},
        }))
        .unwrap()
    }

    fn said(settings: &Value) -> Vec<String> {
        let complaints = check(&manifest(), settings, settings);
        assert!(complaints.iter().all(|c| !c.zh.is_empty()));
        complaints.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn settings_that_do_not_fit_are_told_with_their_place() {
        let good = json!({"server": "s", "password": {"env": "IRC"}, "lines": ["a"]});
        assert_eq!(said(&good), Vec::<String>::new());
        let misspelt = said(&json!({"server": "s", "pasword": {"env": "IRC"}}));
        assert_eq!(misspelt.len(), 1);
        assert!(misspelt[0].contains("pasword: ") && misspelt[0].contains("`password`"));
        assert!(said(&json!({}))[0].contains("`server` is missing"));
        let wrong = said(&json!({"server": "s", "lines": [7]}));
        assert!(wrong[0].starts_with("lines.0: "), "{wrong:?}");
    }

    #[test]
    fn a_secret_is_never_written_and_comes_as_a_text() {
        let wrong = said(&json!({"server": "s", "password": "x"}));
        assert!(wrong[0].starts_with("password: a secret is never written"));
        let found = json!({"server": "s", "password": Secret::found("s3")});
        assert_eq!(said(&found), Vec::<String>::new());
        assert_eq!(plain(&found), json!({"server": "s", "password": "s3"}));
        let long = said(&json!({"server": "s", "password": Secret::found("long one")}));
        assert!(long[0].starts_with("password: ") && !long[0].contains("long one"));
    }
}
