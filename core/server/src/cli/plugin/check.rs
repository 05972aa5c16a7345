//! `tandem plugin check`: all that a start does with a plugin, each step said.

use std::{io::Write as _, time::Instant};

use anyhow::Context as _;
use serde_json::json;
use tandem_flow::diagnostic::{Words, words};
use tandem_plugin_host::{
    Kind, Limits, Manifest, PluginConfig, Refusal, Retired, Said, elf,
    file::{PrivateCopy, admit},
    schema::misfits,
};

use super::{
    Common, End, Which, account,
    find::{Found, find},
};
use crate::plugins::{Looks, note_native};

pub(super) fn run(common: &Common, which: &Which) -> anyhow::Result<End> {
    let Some(found) = find(common, which)? else {
        return Ok(End::Wrong);
    };
    let runtime = tokio::runtime::Runtime::new().context("no runtime could be started")?;
    let mut told = Told {
        common,
        lines: Vec::new(),
    };
    let ended = runtime.block_on(checks(&mut told, &found));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    let ended = ended?;
    if let Err(why) = &ended {
        told.say(false, why)?;
    }
    if common.json() {
        common.print_json(&json!({"ok": ended.is_ok(), "checks": told.lines}))?;
    }
    Ok(match ended {
        Ok(()) => End::Well,
        Err(_) => End::Wrong,
    })
}

/// Says why a plugin is refused.
pub(super) fn refused(common: &Common, refusal: &Refusal) -> anyhow::Result<End> {
    let mut told = Told {
        common,
        lines: Vec::new(),
    };
    told.say(false, &words(refusal.to_string(), refusal.zh()))?;
    if common.json() {
        common.print_json(&json!({"ok": false, "checks": told.lines}))?;
    }
    Ok(End::Wrong)
}

pub(super) struct Told<'c> {
    common: &'c Common,
    lines: Vec<serde_json::Value>,
}

impl Told<'_> {
    /// `None` for what was not tried.
    fn say(&mut self, good: impl Into<Option<bool>>, what: &Words) -> anyhow::Result<()> {
        let good = good.into();
        self.lines.push(json!({"ok": good, "what": what}));
        if !self.common.json() {
            let mark = match good {
                Some(true) => "\x1b[32m✓\x1b[0m",
                Some(false) => "\x1b[1;31m✗\x1b[0m",
                None => "–",
            };
            let text = what.get(self.common.lang());
            writeln!(self.common.out(), "{mark} {text}")?;
        }
        Ok(())
    }

    pub fn good(&mut self, en: impl Into<String>, zh: impl Into<String>) -> anyhow::Result<()> {
        self.say(true, &words(en, zh))
    }

    pub fn untried(&mut self, en: impl Into<String>, zh: impl Into<String>) -> anyhow::Result<()> {
        self.say(None, &words(en, zh))
    }
}

pub(super) fn said(refusal: &Refusal) -> Words {
    words(refusal.to_string(), refusal.zh())
}

/// The outer error is ours, the inner one the plugin's.
async fn checks(told: &mut Told<'_>, found: &Found) -> anyhow::Result<Result<(), Words>> {
    let plugin = &found.plugin;
    let looks = match Looks::new(found.folders.clone()) {
        Ok(looks) => looks,
        Err(refusal) => return Ok(Err(said(&refusal))),
    };
    if let Err(refusal) = file(told, found, &looks)? {
        return Ok(Err(said(&refusal)));
    }
    let manifest = match looks.look(plugin).await {
        Ok(manifest) => manifest,
        Err(refusal) => return Ok(Err(said(&refusal))),
    };
    match plugin.path {
        Some(_) => told.good(
            "another process loaded it and read its manifest",
            "已在另一进程中加载并读取清单",
        )?,
        None => told.good("it starts and says what it is", "能够启动并说明自己")?,
    }
    let Manifest { name, version, .. } = &manifest;
    let kinds: Vec<&str> = manifest.kinds.keys().map(String::as_str).collect();
    let (kinds, methods) = (kinds.join(", "), manifest.methods.len());
    told.good(
        format!("its manifest holds: {name} {version}, {kinds}, methods: {methods}"),
        format!("清单有效：{name} {version}，{kinds}，方法 {methods} 个"),
    )?;
    // A channel alone has no instance but those of its accounts.
    let alone = match &found.config {
        Some(config) => config.is_channel_alone(&plugin.name, &manifest),
        None => is_channel_alone(&manifest),
    };
    if !alone {
        let began = began(told, found, &looks, &manifest).await;
        note_native(looks.host());
        if let Err(why) = began? {
            return Ok(Err(why));
        }
    }
    let accounts = account::checks(told, found, &looks, &manifest).await;
    note_native(looks.host());
    accounts
}

/// An instance of its own, from its settings to its end.
async fn began(
    told: &mut Told<'_>,
    found: &Found,
    looks: &Looks,
    manifest: &Manifest,
) -> anyhow::Result<Result<(), Words>> {
    if let Err(why) = settings(manifest, &found.plugin, found.config.is_some()) {
        return Ok(Err(why));
    }
    told.good("its configuration fits its schema", "配置符合它的 schema")?;
    let began = Instant::now();
    let loaded = match looks.host().load(found.plugin.clone()).await {
        Ok(loaded) => loaded,
        Err(refusal) => return Ok(Err(said(&refusal))),
    };
    let took = began.elapsed().as_millis();
    told.good(
        format!("it is loaded and begins, in {took} ms"),
        format!("已加载并启动，用时 {took} 毫秒"),
    )?;
    let began = Instant::now();
    if let Err(why) = ended(loaded.unload().await) {
        return Ok(Err(why));
    }
    let took = began.elapsed().as_millis();
    told.good(
        format!("it ends, in {took} ms"),
        format!("已结束，用时 {took} 毫秒"),
    )?;
    Ok(Ok(()))
}

pub(super) fn ended(retired: Retired) -> Result<(), Words> {
    match retired {
        Retired::Destroyed => Ok(()),
        Retired::Leaked(left) => {
            let Said { en, zh } = left.said();
            Err(words(
                format!("it does not end: {en}"),
                format!("它没有结束：{zh}"),
            ))
        }
    }
}

fn is_channel_alone(manifest: &Manifest) -> bool {
    let offered = Kind::ALL.into_iter().filter(|kind| manifest.offers(*kind));
    offered.eq([Kind::Channel])
}

/// What is seen of a file without running it.
fn file(told: &mut Told<'_>, found: &Found, looks: &Looks) -> anyhow::Result<Result<(), Refusal>> {
    let Some(path) = &found.plugin.path else {
        return Ok(Ok(()));
    };
    let path = match admit(path, &found.folders) {
        Ok(path) => path,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let shown = path.display();
    told.good(
        format!("{shown} lies in a plugin folder, out of others' reach"),
        format!("{shown} 位于插件目录内，其他用户无法写入"),
    )?;
    let copy = PrivateCopy::of(&path, looks.private(), Limits::default().file);
    let header = match copy.and_then(|copy| elf::inspect(copy.bytes())) {
        Ok(header) => header,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (major, minor) = (header.abi_major, header.abi_minor);
    told.good(
        format!("it is a whole library for this machine, of the ABI {major}.{minor}"),
        format!("它是适用于本机的完整动态库，ABI {major}.{minor}"),
    )?;
    Ok(Ok(()))
}

fn settings(manifest: &Manifest, plugin: &PluginConfig, configured: bool) -> Result<(), Words> {
    let found = misfits(manifest, &plugin.config)
        .map_err(|refusal| words(refusal.to_string(), refusal.zh()))?;
    let Some(first) = found.first() else {
        return Ok(());
    };
    let place: String = first.path.iter().map(|step| format!(".{step}")).collect();
    let Said { en, zh } = first.what.said();
    let (way_en, way_zh) = match configured {
        true if is_channel_alone(manifest) => (
            "; it is a channel: its settings are those of an account, under `channels`",
            "；它是渠道：其设置写在 `channels` 下的账号中",
        ),
        true => ("", ""),
        false => (
            "; name the plugin in tandem.yaml with its `config`, and check it by that name",
            "；请在 tandem.yaml 中写明该插件及其 `config`，再按名称检查",
        ),
    };
    Err(words(
        format!("its configuration, at `config{place}`: {en}{way_en}"),
        format!("它的配置 `config{place}` 有误：{zh}{way_zh}"),
    ))
}
