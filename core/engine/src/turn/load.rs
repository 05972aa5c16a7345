//! Reading a lane before its turn, and sealing what of it is sensitive.

use tandem_domain::{
    ConversationId, Locale, Map,
    conversation::{Control, Conversation, RoutingState, Status},
    message::{Inbound, InboundKind, Sender},
    store::{Commit, Contact, StoreError, Write},
};
use tandem_flow::step::{self, Packs as _, State};

use super::{Cause, TurnError};
use crate::{
    draft,
    engine::{Engine, Site},
    lanes::{Cell, Lane},
    packs::View,
    seal::SealKey,
};

/// The name of a lane's wrapped key, and of its sealed slots, among its secrets.
const KEY: &str = "key";
const SLOTS: &str = "slots";

impl Engine {
    /// Reads the lane, or begins it. None: a timer, an action or a person speaks of a lane that
    /// does not exist.
    pub(super) async fn load(
        &self,
        cell: &Cell,
        site: &Site,
        cause: &Cause,
    ) -> Result<Option<Lane>, TurnError> {
        let store = &self.0.store;
        let Some(row) = store.lane(&cell.workspace, cell.id).await? else {
            let Cause::Inbound { row, .. } = cause else {
                return Ok(None);
            };
            // Nobody begins to talk by changing what was said.
            if matches!(
                row.event.kind,
                InboundKind::Edit | InboundKind::Delete | InboundKind::Reaction { .. }
            ) {
                return Ok(None);
            }
            return Ok(Some(self.begin(cell, site, &row.event).await?));
        };
        let damaged = |what: &str| {
            StoreError::Corrupt(format!("lane {} names a {what} that is not there", row.id))
        };
        let conversation = store
            .conversation(&cell.workspace, row.conversation)
            .await?
            .ok_or_else(|| damaged("conversation"))?;
        let contact = store
            .contact(&cell.workspace, row.contact)
            .await?
            .ok_or_else(|| damaged("contact"))?;
        if row.format > step::STATE_FORMAT {
            return Err(TurnError::State(format!(
                "it has form {}, this version reads up to {}",
                row.format,
                step::STATE_FORMAT
            )));
        }
        let mut state: State =
            serde_json::from_slice(&row.state).map_err(|e| TurnError::State(e.to_string()))?;
        let (key, private) = self.unseal(cell, &mut state, &contact).await?;
        site.packs.ensure(&state.pins()).await?;
        let connected = self.channel(&conversation.account);
        let menu = match connected.is_some_and(|c| !c.reads_transcript) {
            true => self.kept_menu(&cell.workspace, cell.id).await?,
            false => None,
        };
        Ok(Some(Lane {
            menu,
            version: Some(row.version),
            contact,
            contact_is_new: false,
            private,
            conversation,
            state,
            key,
            awaiting: None,
        }))
    }

    /// Opens what is sealed: the lane's slots and the contact's attributes.
    async fn unseal(
        &self,
        cell: &Cell,
        state: &mut State,
        contact: &Contact,
    ) -> Result<(Option<SealKey>, Map), TurnError> {
        let store = &self.0.store;
        let broken = |e: &dyn std::fmt::Display| TurnError::State(e.to_string());
        let mut private = Map::new();
        for (name, sealed) in store
            .secrets(&cell.workspace, &contact.id.to_string())
            .await?
        {
            let plain = self.0.seal.open(&sealed).map_err(|e| broken(&e))?;
            let value = serde_json::from_slice(&plain).map_err(|e| broken(&e))?;
            private.insert(name, value);
        }
        let secrets = store.secrets(&cell.workspace, &cell.id.to_string()).await?;
        let find = |name: &str| secrets.iter().find(|(n, _)| n == name).map(|(_, s)| s);
        let Some(wrapped) = find(KEY) else {
            return Ok((None, private));
        };
        let key = self.0.seal.open(wrapped).map_err(|e| broken(&e))?;
        let key = SealKey::new(&key).map_err(|e| broken(&e))?;
        if let Some(sealed) = find(SLOTS) {
            let plain = key.open(sealed).map_err(|e| broken(&e))?;
            state.set_secrets(serde_json::from_slice(&plain).map_err(|e| broken(&e))?);
        }
        Ok((Some(key), private))
    }

    /// A lane's first conversation, with a contact who may be known from another lane.
    async fn begin(&self, cell: &Cell, site: &Site, event: &Inbound) -> Result<Lane, TurnError> {
        let now = self.now();
        let known = self
            .0
            .store
            .contact_of(&cell.workspace, &event.account, &event.sender.id)
            .await?;
        let contact_is_new = known.is_none();
        let contact =
            known.unwrap_or_else(|| draft::new_contact(&event.account, &event.sender, now));
        let view = site.packs.view();
        let locale = self.locale_of(&view, contact.locale.as_ref(), &event.sender);
        Ok(Lane {
            version: None,
            conversation: Conversation {
                id: ConversationId::fresh(),
                lane: cell.id,
                contact: contact.id,
                channel: event.channel.clone(),
                account: event.account.clone(),
                native: event.conversation.clone(),
                locale,
                status: Status::Pending,
                routing_state: RoutingState::None,
                control: Control::Bot,
                control_epoch: 0,
                session: 1,
                last_seq: 0,
                handoff: None,
                assignee: None,
                tags: Vec::new(),
                outcome: None,
                previous: None,
                created_at: now,
                updated_at: now,
                resolved_at: None,
            },
            contact,
            contact_is_new,
            private: Map::new(),
            state: State::default(),
            menu: None,
            key: None,
            awaiting: None,
        })
    }

    fn locale_of(&self, view: &View, known: Option<&Locale>, sender: &Sender) -> Locale {
        let pack = view.current();
        sender
            .locale
            .as_ref()
            .and_then(|l| l.best(&pack.locales))
            .or_else(|| known.and_then(|l| l.best(&pack.locales)))
            .unwrap_or_else(|| pack.default_locale())
            .clone()
    }

    /// What the inputs of a turn are sealed under: nothing, where nothing sensitive is among them.
    pub(super) fn journal_key(&self, lane: &Lane) -> Option<SealKey> {
        let private = !lane.private.is_empty();
        lane.key
            .clone()
            .or_else(|| private.then(|| self.0.seal.clone()))
    }

    /// Puts sensitive slots under the lane's own key, made with the first of them.
    pub(super) fn seal_slots(&self, cell: &Cell, lane: &mut Lane, commit: &mut Commit) {
        let Some(secrets) = lane.state.changed_secrets() else {
            return;
        };
        let plain = serde_json::to_vec(secrets).unwrap_or_default();
        let owner = cell.id.to_string();
        let key = lane.key.get_or_insert_with(|| {
            let key = SealKey::generate();
            commit.writes.push(Write::SecretPut {
                owner: owner.clone(),
                name: KEY.into(),
                sealed: self.0.seal.seal(key.bytes()),
            });
            key
        });
        commit.writes.push(Write::SecretPut {
            owner,
            name: SLOTS.into(),
            sealed: key.seal(&plain),
        });
    }
}
