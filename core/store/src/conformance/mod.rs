//! What every backend must show. Each behaviour is a function over a [`Backend`];
//! [`store_conformance!`](crate::store_conformance) makes a test of each.
//!
//! * [`samples`] – rows to write;
//! * [`guards`], [`rows`], [`clock`], [`outbox`] – each guard, each write with the reads that show it;
//! * [`many`] – concurrent committers;
//! * [`tenants`] – no read and no write reaches another workspace;
//! * [`lasting`] – what is there after closing and opening again.

#![allow(
    clippy::unwrap_used,
    reason = "this is test code that other crates run"
)]

use std::sync::Arc;

use async_trait::async_trait;
use tandem_domain::store::Store;

pub mod samples;

/// One database, empty at first.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Opens it. After the store was dropped, opening again shows the same rows.
    async fn open(&self) -> Arc<dyn Store>;

    /// False for one that forgets everything when it is closed.
    fn lasts(&self) -> bool {
        true
    }
}
