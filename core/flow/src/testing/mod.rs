//! Conversation tests: written in YAML, run against the stepper with a clock of their own.
//!
//! [`sim`] holds a conversation without a server, for tests and for a console; `parse` reads
//! `tests/*.test.yaml`; [`stub`] answers for the services; [`run`] plays a test, `check` compares,
//! `report` tells; [`coverage`] says which steps and ways no test took.

mod check;
mod lua;
mod output;
mod parse;
mod report;

pub mod coverage;
pub mod run;
pub mod sim;
pub mod stub;

pub use coverage::Coverage;
pub use run::{Failure, Options, Report, TestResult, run_tests};
pub use sim::{Actions, Clock, Output, Said, Setup, Simulator};
pub use stub::Stubs;
