//! What a token may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One permission. Nothing implies anything else, but for `admin`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    ToSchema,
)]
pub enum Scope {
    /// Conversations, messages, contacts, tickets, timers, traces, dead letters.
    #[serde(rename = "conversations:read")]
    ConversationsRead,
    /// Reply, resolve, return to the bot, send a dead letter again.
    #[serde(rename = "conversations:write")]
    ConversationsWrite,
    /// Write as somebody other than the token's name.
    #[serde(rename = "conversations:impersonate")]
    ConversationsImpersonate,
    /// Read the event log and stream it.
    #[serde(rename = "events:read")]
    EventsRead,
    /// Hand events in.
    #[serde(rename = "events:write")]
    EventsWrite,
    /// See the pack that answers, and how it reads a message.
    #[serde(rename = "packs:read")]
    PacksRead,
    /// Load the pack again.
    #[serde(rename = "packs:write")]
    PacksWrite,
    /// See how the server's plugins stand.
    #[serde(rename = "plugins:read")]
    PluginsRead,
    /// Load a plugin again, switch it off and on, for all workspaces.
    #[serde(rename = "plugins:write")]
    PluginsWrite,
    #[serde(rename = "metrics")]
    Metrics,
    /// Everything, within the token's workspace.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    pub const ALL: [Self; 11] = [
        Self::ConversationsRead,
        Self::ConversationsWrite,
        Self::ConversationsImpersonate,
        Self::EventsRead,
        Self::EventsWrite,
        Self::PacksRead,
        Self::PacksWrite,
        Self::PluginsRead,
        Self::PluginsWrite,
        Self::Metrics,
        Self::Admin,
    ];

    /// As it is written in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConversationsRead => "conversations:read",
            Self::ConversationsWrite => "conversations:write",
            Self::ConversationsImpersonate => "conversations:impersonate",
            Self::EventsRead => "events:read",
            Self::EventsWrite => "events:write",
            Self::PacksRead => "packs:read",
            Self::PacksWrite => "packs:write",
            Self::PluginsRead => "plugins:read",
            Self::PluginsWrite => "plugins:write",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }
}
