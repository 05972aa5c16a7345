//! Accounts and the channels that serve them: how each stands, keeping its channel running, and
//! what happens when the platform refuses its credential.

use std::{
    num::NonZeroUsize,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt as _;
use lru::LruCache;
use tandem_channel_kit::{Account, Channel, ChannelError, Governor, Health, Inbox, Stop};
use tandem_domain::{AccountId, LaneId, Timestamp, capabilities::Capabilities, edge::Keep};
use tokio::sync::{Notify, Semaphore};

use crate::engine::Engine;

/// Between two looks whether a refused credential is taken again; doubled each time up to the
/// second.
const PROBE: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(900)];
/// Before a channel that stopped is run again; doubled each time up to the second.
const RERUN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Lanes remembered as typed in.
const SHOWN: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");

/// An account with the channel that serves it.
pub struct Connected {
    pub account: Account,
    pub channel: Arc<dyn Channel>,
    /// The channel's, asked once: they do not change while it runs.
    pub caps: Capabilities,
    /// See [`Channel::reads_transcript`].
    pub reads_transcript: bool,
    /// Something may leave: a row, a permit, the account itself.
    pub(crate) wake: Notify,
    /// Sends of this account at one time: a slow platform takes none from the others.
    pub(crate) permits: Arc<Semaphore>,
    /// Another channel serves the account now, or the engine stops.
    pub(crate) replaced: Stop,
    governor: Mutex<Governor>,
    standing: Mutex<Standing>,
    resumed: Notify,
    /// When a lane was last shown that somebody writes.
    shown: Mutex<LruCache<LaneId, Timestamp>>,
}

#[derive(Default)]
struct Standing {
    /// Raised whenever the credential is refused or counts as good again: what began before says
    /// nothing of now.
    epoch: u64,
    refused: Option<Refused>,
    receiving: Health,
}

struct Refused {
    why: String,
    since: Timestamp,
    probe_at: Timestamp,
    pause: Duration,
}

/// Whether an account may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    Free,
    /// One message, to see whether the credential is taken again.
    Probe,
    Wait(Timestamp),
}

/// How an account stands, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountStatus {
    pub account: Account,
    pub health: Health,
    /// Since when messages wait for a credential.
    pub since: Option<Timestamp>,
}

impl Connected {
    pub(crate) fn new(
        account: Account,
        channel: Arc<dyn Channel>,
        at_once: usize,
        replaced: Stop,
    ) -> Self {
        let caps = channel.capabilities();
        Self {
            reads_transcript: channel.reads_transcript(),
            wake: Notify::new(),
            permits: Arc::new(Semaphore::new(at_once)),
            replaced,
            governor: Mutex::new(Governor::new(&caps.rate)),
            standing: Mutex::default(),
            resumed: Notify::new(),
            shown: Mutex::new(LruCache::new(SHOWN)),
            account,
            channel,
            caps,
        }
    }

    pub(crate) fn governor(&self) -> MutexGuard<'_, Governor> {
        self.governor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a send begun now notes, so that its end is weighed rightly.
    pub(crate) fn epoch(&self) -> u64 {
        self.standing().epoch
    }

    /// Whether the lane may be shown now that somebody writes: not while messages themselves have
    /// to wait, and not again so soon.
    pub(crate) fn may_show(&self, lane: LaneId, now: Timestamp, apart: Duration) -> bool {
        if self.standing().refused.is_some() || self.governor().room(now) == 0 {
            return false;
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.get(&lane).is_some_and(|at| now < *at + apart) {
            return false;
        }
        shown.put(lane, now);
        true
    }

    pub(crate) fn may_leave(&self, now: Timestamp) -> Leave {
        let mut standing = self.standing();
        match &mut standing.refused {
            None => Leave::Free,
            Some(refused) if now < refused.probe_at => Leave::Wait(refused.probe_at),
            Some(refused) => {
                refused.pause = (refused.pause * 2).min(PROBE[1]);
                refused.probe_at = now + refused.pause;
                Leave::Probe
            }
        }
    }

    /// The platform refused the credential in something begun at `epoch`.
    pub(crate) fn refuse(&self, why: &str, epoch: u64, now: Timestamp) {
        let mut standing = self.standing();
        if standing.epoch != epoch || standing.refused.is_some() {
            return;
        }
        standing.epoch += 1;
        standing.refused = Some(Refused {
            why: why.to_owned(),
            since: now,
            probe_at: now + PROBE[0],
            pause: PROBE[0],
        });
        drop(standing);
        self.show_up(false);
        let (account, channel) = (&self.account.id, &self.account.channel);
        tracing::error!(
            %account, channel, why,
            "The platform refuses this account's credential, and its messages wait. Renew the credential at the platform and put it where the configuration says: in a file it is seen within seconds, in an environment variable when the server starts. Where only the platform was at fault, resume the account over the API."
        );
    }

    /// The platform took something begun at `epoch`.
    pub(crate) fn taken(&self, epoch: u64) {
        let mut standing = self.standing();
        if standing.epoch != epoch || standing.refused.is_none() {
            return;
        }
        standing.epoch += 1;
        standing.refused = None;
        drop(standing);
        self.show_up(true);
        tracing::info!(account = %self.account.id, "The platform takes this account's credential again.");
        self.wake.notify_one();
    }

    /// Lets messages leave again, and the channel run.
    fn resume(&self) {
        let mut standing = self.standing();
        standing.epoch += 1;
        standing.refused = None;
        standing.receiving = Health::Good;
        drop(standing);
        self.show_up(true);
        self.wake.notify_one();
        self.resumed.notify_one();
    }

    fn receives(&self, health: Health) {
        self.standing().receiving = health;
    }

    pub(crate) fn show_up(&self, up: bool) {
        let account = self.account.id.to_string();
        metrics::gauge!("tandem_account_up", "account" => account).set(if up { 1.0 } else { 0.0 });
    }

    /// How the account stands; the worst that is known.
    #[must_use]
    pub fn status(&self) -> AccountStatus {
        let standing = self.standing();
        let (mut health, since) = match &standing.refused {
            Some(refused) => (
                Health::Unauthorized(refused.why.clone()),
                Some(refused.since),
            ),
            None => (standing.receiving.clone(), None),
        };
        drop(standing);
        if health == Health::Good {
            health = self.channel.health();
        }
        AccountStatus {
            account: self.account.clone(),
            health,
            since,
        }
    }
}

impl Engine {
    /// How every account stands, by name.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountStatus> {
        let mut all: Vec<AccountStatus> = self.channels().iter().map(|c| c.status()).collect();
        all.sort_by(|a, b| a.account.id.cmp(&b.account.id));
        all
    }

    /// Lets an account whose credential was refused send and receive again. False when there is
    /// no such account.
    pub fn resume(&self, account: &AccountId) -> bool {
        let connected = self.channel(account);
        let known = connected.inspect(|c| c.resume()).is_some();
        self.0.fetches_changed.notify_one();
        known
    }

    /// How long rows are kept, given how long bookkeeping is kept in general.
    #[must_use]
    pub fn keep(&self, rows: Duration) -> Keep {
        let mut keep = Keep::all(rows);
        for connected in self.channels() {
            let secs = connected.caps.dedupe_secs;
            let longer = (secs > 0).then(|| Duration::from_secs(secs));
            keep.events.insert(connected.account.id.clone(), longer);
        }
        keep
    }

    /// Receives for an account until `stop`: runs its channel, and runs it again after a pause
    /// that grows when the connection was lost. A refused credential waits until the account is
    /// resumed.
    pub async fn run_channel(&self, account: &AccountId, inbox: Inbox, stop: Stop) {
        let Some(connected) = self.channel(account) else {
            return;
        };
        connected.show_up(true);
        let mut pause = RERUN[0];
        loop {
            let (epoch, begun) = (connected.epoch(), tokio::time::Instant::now());
            let run = connected.channel.run(inbox.clone(), stop.child());
            // A defect in one channel must not take the others down.
            let ended = AssertUnwindSafe(run).catch_unwind().await;
            if stop.is_stopped() {
                return;
            }
            if begun.elapsed() > RERUN[1] {
                pause = RERUN[0];
            }
            let why = match ended {
                Ok(Ok(())) => "it ended by itself".to_owned(),
                Ok(Err(ChannelError::Lost(why))) => why.to_string(),
                Ok(Err(ChannelError::Unauthorized(why))) => {
                    connected.refuse(&why, epoch, self.now());
                    if stop.or(connected.resumed.notified()).await.is_none() {
                        return;
                    }
                    continue;
                }
                Ok(Err(ChannelError::Config(why))) => {
                    tracing::error!(%account, why, "A channel cannot work as it is configured and has stopped; mend the configuration, which is seen within seconds.");
                    connected.receives(Health::Broken(why));
                    connected.show_up(false);
                    if stop.or(connected.resumed.notified()).await.is_none() {
                        return;
                    }
                    continue;
                }
                Err(_) => "it panicked".to_owned(),
            };
            tracing::warn!(%account, why, ?pause, "A channel stopped receiving and is run again.");
            connected.receives(Health::Degraded(why));
            let jitter = pause.mul_f64(f64::from(u32::from(account_byte(account))) / 1024.0);
            if stop.or(tokio::time::sleep(pause + jitter)).await.is_none() {
                return;
            }
            connected.receives(Health::Good);
            pause = (pause * 2).min(RERUN[1]);
        }
    }
}

/// Something of the account's own, so that many that broke together don't come back together.
fn account_byte(account: &AccountId) -> u8 {
    account.as_str().bytes().fold(0, u8::wrapping_add)
}
