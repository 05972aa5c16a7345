//! Steps that need the outside: `http`, `lua`, `plugin` and `answer`. The frame waits; the result
//! comes back as an event.

use serde_json::Map;
use tandem_domain::{
    Value,
    action::{ActionError, Request},
    reading::{Passage, Query},
};

use crate::{
    model::{
        AnswerStep, Arg, BlockId, Duration, ErrorKey, HttpStep, LuaStep, PluginStep, StepKind,
    },
    step::{
        Effect, OnceClaim, SaySource, cal,
        run::Run,
        say::Sending,
        scope::{Place, shorten},
        state::{Acting, Mode, OnEnd},
        thresholds,
    },
    template::Expr,
};

/// How long a call may take where nothing else is written.
const TIMEOUT_MS: u64 = 10_000;
/// How long a claim of 'once per contact' holds where nothing else is written.
const ONCE_DAYS: u64 = 30;
/// Passages asked for.
const PASSAGES: usize = 3;

/// What is special about a call.
struct Call {
    request: Request,
    what: String,
    timeout_ms: u64,
    write: bool,
    /// Whether it gets an idempotency key.
    key: bool,
    retry: Option<u32>,
    once: Option<OnceClaim>,
}

impl Run<'_> {
    pub(in crate::step) fn do_http(&mut self, place: &Place, step: &HttpStep) {
        let args = self.args(place, &step.with);
        let operation = place
            .pack
            .connections
            .get(&step.connection)
            .and_then(|c| c.operations.get(&step.operation).map(|o| (c, o)));
        let timeout = step
            .timeout
            .or_else(|| operation.and_then(|(_, o)| o.timeout))
            .or_else(|| operation.and_then(|(c, _)| c.timeout));
        let retry = step.retry.or_else(|| operation.and_then(|(_, o)| o.retry));
        let what = format!("{}.{}", step.connection, step.operation);
        let once = self.once(place, &what, &step.once_per, step.once_for);
        self.act(
            place,
            Call {
                request: Request::Http {
                    connection: step.connection.clone(),
                    operation: step.operation.clone(),
                    args: Value::Object(args),
                },
                what,
                timeout_ms: timeout.map_or(TIMEOUT_MS, cal::millis).max(1),
                write: step.write,
                key: step.write,
                retry,
                once,
            },
        );
    }

    /// The claim of what is done once for a contact.
    fn once(
        &mut self,
        place: &Place,
        what: &str,
        per: &[Expr],
        how_long: Option<Duration>,
    ) -> Option<OnceClaim> {
        if per.is_empty() {
            return None;
        }
        let values: Vec<Value> = per.iter().map(|e| self.eval(place, e)).collect();
        let key = blake3::hash(format!("{what}|{}", Value::Array(values)).as_bytes());
        let for_ms = how_long.map_or(ONCE_DAYS * 86_400_000, cal::millis);
        Some(OnceClaim {
            key: format!("{what}:{}", &key.to_hex()[..32]),
            for_ms,
        })
    }

    pub(in crate::step) fn do_lua(&mut self, place: &Place, step: &LuaStep) {
        let args = self.args(place, &step.with);
        self.act(
            place,
            Call {
                request: Request::Lua {
                    module: step.function.module.clone(),
                    function: step.function.name.clone(),
                    args: Value::Object(args),
                },
                what: format!("{}.{}", step.function.module, step.function.name),
                timeout_ms: step.timeout.map_or(TIMEOUT_MS, cal::millis).max(1),
                write: false,
                // With their place in the script it makes the keys of the plugins it calls.
                key: true,
                retry: None,
                once: None,
            },
        );
    }

    pub(in crate::step) fn do_plugin(&mut self, place: &Place, step: &PluginStep) {
        let args = self.args(place, &step.with);
        let contract = place.pack.contracts.get(&step.plugin);
        let method = contract.and_then(|c| c.methods.get(&step.method));
        let timeout_ms = match (step.timeout, method.and_then(|m| m.timeout_ms)) {
            (Some(written), _) => cal::millis(written),
            (None, Some(own)) => own,
            (None, None) => TIMEOUT_MS,
        };
        let idempotent = method.is_some_and(|m| m.idempotent);
        let what = format!("{}.{}", step.plugin, step.method);
        let once = self.once(place, &what, &step.once_per, step.once_for);
        self.act(
            place,
            Call {
                request: Request::Plugin {
                    plugin: step.plugin.clone(),
                    method: step.method.clone(),
                    args: Value::Object(args),
                },
                what,
                timeout_ms: timeout_ms.max(1),
                write: step.write,
                // A write without a key is never made a second time; one that cannot use a key must
                // not be.
                key: !step.write || idempotent,
                retry: step.retry,
                once,
            },
        );
    }

    pub(in crate::step) fn do_answer(&mut self, place: &Place, step: &AnswerStep) {
        let text = match &step.query {
            Some(query) => match self.arg(place, &Arg::Template(query.clone())) {
                Value::String(text) => text,
                Value::Null => String::new(),
                other => other.to_string(),
            },
            None => self.state.said.clone(),
        };
        let request = Request::Answer {
            query: Query {
                text,
                locale: self.locale.clone(),
                tags: step.tags.clone(),
                limit: PASSAGES,
            },
        };
        self.act(
            place,
            Call {
                request,
                what: "answer".into(),
                timeout_ms: TIMEOUT_MS,
                write: false,
                key: false,
                retry: None,
                once: None,
            },
        );
    }

    fn act(&mut self, place: &Place, call: Call) {
        let epoch = self.state.fresh_id();
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        let key = format!("{}:{}.{}:{epoch}", frame.id, place.at.block, place.at.index);
        frame.step_id = crate::step::question::step_id(&place.pack, &frame.flow, frame.pc);
        frame.mode = Mode::Act(Acting {
            key: key.clone(),
            what: call.what.clone(),
            write: call.write,
            result: None,
        });
        let conversation = self
            .around
            .conversation
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or("");
        // The same claim is the same request, wherever it is made from.
        let idempotency_key = call.key.then(|| {
            let contact = self
                .around
                .contact
                .get("id")
                .and_then(Value::as_str)
                .unwrap_or("");
            let name = match &call.once {
                Some(once) => format!("once|{contact}|{}", once.key),
                None => format!("act|{conversation}|{key}"),
            };
            blake3::hash(name.as_bytes()).to_hex()[..32].to_owned()
        });
        self.line("act", &call.what, place);
        self.effects.push(Effect::Act {
            key,
            request: call.request,
            timeout_ms: call.timeout_ms,
            pack: place.pack.structure.clone(),
            write: call.write,
            retry: call.retry,
            idempotency_key,
            once: call.once,
        });
    }

    /// A result came.
    pub(in crate::step) fn action_done(&mut self, key: &str, result: &Result<Value, ActionError>) {
        let found = self
            .state
            .frames
            .iter()
            .position(|f| matches!(&f.mode, Mode::Act(a) if a.key == key));
        let Some(at) = found else {
            self.note("act", "a late result: what asked for it is over");
            if self.silent {
                self.tell_result(key, result);
            }
            return;
        };
        let frame = &mut self.state.frames[at];
        let side = frame.root != 0;
        let Mode::Act(acting) = &mut frame.mode else {
            return;
        };
        let what = acting.what.clone();
        acting.result = Some(result.clone());
        if self.silent && !side {
            self.note(
                "act",
                &format!(
                    "{what}: people have the conversation, so the result is kept and told them"
                ),
            );
            self.tell_result(&what, result);
        }
    }

    fn tell_result(&mut self, what: &str, result: &Result<Value, ActionError>) {
        let text = match result {
            Ok(value) => format!("{what}: {}", shorten(&value.to_string(), 400)),
            Err(error) => format!("{what}: {} {}", error.code, shorten(&error.message, 200)),
        };
        self.effects.push(Effect::Note { text });
    }

    /// The top frame's action has its result.
    pub(in crate::step) fn take_result(&mut self) {
        let Some(place) = self.top_place() else {
            return;
        };
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        let Mode::Act(acting) = std::mem::replace(&mut frame.mode, Mode::Run) else {
            return;
        };
        let Some(result) = acting.result else { return };
        let scope = frame.scope;
        let pack = place.pack.clone();
        let flow = frame.flow.clone();
        let Some(step) = pack.flows.get(&flow).and_then(|f| f.step(place.at)) else {
            self.advance();
            return;
        };
        let done = acting.write
            && match &result {
                Ok(_) => true,
                Err(error) => error.code == ActionError::UNKNOWN,
            };
        if done && let Some(s) = self.state.scopes.get_mut(&scope) {
            s.committed.push(acting.what.clone());
        }
        match (&step.kind, result) {
            (StepKind::Answer(_), result) => self.say_passage(&place, result),
            (kind, Ok(value)) => {
                self.line("act", &format!("{}: done", acting.what), &place);
                let save = match kind {
                    StepKind::Http(s) => s.save.as_ref(),
                    StepKind::Lua(s) => s.save.as_ref(),
                    StepKind::Plugin(s) => s.save.as_ref(),
                    _ => None,
                };
                if let Some(name) = save
                    && !self.set_coerced(&pack, scope, name, &value)
                {
                    let error =
                        ActionError::new("bad_response", "the result is not of the slot's type");
                    self.act_failed(&place, kind, &error, &acting.what);
                    return;
                }
                self.advance();
            }
            (kind, Err(error)) => self.act_failed(&place, kind, &error, &acting.what),
        }
    }

    fn act_failed(&mut self, place: &Place, kind: &StepKind, error: &ActionError, what: &str) {
        self.line("act", &format!("{what}: failed, {}", error.code), place);
        let way = |ways: &[(ErrorKey, BlockId)]| {
            ways.iter()
                .find(|(key, _)| matches!(key, ErrorKey::Code(code) if *code == error.code))
                .or_else(|| ways.iter().find(|(key, _)| *key == ErrorKey::Other))
                .map(|(_, block)| *block)
        };
        let block = match kind {
            StepKind::Http(step) => way(&step.on_error),
            StepKind::Plugin(step) => way(&step.on_error),
            StepKind::Lua(step) => step.on_error,
            _ => None,
        };
        if let Some(block) = block {
            self.enter(place, block);
            return;
        }
        // Nothing is written for it: the flow cannot go on.
        let scope = place.scope.unwrap_or(0);
        let side = self.state.frames.last().is_some_and(|f| f.root != 0);
        if side {
            // Beside the conversation: the reminder is still said, the rest goes on.
            self.end_top(None);
            return;
        }
        self.drop_frames(|f| f.scope == scope);
        let mut it = Map::new();
        it.insert("code".into(), Value::from(error.code.as_str()));
        self.pattern("internal_error", it, OnEnd::Escalate);
    }

    fn say_passage(&mut self, place: &Place, result: Result<Value, ActionError>) {
        let passages: Vec<Passage> = match result {
            Ok(value) => serde_json::from_value(value).unwrap_or_default(),
            Err(error) => {
                self.line("answer", &format!("failed: {}", error.code), place);
                Vec::new()
            }
        };
        let best = passages
            .into_iter()
            .find(|p| p.confidence >= thresholds::ANSWER);
        let Some(best) = best else {
            self.line("answer", "nothing in the knowledge is sure enough", place);
            self.advance();
            self.cannot_handle();
            return;
        };
        self.line(
            "answer",
            &format!("{} ({:.2})", best.article, best.confidence),
            place,
        );
        self.state.repair.same_step = 0;
        let mut it = Map::new();
        it.insert("text".into(), Value::from(best.text.as_str()));
        it.insert("title".into(), Value::from(best.title.as_str()));
        it.insert("article".into(), Value::from(best.article.as_str()));
        let said = Place {
            pack: self.current.clone(),
            ..place.with_it(Value::Object(it))
        };
        let draft = self
            .compose(&said, &crate::model::Say::Response("answer".into()))
            .unwrap_or_else(|| crate::step::say::Draft::text(best.text));
        let source = SaySource {
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
        self.advance();
    }
}
