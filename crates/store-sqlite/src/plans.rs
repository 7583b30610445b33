//! Plans, executed once or not at all.

use quartermaster_store_model::column::{CorruptColumn, hash_from_bytes, id_from_bytes, plan_state_from_text};
use quartermaster_store_model::{AuditRow, PlanQuery, PlanRow, PlanState, RunRow, StoreError};
use quartermaster_types::{EnvironmentId, PlanId, RunId, Timestamp};

use crate::SqliteStore;
use crate::columns::{HIGHEST, bytes};
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

struct PlanColumns {
    environment_id: Vec<u8>,
    id: Vec<u8>,
    token_id: Vec<u8>,
    account_id: Vec<u8>,
    reason: Option<String>,
    state: String,
    hash: Vec<u8>,
    summary: String,
    document: String,
    undoes_run_id: Option<Vec<u8>>,
    run_id: Option<Vec<u8>>,
    created_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
}

impl TryFrom<PlanColumns> for PlanRow {
    type Error = CorruptColumn;

    fn try_from(columns: PlanColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            id: id_from_bytes("plans.id", &columns.id)?,
            environment_id: id_from_bytes("plans.environment_id", &columns.environment_id)?,
            token_id: id_from_bytes("plans.token_id", &columns.token_id)?,
            account_id: id_from_bytes("plans.account_id", &columns.account_id)?,
            reason: columns.reason,
            state: plan_state_from_text("plans.state", &columns.state)?,
            hash: hash_from_bytes("plans.hash", &columns.hash)?,
            summary: columns.summary,
            document: columns.document,
            undoes_run_id: columns.undoes_run_id.map(|id| id_from_bytes("plans.undoes_run_id", &id)).transpose()?,
            run_id: columns.run_id.map(|id| id_from_bytes("plans.run_id", &id)).transpose()?,
            created_at: Timestamp::from_unix_ms(columns.created_at),
            expires_at: Timestamp::from_unix_ms(columns.expires_at),
            ended_at: columns.ended_at.map(Timestamp::from_unix_ms),
        })
    }
}

impl SqliteStore {
    /// Adds a plan with its audit record.
    pub async fn insert_plan(&self, row: &PlanRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "making a plan";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        sqlx::query!(
            "INSERT INTO plans (environment_id, id, token_id, account_id, reason, state, hash, summary, document,
                                undoes_run_id, run_id, created_at, expires_at, ended_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            bytes(&row.environment_id.0),
            bytes(&row.id.0),
            bytes(&row.token_id.0),
            bytes(&row.account_id.0),
            row.reason.as_deref(),
            row.state.as_str(),
            row.hash.as_slice(),
            row.summary.as_str(),
            row.document.as_str(),
            row.undoes_run_id.as_ref().map(|id| bytes(&id.0)),
            row.run_id.as_ref().map(|id| bytes(&id.0)),
            row.created_at.unix_ms(),
            row.expires_at.unix_ms(),
            row.ended_at.map(Timestamp::unix_ms)
        )
        .execute(&mut *transaction)
        .await
        .conflict(OPERATION, "the plan")?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// One plan of this environment.
    pub async fn find_plan(&self, environment: EnvironmentId, id: PlanId) -> Result<Option<PlanRow>, StoreError> {
        const OPERATION: &str = "reading a plan";
        let found = sqlx::query_as!(
            PlanColumns,
            "SELECT environment_id, id, token_id, account_id, reason, state, hash, summary, document, undoes_run_id,
                    run_id, created_at, expires_at, ended_at
             FROM plans WHERE environment_id = ?1 AND id = ?2",
            bytes(&environment.0),
            bytes(&id.0)
        )
        .fetch_optional(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// Plans of an environment without their documents, newest first.
    pub async fn list_plans(&self, environment: EnvironmentId, query: &PlanQuery) -> Result<Vec<PlanRow>, StoreError> {
        const OPERATION: &str = "listing plans";
        let below = query.before.map_or(HIGHEST, |id| id.0);
        let found = sqlx::query_as!(
            PlanColumns,
            r#"SELECT environment_id, id, token_id, account_id, reason, state, hash, summary, '' AS "document!: String",
                      undoes_run_id, run_id, created_at, expires_at, ended_at
               FROM plans
               WHERE environment_id = ?1 AND id < ?2
                 AND (?3 IS NULL OR state = ?3)
                 AND (?4 IS NULL OR token_id = ?4)
               ORDER BY id DESC LIMIT ?5"#,
            bytes(&environment.0),
            bytes(&below),
            query.state.map(PlanState::as_str),
            query.token_id.as_ref().map(|id| bytes(&id.0)),
            i64::from(query.limit)
        )
        .fetch_all(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found
            .into_iter()
            .map(|columns| columns.try_into().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error)))
            .collect()
    }

    /// Makes the run that does a plan, with the audit records of both, if the plan is ready and `now` is before its end.
    pub async fn execute_plan(
        &self,
        id: PlanId,
        now: Timestamp,
        run: &RunRow,
        audit: &[AuditRow],
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "executing a plan";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        crate::runs::insert(&mut transaction, run, OPERATION).await?;
        let taken = sqlx::query!(
            "UPDATE plans SET state = 'executed', run_id = ?1, ended_at = ?2
             WHERE environment_id = ?3 AND id = ?4 AND state = 'ready' AND expires_at > ?2",
            bytes(&run.id.0),
            now.unix_ms(),
            bytes(&run.environment_id.0),
            bytes(&id.0)
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        if taken.rows_affected() == 0 {
            return transaction.rollback().await.during(OPERATION).map(|()| false);
        }
        for audit in audit {
            crate::audit::record(&mut transaction, audit, OPERATION).await?;
        }
        transaction.commit().await.during(OPERATION).map(|()| true)
    }

    /// Decides against a plan that is ready, with an audit record; `false` when it is not.
    pub async fn discard_plan(
        &self,
        environment: EnvironmentId,
        id: PlanId,
        now: Timestamp,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "discarding a plan";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let done = sqlx::query!(
            "UPDATE plans SET state = 'discarded', ended_at = ?1
             WHERE environment_id = ?2 AND id = ?3 AND state = 'ready'",
            now.unix_ms(),
            bytes(&environment.0),
            bytes(&id.0)
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        if done.rows_affected() == 0 {
            return transaction.rollback().await.during(OPERATION).map(|()| false);
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| true)
    }

    /// The run that undoes this run: the last one when there are several.
    pub async fn find_undo(&self, environment: EnvironmentId, run: RunId) -> Result<Option<RunId>, StoreError> {
        const OPERATION: &str = "looking for what undoes a run";
        let found = sqlx::query_scalar!(
            "SELECT run_id FROM plans WHERE environment_id = ?1 AND undoes_run_id = ?2 AND run_id IS NOT NULL
             ORDER BY run_id DESC LIMIT 1",
            bytes(&environment.0),
            bytes(&run.0)
        )
        .fetch_optional(&self.inner.readers)
        .await
        .during(OPERATION)?;
        let found = found.flatten().map(|id| id_from_bytes("plans.run_id", &id)).transpose();
        found.map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// Forgets plans that were not executed and ended before `before`; says how many.
    pub async fn prune_plans(&self, before: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "forgetting old plans";
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        sqlx::query!("DELETE FROM plans WHERE state <> 'executed' AND expires_at < ?1", before.unix_ms())
            .execute(&mut *writer)
            .await
            .during(OPERATION)
            .map(|done| done.rows_affected())
    }
}
