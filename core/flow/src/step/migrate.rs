//! Conversations whose version of the pack is gone.

use tandem_domain::{Map, Value, message::text_of};

use super::{
    Event, commands,
    run::Run,
    state::{Mode, OnEnd},
};
use crate::model::{StepKind, StepRef};

impl Run<'_> {
    /// Frames whose pack is gone go over to the current one: by step id, else from the beginning
    /// with their slots kept, after `flow_changed`.
    pub fn migrate(&mut self) -> bool {
        let mut changed: Option<String> = None;
        let mut at = 0;
        while at < self.state.frames.len() {
            let structure = self.state.frames[at].pack.clone();
            if self.pinned_pack(&structure).is_some() {
                at += 1;
                continue;
            }
            let current = self.current.clone();
            let frame = &mut self.state.frames[at];
            frame.pack = current.structure.clone();
            frame.form = None;
            let Some(flow) = current.flows.get(&frame.flow) else {
                let scope = frame.scope;
                let name = frame.flow.clone();
                changed = Some(name);
                self.drop_frames(|f| f.scope == scope);
                at = 0;
                continue;
            };
            let found = frame
                .step_id
                .as_ref()
                .and_then(|id| flow.ids.get(id))
                .copied();
            let name = frame.flow.clone();
            match found {
                Some(place) if frame.root == 0 => {
                    let asks = matches!(
                        flow.step(place).map(|s| &s.kind),
                        Some(StepKind::Collect(_) | StepKind::Form(_) | StepKind::Menu(_))
                    );
                    frame.pc = place;
                    if matches!(frame.mode, Mode::Ask(_)) && !asks {
                        frame.mode = Mode::Run;
                    }
                    self.note(
                        "migrate",
                        &format!("{name} was edited: goes on at the step of the same id"),
                    );
                }
                _ => {
                    let old = frame.clone();
                    let scope = old.scope;
                    if old.root == 0 && old.end == OnEnd::Resume {
                        frame.pc = StepRef::default();
                        frame.mode = Mode::Run;
                        frame.jumps.clear();
                        let base = old.id;
                        self.release(&old);
                        self.drop_frames(|f| f.scope == scope && f.id != base);
                    } else {
                        // A called flow lost its place: the user's flow begins again.
                        self.drop_frames(|f| f.scope == scope && f.end != OnEnd::Resume);
                        if let Some(base) = self.state.frames.iter_mut().find(|f| f.scope == scope)
                        {
                            base.pc = StepRef::default();
                            base.mode = Mode::Run;
                            base.pack = current.structure.clone();
                        }
                    }
                    self.note(
                        "migrate",
                        &format!("{name} was edited: begins again, with what is known"),
                    );
                    changed = Some(name);
                    at = 0;
                    continue;
                }
            }
            at += 1;
        }
        let Some(name) = changed else { return false };
        for scope in self.state.scopes.values_mut() {
            scope
                .history
                .retain(|h| h.frames.iter().all(|f| f.pack == self.current.structure));
        }
        let mut it = Map::new();
        it.insert("flow".into(), Value::from(name));
        let end = if self.state.is_asking() {
            OnEnd::Reask
        } else {
            OnEnd::Nothing
        };
        self.silent = self.is_human();
        self.pattern("flow_changed", it, end);
        true
    }

    /// Cancelling and asking for a person work whatever was edited; so does everything that is
    /// not the customer's.
    pub fn survives_change(&self, event: &Event) -> bool {
        match event {
            Event::Message { parts, .. } => commands::command(&text_of(parts)).is_some(),
            Event::Press { .. } => false,
            _ => true,
        }
    }
}
