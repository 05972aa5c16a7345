//! What a business can do about what was found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tandem_flow::diagnostic::{Words, words};
use tandem_understanding::{cluster::terms, eval::metrics::Scored};

use super::data::Row;

/// An intent of fewer phrases is thin.
pub(super) const FEW: usize = 5;
/// What it should have at least.
const ENOUGH: usize = 10;
/// Examples told.
const SHOWN: usize = 3;
/// Pieces of advice of one kind.
const MOST: usize = 8;

/// One piece of advice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Advice {
    /// Stable, for programs: `overlap`, `thin`, `confused`, `no_out_of_scope`, `let_through`.
    pub kind: &'static str,
    /// The labels it is about.
    pub about: Vec<String>,
    pub text: Words,
    /// Messages that show it.
    pub examples: Vec<String>,
}

/// From the phrases alone: labels that share some, and labels that have too few.
pub(super) fn of_phrases(train: &[Row], is_faq: impl Fn(&str) -> bool) -> Vec<Advice> {
    let reader = terms::Reader::new();
    let mut gists: BTreeMap<u64, BTreeMap<&str, &str>> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in train {
        let Some(label) = row.label.as_deref() else {
            continue;
        };
        *counts.entry(label).or_default() += 1;
        if let Some(gist) = reader.gist(&row.text) {
            gists.entry(gist).or_default().insert(label, &row.text);
        }
    }
    let mut shared: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for labels in gists.values().filter(|l| l.len() > 1) {
        let labels: Vec<(&str, &str)> = labels.iter().map(|(l, t)| (*l, *t)).collect();
        for (n, (a, text)) in labels.iter().enumerate() {
            for (b, _) in &labels[n + 1..] {
                shared.entry((*a, *b)).or_default().push(*text);
            }
        }
    }
    let mut shared: Vec<_> = shared.into_iter().collect();
    shared.sort_by_key(|(_, texts)| std::cmp::Reverse(texts.len()));
    let mut advice: Vec<Advice> = shared
        .into_iter()
        .take(MOST)
        .map(|((a, b), texts)| overlap(a, b, &texts))
        .collect();
    let mut thin: Vec<(&str, usize)> = counts
        .into_iter()
        .filter(|(label, n)| *n < FEW && !is_faq(label))
        .collect();
    thin.sort_by_key(|(_, n)| *n);
    advice.extend(
        thin.into_iter()
            .take(MOST)
            .map(|(label, n)| too_few(label, n)),
    );
    advice
}

fn overlap(a: &str, b: &str, texts: &[&str]) -> Advice {
    let n = texts.len();
    let s = if n == 1 { "" } else { "s" };
    Advice {
        kind: "overlap",
        about: vec![a.to_owned(), b.to_owned()],
        text: words(
            format!(
                "`{a}` and `{b}` share {n} phrase{s}: keep each in one of them, or make one of both"
            ),
            format!("`{a}` 与 `{b}` 有 {n} 条说法相同：每条只留一处，或把两者合并"),
        ),
        examples: texts.iter().take(SHOWN).map(|t| (*t).to_owned()).collect(),
    }
}

fn too_few(label: &str, n: usize) -> Advice {
    let add = ENOUGH - n;
    let s = if n == 1 { "" } else { "s" };
    Advice {
        kind: "thin",
        about: vec![label.to_owned()],
        text: words(
            format!(
                "`{label}` has {n} phrase{s}: add at least {add}, as different as customers say it"
            ),
            format!("`{label}` 只有 {n} 条说法：至少再加 {add} 条，写法尽量不同"),
        ),
        examples: Vec::new(),
    }
}

/// From what was read: labels taken for others, and what should not have been answered.
pub(super) fn of_readings(rows: &[Row], scored: &[Scored<'_>], answer: f32) -> Vec<Advice> {
    let mut wrong: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    let mut through: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    let mut outside = 0_usize;
    for (row, s) in rows.iter().zip(scored) {
        outside += usize::from(s.gold.is_none());
        match (s.gold, s.predicted) {
            (Some(gold), Some(predicted)) if gold != predicted => {
                wrong.entry((gold, predicted)).or_default().push(row);
            }
            (None, Some(predicted)) if s.confidence >= answer => {
                through.entry(predicted).or_default().push(row);
            }
            _ => {}
        }
    }
    let mut wrong: Vec<_> = wrong
        .into_iter()
        .filter(|(_, rows)| rows.len() > 1)
        .collect();
    wrong.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    let mut advice: Vec<Advice> = wrong
        .into_iter()
        .take(MOST)
        .map(|((gold, predicted), rows)| {
            let n = rows.len();
            Advice {
                kind: "confused",
                about: vec![gold.to_owned(), predicted.to_owned()],
                text: words(
                    format!("{n} messages of `{gold}` go to `{predicted}`: add phrases like them to `{gold}`, or look whether both are one"),
                    format!("`{gold}` 有 {n} 条消息被当成 `{predicted}`：把类似说法加进 `{gold}`，或考虑两者是否其实是一类"),
                ),
                examples: examples(&rows),
            }
        })
        .collect();
    let mut through: Vec<_> = through.into_iter().collect();
    through.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    advice.extend(through.into_iter().take(SHOWN).map(|(label, rows)| {
        let n = rows.len();
        Advice {
            kind: "let_through",
            about: vec![label.to_owned()],
            text: words(
                format!("`{label}` answers {n} of {outside} messages that mean none: look for phrases of it that could be about anything"),
                format!("{outside} 条无关消息中有 {n} 条被 `{label}` 回答：看看它有没有过于宽泛的说法"),
            ),
            examples: examples(&rows),
        }
    }));
    advice
}

/// Whether messages that mean none were there to learn from.
pub(super) fn of_scope(train: &[Row], splits: &BTreeSet<bool>) -> Option<Advice> {
    let learned = train.iter().any(|r| r.label.is_none());
    (!learned && splits.contains(&true)).then(|| Advice {
        kind: "no_out_of_scope",
        about: Vec::new(),
        text: words(
            "no message that means none was there to learn from: give some with the split `oos_train`",
            "训练数据中没有“都不是”的消息：可加入一些，split 写成 `oos_train`",
        ),
        examples: Vec::new(),
    })
}

fn examples(rows: &[&Row]) -> Vec<String> {
    rows.iter().take(SHOWN).map(|r| r.text.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, text: &str) -> Row {
        Row {
            text: text.to_owned(),
            label: (!label.is_empty()).then(|| label.to_owned()),
            ..Row::default()
        }
    }

    #[test]
    fn shared_phrases_and_thin_intents_are_told() {
        let train = [
            row("cancel", "cancel my order"),
            row("stop", "please cancel the order"),
            row("stop", "stop it"),
            row("address", "修改收货地址"),
            row("moved", "请帮我修改收货地址"),
            row("faq:x", "opening hours"),
        ];
        let advice = of_phrases(&train, |label| label.starts_with("faq:"));
        let overlaps: Vec<_> = advice.iter().filter(|a| a.kind == "overlap").collect();
        assert_eq!(overlaps.len(), 2, "{advice:#?}");
        assert!(overlaps.iter().any(|a| a.about == ["cancel", "stop"]));
        assert!(
            advice
                .iter()
                .any(|a| a.kind == "thin" && a.about == ["cancel"])
        );
        assert!(
            advice
                .iter()
                .all(|a| a.kind != "thin" || a.about != ["faq:x"])
        );
        assert!(advice.iter().any(|a| a.text.en.contains("add at least 9")));
    }

    #[test]
    fn confusions_and_what_was_let_through_are_told_with_examples() {
        let rows = [row("a", "one"), row("a", "two"), row("", "weather")];
        let scored = |gold, confidence| Scored {
            gold,
            predicted: Some("b"),
            confidence,
            out_of_scope: 0.0,
        };
        let found = [
            scored(Some("a"), 0.9),
            scored(Some("a"), 0.2),
            scored(None, 0.9),
        ];
        let advice = of_readings(&rows, &found, 0.6);
        assert_eq!(advice.len(), 2, "{advice:#?}");
        assert_eq!(advice[0].examples, ["one", "two"]);
        assert_eq!(advice[1].kind, "let_through");
        let both = BTreeSet::from([true]);
        assert!(of_scope(&rows[..2], &both).is_some());
        assert!(of_scope(&rows, &both).is_none());
    }
}
