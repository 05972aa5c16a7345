//! `tandem plugin check`: all that a start does with a plugin, each step said.

use std::{io::Write as _, time::Instant};

use anyhow::Context as _;
use serde_json::json;
use tandem_flow::diagnostic::{Words, words};
use tandem_plugin_host::{
    Limits, Manifest, PluginConfig, Refusal, Retired, elf,
    file::{PrivateCopy, admit},
    schema::misfits,
};

use super::{
    Common, End, Which,
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

struct Told<'c> {
    common: &'c Common,
    lines: Vec<serde_json::Value>,
}

impl Told<'_> {
    fn say(&mut self, good: bool, what: &Words) -> anyhow::Result<()> {
        self.lines.push(json!({"ok": good, "what": what}));
        if !self.common.json() {
            let mark = match good {
                true => "\x1b[32m✓\x1b[0m",
                false => "\x1b[1;31m✗\x1b[0m",
            };
            let text = what.get(self.common.lang());
            writeln!(self.common.out(), "{mark} {text}")?;
        }
        Ok(())
    }

    fn good(&mut self, en: impl Into<String>, zh: impl Into<String>) -> anyhow::Result<()> {
        self.say(true, &words(en, zh))
    }
}

/// The outer error is ours, the inner one the plugin's.
async fn checks(told: &mut Told<'_>, found: &Found) -> anyhow::Result<Result<(), Words>> {
    let said = |refusal: &Refusal| words(refusal.to_string(), refusal.zh());
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
    if let Err(why) = settings(&manifest, plugin, found.configured) {
        return Ok(Err(why));
    }
    told.good("its configuration fits its schema", "配置符合它的 schema")?;
    let began = Instant::now();
    let loaded = match looks.host().load(plugin.clone()).await {
        Ok(loaded) => loaded,
        Err(refusal) => {
            note_native(looks.host());
            return Ok(Err(said(&refusal)));
        }
    };
    note_native(looks.host());
    let took = began.elapsed().as_millis();
    told.good(
        format!("it is loaded and begins, in {took} ms"),
        format!("已加载并启动，用时 {took} 毫秒"),
    )?;
    let began = Instant::now();
    if let Retired::Leaked(why) = loaded.unload().await {
        let en = format!("it does not end: {why}");
        return Ok(Err(words(en, format!("它没有结束：{why}"))));
    }
    let took = began.elapsed().as_millis();
    told.good(
        format!("it ends, in {took} ms"),
        format!("已结束，用时 {took} 毫秒"),
    )?;
    Ok(Ok(()))
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
    let (en, zh) = first.what.said();
    let (way_en, way_zh) = match configured {
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
