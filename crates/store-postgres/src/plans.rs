//! Plans, executed once or not at all.

use quartermaster_store_model::column::{CorruptColumn, hash_from_bytes, plan_state_from_text};
use quartermaster_store_model::{AuditRow, PlanQuery, PlanRow, PlanState, RunRow, StoreError};
use quartermaster_types::{EnvironmentId, PlanId, RunId, Timestamp};

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

struct PlanColumns {
    environment_id: Key,
    id: Key,
    token_id: Key,
    account_id: Key,
    reason: Option<String>,
    state: String,
    hash: Vec<u8>,
    summary: String,
    document: String,
    undoes_run_id: Option<Key>,
    run_id: Option<Key>,
    created_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
}

impl TryFrom<PlanColumns> for PlanRow {
    type Error = CorruptColumn;

    fn try_from(columns: PlanColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            id: columns.id.id(),
            environment_id: columns.environment_id.id(),
            token_id: columns.token_id.id(),
            account_id: columns.account_id.id(),
            reason: columns.reason,
            state: plan_state_from_text("plans.state", &columns.state)?,
            hash: hash_from_bytes("plans.hash", &columns.hash)?,
            summary: columns.summary,
            document: columns.document,
            undoes_run_id: columns.undoes_run_id.map(Key::id),
            run_id: columns.run_id.map(Key::id),
            created_at: Timestamp::from_unix_ms(columns.created_at),
            expires_at: Timestamp::from_unix_ms(columns.expires_at),
            ended_at: columns.ended_at.map(Timestamp::from_unix_ms),
        })
    }
}

impl PostgresStore {
    /// Adds a plan with its audit record.
    pub async fn insert_plan(&self, row: &PlanRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "making a plan";
        let mut transaction = self.begin(OPERATION).await?;
        sqlx::query!(
            "INSERT INTO plans (environment_id, id, token_id, account_id, reason, state, hash, summary, document,
                                undoes_run_id, run_id, created_at, expires_at, ended_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            Key(row.environment_id.0) as _,
            Key(row.id.0) as _,
            Key(row.token_id.0) as _,
            Key(row.account_id.0) as _,
            row.reason.as_deref(),
            row.state.as_str(),
            row.hash.as_slice(),
            row.summary.as_str(),
            row.document.as_str(),
            row.undoes_run_id.map(|id| Key(id.0)) as _,
            row.run_id.map(|id| Key(id.0)) as _,
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
            r#"SELECT environment_id AS "environment_id: Key", id AS "id: Key", token_id AS "token_id: Key",
                      account_id AS "account_id: Key", reason, state, hash, summary, document,
                      undoes_run_id AS "undoes_run_id: Key", run_id AS "run_id: Key", created_at, expires_at, ended_at
               FROM plans WHERE environment_id = $1 AND id = $2"#,
            Key(environment.0) as _,
            Key(id.0) as _
        )
        .fetch_optional(&self.pool)
        .await
        .during(OPERATION)?;
        found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// Plans of an environment without their documents, newest first.
    pub async fn list_plans(&self, environment: EnvironmentId, query: &PlanQuery) -> Result<Vec<PlanRow>, StoreError> {
        const OPERATION: &str = "listing plans";
        let below = query.before.map_or(Key::HIGHEST, |id| Key(id.0));
        let found = sqlx::query_as!(
            PlanColumns,
            r#"SELECT environment_id AS "environment_id: Key", id AS "id: Key", token_id AS "token_id: Key",
                      account_id AS "account_id: Key", reason, state, hash, summary, '' AS "document!: String",
                      undoes_run_id AS "undoes_run_id: Key", run_id AS "run_id: Key", created_at, expires_at, ended_at
               FROM plans
               WHERE environment_id = $1 AND id < $2
                 AND ($3::text IS NULL OR state = $3)
                 AND ($4::uuid IS NULL OR token_id = $4)
               ORDER BY id DESC LIMIT $5"#,
            Key(environment.0) as _,
            below as _,
            query.state.map(PlanState::as_str),
            query.token_id.map(|id| Key(id.0)) as _,
            i64::from(query.limit)
        )
        .fetch_all(&self.pool)
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
        let mut transaction = self.begin(OPERATION).await?;
        crate::runs::insert(&mut transaction, run, OPERATION).await?;
        let taken = sqlx::query!(
            "UPDATE plans SET state = 'executed', run_id = $1, ended_at = $2
             WHERE environment_id = $3 AND id = $4 AND state = 'ready' AND expires_at > $2",
            Key(run.id.0) as _,
            now.unix_ms(),
            Key(run.environment_id.0) as _,
            Key(id.0) as _
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
        let mut transaction = self.begin(OPERATION).await?;
        let done = sqlx::query!(
            "UPDATE plans SET state = 'discarded', ended_at = $1
             WHERE environment_id = $2 AND id = $3 AND state = 'ready'",
            now.unix_ms(),
            Key(environment.0) as _,
            Key(id.0) as _
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
            r#"SELECT run_id AS "run_id: Key" FROM plans WHERE environment_id = $1 AND undoes_run_id = $2 AND run_id IS NOT NULL
             ORDER BY run_id DESC LIMIT 1"#,
            Key(environment.0) as _,
            Key(run.0) as _
        )
        .fetch_optional(&self.pool)
        .await
        .during(OPERATION)?;
        Ok(found.flatten().map(Key::id))
    }

    /// Forgets plans that were not executed and ended before `before`; says how many.
    pub async fn prune_plans(&self, before: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "forgetting old plans";
        sqlx::query!("DELETE FROM plans WHERE state <> 'executed' AND expires_at < $1", before.unix_ms())
            .execute(&self.pool)
            .await
            .during(OPERATION)
            .map(|done| done.rows_affected())
    }
}
