//! Loads the library it is given and says what it is, on a line of stdout.
use std::{path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(path) => tandem_plugin_host::probe::child(&PathBuf::from(path)),
        None => ExitCode::from(2),
    }
}
