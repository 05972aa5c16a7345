//! What the stepper keeps of a conversation between two turns.
//!
//! Plain data in compact JSON, opaque to everyone else. Values of sensitive slots are not in it:
//! they stand in [`State::secrets`], which is not serialised with the rest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use tandem_domain::{Locale, Map, Timestamp, Value, action::ActionError};

use super::{Event, STATE_FORMAT};
use crate::model::StepRef;

/// Buttons remembered, the newest.
pub(crate) const MAX_BUTTONS: usize = 200;
/// Events kept while an action runs.
pub(crate) const MAX_DEFERRED: usize = 50;
/// Answers kept for corrections, in one user's flow.
pub(crate) const MAX_HISTORY: usize = 100;

/// A conversation's flow state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(crate) format: u32,
    /// Turns taken.
    pub(crate) turn: u64,
    /// The last number given to a frame, scope, question or reminder.
    pub(crate) last_id: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) frames: Vec<Frame>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) scopes: BTreeMap<u64, Scope>,
    /// Slots with `keep: conversation`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) conversation: BTreeMap<String, Held>,
    /// Slots with `keep: contact`, as far as this conversation changed them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) contact: BTreeMap<String, Held>,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) buttons: VecDeque<Button>,
    /// Tokens of the last turn that showed buttons, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) shown: Vec<String>,
    /// Where the last of its messages with buttons begins in `shown`.
    pub(crate) shown_last: usize,
    pub(crate) repair: Repair,
    /// Handoff triggers whose condition holds and was acted upon.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) fired: BTreeSet<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) locale: Option<Locale>,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) deferred: VecDeque<Event>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handoff: Option<HandedOff>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) reminders: BTreeMap<u64, Reminder>,
    /// The customer's last sign of life.
    pub(crate) last_at: Timestamp,
    /// A session timer is set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) session_timer: bool,
    /// The conversation's open→resolve cycle the repairs are counted in.
    pub(crate) session: u64,
    /// Flows started by a page in this session.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) pages: BTreeSet<String>,
    /// The customer's last words, unless they held a sensitive value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) said: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) sentiment: f32,
    #[serde(skip)]
    pub(crate) secrets: BTreeMap<String, Value>,
    #[serde(skip)]
    pub(crate) secrets_changed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl Default for State {
    fn default() -> Self {
        Self {
            format: STATE_FORMAT,
            turn: 0,
            last_id: 0,
            frames: Vec::new(),
            scopes: BTreeMap::new(),
            conversation: BTreeMap::new(),
            contact: BTreeMap::new(),
            buttons: VecDeque::new(),
            shown: Vec::new(),
            shown_last: 0,
            repair: Repair::default(),
            fired: BTreeSet::new(),
            locale: None,
            deferred: VecDeque::new(),
            handoff: None,
            reminders: BTreeMap::new(),
            last_at: Timestamp(0),
            session_timer: false,
            session: 0,
            pages: BTreeSet::new(),
            said: String::new(),
            sentiment: 0.0,
            secrets: BTreeMap::new(),
            secrets_changed: false,
        }
    }
}

impl State {
    /// The customer's last words; empty where they held a sensitive value.
    #[must_use]
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Structure hashes of the packs that running frames and reminders are pinned to.
    #[must_use]
    pub fn pins(&self) -> Vec<String> {
        let mut pins: Vec<String> = self
            .frames
            .iter()
            .map(|f| f.pack.clone())
            .chain(self.reminders.values().map(|r| r.pack.clone()))
            .collect();
        pins.sort();
        pins.dedup();
        pins
    }

    /// Values of sensitive slots, by the stepper's own names.
    #[must_use]
    pub fn secrets(&self) -> &BTreeMap<String, Value> {
        &self.secrets
    }

    /// The sensitive values where the last turn changed them; to be sealed and stored apart.
    #[must_use]
    pub fn changed_secrets(&self) -> Option<&BTreeMap<String, Value>> {
        self.secrets_changed.then_some(&self.secrets)
    }

    /// Puts back what [`State::changed_secrets`] gave.
    pub fn set_secrets(&mut self, secrets: BTreeMap<String, Value>) {
        self.secrets = secrets;
    }

    /// Whether a handoff's `after` steps wait for the customer: a resolved conversation then stays
    /// with the bot.
    #[must_use]
    pub fn in_after(&self) -> bool {
        self.frames.iter().any(|f| f.after.is_some())
    }

    /// The label of a button we made, while we remember it.
    #[must_use]
    pub fn label_of(&self, token: &str) -> Option<String> {
        self.buttons
            .iter()
            .rev()
            .find(|b| b.token == token)
            .map(|b| b.label.clone())
    }

    /// What a slot holds in the open flow, the conversation or, as far as this conversation changed
    /// it, the contact.
    #[must_use]
    pub fn slot(&self, pack: &crate::model::Pack, name: &str) -> Option<Value> {
        use crate::model::Keep;
        let slot = pack.slots.get(name)?;
        let scope = self.frames.last().map(|f| f.scope);
        let (held, owner) = match slot.keep {
            Keep::Flow => (
                self.scopes.get(&scope?)?.slots.get(name)?,
                scope?.to_string(),
            ),
            Keep::Conversation => (self.conversation.get(name)?, "conversation".into()),
            Keep::Contact => (self.contact.get(name)?, "contact".into()),
        };
        if held.secret {
            self.secrets.get(&format!("{owner}/{name}")).cloned()
        } else {
            Some(held.value.clone())
        }
    }

    /// A scope of its own with the values of another, sensitive ones included.
    pub(crate) fn copy_scope(&mut self, from: u64, values: Scope) -> u64 {
        let id = self.fresh_id();
        for (name, held) in &values.slots {
            if let (true, Some(value)) = (held.secret, self.secrets.get(&format!("{from}/{name}")))
            {
                let value = value.clone();
                self.secrets.insert(format!("{id}/{name}"), value);
                self.secrets_changed = true;
            }
        }
        self.scopes.insert(id, values);
        id
    }

    /// Whether a question is open.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        matches!(self.frames.last().map(|f| &f.mode), Some(Mode::Ask(_)))
    }

    /// Names of the open flows, the bottom first.
    #[must_use]
    pub fn open_flows(&self) -> Vec<&str> {
        self.frames.iter().map(|f| f.flow.as_str()).collect()
    }

    /// The customer's language, once known.
    #[must_use]
    pub fn locale(&self) -> Option<&Locale> {
        self.locale.as_ref()
    }

    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// How often the bot had to ask again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Repair {
    /// In this session.
    pub count: u32,
    /// At the same question, since the last good answer.
    pub same_step: u32,
}

/// One running flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Frame {
    pub id: u64,
    pub flow: String,
    /// Structure hash of the pack it runs under.
    pub pack: String,
    pub pc: StepRef,
    /// The id of the step at `pc`, for a migration to an edited pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    /// The user's flow it belongs to.
    pub scope: u64,
    /// The block whose end ends the frame.
    #[serde(default, skip_serializing_if = "is_block_zero")]
    pub root: u32,
    pub end: OnEnd,
    pub mode: Mode,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jumps: BTreeMap<String, u32>,
    /// Failed answers by slot or menu.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attempts: BTreeMap<String, u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<FormState>,
    /// It stands in the `after` block of a handoff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
    /// What a pattern may name as `it`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub it: Map,
    /// Something that came while it was not on top: an event waited for, a timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub woken: Option<Woken>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_block_zero(block: &u32) -> bool {
    *block == 0
}

/// What follows the end of a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnEnd {
    /// A user's flow: the one below is taken up again.
    Resume,
    /// Back to the caller.
    Return { save: Option<String> },
    /// Repairs: what is open below is asked again.
    Reask,
    /// What is below goes on as it stands.
    Nothing,
    /// The flow below is taken up again after this.
    Below,
    /// To the people of the default skill.
    Escalate,
    /// The refreshed reminder is said, if still wanted.
    Remind { id: u64 },
    /// The conversation is closed.
    Resolve { outcome: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    Run,
    Ask(Asked),
    Act(Acting),
    /// A `wait` step; the number tells its timer from older ones.
    Wait {
        epoch: u64,
        timed: bool,
    },
    /// A handoff that people have now.
    Handoff {
        epoch: u64,
        timed: bool,
    },
}

/// The open question of a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub what: What,
    /// Tells its timer from older ones.
    pub epoch: u64,
    /// Times the timeout has spoken.
    #[serde(default)]
    pub nudges: u32,
    /// A timeout runs.
    #[serde(default)]
    pub timed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// `field`: which of a form's; none for a plain `collect`.
    Slot {
        slot: String,
        field: Option<u32>,
    },
    Confirm {
        mark: String,
    },
    /// After a "no" at the confirmation.
    Change,
    Menu,
    /// A node of the FAQ tree, and the one the menu was entered at.
    Faq {
        path: String,
        entry: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Acting {
    pub key: String,
    /// `connection.operation` and the like.
    pub what: String,
    pub write: bool,
    /// The result, where it came while people had the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Result<Value, ActionError>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FormState {
    /// The form step.
    pub at: StepRef,
    /// Fields answered in this visit.
    #[serde(default)]
    pub answered: BTreeSet<u32>,
    /// Rules that led elsewhere, with the values they saw.
    #[serde(default)]
    pub judged: BTreeMap<usize, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct After {
    pub block: u32,
    /// Given back to the bot, so the frame goes on.
    pub returned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Woken {
    Event,
    Timeout,
}

/// What one user's flow, called flows included, knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Scope {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub slots: BTreeMap<String, Held>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub skipped: BTreeSet<String>,
    /// Questions in the order they were passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Answered>,
    /// Hidden by a correction until their question comes again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pending: BTreeMap<String, Held>,
    /// Writes done, as `connection.operation`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub committed: Vec<String>,
}

/// A slot's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Null where it is sensitive: the value is among the secrets.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
    /// Its question's rules have not seen it yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
}

/// A question that was passed: where a correction goes back to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub slot: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<u32>,
    /// The customer was asked; false where the slot was filled already.
    pub asked: bool,
    /// The frames of the user's flow as they stood, the bottom first.
    pub frames: Vec<Frame>,
    /// How many writes had been done.
    pub committed: usize,
}

/// A button on its way or at the customer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Button {
    pub token: String,
    pub label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    pub act: Press,
}

/// The place that made a button.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct From {
    pub scope: u64,
    pub frame: u64,
    pub at: StepRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<u32>,
    /// Writes done when it was made.
    pub committed: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Press {
    /// An option of a question for a slot, by its label.
    Option {
        slot: String,
    },
    /// A value for the open question.
    Value {
        value: String,
    },
    /// The summary it stood under has this mark.
    Confirm {
        yes: bool,
        mark: String,
    },
    /// The field to change.
    Change {
        field: u32,
    },
    Menu {
        index: u32,
    },
    Start {
        flow: String,
    },
    Goto {
        label: String,
    },
    Faq {
        path: String,
        entry: String,
    },
    Link {
        url: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HandedOff {
    /// The frame whose step it was; none for a trigger, a cap or a person's own move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<u64>,
    pub since: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reminder {
    pub flow: String,
    pub pack: String,
    pub at: StepRef,
    pub scope: u64,
    /// Came due while people had the conversation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overdue: bool,
}
