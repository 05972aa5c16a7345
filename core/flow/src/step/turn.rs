//! The order in which an event is understood:
//!
//! button token → exact label of the open question → cancel / handoff / back → typed parse of the
//! open question → correction → flow and FAQ match → free-text slot → `cannot_handle`.
//! (A duplicate delivery never comes this far.)

use serde_json::Map;
use tandem_domain::{
    Value,
    message::{MediaKind, Part, text_of},
    reading::{Article, Audience, Reading, Target},
};

use super::{
    Effect, Event,
    commands::{self, Command},
    question::{Input, Open, Taken, Why},
    run::Run,
    scope::shorten,
    state::{MAX_DEFERRED, OnEnd, What},
    thresholds as at,
};
use crate::value::{self, Invalid, Parsed, Words, normal};

/// The shipped flow that looks up what nothing else matches.
const FROM_KNOWLEDGE: &str = "from_knowledge";

impl Run<'_> {
    /// A new open→resolve cycle counts its repairs anew; people who left without a word no longer
    /// have the conversation.
    pub fn begin_session(&mut self) {
        self.silent = self.is_human();
        let session = self
            .around
            .conversation
            .get("session")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        if session != self.state.session {
            self.state.session = session;
            self.state.repair = super::state::Repair::default();
            self.state.fired.clear();
            self.state.pages.clear();
        }
        if !self.silent
            && self.state.handoff.is_some()
            && !matches!(self.event, Event::Closed { .. })
        {
            self.note(
                "handoff",
                "people no longer have the conversation: what was open is dropped",
            );
            self.state.handoff = None;
            self.drop_frames(|f| f.after.is_none());
            self.wake_overdue();
        }
    }

    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Message { parts, reading, .. } => self.message_event(event, parts, reading),
            Event::Press {
                token,
                label,
                reading,
            } => self.press_event(event, token, label.as_deref(), reading),
            Event::Signal { name, data } => self.signal(event, name, data),
            Event::Page { url, seconds } => self.page(url, *seconds),
            Event::Timer { key, payload } => {
                // What would interrupt an action waits for its end.
                let waits = self.is_acting() && !key.starts_with("max_wait:") && key != "session";
                if waits && !self.silent {
                    self.defer(event);
                } else {
                    self.timer(key, payload);
                }
            }
            Event::ActionDone { key, result } => self.action_done(key, result),
            Event::TakenOver => self.taken_over(),
            Event::Closed { returned } => self.closed(*returned),
        }
    }

    pub fn defer(&mut self, event: &Event) {
        // A timer comes once, and there are no more of them than were set.
        let once = matches!(event, Event::Timer { .. });
        if self.state.deferred.len() >= MAX_DEFERRED && !once {
            self.note(
                "deferred",
                "too much came in while an action runs: this is left to people",
            );
            self.effects.push(Effect::Note {
                text: "A message came in while too many others waited; the bot did not read it."
                    .into(),
            });
            return;
        }
        self.note("deferred", "an action runs: this is taken up after it");
        self.state.deferred.push_back(event.clone());
    }

    fn message_event(&mut self, event: &Event, parts: &[Part], reading: &Reading) {
        let text = text_of(parts);
        let words = Words::new(&text);
        let files: Vec<_> = parts
            .iter()
            .filter_map(|p| match p {
                Part::Media(media) => Some(media.clone()),
                _ => None,
            })
            .collect();
        self.hear(&words, reading);
        if self.silent {
            self.note("handoff", "people have the conversation: the bot is silent");
            return;
        }
        let input = Input {
            words: &words,
            files: &files,
            reading,
        };
        if self.is_acting() {
            let command = commands::command(&words.text);
            if command == Some(Command::Cancel) {
                self.cancel();
            } else if !self.wants_person(command, &words.text, reading) {
                self.defer(event);
            }
            return;
        }
        self.opening = None;
        self.understand(&input);
    }

    /// What expressions may know of the message, and the customer's language.
    fn hear(&mut self, words: &Words, reading: &Reading) {
        self.state.last_at = self.now;
        self.state.said = shorten(&words.raw, 500);
        self.state.sentiment = reading.sentiment;
        let mut message = Map::new();
        message.insert("text".into(), Value::from(words.raw.as_str()));
        message.insert("sentiment".into(), rounded(reading.sentiment));
        for (name, level) in reading.emotion.levels() {
            message.insert(name.into(), rounded(level));
            if level >= STRONG {
                self.note("feeling", &reading.emotion.told(name, level));
            }
        }
        if let Some(language) = &reading.language {
            // Without its script: `zh` of `zh-Hant`, so that one comparison serves.
            message.insert("language".into(), Value::from(language.language()));
        }
        self.message = Value::Object(message);
        if let Some(found) = reading
            .language
            .as_ref()
            .and_then(|l| l.best(&self.current.locales))
            .cloned()
            && found != self.locale
            && speaks(&words.text)
        {
            self.note("locale", &format!("the customer writes {found}"));
            self.locale = found.clone();
            self.state.locale = Some(found.clone());
            self.effects.push(Effect::Locale { locale: found });
        }
    }

    fn understand(&mut self, input: &Input<'_>) {
        let text = input.words.text.as_str();
        if let Some(token) = self.typed_label(text) {
            self.note("match", "the exact label of a button");
            self.press(&token);
            return;
        }
        let command = commands::command(text);
        match command {
            Some(Command::Cancel) => {
                if self.cancels_by_flow(input) {
                    return;
                }
                self.note("match", "cancel");
                self.cancel();
                return;
            }
            Some(Command::Back) if self.state.is_asking() => {
                self.note("match", "back");
                self.back();
                return;
            }
            _ => {}
        }
        if self.wants_person(command, text, input.reading) || self.condition_trigger() {
            return;
        }
        if command == Some(Command::Repeat) && self.state.is_asking() {
            self.note("match", "repeat");
            self.pattern("repeat", Map::new(), OnEnd::Reask);
            return;
        }
        match self.asked().map(|a| a.what.clone()) {
            Some(What::Slot { .. }) => self.answer_slot(input),
            Some(What::Confirm { .. }) => self.answer_confirm(input),
            Some(What::Change) => self.answer_change(input),
            Some(What::Menu) => self.answer_menu(input),
            Some(What::Faq { .. }) => self.answer_faq_menu(input),
            None => self.nothing_open(input),
        }
    }

    /// With nothing open, "I want to cancel" may mean a flow that cancels something.
    fn cancels_by_flow(&mut self, input: &Input<'_>) -> bool {
        if !self.state.frames.is_empty() {
            return false;
        }
        let likely = self.meant(input.reading, at::CLARIFY);
        if !likely.is_some_and(|c| matches!(c.target, Target::Flow(_))) {
            return false;
        }
        if self.digress(input, at::START, false) {
            return true;
        }
        let mut close = self.close_candidates(input.reading);
        close.retain(|c| matches!(c.target, Target::Flow(_)));
        if close.len() > 1 {
            self.note("match", "several things could be cancelled");
            self.clarify(&close);
        }
        close.len() > 1
    }

    fn answer_slot(&mut self, input: &Input<'_>) {
        let Some(open) = self.open() else {
            // Its step is gone: the flow goes on.
            self.advance();
            return;
        };
        let text = input.words.text.as_str();
        let has_options = open.collect.options_from.is_some();
        let free = value::is_free(&open.slot, has_options);
        let says_no_itself = matches!(open.slot.kind, crate::model::SlotKind::Boolean);
        if open.collect.optional && !says_no_itself && commands::is_skip(text) {
            self.note("match", "skip");
            self.skip(&open);
            return;
        }
        let mut why = Why::Invalid(Invalid::response(value::invalid_name(&open.slot.kind)));
        if !free {
            match self.read_answer(&open, input) {
                Ok(parsed) if !self.only_asks(&open, &parsed, input) => {
                    match self.accept(&open, parsed, Some(input)) {
                        Taken::Yes => {}
                        Taken::No(why) => self.failed(&why),
                    }
                    return;
                }
                Ok(_) => self.note("match", "a value stands in it, but it asks something"),
                Err(invalid) => why = Why::Invalid(invalid),
            }
        }
        let numeric = matches!(
            open.slot.kind,
            crate::model::SlotKind::Integer { .. } | crate::model::SlotKind::Number { .. }
        );
        if !numeric
            && self.question_has_buttons()
            && let Some(token) = self.typed_number(text)
        {
            self.note("match", "the number of a button");
            self.press(&token);
            return;
        }
        if open.collect.digressions {
            if self.correct(input) {
                return;
            }
            let least = if free { at::OVER_FREE_TEXT } else { at::START };
            if self.digress(input, least, free) {
                return;
            }
        }
        if free {
            match self.read_answer(&open, input) {
                Ok(parsed) => match self.accept(
                    &open,
                    Parsed {
                        exact: true,
                        ..parsed
                    },
                    Some(input),
                ) {
                    Taken::Yes => return,
                    Taken::No(refused) => why = refused,
                },
                Err(invalid) => why = Why::Invalid(invalid),
            }
        }
        self.failed(&why);
    }

    /// A value inside a sentence that asks something known: the question is meant, not the value.
    fn only_asks(&self, open: &Open, parsed: &Parsed, input: &Input<'_>) -> bool {
        if parsed.exact || value::is_unmistakable(&open.slot) || !open.collect.digressions {
            return false;
        }
        let Some(candidate) = self.meant(input.reading, at::START) else {
            return false;
        };
        let other = match &candidate.target {
            Target::Flow(name) => !self.state.frames.iter().any(|f| f.flow == *name),
            Target::Faq(_) => true,
            Target::Trigger(_) => false,
        };
        let lower = &input.words.lower;
        let clause = normal::clauses(lower)
            .into_iter()
            .find(|c| c.start <= parsed.span.start && parsed.span.start < c.end);
        other
            && clause.is_some_and(|c| {
                let own = parsed.span.start.max(c.start)
                    ..parsed
                        .span
                        .end
                        .min(c.end)
                        .max(parsed.span.start.max(c.start));
                normal::weight(&lower[c]) >= normal::weight(&lower[own]) + 2
            })
    }

    fn answer_confirm(&mut self, input: &Input<'_>) {
        let text = input.words.text.as_str();
        let judged = commands::yes_or_no(text);
        if let Some(answer) = &judged
            && answer.exact
        {
            self.confirmed(answer.yes);
            return;
        }
        let agrees = judged.as_ref().is_some_and(|answer| answer.yes);
        if self.correct_values(input, !agrees) {
            return;
        }
        // "Yes, any fees?": nothing is written before that is answered.
        if self.digress(input, at::START, false) {
            return;
        }
        let but = [" but ", " except ", "但", "不过"]
            .iter()
            .any(|word| input.words.lower.contains(word));
        match judged {
            Some(answer) if !(answer.yes && but) => self.confirmed(answer.yes),
            _ => match self.typed_number(text) {
                Some(token) if self.question_has_buttons() => {
                    self.note("match", "the number of a button");
                    self.press(&token);
                }
                _ => self.failed_confirm(),
            },
        }
    }

    fn failed_confirm(&mut self) {
        self.failed(&Why::Invalid(Invalid::response("invalid_confirm")));
    }

    fn answer_change(&mut self, input: &Input<'_>) {
        let text = input.words.text.as_str();
        if self.correct(input) {
            return;
        }
        if let Some(token) = self.typed_number(text) {
            self.press(&token);
            return;
        }
        let settled =
            commands::is_skip(text) || commands::yes_or_no(text).is_some_and(|y| y.yes && y.exact);
        if settled {
            self.note("match", "nothing is to be changed");
            if let Some((place, form)) = self.open_form() {
                self.ask_confirm(&place, &form);
            }
            return;
        }
        if self.digress(input, at::START, false) {
            return;
        }
        self.failed(&Why::Silent);
    }

    fn answer_faq_menu(&mut self, input: &Input<'_>) {
        if let Some((path, entry)) = self.faq_choice(input.words) {
            self.note("match", "an entry of the menu of questions");
            self.faq_pressed(&path, &entry);
            return;
        }
        if let Some(token) = self.typed_number(&input.words.text) {
            self.press(&token);
            return;
        }
        // A menu of questions holds nobody.
        self.note("match", "nothing of the menu: it closes");
        self.advance();
        self.drive();
        if self.state.is_asking() {
            self.understand(input);
        } else {
            self.nothing_open(input);
        }
    }

    fn nothing_open(&mut self, input: &Input<'_>) {
        let text = input.words.text.as_str();
        if let Some(token) = self.typed_number(text) {
            self.note("match", "the number of a button");
            self.press(&token);
            return;
        }
        if text.is_empty()
            && let Some(media) = input.files.first()
        {
            let kind = match media.media {
                MediaKind::Image => "image",
                MediaKind::Audio => "audio",
                MediaKind::Video => "video",
                MediaKind::File => "file",
            };
            let flow = self
                .current
                .flows
                .values()
                .find(|f| f.start_when.media.as_deref() == Some(kind))
                .map(|f| f.name.clone());
            if let Some(flow) = flow {
                self.start_flow(&flow, &format!("it starts on {kind}"));
                return;
            }
        }
        if self.digress(input, at::START, false) {
            self.state.repair.same_step = 0;
            return;
        }
        let close = self.close_candidates(input.reading);
        if close.len() > 1 {
            self.note("match", "several things are about as likely");
            self.clarify(&close);
            return;
        }
        if !text.is_empty() && self.answers_unmatched() {
            self.note("match", "nothing is sure enough: the knowledge is asked");
            self.pattern(FROM_KNOWLEDGE, Map::new(), OnEnd::Nothing);
            return;
        }
        self.cannot_handle();
    }

    /// Whether the pack has articles for customers and lets them answer what nothing else matches.
    fn answers_unmatched(&self) -> bool {
        let told = |article: &Article| article.audience == Audience::Customer;
        self.current.answer_unmatched && self.current.articles.iter().any(told)
    }

    pub fn cannot_handle(&mut self) {
        self.count_repair();
        self.note("failed", "nothing is sure enough");
        if self.repair_trigger() {
            return;
        }
        let end = if self.state.is_asking() {
            OnEnd::Reask
        } else {
            OnEnd::Nothing
        };
        self.pattern("cannot_handle", Map::new(), end);
    }

    pub fn matched(&mut self, candidate: &tandem_domain::reading::Candidate) {
        let near = candidate
            .phrase
            .as_ref()
            .map_or_else(String::new, |p| format!(", near {p:?}"));
        let what = match &candidate.target {
            Target::Flow(name) => format!("flow {name}"),
            Target::Faq(path) => format!("FAQ {path}"),
            Target::Trigger(index) => format!("trigger {index}"),
        };
        self.note(
            "match",
            &format!("{what} ({:.2}{near})", candidate.confidence),
        );
    }
}

/// From here on a feeling is worth a line in the trace.
const STRONG: f32 = 0.5;

/// Three decimals of a sentiment, so that −0.6 compares as it is written.
fn rounded(value: f32) -> Value {
    Value::from((f64::from(value) * 1_000.0).round() / 1_000.0)
}

/// Enough words to tell a language by: not a number, a code or a single word.
fn speaks(text: &str) -> bool {
    let han = text.chars().filter(|c| normal::is_han(*c)).count();
    let words = text
        .split_whitespace()
        .filter(|w| w.chars().filter(|c| c.is_alphabetic()).count() >= 2)
        .count();
    han >= 2 || words >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_shows_in_words_only() {
        assert!(speaks("我要退货"));
        assert!(speaks("where is it"));
        assert!(!speaks("ok"));
        assert!(!speaks("12345678"));
    }
}
