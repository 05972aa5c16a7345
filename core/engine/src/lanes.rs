//! Lanes in memory: one a thread of talk. Whoever works on a lane holds its lock; a lane that is
//! not in memory is read from the store. Guards on every commit keep this honest, so the table is
//! only a cache and may forget.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32},
    },
};

use lru::LruCache;
use tandem_domain::{
    InboxId, LaneId, Map, MessageId, WorkspaceId,
    conversation::Conversation,
    store::{Contact, Message, Visibility},
};
use tandem_flow::step::State;
use tokio::sync::Mutex as WorkLock;

use crate::{menus::KeptMenu, seal::SealKey};

/// Lines of the transcript kept beside a lane, so that connected customers read no table.
const TAIL: usize = 24;

/// What a lane knows between two turns.
pub(crate) struct Lane {
    /// The stored version; none before the first commit.
    pub version: Option<u64>,
    pub contact: Contact,
    /// No row of this contact is stored yet.
    pub contact_is_new: bool,
    /// The contact's sensitive attributes, sealed at rest.
    pub private: Map,
    pub conversation: Conversation,
    pub state: State,
    /// The choices that may be answered in words, on channels that cannot show all of them.
    pub menu: Option<KeptMenu>,
    /// The key its sensitive values are sealed under, once it has some.
    pub key: Option<SealKey>,
    /// Somebody waits for what the running action will say.
    pub awaiting: Option<(InboxId, Vec<Message>)>,
}

pub(crate) struct Cell {
    pub workspace: WorkspaceId,
    pub id: LaneId,
    pub work: WorkLock<Option<Lane>>,
    /// Events were accepted that may not be worked off yet: what comes after them waits.
    pub behind: AtomicBool,
    /// Pieces of albums that came since the events were worked off last.
    pub pieces: AtomicU32,
    tail: Mutex<VecDeque<Message>>,
}

impl Cell {
    /// Remembers committed public lines, oldest first.
    pub fn remember(&self, lines: &[Message]) {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            if line.visibility == Visibility::Public {
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line.clone());
            }
        }
    }

    /// The lines after `after`, if the tail reaches back to it.
    pub fn lines_after(&self, after: MessageId, limit: usize) -> Option<Vec<Message>> {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let at = tail.iter().position(|line| line.id == after)?;
        Some(tail.iter().skip(at + 1).take(limit).cloned().collect())
    }

    /// Forgets the tail, when its lines may have changed.
    pub fn forget_tail(&self) {
        self.tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

pub(crate) struct Lanes(Mutex<LruCache<LaneId, Arc<Cell>>>);

impl Lanes {
    pub fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(LruCache::new(capacity)))
    }

    pub fn get(&self, workspace: &WorkspaceId, id: LaneId) -> Arc<Cell> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes
            .get_or_insert(id, || {
                Arc::new(Cell {
                    workspace: workspace.clone(),
                    id,
                    work: WorkLock::new(None),
                    behind: AtomicBool::new(false),
                    pieces: AtomicU32::new(0),
                    tail: Mutex::default(),
                })
            })
            .clone()
    }

    /// The lane if it is in memory.
    pub fn peek(&self, id: LaneId) -> Option<Arc<Cell>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .peek(&id)
            .cloned()
    }
}
