//! Where a conversation has been, and back there.

use tandem_domain::Value;

use super::{
    run::Run,
    scope::Place,
    state::{Answered, Frame, MAX_HISTORY, Mode, What},
};

impl Run<'_> {
    /// Notes that a question was passed.
    pub fn remember_answer(&mut self, scope: u64, slot: &str, field: Option<u32>, asked: bool) {
        if self
            .state
            .frames
            .last()
            .is_none_or(|f| f.scope != scope || f.root != 0 || !f.it.is_empty())
        {
            return;
        }
        let frames: Vec<Frame> = self
            .state
            .frames
            .iter()
            .filter(|f| f.scope == scope)
            .map(|f| Frame {
                mode: Mode::Run,
                attempts: std::collections::BTreeMap::new(),
                woken: None,
                ..f.clone()
            })
            .collect();
        let committed = self.committed(scope);
        let Some(s) = self.state.scopes.get_mut(&scope) else {
            return;
        };
        // Passed again in the same place: the old entry gives way.
        let at = frames.last().map(|f| (f.id, f.pc));
        s.history
            .retain(|h| !(h.slot == slot && h.frames.last().map(|f| (f.id, f.pc)) == at));
        if s.history.len() >= MAX_HISTORY {
            s.history.remove(0);
        }
        s.history.push(Answered {
            slot: slot.to_owned(),
            field,
            asked,
            frames,
            committed,
        });
    }

    /// Puts the frames back to where this question stood, hiding what came after.
    pub fn rewind(&mut self, scope: u64, entry: usize) {
        let Some(s) = self.state.scopes.get_mut(&scope) else {
            return;
        };
        if entry >= s.history.len() {
            return;
        }
        let later: Vec<Answered> = s.history.drain(entry + 1..).collect();
        let target = s.history[entry].clone();
        for answered in later {
            if answered.slot == target.slot {
                continue;
            }
            if let Some(held) = s.slots.remove(&answered.slot) {
                s.pending.insert(answered.slot, held);
            }
        }
        self.note(
            "rewind",
            &format!("back to the question for {}", target.slot),
        );
        self.drop_frames(|f| f.scope == scope);
        for mut frame in target.frames {
            frame.id = frame.id.max(1);
            if let Some(form) = &mut frame.form {
                form.judged.clear();
                if let Some(field) = target.field {
                    // Later fields are looked at again.
                    form.answered.retain(|f| *f < field);
                }
            }
            self.state.frames.push(frame);
        }
    }

    /// Back to a question, emptied, so that it is asked again.
    pub fn rewind_to_ask(&mut self, place: &Place, name: &str) {
        let Some(scope) = place.scope else { return };
        let entry = self
            .state
            .scopes
            .get(&scope)
            .and_then(|s| s.history.iter().rposition(|h| h.slot == name));
        let Some(entry) = entry else {
            self.ask_again();
            return;
        };
        let pack = place.pack.clone();
        self.quiet_question();
        self.rewind(scope, entry);
        if let Some(slot) = pack.slots.get(name) {
            self.set(slot, scope, Value::Null, false);
        }
        let field = self
            .state
            .scopes
            .get(&scope)
            .and_then(|s| s.history.get(entry))
            .and_then(|h| h.field);
        if let Some(s) = self.state.scopes.get_mut(&scope) {
            s.skipped.remove(name);
            s.history.truncate(entry);
        }
        if let Some(frame) = self.state.frames.last_mut()
            && let Some(form) = &mut frame.form
            && let Some(field) = field
        {
            form.answered.remove(&field);
        }
    }

    /// One question back.
    pub fn back(&mut self) {
        if let Some(What::Faq { path, entry }) = self.asked().map(|a| a.what.clone()) {
            if path.len() > entry.len() {
                let up = path
                    .rsplit_once('.')
                    .map_or(String::new(), |(up, _)| up.to_owned());
                self.show_faq(&up, &entry);
            } else {
                self.ask_again();
            }
            return;
        }
        let Some(place) = self.top_place() else {
            return;
        };
        let Some(scope) = place.scope else { return };
        let done = self.committed(scope);
        let previous = self.state.scopes.get(&scope).and_then(|s| {
            s.history
                .iter()
                .rev()
                .find(|h| h.asked && h.committed == done)
                .map(|h| h.slot.clone())
        });
        match previous {
            Some(name) => {
                self.line("back", &format!("to the question for {name}"), &place);
                self.rewind_to_ask(&place, &name);
            }
            None => {
                self.line(
                    "back",
                    "there is nothing before this that could be changed",
                    &place,
                );
                self.ask_again();
            }
        }
    }
}
