//! Wake-ups between tasks: the backends of [`tandem_domain::bus::Bus`].
//!
//! * [`local`] – within one process;
//! * [`conformance`] (feature `conformance`) – what every bus must show.

pub mod local;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use local::LocalBus;
