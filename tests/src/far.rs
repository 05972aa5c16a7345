//! A customer on the far side of a channel: every platform's fake lets them write, press and see,
//! so that one set of conversations is had on all of them.
//!
//! * [`Platform`], [`Board`] – what a fake is, and what customers were shown on it;
//! * [`scenarios`] – what every channel must carry; [`courier`] – how webhooks are delivered;
//! * [`signed`] – a system of one's own; [`telegram`] – the Bot API; [`discord`] – its gateway and
//!   HTTP; [`wechat`] – an Official Account and a mini program; [`wxkf`] – 微信客服.

pub mod courier;
pub mod discord;
pub mod scenarios;
pub mod signed;
pub mod telegram;
pub mod wechat;
pub mod wxkf;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use tokio::sync::Notify;

use crate::server::Setup;

/// How long something that must happen is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The fake of one platform, speaking its protocol to a real server. It behaves as the platform
/// does: what the server did not confirm is delivered again.
#[async_trait]
pub trait Platform: Send + Sync {
    /// The configuration and the environment of a server with an account of this platform.
    fn setup(&self) -> Setup;

    /// The account's name in that configuration.
    fn account(&self) -> &'static str;

    /// The server listens here; called after every start, before anything is delivered.
    async fn reach(&self, url: &str);

    /// The customer writes, and the platform has it; it delivers by itself, in this order.
    async fn write(&self, who: &str, text: &str);

    /// The customer sends a picture.
    async fn picture(&self, who: &str, png: &[u8]);

    /// The customer presses the newest choice of this label that they were shown; an error where
    /// there is none.
    async fn press(&self, who: &str, label: &str) -> anyhow::Result<()>;

    /// Returns once the server has confirmed everything that was written.
    async fn delivered(&self);

    /// Delivers the newest `count` events again, confirmed as they are: as a platform does whose
    /// own note of it got lost.
    async fn repeat(&self, count: usize);

    /// What goes wrong from now on.
    fn trouble(&self, trouble: Trouble);

    /// What customers were shown.
    fn board(&self) -> &Board;
}

/// What a platform may do to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// So many sends are answered with "too many requests, come back in a second".
    Throttle { sends: usize },
    /// So many sends are answered with a 5xx; none of them was taken.
    Fail { sends: usize },
    /// So many sends are taken, and the connection is cut before the answer.
    CutAfterAccept { sends: usize },
    /// The connection that events come by breaks: a gateway's, a poll's. Nothing happens where
    /// the platform calls us.
    Drop,
}

/// One message as the customer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub who: String,
    /// The platform's id of it.
    pub id: String,
    pub text: String,
    /// Labels of what can be pressed.
    pub choices: Vec<String>,
    /// Sizes of the files that came with it.
    pub files: Vec<usize>,
}

/// Everything that customers were shown, oldest first.
#[derive(Debug, Default)]
pub struct Board {
    shown: Mutex<Vec<Shown>>,
    changed: Notify,
}

impl Board {
    pub fn show(&self, shown: Shown) {
        self.all().push(shown);
        self.changed.notify_waiters();
    }

    /// A message that is changed in place: the text and the choices it has now.
    pub fn change(&self, id: &str, text: Option<String>, choices: Option<Vec<String>>) {
        if let Some(shown) = self.all().iter_mut().find(|shown| shown.id == id) {
            shown.text = text.unwrap_or_else(|| std::mem::take(&mut shown.text));
            shown.choices = choices.unwrap_or_else(|| std::mem::take(&mut shown.choices));
        }
        self.changed.notify_waiters();
    }

    /// What this customer was shown.
    #[must_use]
    pub fn of(&self, who: &str) -> Vec<Shown> {
        let all = self.all();
        all.iter()
            .filter(|shown| shown.who == who)
            .cloned()
            .collect()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.all().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// The first message after the first `seen` of this customer that says `text`, and how many
    /// they have seen with it.
    ///
    /// # Errors
    /// When it does not come, with what came.
    pub async fn says(&self, who: &str, seen: usize, text: &str) -> anyhow::Result<(Shown, usize)> {
        let found = || {
            let of = self.of(who);
            let place = of.iter().skip(seen).position(|s| s.text.contains(text))?;
            Some((of[seen + place].clone(), seen + place + 1))
        };
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let changed = self.changed.notified();
                if let Some(found) = found() {
                    return found;
                }
                changed.await;
            }
        });
        waited.await.with_context(|| {
            let came: Vec<String> = self
                .of(who)
                .into_iter()
                .skip(seen)
                .map(|s| s.text)
                .collect();
            format!("{who} waits for {text:?} and was shown {came:#?}")
        })
    }

    fn all(&self) -> MutexGuard<'_, Vec<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
