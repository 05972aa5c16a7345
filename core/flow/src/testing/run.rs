//! Plays tests and compares.

use std::{fmt::Write as _, sync::Arc};

use serde::Serialize;
use tandem_domain::{
    Timestamp,
    message::Part,
    reading::{Trainer, Understanding},
};

use super::{
    coverage::{Coverage, Reached, coverage},
    parse::{self, Test, Word},
    sim::{Clock, Output, Said, Setup, Simulator},
    stub::{Stubbed, Stubs},
};
use crate::{
    diagnostic::{Diagnostic, Problems, Words, words},
    model::{Pack, Span},
};

/// Which tests to run, and what to keep.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only tests whose path or name contains this.
    pub filter: Option<String>,
    pub coverage: bool,
}

/// The outcome of all tests.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub tests: Vec<TestResult>,
    /// Files that cannot be read as tests.
    pub problems: Vec<Diagnostic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TestResult {
    pub name: String,
    /// Path in the pack.
    pub file: String,
    pub passed: bool,
    pub failures: Vec<Failure>,
    /// The conversation as it went.
    pub transcript: Vec<String>,
}

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub line: u32,
    pub column: u32,
    pub source_line: String,
    pub expected: Words,
    pub got: Words,
}

/// Runs the pack's `tests/*.test.yaml`, each in a conversation of its own.
#[must_use]
pub fn run_tests(pack: &Arc<Pack>, trainer: &dyn Trainer, options: &Options) -> Report {
    let model = trainer.train(&pack.training_set());
    let mut problems = Problems::default();
    let mut reached = Reached::default();
    let mut tests = Vec::new();
    for (path, text) in &pack.files {
        if !path.ends_with(".test.yaml") {
            continue;
        }
        let file = problems.add_file(path, text);
        let Some(test) = parse::parse(file, text, &pack.zone, &mut problems) else {
            continue;
        };
        let wanted = options
            .filter
            .as_ref()
            .is_none_or(|f| path.contains(f.as_str()) || test.name.contains(f.as_str()));
        if wanted {
            tests.push(play(pack, &model, path, text, &test, &mut reached));
        }
    }
    Report {
        tests,
        problems: problems.finish(),
        coverage: options.coverage.then(|| coverage(pack, &reached)),
    }
}

/// Where a test's clock stands without `clock`: a Monday morning in the pack's zone.
fn default_clock(pack: &Pack) -> Timestamp {
    jiff::civil::date(2025, 1, 6)
        .at(10, 0, 0, 0)
        .to_zoned(pack.zone.clone())
        .map_or(Timestamp(0), |z| Timestamp::from(z.timestamp()))
}

fn play(
    pack: &Arc<Pack>,
    model: &Arc<dyn Understanding>,
    path: &str,
    text: &str,
    test: &Test,
    reached: &mut Reached,
) -> TestResult {
    let stubs = Stubs::new(test.stubs.iter().cloned());
    let setup = Setup {
        clock: Clock::Virtual(test.clock.unwrap_or_else(|| default_clock(pack))),
        locale: test.locale.clone(),
        contact: test.contact.clone(),
        channel: "web".into(),
    };
    let sim = Simulator::new(
        pack.clone(),
        model.clone(),
        Box::new(Stubbed::new(stubs.clone())),
        setup,
    );
    let mut player = Player {
        sim,
        pack,
        text,
        since: Vec::new(),
        failures: Vec::new(),
        transcript: Vec::new(),
    };
    for (span, word) in &test.turns {
        player.word(*span, word);
        // Later turns of a conversation that went another way say nothing.
        if player.failures.len() >= 3 {
            break;
        }
    }
    if !player.failures.is_empty() {
        for name in stubs.missing() {
            player
                .transcript
                .push(format!("! {name} was called and has no stub"));
        }
    }
    reached.add(player.sim.trace());
    TestResult {
        name: test.name.clone(),
        file: path.to_owned(),
        passed: player.failures.is_empty(),
        failures: player.failures,
        transcript: player.transcript,
    }
}

pub(super) struct Player<'p> {
    pub sim: Simulator,
    pub pack: &'p Arc<Pack>,
    pub text: &'p str,
    /// Said since the last input.
    pub since: Vec<Said>,
    pub failures: Vec<Failure>,
    transcript: Vec<String>,
}

impl Player<'_> {
    fn word(&mut self, span: Span, word: &Word) {
        match word {
            Word::User { text, id } => {
                self.transcript.push(format!("> {text}"));
                let out = self.sim.say(text, id.as_deref());
                self.heard(out);
            }
            Word::Press(label) => {
                self.transcript.push(format!("> [{label}]"));
                match self.sim.press(label) {
                    Some(out) => self.heard(out),
                    None => {
                        let labels: Vec<&str> = self
                            .sim
                            .said()
                            .iter()
                            .rev()
                            .take(5)
                            .flat_map(Said::options)
                            .collect();
                        let hint = parse::near(label, labels.iter().copied());
                        let there = match (&hint, labels.is_empty()) {
                            (Some(near), _) => words(
                                format!("no such button; did you mean `{near}`?"),
                                format!("没有这个按钮；是不是想写 `{near}`？"),
                            ),
                            (None, true) => words("no buttons", "没有按钮"),
                            (None, false) => words(
                                format!("the buttons {}", labels.join(" | ")),
                                format!("按钮 {}", labels.join(" | ")),
                            ),
                        };
                        self.fail(
                            span,
                            words(format!("a button `{label}`"), format!("按钮 `{label}`")),
                            there,
                        );
                    }
                }
            }
            Word::Upload { name, mime, bytes } => {
                self.transcript.push(format!("> ({name}, {mime})"));
                let out = self.sim.upload(name, mime, *bytes);
                self.heard(out);
            }
            Word::Event { name, data } => {
                self.transcript.push(format!("* {name}"));
                let out = self.sim.event(name, data.clone());
                self.heard(out);
            }
            Word::Page { url, seconds } => {
                self.transcript.push(format!("* {url}, {seconds} s"));
                let out = self.sim.page(url, *seconds);
                self.heard(out);
            }
            Word::Advance(duration) => {
                self.transcript
                    .push(format!("* {} d {} ms", duration.days, duration.ms));
                let out = self.sim.advance(*duration);
                self.heard(out);
            }
            Word::AgentSays(text) => {
                self.transcript.push(format!("@ {text}"));
                let out = self.sim.agent_says(text);
                self.heard(out);
            }
            Word::AgentCloses { returned } => {
                self.transcript.push(if *returned {
                    "@ returns".into()
                } else {
                    "@ resolves".into()
                });
                let out = self.sim.agent_closes(*returned);
                self.heard(out);
            }
            Word::Bot(expected) => self.check_bot(span, expected),
            Word::Called {
                operation,
                times,
                with,
                span,
            } => self.check_called(*span, operation, *times, with.as_ref()),
            Word::Handoff {
                skill,
                priority,
                mode,
            } => self.check_handoff(span, skill.as_deref(), priority.as_deref(), mode.as_deref()),
            Word::Slot { name, value, span } => self.check_slot(*span, name, value),
            Word::Trace { hides, shows } => self.check_trace(span, hides, shows),
        }
    }

    fn heard(&mut self, outputs: Vec<Output>) {
        self.since.clear();
        for output in outputs {
            match output {
                Output::Said(said) => {
                    self.transcript.push(format!("< {}", shown(&said)));
                    self.since.push(said);
                }
                Output::Handoff(handed) => self
                    .transcript
                    .push(format!("* handoff to {}", handed.skill)),
                Output::Note(text) => self.transcript.push(format!("* note: {text}")),
                Output::Ticket { title, .. } => self.transcript.push(format!("* ticket: {title}")),
                Output::Tagged(word) => self.transcript.push(format!("* tag: {word}")),
                Output::Resolved(outcome) => self.transcript.push(format!("* closed: {outcome}")),
            }
        }
    }
}

fn shown(said: &Said) -> String {
    let mut text = said.content.plain();
    for part in &said.content.parts {
        match part {
            Part::Media(media) => {
                let _ = write!(text, " ({})", media.reference);
            }
            Part::Card(card) => {
                let _ = write!(text, " <{}>", card.title);
            }
            _ => {}
        }
    }
    let options = said.options();
    if !options.is_empty() {
        let _ = write!(text, " [{}]", options.join(" | "));
    }
    text
}
