//! The path of a message: inbox, turn, outbox; with timers, actions and people beside it.
//!
//! * [`engine`] – what everything hangs on, and how it starts and stops;
//! * [`inbox`] – accepts events: commits them, alone or together with their turn;
//! * [`lanes`] – one lane a thread of talk, worked strictly one after the other;
//! * [`turn`] – reads, steps and commits, once; [`draft`] – turns effects into rows;
//! * [`actions`] – calls to the outside between turns; [`timers`];
//! * [`accounts`] – channels and how their accounts stand; [`outbox`] – the way out; `menus` –
//!   choices answered in words; `receipts` – what platforms tell of our messages;
//! * `fetch` – media that customers sent, brought here from their platform;
//! * [`people`] – replies, notes, closing by a person; `amend` – changing what a person said;
//!   `typing` – showing that somebody writes;
//! * [`packs`] – versions of the flows; [`journal`] – what a replay needs;
//! * [`seal`] – sensitive values at rest; [`files`] – uploads.

pub mod accounts;
pub mod actions;
mod amend;
pub mod draft;
pub mod engine;
mod fetch;
pub mod files;
pub mod inbox;
pub mod journal;
pub mod lanes;
mod menus;
pub mod outbox;
pub mod packs;
pub mod people;
mod receipts;
pub mod seal;
pub mod timers;
pub mod turn;
mod typing;

pub use accounts::{AccountStatus, Connected};
pub use amend::Amendment;
pub use engine::{Clock, Config, Engine, Parts, Site};
pub use people::{Person, PersonError};
/// Why a message is read as it is.
pub use tandem_understanding::explain;
