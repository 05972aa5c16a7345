//! Choices that were shown and may be answered in words: kept with the commit that shows them,
//! gone when they are used, replaced by newer ones or too old.
//!
//! Short keys that stand for long values outlive their menu: the button is still on the
//! customer's screen.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_channel_kit::{Menu, MenuOption};
use tandem_domain::{
    LaneId, Timestamp, WorkspaceId,
    message::{Inbound, InboundKind, Part},
    store::{StoreError, Write},
};

use crate::engine::Engine;

/// How long a typed number still means the menu above it.
const MENU_LIVES: Duration = Duration::from_secs(24 * 3600);
/// How long an old button still works.
const KEYS_LIVE: Duration = Duration::from_secs(30 * 24 * 3600);
const MENUS: &str = "channel.menu";
/// What every short key begins with.
const KEY_MARK: char = '~';

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptMenu {
    pub menu: Menu,
    pub expires_at: Timestamp,
}

/// What an event means in the light of what was shown.
pub(crate) struct Meant {
    pub option: MenuOption,
    /// It used up the lane's menu.
    pub used: bool,
}

fn keys_of(lane: LaneId) -> String {
    format!("channel.keys/{lane}")
}

/// The menu as it is kept from now on, with the rows that keep it.
pub(crate) fn show(lane: LaneId, menu: Menu, now: Timestamp, writes: &mut Vec<Write>) -> KeptMenu {
    for option in &menu.options {
        if let Some(key) = &option.key {
            writes.push(Write::KvPut {
                scope: keys_of(lane),
                key: key.clone(),
                value: json!(option),
                expires_at: Some(now + KEYS_LIVE),
            });
        }
    }
    let kept = KeptMenu {
        menu,
        expires_at: now + MENU_LIVES,
    };
    writes.push(Write::KvPut {
        scope: MENUS.into(),
        key: lane.to_string(),
        value: json!(kept),
        expires_at: Some(kept.expires_at),
    });
    kept
}

/// The row that forgets the lane's menu.
pub(crate) fn forget(lane: LaneId) -> Write {
    Write::KvDelete {
        scope: MENUS.into(),
        key: lane.to_string(),
    }
}

/// What the event means: a press of the menu's, or words that name one of its options. `key` is
/// what a press of an older menu's was found to stand for. None: it means what it says.
pub(crate) fn meant(
    menu: Option<&KeptMenu>,
    key: Option<&MenuOption>,
    event: &Inbound,
    now: Timestamp,
) -> Option<Meant> {
    let menu = menu.filter(|kept| now < kept.expires_at).map(|k| &k.menu);
    let found = match &event.kind {
        InboundKind::Message => {
            let words = event.parts.iter().all(|p| matches!(p, Part::Text { .. }));
            menu.filter(|_| words)?.answer(&event.text())
        }
        InboundKind::Action { value, .. } => menu.and_then(|menu| menu.pressed(value)),
        _ => None,
    };
    if let Some(option) = found {
        return Some(Meant {
            option: option.clone(),
            used: true,
        });
    }
    key.map(|option| Meant {
        option: option.clone(),
        used: false,
    })
}

impl Engine {
    pub(crate) async fn kept_menu(
        &self,
        workspace: &WorkspaceId,
        lane: LaneId,
    ) -> Result<Option<KeptMenu>, StoreError> {
        let store = &self.0.store;
        let key = lane.to_string();
        let kept = store.kv(workspace, MENUS, &key, self.now());
        Ok(kept
            .await?
            .and_then(|value| serde_json::from_value(value).ok()))
    }

    /// What a pressed short key stands for; none where the press is no short key.
    pub(crate) async fn kept_key(
        &self,
        workspace: &WorkspaceId,
        lane: LaneId,
        event: &Inbound,
    ) -> Result<Option<MenuOption>, StoreError> {
        let InboundKind::Action { value, .. } = &event.kind else {
            return Ok(None);
        };
        if !value.starts_with(KEY_MARK) {
            return Ok(None);
        }
        let store = &self.0.store;
        let scope = keys_of(lane);
        let kept = store.kv(workspace, &scope, value, self.now());
        Ok(kept
            .await?
            .and_then(|value| serde_json::from_value(value).ok()))
    }
}
