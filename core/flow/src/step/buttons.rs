//! Buttons: what each one means, however old it is.
//!
//! A token is a short name for (place, version, question, option), kept in the state. The same
//! meaning keeps its token when it is shown again, so the table grows with what was offered and
//! not with how often.

use super::{
    Effect,
    correct::Change,
    run::Run,
    say::{Draft, Sending},
    scope::Place,
    state::{Button, Frame, From, Mode, Press, What},
};
use crate::value::{choice, normal::fold};
use serde_json::Map;
use tandem_domain::Value;

/// What was there before a press took away what lies above its flow.
pub(super) struct Uncovered {
    frames: Vec<Frame>,
    effects: usize,
}

impl Run<'_> {
    /// The token of a button with this meaning.
    pub fn token(&mut self, place: &Place, label: &str, act: &Press) -> String {
        let free = matches!(
            act,
            Press::Start { .. } | Press::Faq { .. } | Press::Link { .. }
        );
        let from = match (free, place.frame, place.scope) {
            (false, Some(frame), Some(scope)) => Some(From {
                scope,
                frame,
                at: place.at,
                field: self.asked_field(frame),
                committed: self.committed(scope),
            }),
            _ => None,
        };
        if let Some(known) = self
            .state
            .buttons
            .iter()
            .position(|b| b.label == label && b.act == *act && b.from == from)
            && let Some(button) = self.state.buttons.remove(known)
        {
            // Shown again is young again.
            let token = button.token.clone();
            self.state.buttons.push_back(button);
            return token;
        }
        self.ordinal += 1;
        // The conversation's mark keeps tokens of an earlier conversation of the lane apart.
        let conversation = self
            .around
            .conversation
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or("");
        let mark = blake3::hash(conversation.as_bytes()).to_hex();
        let token = format!("{:x}.{:x}.{}", self.state.turn, self.ordinal, &mark[..6]);
        self.state.buttons.push_back(Button {
            token: token.clone(),
            label: label.to_owned(),
            from,
            act: act.clone(),
        });
        token
    }

    fn asked_field(&self, frame: u64) -> Option<u32> {
        let frame = self.state.frames.iter().find(|f| f.id == frame)?;
        match &frame.mode {
            Mode::Ask(asked) => match &asked.what {
                What::Slot { field, .. } => *field,
                _ => None,
            },
            _ => None,
        }
    }

    pub fn remember_shown(&mut self, tokens: &[String]) {
        if !self.shown_this_turn {
            self.state.shown.clear();
            self.shown_this_turn = true;
        }
        self.state.shown_last = self.state.shown.len();
        self.state.shown.extend(tokens.iter().cloned());
    }

    /// The button whose exact label the customer typed: of the open question, else of what was
    /// said last.
    pub fn typed_label(&self, message: &str) -> Option<String> {
        let said = fold(message);
        if said.is_empty() {
            return None;
        }
        let named = |b: &&Button| fold(&b.label) == said;
        if let Some(frame) = self.state.frames.last()
            && matches!(frame.mode, Mode::Ask(_))
            && let Some(found) = self
                .state
                .buttons
                .iter()
                .rev()
                .filter(|b| self.belongs_to_open(b))
                .find(named)
        {
            return Some(found.token.clone());
        }
        self.state
            .shown
            .iter()
            .filter_map(|token| self.state.buttons.iter().find(|b| b.token == *token))
            .find(named)
            .map(|b| b.token.clone())
    }

    /// The open question is the one that followed the message at this place.
    fn asks_right_after(&self, from: &From) -> bool {
        self.state
            .frames
            .last()
            .is_some_and(|f| f.id == from.frame && f.pc.block == from.at.block && f.pc > from.at)
    }

    fn belongs_to_open(&self, button: &Button) -> bool {
        let (Some(frame), Some(from)) = (self.state.frames.last(), &button.from) else {
            return false;
        };
        from.frame == frame.id
            && from.at == frame.pc
            && from.field == self.asked_field(frame.id)
            && self.state.shown.contains(&button.token)
    }

    /// The button of the last message with buttons that the customer typed the number of.
    pub fn typed_number(&self, message: &str) -> Option<String> {
        let last = self.state.shown.get(self.state.shown_last..)?;
        let index = choice::position(message, last.len())?;
        last.get(index).cloned()
    }

    /// The last message's buttons are those of the open question.
    pub fn question_has_buttons(&self) -> bool {
        self.state
            .shown
            .get(self.state.shown_last..)
            .and_then(|s| s.first())
            .and_then(|token| self.state.buttons.iter().find(|b| b.token == *token))
            .is_some_and(|b| self.belongs_to_open(b))
    }

    /// A press. Never read as text: it means what it meant when it was shown, or nothing any more.
    pub fn press(&mut self, token: &str) {
        let Some(button) = self
            .state
            .buttons
            .iter()
            .find(|b| b.token == token)
            .cloned()
        else {
            self.expired("this button is not known, or too old");
            return;
        };
        self.note("button", &format!("{:?} pressed", button.label));
        self.uncovered = None;
        match (&button.act, &button.from) {
            (Press::Start { flow }, _) => {
                self.start_flow(&flow.clone(), "a button");
            }
            (Press::Faq { path, entry }, _) => self.faq_pressed(path, entry),
            (Press::Link { url }, _) => {
                let place = self.outside();
                self.send(&place, Draft::text(url.clone()), Sending::default());
                self.ask_again();
            }
            (_, Some(from)) => self.press_in_place(&button, from),
            (_, None) => self.expired("it belongs to nothing that is open"),
        }
    }

    fn press_in_place(&mut self, button: &Button, from: &From) {
        if !self.state.frames.iter().any(|f| f.scope == from.scope) {
            self.expired("the flow it belongs to is over");
            return;
        }
        if self.committed(from.scope) != from.committed {
            self.expired("the flow has acted since");
            return;
        }
        if self
            .state
            .frames
            .last()
            .is_none_or(|f| f.scope != from.scope)
        {
            // What lies on top is left for what the customer went back to.
            self.note("button", "its flow lies under another one, which ends");
            self.uncover(from.scope);
        }
        let open_here = self.state.frames.last().is_some_and(|f| {
            f.id == from.frame && f.pc == from.at && matches!(f.mode, Mode::Ask(_))
        });
        match &button.act {
            Press::Option { slot } => {
                let same = open_here
                    && self
                        .open_slot()
                        .is_some_and(|(open, field)| open == *slot && field == from.field);
                if same {
                    self.answer_with_label(&button.label);
                } else {
                    self.correct_by_button(slot, from, Change::Label(button.label.clone()));
                }
            }
            Press::Value { value } => match self.open_slot() {
                Some(_)
                    if open_here
                        || self.slot_after(from).is_none() && self.asks_right_after(from) =>
                {
                    self.answer_with_value(value);
                }
                _ => match self.slot_after(from) {
                    Some(slot) => self.correct_by_button(&slot, from, Change::Value(value.clone())),
                    None => self.expired("no question is open for its value"),
                },
            },
            Press::Confirm { yes, mark } => {
                let current = matches!(self.asked().map(|a| &a.what), Some(What::Confirm { mark: now }) if now == mark);
                if open_here && current {
                    self.confirmed(*yes);
                } else {
                    self.expired("the summary it stood under has changed");
                }
            }
            Press::Change { field } if open_here => self.change_field(*field),
            Press::Menu { index } if open_here => self.menu_chosen(*index),
            Press::Menu { index } => self.menu_again(from, *index),
            Press::Goto { label } => self.goto_pressed(from, label),
            _ => self.expired("its question is no longer open"),
        }
    }

    /// "That choice has expired", and what is open once more.
    pub fn expired(&mut self, why: &str) {
        self.note("button", &format!("expired: {why}"));
        if let Some(before) = self.uncovered.take() {
            // A press that does nothing ends nothing.
            self.note("button", "what lay above its flow stays");
            self.state.frames = before.frames;
            self.effects.truncate(before.effects);
        }
        self.builtin("expired", Map::new());
        self.ask_again();
    }

    /// Ends whatever lies above a user's flow.
    fn uncover(&mut self, scope: u64) {
        let Some(last) = self.state.frames.iter().rposition(|f| f.scope == scope) else {
            return;
        };
        self.uncovered = Some(Uncovered {
            frames: self.state.frames.clone(),
            effects: self.effects.len(),
        });
        let above: Vec<u64> = self.state.frames[last + 1..].iter().map(|f| f.id).collect();
        self.drop_frames(|f| above.contains(&f.id));
    }

    /// A `goto` button jumps within its flow.
    fn goto_pressed(&mut self, from: &From, label: &str) {
        let Some(at) = self.state.frames.iter().position(|f| f.id == from.frame) else {
            self.expired("its flow is over");
            return;
        };
        let (name, hash) = (
            self.state.frames[at].flow.clone(),
            self.state.frames[at].pack.clone(),
        );
        let pack = self.pack(&hash);
        let Some(target) = pack
            .flows
            .get(&name)
            .and_then(|f| f.ids.get(label))
            .copied()
        else {
            self.expired("its step is gone");
            return;
        };
        let above: Vec<u64> = self.state.frames[at + 1..].iter().map(|f| f.id).collect();
        self.drop_frames(|f| above.contains(&f.id));
        self.quiet_question();
        if let Some(frame) = self.state.frames.last_mut() {
            frame.pc = target;
            frame.mode = Mode::Run;
            frame.form = None;
        }
        self.note("jump", &format!("to {label}, by a button"));
    }

    /// Messages to the people who have the conversation, for a press that we answer nothing to.
    pub fn tell_agent(&mut self, label: &str) {
        self.note(
            "handoff",
            "people have the conversation: the button reaches them as text",
        );
        self.effects.push(Effect::Note {
            text: label.to_owned(),
        });
    }

    /// The slot and field of the open question.
    pub fn open_slot(&self) -> Option<(String, Option<u32>)> {
        match &self.asked()?.what {
            What::Slot { slot, field } => Some((slot.clone(), *field)),
            _ => None,
        }
    }

    pub fn value_text(value: &Value) -> String {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    }
}
