//! Plugins for Tandem in safe Rust.
//!
//! A plugin is a crate of type `cdylib` with a type that implements [`Plugin`] and one trait for
//! each kind it offers, and one line that exports it:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tandem_plugin_sdk::{About, Action, Actions, Error, Host, Meta, Plugin};
//!
//! struct Greeter {
//!     greeting: String,
//! }
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     greeting: String,
//! }
//!
//! #[derive(Deserialize)]
//! struct Greet {
//!     name: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Greeted {
//!     text: String,
//! }
//!
//! impl Plugin for Greeter {
//!     type Config = Config;
//!
//!     fn about() -> About {
//!         About::new("greeter", "0.1.0")
//!     }
//!
//!     fn create(config: Config, _host: Host) -> Result<Self, Error> {
//!         Ok(Self { greeting: config.greeting })
//!     }
//! }
//!
//! impl Action for Greeter {
//!     fn actions(actions: &mut Actions<'_, Self>) {
//!         actions.add("greet", Self::greet).timeout_ms(500);
//!     }
//! }
//!
//! impl Greeter {
//!     fn greet(&self, who: Greet, _meta: &Meta) -> Result<Greeted, Error> {
//!         Ok(Greeted { text: format!("{}, {}!", self.greeting, who.name) })
//!     }
//! }
//!
//! tandem_plugin_sdk::export_plugin!(Greeter: action);
//! # fn main() {}
//! ```
//!
//! Panics are caught and become errors, memory goes back to where it came from, JSON is read and
//! written; none of it is the author's business. What is: to return before the deadline in
//! [`Meta`], since a thread that does not come back cannot be taken back.
//!
//! * [`plugin`] – the [`Plugin`] trait and what a plugin says of itself;
//! * [`kinds`] – one trait for each kind, and how their methods are registered;
//! * [`host`] – what a plugin may ask of Tandem: its log, its inbox, its keys and values;
//! * [`wire`] – the JSON types that cross, the same in every language;
//! * [`error`] – how a call fails;
//! * [`stop`] – how a channel's `run` learns of its end;
//! * [`ffi`] – the one module with `unsafe`: the table a plugin exports;
//! * `runtime` – (feature `runtime`) tokio, ended with the plugin;
//! * `testkit` – (feature `testkit`) a plugin without a server, and the conformance suite.

#[cfg(panic = "abort")]
compile_error!(
    "a plugin must be built with panic = \"unwind\": under \"abort\" its first panic ends the server"
);

pub mod error;
pub mod ffi;
pub mod host;
pub mod kinds;
pub mod methods;
pub mod plugin;
#[cfg(feature = "runtime")]
pub mod runtime;
pub mod stop;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod wire;

pub use error::{Error, SendError};
pub use host::{Host, HostError, Inbox, Kv, Level};
pub use kinds::{
    Action, Actions, Channel, Embedder, Exporter, ImageReader, SpeechToText, TextGenerator,
    TextToSpeech, Translator,
};
pub use plugin::{About, Plugin};
pub use stop::Stop;
pub use tandem_plugin_abi as abi;
pub use wire::{Bytes, Kind, Manifest, Meta, MethodSpec};

/// The JSON Schema of a type, for [`About::config`] and [`MethodSpec::params`].
#[cfg(feature = "schemars")]
#[must_use]
pub fn schema_of<T: schemars::JsonSchema>() -> serde_json::Value {
    schemars::schema_for!(T).to_value()
}
