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
pub(crate) mod line;
mod process;

use std::{io::Cursor, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::{Limits, PluginError, Said, Services, services::Access};
use connection::{Bounds, Connection};

pub(crate) use process::{Process, Start};

/// Makes three calls to a process that says `output` and ends: how they ended, and what the process
/// was told. For the fuzz targets.
pub async fn talk(
    output: Vec<u8>,
    body: usize,
    services: Arc<dyn Services>,
) -> ([Result<Value, PluginError>; 3], Vec<u8>) {
    let access = Arc::new(Access::new("talk", services, &Limits::default()));
    let bounds = Bounds {
        body,
        stuck: 4,
        write: Duration::from_secs(1),
    };
    let (stdin, mut told) = tokio::io::duplex(4 << 20);
    let connection = Connection::open(stdin, Cursor::new(output), access, bounds);
    let call = || connection.call("action.a", "{\"params\":{}}", None);
    let (first, second, third) = tokio::join!(call(), call(), call());
    connection.end(Said::new("it is over", "已结束"));
    let mut lines = Vec::new();
    let _ = told.read_to_end(&mut lines).await;
    ([first, second, third], lines)
}
