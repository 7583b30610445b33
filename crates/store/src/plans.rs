//! Plans, executed once or not at all.

use quartermaster_store_model::{AuditRow, PlanQuery, PlanRow, RunRow, StoreError};
use quartermaster_types::{EnvironmentId, PlanId, RunId, Timestamp};

use crate::{Store, either};

impl Store {
    /// Adds a plan with its audit record.
    pub async fn insert_plan(&self, row: &PlanRow, audit: &AuditRow) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_plan(row, audit))
    }
    /// One plan of this environment.
    pub async fn find_plan(&self, environment: EnvironmentId, id: PlanId) -> Result<Option<PlanRow>, StoreError> {
        either!(self, back_end => back_end.find_plan(environment, id))
    }
    /// Plans of an environment without their documents, newest first.
    pub async fn list_plans(&self, environment: EnvironmentId, query: &PlanQuery) -> Result<Vec<PlanRow>, StoreError> {
        either!(self, back_end => back_end.list_plans(environment, query))
    }
    /// Makes the run that does a plan, with the audit records of both, if the plan is ready and `now` is before its end. Of
    /// several that try at once, one does: the others get `false`, and nothing is changed.
    pub async fn execute_plan(
        &self,
        id: PlanId,
        now: Timestamp,
        run: &RunRow,
        audit: &[AuditRow],
    ) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.execute_plan(id, now, run, audit))
    }
    /// Decides against a plan that is ready, with an audit record; `false` when it is not, and nothing is changed then.
    pub async fn discard_plan(
        &self,
        environment: EnvironmentId,
        id: PlanId,
        now: Timestamp,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.discard_plan(environment, id, now, audit))
    }
    /// The run that undoes this run: the last one when there are several.
    pub async fn find_undo(&self, environment: EnvironmentId, run: RunId) -> Result<Option<RunId>, StoreError> {
        either!(self, back_end => back_end.find_undo(environment, run))
    }
    /// Forgets plans that were not executed and ended before `before`; says how many.
    pub async fn prune_plans(&self, before: Timestamp) -> Result<u64, StoreError> {
        either!(self, back_end => back_end.prune_plans(before))
    }
}
