//! A conversation without a server: one customer, one bot, one agent, a clock.
//!
//! It keeps what the engine keeps (control, timers, claims of 'once per contact', who said what)
//! and does what effects say, so that the stepper is driven exactly as it is in production.

use std::{collections::BTreeMap, sync::Arc};

use tandem_domain::{
    Locale, Map, Timestamp, Value,
    action::{ActionError, Request},
    conversation::{Control, HandoffMode},
    message::{Media, MediaKind, Part},
    reading::{Reading, Understanding},
};

pub use super::output::{Actions, Called, Clock, Handed, Moment, Output, Said, Setup};
use crate::{
    model::{Duration, Pack},
    step::{self, Around, Effect, Event, Host, LuaAnswer, Packs, State, TraceLine, Turn, cal},
};

/// Local answers in one turn.
const MAX_ROUNDS: usize = 200;
/// Timers fired in one go.
const MAX_TIMERS: usize = 1_000;

struct OnePack {
    current: Arc<Pack>,
    older: Vec<Arc<Pack>>,
}

impl Packs for OnePack {
    fn current(&self) -> &Arc<Pack> {
        &self.current
    }

    fn pinned(&self, structure: &str) -> Option<Arc<Pack>> {
        std::iter::once(&self.current)
            .chain(&self.older)
            .find(|p| p.structure == structure)
            .cloned()
    }
}

/// Pure Lua of the pack, one state a turn.
struct PureLua {
    now: Timestamp,
    session: Option<(String, tandem_lua::Session)>,
}

impl Host for PureLua {
    fn lua(&mut self, pack: &Pack, module: &str, function: &str, args: &[Value]) -> LuaAnswer {
        if self
            .session
            .as_ref()
            .is_none_or(|(hash, _)| *hash != pack.hash)
        {
            let limits = tandem_lua::Limits::pure();
            let session = tandem_lua::Session::new(&pack.lua, limits, self.now, 0);
            self.session = Some((pack.hash.clone(), session));
        }
        let Some((_, session)) = &mut self.session else {
            return LuaAnswer::Failed("no Lua state could be made".into());
        };
        session.call(module, function, args).into()
    }
}

struct Timer {
    due_at: Timestamp,
    payload: Value,
    /// Set earlier fires earlier.
    order: u64,
}

/// A running conversation.
pub struct Simulator {
    packs: OnePack,
    model: Arc<dyn Understanding>,
    actions: Box<dyn Actions>,
    clock: Clock,
    state: State,
    around: Around,
    timers: BTreeMap<String, Timer>,
    order: u64,
    seen: Vec<String>,
    said: Vec<Said>,
    called: Vec<Called>,
    once: BTreeMap<String, (Timestamp, Value)>,
    trace: Vec<TraceLine>,
    turn_trace: usize,
    slots: Map,
    last_handoff: Option<Handed>,
    resolved: bool,
    messages: u64,
}

impl Simulator {
    #[must_use]
    pub fn new(
        pack: Arc<Pack>,
        model: Arc<dyn Understanding>,
        actions: Box<dyn Actions>,
        setup: Setup,
    ) -> Self {
        let mut contact = setup.contact;
        contact
            .entry("id")
            .or_insert_with(|| Value::from("contact-1"));
        let locale = setup
            .locale
            .unwrap_or_else(|| pack.default_locale().clone());
        contact
            .entry("locale")
            .or_insert_with(|| Value::from(locale.as_str()));
        let mut conversation = Map::new();
        conversation.insert("id".into(), Value::from("conversation-1"));
        conversation.insert("session".into(), Value::from(1));
        Self {
            packs: OnePack {
                current: pack,
                older: Vec::new(),
            },
            model,
            actions,
            clock: setup.clock,
            state: State::default(),
            around: Around {
                contact,
                conversation,
                channel: setup.channel,
                control: Control::Bot,
                locale: Some(locale),
            },
            timers: BTreeMap::new(),
            order: 0,
            seen: Vec::new(),
            said: Vec::new(),
            called: Vec::new(),
            once: BTreeMap::new(),
            trace: Vec::new(),
            turn_trace: 0,
            slots: Map::new(),
            last_handoff: None,
            resolved: false,
            messages: 0,
        }
    }

    /// Another version of the pack. Running frames keep theirs, unless `forget` says that it is
    /// gone.
    pub fn swap(&mut self, pack: Arc<Pack>, model: Arc<dyn Understanding>, forget: bool) {
        let old = std::mem::replace(&mut self.packs.current, pack);
        self.model = model;
        if forget {
            self.packs.older.clear();
        } else {
            self.packs.older.push(old);
        }
    }

    /// The customer writes. A message with an id that was seen before is a duplicate and does
    /// nothing.
    pub fn say(&mut self, text: &str, id: Option<&str>) -> Vec<Output> {
        let previous = [self.state.said()];
        let reading = self.model.read_after(text, &self.locale(), &previous);
        self.message(vec![Part::text(text)], reading, id)
    }

    /// The customer sends a file.
    pub fn upload(&mut self, name: &str, mime: &str, bytes: u64) -> Vec<Output> {
        let media = Media {
            media: MediaKind::of_mime(mime),
            reference: format!("file:{}", self.messages + 1),
            mime: mime.to_owned(),
            name: Some(name.to_owned()),
            size: Some(bytes),
            alt: None,
        };
        self.message(vec![Part::Media(media)], Reading::default(), None)
    }

    fn message(&mut self, parts: Vec<Part>, reading: Reading, id: Option<&str>) -> Vec<Output> {
        self.messages += 1;
        let id = id.map_or_else(|| format!("message-{}", self.messages), str::to_owned);
        if self.seen.contains(&id) {
            self.turn_trace = self.trace.len();
            self.trace
                .push(line("dedupe", "this message was delivered before"));
            return Vec::new();
        }
        self.seen.push(id.clone());
        self.reopen();
        self.turn(Event::Message { id, parts, reading })
    }

    /// The customer presses the newest button of this label. None where no message has one.
    pub fn press(&mut self, label: &str) -> Option<Vec<Output>> {
        let choice = self
            .said
            .iter()
            .rev()
            .flat_map(|s| {
                let cards = s.content.parts.iter().filter_map(|p| match p {
                    Part::Card(card) => Some(card.choices.iter()),
                    _ => None,
                });
                s.content
                    .choices
                    .iter()
                    .chain(cards.flatten())
                    .collect::<Vec<_>>()
            })
            .find(|c| c.label == label)?
            .clone();
        self.reopen();
        if choice.url.is_some() {
            // A link opens in the browser; the bot learns nothing of it.
            self.turn_trace = self.trace.len();
            return Some(Vec::new());
        }
        let reading = self.model.read(label, &self.locale());
        Some(self.turn(Event::Press {
            token: choice.value,
            label: Some(choice.label),
            reading,
        }))
    }

    /// An API event arrives.
    pub fn event(&mut self, name: &str, data: Value) -> Vec<Output> {
        self.turn(Event::Signal {
            name: name.to_owned(),
            data,
        })
    }

    /// The visitor is on a page, for so many seconds now.
    pub fn page(&mut self, url: &str, seconds: u64) -> Vec<Output> {
        self.turn(Event::Page {
            url: url.to_owned(),
            seconds,
        })
    }

    /// The clock moves on; timers that come due fire in order.
    pub fn advance(&mut self, span: Duration) -> Vec<Output> {
        let zone = self.packs.current.zone.clone();
        let until = cal::add(self.now(), span, &zone);
        let outputs = self.fire_until(until);
        if let Clock::Virtual(now) = &mut self.clock {
            *now = until;
        }
        outputs
    }

    /// Fires what is due by the clock.
    pub fn due(&mut self) -> Vec<Output> {
        let now = self.now();
        self.fire_until(now)
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.values().map(|t| t.due_at).min()
    }

    fn fire_until(&mut self, until: Timestamp) -> Vec<Output> {
        let begin = self.trace.len();
        let mut outputs = Vec::new();
        for _ in 0..MAX_TIMERS {
            let Some(key) = self
                .timers
                .iter()
                .filter(|(_, t)| t.due_at <= until)
                .min_by_key(|(_, t)| (t.due_at, t.order))
                .map(|(key, _)| key.clone())
            else {
                break;
            };
            let Some(timer) = self.timers.remove(&key) else {
                break;
            };
            if let Clock::Virtual(now) = &mut self.clock {
                *now = (*now).max(timer.due_at);
            }
            outputs.extend(self.turn(Event::Timer {
                key,
                payload: timer.payload,
            }));
        }
        self.turn_trace = begin;
        outputs
    }

    /// A person writes to the customer, taking the conversation if the bot has it.
    pub fn agent_says(&mut self, _text: &str) -> Vec<Output> {
        let had = self.around.control == Control::Bot;
        self.around.control = Control::Human;
        self.routing("assigned");
        self.resolved = false;
        if had {
            self.turn(Event::TakenOver)
        } else {
            Vec::new()
        }
    }

    /// A person closes the conversation, or gives it back to the bot.
    pub fn agent_closes(&mut self, returned: bool) -> Vec<Output> {
        self.around.control = Control::Bot;
        self.routing("none");
        self.resolved = !returned;
        self.turn(Event::Closed { returned })
    }

    fn routing(&mut self, state: &str) {
        self.around
            .conversation
            .insert("routing_state".into(), Value::from(state));
    }

    /// A resolved conversation goes on in a new session when the customer writes.
    fn reopen(&mut self) {
        if self.resolved && !self.state.in_after() {
            self.resolved = false;
            let session = self
                .around
                .conversation
                .get("session")
                .and_then(Value::as_u64)
                .unwrap_or(1);
            self.around
                .conversation
                .insert("session".into(), Value::from(session + 1));
        }
    }

    fn turn(&mut self, event: Event) -> Vec<Output> {
        self.turn_trace = self.trace.len();
        let mut outputs = Vec::new();
        let mut queue = std::collections::VecDeque::from([event]);
        for _ in 0..MAX_ROUNDS {
            let Some(event) = queue.pop_front() else {
                break;
            };
            let now = self.now();
            let mut host = PureLua { now, session: None };
            let state = std::mem::take(&mut self.state);
            let stepped = step::step(
                Turn {
                    packs: &self.packs,
                    host: &mut host,
                    event: &event,
                    now,
                    around: &self.around,
                },
                state,
            );
            self.state = stepped.state;
            self.trace.extend(stepped.trace);
            for (name, value) in stepped.ended {
                self.slots.insert(name, value);
            }
            for effect in stepped.effects {
                self.apply(effect, &mut outputs, &mut queue);
            }
        }
        outputs
    }

    fn apply(
        &mut self,
        effect: Effect,
        outputs: &mut Vec<Output>,
        queue: &mut std::collections::VecDeque<Event>,
    ) {
        match effect {
            Effect::Say {
                content,
                source,
                via,
                ..
            } => {
                let said = Said {
                    content,
                    source,
                    via,
                };
                self.said.push(said.clone());
                outputs.push(Output::Said(said));
            }
            Effect::Note { text } => outputs.push(Output::Note(text)),
            Effect::Act {
                key,
                request,
                timeout_ms,
                pack,
                once,
                ..
            } => {
                let result = self.perform(&request, timeout_ms, &pack, once.as_ref());
                queue.push_back(Event::ActionDone { key, result });
            }
            // Calls end at once here: there is nothing to cancel.
            Effect::CancelAct { .. } => {}
            Effect::SetTimer {
                key,
                due_at,
                payload,
            } => {
                self.order += 1;
                let order = self.order;
                self.timers.insert(
                    key,
                    Timer {
                        due_at,
                        payload,
                        order,
                    },
                );
            }
            Effect::CancelTimer { key } => {
                self.timers.remove(&key);
            }
            Effect::Handoff {
                skill,
                priority,
                summary,
                mode,
                ..
            } => {
                if mode == HandoffMode::Queue {
                    self.around.control = Control::Human;
                    self.routing("queued");
                }
                let handed = Handed {
                    skill,
                    priority,
                    mode,
                    summary,
                };
                self.last_handoff = Some(handed.clone());
                outputs.push(Output::Handoff(handed));
            }
            Effect::Ticket {
                title,
                skill,
                fields,
                ..
            } => {
                outputs.push(Output::Ticket {
                    title,
                    skill,
                    fields,
                });
            }
            Effect::Tag { word } => outputs.push(Output::Tagged(word)),
            Effect::Remember { name, value, .. } => {
                if value.is_null() {
                    self.around.contact.remove(&name);
                } else {
                    self.around.contact.insert(name, value);
                }
            }
            Effect::Resolve { outcome } => {
                self.resolved = true;
                outputs.push(Output::Resolved(outcome));
            }
            Effect::Locale { locale } => self.around.locale = Some(locale),
        }
    }

    fn perform(
        &mut self,
        request: &Request,
        timeout_ms: u64,
        structure: &str,
        once: Option<&step::OnceClaim>,
    ) -> Result<Value, ActionError> {
        let now = self.now();
        let (operation, args) = match request {
            Request::Answer { query } => {
                return serde_json::to_value(self.model.retrieve(query))
                    .map_err(|e| ActionError::new("bad_response", e.to_string()));
            }
            Request::Http {
                connection,
                operation,
                args,
            } => (format!("{connection}.{operation}"), args),
            Request::Lua {
                module,
                function,
                args,
            } => (format!("{module}.{function}"), args),
            Request::Plugin {
                plugin,
                method,
                args,
            } => (format!("{plugin}.{method}"), args),
        };
        if let Some(claim) = once
            && let Some((until, kept)) = self.once.get(&claim.key)
            && *until > now
        {
            self.trace.push(line(
                "once",
                &format!("{operation}: the earlier result is given again"),
            ));
            return Ok(kept.clone());
        }
        self.called.push(Called {
            operation,
            args: args.clone(),
        });
        let pack = self
            .packs
            .pinned(structure)
            .unwrap_or_else(|| self.packs.current.clone());
        let result = self
            .actions
            .call(&pack, request, Moment { now, timeout_ms });
        if let (Some(claim), Ok(value)) = (once, &result) {
            let until = now + std::time::Duration::from_millis(claim.for_ms);
            self.once.insert(claim.key.clone(), (until, value.clone()));
        }
        result
    }

    /// The clock's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.clock {
            Clock::Virtual(now) => now,
            Clock::Real => Timestamp::now(),
        }
    }

    fn locale(&self) -> Locale {
        self.state
            .locale()
            .or(self.around.locale.as_ref())
            .cloned()
            .unwrap_or_else(|| self.packs.current.default_locale().clone())
    }

    /// Every message of the bot so far.
    #[must_use]
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// Every call so far.
    #[must_use]
    pub fn called(&self) -> &[Called] {
        &self.called
    }

    /// The last handoff.
    #[must_use]
    pub fn handoff(&self) -> Option<&Handed> {
        self.last_handoff.as_ref()
    }

    /// Every decision so far.
    #[must_use]
    pub fn trace(&self) -> &[TraceLine] {
        &self.trace
    }

    /// Decisions since the last input.
    #[must_use]
    pub fn last_trace(&self) -> &[TraceLine] {
        self.trace.get(self.turn_trace..).unwrap_or(&[])
    }

    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    #[must_use]
    pub fn is_human(&self) -> bool {
        self.around.control != Control::Bot
    }

    /// A slot of the open flow, of the conversation or of the contact; of the flow that ended last
    /// where none is open.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<Value> {
        let pack = self
            .state
            .pins()
            .iter()
            .find_map(|pin| self.packs.pinned(pin))
            .unwrap_or_else(|| self.packs.current.clone());
        self.state
            .slot(&pack, name)
            .or_else(|| {
                let ended = self
                    .state
                    .open_flows()
                    .is_empty()
                    .then(|| self.slots.get(name))
                    .flatten();
                ended.or_else(|| self.around.contact.get(name)).cloned()
            })
            .filter(|v| !v.is_null())
    }
}

fn line(kind: &str, text: &str) -> TraceLine {
    TraceLine {
        kind: kind.to_owned(),
        text: text.to_owned(),
        step: None,
    }
}
