//! How much a call may use.

use std::time::Duration;

/// The bounds of one call. Every one of them is enforced; none can be raised from Lua.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Processor time of the thread that runs the script; waiting for the host is free.
    pub time: Duration,
    /// From the start of the call to its end, waiting included.
    pub wall: Duration,
    /// Bytes the state may hold, the library included (about 100 kB).
    pub memory: usize,
    /// Nesting of a value that goes in or comes out.
    pub depth: usize,
    /// Tables and scalars in one value that comes out.
    pub nodes: usize,
    /// Bytes of text in one value that comes out, keys included.
    pub bytes: usize,
    /// Calls to the host in one run.
    pub host_calls: u32,
    /// Lines of log kept of one run; later ones are only counted.
    pub log_lines: usize,
}

impl Limits {
    /// For `prepare`, validators and everything else within a turn: 50 ms, 16 MB.
    #[must_use]
    pub fn pure() -> Self {
        Self {
            time: Duration::from_millis(50),
            wall: Duration::from_secs(2),
            memory: 16 << 20,
            depth: 32,
            nodes: 20_000,
            bytes: 1 << 20,
            host_calls: 0,
            log_lines: 100,
        }
    }

    /// For a `lua:` step, which may wait for the host until `wall`.
    #[must_use]
    pub fn step(wall: Duration) -> Self {
        Self {
            time: Duration::from_millis(250),
            wall,
            host_calls: 50,
            ..Self::pure()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::pure()
    }
}
