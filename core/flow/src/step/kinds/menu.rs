//! `menu`: a question whose answers are ways on.

use crate::{
    model::{Menu, StepKind},
    step::{
        SaySource,
        question::{Input, Why},
        run::Run,
        say::Sending,
        scope::Place,
        state::{From, Press, What},
        thresholds as at,
    },
    value::{Choice, Invalid, choice, normal},
};

impl Run<'_> {
    pub(in crate::step) fn do_menu(&mut self, place: &Place, menu: &Menu) {
        let shown = self.menu_options(place, menu);
        if shown.is_empty() {
            self.line("menu", "no option's `if` holds", place);
            match menu.otherwise {
                Some(block) => self.enter(place, block),
                None => self.advance(),
            }
            return;
        }
        self.open_question(place, What::Menu);
        let mut draft = match &menu.ask {
            Some(say) => self.compose(place, say).unwrap_or_default(),
            None => crate::step::say::Draft::default(),
        };
        draft.buttons.extend(
            shown
                .into_iter()
                .map(|(index, label)| (label, Press::Menu { index })),
        );
        let source = SaySource {
            asks: Some(menu.name.clone()),
            step: place.step.clone(),
            ..SaySource::default()
        };
        self.send(
            place,
            draft,
            Sending {
                source,
                ..Sending::default()
            },
        );
    }

    /// Options whose condition holds, with their place among all.
    fn menu_options(&mut self, place: &Place, menu: &Menu) -> Vec<(u32, String)> {
        let mut out = Vec::new();
        for (index, option) in menu.options.iter().enumerate() {
            let holds = match &option.cond {
                Some(cond) => self.test(place, cond),
                None => true,
            };
            if holds {
                let label = self.text(place, &option.label);
                out.push((u32::try_from(index).unwrap_or(u32::MAX), label));
            }
        }
        out
    }

    fn open_menu(&mut self) -> Option<(Place, Menu)> {
        let place = self.top_place()?;
        let pack = place.pack.clone();
        let frame = self.state.frames.last()?;
        match &pack.flows.get(&frame.flow)?.step(frame.pc)?.kind {
            StepKind::Menu(menu) => Some((place, menu.clone())),
            _ => None,
        }
    }

    pub(in crate::step) fn menu_chosen(&mut self, index: u32) {
        let Some((place, menu)) = self.open_menu() else {
            return;
        };
        let Some(option) = menu.options.get(index as usize) else {
            self.expired("that option is gone");
            return;
        };
        self.line(
            "answer",
            &format!("option {} of {}", index + 1, menu.name),
            &place,
        );
        self.state.repair.same_step = 0;
        if let Some(frame) = self.state.frames.last_mut() {
            frame.attempts.remove("(menu)");
        }
        match option.then {
            Some(block) => self.enter(&place, block),
            None => {
                self.line("branch", &format!("options.{}", index + 1), &place);
                self.advance();
            }
        }
    }

    /// A press on a menu that was left: back to it, if its flow has done nothing since.
    pub(in crate::step) fn menu_again(&mut self, from: &From, index: u32) {
        let Some(at) = self.state.frames.iter().position(|f| f.id == from.frame) else {
            self.expired("its flow is over");
            return;
        };
        let above: Vec<u64> = self.state.frames[at + 1..].iter().map(|f| f.id).collect();
        self.drop_frames(|f| above.contains(&f.id));
        self.quiet_question();
        if let Some(frame) = self.state.frames.last_mut() {
            frame.pc = from.at;
            frame.form = None;
        }
        self.note("correction", "another option of an earlier menu");
        self.menu_chosen(index);
    }

    pub(in crate::step) fn answer_menu(&mut self, input: &Input<'_>) {
        let Some((place, menu)) = self.open_menu() else {
            self.advance();
            return;
        };
        let shown = self.menu_options(&place, &menu);
        let options: Vec<Choice> = shown
            .iter()
            .map(|(index, label)| {
                let option = &menu.options[*index as usize];
                let words = option
                    .phrases
                    .0
                    .values()
                    .flatten()
                    .map(|(phrase, _)| phrase.clone())
                    .chain(
                        option
                            .label
                            .0
                            .values()
                            .filter_map(|t| t.literal.as_ref().map(|l| l.to_string())),
                    )
                    .collect();
                Choice {
                    value: (*index).into(),
                    label: label.clone(),
                    words,
                }
            })
            .collect();
        let picked = choice::pick(&options, input.words)
            .map(|p| p.index)
            .or_else(|| by_phrase(&options, &input.words.lower));
        if let Some(picked) = picked {
            self.menu_chosen(shown[picked].0);
            return;
        }
        if self.correct(input) || self.menu_digression(input) {
            return;
        }
        if let Some(block) = menu.otherwise {
            self.line("answer", "none of the options", &place);
            self.enter(&place, block);
            return;
        }
        self.failed(&Why::Invalid(Invalid::response("invalid_choice")));
    }

    fn menu_digression(&mut self, input: &Input<'_>) -> bool {
        self.digress(input, at::START, false)
    }
}

/// The option one of whose phrases has all its words in the message.
fn by_phrase(options: &[Choice], lower: &str) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    for (index, option) in options.iter().enumerate() {
        for phrase in &option.words {
            let phrase = normal::fold(phrase);
            let words: Vec<&str> = phrase
                .split(|c: char| !(c.is_alphanumeric() || c == '\''))
                .filter(|w| !w.is_empty())
                .collect();
            let all = !words.is_empty()
                && words.iter().all(|word| {
                    lower
                        .match_indices(word)
                        .any(|(at, part)| normal::bounded(lower, &(at..at + part.len())))
                });
            let weight = normal::weight(&phrase);
            if all && weight >= 2 && best.is_none_or(|(_, w)| weight > w) {
                best = Some((index, weight));
            }
        }
    }
    best.map(|(index, _)| index)
}
