//! Triggers, and what they have started.

mod deliveries;

use quartermaster_store_model::column::{CorruptColumn, trigger_kind_from_text};
use quartermaster_store_model::{
    Acceptance, Accepted, AuditRow, DeliveryRow, ScheduleStep, Started, StoreError, TriggerRow, TriggerStart,
};
use quartermaster_types::{EnvironmentId, RunId, Timestamp, TriggerId};
use sqlx::postgres::PgConnection;

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

/// Milliseconds of the hour in which starts are counted.
const HOUR_MS: i64 = 3_600_000;

struct TriggerColumns {
    environment_id: Key,
    id: Key,
    name: String,
    kind: String,
    document: String,
    token_id: Key,
    enabled: bool,
    sealed_secrets: Option<Vec<u8>>,
    secret_version: i64,
    version: i64,
    next_at: Option<i64>,
    due_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<TriggerColumns> for TriggerRow {
    type Error = CorruptColumn;

    fn try_from(columns: TriggerColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            id: columns.id.id(),
            environment_id: columns.environment_id.id(),
            name: columns.name,
            kind: trigger_kind_from_text("triggers.kind", &columns.kind)?,
            document: columns.document,
            token_id: columns.token_id.id(),
            enabled: columns.enabled,
            sealed_secrets: columns.sealed_secrets,
            secret_version: columns.secret_version,
            version: columns.version,
            next_at: columns.next_at.map(Timestamp::from_unix_ms),
            due_at: columns.due_at.map(Timestamp::from_unix_ms),
            created_at: Timestamp::from_unix_ms(columns.created_at),
            updated_at: Timestamp::from_unix_ms(columns.updated_at),
        })
    }
}

macro_rules! select_triggers {
    ($condition:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            TriggerColumns,
            r#"SELECT environment_id AS "environment_id: Key", id AS "id: Key", name, kind, document,
                      token_id AS "token_id: Key", enabled, sealed_secrets,
                      secret_version, version, next_at, due_at, created_at, updated_at
               FROM triggers WHERE "# + $condition
            $(, $argument)*
        )
    };
}

fn row(found: TriggerColumns, operation: &'static str) -> Result<TriggerRow, StoreError> {
    found.try_into().map_err(|error: CorruptColumn| StoreError::database(operation, error))
}

impl PostgresStore {
    /// Adds a trigger with its audit record. [`StoreError::Conflict`] when its name is taken.
    pub async fn insert_trigger(&self, row: &TriggerRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "adding a trigger";
        let mut transaction = self.begin(OPERATION).await?;
        sqlx::query!(
            "INSERT INTO triggers (environment_id, id, name, kind, document, token_id, enabled, sealed_secrets, secret_version,
                                   version, next_at, due_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            Key(row.environment_id.0) as _,
            Key(row.id.0) as _,
            row.name.as_str(),
            row.kind.as_str(),
            row.document.as_str(),
            Key(row.token_id.0) as _,
            row.enabled,
            row.sealed_secrets.as_deref(),
            row.secret_version,
            row.version,
            row.next_at.map(Timestamp::unix_ms),
            row.due_at.map(Timestamp::unix_ms),
            row.created_at.unix_ms(),
            row.updated_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .conflict(OPERATION, "A trigger of this name")?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// One trigger of this environment.
    pub async fn find_trigger(
        &self,
        environment: EnvironmentId,
        id: TriggerId,
    ) -> Result<Option<TriggerRow>, StoreError> {
        const OPERATION: &str = "reading a trigger";
        let found = select_triggers!("environment_id = $1 AND id = $2", Key(environment.0) as _, Key(id.0) as _)
            .fetch_optional(&self.pool)
            .await
            .during(OPERATION)?;
        found.map(|found| row(found, OPERATION)).transpose()
    }

    /// One trigger of any environment: its id is all that a sender knows.
    pub async fn find_hook(&self, id: TriggerId) -> Result<Option<TriggerRow>, StoreError> {
        const OPERATION: &str = "reading a trigger";
        let found = select_triggers!("id = $1", Key(id.0) as _).fetch_optional(&self.pool).await.during(OPERATION)?;
        found.map(|found| row(found, OPERATION)).transpose()
    }

    /// Triggers of an environment, ids above `after`, by id, at most `limit`.
    pub async fn list_triggers(
        &self,
        environment: EnvironmentId,
        after: Option<TriggerId>,
        limit: u32,
    ) -> Result<Vec<TriggerRow>, StoreError> {
        const OPERATION: &str = "listing triggers";
        let after = after.map_or(Key::LOWEST, |id| Key(id.0));
        let found = select_triggers!(
            "environment_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            Key(environment.0) as _,
            after as _,
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .during(OPERATION)?;
        found.into_iter().map(|found| row(found, OPERATION)).collect()
    }

    /// How many triggers an environment has.
    pub async fn count_triggers(&self, environment: EnvironmentId) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM triggers WHERE environment_id = $1"#,
            Key(environment.0) as _
        )
        .fetch_one(&self.pool)
        .await
        .during("counting triggers")
    }

    /// Replaces a trigger when its version still is `expected_version`; [`StoreError::Stale`] otherwise, [`StoreError::Conflict`]
    /// when its new name is taken.
    pub async fn update_trigger(
        &self,
        row: &TriggerRow,
        expected_version: i64,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "changing a trigger";
        let mut transaction = self.begin(OPERATION).await?;
        let changed = sqlx::query!(
            "UPDATE triggers SET name = $1, kind = $2, document = $3, token_id = $4, enabled = $5, sealed_secrets = $6,
                                 secret_version = $7, version = $8, next_at = $9, due_at = $10, updated_at = $11
             WHERE environment_id = $12 AND id = $13 AND version = $14",
            row.name.as_str(),
            row.kind.as_str(),
            row.document.as_str(),
            Key(row.token_id.0) as _,
            row.enabled,
            row.sealed_secrets.as_deref(),
            row.secret_version,
            row.version,
            row.next_at.map(Timestamp::unix_ms),
            row.due_at.map(Timestamp::unix_ms),
            row.updated_at.unix_ms(),
            Key(row.environment_id.0) as _,
            Key(row.id.0) as _,
            expected_version
        )
        .execute(&mut *transaction)
        .await
        .conflict(OPERATION, "A trigger of this name")?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::Stale);
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// Deletes a trigger with what is remembered of it; false when the environment has no such trigger. Its runs stay.
    pub async fn delete_trigger(
        &self,
        environment: EnvironmentId,
        id: TriggerId,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "deleting a trigger";
        let mut transaction = self.begin(OPERATION).await?;
        let (environment, id) = (Key(environment.0), Key(id.0));
        sqlx::query!("DELETE FROM deliveries WHERE environment_id = $1 AND trigger_id = $2", environment as _, id as _)
            .execute(&mut *transaction)
            .await
            .during(OPERATION)?;
        sqlx::query!(
            "DELETE FROM trigger_events WHERE environment_id = $1 AND trigger_id = $2",
            environment as _,
            id as _
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        sqlx::query!(
            "DELETE FROM trigger_signatures WHERE environment_id = $1 AND trigger_id = $2",
            environment as _,
            id as _
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        let gone =
            sqlx::query!("DELETE FROM triggers WHERE environment_id = $1 AND id = $2", environment as _, id as _)
                .execute(&mut *transaction)
                .await
                .during(OPERATION)?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| true)
    }

    /// When the next schedule of any environment is to be looked at.
    pub async fn next_trigger_due(&self) -> Result<Option<Timestamp>, StoreError> {
        sqlx::query_scalar!("SELECT min(due_at) FROM triggers WHERE due_at IS NOT NULL")
            .fetch_one(&self.pool)
            .await
            .during("looking for schedules")
            .map(|at: Option<i64>| at.map(Timestamp::from_unix_ms))
    }

    /// Schedules of any environment that are to be looked at, at most `limit`, those that have been due longest first.
    pub async fn due_triggers(&self, now: Timestamp, limit: u32) -> Result<Vec<TriggerRow>, StoreError> {
        const OPERATION: &str = "looking for schedules";
        let found = select_triggers!("due_at <= $1 ORDER BY due_at LIMIT $2", now.unix_ms(), i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .during(OPERATION)?;
        found.into_iter().map(|found| row(found, OPERATION)).collect()
    }

    /// Looks at a schedule later; false when `expected` is no longer its next time.
    pub async fn postpone_trigger(
        &self,
        environment: EnvironmentId,
        id: TriggerId,
        expected: Timestamp,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "postponing a schedule";
        let changed = sqlx::query!(
            "UPDATE triggers SET due_at = $1 WHERE environment_id = $2 AND id = $3 AND next_at = $4",
            due_at.unix_ms(),
            Key(environment.0) as _,
            Key(id.0) as _,
            expected.unix_ms()
        )
        .execute(&self.pool)
        .await
        .during(OPERATION)?;
        Ok(changed.rows_affected() == 1)
    }

    /// Whether a run that this trigger started has not ended.
    pub async fn trigger_is_running(&self, environment: EnvironmentId, id: TriggerId) -> Result<bool, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM trigger_events
                 JOIN runs ON runs.environment_id = trigger_events.environment_id AND runs.id = trigger_events.run_id
                 WHERE trigger_events.environment_id = $1 AND trigger_id = $2 AND runs.finished_at IS NULL) AS "any!""#,
            Key(environment.0) as _,
            Key(id.0) as _
        )
        .fetch_one(&self.pool)
        .await
        .during("looking for runs of a trigger")
    }

    /// The run that was started for an event, for as long as that is remembered.
    pub async fn find_trigger_event(
        &self,
        environment: EnvironmentId,
        id: TriggerId,
        event: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<RunId>, StoreError> {
        const OPERATION: &str = "looking for an event of a trigger";
        let found = sqlx::query_scalar!(
            r#"SELECT run_id AS "run_id: Key" FROM trigger_events
               WHERE environment_id = $1 AND trigger_id = $2 AND event = $3 AND until > $4"#,
            Key(environment.0) as _,
            Key(id.0) as _,
            event.as_slice(),
            now.unix_ms()
        )
        .fetch_optional(&self.pool)
        .await
        .during(OPERATION)?;
        Ok(found.map(Key::id))
    }

    /// Whether a delivery with this signature was accepted.
    pub async fn knows_signature(
        &self,
        environment: EnvironmentId,
        id: TriggerId,
        signature: &[u8; 32],
    ) -> Result<bool, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM trigger_signatures
                 WHERE environment_id = $1 AND trigger_id = $2 AND signature = $3) AS "any!""#,
            Key(environment.0) as _,
            Key(id.0) as _,
            signature.as_slice()
        )
        .fetch_one(&self.pool)
        .await
        .during("looking for a signature")
    }

    /// Starts what a verified delivery or a scheduled time asks for: each event once, and all of it with the delivery that `finish`
    /// gives, in one transaction, or nothing.
    pub async fn accept_delivery(
        &self,
        acceptance: &Acceptance,
        finish: impl FnOnce(&[Started]) -> DeliveryRow + Send,
    ) -> Result<Accepted, StoreError> {
        const OPERATION: &str = "accepting a delivery";
        let mut transaction = self.begin(OPERATION).await?;
        let (environment, id) = (Key(acceptance.environment_id.0), Key(acceptance.trigger_id.0));
        let next_at = sqlx::query_scalar!(
            "SELECT next_at FROM triggers WHERE environment_id = $1 AND id = $2 AND version = $3 AND enabled FOR UPDATE",
            environment as _,
            id as _,
            acceptance.version
        )
        .fetch_optional(&mut *transaction)
        .await
        .during(OPERATION)?;
        let Some(next_at) = next_at else { return Ok(Accepted::Stale) };
        if let Some(step) = &acceptance.schedule {
            if next_at != Some(step.expected.unix_ms()) {
                return Ok(Accepted::Stale);
            }
            move_on(&mut transaction, acceptance, step, OPERATION).await?;
        }
        if let Some((signature, _)) = &acceptance.replay {
            let known = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT 1 FROM trigger_signatures
                     WHERE environment_id = $1 AND trigger_id = $2 AND signature = $3) AS "any!""#,
                environment as _,
                id as _,
                signature.as_slice()
            )
            .fetch_one(&mut *transaction)
            .await
            .during(OPERATION)?;
            if known {
                return Ok(Accepted::Replayed);
            }
        }
        let since = acceptance.now.plus_ms(-HOUR_MS).unix_ms();
        let mut count: i64 = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM trigger_events WHERE environment_id = $1 AND trigger_id = $2 AND at > $3"#,
            environment as _,
            id as _,
            since
        )
        .fetch_one(&mut *transaction)
        .await
        .during(OPERATION)?;
        let mut started = Vec::with_capacity(acceptance.starts.len());
        for one in &acceptance.starts {
            let limited = count >= i64::from(acceptance.runs_per_hour);
            let outcome = start(&mut transaction, acceptance, one, limited, OPERATION).await?;
            count += i64::from(matches!(outcome, Started::New(_)));
            started.push(outcome);
        }
        // One that is to be delivered again must not be taken for a replay then.
        if let Some((signature, until)) = acceptance.replay.filter(|_| !started.contains(&Started::Limited)) {
            sqlx::query!(
                "INSERT INTO trigger_signatures (environment_id, trigger_id, signature, until) VALUES ($1, $2, $3, $4)",
                environment as _,
                id as _,
                signature.as_slice(),
                until.unix_ms()
            )
            .execute(&mut *transaction)
            .await
            .during(OPERATION)?;
        }
        deliveries::add(&mut transaction, &finish(&started), OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| Accepted::Done(started))
    }

    /// Forgets events and signatures whose time is over; events of the last hour, and of runs that have not ended, stay.
    pub async fn prune_triggers(&self, now: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "forgetting events of triggers";
        let events = sqlx::query!(
            "DELETE FROM trigger_events WHERE until < $1 AND at < $2 AND NOT EXISTS (
               SELECT 1 FROM runs WHERE runs.environment_id = trigger_events.environment_id
                 AND runs.id = trigger_events.run_id AND runs.finished_at IS NULL)",
            now.unix_ms(),
            now.plus_ms(-HOUR_MS).unix_ms()
        )
        .execute(&self.pool)
        .await
        .during(OPERATION)?;
        let signatures = sqlx::query!("DELETE FROM trigger_signatures WHERE until < $1", now.unix_ms())
            .execute(&self.pool)
            .await
            .during(OPERATION)?;
        Ok(events.rows_affected() + signatures.rows_affected())
    }
}

async fn move_on(
    transaction: &mut PgConnection,
    acceptance: &Acceptance,
    step: &ScheduleStep,
    operation: &'static str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE triggers SET next_at = $1, due_at = $1 WHERE environment_id = $2 AND id = $3",
        step.next_at.map(Timestamp::unix_ms),
        Key(acceptance.environment_id.0) as _,
        Key(acceptance.trigger_id.0) as _
    )
    .execute(transaction)
    .await
    .during(operation)
    .map(|_| ())
}

/// Starts one run, unless one was started for the same event, or the trigger is at its limit.
async fn start(
    transaction: &mut PgConnection,
    acceptance: &Acceptance,
    one: &TriggerStart,
    limited: bool,
    operation: &'static str,
) -> Result<Started, StoreError> {
    let (environment, id) = (Key(acceptance.environment_id.0), Key(acceptance.trigger_id.0));
    let before = sqlx::query_scalar!(
        r#"SELECT run_id AS "run_id: Key" FROM trigger_events
           WHERE environment_id = $1 AND trigger_id = $2 AND event = $3 AND until > $4"#,
        environment as _,
        id as _,
        one.event.as_slice(),
        acceptance.now.unix_ms()
    )
    .fetch_optional(&mut *transaction)
    .await
    .during(operation)?;
    if let Some(run) = before {
        return Ok(Started::Duplicate(run.id()));
    }
    if limited {
        return Ok(Started::Limited);
    }
    crate::runs::insert(transaction, &one.run, operation).await?;
    crate::audit::record(transaction, &one.audit, operation).await?;
    sqlx::query!(
        "INSERT INTO trigger_events (environment_id, trigger_id, event, run_id, at, until) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (environment_id, trigger_id, event)
         DO UPDATE SET run_id = excluded.run_id, at = excluded.at, until = excluded.until",
        environment as _,
        id as _,
        one.event.as_slice(),
        Key(one.run.id.0) as _,
        acceptance.now.unix_ms(),
        one.until.unix_ms()
    )
    .execute(transaction)
    .await
    .during(operation)?;
    Ok(Started::New(one.run.id))
}
