//! What a cause writes down by itself, and what the stepper sees of it.

use serde_json::json;
use tandem_channel_kit::MenuOption;
use tandem_domain::{
    Value,
    conversation::{Control, Move, Status},
    message::{Author, Content, InboundKind},
    reading::Reading,
    store::{InboxRow, Visibility},
};
use tandem_flow::step::Event;

use super::{Cause, TurnError};
use crate::{draft::Draft, engine::Engine, fetch, lanes::Lane, packs::View};

/// What the stepper sees of a cause.
#[allow(
    clippy::large_enum_variant,
    reason = "made once a turn and taken apart at once; nearly always the large one"
)]
pub(super) enum Seen {
    Event(Event),
    /// Nothing: it is only written down.
    Written,
    /// Nothing, and nothing is written: the conversation it belongs to has ended.
    Past,
}

impl Engine {
    /// Writes the cause into the draft and says what the stepper sees of it.
    pub(super) fn see(
        &self,
        view: &View,
        draft: &mut Draft,
        lane: &Lane,
        cause: &Cause,
        meant: Option<MenuOption>,
    ) -> Result<Seen, TurnError> {
        Ok(Seen::Event(match cause {
            Cause::Inbound { row, .. } => {
                let event = self.inbound_event(view, draft, lane, row, meant);
                return Ok(event.map_or(Seen::Written, Seen::Event));
            }
            Cause::Timer(row) => Event::Timer {
                key: row.key.clone(),
                payload: row.payload.clone(),
            },
            Cause::ActionDone { row, ran } => {
                if row.conversation != lane.conversation.id {
                    return Ok(Seen::Past);
                }
                Event::ActionDone {
                    key: row.key.clone(),
                    result: ran.result.clone(),
                }
            }
            Cause::Reply {
                by,
                content,
                visibility,
                client_id,
            } => {
                let author = by.author();
                if *visibility != Visibility::Public {
                    draft.line(author, content.clone(), *visibility, client_id.clone());
                    return Ok(Seen::Written);
                }
                let was_bot = lane.conversation.control == Control::Bot;
                if lane.conversation.status == Status::Resolved {
                    draft.advance(Move::Reopen)?;
                }
                draft.advance(Move::PersonReplies)?;
                draft.conversation.assignee = Some(by.id.clone());
                draft.say(author, content.clone(), client_id.clone());
                if !was_bot {
                    return Ok(Seen::Written);
                }
                Event::TakenOver
            }
            Cause::Close {
                by,
                outcome,
                returned,
            } => {
                let what = if *returned {
                    Move::ReturnToBot
                } else {
                    Move::Resolve
                };
                draft.advance(what)?;
                if !returned {
                    draft.conversation.outcome =
                        Some(outcome.clone().unwrap_or_else(|| "resolved".into()));
                }
                tracing::debug!(conversation = %draft.conversation.id, by = %by.id, returned, "A person let go of the conversation.");
                Event::Closed {
                    returned: *returned,
                }
            }
        }))
    }

    fn inbound_event(
        &self,
        view: &View,
        draft: &mut Draft,
        lane: &Lane,
        row: &InboxRow,
        meant: Option<MenuOption>,
    ) -> Option<Event> {
        let event = &row.event;
        let client_id = Some(event.message_id.clone().unwrap_or_else(|| event.id.clone()));
        let reopen = |draft: &mut Draft| {
            if draft.conversation.status == Status::Resolved && !lane.state.in_after() {
                // Resolved conversations can always be reopened.
                let _ = draft.advance(Move::Reopen);
            }
        };
        let speaks = matches!(
            event.kind,
            InboundKind::Message | InboundKind::Action { .. }
        );
        // Following or opening the chat says nothing, and may yet be answered where the platform
        // gives a way to.
        if speaks || event.reply_context.is_some() {
            draft.heard(row);
        }
        match &event.kind {
            InboundKind::Message => {
                reopen(draft);
                let parts = fetch::keep(draft, row);
                let written = Content {
                    parts: parts.clone(),
                    quote: event.quote.clone(),
                    ..Content::default()
                };
                draft.line(Author::Contact, written, Visibility::Public, client_id);
                if let Some(option) = meant {
                    // Words that name a choice are a press of it.
                    return Some(Event::Press {
                        reading: self.read(view, draft, lane, &option.label),
                        token: option.value,
                        label: Some(option.label),
                    });
                }
                Some(Event::Message {
                    id: event.id.clone(),
                    parts,
                    reading: self.read(view, draft, lane, &event.text()),
                })
            }
            InboundKind::Action { value, label } => {
                reopen(draft);
                let (value, label) = match meant {
                    Some(option) => (option.value, Some(option.label)),
                    None => (value.clone(), label.clone()),
                };
                let label = label
                    .or_else(|| lane.state.label_of(&value))
                    .filter(|l| !l.is_empty());
                let shown = label.clone().unwrap_or_else(|| "…".into());
                draft.line(
                    Author::Contact,
                    Content::text(shown),
                    Visibility::Public,
                    client_id,
                );
                let reading = label
                    .as_deref()
                    .map(|l| self.read(view, draft, lane, l))
                    .unwrap_or_default();
                Some(Event::Press {
                    token: value,
                    label,
                    reading,
                })
            }
            InboundKind::System { name, data } if name == "page" => Some(Event::Page {
                url: text(data, "url"),
                seconds: data.get("seconds").and_then(Value::as_u64).unwrap_or(0),
            }),
            InboundKind::System { name, data } if name == "identify" => {
                // Verified by the channel before it came here.
                self.identify(draft, data);
                None
            }
            InboundKind::System { name, .. } if name == "session_ended" => {
                // People at the platform had it, and are done with it.
                let theirs = draft.conversation.control == Control::Human;
                if !theirs || draft.advance(Move::Resolve).is_err() {
                    return None;
                }
                draft.conversation.outcome = Some("resolved".into());
                Some(Event::Closed { returned: false })
            }
            InboundKind::System { name, data } => Some(Event::Signal {
                name: name.clone(),
                data: data.clone(),
            }),
            InboundKind::Edit => {
                draft.event(
                    "message.edited",
                    json!({"message": event.message_id, "text": event.text()}),
                );
                None
            }
            InboundKind::Delete => {
                draft.event("message.deleted", json!({"message": event.message_id}));
                None
            }
            InboundKind::Reaction { emoji } => {
                draft.event(
                    "message.reaction",
                    json!({"message": event.message_id, "emoji": emoji}),
                );
                None
            }
            // They change lines and take no turn.
            InboundKind::Receipt { .. } => None,
        }
    }

    fn read(&self, view: &View, draft: &Draft, lane: &Lane, text: &str) -> Reading {
        let model = &view.current.model;
        model.read_after(text, &draft.conversation.locale, &[lane.state.said()])
    }

    /// What the business says of a visitor who is logged in.
    fn identify(&self, draft: &mut Draft, data: &Value) {
        if let Some(name) = data.get("name").and_then(Value::as_str) {
            draft.contact.name = Some(name.to_owned());
        }
        if let Some(attributes) = data.get("attributes").and_then(Value::as_object) {
            for (name, value) in attributes {
                draft.contact.attributes.insert(name.clone(), value.clone());
            }
        }
        for name in ["email", "external_id"] {
            if let Some(value) = data.get(name).filter(|v| v.is_string()) {
                draft.contact.attributes.insert(name.into(), value.clone());
            }
        }
        draft.contact_is_new();
    }
}

fn text(data: &Value, key: &str) -> String {
    data.get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
