//! SQLite shows what every backend must show, in a file and in memory.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use tandem_domain::store::Store;
use tandem_store::{SqliteOptions, conformance::Backend, open_sqlite};

struct InFile(tempfile::TempDir);

#[async_trait]
impl Backend for InFile {
    async fn open(&self) -> Arc<dyn Store> {
        open_sqlite(self.0.path().join("tandem.db"), SqliteOptions::default()).unwrap()
    }
}

struct InMemory;

#[async_trait]
impl Backend for InMemory {
    async fn open(&self) -> Arc<dyn Store> {
        open_sqlite(":memory:", SqliteOptions::default()).unwrap()
    }

    fn lasts(&self) -> bool {
        false
    }
}

mod in_a_file {
    use super::*;
    tandem_store::store_conformance!(Box::new(InFile(tempfile::tempdir().unwrap())));
}

mod in_memory {
    use super::*;
    tandem_store::store_conformance!(Box::new(InMemory));
}
