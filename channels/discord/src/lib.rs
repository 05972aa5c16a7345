//! Discord: a bot in servers, threads and direct messages.
//!
//! Events come by the gateway, a WebSocket, in one order, and are committed in that order. How far
//! is remembered: a connection that drops is taken up again where the inbox ends, also by the next
//! process, and Discord plays the rest again. Where it will not, the messages written since are
//! fetched.
//!
//! * [`config`], [`kind`] – what an operator sets;
//! * [`channel`] – one account, and how it sends; `api` is Discord's HTTP interface and `fault` how it fails, `outbound`,
//!   `choice` and `escape` are what a message becomes;
//! * `gateway` – the connection, `gateway/socket` its frames, `gateway/work` what events do,
//!   `gateway/history` what was written meanwhile; `state` is what outlives the process;
//! * [`native`] – Discord's objects; [`inbound`] makes events of them, [`place`] says where a channel
//!   is;
//! * `webhook` – interactions over HTTP, [`signature`] what signs them;
//! * `fake` – Discord in memory, for tests.
//!
//! | endpoint | |
//! |---|---|
//! | `POST /hooks/{channel}/{account}` | interactions, where they come by webhook |

mod api;
pub mod channel;
mod choice;
pub mod config;
mod escape;
#[cfg(feature = "fake")]
pub mod fake;
mod fault;
mod gateway;
pub mod inbound;
pub mod kind;
pub mod native;
mod outbound;
pub mod place;
pub mod signature;
mod state;
mod webhook;

pub use channel::DiscordChannel;
pub use kind::DiscordKind;
