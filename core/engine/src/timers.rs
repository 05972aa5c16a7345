//! Timers: rows with a time. One task sleeps until the next is due; after a restart everything
//! overdue is due at once, and fires once.

use std::time::Duration;

use tandem_domain::store::{Guard, StoreError, TimerRow, Write};

use crate::{
    engine::Engine,
    turn::{Cause, TurnError},
};

/// The longest sleep: a clock that was set forward is noticed after it.
const LONGEST: Duration = Duration::from_secs(60);
const PAGE: usize = 200;

impl Engine {
    pub(crate) async fn run_timers(&self) {
        let mut pause = Duration::ZERO;
        loop {
            let changed = self.0.timers_changed.notified();
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
            pause = match self.fire_due().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::warn!(%error, "Timers wait for the store.");
                    Duration::from_secs(1)
                }
            };
        }
    }

    /// Fires what is due and says how long the next one has time.
    async fn fire_due(&self) -> Result<Duration, StoreError> {
        let mut next = LONGEST;
        for workspace in self.0.sites.keys() {
            loop {
                let due = self.0.store.timers_due(workspace, self.now(), PAGE).await?;
                let full = due.len() == PAGE;
                for timer in due {
                    self.fire(workspace, timer).await?;
                }
                if !full {
                    break;
                }
            }
            if let Some(at) = self.0.store.next_timer(workspace).await? {
                // Rounded up, so that it is due when we wake.
                next = next.min(at.since(self.now()) + Duration::from_millis(1));
            }
        }
        Ok(next)
    }

    async fn fire(
        &self,
        workspace: &tandem_domain::WorkspaceId,
        timer: TimerRow,
    ) -> Result<(), StoreError> {
        let cell = self.0.lanes.get(workspace, timer.lane);
        let mut slot = cell.work.lock().await;
        let cause = Cause::Timer(timer.clone());
        match self.turn(&cell, &mut slot, &cause).await {
            Ok(_) => Ok(()),
            Err(TurnError::Store(error)) => Err(error),
            Err(error) => {
                // It would be due again at once, for ever; its lane is told by nobody else.
                tracing::error!(lane = %timer.lane, key = timer.key, %error, "A timer failed and is dropped.");
                let mut commit = tandem_domain::store::Commit::new(workspace.clone());
                commit.guards.push(Guard::TimerSet(timer.id));
                commit.writes.push(Write::TimerFired(timer.id));
                self.0.store.commit(commit).await?;
                Ok(())
            }
        }
    }
}
