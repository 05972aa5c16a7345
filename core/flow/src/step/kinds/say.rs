//! `say`, `tag` and `ticket`.

use crate::{
    model::{SayStep, TicketStep},
    step::{Effect, SaySource, run::Run, say::Sending, scope::Place},
};

impl Run<'_> {
    pub(in crate::step) fn do_say(&mut self, place: &Place, step: &SayStep) {
        let to = step
            .to
            .as_ref()
            .map(|t| self.render(place, t))
            .filter(|t| !t.is_empty());
        if let Some(mut draft) = self.compose(place, &step.say) {
            if !self.clarifying.is_empty() {
                draft.buttons.append(&mut self.clarifying);
            }
            let source = SaySource {
                step: place.step.clone(),
                ..SaySource::default()
            };
            self.send(
                place,
                draft,
                Sending {
                    source,
                    via: step.via.clone(),
                    to,
                },
            );
        }
        self.advance();
    }

    pub(in crate::step) fn do_tag(&mut self, words: &[String]) {
        for word in words {
            self.effects.push(Effect::Tag { word: word.clone() });
        }
        self.advance();
    }

    pub(in crate::step) fn do_ticket(&mut self, place: &Place, step: &TicketStep) {
        let title = self.text(place, &step.title);
        let fields = self.args(place, &step.fields);
        let to = step
            .to
            .as_ref()
            .map(|t| self.render(place, t))
            .filter(|t| !t.is_empty());
        let skill = step
            .skill
            .clone()
            .unwrap_or_else(|| place.pack.default_skill.clone());
        self.line("ticket", &format!("for {skill}"), place);
        self.effects.push(Effect::Ticket {
            title,
            skill,
            fields,
            via: step.via.clone(),
            to,
        });
        self.advance();
    }
}
