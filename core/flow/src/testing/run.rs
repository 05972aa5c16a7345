//! Plays tests and compares.

use std::{fmt::Write as _, sync::Arc};

use serde::Serialize;
use tandem_domain::{
    Timestamp, Value,
    message::Part,
    reading::{Trainer, Understanding},
};

use super::{
    coverage::{Coverage, Reached, coverage},
    parse::{self, Expect, Pattern, Test, Word},
    sim::{Clock, Output, Said, Setup, Simulator},
    stub::{Stubbed, Stubs},
};
use crate::{
    diagnostic::{Diagnostic, Lang, Problems, Words, words},
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

struct Player<'p> {
    sim: Simulator,
    pack: &'p Arc<Pack>,
    text: &'p str,
    /// Said since the last input.
    since: Vec<Said>,
    failures: Vec<Failure>,
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

    fn check_bot(&mut self, span: Span, expected: &[Expect]) {
        let got: Vec<String> = self.since.iter().map(describe).collect();
        if expected.len() != self.since.len() {
            let want: Vec<String> = expected.iter().map(wanted).collect();
            self.fail(span, messages(&want), messages(&got));
            return;
        }
        let mut wrong = Vec::new();
        for (want, said) in expected.iter().zip(&self.since) {
            if !fits(want, said) {
                wrong.push((want.span, wanted(want), describe(said)));
            }
        }
        for (at, want, got) in wrong {
            self.fail(at, words(want.clone(), want), words(got.clone(), got));
        }
    }

    fn check_called(
        &mut self,
        span: Span,
        operation: &str,
        times: Option<u64>,
        with: Option<&Value>,
    ) {
        let all: Vec<Value> = self
            .sim
            .called()
            .iter()
            .filter(|c| c.operation == operation)
            .map(|c| c.args.clone())
            .collect();
        let matching = all
            .iter()
            .filter(|args| with.is_none_or(|with| contains(args, with)))
            .count();
        // How often it was called, and that one of the calls was like this; or how often it was
        // called like this.
        let fine = match (times, with) {
            (Some(times), None) => all.len() as u64 == times,
            (Some(0), Some(_)) => matching == 0,
            (Some(times), Some(_)) => {
                matching as u64 == times || (matching > 0 && all.len() as u64 == times)
            }
            (None, _) => matching > 0,
        };
        if fine {
            return;
        }
        let want = match (times, with) {
            (Some(times), Some(with)) => format!("{operation} × {times} with {with}"),
            (Some(times), None) => format!("{operation} × {times}"),
            (None, Some(with)) => format!("{operation} with {with}"),
            (None, None) => operation.to_owned(),
        };
        let got = if all.is_empty() {
            let others: Vec<&str> = self
                .sim
                .called()
                .iter()
                .map(|c| c.operation.as_str())
                .collect();
            if others.is_empty() {
                words("no calls", "没有任何调用")
            } else {
                words(
                    format!("only {}", others.join(", ")),
                    format!("只有 {}", others.join("、")),
                )
            }
        } else {
            let list: Vec<String> = all.iter().map(Value::to_string).collect();
            let text = format!("{operation} × {}: {}", all.len(), list.join("; "));
            words(text.clone(), text)
        };
        self.fail(
            span,
            words(format!("a call {want}"), format!("调用 {want}")),
            got,
        );
    }

    fn check_handoff(
        &mut self,
        span: Span,
        skill: Option<&str>,
        priority: Option<&str>,
        mode: Option<&str>,
    ) {
        let word = |value: &dyn erased::Named| value.word();
        let got = self
            .sim
            .handoff()
            .map(|h| (h.skill.clone(), word(&h.priority), word(&h.mode)));
        let fine = got.as_ref().is_some_and(|(s, p, m)| {
            skill.is_none_or(|want| want == s)
                && priority.is_none_or(|want| want == p)
                && mode.is_none_or(|want| want == m)
        });
        if fine {
            return;
        }
        let want: Vec<&str> = [skill, priority, mode].into_iter().flatten().collect();
        let got = got.map_or_else(
            || words("none", "没有转接"),
            |(s, p, m)| {
                let text = format!("{s}, {p}, {m}");
                words(text.clone(), text)
            },
        );
        self.fail(
            span,
            words(
                format!("a handoff to {}", want.join(", ")),
                format!("转接至 {}", want.join("、")),
            ),
            got,
        );
    }

    fn check_slot(&mut self, span: Span, name: &str, value: &Value) {
        let got = self.sim.slot(name).unwrap_or(Value::Null);
        if same(&got, value) {
            return;
        }
        if !self.pack.slots.contains_key(name) && got.is_null() {
            let near = parse::near(name, self.pack.slots.keys().map(String::as_str));
            let hint = near.map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
            self.fail(
                span,
                words(format!("a slot `{name}`"), format!("槽位 `{name}`")),
                words(
                    format!("no slot of that name{hint}"),
                    format!("没有这个名称的槽位{hint}"),
                ),
            );
            return;
        }
        let want = format!("{name} = {value}");
        let got = format!("{name} = {got}");
        self.fail(span, words(want.clone(), want), words(got.clone(), got));
    }

    fn check_trace(&mut self, span: Span, hides: &[String], shows: &[String]) {
        let find = |word: &String, sim: &Simulator| {
            sim.trace()
                .iter()
                .find(|l| l.text.contains(word.as_str()))
                .map(|l| l.text.clone())
        };
        for word in hides {
            if let Some(line) = find(word, &self.sim) {
                self.fail(
                    span,
                    words(
                        format!("a trace without `{word}`"),
                        format!("追踪中没有 `{word}`"),
                    ),
                    words(line.clone(), line),
                );
            }
        }
        for word in shows {
            if find(word, &self.sim).is_none() {
                let last: Vec<String> = self
                    .sim
                    .last_trace()
                    .iter()
                    .map(|l| format!("{} {}", l.kind, l.text))
                    .collect();
                let last = last.join(" | ");
                self.fail(
                    span,
                    words(
                        format!("a trace with `{word}`"),
                        format!("追踪中有 `{word}`"),
                    ),
                    words(last.clone(), last),
                );
            }
        }
    }

    fn fail(&mut self, span: Span, expected: Words, got: Words) {
        let source_line = self
            .text
            .lines()
            .nth((span.line as usize).saturating_sub(1))
            .unwrap_or("")
            .chars()
            .take(300)
            .collect();
        self.failures.push(Failure {
            line: span.line,
            column: span.column,
            source_line,
            expected,
            got,
        });
    }
}

/// The name of a priority or mode as it is written.
mod erased {
    use tandem_domain::conversation::{HandoffMode, Priority};

    pub trait Named {
        fn word(&self) -> String;
    }

    impl Named for Priority {
        fn word(&self) -> String {
            match self {
                Self::Low => "low",
                Self::Normal => "normal",
                Self::High => "high",
                Self::Urgent => "urgent",
            }
            .into()
        }
    }

    impl Named for HandoffMode {
        fn word(&self) -> String {
            match self {
                Self::Queue => "queue",
                Self::Ticket => "ticket",
                Self::Callback => "callback",
            }
            .into()
        }
    }
}

fn fits(want: &Expect, said: &Said) -> bool {
    let source = &said.source;
    let text = said.content.plain();
    want.asks
        .as_ref()
        .is_none_or(|w| source.asks.as_ref() == Some(w))
        && want
            .says
            .as_ref()
            .is_none_or(|w| source.says.as_ref() == Some(w))
        && want
            .confirms
            .as_ref()
            .is_none_or(|w| source.confirms.as_ref() == Some(w))
        && want.text.as_ref().is_none_or(|w| match w {
            Pattern::Exact(exact) => exact.trim() == text.trim(),
            Pattern::Regex(regex) => regex.is_match(&text),
        })
        && want.options.as_ref().is_none_or(|w| said.options() == *w)
}

fn wanted(want: &Expect) -> String {
    let mut parts = Vec::new();
    let mut word = |key: &str, value: &Option<String>| {
        if let Some(value) = value {
            parts.push(format!("{key}: {value}"));
        }
    };
    word("asks", &want.asks);
    word("says", &want.says);
    word("confirms", &want.confirms);
    match &want.text {
        Some(Pattern::Exact(text)) => parts.push(format!("text: {text}")),
        Some(Pattern::Regex(regex)) => parts.push(format!("text: /{regex}/")),
        None => {}
    }
    if let Some(options) = &want.options {
        parts.push(format!("options: [{}]", options.join(", ")));
    }
    format!("{{{}}}", parts.join(", "))
}

fn describe(said: &Said) -> String {
    let mut parts = Vec::new();
    let mut word = |key: &str, value: &Option<String>| {
        if let Some(value) = value {
            parts.push(format!("{key}: {value}"));
        }
    };
    word("asks", &said.source.asks);
    word("says", &said.source.says);
    word("confirms", &said.source.confirms);
    parts.push(format!("text: {}", said.content.plain()));
    let options = said.options();
    if !options.is_empty() {
        parts.push(format!("options: [{}]", options.join(", ")));
    }
    format!("{{{}}}", parts.join(", "))
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

fn messages(list: &[String]) -> Words {
    if list.is_empty() {
        return words("silence", "无消息");
    }
    let count = list.len();
    let list = list.join(", ");
    words(
        format!("{count} message(s): {list}"),
        format!("{count} 条消息：{list}"),
    )
}

/// `part` is in `whole`: every key of a map, equal values.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part.iter().all(|(key, want)| {
            whole
                .get(key)
                .map_or(want.is_null(), |got| contains(got, want))
        }),
        _ => same(whole, part),
    }
}

/// Equal; `2` and `2.0` are.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
        }
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same(v, w)))
        }
        // `order_no: 12345678` in a test means the text slot's digits.
        (Value::String(text), Value::Number(number)) => *text == number.to_string(),
        _ => a == b,
    }
}

impl Report {
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty() && self.tests.iter().all(|t| t.passed)
    }

    /// For a terminal.
    #[must_use]
    pub fn render_human(&self, lang: Lang, color: bool) -> String {
        let paint = |code: &str, text: &str| {
            if color {
                format!("\x1b[{code}m{text}\x1b[0m")
            } else {
                text.to_owned()
            }
        };
        let zh = lang == Lang::Zh;
        let mut out = String::new();
        for problem in &self.problems {
            let _ = writeln!(out, "{}", problem.render_human(lang, color));
        }
        for test in &self.tests {
            let mark = if test.passed {
                paint("32", "✓")
            } else {
                paint("1;31", "✗")
            };
            let _ = writeln!(out, "{mark} {} ({})", plain(&test.name), test.file);
            for failure in &test.failures {
                let _ = writeln!(
                    out,
                    "  --> {}:{}:{}",
                    test.file, failure.line, failure.column
                );
                let _ = writeln!(out, "   | {}", plain(failure.source_line.trim_end()));
                let (want, got) = if zh {
                    ("期望", "实际")
                } else {
                    ("expected", "got")
                };
                let _ = writeln!(out, "   {}: {}", want, plain(failure.expected.get(lang)));
                let _ = writeln!(out, "   {}: {}", got, plain(failure.got.get(lang)));
            }
            if !test.passed {
                for line in &test.transcript {
                    let _ = writeln!(out, "     {}", plain(line));
                }
            }
        }
        let passed = self.tests.iter().filter(|t| t.passed).count();
        let total = self.tests.len();
        let _ = if zh {
            writeln!(out, "{total} 个测试，通过 {passed} 个")
        } else {
            writeln!(out, "{passed} of {total} tests passed")
        };
        if let Some(coverage) = &self.coverage {
            coverage.render(&mut out, lang);
        }
        out
    }
}

impl Coverage {
    fn render(&self, out: &mut String, lang: Lang) {
        let zh = lang == Lang::Zh;
        let line = |out: &mut String,
                    name: &str,
                    steps: super::coverage::Share,
                    branches: super::coverage::Share| {
            let (s, b) = if zh {
                ("步骤", "分支")
            } else {
                ("steps", "branches")
            };
            let _ = writeln!(
                out,
                "{name}: {s} {}/{} ({:.1} %), {b} {}/{} ({:.1} %)",
                steps.reached,
                steps.total,
                steps.percent(),
                branches.reached,
                branches.total,
                branches.percent()
            );
        };
        for flow in &self.flows {
            line(out, &flow.flow, flow.steps, flow.branches);
            for missed in &flow.missed {
                let word = if zh { "未覆盖" } else { "not taken" };
                let _ = writeln!(
                    out,
                    "  {}:{} {word}: {}",
                    missed.file, missed.line, missed.what
                );
            }
        }
        line(
            out,
            if zh { "合计" } else { "all" },
            self.steps,
            self.branches,
        );
    }
}

/// No control characters of a file on a terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
