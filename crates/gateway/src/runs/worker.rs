//! Workers: they take runs that are due, a bounded number at once, and sleep while there are none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quartermaster_store_model::RunRow;
use quartermaster_types::RunId;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::drive::drive;
use crate::Gateway;
use crate::limits::{RUN_CONTENDED_PAUSE, RUN_LEASE, RUN_POLL_EVERY, RUNS_AT_ONCE_MAX};

/// The runs that this process works on, so that a request to stop one is heard at once.
#[derive(Default)]
pub(super) struct Held(Mutex<HashMap<RunId, CancellationToken>>);

impl Held {
    /// Stops the run if it is held here.
    pub(super) fn cancel(&self, id: RunId) {
        if let Some(token) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            token.cancel();
        }
    }

    fn insert(&self, run: &RunRow) -> CancellationToken {
        let token = CancellationToken::new();
        if run.cancel_requested_at.is_some() {
            token.cancel();
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run.id, token.clone());
        token
    }

    fn remove(&self, id: RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

impl Gateway {
    /// Starts to work on runs, and to start those that are scheduled, on the present Tokio runtime, until [`Gateway::stop_runs`].
    pub fn work_on_runs(&self) {
        let gateway = self.clone();
        self.inner.runs.tasks.spawn(async move {
            let stopping = gateway.inner.runs.stopping.clone();
            tokio::select! {
                () = gateway.keep_schedules() => {}
                () = stopping.cancelled() => {}
            }
        });
        let gateway = self.clone();
        self.inner.runs.tasks.spawn(async move {
            let stopping = gateway.inner.runs.stopping.clone();
            tokio::select! {
                () = gateway.take_runs() => {}
                () = stopping.cancelled() => {}
            }
        });
    }

    /// Asks workers to hand back their runs, and watchers of runs to go; does not wait. Calls that are under way come to their
    /// end first. [`Gateway::shutdown`] waits for it.
    pub fn stop_runs(&self) {
        self.inner.runs.stopping.cancel();
        self.inner.runs.tasks.close();
    }

    async fn take_runs(&self) {
        let permits = Arc::new(Semaphore::new(RUNS_AT_ONCE_MAX));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let run = self.next_run().await;
            let gateway = self.clone();
            let cancel = self.inner.runs.held.insert(&run);
            // A request to stop it that came between the claim and the line above stands in the store; `renew` finds it.
            self.inner.runs.tasks.spawn(async move {
                let id = run.id;
                drive(gateway.clone(), run, cancel).await;
                gateway.inner.runs.held.remove(id);
                drop(permit);
            });
        }
    }

    /// Waits for a run that is due, and claims it.
    async fn next_run(&self) -> RunRow {
        loop {
            let nap = match self.claim_next_run().await {
                Ok(Ok(run)) => return run,
                Ok(Err(nap)) => nap,
                Err(error) => {
                    tracing::error!(%error, "runs cannot be looked for");
                    RUN_POLL_EVERY
                }
            };
            tokio::select! {
                () = self.inner.runs.work.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }

    /// A run, or how long to sleep: another replica may start a run at any time, and tells nobody here.
    async fn claim_next_run(&self) -> Result<Result<RunRow, Duration>, quartermaster_store_model::StoreError> {
        let store = &self.inner.store;
        let now = self.inner.clock.now();
        let Some(due) = store.next_run_due().await? else { return Ok(Err(RUN_POLL_EVERY)) };
        if due > now {
            let ahead = Duration::from_millis(due.ms_since(now).unsigned_abs());
            return Ok(Err(ahead.min(RUN_POLL_EVERY)));
        }
        let claimed = store.claim_run(now, now.plus_ms(RUN_LEASE.as_millis() as i64)).await?;
        Ok(claimed.ok_or(RUN_CONTENDED_PAUSE))
    }
}
