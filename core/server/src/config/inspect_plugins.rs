//! The plugins that a configuration names, looked at as a start would: each is read, tried out in a
//! child process or asked what it is, its settings held against its own schema, and the contracts of
//! the packs against it. None is loaded.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tandem_channel_kit::Kind as _;
use tandem_flow::diagnostic::Severity;
use tandem_plugin_host::{
    Kind, Manifest, PluginConfig, PluginKind, Refusal, Said,
    schema::{Mismatch, misfits},
};

use super::{
    Config, Environment,
    plugins::PluginSettings,
    problem::{Fault, Named, Problem},
    tree::{Node, Place},
};
use crate::plugins::{Looks, contracts};

/// Looks at every plugin of the configuration in `file`, from whose folder relative paths start.
pub(super) async fn plugins(
    config: &Config,
    tree: &Node,
    file: &Path,
    env: &Environment,
) -> Vec<Problem> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let packs = config.workspaces.values().map(|w| folder.join(&w.pack));
    let packs: BTreeSet<PathBuf> = packs.collect();
    let mut found = not_named(config, &packs);
    if config.plugins.is_empty() {
        return found;
    }
    let folders: Vec<PathBuf> = config
        .plugin_folders
        .iter()
        .map(|plugins| folder.join(plugins))
        .collect();
    let looks = match Looks::new(folders.clone()) {
        Ok(looks) => looks,
        Err(refusal) => {
            found.push(told(&refusal, tree, vec!["plugins".to_owned()], false));
            return found;
        }
    };
    for (name, settings) in &config.plugins {
        let (host, absent) = settings.host_here(name, &folders, folder, env);
        let at = |key: Option<&str>| -> Vec<String> {
            let path = ["plugins", name].into_iter().chain(key);
            path.map(str::to_owned).collect()
        };
        match looks.look(&host).await {
            Ok(manifest) => {
                // One that is a channel alone is never made without an account.
                if !config.is_channel_alone(name, &manifest) {
                    found.extend(settings_of(&manifest, &host, &absent, tree));
                }
                found.extend(accounts_of(&manifest, &host, config, tree));
                found.extend(embedder_of(name, &manifest, config, tree));
                found.extend(promises_of(name, &manifest, &packs, file));
            }
            Err(refusal) => {
                let path = at(key_of(&refusal, settings));
                found.push(told(&refusal, tree, path, settings.optional));
            }
        }
    }
    found
}

/// The setting that a refusal is about.
fn key_of(refusal: &Refusal, settings: &PluginSettings) -> Option<&'static str> {
    match refusal {
        Refusal::KindNotAllowed(_) => Some("kinds"),
        Refusal::SameName | Refusal::BadName | Refusal::PathOrCommand => None,
        _ if settings.path.is_some() => Some("path"),
        _ => Some("command"),
    }
}

fn told(refusal: &Refusal, tree: &Node, path: Vec<String>, warning: bool) -> Problem {
    let fault = Fault::Named(Box::new(Named {
        code: "config.plugin",
        severity: match warning {
            true => Severity::Warning,
            false => Severity::Error,
        },
        words: (refusal.to_string(), refusal.zh()),
        hint: None,
    }));
    Problem::at(fault, tree.place_of(&path), path)
}

/// What of a plugin's settings does not fit its schema, each where it is written.
fn settings_of(
    manifest: &Manifest,
    host: &PluginConfig,
    absent: &[Vec<String>],
    tree: &Node,
) -> Vec<Problem> {
    let path = |inner: &[String]| -> Vec<String> {
        let path = ["plugins", &host.name, "config"].map(str::to_owned);
        path.into_iter().chain(inner.iter().cloned()).collect()
    };
    let misfits = match misfits(manifest, &host.config) {
        Ok(misfits) => misfits,
        Err(refusal) => return vec![told(&refusal, tree, path(&[]), false)],
    };
    let told = misfits.into_iter().filter_map(|misfit| {
        // A secret that is not here may be whatever the schema wants; that it is absent is told.
        if absent.iter().any(|absent| misfit.path.starts_with(absent)) {
            return None;
        }
        let fault = match misfit.what {
            Mismatch::Unknown => Fault::UnknownKey {
                key: misfit.path.last().cloned().unwrap_or_default(),
                expected: expected(manifest, misfit.path.len()),
            },
            Mismatch::Missing(key) => Fault::Missing(key),
            what @ Mismatch::Other(_) => {
                let Said { en, zh } = what.said();
                Fault::Value {
                    en: format!("the plugin does not take this: {en}"),
                    zh: format!("插件不接受此值：{zh}"),
                }
            }
        };
        let path = path(&misfit.path);
        Some(Problem::at(fault, tree.place_of(&path), path))
    });
    told.collect()
}

/// What is wrong with the accounts of channels that this plugin is.
fn accounts_of(
    manifest: &Manifest,
    host: &PluginConfig,
    config: &Config,
    tree: &Node,
) -> Vec<Problem> {
    let mut found = Vec::new();
    for (channel, other) in &config.channels.others {
        if other.plugin.as_deref() != Some(host.name.as_str()) {
            continue;
        }
        let mut say = |path: Vec<String>, en: String, zh: String| {
            let place = tree.place_of(&path);
            found.push(Problem::at(Fault::Value { en, zh }, place, path));
        };
        if !manifest.offers(Kind::Channel) {
            say(
                ["channels", channel, "plugin"].map(str::to_owned).to_vec(),
                format!("the plugin `{}` is no channel", host.name),
                format!("插件 `{}` 不是渠道", host.name),
            );
            continue;
        }
        let kind = PluginKind::new(channel, host.clone(), manifest.clone());
        for (account, settings) in &other.accounts {
            for complaint in kind.check(&settings.settings) {
                let path = ["channels", channel, "accounts", account].map(str::to_owned);
                let path = path.into_iter().chain(complaint.path).collect();
                say(path, complaint.en, complaint.zh);
            }
        }
    }
    found
}

/// What is wrong where this plugin is to be the embedding model.
fn embedder_of(name: &str, manifest: &Manifest, config: &Config, tree: &Node) -> Option<Problem> {
    let embedder = config.understanding.embedder.as_ref()?;
    if embedder.plugin.as_deref() != Some(name) || manifest.offers(Kind::Embedder) {
        return None;
    }
    let kinds: Vec<&str> = manifest.kinds.keys().map(String::as_str).collect();
    let kinds = kinds.join(", ");
    let path = ["understanding", "embedder", "plugin"].map(str::to_owned);
    let fault = Fault::Value {
        en: format!("the plugin `{name}` is no embedder; its kinds are: {kinds}"),
        zh: format!("插件 `{name}` 不提供嵌入模型；它的种类为：{kinds}"),
    };
    Some(Problem::at(fault, tree.place_of(&path), path.to_vec()))
}

/// What packs were promised by their contracts and this plugin does not keep, as a start would warn.
fn promises_of(
    plugin: &str,
    offered: &Manifest,
    packs: &BTreeSet<PathBuf>,
    file: &Path,
) -> Vec<Problem> {
    let config = match file == Path::new("tandem.yaml") {
        true => String::new(),
        false => format!(" --config {}", file.display()),
    };
    let mut found = Vec::new();
    for pack in packs {
        let Some(promised) = contracts::contract(pack, plugin) else {
            continue;
        };
        let (then, now) = (&promised.version, &offered.version);
        let again = format!(
            "tandem plugin inspect {plugin}{config} --write {}",
            pack.display()
        );
        for what in contracts::broken(&promised, offered) {
            let named = Named {
                code: "config.contract",
                severity: Severity::Warning,
                words: (
                    format!(
                        "the pack was checked against {plugin} {then}, the configuration has {now}: {}",
                        what.en
                    ),
                    format!(
                        "业务包按 {plugin} {then} 检查，配置中的是 {now}：{}",
                        what.zh
                    ),
                ),
                hint: Some((
                    format!("write the contract again and check the pack: {again}"),
                    format!("请重写契约并检查业务包：{again}"),
                )),
            };
            found.push(of_contract(named, pack, plugin));
        }
    }
    found
}

/// Contracts of plugins that the configuration does not name.
fn not_named(config: &Config, packs: &BTreeSet<PathBuf>) -> Vec<Problem> {
    let mut found = Vec::new();
    for pack in packs {
        let mut names = contracts::names(pack);
        names.retain(|name| !config.plugins.contains_key(name));
        for name in names {
            let named = Named {
                code: "config.contract",
                severity: Severity::Note,
                words: (
                    format!(
                        "the configuration does not name the plugin `{name}`; calls of it fail as `unavailable`"
                    ),
                    format!("配置中没有插件 `{name}`；对它的调用以 `unavailable` 失败"),
                ),
                hint: Some((
                    format!(
                        "where it is to be called, name it under `plugins`: {name}: {{path: …}} or {{command: […]}}"
                    ),
                    format!(
                        "如需调用，请在 `plugins` 下写明：{name}: {{path: …}} 或 {{command: […]}}"
                    ),
                )),
            };
            found.push(of_contract(named, pack, &name));
        }
    }
    found
}

fn of_contract(named: Named, pack: &Path, plugin: &str) -> Problem {
    let place = contracts::file(pack, plugin).display().to_string();
    let path = ["plugins", plugin].map(str::to_owned).to_vec();
    Problem::at(Fault::Named(Box::new(named)), Place::Beside(place), path)
}

/// The settings a plugin knows, as far as they are its own and not those of a group within.
fn expected(manifest: &Manifest, depth: usize) -> Vec<String> {
    let known = manifest.config.as_ref().filter(|_| depth == 1);
    let known = known
        .and_then(|schema| schema.get("properties"))
        .and_then(Value::as_object);
    known
        .map(|known| known.keys().cloned().collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{channels::Kinds, config::Diagnostic};

    /// What `check` says of a plugin in Python with these settings.
    async fn inspected(settings: &str) -> Option<Vec<Diagnostic>> {
        inspected_with(settings, &[]).await
    }

    /// The same where the pack has these contracts.
    async fn inspected_with(
        settings: &str,
        contracts: &[(&str, Value)],
    ) -> Option<Vec<Diagnostic>> {
        if !crate::tests::python() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        let script = r#"
import json, sys
manifest = {"name": "greeter", "version": "1", "kinds": {"action": 1}, "methods": {"action.greet": {}},
    "config": {"type": "object", "required": ["greeting"], "additionalProperties": False,
        "properties": {"greeting": {"type": "string"}, "key": {"type": "string", "minLength": 4}}}}
for line in sys.stdin:
    print(json.dumps({"id": json.loads(line)["id"], "result": manifest}), flush=True)
"#;
        fs::write(plugins.join("greeter.py"), script).unwrap();
        for (name, contract) in contracts {
            let text = contract.to_string();
            fs::write(plugins.join(format!("{name}.json")), text).unwrap();
        }
        let file = folder.path().join("tandem.yaml");
        let text = format!(
            "workspaces: {{default: {{pack: .}}}}\nplugins:\n  greeter:\n    command: [python3, greeter.py]\n{settings}"
        );
        fs::write(&file, text).unwrap();
        let env = Environment::from([("KEY", "k3y-of-five")]);
        Some(Config::inspect(&file, &env, &Kinds::shipped()).await)
    }

    #[tokio::test]
    async fn a_plugins_settings_are_held_against_its_own_schema_where_they_are_written() {
        let good = "    config:\n      greeting: Hello\n      key: {env: KEY}\n";
        let Some(told) = inspected(good).await else {
            return;
        };
        assert_eq!(told, []);
        let wrong = "    config:\n      greetin: Hello\n      key: 7\n";
        let told = inspected(wrong).await.unwrap();
        let mut said: Vec<_> = told
            .iter()
            .map(|d| (d.code, d.setting.as_str(), d.line))
            .collect();
        said.sort_unstable();
        let expected = [
            ("config.missing", "plugins.greeter.config", Some(6)),
            (
                "config.unknown_key",
                "plugins.greeter.config.greetin",
                Some(6),
            ),
            ("config.value", "plugins.greeter.config.key", Some(7)),
        ];
        assert_eq!(said, expected, "{told:#?}");
        // A secret that is not here may be what the schema wants.
        let absent = good.replace("KEY", "NO_KEY");
        let told = inspected(&absent).await.unwrap();
        assert!(
            told.iter().all(|d| d.warning && d.code == "config.secret"),
            "{told:#?}"
        );
        let kind = inspected(&(good.to_owned() + "    kinds: [channel]\n"))
            .await
            .unwrap();
        assert_eq!((kind[0].code, kind[0].line), ("config.plugin", Some(8)));
    }

    #[tokio::test]
    async fn contracts_of_packs_are_held_against_what_is_configured() {
        let settings = "    config: {greeting: Hello}\n";
        let contract = |methods: Value| serde_json::json!({"name": "greeter", "version": "0.9", "kinds": {"action": 1}, "methods": methods});
        let kept = contract(serde_json::json!({"action.greet": {}}));
        let Some(told) = inspected_with(settings, &[("greeter", kept.clone())]).await else {
            return;
        };
        assert_eq!(told, []);
        let broken =
            serde_json::json!({"action.greet": {"params": {"type": "object"}}, "action.part": {}});
        let contracts = [("greeter", contract(broken)), ("other", kept)];
        let told = inspected_with(settings, &contracts).await.unwrap();
        let said: Vec<_> = told
            .iter()
            .map(|d| (d.setting.as_str(), d.warning, d.note, d.line))
            .collect();
        let expected = [
            ("plugins.other", false, true, None),
            ("plugins.greeter", true, false, None),
            ("plugins.greeter", true, false, None),
        ];
        assert_eq!(said, expected, "{told:#?}");
        assert!(told.iter().all(|d| d.code == "config.contract"));
        let shown = told[1].to_string();
        let place = "plugins/greeter.json: warning: the pack was checked against greeter 0.9, the configuration has 1: the parameters of `action.greet` are others";
        assert!(shown.contains(place), "{shown}");
        assert!(shown.contains("= write the contract again and check the pack: tandem plugin inspect greeter --config "), "{shown}");
        let zh = |at: usize| told[at].render(&tandem_domain::Locale::new("zh"));
        assert!(
            zh(2).contains(
                "警告：业务包按 greeter 0.9 检查，配置中的是 1：方法 `action.part` 已不存在"
            ),
            "{}",
            zh(2)
        );
        assert!(
            zh(0).contains("plugins/other.json: 说明：配置中没有插件 `other`"),
            "{}",
            zh(0)
        );
    }

    #[tokio::test]
    async fn a_plugin_that_is_to_embed_and_does_not_is_told_where_it_is_named() {
        let settings = |plugin: &str, kinds: &str| {
            format!(
                "    config: {{greeting: Hello}}\n{kinds}understanding:\n  embedder:\n    plugin: {plugin}\n"
            )
        };
        let Some(told) = inspected(&settings("greeter", "")).await else {
            return;
        };
        let said: Vec<_> = told.iter().map(|d| (d.setting.as_str(), d.line)).collect();
        assert_eq!(
            said,
            [("understanding.embedder.plugin", Some(8))],
            "{told:#?}"
        );
        let text = told[0].to_string();
        assert!(
            text.contains("the plugin `greeter` is no embedder; its kinds are: action"),
            "{text}"
        );
        let zh = told[0].render(&tandem_domain::Locale::new("zh"));
        assert!(
            zh.contains("插件 `greeter` 不提供嵌入模型；它的种类为：action"),
            "{zh}"
        );
        let told = inspected(&settings("greter", "")).await.unwrap();
        let text = told[0].to_string();
        assert!(
            text.contains("there is no such plugin; declared under `plugins` are: greeter"),
            "{text}"
        );
        assert_eq!((told.len(), told[0].line), (1, Some(8)));
        let told = inspected(&settings("greeter", "    kinds: [action]\n"))
            .await
            .unwrap();
        let text = told[0].to_string();
        assert!(
            text.contains("the `kinds` of this plugin do not allow it to be an embedder"),
            "{text}"
        );
        for both in [
            "    model_dir: m\n",
            "    endpoint: {url: https://a.example, model: m}\n",
        ] {
            let told = inspected(&(settings("greeter", "") + both)).await.unwrap();
            assert_eq!(told[0].setting, "understanding.embedder", "{told:#?}");
        }
    }

    #[tokio::test]
    async fn a_plugin_that_is_not_there_is_told_where_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tandem.yaml");
        let text = "workspaces: {default: {pack: .}}\nplugins:\n  a: {path: a.so}\n  b:\n    path: b.so\n    optional: true\n";
        fs::write(&file, text).unwrap();
        let env = Environment::default();
        let told = Config::inspect(&file, &env, &Kinds::shipped()).await;
        let said: Vec<_> = told.iter().map(|d| (d.line, d.warning)).collect();
        assert_eq!(said, [(Some(3), false), (Some(5), true)], "{told:#?}");
        assert!(
            told[0]
                .to_string()
                .contains("plugins/a.so cannot be opened")
        );
    }
}
