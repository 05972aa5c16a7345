//! How plugins stand, as the API shows it.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_api::{Images, PluginReload, PluginState, PluginView, Plugins, ReloadOutcome};
use tandem_domain::{Locale, Text};
use tandem_flow::diagnostic::{Words, words};
use tandem_plugin_host::{Health, PluginHealth, Said};

use super::{Entry, LastLoad, PluginSet};

/// The plugins, for the API.
pub struct Report(pub Arc<PluginSet>);

#[async_trait]
impl Plugins for Report {
    fn list(&self) -> Vec<PluginView> {
        let entries = self.0.entries.iter();
        entries
            .flat_map(|(name, entry)| {
                let own = self.0.host.get(name).map(|plugin| plugin.health());
                let own = std::iter::once(view(name, entry, own));
                let accounts = self.0.host.accounts(name).into_iter();
                let accounts = accounts.map(|account| {
                    let health = account.health();
                    view(account.name(), entry, Some(health))
                });
                own.chain(accounts).collect::<Vec<_>>()
            })
            .collect()
    }

    fn images(&self) -> Images {
        let (loaded, most) = self.0.host.images();
        Images { loaded, most }
    }

    async fn reload(&self, name: &str) -> Option<Result<(), Text>> {
        let reloaded = self.0.reload(name).await?;
        Some(reloaded.map_err(|why| both(&why)))
    }

    fn switch(&self, name: &str, on: bool, by: &str) -> bool {
        let mut plugins = self.0.host.accounts(name);
        plugins.extend(self.0.host.get(name));
        if plugins.is_empty() {
            return false;
        }
        for plugin in plugins {
            match on {
                true => plugin.enable(),
                false => plugin.disable(Said::new(
                    format!("{by} switched it off"),
                    format!("{by} 停用了它"),
                )),
            }
        }
        tracing::info!(plugin = name, on, by, "A plugin was switched over the API.");
        true
    }
}

fn view(name: &str, entry: &Entry, health: Option<PluginHealth>) -> PluginView {
    let state = entry.state();
    let last = state.last.clone();
    let refused = last.as_ref().and_then(|last| last.refused.clone());
    let mut view = PluginView {
        name: name.to_owned(),
        version: None,
        kinds: Vec::new(),
        process: entry.settings.command.is_some(),
        state: PluginState::Refused,
        why: refused.as_ref().map(both),
        loads: 0,
        calls: 0,
        faults: 0,
        running: 0,
        waiting: 0,
        stuck: 0,
        last_load: last.as_ref().map(loaded),
        warnings: state.differences.iter().map(both).collect(),
    };
    // It is nothing but a channel: its accounts stand for themselves.
    if let Some(manifest) = &state.channel {
        view.version = Some(manifest.version.clone());
        view.kinds = manifest.kinds.keys().cloned().collect();
        (view.state, view.why) = (PluginState::Ok, None);
    }
    if let Some(health) = health {
        let (state, why) = standing(&health.health);
        view.version = Some(health.version);
        view.kinds = health.kinds;
        view.state = state;
        view.why = why.as_ref().map(both);
        view.loads = health.loads;
        view.calls = health.calls;
        view.faults = health.faults;
        view.running = health.running;
        view.waiting = health.waiting;
        view.stuck = health.stuck;
    }
    view
}

fn loaded(last: &LastLoad) -> PluginReload {
    PluginReload {
        at: last.at,
        outcome: match last.refused {
            None => ReloadOutcome::Swapped,
            Some(_) => ReloadOutcome::Refused,
        },
        why: last.refused.as_ref().map(both),
    }
}

fn standing(health: &Health) -> (PluginState, Option<Words>) {
    match health {
        Health::Ok => (PluginState::Ok, None),
        Health::Failing { in_a_row, last } => (
            PluginState::Failing,
            Some(words(
                match in_a_row {
                    1 => format!("its last call failed: {}", last.en),
                    _ => format!("its last {in_a_row} calls failed: {}", last.en),
                },
                format!("最近 {in_a_row} 次调用失败：{}", last.zh),
            )),
        ),
        Health::Paused { last, for_ms } => (
            PluginState::Paused,
            Some(words(
                format!(
                    "it kept failing and is left alone for {for_ms} ms: {}",
                    last.en
                ),
                format!("连续失败，{for_ms} 毫秒内不再调用：{}", last.zh),
            )),
        ),
        Health::Disabled { why } => (PluginState::Disabled, Some(words(&why.en, &why.zh))),
        Health::Stuck { calls } => (
            PluginState::Stuck,
            Some(words(
                format!(
                    "{calls} calls never came back: reload it, or restart the server to free what they hold"
                ),
                format!("有 {calls} 次调用一直没有返回：请重新加载，或重启服务器以释放其占用"),
            )),
        ),
        Health::Starting { why } => (
            PluginState::Starting,
            Some(words(
                format!("its process is being started again: {}", why.en),
                format!("正在重新启动其进程：{}", why.zh),
            )),
        ),
        Health::Stopped { why } => (PluginState::Stopped, Some(words(&why.en, &why.zh))),
    }
}

fn both(words: &Words) -> Text {
    let languages = [("en", &words.en), ("zh", &words.zh)];
    let texts = languages.map(|(tag, text)| (Locale::new(tag), text.clone()));
    Text(texts.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tandem_plugin_host::PluginError;

    use super::*;

    #[test]
    fn every_standing_is_told_in_chinese_without_english() {
        let after = Duration::from_millis(300);
        let over = |begun| PluginError::Timeout { after, begun };
        let ended = Said::new("it ended with the code 7", "它以代码 7 结束");
        let died = |begun| PluginError::Died {
            why: ended.clone(),
            begun,
        };
        // Its own words stay as they are.
        let panicked = PluginError::Panicked("INDEX".to_owned());
        let garbage = PluginError::Broken(Said::new("no JSON", "不是 JSON"));
        let lasts = [
            over(true),
            over(false),
            died(true),
            died(false),
            panicked,
            garbage,
        ];
        let mut standings: Vec<Health> = lasts
            .iter()
            .flat_map(|last| {
                let last = last.said();
                let failing = |in_a_row| Health::Failing {
                    in_a_row,
                    last: last.clone(),
                };
                let for_ms = 5000;
                let paused = Health::Paused {
                    last: last.clone(),
                    for_ms,
                };
                [failing(1), failing(3), paused]
            })
            .collect();
        standings.push(Health::Disabled { why: ended.clone() });
        standings.push(Health::Stuck { calls: 4 });
        standings.push(Health::Starting { why: ended.clone() });
        standings.push(Health::Stopped { why: ended });
        for standing in standings {
            let (_, why) = super::standing(&standing);
            let Words { en, zh } = why.unwrap();
            assert!(en.is_ascii(), "{en}");
            // A term may be Latin; two words beside each other are a sentence.
            let latin = |word: &&str| word.chars().any(|c| c.is_ascii_lowercase());
            let english = zh.split(|c: char| !c.is_ascii_alphabetic() && c != ' ');
            let english = english.map(|part| part.split(' ').filter(latin).count());
            assert!(english.max() <= Some(1), "{zh}");
        }
        assert_eq!(super::standing(&Health::Ok).1, None);
    }
}
