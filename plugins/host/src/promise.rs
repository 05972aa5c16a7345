//! The promise of a plugin not to block: its calls skip the hop to a thread of its own and are made
//! on the task that asks for them. It is believed once it was seen to be kept, measured with every
//! call, and taken back when it is broken.

use std::{
    cell::Cell,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::Said;

/// Calls on the plugin's own threads, all of them short, before it is believed.
const TRIAL: u32 = 32;
/// Overruns are counted over so many calls: the system's scheduler makes one now and then.
const WINDOW: u32 = 1000;
/// The most overruns among them.
const OVERRUNS: u32 = 3;

/// What a plugin's promise not to block has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "promise")]
pub enum Nonblocking {
    /// It is still called on its own threads, and measured.
    Tried,
    /// It is called without the hop. How many of its last calls were too long.
    Kept { overruns: u32 },
    /// It is called on its own threads until it is loaded anew.
    Lost { why: Said },
}

/// One plugin's promise.
pub(crate) struct Promise {
    /// How long a call may take.
    short: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: u32,
    overruns: u32,
    kept: bool,
    lost: Option<Said>,
}

/// What a call was seen to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    took: Duration,
    /// It asked the host for something, which waits.
    asked: bool,
}

impl Promise {
    pub(crate) fn new(short: Duration) -> Self {
        Self {
            short,
            state: Mutex::default(),
        }
    }

    /// Whether it may be called without a thread of its own.
    pub(crate) fn holds(&self) -> bool {
        let state = self.state();
        state.kept && state.lost.is_none()
    }

    /// Counts a call.
    pub(crate) fn called(&self, seen: Seen) {
        let mut state = self.state();
        if state.lost.is_some() {
            return;
        }
        if seen.asked {
            state.lost = Some(Said::new(
                "it asks the host during a call, which waits",
                "它在调用期间向主程序请求，需要等待",
            ));
            return;
        }
        state.calls += 1;
        if seen.took > self.short {
            state.overruns += 1;
            if state.overruns > OVERRUNS {
                let (overruns, most) = (state.overruns, self.short.as_millis());
                let calls = state.calls;
                state.lost = Some(Said::new(
                    format!("{overruns} of its last {calls} calls took longer than {most} ms"),
                    format!("最近 {calls} 次调用中有 {overruns} 次超过 {most} 毫秒"),
                ));
                return;
            }
        }
        if !state.kept && state.calls >= TRIAL && state.overruns == 0 {
            state.kept = true;
        }
        if state.calls >= WINDOW || (!state.kept && state.calls >= TRIAL) {
            (state.calls, state.overruns) = (0, 0);
        }
    }

    pub(crate) fn health(&self) -> Nonblocking {
        let state = self.state();
        match (&state.lost, state.kept) {
            (Some(why), _) => Nonblocking::Lost { why: why.clone() },
            (None, true) => Nonblocking::Kept {
                overruns: state.overruns,
            },
            (None, false) => Nonblocking::Tried,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// Whether this thread makes a call that must not wait.
    static HERE: Cell<bool> = const { Cell::new(false) };
    /// Whether the host was asked for something on this thread.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Makes a call and sees what it does. `here`: on the task that asked for it, where nothing may
/// wait.
pub(crate) fn watched<T>(here: bool, call: impl FnOnce() -> T) -> (T, Seen) {
    ASKED.set(false);
    HERE.set(here);
    let _reset = Reset;
    let began = Instant::now();
    let result = call();
    let took = began.elapsed();
    let asked = ASKED.get();
    (result, Seen { took, asked })
}

struct Reset;

impl Drop for Reset {
    fn drop(&mut self) {
        HERE.set(false);
    }
}

/// The host is asked on this thread. False when whoever asks must not wait.
pub(crate) fn may_wait() -> bool {
    ASKED.set(true);
    !HERE.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    fn seen(micros: u64) -> Seen {
        Seen {
            took: Duration::from_micros(micros),
            asked: false,
        }
    }

    fn kept() -> Promise {
        let promise = Promise::new(SHORT);
        for _ in 0..TRIAL {
            assert_eq!(promise.health(), Nonblocking::Tried);
            assert!(!promise.holds());
            promise.called(seen(1000));
        }
        assert!(promise.holds());
        promise
    }

    #[test]
    fn it_is_believed_after_a_trial_and_lost_with_one_overrun_too_many() {
        let promise = kept();
        for overruns in 1..=OVERRUNS {
            promise.called(seen(1001));
            promise.called(seen(5));
            assert_eq!(promise.health(), Nonblocking::Kept { overruns });
        }
        promise.called(seen(1001));
        assert!(!promise.holds());
        let Nonblocking::Lost { why } = promise.health() else {
            panic!("it was lost");
        };
        assert!(
            why.en.contains("4 of its last 39 calls") && why.zh.contains("超过 1 毫秒"),
            "{why}"
        );
        promise.called(seen(1));
        assert!(!promise.holds(), "for good");
    }

    #[test]
    fn overruns_now_and_then_are_forgiven() {
        let promise = kept();
        for _ in 0..10 {
            for call in 0..WINDOW {
                promise.called(seen(if call < OVERRUNS { 9000 } else { 2 }));
            }
        }
        assert!(promise.holds());
    }

    #[test]
    fn a_trial_with_an_overrun_begins_again() {
        let promise = Promise::new(SHORT);
        for call in 0..TRIAL {
            promise.called(seen(if call == 7 { 2000 } else { 2 }));
        }
        assert_eq!(promise.health(), Nonblocking::Tried);
        for _ in 0..TRIAL {
            promise.called(seen(2));
        }
        assert!(promise.holds());
    }

    #[test]
    fn asking_the_host_breaks_it_at_once_and_is_not_allowed_where_nothing_may_wait() {
        let promise = kept();
        let (allowed, on_a_thread) = watched(false, may_wait);
        assert!(allowed && on_a_thread.asked);
        let (allowed, here) = watched(true, may_wait);
        assert!(!allowed && here.asked);
        assert!(may_wait(), "the call is over");
        promise.called(here);
        assert!(matches!(promise.health(), Nonblocking::Lost { why } if why.en.contains("asks")));
        let (_, nothing) = watched(true, || ());
        assert!(!nothing.asked);
    }
}
