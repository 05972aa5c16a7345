//! From text to a tree, and what is readable and still cannot work.

use std::collections::BTreeSet;

use tandem_plugin_host::Kind;

use crate::channels::Kinds;

use super::{
    Config, Other,
    gather::LONGEST,
    problem::{Fault, Problem},
    tree::{Node, Place},
};

/// Parses the text, within limits that no honest configuration comes near.
pub(super) fn tree(text: &str) -> Result<Node, Problem> {
    let at_start = |fault| {
        let place = Place::File { line: 1, column: 1 };
        Problem::at(fault, place, Vec::new())
    };
    if text.len() as u64 > LONGEST {
        return Err(at_start(Fault::File("it is larger than 1 MB".to_owned())));
    }
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(Node::default());
    }
    let mut options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: 20_000,
            max_events: 100_000,
            max_depth: 32,
            max_aliases: 100,
            max_anchors: 100,
            max_documents: 1,
            max_total_scalar_bytes: 1 << 20,
        },
        with_snippet: false,
        strict_booleans: true,
    };
    options.alias_limits.max_total_replayed_events = 20_000;
    options.alias_limits.max_replay_stack_depth = 8;
    serde_yaml::from_str_with_options(text, options).map_err(|error| {
        let place = match error.location() {
            Some(at) if at.line() > 0 => Place::File {
                line: u32::try_from(at.line()).unwrap_or(u32::MAX),
                column: u32::try_from(at.column()).unwrap_or(u32::MAX),
            },
            _ => Place::File { line: 1, column: 1 },
        };
        let (en, zh) = why(&error);
        Problem::at(Fault::Syntax(en, zh), place, Vec::new())
    })
}

/// The parser's reason without the place, which is told apart, and without what was written.
fn why(error: &serde_yaml::Error) -> (String, String) {
    use serde_yaml::{Error as E, budget::BudgetBreach};
    let (en, zh) = match error.without_snippet() {
        E::DuplicateMappingKey { key: Some(key), .. } => {
            return (
                format!("`{key}` is written twice"),
                format!("`{key}` 写了两次"),
            );
        }
        E::DuplicateMappingKey { .. } => ("a key is written twice", "有一个键写了两次"),
        E::MultipleDocuments { .. }
        | E::Budget {
            breach: BudgetBreach::Documents { .. },
            ..
        } => ("it holds more than one document", "文件中不止一个文档"),
        E::Budget { .. }
        | E::AliasReplayLimitExceeded { .. }
        | E::AliasExpansionLimitExceeded { .. }
        | E::AliasReplayStackDepthExceeded { .. } => (
            "it unfolds to more than a configuration may hold",
            "展开后超出了配置文件的限度",
        ),
        E::UnknownAnchor { .. } => ("an alias names no anchor", "别名没有对应的锚点"),
        E::Eof { .. } => ("it ends too early", "内容不完整"),
        // The parser's own words name what it looked for, not what it found.
        E::ExternalMessage { msg, .. } => return (msg.clone(), msg.clone()),
        _ => (
            "a value is not written as it should be",
            "有一个值的写法不对",
        ),
    };
    (en.to_owned(), zh.to_owned())
}

/// What is wrong between settings that are each readable.
pub(super) fn sense(config: &Config, tree: &Node, kinds: &Kinds) -> Vec<Problem> {
    let mut found = Found {
        tree,
        problems: Vec::new(),
    };
    server(config, &mut found);
    if config.workspaces.is_empty() {
        found.say(
            &["workspaces"],
            "at least one workspace is needed",
            "至少需要一个工作区",
        );
    }
    for name in config.workspaces.keys() {
        found.name(&["workspaces", name], name);
    }
    for (name, account) in &config.channels.web.accounts {
        let path = ["channels", "web", "accounts", name];
        found.name(&path, name);
        let inside = |key: &'static str| [path[0], path[1], path[2], path[3], key];
        found.workspace(&inside("workspace"), config, &account.workspace);
        if let Some(objection) = account.objection() {
            let setting = objection
                .split([':', '[', '.', ' '])
                .next()
                .unwrap_or_default();
            let at = [path[0], path[1], path[2], path[3], setting];
            found.say(&at, &objection, &format!("该设置无法使用：{objection}"));
        }
    }
    channels(config, kinds, &mut found);
    for (path, en, zh) in super::plugins::objections(config) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        found.say(&path, &en, &zh);
    }
    tokens(config, &mut found);
    limits(config, &mut found);
    if let Some((path, en, zh)) = config.understanding.objection() {
        found.say(path, en, zh);
    }
    let embedder = config.understanding.embedder.as_ref();
    if let Some(plugin) = embedder.and_then(|embedder| embedder.plugin.as_deref()) {
        let path = ["understanding", "embedder", "plugin"];
        let kind = (Kind::Embedder, "an embedder", "嵌入模型");
        found.plugin(&path, config, plugin, kind);
    }
    found.problems
}

fn channels(config: &Config, kinds: &Kinds, found: &mut Found<'_>) {
    for (name, other) in &config.channels.others {
        let kind = kinds.native(name);
        plugin(name, other, config, found);
        if other.file.is_none() && other.plugin.is_none() && kind.is_none() {
            let mut known = kinds.names();
            known.insert(0, "web".to_owned());
            let known = known.join(", ");
            found.say(
                &["channels", name],
                &format!("there is no channel of this name; known are: {known}. One that a file describes names it as `file`, one that is a plugin as `plugin`"),
                &format!("没有这个渠道；可用：{known}。由文件描述的渠道须写明 `file`，由插件提供的须写明 `plugin`"),
            );
        }
        found.name(&["channels", name], name);
        for (account, settings) in &other.accounts {
            let path = ["channels", name, "accounts", account];
            found.name(&path, account);
            let at = [path[0], path[1], path[2], path[3], "workspace"];
            found.workspace(&at, config, &settings.workspace);
            let native = kind.filter(|_| other.file.is_none() && other.plugin.is_none());
            for complaint in native.map_or_else(Vec::new, |kind| kind.check(&settings.settings)) {
                let inner = complaint.path.iter().map(String::as_str);
                let at: Vec<&str> = path.iter().copied().chain(inner).collect();
                found.say(&at, &complaint.en, &complaint.zh);
            }
        }
    }
    let mut names = BTreeSet::new();
    for (channel, account) in config.channels.accounts() {
        if !names.insert(account) {
            found.say(
                &["channels", channel, "accounts", account],
                "another channel has an account of this name already; names are addresses and have to differ",
                "另一个渠道已有同名账号；账号名用于地址，不能重复",
            );
        }
    }
}

/// What is wrong with the plugin that a channel names.
fn plugin(name: &str, other: &Other, config: &Config, found: &mut Found<'_>) {
    let Some(plugin) = &other.plugin else { return };
    let path = ["channels", name, "plugin"];
    if other.file.is_some() {
        found.say(
            &path,
            "a channel is either a `file` or a `plugin`",
            "渠道要么由 `file` 描述，要么由 `plugin` 提供",
        );
    }
    let kind = (Kind::Channel, "a channel", "渠道");
    found.plugin(&path, config, plugin, kind);
}

/// Whether a text is where a site or a service begins: nothing behind its path, nobody's name in it.
pub(super) fn is_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

fn server(config: &Config, found: &mut Found<'_>) {
    if let Some(text) = &config.server.public_url
        && !is_address(text)
    {
        found.say(
            &["server", "public_url"],
            "this is no address of a site: write it as https://help.example.com",
            "这不是网站地址：请写成 https://help.example.com",
        );
    }
    if !(1024..=64 << 20).contains(&config.server.body_limit.0) {
        found.say(
            &["server", "body_limit"],
            "this must lie between 1kb and 64mb",
            "须在 1kb 与 64mb 之间",
        );
    }
    found.at_least(
        &["server", "request_timeout"],
        config.server.request_timeout,
        "1s",
    );
    let level = tracing_subscriber::EnvFilter::builder().parse(&config.log.level);
    if level.is_err() || config.log.level.trim().is_empty() {
        found.say(
            &["log", "level"],
            "this is no log level: write error, warn, info, debug or trace, or name parts as in info,tandem_engine=debug",
            "这不是日志级别：请写 error、warn、info、debug、trace，或按部分写 info,tandem_engine=debug",
        );
    }
}

fn tokens(config: &Config, found: &mut Found<'_>) {
    let mut names = BTreeSet::new();
    for (i, token) in config.api.tokens.iter().enumerate() {
        let at = i.to_string();
        let name = ["api", "tokens", &at, "name"];
        found.name(&name, &token.name);
        if !names.insert(&token.name) {
            found.say(
                &name,
                "another token has this name already",
                "已有同名的令牌",
            );
        }
        found.workspace(
            &["api", "tokens", &at, "workspace"],
            config,
            &token.workspace,
        );
        if token.scopes.is_empty() {
            found.say(
                &["api", "tokens", &at, "scopes"],
                "a token without scopes can do nothing",
                "没有权限范围的令牌什么也做不了",
            );
        }
        match (&token.secret, &token.sha256) {
            (Some(_), None) => {}
            (None, Some(hash)) => {
                if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
                    found.say(
                        &["api", "tokens", &at, "sha256"],
                        "this is no SHA-256 hash: it has 64 hex digits",
                        "这不是 SHA-256 哈希：应为 64 位十六进制数字",
                    );
                }
            }
            _ => found.say(
                &["api", "tokens", &at],
                "a token has either `secret` or `sha256`",
                "令牌须有 `secret` 或 `sha256` 之一",
            ),
        }
    }
    if config.api.streams == 0 {
        found.positive(&["api", "streams"]);
    }
}

fn limits(config: &Config, found: &mut Found<'_>) {
    let limits = &config.limits;
    let counts = [
        ("lanes_in_memory", limits.lanes_in_memory),
        ("actions_at_once", limits.actions_at_once),
        ("sends_at_once", limits.sends_at_once),
        ("send_attempts", limits.send_attempts as usize),
        ("turn_attempts", limits.turn_attempts as usize),
    ];
    for (key, count) in counts {
        if count == 0 {
            found.positive(&["limits", key]);
        }
    }
    found.at_least(&["limits", "send_lease"], limits.send_lease, "5s");
    found.at_least(&["limits", "send_ttl"], limits.send_ttl, "1m");
    found.at_least(&["limits", "remember"], limits.remember, "1h");
}

struct Found<'a> {
    tree: &'a Node,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn say(&mut self, path: &[&str], en: &str, zh: &str) {
        let path: Vec<String> = path.iter().map(|&step| step.to_owned()).collect();
        let fault = Fault::Value {
            en: en.to_owned(),
            zh: zh.to_owned(),
        };
        self.problems
            .push(Problem::at(fault, self.tree.place_of(&path), path));
    }

    fn positive(&mut self, path: &[&str]) {
        self.say(path, "this must be at least 1", "至少为 1");
    }

    fn at_least(&mut self, path: &[&str], span: super::Span, least: &str) {
        if least.parse::<super::Span>().is_ok_and(|least| span < least) {
            self.say(
                path,
                &format!("this must be at least {least}"),
                &format!("至少为 {least}"),
            );
        }
    }

    /// Names stand in addresses and keys.
    fn name(&mut self, path: &[&str], name: &str) {
        let good = !name.is_empty()
            && name.len() <= 64
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        if !good {
            self.say(
                path,
                "a name has 1 to 64 lower-case letters, digits, hyphens or underscores",
                "名称由 1 至 64 个小写字母、数字、连字符或下划线组成",
            );
        }
    }

    /// A plugin that is to be this.
    fn plugin(
        &mut self,
        path: &[&str],
        config: &Config,
        plugin: &str,
        (kind, en, zh): (Kind, &str, &str),
    ) {
        let Some(settings) = config.plugins.get(plugin) else {
            let known: Vec<&str> = config.plugins.keys().map(String::as_str).collect();
            let known = known.join(", ");
            self.say(
                path,
                &format!("there is no such plugin; declared under `plugins` are: {known}"),
                &format!("没有这个插件；`plugins` 中已声明：{known}"),
            );
            return;
        };
        let allowed = settings.kinds.as_ref();
        if allowed.is_some_and(|kinds| !kinds.contains(&kind)) {
            self.say(
                path,
                &format!("the `kinds` of this plugin do not allow it to be {en}"),
                &format!("该插件的 `kinds` 不允许它作为{zh}"),
            );
        }
    }

    fn workspace(&mut self, path: &[&str], config: &Config, name: &str) {
        // That there is none at all is said once.
        if config.workspaces.is_empty() || config.workspaces.contains_key(name) {
            return;
        }
        let known: Vec<String> = config.workspaces.keys().cloned().collect();
        let known = known.join(", ");
        self.say(
            path,
            &format!("there is no such workspace; declared are: {known}"),
            &format!("没有这个工作区；已声明：{known}"),
        );
    }
}
