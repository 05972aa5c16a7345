//! The guarded HTTP client: every call a pack makes to the outside goes through it.
//!
//! A pack names the hosts it may call; nothing else is reachable, least of all the machine's own
//! network. Answers are capped, waits are bounded, repeats are made only where repeating is safe,
//! and a service that keeps failing is left alone for a while.
//!
//! * [`Policy`] – which hosts, how long, how large, how often;
//! * [`Transport`] – connections and name resolution, shared by all clients; [`Resolver`] is
//!   where names become addresses, and [`address`] says which addresses are out of bounds;
//! * [`Client`] – one policy on a transport: [`Request`] in, [`Response`] or [`NetError`] out;
//!   [`Form`] is a body with files;
//! * [`Connections`] – a pack's declared services and operations on top of it.
//!
//! Time is tokio's. Secrets are held as sensitive header values: neither errors nor logs show
//! them, nor URLs, which may carry customers' data.

pub mod address;
mod breaker;
mod client;
mod connections;
mod error;
mod form;
mod policy;
mod request;
mod response;
mod retry;
mod transport;

pub use client::Client;
pub use connections::{Auth, ConfigError, ConnectionSpec, Connections, OperationSpec};
pub use error::{NetError, NetErrorKind};
pub use form::Form;
pub use policy::{HostRule, Policy};
pub use request::{Body, IdempotencyKey, Request};
pub use reqwest::Method;
pub use response::Response;
pub use transport::{Resolver, SystemResolver, Transport};
