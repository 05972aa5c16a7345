//! The pure stepper: (state, event, now) → (state, effects, trace).
//!
//! It reads no clock, does no I/O and draws no random number. What it needs from outside comes in
//! through [`Turn`] (event, reading, contact, now) and [`Host`] (pure Lua functions, journalled),
//! so that the same inputs give the same bytes on any machine.
//!
//! Where to read: `turn` has the order in which a message is understood, `run` the interpreter
//! with one function a step kind in `kinds/`, `frames` its stack; `question`, `form` and `answer`
//! ask and judge, `correct` and `rewind` go back; `buttons`, `faq`, `handoff`, `timers` and `events` are what
//! their names say; `scope` keeps slots and answers expressions, `say` makes messages, `migrate`
//! takes care of edited flows, and `state` is what is kept.

pub mod cal;
pub(crate) mod commands;

mod answer;
mod buttons;
mod correct;
mod digress;
mod events;
mod faq;
mod form;
mod frames;
mod handoff;
mod kinds;
mod migrate;
mod question;
mod rewind;
mod run;
mod say;
mod scope;
mod state;
mod timers;
mod turn;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tandem_domain::{
    Locale, Map, Timestamp, Value,
    action::{ActionError, Request},
    conversation::{Control, HandoffMode, Priority},
    message::{Content, Part},
    reading::Reading,
};
use tandem_lua::{LuaError, PureResult};

use crate::model::Pack;

pub use state::State;

/// How sure a reading must be. All of them in one place, to be moved together.
pub mod thresholds {
    /// A flow or an FAQ item is meant.
    pub const START: f32 = 0.6;
    /// The same while a question that takes any words is open.
    pub const OVER_FREE_TEXT: f32 = 0.7;
    /// A handoff phrase inside a longer message counts.
    pub const HIGH: f32 = 0.8;
    /// Two candidates at least this likely, and no further apart than [`CLARIFY_GAP`], are asked
    /// about.
    pub const CLARIFY: f32 = 0.3;
    pub const CLARIFY_GAP: f32 = 0.15;
    /// A passage answers a question.
    pub const ANSWER: f32 = 0.5;
}

/// One turn's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    pub state: State,
    pub effects: Vec<Effect>,
    pub trace: Vec<TraceLine>,
    /// What slots held whose flow ended in this turn; for tests, and kept nowhere.
    pub ended: Map,
}

/// Takes one event through the flows. Never panics and always ends: what would run on for ever
/// hits a cap of the pack's `limits` and is handed to people.
#[must_use]
pub fn step(turn: Turn<'_>, state: State) -> Stepped {
    run::Run::new(turn, state).finish()
}

/// The version of [`State`]'s serialised form.
pub const STATE_FORMAT: u32 = 1;

/// The response that is said, where a pack has it, when a trigger or a cap hands over.
pub(crate) const HANDED_OVER: &str = "handed_over";

/// Finds packs by what a frame is pinned to.
pub trait Packs {
    /// The version new flows start in.
    fn current(&self) -> &Arc<Pack>;
    /// The newest version with this structure hash; none when it is gone.
    fn pinned(&self, structure: &str) -> Option<Arc<Pack>>;
}

/// Pure functions outside the stepper. Each call is journalled by its caller.
pub trait Host {
    /// A `prepare` or validator: the value it returns, or its message. The arguments are the value
    /// it judges and a table of what surrounds it, with `locale`.
    fn lua(&mut self, pack: &Pack, module: &str, function: &str, args: &[Value]) -> LuaAnswer;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LuaAnswer {
    /// The first result.
    Value(Value),
    /// `nil, message`: a response's name, a text, or a text per language.
    Refused(Option<Value>),
    /// The script failed or ran out of time.
    Failed(String),
}

impl From<Result<PureResult, LuaError>> for LuaAnswer {
    fn from(result: Result<PureResult, LuaError>) -> Self {
        match result {
            Ok(result) if result.value.is_null() => {
                Self::Refused(Some(result.second).filter(|m| !m.is_null()))
            }
            Ok(result) => Self::Value(result.value),
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

/// One turn's inputs.
pub struct Turn<'a> {
    pub packs: &'a dyn Packs,
    pub host: &'a mut dyn Host,
    pub event: &'a Event,
    pub now: Timestamp,
    pub around: &'a Around,
}

/// What surrounds the conversation: read into `contact`, `conversation`, `channel`, `locale`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Around {
    /// `id`, `name`, `locale` and the attributes the business knows.
    pub contact: Map,
    /// `id`, `channel`, `account`, `tags`, `session`, `started_at`, …
    pub conversation: Map,
    pub channel: String,
    pub control: Control,
    /// What the channel or contact says; the stepper follows the customer's own words from there.
    pub locale: Option<Locale>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Message {
        /// The inbound id; for the trace only.
        id: String,
        parts: Vec<Part>,
        reading: Reading,
    },
    /// A button: `token` is the value we put on it. `reading` is of the label, should the token
    /// mean nothing to us.
    Press {
        token: String,
        label: Option<String>,
        reading: Reading,
    },
    /// An API event, or one of the channel's.
    Signal { name: String, data: Value },
    /// The visitor is on a page of the business's site.
    Page { url: String, seconds: u64 },
    /// A timer set by [`Effect::SetTimer`] is due.
    Timer { key: String, payload: Value },
    /// An [`Effect::Act`] came to its end.
    ActionDone {
        key: String,
        result: Result<Value, ActionError>,
    },
    /// A person took the conversation without the bot asking.
    TakenOver,
    /// A person closed it (`returned`: gave it back to the bot instead).
    Closed { returned: bool },
}

/// What the stepper wants done, in order. All of it commits with the state, or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Say this to the customer. `source` names what it came from, for tests and the trace.
    Say {
        content: Content,
        source: SaySource,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// A line for the people at the desk only.
    Note {
        text: String,
    },
    /// Run this between turns; its end comes back as [`Event::ActionDone`] with this key.
    Act {
        key: String,
        request: Request,
        timeout_ms: u64,
        /// The structure hash of the pack it is made under.
        pack: String,
        write: bool,
        retry: Option<u32>,
        idempotency_key: Option<String>,
        /// The claim that lets a contact have this once.
        once: Option<OnceClaim>,
    },
    /// The result of this action is no longer wanted.
    CancelAct {
        key: String,
    },
    /// Replaces a timer of the same key.
    SetTimer {
        key: String,
        due_at: Timestamp,
        payload: Value,
    },
    CancelTimer {
        key: String,
    },
    /// Hand the conversation to people: `open/queued`, and the bot falls silent. With mode ticket
    /// or callback a ticket is made and the bot stays.
    Handoff {
        skill: String,
        priority: Priority,
        summary: Option<String>,
        tags: Vec<String>,
        mode: HandoffMode,
    },
    Ticket {
        title: String,
        skill: String,
        fields: Map,
        via: Option<String>,
        to: Option<String>,
    },
    Tag {
        word: String,
    },
    /// A slot with `keep: contact`.
    Remember {
        name: String,
        value: Value,
        sensitive: bool,
    },
    /// A flow ended `resolved`.
    Resolve {
        outcome: String,
    },
    /// The conversation's language is now this.
    Locale {
        locale: Locale,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnceClaim {
    pub key: String,
    pub for_ms: u64,
}

/// What a said message stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaySource {
    /// The response's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// The slot or menu it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
    /// The form it asks to confirm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirms: Option<String>,
    /// `flow/block.index` of the step that said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// One decision and its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceLine {
    /// What kind of decision: `match`, `step`, `slot`, `jump`, `digression`, `correction`, …
    pub kind: String,
    pub text: String,
    /// Where in the pack, `flow/block.index`, where it has a place. Coverage counts these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}
