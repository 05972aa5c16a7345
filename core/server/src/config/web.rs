//! An account of the web channel as it is configured. The channel's own settings with two
//! differences: keys are referred to, and sizes have units.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tandem_channel_web::config as channel;
use tandem_domain::{Locale, Text};

use super::{secret::Secret, units::Bytes};

/// One widget: the pages of one shop, say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebAccount {
    /// The workspace its customers belong to.
    pub workspace: String,
    /// Pages that may use the widget: scheme, host and port, exactly, as in
    /// https://shop.example. Pages served by this server always may. "*" allows every page.
    pub origins: Vec<String>,
    /// Refuse requests that name no origin. Browsers always do; programs do not.
    pub require_origin: bool,
    /// Keys that visitors' tokens are signed with: the first signs, all are believed. Without
    /// any, one is made and kept in the data folder.
    pub keys: Vec<WebKey>,
    /// The secret your site signs a logged-in customer's identity with.
    pub identity_secret: Option<Secret>,
    /// Days a visitor is remembered without coming back.
    #[schemars(range(min = 1))]
    pub token_days: u32,
    /// How the widget looks and what it says first.
    pub appearance: Appearance,
    pub limits: WebLimits,
    pub files: WebFiles,
    /// Take the customer's address from X-Forwarded-For. Only behind a proxy that sets it.
    pub trust_forwarded: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebKey {
    /// Stands in every token, so that the right key is found.
    pub id: String,
    /// 32 random bytes or more, in any writing.
    pub secret: Secret,
}

/// What the widget shows; everybody can read it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Appearance {
    /// At the head of the panel.
    pub title: Option<Words>,
    pub subtitle: Option<Words>,
    /// Said before anyone has written.
    pub greeting: Option<Words>,
    /// Offered before anyone has written, by language.
    pub suggestions: Option<BTreeMap<String, Vec<String>>>,
    /// The accent colour, "#rrggbb".
    #[schemars(regex(pattern = "^#[0-9a-fA-F]{6}$"))]
    pub color: Option<String>,
    /// Seconds on a page after which flows that start on a page are told of it.
    pub page_after: Vec<u32>,
}

/// One text, or one for each language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "this is no text: write one, or one for each language as in {en: …, zh: …}\u{1f}这不是文字：请写一段文字，或按语言分别给出 {en: …, zh: …}"
)]
pub enum Words {
    One(String),
    Each(BTreeMap<String, String>),
}

/// How much one visitor and one address may do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebLimits {
    /// Longest message.
    pub text: Bytes,
    /// Messages a visitor may write at once, and how many a second they may go on with.
    pub burst: u32,
    pub per_second: f64,
    /// New visitors from one address at once, and how many a second after.
    pub sessions_burst: u32,
    pub sessions_per_second: f64,
    /// Messages from one address at once, whoever writes them, and how many a second after;
    /// a burst of 0 for no limit.
    pub per_ip_burst: u32,
    pub per_ip_per_second: f64,
    /// Open connections from one address; 0 for no limit.
    pub connections_per_ip: usize,
    pub connections: usize,
}

/// Uploads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebFiles {
    pub enabled: bool,
    /// Largest file.
    pub max_bytes: Bytes,
    /// Media types, by what the bytes are and not by the name.
    pub types: Vec<String>,
    /// Uploads received at the same time.
    pub concurrent: usize,
}

impl Default for WebAccount {
    fn default() -> Self {
        let channel = channel::Config::default();
        Self {
            workspace: "default".to_owned(),
            origins: channel.origins,
            require_origin: channel.require_origin,
            keys: Vec::new(),
            identity_secret: None,
            token_days: channel.token_days,
            appearance: Appearance::default(),
            limits: WebLimits::default(),
            files: WebFiles::default(),
            trust_forwarded: channel.trust_forwarded,
        }
    }
}

impl Default for WebLimits {
    fn default() -> Self {
        let limits = channel::Limits::default();
        Self {
            text: Bytes(limits.text as u64),
            burst: limits.burst,
            per_second: limits.per_second,
            sessions_burst: limits.sessions_burst,
            sessions_per_second: limits.sessions_per_second,
            per_ip_burst: limits.per_ip_burst,
            per_ip_per_second: limits.per_ip_per_second,
            connections_per_ip: limits.connections_per_ip,
            connections: limits.connections,
        }
    }
}

impl Default for WebFiles {
    fn default() -> Self {
        let files = channel::Files::default();
        Self {
            enabled: files.enabled,
            max_bytes: Bytes(files.max_bytes as u64),
            types: files.types,
            concurrent: files.concurrent,
        }
    }
}

/// How the widget looks on the demo shop's page.
#[must_use]
pub fn demo_appearance() -> Appearance {
    let both = |en: &str, zh: &str| {
        Some(Words::Each(BTreeMap::from([
            ("en".to_owned(), en.to_owned()),
            ("zh".to_owned(), zh.to_owned()),
        ])))
    };
    let list = |texts: [&str; 3]| texts.map(str::to_owned).to_vec();
    Appearance {
        title: both("Larkwood", "云木家居"),
        subtitle: both("We answer at once, day and night", "全天随时为您解答"),
        greeting: both(
            "Hello! Ask about an order, a return, or anything in the shop.",
            "您好！订单、退换货或店内商品，都可以问我。",
        ),
        suggestions: Some(BTreeMap::from([
            (
                "en".to_owned(),
                list([
                    "Where is my order?",
                    "I want to return something",
                    "What does delivery cost?",
                ]),
            ),
            (
                "zh".to_owned(),
                list(["我的订单到哪了？", "我想退货", "运费是多少？"]),
            ),
        ])),
        color: Some("#23604d".to_owned()),
        page_after: Vec::new(),
    }
}

impl Words {
    fn text(&self) -> Text {
        Text(match self {
            // A text of one language only is the fallback of every other.
            Self::One(text) => [(Locale::new("en"), text.clone())].into(),
            Self::Each(texts) => texts
                .iter()
                .map(|(locale, text)| (Locale::new(locale), text.clone()))
                .collect(),
        })
    }
}

impl WebAccount {
    /// The channel's own settings, with these keys.
    #[must_use]
    pub fn channel(
        &self,
        keys: Vec<channel::Key>,
        identity_secret: Option<String>,
    ) -> channel::Config {
        let words = |words: &Option<Words>| words.as_ref().map(Words::text);
        let size = |bytes: Bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX);
        channel::Config {
            origins: self.origins.clone(),
            require_origin: self.require_origin,
            keys,
            identity_secret,
            token_days: self.token_days,
            appearance: channel::Appearance {
                title: words(&self.appearance.title),
                subtitle: words(&self.appearance.subtitle),
                greeting: words(&self.appearance.greeting),
                suggestions: self.appearance.suggestions.as_ref().map(|by_locale| {
                    Text(
                        by_locale
                            .iter()
                            .map(|(locale, list)| (Locale::new(locale), list.clone()))
                            .collect(),
                    )
                }),
                color: self.appearance.color.clone(),
                page_after: self.appearance.page_after.clone(),
            },
            limits: channel::Limits {
                text: size(self.limits.text),
                burst: self.limits.burst,
                per_second: self.limits.per_second,
                sessions_burst: self.limits.sessions_burst,
                sessions_per_second: self.limits.sessions_per_second,
                per_ip_burst: self.limits.per_ip_burst,
                per_ip_per_second: self.limits.per_ip_per_second,
                connections_per_ip: self.limits.connections_per_ip,
                connections: self.limits.connections,
            },
            files: channel::Files {
                enabled: self.files.enabled,
                max_bytes: size(self.files.max_bytes),
                types: self.files.types.clone(),
                concurrent: self.files.concurrent,
            },
            trust_forwarded: self.trust_forwarded,
        }
    }

    /// What the channel itself would object to, keys aside: they are not read before `serve`.
    pub(super) fn objection(&self) -> Option<String> {
        let stand_in = channel::Key {
            id: "a".to_owned(),
            secret: "-".repeat(32),
        };
        self.channel(vec![stand_in], None).validate().err()
    }
}
