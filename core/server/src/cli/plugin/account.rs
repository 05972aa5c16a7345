//! `tandem plugin check` of a channel: each of its accounts is opened as a start opens it, and ended
//! before it receives anything.

use std::time::Instant;

use tandem_channel_kit::{Account, Channel, Kind as _, Opening, kind::OpenError};
use tandem_domain::{AccountId, WorkspaceId};
use tandem_flow::diagnostic::{Words, words};
use tandem_plugin_host::{Kind, Manifest, PluginKind, Refusal};

use super::{
    check::{Told, ended, said},
    find::Found,
};
use crate::{config::OtherAccount, plugins::Looks};

/// The outer error is ours, the inner one the plugin's.
pub(super) async fn checks(
    told: &mut Told<'_>,
    found: &Found,
    looks: &Looks,
    manifest: &Manifest,
) -> anyhow::Result<Result<(), Words>> {
    let plugin = &found.plugin.name;
    let mut none = true;
    for (channel, other) in found.channels() {
        if !manifest.offers(Kind::Channel) {
            return Ok(Err(words(
                format!("channels.{channel}.plugin: the plugin `{plugin}` is no channel"),
                format!("channels.{channel}.plugin：插件 `{plugin}` 不是渠道"),
            )));
        }
        for (id, account) in &other.accounts {
            none = false;
            let place = format!("channels.{channel}.accounts.{id}");
            if let Err(why) = check(told, found, looks, manifest, channel, (id, account)).await? {
                return Ok(Err(words(
                    format!("{place}: {}", why.en),
                    format!("{place}：{}", why.zh),
                )));
            }
        }
    }
    if none && manifest.offers(Kind::Channel) {
        told.untried(
            format!("not tried: an instance with an account's settings, its `channel.open` and its end. No account is configured; name one in tandem.yaml, `channels: {{{plugin}: {{plugin: {plugin}, accounts: …}}}}`, and check `{plugin}` by its name"),
            format!("未尝试：按账号设置创建实例、`channel.open` 及其结束。没有配置账号；请在 tandem.yaml 中写明 `channels: {{{plugin}: {{plugin: {plugin}, accounts: …}}}}`，再按名称检查 `{plugin}`"),
        )?;
    }
    Ok(Ok(()))
}

async fn check(
    told: &mut Told<'_>,
    found: &Found,
    looks: &Looks,
    manifest: &Manifest,
    channel: &str,
    (id, account): (&String, &OtherAccount),
) -> anyhow::Result<Result<(), Words>> {
    let kind = PluginKind::new(channel, found.plugin.clone(), manifest.clone());
    let kind = kind.with_plugins(looks.host().clone());
    let settings = match account.found(&found.environment) {
        Ok(settings) => settings,
        Err(error) => return Ok(Err(words(error.to_string(), error.zh()))),
    };
    if let Some(wrong) = kind.check(&settings).into_iter().next() {
        let at = |text: &str| match wrong.path.is_empty() {
            true => text.to_owned(),
            false => format!("{}: {text}", wrong.path.join(".")),
        };
        return Ok(Err(words(at(&wrong.en), at(&wrong.zh))));
    }
    told.good(
        format!("the settings of the account `{id}` fit its schema"),
        format!("账号 `{id}` 的设置符合它的 schema"),
    )?;
    let config = found.config.as_ref();
    let data = config.map(|config| config.data_dir.join("channels").join(channel).join(id));
    let opening = Opening {
        account: Account {
            workspace: WorkspaceId::new(&account.workspace),
            id: AccountId::new(id),
            channel: channel.to_owned(),
        },
        settings,
        public_url: config.and_then(|config| config.server.public_url.clone()),
        data_dir: data.unwrap_or_default(),
    };
    let began = Instant::now();
    let opened = match kind.open(opening).await {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(refused(&error))),
    };
    let took = began.elapsed().as_millis();
    told.good(
        format!("an instance for `{id}` is loaded and opened, in {took} ms; it receives nothing"),
        format!("账号 `{id}` 的实例已加载并打开，用时 {took} 毫秒；不接收消息"),
    )?;
    let (en, zh) = shows(&*opened);
    told.good(en, zh)?;
    drop(opened);
    let began = Instant::now();
    for instance in looks.host().accounts(&found.plugin.name) {
        let retired = looks.host().unload(instance.name()).await;
        if let Some(Err(why)) = retired.map(ended) {
            return Ok(Err(why));
        }
    }
    let took = began.elapsed().as_millis();
    told.good(
        format!("the instance for `{id}` ends, in {took} ms"),
        format!("账号 `{id}` 的实例已结束，用时 {took} 毫秒"),
    )?;
    Ok(Ok(()))
}

/// What `channel.open` says of the account.
fn shows(channel: &dyn Channel) -> (String, String) {
    let most = channel.capabilities().text.max;
    let addresses = channel.addresses().join(", ");
    match addresses.is_empty() {
        true => (
            format!("`channel.open` says what it shows: texts up to {most}"),
            format!("`channel.open` 说明了它能显示的：文本最长 {most}"),
        ),
        false => (
            format!(
                "`channel.open` says what it shows: texts up to {most}; it is called {addresses}"
            ),
            format!("`channel.open` 说明了它能显示的：文本最长 {most}；它叫 {addresses}"),
        ),
    }
}

/// A plugin's refusal has words in both languages.
fn refused(error: &OpenError) -> Words {
    let refusal = match error {
        OpenError::Settings(_) => None,
        OpenError::Failed(why) => why.downcast_ref::<Refusal>(),
    };
    refusal.map_or_else(|| words(error.to_string(), error.to_string()), said)
}
