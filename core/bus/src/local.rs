//! The bus of one process.
//!
//! A listener owns a small mailbox, empty (and without a buffer) until something is published:
//! ten thousand idle listeners are cheap. A topic is in the table only while somebody listens.
//! Publishing takes two short locks and never waits for a listener; a full mailbox is emptied and
//! its owner told that it missed some.

use std::{
    collections::{HashMap, VecDeque, hash_map::DefaultHasher},
    future::poll_fn,
    hash::{Hash as _, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use async_trait::async_trait;
use tandem_domain::bus::{Bus, Heard, Listener, Signal, Topic};

/// Signals a listener may fall behind.
const MAILBOX: usize = 64;
/// Parts of the topic table, each under its own lock. A power of two.
const SHARDS: usize = 16;

/// A bus within one process. Clones are the same bus; when the last one is dropped, or at
/// [`LocalBus::close`], its listeners hear [`Heard::Closed`].
#[derive(Clone)]
pub struct LocalBus {
    bus: Arc<Open>,
}

impl LocalBus {
    #[must_use]
    pub fn new() -> Self {
        Self {
            bus: Arc::new(Open(Arc::default())),
        }
    }

    /// Tells all listeners that nothing more will come. Those who subscribe later are told at once.
    pub fn close(&self) {
        self.bus.0.close();
    }

    /// Topics that somebody listens to.
    #[must_use]
    pub fn topics(&self) -> usize {
        let topics = &self.bus.0;
        topics
            .shards
            .iter()
            .map(|shard| lock(shard).listeners.len())
            .sum()
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Bus for LocalBus {
    fn publish(&self, topic: &Topic, signal: Signal) {
        let shard = lock(self.bus.0.shard(topic));
        let Some(mailboxes) = shard.listeners.get(topic) else {
            return;
        };
        for mailbox in mailboxes {
            mailbox.post(&signal);
        }
    }

    fn subscribe(&self, topic: &Topic) -> Box<dyn Listener> {
        let topics = self.bus.0.clone();
        let mailbox = Arc::new(Mailbox::default());
        {
            let mut shard = lock(topics.shard(topic));
            if shard.closed {
                lock(&mailbox.0).closed = true;
            } else {
                let mailboxes = shard.listeners.entry(topic.clone()).or_default();
                // Most topics are lanes with one listener: no room is kept for others.
                mailboxes.reserve_exact(1);
                mailboxes.push(mailbox.clone());
            }
        }
        Box::new(LocalListener {
            topic: topic.clone(),
            topics,
            mailbox,
        })
    }
}

/// Closes the bus with its last owner. Listeners hold the table, not this.
struct Open(Arc<Topics>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Default)]
struct Topics {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    listeners: HashMap<Topic, Vec<Arc<Mailbox>>>,
    closed: bool,
}

impl Topics {
    fn shard(&self, topic: &Topic) -> &Mutex<Shard> {
        let mut hasher = DefaultHasher::new();
        topic.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        &self.shards[at]
    }

    fn close(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.closed = true;
            for mailbox in std::mem::take(&mut shard.listeners).values().flatten() {
                mailbox.close();
            }
        }
    }
}

/// Shared by the topic table, which posts, and the listener, which takes.
#[derive(Default)]
struct Mailbox(Mutex<Letters>);

#[derive(Default)]
struct Letters {
    waiting: VecDeque<Signal>,
    missed: bool,
    closed: bool,
    /// The listener's task, while it waits.
    waker: Option<Waker>,
}

impl Mailbox {
    fn post(&self, signal: &Signal) {
        let waker = {
            let mut letters = lock(&self.0);
            if letters.waiting.len() >= MAILBOX {
                // Who missed one reads the rows again: the older signals tell nothing more.
                letters.waiting.clear();
                letters.missed = true;
            }
            letters.waiting.push_back(signal.clone());
            letters.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn close(&self) {
        let waker = {
            let mut letters = lock(&self.0);
            letters.closed = true;
            letters.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct LocalListener {
    topic: Topic,
    topics: Arc<Topics>,
    mailbox: Arc<Mailbox>,
}

#[async_trait]
impl Listener for LocalListener {
    /// Safe to drop and call again: a signal is taken only when it is returned.
    async fn next(&mut self) -> Heard {
        poll_fn(|context| {
            let mut letters = lock(&self.mailbox.0);
            if std::mem::take(&mut letters.missed) {
                return Poll::Ready(Heard::Missed);
            }
            if let Some(signal) = letters.waiting.pop_front() {
                if letters.waiting.is_empty() {
                    // A listener that fell silent again gives its buffer back.
                    letters.waiting = VecDeque::new();
                }
                return Poll::Ready(Heard::Signal(signal));
            }
            if letters.closed {
                return Poll::Ready(Heard::Closed);
            }
            match &mut letters.waker {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        let mut shard = lock(self.topics.shard(&self.topic));
        let Some(mailboxes) = shard.listeners.get_mut(&self.topic) else {
            return;
        };
        mailboxes.retain(|mailbox| !Arc::ptr_eq(mailbox, &self.mailbox));
        if mailboxes.is_empty() {
            shard.listeners.remove(&self.topic);
            // After a crowd has left, its room goes too.
            if shard.listeners.capacity() > 64
                && shard.listeners.len() < shard.listeners.capacity() / 8
            {
                shard.listeners.shrink_to_fit();
            }
        }
    }
}

/// No code that can panic runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
