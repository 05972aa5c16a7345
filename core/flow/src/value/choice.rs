//! Picking one of several options: by label, synonym, number, ordinal, a part of the label, or a
//! label with a slip of the pen.

use std::ops::Range;

use tandem_domain::{
    Value,
    entity::{EntityValue, IN_PASSING},
};
use tandem_entities::{OptionLabels, OptionList};

use super::{
    normal::{Words, fold, is_han, overlaps},
    said::RECOGNISER,
};

/// One thing to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub value: Value,
    /// What the customer sees.
    pub label: String,
    /// Further words for it, the value's own name among them.
    pub words: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    pub index: usize,
    pub span: Range<usize>,
    /// The whole message, nothing else in it.
    pub exact: bool,
}

/// The option whose label is the whole message.
#[must_use]
pub fn by_label(options: &[Choice], message: &str) -> Option<usize> {
    let said = fold(message);
    if said.is_empty() {
        return None;
    }
    options.iter().position(|o| fold(&o.label) == said)
}

/// The option the message means, if it means just one.
#[must_use]
pub fn pick(options: &[Choice], words: &Words) -> Option<Pick> {
    let whole = |index| Pick {
        index,
        span: 0..words.text.len(),
        exact: true,
    };
    if options.is_empty() || words.is_empty() {
        return None;
    }
    if let Some(index) = by_label(options, &words.text) {
        return Some(whole(index));
    }
    let said = fold(&words.text);
    if let Some(index) = unique(options, |o| o.words.iter().any(|w| fold(w) == said)) {
        return Some(whole(index));
    }
    if let Some(number) = position(&words.text, options.len()) {
        return Some(whole(number));
    }
    if let Some((index, span)) = inside(options, &words.text, &[], false) {
        let exact = said.len() <= span.len();
        return Some(Pick { index, span, exact });
    }
    by_part(options, &said).map(whole)
}

/// The option named inside a message about something else; options named with others are none.
#[must_use]
pub fn in_passing(
    options: &[Choice],
    words: &Words,
    taken: &[Range<usize>],
) -> Option<(usize, Range<usize>)> {
    inside(options, &words.text, taken, true)
}

/// "2", "no. 2", "option two", "the second one", "last", 第二个, 最后一个: an index.
#[must_use]
pub fn position(message: &str, count: usize) -> Option<usize> {
    RECOGNISER.nth(message, count).map(|nth| nth - 1)
}

fn unique(options: &[Choice], mut meant: impl FnMut(&Choice) -> bool) -> Option<usize> {
    let mut found = None;
    for (index, option) in options.iter().enumerate() {
        if meant(option) {
            if found.is_some() {
                return None;
            }
            found = Some(index);
        }
    }
    found
}

/// The option that stands in the text by a name; none where two do. `sure` leaves out what would
/// do only as an answer.
fn inside(
    options: &[Choice],
    text: &str,
    taken: &[Range<usize>],
    sure: bool,
) -> Option<(usize, Range<usize>)> {
    let labels = options.iter().enumerate().map(|(index, option)| {
        let names = std::iter::once(&option.label).chain(&option.words);
        OptionLabels::new(&index.to_string(), names.map(String::as_str))
    });
    let list = OptionList::new("options", labels.collect());
    let mut found = RECOGNISER
        .choices(text, &list)
        .into_iter()
        .filter(|e| !overlaps(&e.span, taken) && (!sure || e.confidence >= IN_PASSING))
        .filter_map(|e| match e.value {
            EntityValue::Choice { option, .. } => Some((option.parse().ok()?, e.span)),
            _ => None,
        });
    let first: (usize, Range<usize>) = found.next()?;
    found.all(|other| other.0 == first.0).then_some(first)
}

/// Every word of the message belongs to one label only: "arrived" of "Arrived damaged".
fn by_part(options: &[Choice], said: &str) -> Option<usize> {
    const FILLER: [&str; 14] = [
        "the", "a", "an", "my", "it", "it's", "is", "was", "i", "please", "one", "that", "this",
        "option",
    ];
    let words: Vec<&str> = said
        .split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .filter(|w| !w.is_empty() && !FILLER.contains(w))
        .collect();
    if words.is_empty() || words.len() > 6 {
        return None;
    }
    let han = said.chars().any(is_han);
    if han && said.chars().count() < 2 || !han && !words.iter().any(|w| w.len() >= 3) {
        return None;
    }
    unique(options, |o| {
        let label = fold(&o.label);
        if han {
            return label.contains(said);
        }
        let parts: Vec<&str> = label
            .split(|c: char| !(c.is_alphanumeric() || c == '\''))
            .collect();
        words.iter().all(|w| parts.contains(w))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(labels: &[&str]) -> Vec<Choice> {
        labels
            .iter()
            .map(|l| Choice {
                value: Value::from(*l),
                label: (*l).to_owned(),
                words: Vec::new(),
            })
            .collect()
    }

    fn picked(labels: &[&str], text: &str) -> Option<usize> {
        pick(&options(labels), &Words::new(text)).map(|p| p.index)
    }

    #[test]
    fn options_are_named_in_many_ways() {
        let reasons = ["Arrived damaged", "No longer wanted"];
        for (text, want) in [
            ("Arrived damaged", Some(0)),
            ("arrived damaged, both", Some(0)),
            ("2", Some(1)),
            ("②", Some(1)),
            ("option 2.", Some(1)),
            ("the second one", Some(1)),
            ("last", Some(1)),
            ("第二个", Some(1)),
            ("damaged", Some(0)),
            ("arived damaged", Some(0)),
            ("3", None),
            ("no one", None),
            ("no 2", Some(1)),
            ("how much is delivery", None),
            ("not arrived damaged", None),
        ] {
            assert_eq!(picked(&reasons, text), want, "{text}");
        }
        assert_eq!(picked(&["退货", "换货"], "我想换货"), Some(1));
        assert_eq!(picked(&["退货", "换货"], "退货还是换货"), None);
        assert_eq!(picked(&["Small", "Small box"], "small box please"), Some(1));
    }
}
