//! Approvals and the votes on them.

use quartermaster_store_model::{ApprovalQuery, ApprovalRow, AuditRow, Opened, StoreError, VoteRow, Voted};
use quartermaster_types::{ApprovalId, EnvironmentId, RunId, Timestamp};

use crate::{Store, either};

impl Store {
    /// Asks for an approval, with an audit record, unless the same is open already. What has run out by then is closed first.
    pub async fn open_approval(&self, new: &ApprovalRow, audit: &AuditRow) -> Result<Opened, StoreError> {
        either!(self, back_end => back_end.open_approval(new, audit))
    }
    /// One approval of this environment.
    pub async fn find_approval(
        &self,
        environment: EnvironmentId,
        id: ApprovalId,
    ) -> Result<Option<ApprovalRow>, StoreError> {
        either!(self, back_end => back_end.find_approval(environment, id))
    }
    /// The newest approval with this fingerprint.
    pub async fn last_approval(
        &self,
        environment: EnvironmentId,
        fingerprint: &[u8; 32],
    ) -> Result<Option<ApprovalRow>, StoreError> {
        either!(self, back_end => back_end.last_approval(environment, fingerprint))
    }
    /// Approvals of an environment, newest first.
    pub async fn list_approvals(
        &self,
        environment: EnvironmentId,
        query: &ApprovalQuery,
    ) -> Result<Vec<ApprovalRow>, StoreError> {
        either!(self, back_end => back_end.list_approvals(environment, query))
    }
    /// The votes on an approval, in the order in which they were given.
    pub async fn list_approval_votes(
        &self,
        environment: EnvironmentId,
        id: ApprovalId,
    ) -> Result<Vec<VoteRow>, StoreError> {
        either!(self, back_end => back_end.list_approval_votes(environment, id))
    }
    /// Counts a vote, with an audit record. The vote that decides sets the state, gives a call that is approved `lasts_ms` from
    /// then on, and makes a run that waits for it due; of several votes at once exactly one decides.
    pub async fn vote_on_approval(
        &self,
        environment: EnvironmentId,
        id: ApprovalId,
        vote: &VoteRow,
        lasts_ms: i64,
        audit: &AuditRow,
    ) -> Result<Voted, StoreError> {
        either!(self, back_end => back_end.vote_on_approval(environment, id, vote, lasts_ms, audit))
    }
    /// Takes an approved call for a request, named `used_by`; true when it may be made: now, or since this same request took it
    /// before.
    pub async fn use_approval(
        &self,
        environment: EnvironmentId,
        id: ApprovalId,
        used_by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.use_approval(environment, id, used_by, now))
    }
    /// Gives back what this request took: nothing was done with it.
    pub async fn give_back_approval(
        &self,
        environment: EnvironmentId,
        id: ApprovalId,
        used_by: &str,
    ) -> Result<(), StoreError> {
        either!(self, back_end => back_end.give_back_approval(environment, id, used_by))
    }
    /// Closes an approval that can let something through, or still be decided: what it is about is not any more.
    pub async fn expire_approval(&self, environment: EnvironmentId, id: ApprovalId) -> Result<(), StoreError> {
        either!(self, back_end => back_end.expire_approval(environment, id))
    }
    /// Closes every approval of a run that has ended.
    pub async fn expire_approvals_of_run(&self, environment: EnvironmentId, run: RunId) -> Result<(), StoreError> {
        either!(self, back_end => back_end.expire_approvals_of_run(environment, run))
    }
}
