//! Runs with effects: a `lua:` step, off the async workers.
//!
//! A run alternates between the script, which computes on a blocking thread, and the host, which
//! is awaited on the caller's task. A call waiting for the host holds no thread, and a script that
//! spins holds one of a bounded number, for as long as its processor time lasts.

use std::{sync::Arc, time::Duration};

use mlua::{MultiValue, Thread, Value as LuaValue};
use tandem_domain::{Timestamp, Value};
use tokio::sync::Semaphore;

use crate::{
    Limits, LuaError, Program,
    error::ErrorKind,
    host::{self, Host, HostCall, HostError, HostRequest, LogLine},
    pure::locate,
    sandbox::{Logs, Resumed, State},
    watch::Watch,
};

/// What to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub module: String,
    pub function: String,
    /// The one argument: a step's `with` map.
    pub args: Value,
    /// Frozen for the run.
    pub now: Timestamp,
    /// Where `math.random` starts.
    pub seed: u64,
}

/// How a run ended, and everything it did on the way, failed or not.
#[derive(Clone, Debug)]
pub struct Run {
    pub result: Result<Value, LuaError>,
    pub calls: Vec<HostCall>,
    pub log: Vec<LogLine>,
    /// Lines of log beyond the limit.
    pub log_dropped: u64,
}

/// Bounds how many scripts compute at once. Make one and share it.
#[derive(Clone, Debug)]
pub struct Runner {
    slots: Arc<Semaphore>,
}

impl Runner {
    /// `slots`: scripts that may compute at the same time; at least one.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slots.max(1))),
        }
    }

    /// Runs `work` on a blocking thread when a slot is free: for turns that reach pure Lua.
    ///
    /// # Panics
    /// When `work` panics.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let permit = self.slots.clone().acquire_owned().await;
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        match task.await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down: this future will not be polled again.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Calls a function with the host API. Ends within `limits.wall` on tokio's clock; dropping
    /// the future stops the script at its next interrupt.
    pub async fn run(
        &self,
        program: &Program,
        call: &Call,
        host: &dyn Host,
        limits: &Limits,
    ) -> Run {
        let logs = Logs::keep(limits.log_lines);
        let mut calls = Vec::new();
        let work = self.drive(program, call, host, limits, &logs, &mut calls);
        let result = match tokio::time::timeout(limits.wall, work).await {
            Ok(result) => result,
            Err(_) => Err(LuaError::timeout()),
        };
        for ordinal in calls.iter_mut().filter_map(Open::cut_short) {
            tracing::debug!(ordinal, "The deadline cut a host call short.");
        }
        let (log, log_dropped) = logs.take();
        Run {
            result: result.map_err(|error| locate(error, program, &call.module)),
            calls: calls.into_iter().map(Open::close).collect(),
            log,
            log_dropped,
        }
    }

    async fn drive(
        &self,
        program: &Program,
        call: &Call,
        host: &dyn Host,
        limits: &Limits,
        logs: &Logs,
        calls: &mut Vec<Open>,
    ) -> Result<Value, LuaError> {
        let (program, first, bounds, logs) =
            (program.clone(), call.clone(), limits.clone(), logs.clone());
        let watch = Watch::new();
        let _leash = Leash(watch.clone());
        let (mut script, mut step) = self
            .blocking(move || {
                let mut script = Script::new(&program, &bounds, logs, watch)?;
                let step = script.start(&program, &first)?;
                Ok::<_, LuaError>((script, step))
            })
            .await?;
        let mut misuses = 0;
        loop {
            let (name, args) = match step {
                Step::Done(value) => return Ok(value),
                Step::Call(name, args) => (name, args),
            };
            let answer = match args.and_then(|args| host::parse(&name, args)) {
                Err(reason) => {
                    misuses += 1;
                    if misuses > limits.host_calls {
                        return Err(LuaError::new(ErrorKind::Runtime, reason));
                    }
                    Answer::Misuse(reason)
                }
                Ok(request) => {
                    let ordinal = u32::try_from(calls.len()).unwrap_or(u32::MAX);
                    if ordinal >= limits.host_calls {
                        let text = format!("more than {} calls to the host", limits.host_calls);
                        return Err(LuaError::new(ErrorKind::Runtime, text));
                    }
                    calls.push(Open::new(ordinal, request.clone()));
                    let result = host::dispatch(host, ordinal, &request).await;
                    if let Some(open) = calls.last_mut() {
                        open.result = Some(result.clone());
                    }
                    Answer::Result(request, result)
                }
            };
            (script, step) = self
                .blocking(move || {
                    let step = script.resume(answer)?;
                    Ok::<_, LuaError>((script, step))
                })
                .await?;
        }
    }
}

/// A journal line whose answer may still be out.
struct Open {
    ordinal: u32,
    request: HostRequest,
    result: Option<Result<Value, HostError>>,
}

impl Open {
    fn new(ordinal: u32, request: HostRequest) -> Self {
        Self {
            ordinal,
            request,
            result: None,
        }
    }

    /// Gives an unanswered line the only honest answer; its ordinal if it was one.
    fn cut_short(&mut self) -> Option<u32> {
        if self.result.is_some() {
            return None;
        }
        let text = "the run ended before the answer came";
        self.result = Some(Err(HostError::new("unknown", text)));
        Some(self.ordinal)
    }

    fn close(self) -> HostCall {
        HostCall {
            ordinal: self.ordinal,
            request: self.request,
            result: self.result.unwrap_or(Ok(Value::Null)),
        }
    }
}

/// Stops the script when the run is dropped while it computes.
struct Leash(Arc<Watch>);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What a script does next.
enum Step {
    Done(Value),
    /// A host function and its arguments, or why those are no values.
    Call(String, Result<Vec<Value>, String>),
}

/// What it gets for a call.
enum Answer {
    Result(HostRequest, Result<Value, HostError>),
    /// The arguments were wrong: raised at the caller's line.
    Misuse(String),
}

/// A run between two calls.
struct Script {
    state: State,
    thread: Thread,
    limits: Limits,
    left: Duration,
}

impl Script {
    fn new(
        program: &Program,
        limits: &Limits,
        logs: Logs,
        watch: Arc<Watch>,
    ) -> Result<Self, LuaError> {
        let state = State::new(program, limits, logs, watch)?;
        let thread = state.thread()?;
        Ok(Self {
            state,
            thread,
            left: limits.time,
            limits: limits.clone(),
        })
    }

    fn start(&mut self, program: &Program, call: &Call) -> Result<Step, LuaError> {
        self.state.prepare(call.now, call.seed)?;
        self.segment(|script| {
            let state = &script.state;
            let function = state.function(program, &call.module, &call.function)?;
            let mut values = MultiValue::new();
            values.push_back(LuaValue::Function(function));
            values.push_back(state.to_lua(&call.args, &script.limits)?);
            Ok(values)
        })
    }

    fn resume(&mut self, answer: Answer) -> Result<Step, LuaError> {
        self.segment(|script| {
            let state = &script.state;
            let mut values = MultiValue::new();
            let (ok, value) = match answer {
                Answer::Result(request, Ok(value)) => (true, script.received(&request, value)?),
                Answer::Result(_, Err(error)) => {
                    let mut fields = tandem_domain::Map::new();
                    fields.insert("code".to_owned(), Value::String(error.code));
                    fields.insert("message".to_owned(), Value::String(error.message));
                    (false, state.to_lua(&Value::Object(fields), &script.limits)?)
                }
                Answer::Misuse(reason) => {
                    (false, state.to_lua(&Value::String(reason), &script.limits)?)
                }
            };
            values.push_back(LuaValue::Boolean(ok));
            values.push_back(value);
            Ok(values)
        })
    }

    /// The answer as the script sees it: a response whose body is JSON brings it decoded.
    fn received(&self, request: &HostRequest, value: Value) -> Result<LuaValue, LuaError> {
        let limits = &self.limits;
        if !matches!(request, HostRequest::Http(_)) {
            return self.state.to_lua(&value, limits);
        }
        let body = value
            .get("body")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let json = serde_json::from_str::<Value>(body).ok();
        let response = self.state.to_lua(&value, limits)?;
        // A body nested too deeply to decode is still there as text.
        let json = json.and_then(|json| self.state.to_lua(&json, limits).ok());
        if let (Some(json), LuaValue::Table(table)) = (json, &response) {
            table
                .raw_set("json", json)
                .map_err(|e| self.state.explain(&LuaValue::Error(Box::new(e))))?;
        }
        Ok(response)
    }

    /// Computes until the script ends or calls the host.
    fn segment(
        &mut self,
        values: impl FnOnce(&Self) -> Result<MultiValue, LuaError>,
    ) -> Result<Step, LuaError> {
        let (step, used) = self.state.watched(self.left, self.limits.wall, || {
            let values = values(self)?;
            Ok(match self.state.resume(&self.thread, values)? {
                Resumed::Done(mut results) => {
                    let value = results.pop_front().unwrap_or_default();
                    Step::Done(self.state.read(&value, &self.limits, "the result")?)
                }
                Resumed::Call(name, args) => Step::Call(name, self.arguments(&args)),
            })
        });
        self.left = self.left.saturating_sub(used);
        step
    }

    fn arguments(&self, args: &MultiValue) -> Result<Vec<Value>, String> {
        args.iter()
            .map(|arg| self.state.read(arg, &self.limits, "the argument"))
            .collect::<Result<_, _>>()
            .map_err(|error| error.message)
    }
}
