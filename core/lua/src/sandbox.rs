//! One Luau state: made from a program, closed off, watched.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mlua::{
    Function, Lua, LuaOptions, MultiValue, StdLib, Table, Thread, Value as LuaValue, VmState,
    chunk::ChunkMode,
};
use tandem_domain::{Timestamp, Value};

use crate::{
    Limits, LuaError, Program, api,
    error::{ErrorKind, shorten},
    host::{Level, LogLine},
    value,
    watch::Watch,
};

/// What Luau itself says when an allocation fails; its error objects carry no kind.
const OUT_OF_MEMORY: &str = "not enough memory";
/// The same for nested calls, in Lua and in its library.
const OVERFLOW: [&str; 2] = ["stack overflow", "C stack overflow"];
/// The name of our own chunk in positions.
const PRELUDE_NAME: &str = "[tandem]";

/// The globals a host gives to its scripts.
pub trait Library: Send + Sync {
    /// Where calls to the host may be made, for the message elsewhere: `a lua: step`.
    fn effects(&self) -> &'static str;

    /// What to register before the state is closed. `hooks` holds the prelude's: `api` (`json`,
    /// `log`, `print`, `now`, `require`, and the packs' `http` and `store`), `array` (the
    /// metatable that marks a list) and `call(name, …)`, which hands a call to the host.
    ///
    /// # Errors
    /// When the state's memory is too small for it.
    fn globals(&self, lua: &Lua, hooks: &Table) -> mlua::Result<Vec<(&'static str, LuaValue)>>;
}

/// What the modules of a pack find: the table of [`api`].
pub(crate) struct PackLibrary;

impl Library for PackLibrary {
    fn effects(&self) -> &'static str {
        "a lua: step"
    }

    fn globals(&self, _lua: &Lua, hooks: &Table) -> mlua::Result<Vec<(&'static str, LuaValue)>> {
        let registered: Table = hooks.raw_get("api")?;
        api::globals()
            .into_iter()
            .map(|name| match registered.raw_get::<LuaValue>(name)? {
                LuaValue::Nil => Err(mlua::Error::runtime(format!("{name} is not implemented"))),
                item => Ok((name, item)),
            })
            .collect()
    }
}

/// What a coroutine of a run did when it was resumed.
pub enum Resumed {
    /// It ended with these results.
    Done(MultiValue),
    /// It waits for this call to the host; it is resumed with `true, result` or `false, error`.
    Call(String, MultiValue),
}

/// Where the lines of `log` go.
#[derive(Clone, Debug)]
pub struct Logs(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    kept: Vec<LogLine>,
    max: usize,
    dropped: u64,
}

impl Logs {
    /// Keeps this many lines and counts the rest.
    #[must_use]
    pub fn keep(max: usize) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            max,
            ..Lines::default()
        })))
    }

    /// For calls whose log nobody reads.
    pub(crate) fn dropped() -> Self {
        Self::keep(0)
    }

    fn push(&self, level: Level, message: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.kept.len() < lines.max {
            lines.kept.push(LogLine { level, message });
        } else {
            lines.dropped += 1;
        }
    }

    /// The lines so far, and how many more there were.
    #[must_use]
    pub fn take(&self) -> (Vec<LogLine>, u64) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = std::mem::take(&mut lines.dropped);
        (std::mem::take(&mut lines.kept), dropped)
    }
}

/// A state with its hooks. Discard it after an error.
pub struct State {
    program: Program,
    lua: Lua,
    watch: Arc<Watch>,
    array: Table,
    /// What a host call yields first; no script can make another.
    token: Table,
    begin: Function,
    load: Function,
    invoke: Function,
    enter: Function,
    place: Function,
}

impl State {
    /// For the modules of a pack. Fails only when `limits.memory` is too small for the library
    /// itself.
    pub(crate) fn new(
        program: &Program,
        limits: &Limits,
        logs: Logs,
        watch: Arc<Watch>,
    ) -> Result<Self, LuaError> {
        Self::with_library(program, limits, logs, watch, &PackLibrary)
    }

    /// For the scripts of another host, which find its library instead of the packs'.
    ///
    /// # Errors
    /// When `limits.memory` is too small for the library.
    pub fn with_library(
        program: &Program,
        limits: &Limits,
        logs: Logs,
        watch: Arc<Watch>,
        library: &dyn Library,
    ) -> Result<Self, LuaError> {
        build(program, limits, logs, watch, library).map_err(|error| {
            let text = format!("the sandbox could not be made: {error}");
            match error {
                mlua::Error::MemoryError(_) => LuaError::memory(),
                _ => LuaError::new(ErrorKind::Runtime, text),
            }
        })
    }

    /// Runs `work` on this thread under the limits of one call.
    ///
    /// # Errors
    /// As `work` fails, or when the time ran out.
    pub fn timed<T>(
        &self,
        limits: &Limits,
        now: Timestamp,
        seed: u64,
        work: impl FnOnce(&Self) -> Result<T, LuaError>,
    ) -> Result<T, LuaError> {
        self.prepare(now, seed)?;
        self.watched(limits.time, limits.wall, || work(self)).0
    }

    /// Sets the clock and the seed of the next call.
    ///
    /// # Errors
    /// When the state's memory is used up.
    pub fn prepare(&self, now: Timestamp, seed: u64) -> Result<(), LuaError> {
        // Luau seeds with a positive int; fold the rest in.
        let seed = (seed ^ (seed >> 31)) & 0x7fff_ffff;
        self.begin
            .call::<()>((seed as f64, now.0 as f64))
            .map_err(|e| self.explain(&LuaValue::Error(Box::new(e))))
    }

    /// Runs `work` with the watch on; gives its result and the processor time it took.
    pub fn watched<T>(
        &self,
        time: Duration,
        wall: Duration,
        work: impl FnOnce() -> Result<T, LuaError>,
    ) -> (Result<T, LuaError>, Duration) {
        self.watch.start(time, wall);
        // The VM's own panics would otherwise take the caller's task with them.
        let result = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(LuaError::new(ErrorKind::Runtime, "the sandbox failed")));
        let used = self.watch.stop();
        let result = match result {
            // A script may swallow the error of the interrupt, never its consequence.
            _ if self.watch.expired() => Err(LuaError::timeout()),
            other => other,
        };
        (result, used)
    }

    /// The table a module returns, loading it if need be. Under the watch only.
    ///
    /// # Errors
    /// As loading fails, or when the module returns no table.
    pub fn module(&self, name: &str) -> Result<Table, LuaError> {
        let results = self
            .load
            .call::<MultiValue>(name)
            .map_err(|e| self.explain(&LuaValue::Error(Box::new(e))))?;
        match self.outcome(results)?.into_iter().next() {
            Some(LuaValue::Table(table)) => Ok(table),
            _ => Err(
                LuaError::bad_value("the module must return a table of functions")
                    .at(self.program.path(name).unwrap_or(name), None),
            ),
        }
    }

    /// A function of a module. Fails with the names there are.
    pub(crate) fn function(
        &self,
        program: &Program,
        module: &str,
        name: &str,
    ) -> Result<Function, LuaError> {
        let missing = |text: String| LuaError::new(ErrorKind::NoSuchFunction, text);
        let Some(path) = program.path(module) else {
            return Err(missing(format!("there is no Lua module {module}")));
        };
        let table = self.module(module)?;
        match table.raw_get::<LuaValue>(name) {
            Ok(LuaValue::Function(function)) => Ok(function),
            _ => Err(missing(format!("{module} has no function {name}")).at(path, None)),
        }
    }

    /// Calls a function of the script. Under the watch only.
    ///
    /// # Errors
    /// With the place in the script, where one is known.
    pub fn call(&self, function: Function, mut args: MultiValue) -> Result<MultiValue, LuaError> {
        args.push_front(LuaValue::Function(function));
        let results = self
            .invoke
            .call(args)
            .map_err(|e| self.explain(&LuaValue::Error(Box::new(e))))?;
        self.outcome(results)
    }

    /// A coroutine that may call the host; the first [`resume`](Self::resume) takes the function
    /// and its arguments.
    ///
    /// # Errors
    /// When the state's memory is used up.
    pub fn thread(&self) -> Result<Thread, LuaError> {
        self.lua
            .create_thread(self.enter.clone())
            .map_err(|e| self.explain(&LuaValue::Error(Box::new(e))))
    }

    /// Runs a coroutine of [`thread`](Self::thread) until it ends or calls the host. Under the
    /// watch only.
    ///
    /// # Errors
    /// As the script fails, or when it yields by itself.
    pub fn resume(&self, thread: &Thread, values: MultiValue) -> Result<Resumed, LuaError> {
        let mut results = thread
            .resume::<MultiValue>(values)
            .map_err(|e| self.explain(&LuaValue::Error(Box::new(e))))?;
        if !thread.is_resumable() {
            return self.outcome(results).map(Resumed::Done);
        }
        // A yield that reaches us is a host call, or a mistake.
        let ours =
            matches!(results.pop_front(), Some(LuaValue::Table(first)) if first == self.token);
        match results.pop_front() {
            Some(LuaValue::String(name)) if ours => {
                Ok(Resumed::Call(name.to_string_lossy(), results))
            }
            _ => {
                let text = "coroutine.yield outside a coroutine";
                Err(LuaError::new(ErrorKind::Runtime, text))
            }
        }
    }

    /// For values that are no JSON: bytes, tables made by hand.
    #[must_use]
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// The metatable that marks a list.
    #[must_use]
    pub fn array(&self) -> &Table {
        &self.array
    }

    /// Splits what our protected calls return: `true, results…` or `false, error`.
    fn outcome(&self, results: MultiValue) -> Result<MultiValue, LuaError> {
        let mut results = results;
        match results.pop_front() {
            Some(LuaValue::Boolean(true)) => Ok(results),
            _ => Err(self.explain(&results.pop_front().unwrap_or_default())),
        }
    }

    /// A JSON value for the script.
    ///
    /// # Errors
    /// When it is nested too deeply, or the state's memory is used up.
    pub fn to_lua(&self, value: &Value, limits: &Limits) -> Result<LuaValue, LuaError> {
        value::to_lua(&self.lua, &self.array, value, limits.depth)
    }

    /// A value of the script as JSON; `what` begins the message of a refusal.
    ///
    /// # Errors
    /// When it is no JSON, or larger than the limits.
    pub fn read(&self, value: &LuaValue, limits: &Limits, what: &str) -> Result<Value, LuaError> {
        value::from_lua(value, &self.array, limits, what)
    }

    /// Makes an error of whatever a script raised.
    #[must_use]
    pub fn explain(&self, raised: &LuaValue) -> LuaError {
        if self.watch.expired() {
            return LuaError::timeout();
        }
        let mut code = None;
        let text = match raised {
            LuaValue::String(text) => text.to_string_lossy(),
            LuaValue::Table(table) => {
                let field = |name: &str| match table.raw_get::<LuaValue>(name) {
                    Ok(LuaValue::String(text)) => Some(text.to_string_lossy()),
                    _ => None,
                };
                code = field("code").map(|code| code.chars().take(64).collect());
                field("message").unwrap_or_else(|| "the script raised a table".to_owned())
            }
            LuaValue::Error(error) => match root(error) {
                mlua::Error::MemoryError(_) => return LuaError::memory(),
                mlua::Error::RuntimeError(text) => text.clone(),
                other => other.to_string(),
            },
            LuaValue::Nil => "the script raised nil".to_owned(),
            other => format!("the script raised a {}", other.type_name()),
        };
        if text == OUT_OF_MEMORY {
            return LuaError::memory();
        }
        let (place, text) = self.split_place(&text);
        let place = place.or_else(|| {
            let (source, line) = self.place.call::<(Option<String>, Option<u32>)>(()).ok()?;
            Some((source?, line))
        });
        let kind = if OVERFLOW.iter().any(|known| text.starts_with(known)) {
            ErrorKind::Depth
        } else {
            ErrorKind::Runtime
        };
        let mut error = LuaError::new(kind, friendly(text));
        error.code = code;
        match place {
            Some((source, line)) => error.at(&source, line),
            None => error,
        }
    }

    /// Splits `orders.luau:3: text`, the innermost place where an error passed several. Our own
    /// chunk's positions are dropped, and nothing but a module of the pack counts as a place.
    fn split_place<'a>(&self, text: &'a str) -> (Option<(String, Option<u32>)>, &'a str) {
        let (mut place, mut rest) = (None, text);
        while let Some((source, line, after)) = split_position(rest) {
            if source != PRELUDE_NAME {
                if !self.program.has_path(source) {
                    break;
                }
                place = Some((source.to_owned(), Some(line)));
            }
            rest = after;
        }
        (place, rest)
    }
}

fn build(
    program: &Program,
    limits: &Limits,
    logs: Logs,
    watch: Arc<Watch>,
    library: &dyn Library,
) -> mlua::Result<State> {
    let libraries = StdLib::COROUTINE
        | StdLib::TABLE
        | StdLib::STRING
        | StdLib::UTF8
        | StdLib::BIT
        | StdLib::MATH
        | StdLib::BUFFER
        | StdLib::DEBUG;
    let lua = Lua::new_with(libraries, LuaOptions::new())?;
    lua.set_memory_limit(limits.memory)?;

    let token = lua.create_table()?;
    let rust = lua.create_table()?;
    rust.raw_set("token", &token)?;
    rust.raw_set("null", LuaValue::NULL)?;
    rust.raw_set("effects", library.effects())?;
    let modules = program.clone();
    rust.raw_set(
        "resolve",
        lua.create_function(move |_, (from, name): (String, String)| {
            Ok(match modules.resolve(&from, &name) {
                Ok(found) => (Some(found), None),
                Err(reason) => (None, Some(reason)),
            })
        })?,
    )?;
    let modules = program.clone();
    rust.raw_set(
        "chunk",
        lua.create_function(move |lua, name: String| {
            let Some((path, bytecode)) = modules.bytecode(&name) else {
                return Err(mlua::Error::runtime(format!(
                    "there is no Lua module {name}"
                )));
            };
            lua.load(bytecode)
                .set_name(format!("={path}"))
                .set_mode(ChunkMode::Binary)
                .into_function()
        })?,
    )?;
    rust.raw_set(
        "log",
        lua.create_function(move |_, (level, text): (String, mlua::LuaString)| {
            logs.push(Level::parse(&level), shorten(text.to_string_lossy()));
            Ok(())
        })?,
    )?;

    let hooks: Table = lua
        .load(program.prelude())
        .set_name(format!("={PRELUDE_NAME}"))
        .set_mode(ChunkMode::Binary)
        .call(rust)?;
    let globals = lua.globals();
    for (name, item) in library.globals(&lua, &hooks)? {
        globals.raw_set(name, item)?;
    }
    lua.sandbox(true)?;
    // A forgotten `local` would outlive its call; it is an error instead.
    lua.globals().set_readonly(true);

    let interrupt = watch.clone();
    lua.set_interrupt(move |_| {
        if interrupt.must_stop() {
            return Err(mlua::Error::runtime("the script took too long"));
        }
        Ok(VmState::Continue)
    });
    Ok(State {
        program: program.clone(),
        watch,
        array: hooks.raw_get("array")?,
        token,
        begin: hooks.raw_get("begin")?,
        load: hooks.raw_get("load")?,
        invoke: hooks.raw_get("invoke")?,
        enter: hooks.raw_get("enter")?,
        place: hooks.raw_get("place")?,
        lua,
    })
}

/// The error under the wrappings of the calls it passed through.
fn root(error: &mlua::Error) -> &mlua::Error {
    match error {
        mlua::Error::CallbackError { cause, .. } | mlua::Error::WithContext { cause, .. } => {
            root(cause)
        }
        other => other,
    }
}

/// `source:line: rest`.
fn split_position(text: &str) -> Option<(&str, u32, &str)> {
    let (source, rest) = text.split_once(':')?;
    let (line, rest) = rest.split_once(": ")?;
    Some((source, line.parse().ok()?, rest))
}

/// Says what to do where Luau's wording does not.
fn friendly(text: &str) -> String {
    match text {
        "attempt to modify a readonly table" => {
            "attempt to change a read-only table (a global needs `local`)".to_owned()
        }
        other => other.to_owned(),
    }
}
