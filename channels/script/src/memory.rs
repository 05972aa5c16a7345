//! What outlives a call: `kv`, and the kinds of conversations.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_domain::{
    Timestamp, Value, WorkspaceId,
    store::{Commit, Store, StoreError, Write},
};

/// Named values with a time to live, kept apart by account. Durable: what `put` returned from is
/// there after a crash.
#[async_trait]
pub trait Memory: Send + Sync + 'static {
    async fn get(
        &self,
        scope: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Value>, StoreError>;

    /// Keeps a value until `expires_at`, for good without it.
    async fn put(
        &self,
        scope: &str,
        key: &str,
        value: Value,
        expires_at: Option<Timestamp>,
    ) -> Result<(), StoreError>;

    async fn delete(&self, scope: &str, key: &str) -> Result<(), StoreError>;
}

/// In the workspace's rows of the store, beside those of `lua:` steps.
pub struct StoreMemory {
    store: Arc<dyn Store>,
    workspace: WorkspaceId,
}

impl StoreMemory {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, workspace: WorkspaceId) -> Self {
        Self { store, workspace }
    }

    async fn write(&self, write: Write) -> Result<(), StoreError> {
        let mut commit = Commit::new(self.workspace.clone());
        commit.writes.push(write);
        self.store.commit(commit).await?;
        Ok(())
    }
}

#[async_trait]
impl Memory for StoreMemory {
    async fn get(
        &self,
        scope: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Value>, StoreError> {
        self.store.kv(&self.workspace, scope, key, now).await
    }

    async fn put(
        &self,
        scope: &str,
        key: &str,
        value: Value,
        expires_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.write(Write::KvPut {
            scope: scope.to_owned(),
            key: key.to_owned(),
            value,
            expires_at,
        })
        .await
    }

    async fn delete(&self, scope: &str, key: &str) -> Result<(), StoreError> {
        self.write(Write::KvDelete {
            scope: scope.to_owned(),
            key: key.to_owned(),
        })
        .await
    }
}
