//! `call`, `link` and `end`.

use crate::{
    model::Args,
    step::{
        run::Run,
        scope::Place,
        state::{Mode, OnEnd},
    },
};

impl Run<'_> {
    pub(in crate::step) fn do_call(
        &mut self,
        place: &Place,
        flow: &str,
        with: &Args,
        save: Option<&String>,
    ) {
        let scope = place.scope.unwrap_or(0);
        if self.too_deep(scope) {
            return;
        }
        for (name, arg) in with {
            self.set_arg(place, scope, name, arg);
        }
        let frame = self.frame(
            flow,
            scope,
            OnEnd::Return {
                save: save.cloned(),
            },
        );
        // Called flows run under the caller's version.
        let pack = place.pack.structure.clone();
        self.state
            .frames
            .push(crate::step::state::Frame { pack, ..frame });
    }

    pub(in crate::step) fn do_link(&mut self, place: &Place, flow: &str, with: &Args) {
        let scope = place.scope.unwrap_or(0);
        for (name, arg) in with {
            self.set_arg(place, scope, name, arg);
        }
        let Some(old) = self.state.frames.pop() else {
            return;
        };
        self.note("link", &format!("{} goes over to {flow}", old.flow));
        let new = self.frame(flow, scope, old.end.clone());
        self.state.frames.push(crate::step::state::Frame {
            pack: place.pack.structure.clone(),
            after: None,
            mode: Mode::Run,
            ..new
        });
    }

    pub(in crate::step) fn do_end(&mut self, outcome: &str) {
        if let Some(frame) = self.state.frames.last()
            && let Some(after) = &frame.after
            && !after.returned
        {
            self.note("end", &format!("{outcome}, after the handoff"));
            self.drop_frames(|_| true);
            return;
        }
        self.end_top(Some(outcome.to_owned()));
    }
}
