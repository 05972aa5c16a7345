//! `if`, `switch`, `set` and `goto`.

use tandem_domain::Value;

use crate::{
    model::{Arg, StepRef},
    step::{run::Run, scope::Place, state::Mode},
    template::Expr,
};

impl Run<'_> {
    pub(in crate::step) fn do_if(
        &mut self,
        place: &Place,
        cond: &Expr,
        then: u32,
        otherwise: Option<u32>,
    ) {
        let holds = self.test(place, cond);
        match (holds, otherwise) {
            (true, _) => self.enter(place, then),
            (false, Some(block)) => self.enter(place, block),
            (false, None) => {
                self.line("branch", "", place);
                self.advance();
            }
        }
    }

    pub(in crate::step) fn do_switch(
        &mut self,
        place: &Place,
        on: &Expr,
        cases: &[(Value, u32)],
        otherwise: Option<u32>,
    ) {
        let value = self.eval(place, on);
        let found = cases
            .iter()
            .find(|(case, _)| same(case, &value))
            .map(|(_, block)| *block);
        match found.or(otherwise) {
            Some(block) => self.enter(place, block),
            None => {
                self.line("branch", "", place);
                self.advance();
            }
        }
    }

    pub(in crate::step) fn do_set(&mut self, place: &Place, values: &[(String, Arg)]) {
        for (name, arg) in values {
            let scope = place.scope.unwrap_or(0);
            self.set_arg(place, scope, name, arg);
            if let Some(s) = self.state.scopes.get_mut(&scope) {
                // Emptied on purpose: it may be asked for again.
                s.skipped.remove(name);
                s.pending.remove(name);
            }
        }
        self.advance();
    }

    pub(in crate::step) fn do_goto(
        &mut self,
        place: &Place,
        label: &str,
        target: StepRef,
        max: Option<u32>,
        otherwise: Option<u32>,
    ) {
        let limit = max.unwrap_or(place.pack.limits.jumps.max(1));
        let key = format!("{}.{}", place.at.block, place.at.index);
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        let count = frame.jumps.entry(key).or_default();
        if *count < limit {
            *count += 1;
            let count = *count;
            frame.pc = target;
            frame.mode = Mode::Run;
            frame.form = None;
            self.line("jump", &format!("to {label}, {count} of {limit}"), place);
            return;
        }
        match otherwise {
            Some(block) => self.enter(place, block),
            None if max.is_some() => {
                self.line(
                    "jump",
                    &format!("{label}: taken {limit} times, so on with the next step"),
                    place,
                );
                self.advance();
            }
            None => {
                self.line("limit", &format!("{label}: more than {limit} jumps"), place);
                let scope = place.scope.unwrap_or(0);
                self.drop_frames(|f| f.scope == scope);
                self.escalate_default("a flow went in circles");
            }
        }
    }
}

/// A case as written and a value as it came: `1` and `"1"` are the same way.
fn same(case: &Value, value: &Value) -> bool {
    if case == value {
        return true;
    }
    let text = |v: &Value| match v {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.as_f64().map_or_else(|| n.to_string(), |f| f.to_string())),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    };
    matches!((text(case), text(value)), (Some(a), Some(b)) if a == b)
}
