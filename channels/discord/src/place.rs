//! Where a channel is: alone with one person, in a server, or a thread in a server's channel.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;

use crate::native::{Channel, Snowflake};

/// Channels remembered; any other is asked for when it matters.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(65_536).expect("65536 is not zero");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Dm,
    Group,
    Thread { parent: Snowflake },
}

impl Place {
    #[must_use]
    pub fn of(channel: &Channel) -> Self {
        match (channel.kind, channel.parent_id) {
            (1 | 3, _) => Self::Dm,
            (10..=12, Some(parent)) => Self::Thread { parent },
            _ => Self::Group,
        }
    }
}

/// What is known of channels in servers.
pub(crate) struct Places(Mutex<LruCache<Snowflake, Place>>);

impl Default for Places {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Places {
    pub fn learn(&self, channel: &Channel) {
        self.lock().put(channel.id, Place::of(channel));
    }

    pub fn note(&self, id: Snowflake, place: Place) {
        self.lock().put(id, place);
    }

    pub fn get(&self, id: Snowflake) -> Option<Place> {
        self.lock().get(&id).copied()
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Snowflake, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
