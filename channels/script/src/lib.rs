//! Channels in one Luau file: a signed webhook in, an HTTP call out.
//!
//! The file says what its platform does differently: how it signs, what its events mean, how a
//! message is sent. Everything that all platforms need alike is the host's: commit before the
//! answer, dedupe, replay windows, tokens, what is uncertain, budgets, the allow-list.
//!
//! * [`script`] – a file with the version of it that is live; [`version`] reads one, [`caps`] and
//!   [`problem`] are what it says of its platform and what is wrong with it;
//! * [`fixture`] – requests and sends kept beside the file, and the forgeries made of them;
//! * [`machine`] – the states a file runs in; [`library`] and [`prim`] are what it finds there,
//!   [`call`] what it may ask for;
//! * [`account`] – one configured account; `inbound` is its webhook, [`request`], [`event`] and
//!   [`signature`] what comes in; `outbound` and `verdict` are how it sends, `wire` and `token`
//!   what with;
//! * [`kind`] – a file as the configuration knows it; [`memory`] – what outlives a call.
//!
//! | endpoint | |
//! |---|---|
//! | `* /hooks/{channel}/{account}` | the platform's webhook |
//! | `GET /hooks/{channel}/{account}/files/{id}?s=` | a file, to whoever has its signed link |

pub mod account;
pub mod call;
pub mod caps;
mod channel;
pub mod event;
pub mod fixture;
mod inbound;
pub mod kind;
pub mod library;
pub mod machine;
pub mod memory;
mod outbound;
pub mod prim;
pub mod problem;
mod read;
pub mod request;
pub mod script;
pub mod signature;
mod verdict;
pub mod version;
mod wire;

pub use account::{Host, Settings};
pub use channel::ScriptChannel;
pub use kind::{House, ScriptKind};
pub use script::{Reload, Script};
