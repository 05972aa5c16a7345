//! Small packs and short transcripts for the stepper's tests.
#![allow(dead_code, clippy::unwrap_used)]

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::json;
use tandem_domain::{
    Map, Timestamp, Value,
    conversation::Control,
    message::Part,
    reading::{Trainer, Understanding},
};
use tandem_flow::{
    load::load_files,
    model::{Duration, Pack},
    step::{self, Around, Effect, Event, Host, LuaAnswer, Packs, State, Stepped, Turn},
    testing::{Clock, Output, Said, Setup, Simulator, Stubs, stub::Stubbed},
};
use tandem_understanding::PhraseTrainer;

pub const PACK: &str = "name: test\nlocales: [en, zh]\ntime_zone: Europe/Berlin\ndefault_skill: general\nlimits: {repair: 10}\n";
pub const DESK: &str = "skills: [general, orders, returns]\n";

/// A pack of one flow file, and more files where given.
pub fn pack(flow: &str, more: &[(&str, &str)]) -> Arc<Pack> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    files.insert("pack.yaml".into(), PACK.into());
    files.insert("desk.yaml".into(), DESK.into());
    files.insert("main.flow.yaml".into(), format!("version: 1\n{flow}"));
    for (path, text) in more {
        files.insert((*path).into(), (*text).into());
    }
    load(files.into_iter().collect())
}

pub fn load(files: Vec<(String, String)>) -> Arc<Pack> {
    let loaded = load_files(files);
    let problems: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity == tandem_flow::diagnostic::Severity::Error)
        .map(|d| d.render_human(tandem_flow::diagnostic::Lang::En, false))
        .collect();
    loaded
        .pack
        .map(Into::into)
        .unwrap_or_else(|| panic!("the pack has errors:\n{}", problems.join("\n")))
}

/// The pack of the language's own example.
pub fn contract() -> Arc<Pack> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs/contract");
    load(files_under(&root, &root))
}

fn files_under(root: &Path, folder: &Path) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files_under(root, &path));
        } else {
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            out.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    out.sort();
    out
}

pub fn model(pack: &Arc<Pack>) -> Arc<dyn Understanding> {
    PhraseTrainer.train(&pack.training_set())
}

/// 2025-03-03T10:00+01:00, a Monday.
pub const MONDAY: Timestamp = Timestamp(1_740_992_400_000);

pub struct Chat {
    pub sim: Simulator,
}

impl Chat {
    pub fn new(pack: &Arc<Pack>) -> Self {
        Self::with(pack, &[], json!({}))
    }

    pub fn stubbed(pack: &Arc<Pack>, stubs: &[(&str, Value)]) -> Self {
        Self::with(pack, stubs, json!({}))
    }

    pub fn with(pack: &Arc<Pack>, stubs: &[(&str, Value)], contact: Value) -> Self {
        let stubs = Stubs::new(
            stubs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let contact: Map = contact.as_object().cloned().unwrap_or_default();
        let setup = Setup {
            clock: Clock::Virtual(MONDAY),
            contact,
            ..Setup::default()
        };
        Self {
            sim: Simulator::new(
                pack.clone(),
                model(pack),
                Box::new(Stubbed::new(stubs)),
                setup,
            ),
        }
    }

    /// The customer writes; what follows, in brief.
    pub fn user(&mut self, text: &str) -> Vec<String> {
        let out = self.sim.say(text, None);
        brief(&out)
    }

    pub fn press(&mut self, label: &str) -> Vec<String> {
        let out = self
            .sim
            .press(label)
            .unwrap_or_else(|| panic!("no button {label}"));
        brief(&out)
    }

    pub fn minutes(&mut self, minutes: u64) -> Vec<String> {
        brief(&self.sim.advance(Duration {
            days: 0,
            ms: minutes * 60_000,
        }))
    }

    pub fn days(&mut self, days: u32) -> Vec<String> {
        brief(&self.sim.advance(Duration { days, ms: 0 }))
    }

    pub fn event(&mut self, name: &str, data: Value) -> Vec<String> {
        brief(&self.sim.event(name, data))
    }

    pub fn upload(&mut self, name: &str, mime: &str, mb: u64) -> Vec<String> {
        brief(&self.sim.upload(name, mime, mb * 1_000_000))
    }

    pub fn slot(&self, name: &str) -> Value {
        self.sim.slot(name).unwrap_or(Value::Null)
    }

    pub fn calls(&self, operation: &str) -> usize {
        self.sim
            .called()
            .iter()
            .filter(|c| c.operation == operation)
            .count()
    }

    pub fn trace(&self) -> String {
        let lines: Vec<String> = self
            .sim
            .trace()
            .iter()
            .map(|l| format!("{} {} {}", l.kind, l.text, l.step.as_deref().unwrap_or("")))
            .collect();
        lines.join("\n")
    }
}

/// `asks x`, `says x`, `confirms x` or the text of each message, and what else happened.
pub fn brief(outputs: &[Output]) -> Vec<String> {
    outputs
        .iter()
        .map(|o| match o {
            Output::Said(said) => brief_said(said),
            Output::Handoff(handed) => format!("handoff {}", handed.skill),
            Output::Note(text) => format!("note {text}"),
            Output::Ticket { title, .. } => format!("ticket {title}"),
            Output::Tagged(word) => format!("tag {word}"),
            Output::Resolved(_) => "resolved".into(),
        })
        .collect()
}

fn brief_said(said: &Said) -> String {
    let source = &said.source;
    if let Some(slot) = &source.asks {
        format!("asks {slot}")
    } else if let Some(form) = &source.confirms {
        format!("confirms {form}")
    } else if let Some(response) = &source.says {
        format!("says {response}")
    } else {
        said.content.plain()
    }
}

/// The stepper by hand: actions and timers are the test's.
pub struct Bench {
    pub packs: OnePack,
    pub model: Arc<dyn Understanding>,
    pub state: State,
    pub around: Around,
    pub now: Timestamp,
    pub trace: Vec<String>,
}

pub struct OnePack(pub Arc<Pack>);

impl Packs for OnePack {
    fn current(&self) -> &Arc<Pack> {
        &self.0
    }

    fn pinned(&self, structure: &str) -> Option<Arc<Pack>> {
        (self.0.structure == structure).then(|| self.0.clone())
    }
}

pub struct Lua;

impl Host for Lua {
    fn lua(&mut self, pack: &Pack, module: &str, function: &str, args: &[Value]) -> LuaAnswer {
        let mut session =
            tandem_lua::Session::new(&pack.lua, tandem_lua::Limits::pure(), MONDAY, 0);
        session.call(module, function, args).into()
    }
}

impl Bench {
    pub fn new(pack: &Arc<Pack>) -> Self {
        let mut conversation = Map::new();
        conversation.insert("id".into(), json!("c1"));
        conversation.insert("session".into(), json!(1));
        let mut contact = Map::new();
        contact.insert("id".into(), json!("p1"));
        Self {
            packs: OnePack(pack.clone()),
            model: model(pack),
            state: State::default(),
            around: Around {
                contact,
                conversation,
                channel: "web".into(),
                control: Control::Bot,
                locale: Some("en".into()),
            },
            now: MONDAY,
            trace: Vec::new(),
        }
    }

    pub fn stepped(&self, event: &Event) -> Stepped {
        step::step(
            Turn {
                packs: &self.packs,
                host: &mut Lua,
                event,
                now: self.now,
                around: &self.around,
            },
            self.state.clone(),
        )
    }

    pub fn turn(&mut self, event: Event) -> Vec<Effect> {
        let stepped = self.stepped(&event);
        self.state = stepped.state;
        self.trace.extend(
            stepped
                .trace
                .iter()
                .map(|l| format!("{} {}", l.kind, l.text)),
        );
        for effect in &stepped.effects {
            if let Effect::Handoff {
                mode: tandem_domain::conversation::HandoffMode::Queue,
                ..
            } = effect
            {
                self.around.control = Control::Human;
            }
        }
        stepped.effects
    }

    pub fn message(&self, text: &str) -> Event {
        Event::Message {
            id: text.to_owned(),
            parts: vec![Part::text(text)],
            reading: self.model.read(text, &"en".into()),
        }
    }

    pub fn user(&mut self, text: &str) -> Vec<Effect> {
        let event = self.message(text);
        self.turn(event)
    }

    pub fn press(&mut self, token: &str) -> Vec<Effect> {
        self.turn(Event::Press {
            token: token.to_owned(),
            label: None,
            reading: Default::default(),
        })
    }

    pub fn done(&mut self, key: &str, value: Value) -> Vec<Effect> {
        self.turn(Event::ActionDone {
            key: key.to_owned(),
            result: Ok(value),
        })
    }
}

/// What was said, in brief.
pub fn says(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|e| match e {
            Effect::Say {
                content, source, ..
            } => Some(brief_said(&Said {
                content: content.clone(),
                source: source.clone(),
                via: None,
            })),
            _ => None,
        })
        .collect()
}

/// The key of the action that is asked for.
pub fn act(effects: &[Effect]) -> Option<String> {
    effects.iter().find_map(|e| match e {
        Effect::Act { key, .. } => Some(key.clone()),
        _ => None,
    })
}

/// The token of a button by its label.
pub fn token(effects: &[Effect], label: &str) -> String {
    effects
        .iter()
        .find_map(|e| match e {
            Effect::Say { content, .. } => content
                .choices
                .iter()
                .find(|c| c.label == label)
                .map(|c| c.value.clone()),
            _ => None,
        })
        .unwrap_or_else(|| panic!("no button {label}"))
}
