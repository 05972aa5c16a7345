//! A plugin in a process of its own: the same methods and JSON, a line each, over stdin and stdout.
//!
//! | | |
//! |---|---|
//! | host → plugin | `{"id", "method", "params", "meta"}` |
//! | plugin → host | `{"id", "result"}` or `{"id", "error": {"code", "message", …}}` |
//! | plugin → host, asking | `{"id", "method", "params"}`, answered in the same way |
//! | plugin → host, telling | `{"method": "log", "params": {"level", "message"}}` |
//!
//! Before anything else the host calls `plugin.manifest` and `plugin.create {config}`, and
//! `plugin.destroy` at the end. Ids are each side's own. What goes to stderr goes to the log.

mod connection;
mod line;
mod process;

pub(crate) use process::{Process, Start};
