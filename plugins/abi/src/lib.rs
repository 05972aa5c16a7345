//! The C ABI between Tandem and its plugins, version 1.0.
//!
//! A plugin is a shared library that exports one piece of data, a [`PluginApi`] named
//! [`SYMBOL`]. Only integers, pointers, byte ranges and `extern "C"` functions cross; what the
//! bytes mean is JSON and described apart.
//!
//! * [`layout`] – the four structs and their contracts; `include/tandem_plugin.h` is made from it;
//! * [`code`], [`level`] – what a call may return, how grave a line of the log is;
//! * [`table`] – (feature `host`) reading a plugin's table and calling through it;
//! * [`services`] – (feature `host`) what a plugin may ask of its host.
//!
//! The ABI's version is apart from the program's releases. A new minor version adds fields at the
//! end of a struct; new methods and new JSON fields need no new version.
#![no_std]

#[cfg(feature = "host")]
extern crate std;

pub mod code;
pub mod layout;
pub mod level;
#[cfg(feature = "host")]
pub mod services;
#[cfg(feature = "host")]
pub mod table;

pub use layout::{ABI_MAJOR, ABI_MINOR, Buf, HostApi, MAGIC, PluginApi, Slice};

/// The name a plugin exports its [`PluginApi`] under.
pub const SYMBOL: &str = "tandem_plugin";
