//! The one thread that writes.
//!
//! It takes all that waits in its queue (up to [`GROUP`] jobs) into one transaction and answers
//! after `COMMIT`, so that one fsync serves many commits. When anything in the group fails, all
//! of it is rolled back and each job is run again in a transaction of its own: one commit's error
//! never reaches another. Nothing is paid for that while all goes well.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, params};
use tandem_domain::{
    AccountId, Timestamp, WorkspaceId,
    edge::Keep,
    store::{Commit, OutboxRow, Outcome},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    SqliteOptions,
    checkpoint::Checkpoints,
    failure::Failure,
    guards, outbox,
    purge::{self, Cursors, Step},
    rows::{document, run},
    writes,
};

/// Jobs in one transaction.
const GROUP: usize = 256;
/// Transactions between two looks at the length of the log.
const TEND_EVERY: u32 = 8;
/// Bytes of documents in one transaction, so that a few huge commits don't swell the log.
const GROUP_BYTES: usize = 8 << 20;

/// A commit whose documents are made.
pub(super) struct Prepared {
    commit: Commit,
    documents: Vec<String>,
}

impl Prepared {
    pub(super) fn new(commit: Commit) -> Result<Self, Failure> {
        let documents = commit
            .writes
            .iter()
            .map(document)
            .collect::<Result<_, _>>()?;
        Ok(Self { commit, documents })
    }

    fn bytes(&self) -> usize {
        self.documents.iter().map(String::len).sum()
    }
}

/// The handle; dropping it lets the thread finish its queue and waits for that.
pub(super) struct Writer {
    /// Taken on drop: the thread ends when its queue closes.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Without `checkpoints` the database has no log: it is in memory.
    pub(super) fn start(
        conn: Connection,
        checkpoints: Option<Checkpoints>,
        options: &SqliteOptions,
    ) -> Result<Self, Failure> {
        let (jobs, queue) = mpsc::channel(options.queue.max(1));
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || Thread::new(conn, checkpoints).serve(queue))
            .map_err(|error| Failure::unavailable(format!("no thread to write on: {error}")))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    pub(super) async fn commit(&self, prepared: Prepared) -> Result<Outcome, Failure> {
        self.ask(prepared, Job::Commit).await
    }

    pub(super) async fn lease(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        now: Timestamp,
        span: Duration,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, Failure> {
        let wanted = Lease {
            workspace: workspace.clone(),
            account: account.clone(),
            now,
            span,
            limit,
        };
        self.ask(wanted, Job::Lease).await
    }

    pub(super) async fn purge(&self, now: Timestamp, keep: &Keep) -> Result<Step, Failure> {
        self.ask((now, keep.clone()), Job::Purge).await
    }

    pub(super) async fn ping(&self) -> Result<(), Failure> {
        self.ask((), Job::Ping).await
    }

    /// Reads on the writer's connection, after what was handed in before.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Job::Read(Box::new(move |conn| {
            // Nobody to tell when the caller has gone.
            let _ = reply.send(read(conn));
        }));
        self.hand_in(job).await?;
        answer.await.map_err(|_| stopped())?
    }

    async fn ask<W, A>(
        &self,
        wanted: W,
        job: impl FnOnce(Asked<W, A>) -> Job,
    ) -> Result<A, Failure> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(job(Asked {
            wanted,
            answer: None,
            reply,
        }))
        .await?;
        answer.await.map_err(|_| stopped())?
    }

    async fn hand_in(&self, job: Job) -> Result<(), Failure> {
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).await.map_err(|_| stopped())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Its panics are caught and logged inside.
            let _ = thread.join();
        }
    }
}

fn stopped() -> Failure {
    Failure::unavailable("its writer has stopped")
}

enum Job {
    Commit(Asked<Prepared, Outcome>),
    Lease(Asked<Lease, Vec<OutboxRow>>),
    Purge(Asked<(Timestamp, Keep), Step>),
    Ping(Asked<(), ()>),
    /// Run between transactions.
    Read(Box<dyn FnOnce(&Connection) + Send>),
}

struct Lease {
    workspace: WorkspaceId,
    account: AccountId,
    now: Timestamp,
    span: Duration,
    limit: usize,
}

/// A job's question, its answer as long as the transaction runs, and who waits for it.
struct Asked<W, A> {
    wanted: W,
    answer: Option<A>,
    reply: oneshot::Sender<Result<A, Failure>>,
}

impl<W, A> Asked<W, A> {
    fn settle(self, failure: Option<&Failure>) {
        let result = match failure {
            Some(failure) => Err(failure.clone()),
            None => self.answer.ok_or_else(stopped),
        };
        // The caller may have gone; what was committed stays.
        let _ = self.reply.send(result);
    }
}

impl Job {
    fn settle(self, failure: Option<&Failure>) {
        match self {
            Self::Commit(asked) => asked.settle(failure),
            Self::Lease(asked) => asked.settle(failure),
            Self::Purge(asked) => asked.settle(failure),
            Self::Ping(asked) => asked.settle(failure),
            Self::Read(_) => {}
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Commit(asked) => asked.wanted.bytes(),
            _ => 0,
        }
    }
}

/// What the writer knows of a workspace.
pub(super) struct Space {
    /// Stands for it in keys.
    pub(super) number: i64,
    /// The newest number in its event log.
    pub(super) last_event: i64,
}

/// In no key: what a workspace without rows is looked up by.
const NOBODY: i64 = -1;

struct Thread {
    conn: Connection,
    checkpoints: Option<Checkpoints>,
    /// True to the open transaction; emptied when it is rolled back.
    spaces: HashMap<WorkspaceId, Space>,
    cursors: Cursors,
}

impl Thread {
    fn new(conn: Connection, checkpoints: Option<Checkpoints>) -> Self {
        Self {
            conn,
            checkpoints,
            spaces: HashMap::new(),
            cursors: Cursors::default(),
        }
    }

    fn serve(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        let mut reads = Vec::new();
        let mut since_tended = 0;
        while let Some(job) = queue.blocking_recv() {
            let mut next = Some(job);
            let mut bytes = 0;
            let mut waiting = 0;
            while let Some(job) = next {
                bytes += job.bytes();
                match job {
                    Job::Read(read) => reads.push(read),
                    job => group.push(job),
                }
                if group.len() >= GROUP || bytes >= GROUP_BYTES {
                    break;
                }
                next = queue.try_recv().ok();
                if next.is_none() && group.len() > waiting {
                    // Who shares this core with us may be about to hand in more; as long as that
                    // is so it runs first. With a core of our own this takes no time.
                    waiting = group.len();
                    std::thread::yield_now();
                    next = queue.try_recv().ok();
                }
            }
            // A bug in one job must not stop all writing. Who waited is told that it failed.
            let served = catch_unwind(AssertUnwindSafe(|| {
                self.work(&mut group);
                for read in reads.drain(..) {
                    read(&self.conn);
                }
                since_tended += 1;
                if let Some(checkpoints) = &self.checkpoints
                    && since_tended >= TEND_EVERY
                {
                    since_tended = 0;
                    checkpoints.tend(&self.conn);
                }
            }));
            if served.is_err() {
                tracing::error!("The store's writer panicked; its transaction was rolled back.");
                self.roll_back();
                group.clear();
                reads.clear();
            }
        }
    }

    fn work(&mut self, group: &mut Vec<Job>) {
        if group.is_empty() {
            return;
        }
        let result = self.transact(group);
        let Err(failure) = result else {
            for job in group.drain(..) {
                job.settle(None);
            }
            return;
        };
        if group.len() == 1 || failure.busy {
            for job in group.drain(..) {
                job.settle(Some(&failure));
            }
            return;
        }
        for mut job in group.drain(..) {
            let result = self.transact(std::slice::from_mut(&mut job));
            job.settle(result.as_ref().err());
        }
    }

    /// Runs the jobs in one transaction. On failure nothing of them is left.
    fn transact(&mut self, jobs: &mut [Job]) -> Result<(), Failure> {
        let result = self.try_transact(jobs);
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    fn try_transact(&mut self, jobs: &mut [Job]) -> Result<(), Failure> {
        run(&self.conn, "BEGIN IMMEDIATE", [])?;
        for job in jobs {
            match job {
                Job::Commit(asked) => asked.answer = Some(self.commit(&asked.wanted)?),
                Job::Lease(asked) => asked.answer = Some(self.lease(&asked.wanted)?),
                Job::Purge(asked) => {
                    let (now, keep) = &asked.wanted;
                    let step = purge::step(&self.conn, &mut self.cursors, *now, keep)?;
                    asked.answer = Some(step);
                }
                Job::Ping(asked) => {
                    run(
                        &self.conn,
                        "INSERT INTO heartbeat (one, beats) VALUES (1, 1) \
                         ON CONFLICT (one) DO UPDATE SET beats = beats + 1",
                        [],
                    )?;
                    asked.answer = Some(());
                }
                Job::Read(_) => {}
            }
        }
        run(&self.conn, "COMMIT", [])?;
        Ok(())
    }

    fn roll_back(&mut self) {
        self.spaces.clear();
        self.cursors = Cursors::default();
        // Some errors end the transaction by themselves.
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "A transaction could not be rolled back.");
        }
    }

    fn commit(&mut self, prepared: &Prepared) -> Result<Outcome, Failure> {
        let Prepared { commit, documents } = prepared;
        let number = self
            .space(&commit.workspace)?
            .map_or(NOBODY, |space| space.number);
        if let Some(outcome) = guards::check(&self.conn, number, &commit.guards)? {
            return Ok(outcome);
        }
        if commit.writes.is_empty() {
            return Ok(Outcome::Committed);
        }
        if number == NOBODY {
            self.found(&commit.workspace)?;
        }
        let space = self
            .spaces
            .get_mut(&commit.workspace)
            .expect("the workspace was looked up or founded above");
        writes::apply(&self.conn, space, &commit.writes, documents)?;
        Ok(Outcome::Committed)
    }

    fn lease(&mut self, wanted: &Lease) -> Result<Vec<OutboxRow>, Failure> {
        let Some(space) = self.space(&wanted.workspace)? else {
            return Ok(Vec::new());
        };
        let number = space.number;
        outbox::lease(
            &self.conn,
            number,
            &wanted.account,
            wanted.now,
            wanted.span,
            wanted.limit,
        )
    }

    fn space(&mut self, workspace: &WorkspaceId) -> Result<Option<&Space>, Failure> {
        if !self.spaces.contains_key(workspace) {
            let number: Option<i64> = self
                .conn
                .prepare_cached("SELECT number FROM workspaces WHERE name = ?1")?
                .query_row([workspace.as_str()], |row| row.get(0))
                .optional()?;
            let Some(number) = number else {
                return Ok(None);
            };
            let last_event = self
                .conn
                .prepare_cached("SELECT coalesce(max(seq), 0) FROM events WHERE workspace = ?1")?
                .query_row([number], |row| row.get(0))?;
            self.spaces
                .insert(workspace.clone(), Space { number, last_event });
        }
        Ok(self.spaces.get(workspace))
    }

    /// Gives a workspace its number, with its first row.
    fn found(&mut self, workspace: &WorkspaceId) -> Result<(), Failure> {
        run(
            &self.conn,
            "INSERT INTO workspaces (name) VALUES (?1)",
            params![workspace.as_str()],
        )?;
        self.spaces.insert(
            workspace.clone(),
            Space {
                number: self.conn.last_insert_rowid(),
                last_event: 0,
            },
        );
        Ok(())
    }
}
