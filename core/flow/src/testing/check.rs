//! Holds what a test expects against what happened.

use tandem_domain::{
    Value,
    conversation::{HandoffMode, Priority},
};

use super::{
    parse::{self, Expect, Pattern},
    run::{Failure, Player},
    sim::{Said, Simulator},
};
use crate::{
    diagnostic::{Words, words},
    model::Span,
};

impl Player<'_> {
    pub(super) fn check_bot(&mut self, span: Span, expected: &[Expect]) {
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

    pub(super) fn check_called(
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

    pub(super) fn check_handoff(
        &mut self,
        span: Span,
        skill: Option<&str>,
        priority: Option<&str>,
        mode: Option<&str>,
    ) {
        let got = self.sim.handoff().map(|h| {
            (
                h.skill.clone(),
                priority_word(h.priority),
                mode_word(h.mode),
            )
        });
        let fine = got.as_ref().is_some_and(|(s, p, m)| {
            skill.is_none_or(|want| want == s)
                && priority.is_none_or(|want| want == *p)
                && mode.is_none_or(|want| want == *m)
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

    pub(super) fn check_slot(&mut self, span: Span, name: &str, value: &Value) {
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

    pub(super) fn check_trace(&mut self, span: Span, hides: &[String], shows: &[String]) {
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

    pub(super) fn fail(&mut self, span: Span, expected: Words, got: Words) {
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

/// As a test writes it.
fn priority_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
        Priority::Urgent => "urgent",
    }
}

fn mode_word(mode: HandoffMode) -> &'static str {
    match mode {
        HandoffMode::Queue => "queue",
        HandoffMode::Ticket => "ticket",
        HandoffMode::Callback => "callback",
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
