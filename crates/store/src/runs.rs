//! Runs, their journals, and the leases under which workers hold them.

use quartermaster_store_model::{AuditRow, RunEntryRow, RunLease, RunQuery, RunRow, RunState, StoreError};
use quartermaster_types::{EnvironmentId, RunId, Timestamp};

use crate::{Store, either};

impl Store {
    /// Adds a run with its audit record.
    pub async fn insert_run(&self, row: &RunRow, audit: &AuditRow) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_run(row, audit))
    }
    /// One run of this environment.
    pub async fn find_run(&self, environment: EnvironmentId, id: RunId) -> Result<Option<RunRow>, StoreError> {
        either!(self, back_end => back_end.find_run(environment, id))
    }
    /// One run of this environment without what can be large: `definition`, `input` and `outcome` are empty.
    pub async fn find_run_head(&self, environment: EnvironmentId, id: RunId) -> Result<Option<RunRow>, StoreError> {
        either!(self, back_end => back_end.find_run_head(environment, id))
    }
    /// Runs of an environment, newest first, with `definition`, `input` and `outcome` empty.
    pub async fn list_runs(&self, environment: EnvironmentId, query: &RunQuery) -> Result<Vec<RunRow>, StoreError> {
        either!(self, back_end => back_end.list_runs(environment, query))
    }
    /// When the next run of any environment can be claimed; `None` when every run has ended.
    pub async fn next_run_due(&self) -> Result<Option<Timestamp>, StoreError> {
        either!(self, back_end => back_end.next_run_due())
    }
    /// Claims the run that has been due longest, of any environment, until `lease_until`; `None` when none is due.
    pub async fn claim_run(&self, now: Timestamp, lease_until: Timestamp) -> Result<Option<RunRow>, StoreError> {
        either!(self, back_end => back_end.claim_run(now, lease_until))
    }
    /// Holds a claimed run for longer, and says when somebody asked to stop it; [`StoreError::Stale`] when the lease is lost.
    pub async fn renew_run(&self, lease: &RunLease, until: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        either!(self, back_end => back_end.renew_run(lease, until))
    }
    /// Gives a claimed run back: it goes on when `due_at` has come. [`StoreError::Stale`] when the lease is lost.
    pub async fn release_run(&self, lease: &RunLease, state: RunState, due_at: Timestamp) -> Result<(), StoreError> {
        either!(self, back_end => back_end.release_run(lease, state, due_at))
    }
    /// Makes a run that waits due now; any other stays as it is.
    pub async fn wake_run(&self, environment: EnvironmentId, id: RunId, now: Timestamp) -> Result<(), StoreError> {
        either!(self, back_end => back_end.wake_run(environment, id, now))
    }
    /// Ends a claimed run with what came of it, and its audit record. [`StoreError::Stale`] when the lease is lost.
    pub async fn finish_run(
        &self,
        lease: &RunLease,
        state: RunState,
        outcome: &str,
        at: Timestamp,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        either!(self, back_end => back_end.finish_run(lease, state, outcome, at, audit))
    }
    /// Asks to stop a run, with an audit record; the first request holds. The run as it is afterwards; `None` when the
    /// environment has no such run.
    pub async fn cancel_run(
        &self,
        environment: EnvironmentId,
        id: RunId,
        at: Timestamp,
        audit: &AuditRow,
    ) -> Result<Option<RunRow>, StoreError> {
        either!(self, back_end => back_end.cancel_run(environment, id, at, audit))
    }
    /// Appends entries to the journal of a run, all or none; their numbers go on from those that are there.
    /// [`StoreError::Stale`] when the lease is lost or the first is not the next one; [`StoreError::Conflict`] when the
    /// journal cannot take them.
    pub async fn append_run_entries(&self, lease: &RunLease, entries: &[RunEntryRow]) -> Result<(), StoreError> {
        either!(self, back_end => back_end.append_run_entries(lease, entries))
    }
    /// Entries of a run's journal with numbers above `after`, in order, at most `limit`.
    pub async fn list_run_entries(
        &self,
        environment: EnvironmentId,
        id: RunId,
        after: u32,
        limit: u32,
    ) -> Result<Vec<RunEntryRow>, StoreError> {
        either!(self, back_end => back_end.list_run_entries(environment, id, after, limit))
    }
}
