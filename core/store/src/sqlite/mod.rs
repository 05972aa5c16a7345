//! SQLite: one file, committed durably in groups.
//!
//! * [`open`] – opening, settings, the lock that keeps a second process out, schema steps;
//! * [`writer`] – the one thread that writes: drains its queue into a transaction, answers after
//!   `COMMIT`;
//! * [`checkpoint`] – the thread that moves the write-ahead log into the file;
//! * [`guards`], [`writes`], [`outbox`], [`edge`], [`purge`] – what runs inside such a transaction;
//! * [`readers`] – connections that only read; point reads run where they are called;
//! * [`reads`], [`rows`] – queries, and rows to domain types and back;
//! * [`failure`] – SQLite's errors as the store's.

mod checkpoint;
mod edge;
mod failure;
mod guards;
mod open;
mod outbox;
#[cfg(test)]
mod plans;
mod purge;
mod readers;
mod reads;
mod rows;
mod writer;
mod writes;

use std::{fs::File, time::Duration};

use async_trait::async_trait;
use rusqlite::Connection;
use tandem_domain::{
    AccountId, ActionId, ContactId, ConversationId, FileId, InboxId, LaneId, MessageId, OutboxId,
    Timestamp, Value, WorkspaceId,
    conversation::Conversation,
    edge::{FetchRow, Keep, NativeRow, ParkedReceipt, Reach, UnknownRow},
    store::{
        ActionRow, Commit, Contact, ConversationQuery, Depths, Event, FileRow, InboxRow,
        JournalRow, LaneRow, Message, OnceRow, OutboxRow, Outcome, PackRow, Result, Store, Ticket,
        TimerRow,
    },
};

use failure::Failure;
use readers::Readers;
use writer::{Prepared, Writer};

pub use open::{SqliteOptions, open_sqlite, open_sqlite_read_only};

/// The store over one SQLite database.
struct SqliteStore {
    readers: Readers,
    /// None when opened for reading only.
    writer: Option<Writer>,
    /// Held open as long as the store: its lock keeps a second process out.
    _lock: Option<File>,
}

impl SqliteStore {
    fn writer(&self) -> Result<&Writer, Failure> {
        self.writer
            .as_ref()
            .ok_or_else(|| Failure::unavailable("it is opened for reading only"))
    }

    /// A read of a row or two by key.
    async fn point<T, F>(&self, workspace: &WorkspaceId, read: F) -> Result<T>
    where
        T: Default + Send + 'static,
        F: FnOnce(&Connection, i64) -> Result<T, Failure> + Send + 'static,
    {
        Ok(self
            .readers
            .point(self.writer.as_ref(), workspace, read)
            .await?)
    }

    /// A read of unknown size.
    async fn scan<T, F>(&self, workspace: &WorkspaceId, read: F) -> Result<T>
    where
        T: Default + Send + 'static,
        F: FnOnce(&Connection, i64) -> Result<T, Failure> + Send + 'static,
    {
        let workspace = workspace.clone();
        let spaces = self.readers.spaces();
        Ok(self
            .readers
            .scan(self.writer.as_ref(), move |conn| {
                match spaces.number(conn, &workspace)? {
                    Some(number) => read(conn, number),
                    None => Ok(T::default()),
                }
            })
            .await?)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, commit: Commit) -> Result<Outcome> {
        let prepared = Prepared::new(commit)?;
        Ok(self.writer()?.commit(prepared).await?)
    }

    async fn workspaces(&self) -> Result<Vec<WorkspaceId>> {
        Ok(self
            .readers
            .scan(self.writer.as_ref(), reads::workspaces)
            .await?)
    }

    async fn lane(&self, workspace: &WorkspaceId, lane: LaneId) -> Result<Option<LaneRow>> {
        self.point(workspace, move |conn, w| reads::lane(conn, w, lane))
            .await
    }

    async fn accepted(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        dedupe: &str,
    ) -> Result<Option<InboxId>> {
        let (account, dedupe) = (account.clone(), dedupe.to_owned());
        self.point(workspace, move |conn, w| {
            reads::accepted(conn, w, &account, &dedupe)
        })
        .await
    }

    async fn inbox_pending(
        &self,
        workspace: &WorkspaceId,
        after: Option<InboxId>,
        limit: usize,
    ) -> Result<Vec<InboxRow>> {
        self.scan(workspace, move |conn, w| {
            reads::inbox_pending(conn, w, after, limit)
        })
        .await
    }

    async fn lane_pending(
        &self,
        workspace: &WorkspaceId,
        lane: LaneId,
        limit: usize,
    ) -> Result<Vec<InboxRow>> {
        self.point(workspace, move |conn, w| {
            reads::lane_pending(conn, w, lane, limit)
        })
        .await
    }

    async fn conversation(
        &self,
        workspace: &WorkspaceId,
        id: ConversationId,
    ) -> Result<Option<Conversation>> {
        self.point(workspace, move |conn, w| reads::conversation(conn, w, id))
            .await
    }

    async fn conversations(
        &self,
        workspace: &WorkspaceId,
        query: &ConversationQuery,
    ) -> Result<Vec<Conversation>> {
        let query = query.clone();
        self.scan(workspace, move |conn, w| {
            reads::conversations(conn, w, &query)
        })
        .await
    }

    async fn contact(&self, workspace: &WorkspaceId, id: ContactId) -> Result<Option<Contact>> {
        self.point(workspace, move |conn, w| reads::contact(conn, w, id))
            .await
    }

    async fn contact_of(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        native_id: &str,
    ) -> Result<Option<Contact>> {
        let (account, native_id) = (account.clone(), native_id.to_owned());
        self.point(workspace, move |conn, w| {
            reads::contact_of(conn, w, &account, &native_id)
        })
        .await
    }

    async fn messages(
        &self,
        workspace: &WorkspaceId,
        conversation: ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Message>> {
        self.scan(workspace, move |conn, w| {
            reads::messages(conn, w, conversation, after, limit)
        })
        .await
    }

    async fn lane_messages(
        &self,
        workspace: &WorkspaceId,
        lane: LaneId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Message>> {
        self.scan(workspace, move |conn, w| {
            reads::lane_messages(conn, w, lane, after, limit)
        })
        .await
    }

    async fn message_by_client_id(
        &self,
        workspace: &WorkspaceId,
        conversation: ConversationId,
        client_id: &str,
    ) -> Result<Option<Message>> {
        let client_id = client_id.to_owned();
        self.point(workspace, move |conn, w| {
            reads::message_by_client_id(conn, w, conversation, &client_id)
        })
        .await
    }

    async fn events(
        &self,
        workspace: &WorkspaceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>> {
        self.scan(workspace, move |conn, w| {
            reads::events(conn, w, after, limit)
        })
        .await
    }

    async fn lease_outbox(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<OutboxRow>> {
        let writer = self.writer()?;
        Ok(writer.lease(workspace, account, now, lease, limit).await?)
    }

    async fn next_outbox(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
    ) -> Result<Option<Timestamp>> {
        let account = account.clone();
        self.point(workspace, move |conn, w| outbox::next(conn, w, &account))
            .await
    }

    async fn reach(&self, workspace: &WorkspaceId, lane: LaneId) -> Result<Option<Reach>> {
        self.point(workspace, move |conn, w| edge::reach(conn, w, lane))
            .await
    }

    async fn native(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        native: &str,
    ) -> Result<Option<NativeRow>> {
        let (account, native) = (account.clone(), native.to_owned());
        self.point(workspace, move |conn, w| {
            edge::native(conn, w, &account, &native)
        })
        .await
    }

    async fn natives_of(
        &self,
        workspace: &WorkspaceId,
        message: MessageId,
    ) -> Result<Vec<NativeRow>> {
        self.point(workspace, move |conn, w| edge::natives_of(conn, w, message))
            .await
    }

    async fn parked(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        native: &str,
    ) -> Result<Option<ParkedReceipt>> {
        let (account, native) = (account.clone(), native.to_owned());
        self.point(workspace, move |conn, w| {
            edge::parked(conn, w, &account, &native)
        })
        .await
    }

    async fn fetches_due(
        &self,
        workspace: &WorkspaceId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<FetchRow>> {
        self.scan(workspace, move |conn, w| {
            edge::fetches_due(conn, w, now, limit)
        })
        .await
    }

    async fn next_fetch(&self, workspace: &WorkspaceId) -> Result<Option<Timestamp>> {
        self.point(workspace, edge::next_fetch).await
    }

    async fn fetch(&self, workspace: &WorkspaceId, file: FileId) -> Result<Option<FetchRow>> {
        self.point(workspace, move |conn, w| edge::fetch(conn, w, file))
            .await
    }

    async fn unknowns(&self, workspace: &WorkspaceId, limit: usize) -> Result<Vec<UnknownRow>> {
        self.scan(workspace, move |conn, w| edge::unknowns(conn, w, limit))
            .await
    }

    async fn outbox(&self, workspace: &WorkspaceId, id: OutboxId) -> Result<Option<OutboxRow>> {
        self.point(workspace, move |conn, w| reads::outbox(conn, w, id))
            .await
    }

    async fn dead_letters(&self, workspace: &WorkspaceId, limit: usize) -> Result<Vec<OutboxRow>> {
        self.scan(workspace, move |conn, w| {
            reads::dead_letters(conn, w, limit)
        })
        .await
    }

    async fn timers_due(
        &self,
        workspace: &WorkspaceId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<TimerRow>> {
        self.scan(workspace, move |conn, w| {
            reads::timers_due(conn, w, now, limit)
        })
        .await
    }

    async fn next_timer(&self, workspace: &WorkspaceId) -> Result<Option<Timestamp>> {
        self.point(workspace, reads::next_timer).await
    }

    async fn lane_timers(&self, workspace: &WorkspaceId, lane: LaneId) -> Result<Vec<TimerRow>> {
        self.point(workspace, move |conn, w| reads::lane_timers(conn, w, lane))
            .await
    }

    async fn actions_pending(
        &self,
        workspace: &WorkspaceId,
        limit: usize,
    ) -> Result<Vec<ActionRow>> {
        self.scan(workspace, move |conn, w| {
            reads::actions_pending(conn, w, limit)
        })
        .await
    }

    async fn action(&self, workspace: &WorkspaceId, id: ActionId) -> Result<Option<ActionRow>> {
        self.point(workspace, move |conn, w| reads::action(conn, w, id))
            .await
    }

    async fn once(
        &self,
        workspace: &WorkspaceId,
        contact: ContactId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<OnceRow>> {
        let key = key.to_owned();
        self.point(workspace, move |conn, w| {
            reads::once(conn, w, contact, &key, now)
        })
        .await
    }

    async fn journal(
        &self,
        workspace: &WorkspaceId,
        conversation: ConversationId,
    ) -> Result<Vec<JournalRow>> {
        self.scan(workspace, move |conn, w| {
            reads::journal(conn, w, conversation)
        })
        .await
    }

    async fn tickets(
        &self,
        workspace: &WorkspaceId,
        conversation: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<Ticket>> {
        self.scan(workspace, move |conn, w| {
            reads::tickets(conn, w, conversation, limit)
        })
        .await
    }

    async fn kv(
        &self,
        workspace: &WorkspaceId,
        scope: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Value>> {
        let (scope, key) = (scope.to_owned(), key.to_owned());
        self.point(workspace, move |conn, w| {
            reads::kv(conn, w, &scope, &key, now)
        })
        .await
    }

    async fn file(&self, workspace: &WorkspaceId, id: FileId) -> Result<Option<FileRow>> {
        self.point(workspace, move |conn, w| reads::file(conn, w, id))
            .await
    }

    async fn secrets(
        &self,
        workspace: &WorkspaceId,
        owner: &str,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let owner = owner.to_owned();
        self.point(workspace, move |conn, w| reads::secrets(conn, w, &owner))
            .await
    }

    async fn pack(
        &self,
        workspace: &WorkspaceId,
        name: &str,
        hash: &str,
    ) -> Result<Option<PackRow>> {
        let (name, hash) = (name.to_owned(), hash.to_owned());
        self.scan(workspace, move |conn, w| reads::pack(conn, w, &name, &hash))
            .await
    }

    async fn pack_by_structure(
        &self,
        workspace: &WorkspaceId,
        name: &str,
        structure: &str,
    ) -> Result<Option<PackRow>> {
        let (name, structure) = (name.to_owned(), structure.to_owned());
        self.scan(workspace, move |conn, w| {
            reads::pack_by_structure(conn, w, &name, &structure)
        })
        .await
    }

    async fn active_pack(&self, workspace: &WorkspaceId, name: &str) -> Result<Option<PackRow>> {
        let name = name.to_owned();
        self.scan(workspace, move |conn, w| reads::active_pack(conn, w, &name))
            .await
    }

    async fn purge(&self, now: Timestamp, keep: &Keep) -> Result<u64> {
        let writer = self.writer()?;
        let mut removed = 0;
        loop {
            // One short step a transaction, so that commits pass in between.
            let step = writer.purge(now, keep).await?;
            removed += step.removed;
            if !step.more {
                return Ok(removed);
            }
        }
    }

    async fn depths(&self, workspace: &WorkspaceId) -> Result<Depths> {
        self.scan(workspace, reads::depths).await
    }

    async fn ping(&self) -> Result<()> {
        self.writer()?.ping().await?;
        self.readers
            .scan(self.writer.as_ref(), reads::heartbeat)
            .await?;
        Ok(())
    }
}
