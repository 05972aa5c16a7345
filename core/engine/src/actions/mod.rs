//! Calls to the outside, between turns. The row stands before the call begins, and the result
//! comes back as an event of the lane; whatever stops in between is taken up at the next start.

pub mod http;
pub mod lua;
pub(crate) mod plugins;
mod runner;

use std::time::Duration;

use tandem_domain::{
    Value, WorkspaceId,
    action::{ActionError, Ran, Request},
    store::{ActionRow, Commit, Guard, OnceRow, Outcome, StoreError, Write},
};

pub use runner::{NoPlugins, Runner, Tools};
use tokio::time::{Instant, timeout_at};

use crate::{
    engine::Engine,
    turn::{Cause, TurnError},
};

/// How long a claim of another lane may be in progress before we give up on its result.
const CLAIM_WAIT: Duration = Duration::from_secs(5);
/// How often we look for a claim that another node settles; one of this node wakes us.
const CLAIM_LOOK: Duration = Duration::from_secs(1);

impl Engine {
    /// Runs an action on a task of its own.
    pub(crate) fn start_action(&self, row: ActionRow) {
        let engine = self.clone();
        self.0.tasks.spawn(async move {
            let permits = engine.0.action_permits.clone();
            let Some(permit) = engine.0.stop.or(permits.acquire_owned()).await else {
                // Stopping: the row waits for the next start.
                return;
            };
            let ran = tokio::select! {
                ran = engine.perform(&row) => ran,
                // Shows that we work on it for as long as it lasts.
                never = async { engine.show_work(&row).await; std::future::pending().await } => never,
            };
            drop(permit);
            match ran {
                Ok(ran) => engine.finish_action(row, ran).await,
                Err(error) => {
                    tracing::error!(action = %row.id, %error, "The action waits for the next start.");
                }
            }
        });
    }

    /// Takes up actions an earlier run began or meant to begin.
    pub(crate) async fn recover_actions(&self, workspace: &WorkspaceId) -> Result<(), StoreError> {
        let rows = self.0.store.actions_pending(workspace, 10_000).await?;
        for row in rows {
            if row.started && row.meta.write && row.meta.idempotency_key.is_none() {
                // It may have happened: only the flow's author knows what to do then.
                let engine = self.clone();
                self.0.tasks.spawn(async move {
                    let lost = ActionError::new(
                        ActionError::UNKNOWN,
                        "the server stopped while this write was under way",
                    );
                    engine.finish_action(row, Err(lost).into()).await;
                });
            } else {
                self.start_action(row);
            }
        }
        Ok(())
    }

    async fn perform(&self, row: &ActionRow) -> Result<Ran, StoreError> {
        if let Some(done) = self.claim_once(row).await? {
            return Ok(done.into());
        }
        if row.meta.write && !row.started {
            let mut commit = Commit::new(row.meta.workspace.clone());
            commit.guards.push(Guard::ActionPending(row.id));
            commit.writes.push(Write::ActionPut(Box::new(ActionRow {
                started: true,
                ..row.clone()
            })));
            if self.0.store.commit(commit).await? != Outcome::Committed {
                let cancelled = ActionError::new("cancelled", "nobody waits for it any more");
                return Ok(Err(cancelled).into());
            }
        }
        let limit = Duration::from_millis(row.meta.timeout_ms.max(1));
        let begun = Instant::now();
        let ran =
            match tokio::time::timeout(limit, self.0.action.run(&row.request, &row.meta)).await {
                Ok(ran) => ran,
                Err(_) => {
                    let code = match row.meta.write {
                        true => ActionError::UNKNOWN,
                        false => "timeout",
                    };
                    let result = Err(ActionError::new(code, "no answer in time"));
                    let calls = match &row.request {
                        Request::Plugin { plugin, method, .. } => {
                            vec![plugins::PluginCalled::new(begun, &result).line(plugin, method)]
                        }
                        _ => Vec::new(),
                    };
                    Ran { result, calls }
                }
            };
        if ran.result.is_err() {
            self.release_once(row).await?;
        }
        Ok(ran)
    }

    /// Claims the right to do this once for the contact; gives the earlier result where another
    /// action had it.
    async fn claim_once(
        &self,
        row: &ActionRow,
    ) -> Result<Option<Result<Value, ActionError>>, StoreError> {
        let Some(once) = &row.once else {
            return Ok(None);
        };
        let (workspace, contact) = (&row.meta.workspace, row.meta.contact);
        let until = Instant::now() + CLAIM_WAIT;
        while Instant::now() < until {
            let changed = self.0.claims_changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed, also one between the look and the wait.
            changed.as_mut().enable();
            let now = self.now();
            match self
                .0
                .store
                .once(workspace, contact, &once.key, now)
                .await?
            {
                Some(claim) if claim.action == row.id => return Ok(None),
                Some(OnceRow {
                    result: Some(value),
                    ..
                }) => return Ok(Some(Ok(value))),
                Some(_) => {
                    let look = (Instant::now() + CLAIM_LOOK).min(until);
                    // Woken or not, the row says what is true.
                    let _ = timeout_at(look, changed).await;
                }
                None => {
                    let mut commit = Commit::new(workspace.clone());
                    commit.guards.push(Guard::OnceFree {
                        contact,
                        key: once.key.clone(),
                        now,
                    });
                    commit.writes.push(Write::OncePut(OnceRow {
                        contact,
                        key: once.key.clone(),
                        action: row.id,
                        expires_at: now + Duration::from_millis(once.for_ms),
                        result: None,
                    }));
                    if self.0.store.commit(commit).await? == Outcome::Committed {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(Err(ActionError::new(
            ActionError::UNKNOWN,
            "the same is under way in another conversation",
        ))))
    }

    /// A write that failed may be tried again later.
    async fn release_once(&self, row: &ActionRow) -> Result<(), StoreError> {
        let Some(once) = &row.once else {
            return Ok(());
        };
        let mut commit = Commit::new(row.meta.workspace.clone());
        commit.writes.push(Write::OncePut(OnceRow {
            contact: row.meta.contact,
            key: once.key.clone(),
            action: row.id,
            expires_at: self.now(),
            result: None,
        }));
        self.0.store.commit(commit).await?;
        self.0.claims_changed.notify_waiters();
        Ok(())
    }

    /// Hands the result to the lane; a store that is out of reach is waited for.
    async fn finish_action(&self, row: ActionRow, ran: Ran) {
        let cell = self.0.lanes.get(&row.meta.workspace, row.lane);
        let id = row.id;
        let cause = Cause::ActionDone {
            row: Box::new(row),
            ran,
        };
        let mut pause = Duration::from_millis(100);
        loop {
            let turned = {
                let mut slot = cell.work.lock().await;
                self.turn(&cell, &mut slot, &cause).await
            };
            match turned {
                Ok(_) => return,
                Err(TurnError::Store(error)) => {
                    tracing::warn!(action = %id, %error, "A result waits for the store.");
                }
                Err(error) => {
                    tracing::error!(action = %id, %error, "A result could not be worked on.");
                    return;
                }
            }
            if self.0.stop.or(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
            pause = (pause * 2).min(Duration::from_secs(30));
        }
    }
}
