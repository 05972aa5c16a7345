//! Told once, known to all: how a channel's `run` learns of its end.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Whether it is time to end. Clones share one state; once stopped it stays so.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells everybody; twice is once.
    pub fn stop(&self) {
        *self.state() = true;
        self.0.1.notify_all();
    }

    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.state()
    }

    /// Returns once stopped.
    pub fn wait(&self) {
        let stopped = self.0.1.wait_while(self.state(), |stopped| !*stopped);
        drop(stopped.unwrap_or_else(PoisonError::into_inner));
    }

    /// Pauses for so long, or until stopped: then true.
    #[must_use]
    pub fn within(&self, pause: Duration) -> bool {
        let waited = self
            .0
            .1
            .wait_timeout_while(self.state(), pause, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn state(&self) -> MutexGuard<'_, bool> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clones_are_told_and_it_stays_so() {
        let stop = Stop::new();
        assert!(!stop.within(Duration::ZERO) && !stop.is_stopped());
        let other = stop.clone();
        let waits = std::thread::spawn(move || other.wait());
        stop.stop();
        stop.stop();
        waits.join().unwrap();
        assert!(stop.within(Duration::from_secs(60)) && stop.is_stopped());
    }
}
