//! Pure calls: `prepare`, validators, and everything else that has no effects.

use tandem_domain::{Timestamp, Value};

use crate::{
    Limits, LogLine, LuaError, Program,
    sandbox::{Logs, State},
    watch::Watch,
};

/// What a pure function returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PureResult {
    /// The first value; null for nil.
    pub value: Value,
    /// The second one: a `prepare` or a validator says here why it refuses.
    pub second: Value,
}

impl PureResult {
    /// The second value as the text to show, if there is one.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.second.as_str()
    }
}

/// The pure calls of one turn. They share one state, made at the first call and thrown away with
/// the session, or after an error, a timeout included. Nothing of a session reaches the next.
pub struct Session {
    program: Program,
    limits: Limits,
    now: Timestamp,
    seed: u64,
    logs: Logs,
    state: Option<State>,
}

impl Session {
    /// Costs nothing until the first call.
    #[must_use]
    pub fn new(program: &Program, limits: Limits, now: Timestamp, seed: u64) -> Self {
        Self {
            program: program.clone(),
            logs: Logs::keep(limits.log_lines),
            limits,
            now,
            seed,
            state: None,
        }
    }

    /// Calls a function with these arguments; blocks for at most the limits' time. The same
    /// arguments, `now` and seed give the same result, unless the module keeps state of its own.
    pub fn call(
        &mut self,
        module: &str,
        function: &str,
        args: &[Value],
    ) -> Result<PureResult, LuaError> {
        let state = match self.state.take() {
            Some(state) => state,
            None => State::new(&self.program, &self.limits, self.logs.clone(), Watch::new())?,
        };
        let result = state.timed(&self.limits, self.now, self.seed, |state| {
            let function = state.function(&self.program, module, function)?;
            let values = args
                .iter()
                .map(|arg| state.to_lua(arg, &self.limits))
                .collect::<Result<_, _>>()?;
            let mut results = state.call(function, values)?.into_iter();
            let mut next = |what| {
                let value = results.next().unwrap_or_default();
                state.read(&value, &self.limits, what)
            };
            Ok(PureResult {
                value: next("the result")?,
                second: next("the second result")?,
            })
        });
        if result.is_ok() {
            self.state = Some(state);
        }
        result.map_err(|error| locate(error, &self.program, module))
    }

    /// What the calls wrote with `log` since the last time, up to the limits; for traces.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.logs.take().0
    }
}

/// Errors that name no place are at least known to be the module's.
pub(crate) fn locate(mut error: LuaError, program: &Program, module: &str) -> LuaError {
    if error.module.is_none() {
        error.module = program.path(module).map(str::to_owned);
    }
    error
}

impl Program {
    /// A single pure call in a fresh state.
    pub fn call_pure(
        &self,
        module: &str,
        function: &str,
        args: &[Value],
        now: Timestamp,
        limits: &Limits,
    ) -> Result<PureResult, LuaError> {
        Session::new(self, limits.clone(), now, 0).call(module, function, args)
    }
}
