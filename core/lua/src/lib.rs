//! The Luau sandbox: what a pack's `*.luau` modules run in.
//!
//! A pack computes in Lua what YAML cannot say: `prepare` and validators are pure functions
//! (value in, value out), a `lua:` step may also call the host (`http`, `store`, `plugin`). Nothing a
//! script does can stop the server: time, memory, depth, host calls and the size of every value
//! are limited, and nothing it was not handed is within its reach.
//!
//! * [`Program`] – a pack's modules, compiled once; every state starts from the same bytecode;
//! * [`Session`] – pure calls of one turn, in one fresh state;
//! * [`Runner`] – runs with the host API, off the async workers; [`Host`] answers their calls, a
//!   journal records them and [`Replay`] answers from it;
//! * [`Limits`], [`LuaError`] – how much is allowed, and how a call fails;
//! * [`State`], [`Library`], [`Watch`], [`Logs`], [`value`] – the closed-off state itself, for a host
//!   with another library: scripted channels;
//! * [`definitions`], [`stubs`] – the host API for editors, from the table that registers it.
//!
//! Calls are deterministic: there is no clock but `now()`, `math.random` starts from the call's
//! seed, `tostring` shows no addresses. One thing is left to the author: tables keyed by tables or
//! functions are iterated in an order of their addresses.

mod api;
mod error;
mod host;
mod limits;
mod program;
mod pure;
mod run;
mod sandbox;
pub mod value;
mod watch;

pub use api::{ApiItem, PluginMethod, api, definitions, stubs};
pub use error::{ErrorKind, LuaError};
pub use host::{
    Body, Host, HostCall, HostError, HostRequest, HttpRequest, HttpResponse, Level, LogLine,
    PluginRequest, Replay,
};
pub use limits::Limits;
pub use program::{Function, Program};
pub use pure::{PureResult, Session};
pub use run::{Call, Run, Runner};
pub use sandbox::{Library, Logs, Resumed, State};
pub use watch::Watch;
