//! The plugins that a configuration names, looked at as a start would: each is read, tried out in a
//! child process or asked what it is, and its settings held against its own schema. None is loaded.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tandem_channel_kit::Kind as _;
use tandem_plugin_host::{
    Kind, Manifest, PluginConfig, PluginKind, Refusal, Said,
    schema::{Mismatch, misfits},
};

use super::{
    Config, Environment,
    plugins::PluginSettings,
    problem::{Fault, Named, Problem},
    tree::Node,
};
use crate::plugins::Looks;

/// Looks at every plugin. Relative paths start from `folder`.
pub(super) async fn plugins(
    config: &Config,
    tree: &Node,
    folder: &Path,
    env: &Environment,
) -> Vec<Problem> {
    if config.plugins.is_empty() {
        return Vec::new();
    }
    let folders: Vec<PathBuf> = config
        .plugin_folders
        .iter()
        .map(|plugins| folder.join(plugins))
        .collect();
    let looks = match Looks::new(folders.clone()) {
        Ok(looks) => looks,
        Err(refusal) => return vec![told(&refusal, tree, vec!["plugins".to_owned()], false)],
    };
    let mut found = Vec::new();
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
        warning,
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
