//! Threads of one plugin's own: few, detached, and given up on when they do not come back.
//!
//! A runtime's blocking threads would not do: a runtime that ends waits for all of them, and one
//! call that hangs would hold up the server's end for ever.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

/// Address space of a thread's stack; memory is taken only as it is used. As much as a program's
/// first thread has, which is what native code expects.
const STACK: usize = 8 << 20;

/// Runs jobs on at most `limit` threads, made when they are needed.
pub(crate) struct Threads(Arc<Shared>);

struct Shared {
    name: String,
    limit: u32,
    /// Nothing may run beside a job, not even beside one that was given up on.
    serial: bool,
    queue: usize,
    state: Mutex<State>,
    work: Condvar,
    idle: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    next: u64,
    /// Numbers of the jobs under way, and whether somebody still waits for them.
    running: Vec<(u64, bool)>,
    threads: u32,
    waiting: usize,
    closed: bool,
}

struct Job {
    number: u64,
    run: Box<dyn FnOnce() + Send>,
}

/// Why a job is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    Busy,
    Closed,
}

/// A place for a job that is done by whoever wants it done. Dropping it gives the place back.
pub(crate) struct Entered<'t> {
    shared: &'t Shared,
    number: u64,
}

/// A job that was handed over. Dropping it gives the job up, unless it came back.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    number: u64,
    over: bool,
}

impl Threads {
    pub(crate) fn new(name: &str, limit: u32, serial: bool, queue: usize) -> Self {
        Self(Arc::new(Shared {
            name: name.to_owned(),
            limit,
            serial,
            queue,
            state: Mutex::default(),
            work: Condvar::new(),
            idle: Notify::new(),
        }))
    }

    /// Hands a job over; it is begun as soon as a thread is free.
    pub(crate) fn submit(&self, run: impl FnOnce() + Send + 'static) -> Result<Ticket, NotTaken> {
        let mut state = self.0.state();
        if state.closed {
            return Err(NotTaken::Closed);
        }
        let blocked = self.0.serial && state.stuck() > 0;
        if blocked || state.queue.len() >= self.0.queue {
            return Err(NotTaken::Busy);
        }
        let number = state.number();
        state.queue.push_back(Job {
            number,
            run: Box::new(run),
        });
        if !self.0.staff(&mut state) {
            state.queue.pop_back();
            return Err(NotTaken::Busy);
        }
        drop(state);
        self.0.work.notify_one();
        Ok(Ticket {
            shared: self.0.clone(),
            number,
            over: false,
        })
    }

    /// A place among the jobs for one that the caller does itself; `None` when all are taken.
    pub(crate) fn enter(&self) -> Result<Option<Entered<'_>>, NotTaken> {
        let mut state = self.0.state();
        if state.closed {
            return Err(NotTaken::Closed);
        }
        if !state.queue.is_empty() || !self.0.has_place(&state) {
            return Ok(None);
        }
        let number = state.number();
        state.running.push((number, true));
        Ok(Some(Entered {
            shared: &self.0,
            number,
        }))
    }

    /// Jobs that were given up on and have not come back.
    pub(crate) fn stuck(&self) -> u32 {
        self.0.state().stuck()
    }

    /// Jobs under way, and waiting.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.0.state();
        (state.running.len(), state.queue.len())
    }

    /// Takes no more jobs; those that were taken are still done.
    pub(crate) fn close(&self) {
        self.0.state().closed = true;
        self.0.work.notify_all();
    }

    /// Returns once nothing is under way and nothing waits.
    pub(crate) async fn drained(&self) {
        loop {
            let mut told = pin!(self.0.idle.notified());
            told.as_mut().enable();
            let (running, waiting) = self.load();
            if running == 0 && waiting == 0 {
                return;
            }
            told.await;
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn stuck(&self) -> u32 {
        let stuck = self.running.iter().filter(|(_, awaited)| !awaited).count();
        u32::try_from(stuck).unwrap_or(u32::MAX)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many threads there may be: one that is stuck is replaced, unless nothing may run beside
    /// it. How many may get stuck is bounded by whoever submits.
    fn most(&self, state: &State) -> u32 {
        match self.serial {
            true => self.limit,
            false => self.limit.saturating_add(state.stuck()),
        }
    }

    /// Whether one more job may run. Threads alone never run too many; beside jobs that callers do
    /// themselves they wait.
    fn has_place(&self, state: &State) -> bool {
        state.running.len() < self.most(state) as usize
    }

    fn ended(&self, state: &mut State, number: u64) {
        state.running.retain(|(running, _)| *running != number);
        if state.running.is_empty() && state.queue.is_empty() {
            self.idle.notify_waiters();
        }
    }

    /// Sees to it that there is somebody for the jobs in the queue. False when there is nobody and
    /// the system gives no thread.
    fn staff(self: &Arc<Self>, state: &mut State) -> bool {
        if state.waiting >= state.queue.len() || state.threads >= self.most(state) {
            return true;
        }
        let shared = self.clone();
        match spawn(&self.name, move || shared.work()) {
            Ok(()) => {
                state.threads += 1;
                true
            }
            Err(error) => {
                tracing::warn!(%error, thread = self.name, "The system gives no thread for a plugin.");
                state.threads > 0
            }
        }
    }

    fn work(&self) {
        let mut state = self.state();
        loop {
            if self.has_place(&state)
                && let Some(job) = state.queue.pop_front()
            {
                state.running.push((job.number, true));
                drop(state);
                // A panic of ours must not lose the thread's place in the count.
                let _ = catch_unwind(AssertUnwindSafe(job.run));
                state = self.state();
                self.ended(&mut state, job.number);
                if state.threads > self.most(&state) {
                    break;
                }
                continue;
            }
            if state.closed && state.queue.is_empty() {
                break;
            }
            state.waiting += 1;
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        state.threads -= 1;
    }
}

impl Ticket {
    /// Whether the job was begun. One that was not never will be; one that is under way is counted
    /// as stuck until it comes back.
    pub(crate) fn give_up(mut self) -> bool {
        self.over = true;
        self.abandon()
    }

    /// Its result is here: the thread is about to be free, and nobody has to give it up.
    pub(crate) fn came_back(mut self) {
        self.over = true;
    }

    fn abandon(&self) -> bool {
        let mut state = self.shared.state();
        if let Some(place) = state.queue.iter().position(|j| j.number == self.number) {
            let job = state.queue.remove(place);
            if state.running.is_empty() && state.queue.is_empty() {
                self.shared.idle.notify_waiters();
            }
            drop(state);
            drop(job);
            return false;
        }
        let running = state.running.iter_mut().find(|(n, _)| *n == self.number);
        if let Some((_, awaited)) = running
            && *awaited
        {
            *awaited = false;
            // Somebody may be waiting for a thread that is now replaced.
            self.shared.staff(&mut state);
            self.shared.work.notify_one();
        }
        true
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.over {
            self.abandon();
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        self.shared.ended(&mut state, self.number);
        if !state.queue.is_empty() {
            self.shared.work.notify_one();
        }
    }
}

/// Runs `work` on a thread of its own and waits for it; `None` when it does not come back in time or
/// panics. The thread is left behind then.
pub(crate) async fn apart<T: Send + 'static>(
    name: &str,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = oneshot::channel();
    let spawned = spawn(name, move || {
        if let Ok(done) = catch_unwind(AssertUnwindSafe(work)) {
            let _ = tell.send(done);
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, thread = name, "The system gives no thread for a plugin.");
        return None;
    }
    tokio::time::timeout(limit, told).await.ok()?.ok()
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let named = thread::Builder::new().name(format!("plugin {name}"));
    named.stack_size(STACK).spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A job that tells that it began and waits to be let go.
    fn gated(threads: &Threads) -> (Ticket, mpsc::Receiver<()>, mpsc::SyncSender<()>) {
        let (began, has_begun) = mpsc::sync_channel(1);
        let (go, wait) = mpsc::sync_channel::<()>(1);
        let ticket = threads.submit(move || {
            began.send(()).unwrap();
            let _ = wait.recv();
        });
        (ticket.ok().unwrap(), has_begun, go)
    }

    #[tokio::test]
    async fn jobs_beyond_the_limit_wait_and_beyond_the_queue_are_refused() {
        let threads = Threads::new("test", 1, false, 1);
        let (first, begun, go) = gated(&threads);
        begun.recv().unwrap();
        let (second, begun_second, go_second) = gated(&threads);
        assert_eq!(threads.load(), (1, 1));
        assert_eq!(threads.submit(|| ()).err(), Some(NotTaken::Busy));
        go.send(()).unwrap();
        begun_second.recv().unwrap();
        go_second.send(()).unwrap();
        threads.drained().await;
        assert!(first.give_up() && second.give_up());
        assert_eq!(threads.stuck(), 0);
        threads.close();
        assert_eq!(threads.submit(|| ()).err(), Some(NotTaken::Closed));
    }

    #[tokio::test]
    async fn a_thread_that_is_stuck_is_replaced_and_comes_back() {
        let threads = Threads::new("test", 1, false, 4);
        let (stuck, begun, go) = gated(&threads);
        begun.recv().unwrap();
        let (waiting, begun_waiting, go_waiting) = gated(&threads);
        assert!(stuck.give_up(), "it was begun");
        begun_waiting.recv().unwrap();
        assert_eq!(threads.stuck(), 1);
        go_waiting.send(()).unwrap();
        go.send(()).unwrap();
        threads.drained().await;
        assert_eq!(threads.stuck(), 0);
        drop(waiting);
    }

    #[tokio::test]
    async fn nothing_runs_beside_a_serial_job_that_is_stuck() {
        let threads = Threads::new("test", 1, true, 4);
        let (stuck, begun, go) = gated(&threads);
        begun.recv().unwrap();
        let (waiting, never_begun, _) = gated(&threads);
        assert!(stuck.give_up());
        assert_eq!(threads.submit(|| ()).err(), Some(NotTaken::Busy));
        assert!(!waiting.give_up(), "it was not begun and never will be");
        go.send(()).unwrap();
        threads.drained().await;
        assert!(never_begun.recv().is_err());
        assert!(threads.submit(|| ()).is_ok());
    }

    #[tokio::test]
    async fn a_caller_that_does_its_job_itself_counts_as_any_other() {
        let threads = Threads::new("test", 1, false, 4);
        let entered = threads.enter().unwrap().unwrap();
        assert!(threads.enter().unwrap().is_none(), "the place is taken");
        let (waiting, begun, go) = gated(&threads);
        assert_eq!(threads.load(), (1, 1), "a thread waits for the place");
        threads.close();
        assert_eq!(threads.enter().err(), Some(NotTaken::Closed));
        drop(entered);
        begun.recv().unwrap();
        go.send(()).unwrap();
        threads.drained().await;
        waiting.came_back();
    }

    #[tokio::test]
    async fn what_panics_or_hangs_apart_gives_nothing() {
        let limit = Duration::from_secs(20);
        assert_eq!(apart("test", limit, || 7).await, Some(7));
        let panicked = apart("test", limit, || -> u8 { panic!("as the test wants it") });
        assert_eq!(panicked.await, None);
        let (_held, wait) = mpsc::sync_channel::<()>(1);
        let hung = apart("test", Duration::from_millis(1), move || {
            wait.recv().is_ok()
        });
        assert_eq!(hung.await, None);
    }
}
