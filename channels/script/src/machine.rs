//! The states of one version of a file, and the calls into them.
//!
//! States are made when they are needed and kept for the next call. Nothing may rest on that:
//! there are many of them, and any may be thrown away between two calls.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mlua::{Function, MultiValue, Thread, Value as LuaValue};
use tandem_domain::{Map, Timestamp, Value};
use tandem_lua::{
    ErrorKind, Level, Limits, Logs, LuaError, Program, Resumed, Runner, State, Watch, value,
};

use crate::{
    call::{Asked, Effects, Given},
    caps::WEBHOOK_URL,
    library::{KeySets, ScriptLibrary},
    request::{Request, Response},
};

/// States kept between calls; one for each core there may be.
const KEEP: usize = 16;
/// A kept state that holds more than this has a leak and is not kept.
const KEEP_BYTES: usize = 4 << 20;
/// Bytes of a state that a setting takes besides its texts.
const SETTING: usize = 256;
/// What a request may compute where it arrives, and how long it may be to be tried there.
const AT_ONCE: Duration = Duration::from_millis(1);
const AT_ONCE_BYTES: usize = 32 << 10;
/// Longest that loading a file may compute.
const LOAD: Duration = Duration::from_millis(250);

/// The functions a file may return.
pub const FUNCTIONS: [&str; 6] = [
    "handshake",
    "verify",
    "parse",
    "send",
    "acquire_token",
    "fetch_media",
];

/// The budgets of a file.
#[must_use]
pub fn receive_limits() -> Limits {
    Limits {
        log_lines: 20,
        ..Limits::pure()
    }
}

/// For send, acquire_token and fetch_media.
#[must_use]
pub fn effect_limits() -> Limits {
    Limits {
        time: Duration::from_millis(200),
        wall: Duration::from_secs(10),
        host_calls: 20,
        log_lines: 50,
        ..Limits::pure()
    }
}

/// The settings of an account, secrets among them: never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(pub BTreeMap<String, String>);

impl Values {
    /// The account's name: the end of its webhook's address.
    pub(crate) fn account(&self) -> &str {
        let webhook = self.0.get(WEBHOOK_URL).map(String::as_str);
        let end = webhook.and_then(|url| url.rsplit('/').next());
        end.unwrap_or_default()
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a file made of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// The handshake answered it; nothing happened.
    Handshake(Response),
    /// `verify` did not say `true`, or the signed time is not now; why, for a log.
    Refused(String),
    /// Verified. The events as the file returned them, not yet looked at.
    Understood {
        events: Vec<Value>,
        response: Response,
    },
    /// Verified, and `parse` gave nothing or failed.
    NotUnderstood(String),
}

/// An argument of a call with effects.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Json(Value),
    Values(Arc<Values>),
    Text(Option<String>),
}

/// A compiled file with its states.
pub struct Machine {
    program: Program,
    module: String,
    library: ScriptLibrary,
    idle: Mutex<Vec<Warm>>,
    /// Fixtures are being played: what they log is no event of a customer's.
    rehearsing: AtomicBool,
}

/// What loading a file showed of it, besides that it loads.
pub(crate) struct Shape {
    /// All fields of the returned table that are no functions.
    pub fields: Map,
    pub functions: Vec<String>,
}

struct Warm {
    state: State,
    logs: Logs,
    functions: BTreeMap<&'static str, Function>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}

impl Machine {
    /// Compiles and loads a file.
    ///
    /// # Errors
    /// As compiling or loading fails, with file and line.
    pub(crate) fn load(file: &str, source: &str) -> Result<(Self, Shape), LuaError> {
        let program = Program::compile([(file, source)]).map_err(|mut errors| errors.remove(0))?;
        let module = program.modules().next().unwrap_or_default().to_owned();
        let machine = Self {
            program,
            module,
            library: ScriptLibrary::default(),
            idle: Mutex::default(),
            rehearsing: AtomicBool::new(false),
        };
        let limits = receive_limits();
        let warm = machine.warm()?;
        let shape = warm.state.timed(
            &Limits {
                time: LOAD,
                ..limits.clone()
            },
            Timestamp(0),
            0,
            |state| {
                let table = state.module(&machine.module)?;
                let mut shape = Shape {
                    fields: Map::new(),
                    functions: Vec::new(),
                };
                for pair in table.pairs::<LuaValue, LuaValue>() {
                    let Ok((LuaValue::String(name), value)) = pair else {
                        let text = "the returned table has named fields only";
                        return Err(LuaError::new(ErrorKind::BadValue, text));
                    };
                    let name = name.to_string_lossy();
                    if value.is_function() {
                        shape.functions.push(name);
                    } else {
                        let value = state.read(&value, &limits, &name)?;
                        shape.fields.insert(name, value);
                    }
                }
                Ok(shape)
            },
        );
        let shape = shape.map_err(|error| machine.locate(error))?;
        machine.rest(warm);
        Ok((machine, shape))
    }

    /// Where the host puts the key sets it fetches.
    #[must_use]
    pub fn keys(&self) -> &KeySets {
        &self.library.keys
    }

    /// Handshake, verify and parse. Blocks for at most the budget; call it where blocking is
    /// allowed.
    #[must_use]
    pub fn receive(&self, request: &Request, config: &Values) -> Received {
        match self.warm() {
            Ok(warm) => self.judge(warm, request, config, &receive_limits()).0,
            Err(error) => Received::Refused(self.locate(error).to_string()),
        }
    }

    /// The same on a thread that must not be held up, as nearly all requests can be judged: the
    /// hop to another thread would take longer than they do. None, and nothing has happened,
    /// where it could take long: no state is ready, the request is large, or a millisecond was
    /// not enough.
    #[must_use]
    pub fn receive_at_once(&self, request: &Request, config: &Values) -> Option<Received> {
        if request.body.len() > AT_ONCE_BYTES {
            return None;
        }
        let limits = Limits {
            time: AT_ONCE,
            ..receive_limits()
        };
        let (received, in_time) = self.judge(self.ready()?, request, config, &limits);
        in_time.then_some(received)
    }

    /// What becomes of a request, and whether that is so because the time was enough.
    fn judge(
        &self,
        warm: Warm,
        request: &Request,
        config: &Values,
        limits: &Limits,
    ) -> (Received, bool) {
        if let Err(error) = warm.state.prepare(request.now, 0) {
            return (Received::Refused(self.locate(error).to_string()), true);
        }
        let state = &warm.state;
        // What was reached before an error decides how it counts.
        let verified = std::cell::Cell::new(false);
        let work = || {
            let full = |error: mlua::Error| state.explain(&LuaValue::Error(Box::new(error)));
            let request = request.to_lua(state.lua()).map_err(full)?;
            let config = config_table(state, config).map_err(full)?;
            let args = || {
                [
                    LuaValue::Table(request.clone()),
                    LuaValue::Table(config.clone()),
                ]
                .into_iter()
                .collect::<MultiValue>()
            };
            if let Some(handshake) = warm.functions.get("handshake") {
                let answer = state.call(handshake.clone(), args())?.pop_front();
                match answer.unwrap_or_default() {
                    LuaValue::Nil | LuaValue::Boolean(false) => {}
                    LuaValue::Table(answer) => {
                        return Response::from_lua(&answer)
                            .map(Received::Handshake)
                            .map_err(|why| LuaError::new(ErrorKind::BadValue, why));
                    }
                    other => {
                        let text = format!("handshake returned a {}", other.type_name());
                        return Err(LuaError::new(ErrorKind::BadValue, text));
                    }
                }
            }
            let verify = self.function(&warm, "verify")?;
            match state.call(verify, args())?.pop_front() {
                Some(LuaValue::Boolean(true)) => verified.set(true),
                other => {
                    let found = match other.unwrap_or_default() {
                        LuaValue::Boolean(false) => "false",
                        other => other.type_name(),
                    };
                    return Ok(Received::Refused(format!("verify returned {found}")));
                }
            }
            let mut results = state.call(self.function(&warm, "parse")?, args())?;
            let events = match results.pop_front().unwrap_or_default() {
                LuaValue::Nil => {
                    return Ok(Received::NotUnderstood("parse returned nothing".to_owned()));
                }
                events => state.read(&events, limits, "the events")?,
            };
            let events = match events {
                Value::Array(events) => events,
                Value::Object(fields) if fields.is_empty() => Vec::new(),
                _ => {
                    let text = "parse must return a list of events";
                    return Err(LuaError::new(ErrorKind::BadValue, text));
                }
            };
            let response = match results.pop_front().unwrap_or_default() {
                LuaValue::Nil => Response::default(),
                LuaValue::Table(response) => Response::from_lua(&response)
                    .map_err(|why| LuaError::new(ErrorKind::BadValue, why))?,
                _ => {
                    let text = "parse's response must be a table";
                    return Err(LuaError::new(ErrorKind::BadValue, text));
                }
            };
            Ok(Received::Understood { events, response })
        };
        let (result, _) = state.watched(limits.time, limits.wall, work);
        let in_time = !matches!(&result, Err(error) if error.kind == ErrorKind::Timeout);
        // An attempt that is made again says then what it logs.
        if in_time || limits.time > AT_ONCE {
            self.trace(&warm.logs, config.account());
        }
        let received = match result {
            Ok(received) => {
                self.rest(warm);
                received
            }
            Err(error) => {
                // A plain error leaves the state whole; time and memory do not.
                if matches!(error.kind, ErrorKind::Runtime | ErrorKind::BadValue) {
                    self.rest(warm);
                }
                let error = self.locate(error);
                match verified.get() {
                    true => Received::NotUnderstood(error.to_string()),
                    false => Received::Refused(error.to_string()),
                }
            }
        };
        (received, in_time)
    }

    /// Calls a function that may call the host; ends within the budget of [`effect_limits`].
    /// Dropping the future stops the script.
    ///
    /// # Errors
    /// As the script fails.
    pub(crate) async fn run(
        self: &Arc<Self>,
        runner: &Runner,
        function: &'static str,
        args: Vec<Arg>,
        effects: &dyn Effects,
        now: Timestamp,
    ) -> Result<Value, LuaError> {
        let limits = effect_limits();
        let work = self.drive(runner, function, args, effects, now, &limits);
        let result = match tokio::time::timeout(limits.wall, work).await {
            Ok(result) => result,
            Err(_) => Err(LuaError::timeout()),
        };
        result.map_err(|error| self.locate(error))
    }

    async fn drive(
        self: &Arc<Self>,
        runner: &Runner,
        function: &'static str,
        args: Vec<Arg>,
        effects: &dyn Effects,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Value, LuaError> {
        let (machine, bounds) = (self.clone(), limits.clone());
        let watch = Watch::new();
        let _leash = Leash(watch.clone());
        let (mut job, mut step) = runner
            .blocking(move || {
                let mut job = Job::new(machine, function, bounds, watch)?;
                let step = job.start(&args, now)?;
                Ok::<_, LuaError>((job, step))
            })
            .await?;
        let mut calls = 0;
        loop {
            let given = match step {
                Step::Done(value) => return Ok(value),
                Step::Ask(asked) => {
                    calls += 1;
                    if calls > limits.host_calls {
                        let text = format!("more than {} calls to the host", limits.host_calls);
                        return Err(LuaError::new(ErrorKind::Runtime, text));
                    }
                    match asked {
                        Ok(asked) => asked.answer(effects).await,
                        Err(reason) => Given::Misuse(reason),
                    }
                }
            };
            (job, step) = runner
                .blocking(move || {
                    let step = job.resume(&given)?;
                    Ok::<_, LuaError>((job, step))
                })
                .await?;
        }
    }

    /// A state that was kept.
    fn ready(&self) -> Option<Warm> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    fn warm(&self) -> Result<Warm, LuaError> {
        match self.ready() {
            Some(warm) => Ok(warm),
            None => self.fresh(Watch::new()),
        }
    }

    fn fresh(&self, watch: Arc<Watch>) -> Result<Warm, LuaError> {
        let limits = Limits {
            time: LOAD,
            ..receive_limits()
        };
        let logs = Logs::keep(effect_limits().log_lines);
        let state =
            State::with_library(&self.program, &limits, logs.clone(), watch, &self.library)?;
        let functions = state.timed(&limits, Timestamp(0), 0, |state| {
            let table = state.module(&self.module)?;
            let mut functions = BTreeMap::new();
            for name in FUNCTIONS {
                if let Ok(LuaValue::Function(function)) = table.raw_get::<LuaValue>(name) {
                    functions.insert(name, function);
                }
            }
            Ok(functions)
        });
        Ok(Warm {
            functions: functions.map_err(|error| self.locate(error))?,
            state,
            logs,
        })
    }

    fn rest(&self, warm: Warm) {
        if warm.state.lua().used_memory() > KEEP_BYTES {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEEP {
            idle.push(warm);
        }
    }

    fn function(&self, warm: &Warm, name: &'static str) -> Result<Function, LuaError> {
        warm.functions.get(name).cloned().ok_or_else(|| {
            let text = format!("the file returns no function {name}");
            LuaError::new(ErrorKind::NoSuchFunction, text)
        })
    }

    fn locate(&self, error: LuaError) -> LuaError {
        match (&error.module, self.program.path(&self.module)) {
            (None, Some(path)) => error.at(path, None),
            _ => error,
        }
    }

    /// Says whether what follows are fixtures.
    pub(crate) fn rehearse(&self, rehearsing: bool) {
        self.rehearsing.store(rehearsing, Ordering::Relaxed);
    }

    fn trace(&self, logs: &Logs, account: &str) {
        let (lines, dropped) = logs.take();
        let rehearsing = self.rehearsing.load(Ordering::Relaxed);
        for line in lines {
            let (file, text) = (&self.module, line.message);
            if rehearsing {
                tracing::debug!(target: "tandem::script", file, "In a fixture: {text}");
                continue;
            }
            match line.level {
                Level::Debug => tracing::debug!(target: "tandem::script", file, account, "{text}"),
                Level::Info => tracing::info!(target: "tandem::script", file, account, "{text}"),
                Level::Warn => tracing::warn!(target: "tandem::script", file, account, "{text}"),
                Level::Error => tracing::error!(target: "tandem::script", file, account, "{text}"),
            }
        }
        if dropped > 0 {
            tracing::debug!(target: "tandem::script", file = self.module, dropped, "Lines of log were dropped.");
        }
    }
}

fn config_table(state: &State, values: &Values) -> mlua::Result<mlua::Table> {
    let texts = values
        .0
        .iter()
        .map(|(name, value)| name.len() + value.len());
    let bytes = 2 * texts.sum::<usize>() + SETTING * values.0.len();
    value::making(state.lua(), bytes, || {
        let table = state.lua().create_table_with_capacity(0, values.0.len())?;
        for (name, value) in &values.0 {
            table.raw_set(name.as_str(), value.as_str())?;
        }
        Ok(table)
    })
}

/// Stops the script when the run is dropped while it computes.
struct Leash(Arc<Watch>);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

enum Step {
    Done(Value),
    /// A wish, or why it is none.
    Ask(Result<Asked, String>),
}

/// A call with effects between two of its wishes. It has a state of its own, thrown away at the
/// end: such calls are few, and wait for others most of their time.
struct Job {
    machine: Arc<Machine>,
    warm: Warm,
    thread: Thread,
    function: &'static str,
    limits: Limits,
    left: Duration,
    /// Whose call it is.
    account: String,
}

impl Job {
    fn new(
        machine: Arc<Machine>,
        function: &'static str,
        limits: Limits,
        watch: Arc<Watch>,
    ) -> Result<Self, LuaError> {
        let warm = machine.fresh(watch)?;
        let thread = warm.state.thread()?;
        Ok(Self {
            machine,
            warm,
            thread,
            function,
            left: limits.time,
            limits,
            account: String::new(),
        })
    }

    fn start(&mut self, args: &[Arg], now: Timestamp) -> Result<Step, LuaError> {
        self.warm.state.prepare(now, 0)?;
        self.account = args
            .iter()
            .find_map(|arg| match arg {
                Arg::Values(values) => Some(values.account().to_owned()),
                _ => None,
            })
            .unwrap_or_default();
        self.segment(|job| {
            let state = &job.warm.state;
            let full = |error: mlua::Error| state.explain(&LuaValue::Error(Box::new(error)));
            let mut values = MultiValue::new();
            let function = job.machine.function(&job.warm, job.function)?;
            values.push_back(LuaValue::Function(function));
            for arg in args {
                values.push_back(match arg {
                    Arg::Json(value) => state.to_lua(value, &job.limits)?,
                    Arg::Values(config) => {
                        LuaValue::Table(config_table(state, config).map_err(full)?)
                    }
                    Arg::Text(None) => LuaValue::Nil,
                    Arg::Text(Some(text)) => {
                        LuaValue::String(state.lua().create_string(text).map_err(full)?)
                    }
                });
            }
            Ok(values)
        })
    }

    fn resume(&mut self, given: &Given) -> Result<Step, LuaError> {
        self.segment(|job| {
            let (ok, value) = given.to_lua(&job.warm.state, &job.limits)?;
            Ok([LuaValue::Boolean(ok), value].into_iter().collect())
        })
    }

    fn segment(
        &mut self,
        values: impl FnOnce(&Self) -> Result<MultiValue, LuaError>,
    ) -> Result<Step, LuaError> {
        let state = &self.warm.state;
        let (step, used) = state.watched(self.left, self.limits.wall, || {
            let values = values(self)?;
            Ok(match state.resume(&self.thread, values)? {
                Resumed::Done(mut results) => {
                    let value = results.pop_front().unwrap_or_default();
                    Step::Done(state.read(&value, &self.limits, "the result")?)
                }
                Resumed::Call(name, args) => {
                    Step::Ask(Asked::read(state, &self.limits, &name, args))
                }
            })
        });
        self.left = self.left.saturating_sub(used);
        self.machine.trace(&self.warm.logs, &self.account);
        step
    }
}
