//! Durable rows: the backends of [`tandem_domain::store::Store`].
//!
//! * [`sqlite`] – the default: one file, one writer thread that commits in groups, readers beside it;
//! * [`migrations`] – numbered schema steps, the same runner for every backend;
//! * [`conformance`] (feature `conformance`) – what every backend must show.
//!
//! All SQL of Tandem stands in this crate.

pub mod migrations;
pub mod sqlite;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use sqlite::{SqliteOptions, open_sqlite, open_sqlite_read_only};
