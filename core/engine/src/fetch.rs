//! Media that customers sent: the transcript names the file that each becomes at once, and a task
//! fetches the bytes from the platform, again later where that may help. Due rows are the queue, so
//! that a restart goes on where the last run stopped.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tandem_channel_kit::{
    Fetched,
    file_type::{FileType, sniff},
};
use tandem_domain::{
    FileId, Timestamp, WorkspaceId,
    channel::SendError,
    edge::FetchRow,
    message::{Media, Part},
    store::{Commit, Event, FileRow, InboxRow, StoreError, Write},
};
use tokio::sync::Semaphore;

use crate::{draft::Draft, engine::Engine};

/// What the reference of a stored file begins with.
const STORED: &str = "file:";
/// Fetches at one time, each with its bytes in memory.
const AT_ONCE: usize = 4;
/// Longest that one attempt may take; the next one is due after it at the earliest.
const PATIENCE: Duration = Duration::from_secs(90);
/// The first pause after a failure; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// A platform keeps media for days at most; what is not there after this is given up.
const GIVEN_UP: Duration = Duration::from_secs(3 * 24 * 3600);
/// The longest sleep: a clock that was set forward is noticed after it.
const LONGEST: Duration = Duration::from_secs(60);

/// The parts of an event as the transcript has them: each medium that is still on its platform is
/// the file it becomes, and is written down to be fetched.
pub(crate) fn keep(draft: &mut Draft, row: &InboxRow) -> Vec<Part> {
    let mut parts = row.event.parts.clone();
    for (place, part) in parts.iter_mut().enumerate() {
        let Part::Media(media) = part else { continue };
        if media.reference.starts_with(STORED) || media.reference.is_empty() {
            continue;
        }
        // The same event gives the same file, however often its turn is run.
        let (account, place) = (row.account.as_str(), place.to_string());
        let file = FileId::derive(&[draft.workspace.as_str(), account, &row.dedupe, &place]);
        let kept = Media {
            reference: format!("{STORED}{file}"),
            ..media.clone()
        };
        draft.fetch(FetchRow {
            file,
            account: row.account.clone(),
            lane: row.lane,
            conversation: draft.conversation.id,
            media: std::mem::replace(media, kept),
            attempts: 0,
            due_at: Some(draft.now),
            problem: None,
            created_at: draft.now,
        });
    }
    parts
}

/// How an attempt ended that did not bring the bytes.
enum Failed {
    /// Trying again may help, no earlier than after this.
    Later(String, Duration),
    Never(String),
}

impl Engine {
    pub(crate) async fn run_fetches(&self) {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let changed = self.0.fetches_changed.notified();
            let pause = match self.fetch_due(&permits).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "Customers' media wait for the store.");
                    Duration::from_secs(1)
                }
            };
            let waited = self
                .0
                .stop
                .or(async {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                })
                .await;
            if waited.is_none() {
                return;
            }
        }
    }

    /// Begins what is due, each on a task of its own, and says how long there is nothing more.
    async fn fetch_due(&self, permits: &Arc<Semaphore>) -> Result<Duration, StoreError> {
        let mut next = LONGEST;
        for workspace in self.0.sites.keys() {
            let free = permits.available_permits();
            if free == 0 {
                // Whoever ends one wakes us.
                return Ok(LONGEST);
            }
            let now = self.now();
            for mut row in self.0.store.fetches_due(workspace, now, free).await? {
                let Ok(permit) = permits.clone().try_acquire_owned() else {
                    break;
                };
                // Should this process die, the attempt is made again after it.
                row.attempts += 1;
                row.due_at = Some(now + PATIENCE);
                self.put(workspace, vec![Write::FetchPut(row.clone())])
                    .await?;
                let (engine, workspace) = (self.clone(), workspace.clone());
                self.0.tasks.spawn(async move {
                    engine.fetch_one(&workspace, row).await;
                    drop(permit);
                    engine.0.fetches_changed.notify_one();
                });
            }
            if let Some(at) = self.0.store.next_fetch(workspace).await? {
                // Rounded up, so that it is due when we wake.
                next = next.min(at.since(self.now()) + Duration::from_millis(1));
            }
        }
        Ok(next)
    }

    async fn fetch_one(&self, workspace: &WorkspaceId, mut row: FetchRow) {
        let fetched = match self.0.stop.or(self.attempt_fetch(&row)).await {
            None => None,
            Some(Ok(fetched)) => Some(self.store_fetched(workspace, &row, fetched).await),
            Some(Err(failed)) => Some(Err(failed)),
        };
        let writes = match fetched {
            Some(Ok(file)) => vec![
                Write::FilePut(file),
                Write::FetchDone(row.file),
                self.told("media.stored", &row, None),
            ],
            Some(Err(failed)) => self.failed(row, failed),
            // Shutting down is no failure: the next start makes this attempt at once.
            None => {
                row.attempts -= 1;
                row.due_at = Some(self.now());
                vec![Write::FetchPut(row)]
            }
        };
        match self.put(workspace, writes).await {
            Ok(()) => self.wake_events(workspace),
            Err(error) => {
                tracing::error!(%error, "The end of a fetch could not be recorded; it is made again.");
            }
        }
    }

    async fn attempt_fetch(&self, row: &FetchRow) -> Result<Fetched, Failed> {
        let later = |why: String| Failed::Later(why, Duration::ZERO);
        let connected = self
            .channel(&row.account)
            .ok_or_else(|| later("its account is not configured".into()))?;
        let attempt = tokio::time::timeout(PATIENCE * 3 / 4, connected.channel.fetch(&row.media));
        match attempt.await {
            Err(_) => Err(later("the platform did not answer in time".into())),
            Ok(Ok(fetched)) => Ok(fetched),
            Ok(Err(SendError::Rejected { code, message })) => {
                Err(Failed::Never(format!("{code}: {message}")))
            }
            Ok(Err(SendError::RetryAfter(wait) | SendError::AccountRetryAfter(wait))) => {
                Err(Failed::Later("the platform asks for patience".into(), wait))
            }
            Ok(Err(error)) => Err(later(error.to_string())),
        }
    }

    async fn store_fetched(
        &self,
        workspace: &WorkspaceId,
        row: &FetchRow,
        fetched: Fetched,
    ) -> Result<FileRow, Failed> {
        if fetched.bytes.is_empty() {
            return Err(Failed::Never("the platform gave an empty file".into()));
        }
        let found = sniff(&fetched.bytes);
        let named = row.media.name.as_deref().unwrap_or("file");
        let file = FileRow {
            id: row.file,
            lane: row.lane,
            name: found.map_or_else(|| named.to_owned(), |kind| kind.name(named)),
            // What the platform says is not believed: somebody else said it.
            mime: found
                .map_or("application/octet-stream", |FileType { mime, .. }| mime)
                .into(),
            size: fetched.bytes.len() as u64,
            created_at: self.now(),
        };
        let written = self.0.files.write(workspace, file.id, &fetched.bytes).await;
        written.map_err(|error| Failed::Later(error.to_string(), Duration::ZERO))?;
        Ok(file)
    }

    /// When it is tried again, or that it is not.
    fn failed(&self, mut row: FetchRow, failed: Failed) -> Vec<Write> {
        let now = self.now();
        let (why, again) = match failed {
            Failed::Never(why) => (why, None),
            Failed::Later(why, wait) => {
                let doubled =
                    PAUSE.saturating_mul(1 << row.attempts.clamp(1, 16).saturating_sub(1));
                let wait = doubled.min(LONGEST_PAUSE).max(wait);
                (why, Some(now + wait))
            }
        };
        let ends: Timestamp = row.created_at + GIVEN_UP;
        row.due_at = again.filter(|at| *at < ends);
        row.problem = Some(why);
        let given_up = row.due_at.is_none();
        tracing::warn!(account = %row.account, file = %row.file, problem = row.problem, given_up, "A customer's medium was not fetched.");
        let mut writes = Vec::new();
        if given_up {
            writes.push(self.told("media.failed", &row, row.problem.as_deref()));
        }
        writes.insert(0, Write::FetchPut(row));
        writes
    }

    fn told(&self, name: &str, row: &FetchRow, problem: Option<&str>) -> Write {
        let mut data = json!({"file": row.file});
        if let Some(problem) = problem {
            data["problem"] = problem.into();
        }
        Write::EventPut(Event {
            seq: 0,
            name: name.into(),
            conversation: Some(row.conversation),
            data,
            at: self.now(),
        })
    }

    async fn put(&self, workspace: &WorkspaceId, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut commit = Commit::new(workspace.clone());
        commit.writes = writes;
        self.0.store.commit(commit).await.map(|_| ())
    }
}
