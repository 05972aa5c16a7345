//! A loaded pack. Every name in it resolves: the loader refuses a pack in which one does not.

use std::{collections::BTreeMap, sync::Arc};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tandem_domain::{
    Locale, Map, Text, Value,
    conversation::HandoffMode,
    reading::{Article, TrainingSet},
};

use crate::{
    contract::Contract,
    template::{Expr, Template, Templates},
};

/// Words in every locale that has them; each may hold `{{ }}`.
pub type LocalText = Text<Template>;

#[derive(Debug)]
pub struct Pack {
    pub name: String,
    /// The first is the default.
    pub locales: Vec<Locale>,
    pub zone: jiff::tz::TimeZone,
    pub default_skill: String,
    pub limits: Limits,
    /// What nothing matches is looked up in the articles before the bot says that it cannot help.
    pub answer_unmatched: bool,
    pub slots: IndexMap<String, Slot>,
    pub responses: IndexMap<String, Response>,
    /// The root has no title and no path.
    pub faqs: FaqNode,
    /// The pack's own, then the shipped patterns it does not override.
    pub flows: IndexMap<String, Flow>,
    pub triggers: Vec<Trigger>,
    /// Phrases that none of the pack's targets is meant by.
    pub out_of_scope: Phrases,
    pub connections: IndexMap<String, Connection>,
    /// What the plugins it calls promise, by their names.
    pub contracts: BTreeMap<String, Contract>,
    pub skills: Vec<String>,
    pub hours: IndexMap<String, Hours>,
    pub articles: Vec<Article>,
    pub lua: tandem_lua::Program,
    pub templates: Templates,
    /// Hash of every file.
    pub hash: String,
    /// Hash of everything but texts (responses' and questions' words, titles, labels of buttons,
    /// FAQ answers, articles, translations): what a running frame is pinned to.
    pub structure: String,
    /// path → content, sorted by path: what the store keeps of this version.
    pub files: Vec<(String, String)>,
}

/// Caps that turn a runaway into a handoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Failed answers to one question where it sets no `max_attempts` of its own.
    pub attempts: u32,
    /// Jumps of one `goto` per frame where it sets no `max`.
    pub jumps: u32,
    pub steps_per_turn: u32,
    /// Repairs in a session.
    pub repair: u32,
    /// Minutes without a word until an open flow is dropped by `session_timeout`.
    pub session_minutes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 3,
            jumps: 10,
            steps_per_turn: 200,
            repair: 3,
            session_minutes: 60 * 24,
        }
    }
}

/// Where something stands in a file. Lines and columns count from 1, columns in characters.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Span {
    /// Index into [`Pack::files`]; past its end for what is shipped.
    pub file: u32,
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Debug)]
pub struct Slot {
    pub name: String,
    pub kind: SlotKind,
    /// Encrypted apart, never traced.
    pub sensitive: bool,
    pub keep: Keep,
    /// Filled by this and never by the customer's words.
    pub source: Source,
    /// A Lua function that sees the whole message first.
    pub prepare: Option<Function>,
    /// What it is called when the bot speaks of it.
    pub title: Option<LocalText>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum SlotKind {
    Text {
        pattern: Option<regex::Regex>,
        min_length: Option<usize>,
        max_length: Option<usize>,
    },
    Integer {
        min: Option<i64>,
        max: Option<i64>,
    },
    Number {
        min: Option<f64>,
        max: Option<f64>,
    },
    Boolean,
    Date,
    Time,
    /// A date with a time of day.
    DateTime,
    Email,
    Phone,
    Url,
    /// Value → what it is called, with further words for it.
    Choice {
        options: IndexMap<String, ChoiceOption>,
    },
    File {
        accept: Vec<String>,
        max_mb: Option<f64>,
    },
    Object,
    List,
}

#[derive(Clone, Debug)]
pub struct ChoiceOption {
    pub label: LocalText,
    pub synonyms: Phrases,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    #[default]
    Flow,
    Conversation,
    Contact,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    #[default]
    Customer,
    Http,
    Lua,
    Plugin,
}

/// `module.function` of the pack's Lua.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub module: String,
    pub name: String,
}

/// Examples by locale; `None` trains every locale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrases(pub BTreeMap<Option<Locale>, Vec<(String, Span)>>);

/// The first variation whose condition holds is said.
#[derive(Clone, Debug)]
pub struct Response {
    pub variations: Vec<Variation>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Variation {
    pub cond: Option<Expr>,
    pub message: Message,
}

#[derive(Clone, Debug, Default)]
pub struct Message {
    pub text: Option<LocalText>,
    pub buttons: Vec<Button>,
    pub cards: Vec<Card>,
    pub image: Option<Media>,
    pub file: Option<Media>,
}

#[derive(Clone, Debug)]
pub struct Button {
    pub label: LocalText,
    pub action: ButtonAction,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum ButtonAction {
    /// As if the customer had given this value to the open question.
    Value(Template),
    Start(String),
    /// A step of the same flow.
    Goto(String),
    Url(Template),
}

#[derive(Clone, Debug)]
pub struct Card {
    pub title: LocalText,
    pub text: Option<LocalText>,
    pub image: Option<Template>,
    pub url: Option<Template>,
    pub buttons: Vec<Button>,
}

#[derive(Clone, Debug)]
pub struct Media {
    pub url: Template,
    pub alt: Option<LocalText>,
    pub name: Option<LocalText>,
}

/// What a step says: a response by name, or words of its own.
#[derive(Clone, Debug)]
pub enum Say {
    Response(String),
    Inline(Arc<Response>),
}

#[derive(Clone, Debug, Default)]
pub struct FaqNode {
    /// Dotted, `delivery.cost`.
    pub path: String,
    pub title: LocalText,
    pub phrases: Phrases,
    pub answer: Option<Say>,
    pub start: Option<String>,
    pub items: Vec<FaqNode>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Flow {
    pub name: String,
    pub title: Option<LocalText>,
    pub callable_only: bool,
    pub start_when: StartWhen,
    /// Block 0 is the flow's own steps; the others hang under a step.
    pub blocks: Vec<Block>,
    /// `id` → place.
    pub ids: BTreeMap<String, StepRef>,
    /// A shipped pattern, or the pack's override of one.
    pub pattern: bool,
    pub span: Span,
}

impl Flow {
    #[must_use]
    pub fn step(&self, at: StepRef) -> Option<&Step> {
        self.blocks
            .get(at.block as usize)?
            .steps
            .get(at.index as usize)
    }
}

#[derive(Clone, Debug, Default)]
pub struct StartWhen {
    pub phrases: Phrases,
    pub event: Option<String>,
    pub page: Option<PageTrigger>,
    /// `image`, `audio`, `video`, `file`.
    pub media: Option<String>,
}

#[derive(Clone, Debug)]
pub struct PageTrigger {
    /// A glob over path and query: `/cart*`.
    pub url: String,
    /// Time on the page.
    pub after: Option<Duration>,
}

/// A list of steps. The program counter of a frame is a [`StepRef`], so nothing but it has to be
/// remembered: where a block ends, `parent` and `then` say where to go on.
#[derive(Clone, Debug)]
pub struct Block {
    pub steps: Vec<Step>,
    /// The step it hangs under; none for block 0.
    pub parent: Option<StepRef>,
    pub then: AfterBlock,
    /// The key it stands under: `then`, `else`, `on_error.404`, `after`; `steps` for block 0.
    pub label: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterBlock {
    /// With the step after the parent.
    Next,
    /// With the parent again: a form goes on after one field gave up.
    Parent,
}

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct StepRef {
    pub block: u32,
    pub index: u32,
}

pub type BlockId = u32;

#[derive(Clone, Debug)]
pub struct Step {
    pub id: Option<String>,
    /// `if` beside another kind: the step is skipped where it does not hold.
    pub cond: Option<Expr>,
    pub kind: StepKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum StepKind {
    Say(SayStep),
    Collect(Box<Collect>),
    Form(Box<Form>),
    Menu(Menu),
    /// Opens the FAQ menu at a node; the empty path is the root.
    Faq {
        path: String,
    },
    If {
        cond: Expr,
        then: BlockId,
        otherwise: Option<BlockId>,
    },
    Switch {
        on: Expr,
        cases: Vec<(Value, BlockId)>,
        otherwise: Option<BlockId>,
    },
    Set {
        values: Vec<(String, Arg)>,
    },
    Goto {
        label: String,
        target: StepRef,
        max: Option<u32>,
        otherwise: Option<BlockId>,
    },
    Call {
        flow: String,
        with: Args,
        save: Option<String>,
    },
    Link {
        flow: String,
        with: Args,
    },
    Http(Box<HttpStep>),
    Lua(Box<LuaStep>),
    Plugin(Box<PluginStep>),
    Answer(AnswerStep),
    Handoff(Box<HandoffStep>),
    Ticket(Box<TicketStep>),
    Wait {
        span: Option<Duration>,
        event: Option<String>,
        on_timeout: Option<BlockId>,
    },
    Remind(Box<RemindStep>),
    Tag {
        words: Vec<String>,
    },
    End {
        outcome: String,
    },
}

impl StepKind {
    /// Its kind key as written.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Say(_) => "say",
            Self::Collect(_) => "collect",
            Self::Form(_) => "form",
            Self::Menu(_) => "menu",
            Self::Faq { .. } => "faq",
            Self::If { .. } => "if",
            Self::Switch { .. } => "switch",
            Self::Set { .. } => "set",
            Self::Goto { .. } => "goto",
            Self::Call { .. } => "call",
            Self::Link { .. } => "link",
            Self::Http(_) => "http",
            Self::Lua(_) => "lua",
            Self::Plugin(_) => "plugin",
            Self::Answer(_) => "answer",
            Self::Handoff(_) => "handoff",
            Self::Ticket(_) => "ticket",
            Self::Wait { .. } => "wait",
            Self::Remind(_) => "remind",
            Self::Tag { .. } => "tag",
            Self::End { .. } => "end",
        }
    }
}

/// Named arguments, in the order written.
pub type Args = Vec<(String, Arg)>;

/// A value in `with` or `set`. A text that is one single `{{ }}` keeps its type.
#[derive(Clone, Debug)]
pub enum Arg {
    /// A scalar as written: its source text decides by the slot's type (`007` stays text on a
    /// text slot), and `value` is its YAML 1.2 core meaning for free maps.
    Literal {
        source: String,
        value: Value,
    },
    Template(Template),
    List(Vec<Arg>),
    Map(Vec<(String, Arg)>),
}

#[derive(Clone, Debug)]
pub struct SayStep {
    pub say: Say,
    /// Another channel of the business.
    pub via: Option<String>,
    pub to: Option<Template>,
}

#[derive(Clone, Debug)]
pub struct Collect {
    pub slot: String,
    pub ask: Option<Say>,
    pub options_from: Option<Expr>,
    /// How one of the options reads; `it` is the option.
    pub label: Option<LocalText>,
    pub validate: Vec<Rule>,
    pub max_attempts: Option<u32>,
    pub on_give_up: Option<BlockId>,
    pub optional: bool,
    pub always_ask: bool,
    /// False: only cancel and handoff interrupt.
    pub digressions: bool,
    pub timeout: Option<Timeout>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub check: RuleCheck,
    pub say: Option<Say>,
    pub then: Option<BlockId>,
    /// The slots a `must` names: it is judged as soon as all of them are filled.
    pub names: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum RuleCheck {
    Must(Expr),
    Lua(Function),
}

#[derive(Clone, Debug)]
pub struct Timeout {
    pub after: Duration,
    pub say: Option<Say>,
    pub times: u32,
    pub then: Option<BlockId>,
}

#[derive(Clone, Debug)]
pub struct Form {
    pub name: String,
    pub fields: Vec<Field>,
    pub validate: Vec<Rule>,
    pub confirm: Option<Say>,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub id: Option<String>,
    pub cond: Option<Expr>,
    pub collect: Collect,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Menu {
    pub name: String,
    pub ask: Option<Say>,
    pub options: Vec<MenuOption>,
    pub otherwise: Option<BlockId>,
}

#[derive(Clone, Debug)]
pub struct MenuOption {
    pub label: LocalText,
    pub phrases: Phrases,
    pub then: Option<BlockId>,
    pub cond: Option<Expr>,
}

#[derive(Clone, Debug)]
pub struct HttpStep {
    pub connection: String,
    pub operation: String,
    pub with: Args,
    pub save: Option<String>,
    pub write: bool,
    /// Expressions whose values make the key of 'once per contact'.
    pub once_per: Vec<Expr>,
    /// Default 30 days.
    pub once_for: Option<Duration>,
    pub retry: Option<u32>,
    pub timeout: Option<Duration>,
    pub on_error: Vec<(ErrorKey, BlockId)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKey {
    /// An HTTP status (`404`), a code of [`tandem_domain::action::ActionError`], or a plugin's own.
    Code(String),
    Other,
}

#[derive(Clone, Debug)]
pub struct LuaStep {
    pub function: Function,
    pub with: Args,
    pub save: Option<String>,
    pub timeout: Option<Duration>,
    pub on_error: Option<BlockId>,
}

#[derive(Clone, Debug)]
pub struct PluginStep {
    pub plugin: String,
    pub method: String,
    pub with: Args,
    pub save: Option<String>,
    pub write: bool,
    /// Expressions whose values make the key of 'once per contact'.
    pub once_per: Vec<Expr>,
    /// Default 30 days.
    pub once_for: Option<Duration>,
    pub retry: Option<u32>,
    /// The contract's where absent.
    pub timeout: Option<Duration>,
    pub on_error: Vec<(ErrorKey, BlockId)>,
}

#[derive(Clone, Debug)]
pub struct AnswerStep {
    /// What to look up; the customer's last message where absent.
    pub query: Option<Template>,
    pub tags: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct HandoffStep {
    pub skill: String,
    pub priority: Option<Template>,
    pub summary: Option<LocalText>,
    pub tags: Vec<String>,
    pub mode: HandoffMode,
    pub hours: Option<String>,
    pub when_closed: Option<BlockId>,
    pub max_wait: Option<Duration>,
    pub on_timeout: Option<BlockId>,
    pub after: Option<BlockId>,
}

#[derive(Clone, Debug)]
pub struct TicketStep {
    pub title: LocalText,
    pub fields: Args,
    pub skill: Option<String>,
    pub via: Option<String>,
    pub to: Option<Template>,
}

#[derive(Clone, Debug)]
pub struct RemindStep {
    pub say: Say,
    pub when: RemindWhen,
    pub refresh: Option<BlockId>,
    pub unless: Option<Expr>,
    /// No reminder between these times of day; it waits for the end.
    pub quiet_hours: Option<(jiff::civil::Time, jiff::civil::Time)>,
    pub via: Option<String>,
    pub to: Option<Template>,
}

#[derive(Clone, Debug)]
pub enum RemindWhen {
    After(Duration),
    At(Template),
}

#[derive(Clone, Debug)]
pub struct Trigger {
    pub phrases: Phrases,
    /// The phrases of all locales as messages are compared with them.
    pub folded: std::collections::BTreeSet<String>,
    pub cond: Option<Expr>,
    pub skill: String,
    /// A word, or a template that gives one.
    pub priority: Option<Template>,
    /// Of `desk.yaml`: outside them it leaves a ticket.
    pub hours: Option<String>,
    pub span: Span,
}

/// `7d`, `10m`, `1h30m`. Days (and weeks) keep the wall clock; the rest is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duration {
    pub days: u32,
    pub ms: u64,
}

impl std::str::FromStr for Duration {
    type Err = BadDuration;
    fn from_str(text: &str) -> Result<Self, BadDuration> {
        crate::load::build::duration(text).ok_or(BadDuration)
    }
}

/// Not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a duration is written as 30s, 10m, 2h, 7d or 1h30m")]
pub struct BadDuration;

#[derive(Clone, Debug)]
pub struct Connection {
    pub name: String,
    /// As written, or from the environment by `base_url_env`.
    pub base_url: String,
    pub base_url_env: Option<String>,
    pub hosts: Vec<String>,
    pub auth: Auth,
    pub timeout: Option<Duration>,
    pub headers: Vec<(String, String)>,
    pub operations: IndexMap<String, Operation>,
    pub span: Span,
}

/// Credentials by the name of an environment variable; a literal one is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    None,
    Bearer {
        token_env: String,
    },
    Basic {
        user_env: String,
        password_env: String,
    },
    Header {
        name: String,
        value_env: String,
    },
}

#[derive(Clone, Debug)]
pub struct Operation {
    pub method: String,
    pub path: String,
    /// Field → type: with it, a misspelt field is found by `check`.
    pub returns: Option<IndexMap<String, String>>,
    /// The header an idempotency key goes in; `Idempotency-Key` by default.
    pub idempotency_header: Option<String>,
    pub timeout: Option<Duration>,
    pub retry: Option<u32>,
    pub span: Span,
}

/// Opening hours by day, Monday first; a day left out is closed.
#[derive(Clone, Debug, Default)]
pub struct Hours {
    pub days: [Vec<(jiff::civil::Time, jiff::civil::Time)>; 7],
    /// Closed all day.
    pub holidays: Vec<jiff::civil::Date>,
}

impl Pack {
    /// What understanding learns from this pack.
    #[must_use]
    pub fn training_set(&self) -> TrainingSet {
        crate::train::training_set(self)
    }

    #[must_use]
    pub fn default_locale(&self) -> &Locale {
        &self.locales[0]
    }
}

/// The `contact` of an expression and of a journal: attributes plus `id`, `name`, `locale`.
pub type ContactView = Map;
