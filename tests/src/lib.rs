//! The harness of the end-to-end tests: starts the real server on a free port and speaks to it as
//! a customer, an agent or a browser would. Only platforms are faked.
//!
//! * [`server`] – a server process: start, kill, start again on the same data;
//! * [`visitor`] – a customer on the web channel; [`live`] – over a WebSocket;
//! * [`command`] – the program run to its end;
//! * [`far`] – what a customer does and sees on the fake of any platform;
//! * [`packs`] – packs in folders of their own; [`libraries`] – plugins in theirs;
//! * [`browser`] – Chromium with the widget;
//! * [`require`] – what a test does where a tool it needs is missing;
//! * [`fuzz`] – everything that reads bytes from outside, as functions of bytes.

pub mod browser;
pub mod command;
pub mod far;
pub mod fuzz;
pub mod libraries;
pub mod live;
pub mod packs;
pub mod require;
pub mod server;
pub mod visitor;

use std::path::PathBuf;

/// The checkout.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests live in a folder of the checkout")
        .to_path_buf()
}
