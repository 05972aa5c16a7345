//! Whether a plugin is called at all. One that keeps failing is left alone for a while, then tried
//! with one call; every pause is twice as long as the one before.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use crate::{Limits, PluginError, Said};

/// Counts failures and says when a plugin is left alone.
#[derive(Debug)]
pub struct Gate {
    failures: u32,
    pause: Duration,
    pause_max: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_a_row: u32,
    last: Option<Said>,
    /// Pauses since the last call that went well.
    pauses: u32,
    closed: Closed,
}

#[derive(Debug, Default)]
enum Closed {
    #[default]
    No,
    Until {
        at: Instant,
        trying: bool,
    },
    ByHand {
        why: Said,
    },
}

/// How a plugin stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Health {
    Ok,
    /// Its last calls failed in a way no plugin should.
    Failing {
        in_a_row: u32,
        last: Said,
    },
    /// It failed too often and is left alone for so long.
    Paused {
        last: Said,
        for_ms: u64,
    },
    /// It was switched off by hand.
    Disabled {
        why: Said,
    },
    /// Calls were begun that never came back, as many as are put up with.
    Stuck {
        calls: u32,
    },
    /// Its process is being started, again or for the first time.
    Starting {
        why: Said,
    },
    /// It was not loaded, or was unloaded.
    Stopped {
        why: Said,
    },
}

/// Leave for one call; tell it how the call ended.
#[derive(Debug)]
pub struct Pass<'g> {
    gate: &'g Gate,
    trial: bool,
}

impl Gate {
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            failures: limits.failures,
            pause: limits.pause,
            pause_max: limits.pause_max,
            state: Mutex::default(),
        }
    }

    /// # Errors
    /// While the plugin is left alone.
    pub fn admit(&self) -> Result<Pass<'_>, PluginError> {
        let mut state = self.state();
        let trial = match &mut state.closed {
            Closed::No => false,
            Closed::Until { at, trying } if Instant::now() >= *at && !*trying => {
                *trying = true;
                true
            }
            Closed::Until { .. } => {
                let last = state.last.clone().unwrap_or_default();
                return Err(PluginError::Disabled(Said::new(
                    format!("it kept failing: {}", last.en),
                    format!("连续失败：{}", last.zh),
                )));
            }
            Closed::ByHand { why } => return Err(PluginError::Disabled(why.clone())),
        };
        Ok(Pass { gate: self, trial })
    }

    /// Switches the plugin off until [`enable`](Self::enable).
    pub fn disable(&self, why: impl Into<Said>) {
        self.state().closed = Closed::ByHand { why: why.into() };
    }

    /// Forgets all failures; switched off by hand it stays off.
    pub fn forget(&self) {
        let mut state = self.state();
        if !matches!(state.closed, Closed::ByHand { .. }) {
            *state = State::default();
        }
    }

    /// Forgets all failures, and switches it on.
    pub fn enable(&self) {
        *self.state() = State::default();
    }

    #[must_use]
    pub fn health(&self) -> Health {
        let state = self.state();
        let last = || state.last.clone().unwrap_or_default();
        match &state.closed {
            Closed::ByHand { why } => Health::Disabled { why: why.clone() },
            Closed::Until { at, .. } => {
                let left = at.saturating_duration_since(Instant::now());
                Health::Paused {
                    last: last(),
                    for_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
                }
            }
            Closed::No if state.in_a_row > 0 => Health::Failing {
                in_a_row: state.in_a_row,
                last: last(),
            },
            Closed::No => Health::Ok,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, trial: bool, why: Said) {
        let mut state = self.state();
        state.in_a_row = state.in_a_row.saturating_add(1);
        state.last = Some(why);
        if matches!(state.closed, Closed::ByHand { .. }) {
            return;
        }
        let again = trial || matches!(state.closed, Closed::No);
        if again && (trial || state.in_a_row >= self.failures) {
            let doubled = self.pause.saturating_mul(1 << state.pauses.min(16));
            state.pauses += 1;
            state.closed = Closed::Until {
                at: Instant::now() + doubled.min(self.pause_max),
                trying: false,
            };
        }
    }

    fn went_well(&self, trial: bool) {
        let mut state = self.state();
        // Calls that were begun before a pause do not end it: only the trial does.
        if trial || matches!(state.closed, Closed::No) {
            if matches!(state.closed, Closed::ByHand { .. }) {
                return;
            }
            *state = State::default();
        }
    }
}

impl Pass<'_> {
    /// Counts how the call ended. What a plugin says itself, and what it could not know, is no
    /// fault.
    pub fn ended<T>(mut self, result: &Result<T, PluginError>) {
        let trial = std::mem::take(&mut self.trial);
        match result {
            Err(error) if error.is_fault() => self.gate.failed(trial, error.said()),
            Ok(_) | Err(PluginError::Failed(_) | PluginError::BadInput(_)) => {
                self.gate.went_well(trial);
            }
            // Nothing is known: the trial is not over.
            Err(_) => self.trial = trial,
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.trial
            && let Closed::Until { trying, .. } = &mut self.gate.state().closed
        {
            *trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(&Limits {
            failures: 2,
            pause: Duration::from_secs(5),
            pause_max: Duration::from_secs(12),
            ..Limits::default()
        })
    }

    fn fail(gate: &Gate) {
        let panicked: Result<(), _> = Err(PluginError::Panicked("oops".into()));
        gate.admit().unwrap().ended(&panicked);
    }

    fn pass(gate: &Gate) {
        gate.admit().unwrap().ended(&Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_pause_it_and_each_pause_is_longer() {
        let gate = gate();
        fail(&gate);
        pass(&gate);
        fail(&gate);
        assert!(matches!(gate.health(), Health::Failing { in_a_row: 1, .. }));
        fail(&gate);
        for pause in [5, 10, 12, 12] {
            assert!(
                matches!(gate.admit(), Err(PluginError::Disabled(why)) if why.en.contains("oops"))
            );
            tokio::time::advance(Duration::from_secs(pause) - Duration::from_millis(1)).await;
            assert!(gate.admit().is_err());
            tokio::time::advance(Duration::from_millis(1)).await;
            fail(&gate);
        }
        tokio::time::advance(Duration::from_secs(12)).await;
        pass(&gate);
        assert_eq!(gate.health(), Health::Ok);
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_tries_it_and_a_trial_that_is_dropped_is_not_lost() {
        let gate = gate();
        fail(&gate);
        fail(&gate);
        tokio::time::advance(Duration::from_secs(5)).await;
        let trial = gate.admit().unwrap();
        assert!(gate.admit().is_err(), "one at a time");
        drop(trial);
        let trial = gate.admit().unwrap();
        trial.ended::<()>(&Err(PluginError::Busy));
        pass(&gate);
        assert_eq!(gate.health(), Health::Ok);
    }

    #[test]
    fn what_the_plugin_says_itself_is_no_fault() {
        let gate = gate();
        for _ in 0..9 {
            let said = tandem_plugin_sdk::Error::new("not_found", "no such parcel");
            let failed: Result<(), _> = Err(PluginError::Failed(said));
            gate.admit().unwrap().ended(&failed);
        }
        assert_eq!(gate.health(), Health::Ok);
    }

    #[test]
    fn switched_off_by_hand_it_stays_off() {
        let gate = gate();
        let before = gate.admit().unwrap();
        gate.disable("maintenance");
        before.ended(&Ok(()));
        gate.forget();
        assert_eq!(
            gate.admit().unwrap_err(),
            PluginError::Disabled("maintenance".into())
        );
        gate.enable();
        assert!(gate.admit().is_ok());
    }
}
