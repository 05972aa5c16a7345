//! The stopwatch a state's interrupt looks at.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Between two looks at the processor clock, which costs a system call.
const LOOK_EVERY: u64 = 500_000;

/// Counts the processor time of the thread that runs a state.
///
/// Wall time alone would punish a script for its neighbours: with eight of them on two cores each
/// has 50 ms of work only after 200 ms.
#[derive(Debug)]
pub struct Watch {
    epoch: Instant,
    armed: AtomicBool,
    expired: AtomicBool,
    cancelled: AtomicBool,
    /// All in nanoseconds; wall times are since `epoch`.
    budget: AtomicU64,
    cpu_started: AtomicU64,
    wall_deadline: AtomicU64,
    next_look: AtomicU64,
}

impl Watch {
    /// At rest until a state's work begins.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            armed: AtomicBool::new(false),
            expired: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            budget: AtomicU64::new(0),
            cpu_started: AtomicU64::new(0),
            wall_deadline: AtomicU64::new(0),
            next_look: AtomicU64::new(0),
        })
    }

    /// Starts counting on this thread; the state must stay on it until `stop`.
    pub(crate) fn start(&self, budget: Duration, wall: Duration) {
        let now = self.wall();
        self.budget.store(nanos(budget), Relaxed);
        self.cpu_started.store(thread_cpu(), Relaxed);
        self.wall_deadline
            .store(now.saturating_add(nanos(wall)), Relaxed);
        self.next_look
            .store(now + LOOK_EVERY.min(nanos(budget)), Relaxed);
        self.expired.store(false, Relaxed);
        self.armed.store(true, Relaxed);
    }

    /// Stops counting and gives the processor time used since `start`.
    pub(crate) fn stop(&self) -> Duration {
        self.armed.store(false, Relaxed);
        Duration::from_nanos(thread_cpu().saturating_sub(self.cpu_started.load(Relaxed)))
    }

    /// Whether the time has run out since `start`, even if the script swallowed the error.
    pub(crate) fn expired(&self) -> bool {
        self.expired.load(Relaxed)
    }

    /// Makes the script stop at its next interrupt, for good.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// Called at every loop and call of the script: whether it must stop.
    pub(crate) fn must_stop(&self) -> bool {
        if !self.armed.load(Relaxed) {
            return false;
        }
        if self.expired.load(Relaxed) {
            return true;
        }
        let now = self.wall();
        if now < self.next_look.load(Relaxed) {
            return false;
        }
        let used = thread_cpu().saturating_sub(self.cpu_started.load(Relaxed));
        let left = self.budget.load(Relaxed).saturating_sub(used);
        if left == 0 || now >= self.wall_deadline.load(Relaxed) || self.cancelled.load(Relaxed) {
            self.expired.store(true, Relaxed);
            return true;
        }
        self.next_look.store(now + LOOK_EVERY.min(left), Relaxed);
        false
    }

    fn wall(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Processor time of the calling thread in nanoseconds.
#[cfg(unix)]
fn thread_cpu() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec)
        .unwrap_or(0)
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Elsewhere the wall clock stands in: stricter under load, never laxer.
#[cfg(not(unix))]
fn thread_cpu() -> u64 {
    use std::cell::Cell;
    thread_local!(static START: Cell<Option<Instant>> = const { Cell::new(None) });
    START.with(|start| {
        let first = start.get().unwrap_or_else(Instant::now);
        start.set(Some(first));
        nanos(first.elapsed())
    })
}
