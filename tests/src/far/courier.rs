//! How a platform that calls webhooks delivers: in order, each event again until the server
//! confirms it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, task::JoinHandle};

/// How long a platform waits before it tries again. Real ones take seconds.
const AGAIN: Duration = Duration::from_millis(50);
/// Events that can be repeated.
const REMEMBERED: usize = 1_000;

/// One event as a request to the server at this address.
pub type Event = Arc<dyn Fn(&reqwest::Client, &str) -> reqwest::RequestBuilder + Send + Sync>;

#[derive(Default)]
struct Bag {
    url: Option<String>,
    open: VecDeque<Event>,
    confirmed: VecDeque<Event>,
}

/// Delivers until it is dropped.
pub struct Courier {
    bag: Arc<Mutex<Bag>>,
    changed: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Courier {
    /// Begins; nothing is delivered before the server [can be reached](Self::reach). What the
    /// server answers is given to `answered`.
    #[must_use]
    pub fn new(answered: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        let (bag, changed) = (Arc::<Mutex<Bag>>::default(), Arc::<Notify>::default());
        let task = tokio::spawn(deliver(bag.clone(), changed.clone(), answered));
        Self { bag, changed, task }
    }

    pub fn reach(&self, url: &str) {
        open(&self.bag).url = Some(url.to_owned());
        self.changed.notify_waiters();
    }

    pub fn send(&self, event: Event) {
        open(&self.bag).open.push_back(event);
        self.changed.notify_waiters();
    }

    /// The newest `count` events that were confirmed, once more.
    pub fn repeat(&self, count: usize) {
        {
            let mut bag = open(&self.bag);
            let from = bag.confirmed.len().saturating_sub(count);
            let again: Vec<Event> = bag.confirmed.iter().skip(from).cloned().collect();
            bag.open.extend(again);
        }
        self.changed.notify_waiters();
    }

    /// Returns once everything is confirmed.
    pub async fn delivered(&self) {
        loop {
            let changed = self.changed.notified();
            if open(&self.bag).open.is_empty() {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn open(bag: &Mutex<Bag>) -> MutexGuard<'_, Bag> {
    bag.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn deliver(bag: Arc<Mutex<Bag>>, changed: Arc<Notify>, answered: impl Fn(&[u8])) {
    let client = reqwest::Client::new();
    loop {
        let waiting = changed.notified();
        let next = {
            let bag = open(&bag);
            bag.url.clone().zip(bag.open.front().cloned())
        };
        let Some((url, event)) = next else {
            waiting.await;
            continue;
        };
        let confirmed = match event(&client, &url).send().await {
            Ok(response) if response.status().is_success() => response.bytes().await.ok(),
            _ => None,
        };
        let Some(body) = confirmed else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        answered(&body);
        {
            let mut bag = open(&bag);
            if let Some(event) = bag.open.pop_front() {
                bag.confirmed.push_back(event);
            }
            if bag.confirmed.len() > REMEMBERED {
                bag.confirmed.pop_front();
            }
        }
        changed.notify_waiters();
    }
}
