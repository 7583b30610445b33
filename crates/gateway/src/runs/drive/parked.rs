//! Calls of a run that wait for an approval. The run is given back meanwhile, and the decision makes it due, on whichever
//! replica it is taken; the machine hears nothing of it.

use std::collections::HashMap;

use quartermaster_store_model::{ApprovalQuery, RunRow, StoreError};
use quartermaster_types::{ApprovalId, ApprovalNotice, ApprovalState, Code, Problem, Timestamp};

use super::perform::idempotency_key;
use crate::Gateway;
use crate::limits::RUN_APPROVALS_WAITING_MAX;

/// Calls by their keys, with the approval that each waits for.
#[derive(Default)]
pub(super) struct Awaited(HashMap<String, ApprovalNotice>);

impl Awaited {
    /// What a worker before this one left: calls that were begun and wait for a decision. A call that was only asked about was
    /// not sent, so that it is not `cut_off`; one that was let through may have been, at the moment of that.
    pub(super) async fn find(
        gateway: &Gateway,
        run: &RunRow,
        session: &str,
        cut_off: &mut HashMap<String, Timestamp>,
    ) -> Result<Self, StoreError> {
        let mut parked = Self::default();
        if cut_off.is_empty() {
            return Ok(parked);
        }
        let now = gateway.inner.clock.now();
        let query = ApprovalQuery {
            now,
            before: None,
            state: None,
            run_id: Some(run.id),
            token_id: None,
            limit: RUN_APPROVALS_WAITING_MAX,
        };
        let steps: HashMap<String, String> =
            cut_off.keys().map(|key| (idempotency_key(session, key), key.clone())).collect();
        // Oldest first: of several about one step the last one counts.
        for row in gateway.inner.store.list_approvals(run.environment_id, &query).await?.into_iter().rev() {
            let Some(key) = row.step.as_ref().and_then(|step| steps.get(step)).cloned() else { continue };
            parked.0.remove(&key);
            match row.state_at(now) {
                ApprovalState::Pending => {
                    cut_off.remove(&key);
                    parked.0.insert(key, crate::approvals::notice_of(&row, now));
                }
                ApprovalState::Used => {
                    cut_off.insert(key, row.used_at.unwrap_or(now));
                }
                ApprovalState::Approved | ApprovalState::Denied | ApprovalState::Expired => {
                    cut_off.remove(&key);
                }
            }
        }
        Ok(parked)
    }

    pub(super) fn insert(&mut self, key: String, notice: ApprovalNotice) {
        self.0.insert(key, notice);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Whether no further call can wait.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= RUN_APPROVALS_WAITING_MAX as usize
    }

    /// Lets go of those whose time is over: they are made again, and are told so.
    pub(super) fn let_go(&mut self, now: Timestamp) {
        self.0.retain(|_, notice| notice.expires_at > now);
    }

    /// When the first of them is over.
    pub(super) fn until(&self) -> Option<Timestamp> {
        self.0.values().map(|notice| notice.expires_at).min()
    }

    pub(super) fn approvals(&self) -> Vec<ApprovalId> {
        self.0.values().map(|notice| notice.id).collect()
    }
}

/// The approval that a refused call waits for.
pub(super) fn awaited(problem: &Problem) -> Option<ApprovalNotice> {
    let notice = problem.body().approval.as_deref()?;
    let waits = problem.code() == Code::ApprovalRequired && notice.state == ApprovalState::Pending;
    waits.then(|| notice.clone())
}

impl Gateway {
    /// Makes a run that was just given back due when one of its approvals was decided in between: that decision did not find it
    /// waiting.
    pub(super) async fn wake_if_decided(&self, run: &RunRow, approvals: &[ApprovalId]) -> Result<(), StoreError> {
        for id in approvals {
            let row = self.inner.store.find_approval(run.environment_id, *id).await?;
            if row.is_none_or(|row| row.state != ApprovalState::Pending) {
                return self.inner.store.wake_run(run.environment_id, run.id, self.inner.clock.now()).await;
            }
        }
        Ok(())
    }

    /// Closes what nobody has decided when the run ends: no call waits for it any more.
    pub(super) async fn close_approvals(&self, run: &RunRow) -> Result<(), StoreError> {
        let query = ApprovalQuery {
            now: self.inner.clock.now(),
            before: None,
            state: None,
            run_id: Some(run.id),
            token_id: None,
            limit: 1,
        };
        if self.inner.store.list_approvals(run.environment_id, &query).await?.is_empty() {
            return Ok(());
        }
        self.inner.store.expire_approvals_of_run(run.environment_id, run.id).await
    }
}
