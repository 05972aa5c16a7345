//! The FAQ tree: answers, menus of questions, and Back.

use serde_json::Map;
use tandem_domain::reading::{Candidate, Reading, Target};

use super::{
    SaySource,
    run::Run,
    say::{Draft, Sending},
    state::{Press, What},
    thresholds as at,
};
use crate::model::{FaqNode, Flow, Pack};

/// The shipped flow that opens the whole tree.
pub(super) const MENU_FLOW: &str = "faq_menu";

/// A node by its dotted path; the empty path is the root.
pub(crate) fn node<'p>(pack: &'p Pack, path: &str) -> Option<&'p FaqNode> {
    let mut here = &pack.faqs;
    if path.is_empty() {
        return Some(here);
    }
    // Deeper than any path is long.
    for _ in 0..64 {
        here = here.items.iter().find(|item| {
            path == item.path
                || path
                    .strip_prefix(item.path.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
        })?;
        if here.path == path {
            return Some(here);
        }
    }
    None
}

impl Run<'_> {
    /// The best candidate that still exists and is at least this likely.
    pub fn meant(&self, reading: &Reading, least: f32) -> Option<Candidate> {
        reading
            .candidates
            .iter()
            .find(|c| self.exists(&c.target))
            .filter(|c| c.confidence >= least)
            .cloned()
    }

    pub fn exists(&self, target: &Target) -> bool {
        match target {
            Target::Flow(name) => self.current.flows.get(name).is_some_and(may_start),
            Target::Faq(path) => node(&self.current, path).is_some(),
            Target::Trigger(index) => *index < self.current.triggers.len(),
        }
    }

    /// Two that are about as likely: the customer is asked which.
    pub fn close_candidates(&self, reading: &Reading) -> Vec<Candidate> {
        let mut live = reading.candidates.iter().filter(|c| {
            self.exists(&c.target)
                && !matches!(c.target, Target::Trigger(_))
                && c.confidence >= at::CLARIFY
        });
        match (live.next(), live.next()) {
            (Some(first), Some(second))
                if first.confidence < at::START
                    && first.confidence - second.confidence <= at::CLARIFY_GAP =>
            {
                let mut out = vec![first.clone(), second.clone()];
                out.extend(
                    live.next()
                        .filter(|c| first.confidence - c.confidence <= at::CLARIFY_GAP)
                        .cloned(),
                );
                out
            }
            _ => Vec::new(),
        }
    }

    /// "Did you mean …?", with what they lead to as buttons.
    pub fn clarify(&mut self, candidates: &[Candidate]) {
        let mut buttons = Vec::new();
        for candidate in candidates {
            let place = self.outside();
            let pack = self.current.clone();
            match &candidate.target {
                Target::Flow(name) => {
                    let label = match pack.flows.get(name).and_then(|f| f.title.as_ref()) {
                        Some(title) => self.text(&place, title),
                        None => name.replace('_', " "),
                    };
                    buttons.push((label, Press::Start { flow: name.clone() }));
                }
                Target::Faq(path) => {
                    if let Some(found) = node(&pack, path) {
                        let label = self.text(&place, &found.title);
                        buttons.push((
                            label,
                            Press::Faq {
                                path: path.clone(),
                                entry: path.clone(),
                            },
                        ));
                    }
                }
                Target::Trigger(_) => {}
            }
        }
        let titles: Vec<serde_json::Value> =
            buttons.iter().map(|(l, _)| l.as_str().into()).collect();
        let mut it = Map::new();
        it.insert("options".into(), titles.into());
        self.clarifying = buttons;
        self.pattern("clarify", it, super::state::OnEnd::Nothing);
    }

    /// Says an item's answer, or opens what it leads to. Does not ask again by itself. False where
    /// a flow was started or a menu shown.
    pub fn answer_faq(&mut self, path: &str, entry: &str) -> bool {
        let pack = self.current.clone();
        let Some(found) = node(&pack, path) else {
            self.note("faq", &format!("there is no item `{path}` any more"));
            return true;
        };
        if let Some(say) = &found.answer {
            let place = self.outside();
            if let Some(draft) = self.compose(&place, say) {
                self.note("faq", &format!("answers {path}"));
                self.send(&place, draft, Sending::default());
            }
            return true;
        }
        if let Some(flow) = &found.start {
            self.start_flow(&flow.clone(), &format!("the FAQ item {path}"));
            return false;
        }
        self.say_menu(found, entry, SaySource::default());
        false
    }

    /// A press on an entry of a menu of questions.
    pub fn faq_pressed(&mut self, path: &str, entry: &str) {
        if self.asks_faq() {
            let pack = self.current.clone();
            let deeper = node(&pack, path).is_some_and(|n| n.answer.is_none() && n.start.is_none());
            if deeper {
                self.show_faq(path, entry);
                return;
            }
            if self.answer_faq(path, entry) && self.asks_faq() {
                self.advance();
            }
            return;
        }
        self.quiet_question();
        if self.answer_faq(path, entry) {
            self.ask_again();
        }
    }

    /// A `faq` step.
    pub fn do_faq(&mut self, path: &str) {
        self.show_faq(path, path);
    }

    /// Opens a node as the question of the top frame.
    pub fn show_faq(&mut self, path: &str, entry: &str) {
        let pack = self.current.clone();
        let Some(found) = node(&pack, path) else {
            self.note("faq", &format!("there is no node `{path}` any more"));
            self.advance();
            return;
        };
        if found.items.is_empty() {
            if self.answer_faq(path, entry) {
                self.advance();
            }
            return;
        }
        let Some(place) = self.top_place() else {
            return;
        };
        self.open_question(
            &place,
            What::Faq {
                path: path.to_owned(),
                entry: entry.to_owned(),
            },
        );
        let asks = if path.is_empty() { "faq" } else { path };
        let source = SaySource {
            asks: Some(asks.to_owned()),
            step: place.step.clone(),
            ..SaySource::default()
        };
        self.say_menu(found, entry, source);
    }

    fn say_menu(&mut self, menu: &FaqNode, entry: &str, source: SaySource) {
        let place = self.outside();
        let title = self.text(&place, &menu.title);
        let text = if title.trim().is_empty() {
            self.builtin_text("faq_menu", Map::new(), "?")
        } else {
            title
        };
        let mut draft = Draft::text(text);
        for item in &menu.items {
            let label = self.text(&place, &item.title);
            draft.buttons.push((
                label,
                Press::Faq {
                    path: item.path.clone(),
                    entry: entry.to_owned(),
                },
            ));
        }
        if menu.path.len() > entry.len() {
            let up = menu.path.rsplit_once('.').map_or("", |(up, _)| up);
            let label = self.builtin_text("back", Map::new(), "Back");
            draft.buttons.push((
                label,
                Press::Faq {
                    path: up.to_owned(),
                    entry: entry.to_owned(),
                },
            ));
        }
        self.note(
            "faq",
            &format!(
                "menu {}",
                if menu.path.is_empty() {
                    "of everything"
                } else {
                    &menu.path
                }
            ),
        );
        self.send(
            &place,
            draft,
            Sending {
                source,
                ..Sending::default()
            },
        );
    }

    /// The entry of an open menu of questions that the message names.
    pub fn faq_choice(&mut self, words: &crate::value::Words) -> Option<(String, String)> {
        let Some(What::Faq { path, entry }) = self.asked().map(|a| a.what.clone()) else {
            return None;
        };
        let pack = self.current.clone();
        let menu = node(&pack, &path)?;
        let place = self.outside();
        let options: Vec<crate::value::Choice> = menu
            .items
            .iter()
            .map(|item| crate::value::Choice {
                value: item.path.clone().into(),
                label: self.text(&place, &item.title),
                words: Vec::new(),
            })
            .collect();
        let pick = crate::value::choice::pick(&options, words)?;
        Some((menu.items[pick.index].path.clone(), entry))
    }
}

/// Whether customers' words and buttons may start it.
pub(super) fn may_start(flow: &Flow) -> bool {
    !flow.callable_only
}
