//! What a channel can show, as numbers: one pass in the host adapts every message to them.

use serde::{Deserialize, Serialize};

/// How a limit on text is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    #[default]
    Char,
    Byte,
    Utf16,
    Grapheme,
}

/// At most `max`, counted in `unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub max: usize,
    #[serde(default)]
    pub unit: Unit,
}

/// A kind of choice a channel shows natively. Absent means it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// How many on one message.
    pub max: usize,
    pub label: Limit,
    pub value: Limit,
    /// Whether a choice may be a link.
    #[serde(default)]
    pub url: bool,
}

/// Everything absent is "cannot".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    pub text: Limit,
    #[serde(default)]
    pub buttons: Option<Choices>,
    #[serde(default)]
    pub list: Option<Choices>,
    #[serde(default)]
    pub quick_replies: Option<Choices>,
    /// Parts in one native send.
    pub batch_max: usize,
    #[serde(default)]
    pub cards: bool,
    /// Largest file it takes, in bytes, by kind: image, audio, video, file.
    #[serde(default)]
    pub media_max: Option<u64>,
    #[serde(default)]
    pub edit: bool,
    #[serde(default)]
    pub delete: bool,
    #[serde(default)]
    pub receipts: bool,
    #[serde(default)]
    pub typing: bool,
    /// May the business write first?
    #[serde(default)]
    pub proactive: bool,
    /// Seconds after the customer's last message in which we may write; none means always.
    #[serde(default)]
    pub window_secs: Option<u64>,
}
