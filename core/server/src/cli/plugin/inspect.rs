//! `tandem plugin inspect`.

use std::io::Write;

use anyhow::Context as _;
use serde_json::{Value, json};
use tandem_plugin_host::Manifest;

use super::{Common, End, Inspect, check::refused, find::find};
use crate::{
    lang::{Lang, Pick as _},
    plugins::{Looks, contracts},
};

pub(super) fn run(common: &Common, options: &Inspect) -> anyhow::Result<End> {
    let Some(found) = find(common, &options.which)? else {
        return Ok(End::Wrong);
    };
    let runtime = tokio::runtime::Runtime::new().context("no runtime could be started")?;
    let looked = runtime.block_on(async {
        let looks = Looks::new(found.folders.clone())?;
        looks.look(&found.plugin).await
    });
    let manifest = match looked {
        Ok(manifest) => manifest,
        Err(refusal) => return refused(common, &refusal),
    };
    let name = match found.config {
        Some(_) => &found.plugin.name,
        None => &manifest.name,
    };
    let mut written = None;
    if let Some(pack) = &options.write {
        let path = contracts::file(pack, name);
        let folder = path.parent().unwrap_or(pack);
        anyhow::ensure!(
            pack.join("pack.yaml").is_file(),
            "{}",
            common.lang().pick(
                format!("{} is no pack: it has no pack.yaml", pack.display()),
                format!("{} 不是业务包：没有 pack.yaml", pack.display()),
            )
        );
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} could not be made", folder.display()))?;
        std::fs::write(&path, contracts::text(&manifest, name)?)
            .with_context(|| format!("{} could not be written", path.display()))?;
        written = Some(path);
    }
    if common.json() {
        common.print_json(&manifest)?;
        return Ok(End::Well);
    }
    let process = found.plugin.command.is_some();
    show(&mut common.out(), common.lang(), name, &manifest, process)?;
    if let Some(path) = written {
        let path = path.display();
        let said = common.lang().pick(
            format!("Its contract is in {path}; check the pack."),
            format!("契约已写入 {path}；请检查业务包。"),
        );
        writeln!(common.out(), "\n{said}")?;
    }
    Ok(End::Well)
}

fn show(
    out: &mut impl Write,
    lang: Lang,
    name: &str,
    manifest: &Manifest,
    process: bool,
) -> std::io::Result<()> {
    let what = match process {
        true => lang.pick("a process", "进程"),
        false => lang.pick("a library", "动态库"),
    };
    let version = &manifest.version;
    writeln!(out, "\x1b[1m{name}\x1b[0m {version} ({what})")?;
    let kinds: Vec<&str> = manifest.kinds.keys().map(String::as_str).collect();
    writeln!(
        out,
        "  {}  {}",
        lang.pick("kinds   ", "种类"),
        kinds.join(", ")
    )?;
    let calls = match (manifest.serial, manifest.concurrency) {
        (true, _) => lang.pick("one at a time".to_owned(), "一次一个".to_owned()),
        (false, Some(n)) => lang.pick(format!("{n} at once"), format!("同时 {n} 个")),
        (false, None) => lang.pick("several at once".to_owned(), "可同时多个".to_owned()),
    };
    writeln!(out, "  {}  {calls}", lang.pick("calls   ", "调用"))?;
    if let Some(config) = &manifest.config {
        writeln!(
            out,
            "  {}  {}",
            lang.pick("settings", "配置"),
            shape(config, 0)
        )?;
    }
    writeln!(out, "  {}", lang.pick("methods", "方法"))?;
    let width = manifest.methods.keys().map(String::len).max().unwrap_or(0);
    for (method, spec) in &manifest.methods {
        let side =
            |schema: &Option<Value>| schema.as_ref().map_or("any".to_owned(), |s| shape(s, 0));
        let (params, result) = (side(&spec.params), side(&spec.result));
        let time = spec
            .timeout_ms
            .map_or(String::new(), |ms| format!("  ({ms} ms)"));
        writeln!(
            out,
            "    \x1b[36m{method:width$}\x1b[0m  {params} → {result}{time}"
        )?;
        let errors = || spec.errors.iter().flatten();
        let width = errors().map(|(code, _)| code.len()).max().unwrap_or(0);
        let word = lang.pick("error", "错误");
        for (code, means) in errors() {
            writeln!(out, "      {word} \x1b[33m{code:width$}\x1b[0m  {means}")?;
        }
    }
    Ok(())
}

/// A schema in a few words: `{number: string, place?: string}`.
fn shape(schema: &Value, depth: usize) -> String {
    const DEEP: usize = 3;
    let word = || match &schema["type"] {
        Value::String(word) => word.clone(),
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            words.join(" or ")
        }
        _ => match &schema["enum"] {
            Value::Array(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                values.join(" or ")
            }
            _ => "any".to_owned(),
        },
    };
    let plain: String = match (&schema["properties"], &schema["items"]) {
        (Value::Object(properties), _) if depth < DEEP => {
            let needed = |key: &str| {
                let required = schema["required"].as_array();
                required.is_some_and(|list| list.contains(&json!(key)))
            };
            let fields: Vec<String> = properties
                .iter()
                .map(|(key, inner)| {
                    let mark = if needed(key) { "" } else { "?" };
                    format!("{key}{mark}: {}", shape(inner, depth + 1))
                })
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        (_, items @ Value::Object(_)) if depth < DEEP => format!("[{}]", shape(items, depth + 1)),
        _ => word(),
    };
    // A plugin's own words stand in a terminal.
    plain
        .chars()
        .filter(|c| !c.is_control())
        .take(400)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_told_in_a_few_words() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "string"}, "b": {"type": ["integer", "null"]},
            "c": {"type": "array", "items": {"type": "object"}}, "d": {},
            "e": {"enum": ["x", 1]},
        }});
        assert_eq!(
            shape(&schema, 0),
            "{a: string, b?: integer or null, c?: [object], d?: any, e?: \"x\" or 1}"
        );
        assert_eq!(shape(&json!(true), 0), "any");
    }

    #[test]
    fn a_manifest_is_shown_with_what_its_methods_fail_with() {
        let manifest: Manifest = serde_json::from_value(json!({
            "name": "tracker", "version": "0.3.0", "kinds": {"action": 1},
            "config": {"type": "object", "required": ["url"],
                "properties": {"url": {"type": "string"}}},
            "methods": {
                "action.track": {
                    "params": {"type": "object", "required": ["number"],
                        "properties": {"number": {"type": "string"}}},
                    "timeout_ms": 2000,
                    "errors": {"not_found": "no parcel has this number",
                        "unauthorized": "the carrier refuses the token"},
                },
                "action.find": {},
            },
        }))
        .unwrap();
        let shown = |lang| {
            let mut out = anstream::StripStream::new(Vec::new());
            show(&mut out, lang, "parcel", &manifest, false).unwrap();
            String::from_utf8(out.into_inner()).unwrap()
        };
        insta::assert_snapshot!(shown(Lang::En), @r"
        parcel 0.3.0 (a library)
          kinds     action
          calls     several at once
          settings  {url: string}
          methods
            action.find   any → any
            action.track  {number: string} → any  (2000 ms)
              error not_found     no parcel has this number
              error unauthorized  the carrier refuses the token
        ");
        insta::assert_snapshot!(shown(Lang::Zh), @r"
        parcel 0.3.0 (动态库)
          种类  action
          调用  可同时多个
          配置  {url: string}
          方法
            action.find   any → any
            action.track  {number: string} → any  (2000 ms)
              错误 not_found     no parcel has this number
              错误 unauthorized  the carrier refuses the token
        ");
        let told = serde_json::to_value(&manifest).unwrap();
        let codes = &told["methods"]["action.track"]["errors"];
        assert_eq!(codes["not_found"], "no parcel has this number");
    }
}
