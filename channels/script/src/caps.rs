//! What a file says of its platform: `caps` and `config`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_domain::{
    Map, Value,
    capabilities::{Capabilities, MediaLimit},
};
use tandem_net::HostRule;
use url::Url;

use crate::{
    machine::Values,
    problem::{Words, words},
    read::{Misread, listed, typed},
};

/// The name under which a file finds its own public address.
pub const WEBHOOK_URL: &str = "webhook_url";

/// Names that no setting may have: the host gives or reads them itself.
pub const RESERVED: [&str; 4] = [WEBHOOK_URL, "workspace", "address", "body_limit"];

/// `caps`, as a file writes it: what concerns its edge, and the capabilities all channels have.
/// What is left out, the channel cannot do.
#[derive(Clone, Debug, PartialEq)]
pub struct Caps {
    pub edge: Edge,
    pub capabilities: Capabilities,
}

/// The part of `caps` that only the host of files reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Edge {
    /// Hosts that may be called: `api.example.com`, `*.example.com`.
    pub hosts: Vec<String>,
    pub signed: Signed,
    pub replay: Option<Replay>,
    /// Addresses of public key sets for `jwt_verify`.
    pub keys: Vec<String>,
}

/// The fields of [`Edge`].
const EDGE: [&str; 4] = ["hosts", "signed", "replay", "keys"];

/// Everything that `caps` may hold.
pub const KEYS: [&str; 21] = [
    "text",
    "buttons",
    "list",
    "quick_replies",
    "batch_max",
    "cards",
    "media",
    "edit_secs",
    "delete_secs",
    "receipts",
    "typing",
    "sessions",
    "window",
    "proactive",
    "rate",
    "hosts",
    "signed",
    "replay",
    "keys",
    "dedupe_secs",
    "idempotency_secs",
];

/// What the platform's signature covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signed {
    /// Every byte of the body.
    #[default]
    Body,
    /// The fields of a form, decoded.
    Form,
    /// The time only.
    Time,
}

/// Where the signed time stands, and how old it may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// A header's name in lower case, or `query.NAME`.
    pub timestamp: String,
    pub unit: TimeUnit,
    /// Seconds, in both directions.
    pub window: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    S,
    Ms,
}

/// What a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setting {
    #[serde(rename = "secret")]
    Secret,
    #[serde(rename = "string")]
    Text,
    #[serde(rename = "string?")]
    OptionalText,
    #[serde(rename = "url")]
    Url,
}

/// The way out of a field that `caps` does not have.
fn unknown(name: &str) -> Misread {
    let close = KEYS
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), *known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let (en, zh) = match close {
        Some((_, close)) => (
            format!("did you mean `{close}`?"),
            format!("是否想写 `{close}`？"),
        ),
        None => {
            let known = KEYS.join(", ");
            (format!("known are: {known}"), format!("可用的有：{known}"))
        }
    };
    Misread {
        path: format!("caps.{name}"),
        words: words(
            format!("caps: unknown field `{name}`; {en}"),
            format!("caps：未知字段 `{name}`；{zh}"),
        ),
    }
}

/// `config`: name → what it is.
pub type Settings = BTreeMap<String, Setting>;

impl Caps {
    /// Reads the table.
    pub(crate) fn read(caps: &Value) -> Result<Self, Misread> {
        let mut rest = caps.clone();
        for list in ["/hosts", "/keys"] {
            rest.pointer_mut(list).map(listed);
        }
        let mut edge = Map::new();
        // One at a time: a path through the names of media would not say which it is.
        for (name, limit) in caps["media"].as_object().into_iter().flatten() {
            typed::<MediaLimit>(limit, &format!("caps.media.{name}"))?;
        }
        if let Some(fields) = rest.as_object_mut() {
            if let Some(name) = fields.keys().find(|name| !KEYS.contains(&name.as_str())) {
                return Err(unknown(name));
            }
            for name in EDGE {
                edge.extend(fields.remove_entry(name));
            }
            if !fields.contains_key("text") {
                return Err(Misread {
                    path: "caps".to_owned(),
                    words: words(
                        "caps.text is missing: how long a text may be, as {max = 2000}",
                        "缺少 caps.text：文本最大长度，例如 {max = 2000}",
                    ),
                });
            }
        }
        Ok(Self {
            edge: typed(&Value::Object(edge), "caps")?,
            capabilities: typed(&rest, "caps")?,
        })
    }

    /// What cannot work although it is written right: the field, and why.
    pub(crate) fn objections(&self) -> Vec<(&'static str, Words)> {
        let mut found = Vec::new();
        let mut object = |key: &'static str, en: String, zh: String| {
            found.push((key, words(en, zh)));
        };
        for host in &self.edge.hosts {
            if HostRule::parse(host).is_err() {
                object(
                    "hosts",
                    format!(
                        "caps.hosts: {host:?} is no host: write api.example.com or *.example.com"
                    ),
                    format!(
                        "caps.hosts：{host:?} 不是主机名，请写成 api.example.com 或 *.example.com"
                    ),
                );
            }
        }
        if self.capabilities.text.max < 16 {
            object(
                "text",
                "caps.text.max: a text of fewer than 16 says nothing".to_owned(),
                "caps.text.max：少于 16 的文本说不清任何事".to_owned(),
            );
        }
        if self.capabilities.batch_max == 0 {
            object(
                "batch_max",
                "caps.batch_max: a send holds at least one part".to_owned(),
                "caps.batch_max：一次发送至少有一个部分".to_owned(),
            );
        }
        let kinds = [
            ("buttons", &self.capabilities.buttons),
            ("list", &self.capabilities.list),
            ("quick_replies", &self.capabilities.quick_replies),
        ];
        for (name, choices) in kinds {
            let Some(choices) = choices else { continue };
            if choices.max == 0 || choices.label.max == 0 {
                object(
                    name,
                    format!("caps.{name} has no room: leave it out instead"),
                    format!("caps.{name} 没有空间：请改为不写"),
                );
            }
            if choices.value.max < 8 {
                object(
                    name,
                    format!("caps.{name}.value.max: a value needs room for 8 at least"),
                    format!("caps.{name}.value.max：取值至少要能容纳 8"),
                );
            }
        }
        if let Some(replay) = &self.edge.replay {
            let place = &replay.timestamp;
            if !is_place(place) {
                object(
                    "replay",
                    format!(
                        "caps.replay.timestamp: {place:?} is neither a header's name (lower case, no dot) nor query.NAME; where the signed time stands in the body, leave replay out and compare it with request.now in verify"
                    ),
                    format!(
                        "caps.replay.timestamp：{place:?} 既不是请求头名（小写、不含点），也不是 query.参数名；签名时间在正文里时，请不写 replay，改在 verify 中与 request.now 比较"
                    ),
                );
            }
            if replay.window == 0 {
                object(
                    "replay",
                    "caps.replay.window: a number of seconds above 0".to_owned(),
                    "caps.replay.window：须为大于 0 的秒数".to_owned(),
                );
            }
        }
        if self.edge.signed == Signed::Time && self.edge.replay.is_none() {
            object(
                "signed",
                "caps.signed = \"time\" needs caps.replay: what signs only the time must be fresh"
                    .to_owned(),
                "caps.signed = \"time\" 需要 caps.replay：只签时间的请求必须是新的".to_owned(),
            );
        }
        for url in &self.edge.keys {
            if !Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.has_host()) {
                object(
                    "keys",
                    format!("caps.keys: {url:?} is no https address"),
                    format!("caps.keys：{url:?} 不是 https 地址"),
                );
            }
        }
        let rate = &self.capabilities.rate;
        for pace in rate.account.iter().chain(&rate.chat).chain(&rate.group) {
            if pace.count == 0 || pace.secs == 0 {
                object(
                    "rate",
                    "caps.rate: a rate is a number of sends a second, or {count = …, secs = …}, above 0".to_owned(),
                    "caps.rate：速率是每秒发送次数，或 {count = …, secs = …}，须大于 0".to_owned(),
                );
            }
        }
        found
    }
}

/// Whether a signed time may stand there: in a header, or in a parameter of the address.
fn is_place(timestamp: &str) -> bool {
    match timestamp.strip_prefix("query.") {
        Some(name) => !name.is_empty(),
        None => {
            !timestamp.is_empty()
                && timestamp.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_')
                })
        }
    }
}

/// Fits an account's settings to what the file declares, and adds the account's own address.
///
/// # Errors
/// Every setting that is missing, empty, unknown or no address. No value is repeated.
pub fn settle(
    declared: &Settings,
    given: &BTreeMap<String, String>,
    webhook_url: &str,
) -> Result<Values, Vec<Words>> {
    fit(declared, given, webhook_url)
        .map_err(|wrong| wrong.into_iter().map(|(_, words)| words).collect())
}

/// See [`settle`]; each mistake comes with the setting it is at.
pub(crate) fn fit(
    declared: &Settings,
    given: &BTreeMap<String, String>,
    webhook_url: &str,
) -> Result<Values, Vec<(String, Words)>> {
    let mut wrong = Vec::new();
    let mut object = |name: &str, words: Words| wrong.push((name.to_owned(), words));
    let mut values = BTreeMap::new();
    for name in given.keys().filter(|name| !declared.contains_key(*name)) {
        let known: Vec<&str> = declared.keys().map(String::as_str).collect();
        let known = known.join(", ");
        object(
            name,
            words(
                format!("there is no setting `{name}`; the file knows: {known}"),
                format!("没有名为 `{name}` 的设置；该文件的设置有：{known}"),
            ),
        );
    }
    for (name, kind) in declared {
        let value = given.get(name).map(|value| value.trim());
        match (kind, value) {
            (Setting::OptionalText, None | Some("")) => {}
            (_, None | Some("")) => object(
                name,
                words(
                    format!("the setting `{name}` is missing or empty"),
                    format!("设置 `{name}` 缺失或为空"),
                ),
            ),
            (Setting::Url, Some(value)) if !is_web(value) => object(
                name,
                words(
                    format!("the setting `{name}` is no http or https address"),
                    format!("设置 `{name}` 不是 http 或 https 地址"),
                ),
            ),
            (_, Some(value)) => {
                values.insert(name.clone(), value.to_owned());
            }
        }
    }
    values.insert(WEBHOOK_URL.to_owned(), webhook_url.to_owned());
    if wrong.is_empty() {
        Ok(Values(values))
    } else {
        Err(wrong)
    }
}

fn is_web(value: &str) -> bool {
    Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_that_are_read() {
        let wrong = typed::<Capabilities>(&serde_json::json!({"?": 1}), "caps").unwrap_err();
        let quoted = wrong.words.en.split('`').skip(3).step_by(2);
        let mut read: Vec<&str> = quoted.chain(EDGE).collect();
        let mut keys = KEYS;
        read.sort_unstable();
        keys.sort_unstable();
        assert_eq!(read, keys);
    }

    #[test]
    fn settings_are_complete_or_named() {
        let declared = Settings::from([
            ("secret".to_owned(), Setting::Secret),
            ("note".to_owned(), Setting::OptionalText),
            ("callback".to_owned(), Setting::Url),
        ]);
        let given = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let good = given(&[("secret", "s"), ("callback", "https://x.test/a")]);
        let values = settle(&declared, &good, "https://me.test").unwrap();
        assert_eq!(values.0[WEBHOOK_URL], "https://me.test");
        assert!(!format!("{values:?}").contains("x.test"));
        for (bad, count) in [
            (given(&[("callback", "https://x.test")]), 1),
            (given(&[("secret", " "), ("callback", "https://x.test")]), 1),
            (given(&[("secret", "s"), ("callback", "x.test")]), 1),
            (given(&[("sekret", "s")]), 3),
        ] {
            assert_eq!(
                settle(&declared, &bad, "").unwrap_err().len(),
                count,
                "{bad:?}"
            );
        }
    }
}
