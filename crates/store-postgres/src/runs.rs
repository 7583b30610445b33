//! Runs: claimed by workers under leases, one worker at a time.

mod journal;

use quartermaster_store_model::column::{CorruptColumn, count_from_integer, run_state_from_text};
use quartermaster_store_model::{AuditRow, RunLease, RunQuery, RunRow, RunState, StoreError};
use quartermaster_types::{EnvironmentId, RunId, Timestamp};
use sqlx::PgConnection;

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

struct RunColumns {
    environment_id: Key,
    id: Key,
    token_id: Key,
    account_id: Option<Key>,
    kind: String,
    name: String,
    definition: String,
    input: String,
    state: String,
    due_at: Option<i64>,
    fence: i64,
    entries: i64,
    cancel_requested_at: Option<i64>,
    outcome: Option<String>,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

impl TryFrom<RunColumns> for RunRow {
    type Error = CorruptColumn;

    fn try_from(columns: RunColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            id: columns.id.id(),
            environment_id: columns.environment_id.id(),
            token_id: columns.token_id.id(),
            account_id: columns.account_id.map(Key::id),
            kind: columns.kind,
            name: columns.name,
            definition: columns.definition,
            input: columns.input,
            state: run_state_from_text("runs.state", &columns.state)?,
            due_at: columns.due_at.map(Timestamp::from_unix_ms),
            fence: columns.fence,
            entries: count_from_integer("runs.entries", columns.entries)?,
            cancel_requested_at: columns.cancel_requested_at.map(Timestamp::from_unix_ms),
            outcome: columns.outcome,
            created_at: Timestamp::from_unix_ms(columns.created_at),
            started_at: columns.started_at.map(Timestamp::from_unix_ms),
            finished_at: columns.finished_at.map(Timestamp::from_unix_ms),
        })
    }
}

macro_rules! select_runs {
    ($condition:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            RunColumns,
            r#"SELECT runs.environment_id AS "environment_id: Key", id AS "id: Key", token_id AS "token_id: Key",
                      account_id AS "account_id: Key", kind, name, definition, input, state, due_at, fence, entries,
                      cancel_requested_at, outcome, created_at, started_at, finished_at
               FROM runs JOIN run_starts ON run_starts.environment_id = runs.environment_id AND run_id = id
               WHERE "# + $condition
            $(, $argument)*
        )
    };
}

/// The same without what can be large: what is run, with what, and what came of it.
macro_rules! select_heads {
    ($condition:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            RunColumns,
            r#"SELECT environment_id AS "environment_id: Key", id AS "id: Key", token_id AS "token_id: Key",
                      account_id AS "account_id: Key", kind, name, ''::text AS "definition!", ''::text AS "input!", state,
                      due_at, fence, entries, cancel_requested_at, NULL::text AS "outcome", created_at, started_at, finished_at
               FROM runs WHERE "# + $condition
            $(, $argument)*
        )
    };
}

impl PostgresStore {
    /// Adds a run with its audit record.
    pub async fn insert_run(&self, row: &RunRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "starting a run";
        let mut transaction = self.begin(OPERATION).await?;
        insert(&mut transaction, row, OPERATION).await?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// One run of this environment.
    pub async fn find_run(&self, environment: EnvironmentId, id: RunId) -> Result<Option<RunRow>, StoreError> {
        const OPERATION: &str = "reading a run";
        let found = select_runs!("runs.environment_id = $1 AND id = $2", Key(environment.0) as _, Key(id.0) as _)
            .fetch_optional(&self.pool)
            .await
            .during(OPERATION)?;
        found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// One run of this environment, with `definition`, `input` and `outcome` empty.
    pub async fn find_run_head(&self, environment: EnvironmentId, id: RunId) -> Result<Option<RunRow>, StoreError> {
        const OPERATION: &str = "reading a run";
        let found = select_heads!("environment_id = $1 AND id = $2", Key(environment.0) as _, Key(id.0) as _)
            .fetch_optional(&self.pool)
            .await
            .during(OPERATION)?;
        found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// Runs of an environment, newest first, with `definition`, `input` and `outcome` empty.
    pub async fn list_runs(&self, environment: EnvironmentId, query: &RunQuery) -> Result<Vec<RunRow>, StoreError> {
        const OPERATION: &str = "listing runs";
        let below = query.before.map_or(Key::HIGHEST, |id| Key(id.0));
        let found = select_heads!(
            "environment_id = $1 AND id < $2
               AND ($3::text IS NULL OR state = $3)
               AND ($4::text IS NULL OR name = $4)
               AND ($5::uuid IS NULL OR token_id = $5)
             ORDER BY id DESC LIMIT $6",
            Key(environment.0) as _,
            below as _,
            query.state.map(RunState::as_str),
            query.name.as_deref(),
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

    /// When the next run of any environment can be claimed; `None` when every run has ended.
    pub async fn next_run_due(&self) -> Result<Option<Timestamp>, StoreError> {
        const OPERATION: &str = "looking for work";
        sqlx::query_scalar!("SELECT min(due_at) FROM runs WHERE due_at IS NOT NULL")
            .fetch_one(&self.pool)
            .await
            .during(OPERATION)
            .map(|at: Option<i64>| at.map(Timestamp::from_unix_ms))
    }

    /// Claims the run that has been due longest, of any environment, until `lease_until`. `None` when none is due. Of
    /// several workers at once, one gets it.
    pub async fn claim_run(&self, now: Timestamp, lease_until: Timestamp) -> Result<Option<RunRow>, StoreError> {
        const OPERATION: &str = "claiming a run";
        let mut transaction = self.begin(OPERATION).await?;
        let found = select_runs!("due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE OF runs SKIP LOCKED", now.unix_ms())
            .fetch_optional(&mut *transaction)
            .await
            .during(OPERATION)?;
        let Some(found) = found else { return Ok(None) };
        let mut run = RunRow::try_from(found).map_err(|error| StoreError::database(OPERATION, error))?;
        run.state = RunState::Running;
        run.due_at = Some(lease_until);
        run.fence += 1;
        run.started_at = run.started_at.or(Some(now));
        sqlx::query!(
            "UPDATE runs SET state = 'running', due_at = $1, fence = $2, started_at = $3
             WHERE environment_id = $4 AND id = $5",
            lease_until.unix_ms(),
            run.fence,
            run.started_at.map(Timestamp::unix_ms),
            Key(run.environment_id.0) as _,
            Key(run.id.0) as _
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        transaction.commit().await.during(OPERATION).map(|()| Some(run))
    }

    /// Holds a claimed run for longer, and says when somebody asked to stop it. [`StoreError::Stale`] when the lease is
    /// lost.
    pub async fn renew_run(&self, lease: &RunLease, until: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        const OPERATION: &str = "renewing the lease of a run";
        let mut transaction = self.begin(OPERATION).await?;
        let run = held(&mut transaction, lease, OPERATION).await?;
        sqlx::query!(
            "UPDATE runs SET due_at = $1 WHERE environment_id = $2 AND id = $3",
            until.unix_ms(),
            Key(lease.environment_id.0) as _,
            Key(lease.id.0) as _
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        transaction.commit().await.during(OPERATION).map(|()| run.cancel_requested_at)
    }

    /// Gives a claimed run back: it goes on when `due_at` has come. [`StoreError::Stale`] when the lease is lost.
    pub async fn release_run(&self, lease: &RunLease, state: RunState, due_at: Timestamp) -> Result<(), StoreError> {
        const OPERATION: &str = "giving a run back";
        let mut transaction = self.begin(OPERATION).await?;
        let run = held(&mut transaction, lease, OPERATION).await?;
        // Somebody who wants it stopped need not wait with it.
        let due_at = run.cancel_requested_at.map_or(due_at, |at| at.min(due_at));
        sqlx::query!(
            "UPDATE runs SET state = $1, due_at = $2 WHERE environment_id = $3 AND id = $4",
            state.as_str(),
            due_at.unix_ms(),
            Key(lease.environment_id.0) as _,
            Key(lease.id.0) as _
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        transaction.commit().await.during(OPERATION)
    }

    /// Makes a run that waits due now; any other stays as it is.
    pub async fn wake_run(&self, environment: EnvironmentId, id: RunId, now: Timestamp) -> Result<(), StoreError> {
        const OPERATION: &str = "waking a run";
        sqlx::query!(
            "UPDATE runs SET due_at = $1 WHERE environment_id = $2 AND id = $3 AND state = 'waiting' AND due_at > $1",
            now.unix_ms(),
            Key(environment.0) as _,
            Key(id.0) as _
        )
        .execute(&self.pool)
        .await
        .during(OPERATION)
        .map(|_| ())
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
        const OPERATION: &str = "ending a run";
        let mut transaction = self.begin(OPERATION).await?;
        held(&mut transaction, lease, OPERATION).await?;
        sqlx::query!(
            "UPDATE runs SET state = $1, outcome = $2, finished_at = $3, due_at = NULL WHERE environment_id = $4 AND id = $5",
            state.as_str(),
            outcome,
            at.unix_ms(),
            Key(lease.environment_id.0) as _,
            Key(lease.id.0) as _
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// Asks to stop a run, with an audit record: one that nobody holds is due at once. The first request holds, and one that
    /// has ended stays as it is: neither is recorded again. The run as it is afterwards; `None` when the environment has no
    /// such run. `definition`, `input` and `outcome` are empty.
    pub async fn cancel_run(
        &self,
        environment: EnvironmentId,
        id: RunId,
        at: Timestamp,
        audit: &AuditRow,
    ) -> Result<Option<RunRow>, StoreError> {
        const OPERATION: &str = "stopping a run";
        let mut transaction = self.begin(OPERATION).await?;
        let found =
            select_heads!("environment_id = $1 AND id = $2 FOR UPDATE", Key(environment.0) as _, Key(id.0) as _)
                .fetch_optional(&mut *transaction)
                .await
                .during(OPERATION)?;
        let Some(found) = found else { return Ok(None) };
        let mut run = RunRow::try_from(found).map_err(|error| StoreError::database(OPERATION, error))?;
        if run.state.is_end() || run.cancel_requested_at.is_some() {
            return Ok(Some(run));
        }
        run.cancel_requested_at = Some(at);
        if run.state != RunState::Running {
            run.due_at = run.due_at.map(|due| due.min(at));
        }
        sqlx::query!(
            "UPDATE runs SET cancel_requested_at = $1, due_at = $2 WHERE environment_id = $3 AND id = $4",
            at.unix_ms(),
            run.due_at.map(Timestamp::unix_ms),
            Key(environment.0) as _,
            Key(id.0) as _
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| Some(run))
    }
}

/// Adds a run.
pub(crate) async fn insert(
    transaction: &mut PgConnection,
    row: &RunRow,
    operation: &'static str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO runs (environment_id, id, token_id, account_id, kind, name, state, due_at, fence, entries,
                           cancel_requested_at, outcome, created_at, started_at, finished_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        Key(row.environment_id.0) as _,
        Key(row.id.0) as _,
        Key(row.token_id.0) as _,
        row.account_id.map(|id| Key(id.0)) as _,
        row.kind.as_str(),
        row.name.as_str(),
        row.state.as_str(),
        row.due_at.map(Timestamp::unix_ms),
        row.fence,
        i64::from(row.entries),
        row.cancel_requested_at.map(Timestamp::unix_ms),
        row.outcome.as_deref(),
        row.created_at.unix_ms(),
        row.started_at.map(Timestamp::unix_ms),
        row.finished_at.map(Timestamp::unix_ms)
    )
    .execute(&mut *transaction)
    .await
    .conflict(operation, "the run")?;
    sqlx::query!(
        "INSERT INTO run_starts (environment_id, run_id, definition, input) VALUES ($1, $2, $3, $4)",
        Key(row.environment_id.0) as _,
        Key(row.id.0) as _,
        row.definition.as_str(),
        row.input.as_str()
    )
    .execute(&mut *transaction)
    .await
    .during(operation)?;
    Ok(())
}

/// The run of a lease, which nobody else can change until the transaction ends; [`StoreError::Stale`] when the lease is lost.
async fn held(transaction: &mut PgConnection, lease: &RunLease, operation: &'static str) -> Result<RunRow, StoreError> {
    let found = select_heads!(
        "environment_id = $1 AND id = $2 AND fence = $3 AND state = 'running' FOR UPDATE",
        Key(lease.environment_id.0) as _,
        Key(lease.id.0) as _,
        lease.fence
    )
    .fetch_optional(transaction)
    .await
    .during(operation)?;
    let found = found.ok_or(StoreError::Stale)?;
    found.try_into().map_err(|error: CorruptColumn| StoreError::database(operation, error))
}
