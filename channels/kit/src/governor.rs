//! How fast an account may send: the platform's paces for the account, then for each
//! conversation, and what the platform itself asked for.
//!
//! A pace is kept exactly: of `count` sends in any `secs` seconds each is remembered, so that no
//! window, wherever it begins, holds more. The clock is the caller's.

use std::collections::{HashMap, VecDeque};

use tandem_domain::{
    LaneId, Timestamp,
    capabilities::{Pace, Rate},
    message::ConversationKind,
};

/// Conversations remembered before those whose paces are free again are forgotten.
const CHATS: usize = 10_000;

/// One account's.
#[derive(Debug)]
pub struct Governor {
    account: Vec<Log>,
    chat: Vec<Pace>,
    /// Those of `chat` and more, for conversations of many people.
    group: Vec<Pace>,
    chats: HashMap<LaneId, Vec<Log>>,
    /// Where the next tidying of `chats` is worth its while.
    tidy_at: usize,
    /// Nothing leaves before.
    paused_until: Timestamp,
    /// The conversation that was last told to wait, with nothing sent since.
    told: Option<LaneId>,
}

/// The last sends under a pace, oldest first; never more than its count.
#[derive(Debug)]
struct Log {
    pace: Pace,
    sends: VecDeque<i64>,
}

impl Log {
    fn new(pace: Pace) -> Self {
        Self {
            pace,
            sends: VecDeque::new(),
        }
    }

    fn span(&self) -> i64 {
        i64::from(self.pace.secs) * 1000
    }

    /// Sends that may leave at this moment.
    fn room(&self, now: i64) -> usize {
        let held = self.sends.iter().rev();
        let used = held.take_while(|at| **at + self.span() > now).count();
        (self.pace.count as usize).saturating_sub(used)
    }

    /// When one more may leave.
    fn free_at(&self, now: i64) -> i64 {
        let count = self.pace.count as usize;
        match self.sends.len().checked_sub(count) {
            Some(over) => self.sends.get(over).map_or(i64::MAX, |at| {
                // A count of 0 has no oldest: nothing ever leaves.
                (at + self.span()).max(now)
            }),
            None => now,
        }
    }

    fn note(&mut self, now: i64) {
        self.sends.push_back(now);
        while self.sends.len() > self.pace.count as usize {
            self.sends.pop_front();
        }
    }
}

impl Governor {
    #[must_use]
    pub fn new(rate: &Rate) -> Self {
        Self {
            account: rate.account.iter().copied().map(Log::new).collect(),
            chat: rate.chat.clone(),
            group: rate.chat.iter().chain(&rate.group).copied().collect(),
            chats: HashMap::new(),
            tidy_at: CHATS,
            paused_until: Timestamp(i64::MIN),
            told: None,
        }
    }

    /// How many sends the account may make at this moment, whatever their conversations.
    #[must_use]
    pub fn room(&self, now: Timestamp) -> usize {
        if now < self.paused_until {
            return 0;
        }
        let logs = self.account.iter().map(|log| log.room(now.0));
        logs.min().unwrap_or(usize::MAX)
    }

    /// When the account may send again; `now` where it may.
    #[must_use]
    pub fn free_at(&self, now: Timestamp) -> Timestamp {
        let logs = self.account.iter().map(|log| log.free_at(now.0));
        let paces = logs.max().unwrap_or(now.0);
        Timestamp(paces.max(self.paused_until.0).max(now.0))
    }

    /// Lets one message of the conversation leave now and counts it, or says when it may. The
    /// kind is that of the conversation's every message.
    ///
    /// # Errors
    /// The moment to ask again.
    pub fn take(
        &mut self,
        lane: LaneId,
        kind: ConversationKind,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let account = self.free_at(now);
        if account > now {
            return Err(account);
        }
        self.tidy(now);
        let paces = match kind {
            ConversationKind::Dm => &self.chat,
            ConversationKind::Group | ConversationKind::Thread => &self.group,
        };
        if !paces.is_empty() {
            let logs = self
                .chats
                .entry(lane)
                .or_insert_with(|| paces.iter().copied().map(Log::new).collect());
            let chat = logs.iter().map(|log| log.free_at(now.0)).max();
            if let Some(at) = chat.filter(|at| *at > now.0) {
                return Err(Timestamp(at));
            }
            logs.iter_mut().for_each(|log| log.note(now.0));
        }
        self.account.iter_mut().for_each(|log| log.note(now.0));
        Ok(())
    }

    /// The platform asks the whole account to wait.
    pub fn pause(&mut self, until: Timestamp) {
        self.paused_until = self.paused_until.max(until);
    }

    /// The platform asks one conversation to wait. When it asks two in a row, with nothing sent
    /// between, it means the account, and asking it for every other conversation would only make
    /// it sterner.
    pub fn told_to_wait(&mut self, lane: LaneId, until: Timestamp) {
        match self.told {
            Some(before) if before != lane => self.pause(until),
            _ => self.told = Some(lane),
        }
    }

    /// The platform took a message.
    pub fn went_through(&mut self) {
        self.told = None;
    }

    fn tidy(&mut self, now: Timestamp) {
        if self.chats.len() < self.tidy_at {
            return;
        }
        self.chats.retain(|_, logs| {
            let newest = |log: &Log| log.sends.back().map_or(i64::MIN, |at| at + log.span());
            logs.iter().any(|log| newest(log) > now.0)
        });
        self.tidy_at = CHATS.max(self.chats.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ConversationKind::Dm, *};

    fn lane(n: u64) -> LaneId {
        LaneId::derive(&[&n.to_string()])
    }

    fn rate(account: &[Pace], chat: &[Pace]) -> Rate {
        Rate {
            account: account.to_vec(),
            chat: chat.to_vec(),
            group: Vec::new(),
        }
    }

    #[test]
    fn the_account_goes_before_the_conversation() {
        let mut g = Governor::new(&rate(&[Pace::new(2, 1)], &[Pace::new(1, 1)]));
        let at = Timestamp;
        assert_eq!(g.room(at(0)), 2);
        assert_eq!(g.take(lane(1), Dm, at(0)), Ok(()));
        assert_eq!(g.take(lane(1), Dm, at(10)), Err(at(1000)));
        assert_eq!(g.take(lane(2), Dm, at(20)), Ok(()));
        assert_eq!(g.room(at(20)), 0);
        assert_eq!(g.take(lane(3), Dm, at(30)), Err(at(1000)));
        assert_eq!(g.free_at(at(30)), at(1000));
        assert_eq!(g.take(lane(3), Dm, at(1000)), Ok(()));
        // The second of the first two still counts.
        assert_eq!(g.take(lane(1), Dm, at(1000)), Err(at(1020)));
    }

    #[test]
    fn a_group_keeps_its_own_pace_besides() {
        let mut g = Governor::new(&Rate {
            group: vec![Pace::new(2, 60)],
            ..rate(&[], &[Pace::new(1, 1)])
        });
        let at = Timestamp;
        for (group, kind) in [(1, ConversationKind::Group), (2, ConversationKind::Thread)] {
            assert_eq!(g.take(lane(group), kind, at(0)), Ok(()));
            assert_eq!(g.take(lane(group), kind, at(10)), Err(at(1000)));
            assert_eq!(g.take(lane(group), kind, at(1000)), Ok(()));
            assert_eq!(g.take(lane(group), kind, at(2000)), Err(at(60_000)));
        }
        for second in 0..5 {
            assert_eq!(g.take(lane(3), Dm, at(second * 1000)), Ok(()));
        }
    }

    #[test]
    fn one_conversation_told_to_wait_is_one_and_two_are_the_account() {
        let mut g = Governor::new(&Rate::default());
        let at = Timestamp;
        g.told_to_wait(lane(1), at(5000));
        g.told_to_wait(lane(1), at(6000));
        assert_eq!(g.take(lane(2), Dm, at(0)), Ok(()));
        g.went_through();
        g.told_to_wait(lane(3), at(5000));
        assert_eq!(g.take(lane(2), Dm, at(0)), Ok(()));
        g.told_to_wait(lane(2), at(4000));
        assert_eq!((g.room(at(0)), g.free_at(at(0))), (0, at(4000)));
        assert_eq!(g.take(lane(4), Dm, at(1)), Err(at(4000)));
        assert_eq!(g.take(lane(4), Dm, at(4000)), Ok(()));
    }

    #[test]
    fn conversations_that_are_quiet_are_forgotten() {
        let mut g = Governor::new(&rate(&[], &[Pace::new(1, 60)]));
        for n in 0..CHATS as u64 {
            g.take(lane(n), Dm, Timestamp(0)).unwrap();
        }
        g.take(lane(u64::MAX), Dm, Timestamp(60_000)).unwrap();
        assert_eq!(g.chats.len(), 1);
    }

    proptest! {
        /// Whoever asks whenever: no window of a pace's length holds more than its count, and
        /// who waits as long as told may go.
        #[test]
        fn no_window_holds_more_than_its_pace(
            asks in prop::collection::vec((0u64..4, 0i64..700), 1..120),
            account in (1u32..6, 1u32..4),
            chat in (1u32..4, 1u32..4),
        ) {
            let paces = (Pace::new(account.0, account.1), Pace::new(chat.0, chat.1));
            let mut g = Governor::new(&rate(&[paces.0], &[paces.1]));
            let mut sent: Vec<(u64, i64)> = Vec::new();
            let mut now = 0;
            for (n, wait) in asks {
                now += wait;
                match g.take(lane(n), Dm, Timestamp(now)) {
                    Ok(()) => sent.push((n, now)),
                    Err(at) => {
                        prop_assert!(at.0 > now);
                        let mut later = at;
                        // The account's time may come before the conversation's.
                        while let Err(again) = g.take(lane(n), Dm, later) {
                            prop_assert!(again > later);
                            later = again;
                        }
                        now = later.0;
                        sent.push((n, now));
                    }
                }
            }
            for (i, (n, from)) in sent.iter().enumerate() {
                let within = |pace: Pace| {
                    let until = from + i64::from(pace.secs) * 1000;
                    sent[i..].iter().filter(move |(_, at)| *at < until)
                };
                prop_assert!(within(paces.0).count() <= paces.0.count as usize);
                let chat = within(paces.1).filter(|(m, _)| m == n).count();
                prop_assert!(chat <= paces.1.count as usize);
            }
        }
    }
}
