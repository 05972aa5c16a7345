//! The program run as a user types it.

use std::{
    path::Path,
    process::{Command, Output},
};

/// Runs the program in a folder and waits for its end.
#[must_use]
pub fn run(binary: &str, args: &[&str], folder: &Path) -> Output {
    Command::new(binary)
        .args(args)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("the program was built for these tests")
}

/// What it printed.
#[must_use]
pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it complained of.
#[must_use]
pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
