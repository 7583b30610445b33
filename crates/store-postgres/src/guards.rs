//! Kill switches, the changes that blast radii count, the sizes of directories.

use quartermaster_store_model::column::{CorruptColumn, count_from_integer, switch_kind_from_text};
use quartermaster_store_model::{
    AuditRow, Blast, BlastReservation, BlastUsage, BlastUse, DirectorySizeRow, Stale, StoreError, SwitchKind, SwitchRow,
};
use quartermaster_types::{AccountId, EnvironmentId, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

struct SwitchColumns {
    environment_id: Key,
    kind: String,
    subject: String,
    reason: String,
    token_id: Key,
    created_at: i64,
}

impl TryFrom<SwitchColumns> for SwitchRow {
    type Error = CorruptColumn;

    fn try_from(columns: SwitchColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            environment_id: columns.environment_id.id(),
            kind: switch_kind_from_text("switches.kind", &columns.kind)?,
            subject: columns.subject,
            reason: columns.reason,
            token_id: columns.token_id.id(),
            created_at: Timestamp::from_unix_ms(columns.created_at),
        })
    }
}

impl PostgresStore {
    /// Switches something off, or changes why, with its audit record.
    pub async fn put_switch(&self, row: &SwitchRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "switching something off";
        let mut transaction = self.begin(OPERATION).await?;
        sqlx::query!(
            "INSERT INTO switches (environment_id, kind, subject, reason, token_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (environment_id, kind, subject) DO UPDATE
             SET reason = excluded.reason, token_id = excluded.token_id, created_at = excluded.created_at",
            Key(row.environment_id.0) as _,
            row.kind.as_str(),
            row.subject.as_str(),
            row.reason.as_str(),
            Key(row.token_id.0) as _,
            row.created_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        crate::revisions::announce(&mut transaction, row.environment_id, &Stale::Switches, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// Switches something on again, with its audit record; false, and nothing recorded, when it is not off.
    pub async fn delete_switch(
        &self,
        environment: EnvironmentId,
        kind: SwitchKind,
        subject: &str,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "switching something on";
        let mut transaction = self.begin(OPERATION).await?;
        let done = sqlx::query!(
            "DELETE FROM switches WHERE environment_id = $1 AND kind = $2 AND subject = $3",
            Key(environment.0) as _,
            kind.as_str(),
            subject
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        crate::revisions::announce(&mut transaction, environment, &Stale::Switches, OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| true)
    }

    /// What is switched off in an environment, in no order.
    pub async fn list_switches(&self, environment: EnvironmentId) -> Result<Vec<SwitchRow>, StoreError> {
        const OPERATION: &str = "listing what is switched off";
        let found = sqlx::query_as!(
            SwitchColumns,
            r#"SELECT environment_id AS "environment_id: Key", kind, subject, reason, token_id AS "token_id: Key", created_at
               FROM switches WHERE environment_id = $1"#,
            Key(environment.0) as _
        )
        .fetch_all(&self.pool)
        .await
        .during(OPERATION)?;
        found
            .into_iter()
            .map(|columns| columns.try_into().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error)))
            .collect()
    }

    /// Counts a change towards all its limits, or none when one of them is full. Those of one environment take turns, so that
    /// of many at once exactly as many are counted as there is room for.
    pub async fn reserve_blast(&self, reservation: &BlastReservation) -> Result<Blast, StoreError> {
        const OPERATION: &str = "counting a change";
        let mut transaction = self.begin(OPERATION).await?;
        sqlx::query!(
            "SELECT 1 AS one FROM environments WHERE id = $1 FOR NO KEY UPDATE",
            Key(reservation.environment_id.0) as _
        )
        .fetch_optional(&mut *transaction)
        .await
        .during(OPERATION)?;
        let (mut used, mut is_new) = (Vec::with_capacity(reservation.uses.len()), true);
        for (place, limit) in reservation.uses.iter().enumerate() {
            let counted = count(&mut transaction, reservation, limit, OPERATION).await?;
            if counted.is_known {
                used.push(counted.used);
                is_new = false;
                continue;
            }
            if counted.used >= limit.max {
                let frees = frees(&mut transaction, reservation, limit, counted.used, OPERATION).await?;
                return Ok(Blast::Full { place, used: counted.used, frees });
            }
            sqlx::query!(
                "INSERT INTO blast_uses (environment_id, limit_name, subject, id, at) VALUES ($1, $2, $3, $4, $5)",
                Key(reservation.environment_id.0) as _,
                limit.limit.as_str(),
                limit.subject.as_str(),
                Key(reservation.id) as _,
                reservation.at.unix_ms()
            )
            .execute(&mut *transaction)
            .await
            .during(OPERATION)?;
            used.push(counted.used + 1);
        }
        transaction.commit().await.during(OPERATION).map(|()| Blast::Counted { used, is_new })
    }

    /// Takes a change out of every count: nothing was changed.
    pub async fn release_blast(
        &self,
        environment: EnvironmentId,
        id: Uuid,
        limits: &[BlastUse],
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "taking a change out of a count";
        for limit in limits {
            sqlx::query!(
                "DELETE FROM blast_uses WHERE environment_id = $1 AND limit_name = $2 AND subject = $3 AND id = $4",
                Key(environment.0) as _,
                limit.limit.as_str(),
                limit.subject.as_str(),
                Key(id) as _
            )
            .execute(&self.pool)
            .await
            .during(OPERATION)?;
        }
        Ok(())
    }

    /// How many changes a limit has counted.
    pub async fn count_blast(&self, environment: EnvironmentId, limit: &BlastUse) -> Result<u64, StoreError> {
        const OPERATION: &str = "counting changes";
        let since = limit.since.map_or(i64::MIN, Timestamp::unix_ms);
        let used = sqlx::query_scalar!(
            r#"SELECT count(*) AS "used!" FROM blast_uses
               WHERE environment_id = $1 AND limit_name = $2 AND subject = $3 AND at > $4"#,
            Key(environment.0) as _,
            limit.limit.as_str(),
            limit.subject.as_str(),
            since
        )
        .fetch_one(&self.pool)
        .await
        .during(OPERATION)?;
        count_from_integer("blast_uses", used).map_err(|error| StoreError::database(OPERATION, error))
    }

    /// What has been counted under a limit after `since`, the most used first, at most `limit` subjects.
    pub async fn list_blast_uses(
        &self,
        environment: EnvironmentId,
        name: &str,
        since: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<BlastUsage>, StoreError> {
        const OPERATION: &str = "listing counted changes";
        let since = since.map_or(i64::MIN, Timestamp::unix_ms);
        let found = sqlx::query!(
            r#"SELECT subject AS "subject!", count(*) AS "used!", min(at) AS "first_at!", max(at) AS "last_at!"
               FROM blast_uses WHERE environment_id = $1 AND limit_name = $2 AND at > $3
               GROUP BY subject ORDER BY count(*) DESC, max(at) DESC LIMIT $4"#,
            Key(environment.0) as _,
            name,
            since,
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .during(OPERATION)?;
        let usage = found.into_iter().map(|row| {
            Ok(BlastUsage {
                limit: name.to_owned(),
                subject: row.subject,
                used: count_from_integer("blast_uses", row.used)?,
                first_at: Timestamp::from_unix_ms(row.first_at),
                last_at: Timestamp::from_unix_ms(row.last_at),
            })
        });
        usage.collect::<Result<_, CorruptColumn>>().map_err(|error| StoreError::database(OPERATION, error))
    }

    /// Forgets changes from before `before`; says how many rows.
    pub async fn prune_blast(&self, before: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "forgetting counted changes";
        sqlx::query!("DELETE FROM blast_uses WHERE at < $1", before.unix_ms())
            .execute(&self.pool)
            .await
            .during(OPERATION)
            .map(|done| done.rows_affected())
    }

    /// Remembers how many records a directory has; an account that is gone is left alone.
    pub async fn put_directory_size(&self, row: &DirectorySizeRow) -> Result<(), StoreError> {
        const OPERATION: &str = "remembering the size of a directory";
        let records = i64::try_from(row.records).unwrap_or(i64::MAX);
        sqlx::query!(
            "INSERT INTO directory_sizes (environment_id, account_id, resource, records, at)
             SELECT environment_id, id, $1::text, $2::bigint, $3::bigint FROM accounts WHERE environment_id = $4 AND id = $5
             ON CONFLICT (environment_id, account_id, resource) DO UPDATE
             SET records = excluded.records, at = excluded.at WHERE excluded.at >= directory_sizes.at",
            row.resource.as_str(),
            records,
            row.at.unix_ms(),
            Key(row.environment_id.0) as _,
            Key(row.account_id.0) as _
        )
        .execute(&self.pool)
        .await
        .during(OPERATION)
        .map(|_| ())
    }

    /// How many records a directory had when it was last seen whole.
    pub async fn find_directory_size(
        &self,
        environment: EnvironmentId,
        account: AccountId,
        resource: &str,
    ) -> Result<Option<DirectorySizeRow>, StoreError> {
        const OPERATION: &str = "reading the size of a directory";
        let found = sqlx::query!(
            "SELECT records, at FROM directory_sizes WHERE environment_id = $1 AND account_id = $2 AND resource = $3",
            Key(environment.0) as _,
            Key(account.0) as _,
            resource
        )
        .fetch_optional(&self.pool)
        .await
        .during(OPERATION)?;
        let row = found.map(|row| {
            Ok::<_, CorruptColumn>(DirectorySizeRow {
                environment_id: environment,
                account_id: account,
                resource: resource.to_owned(),
                records: count_from_integer("directory_sizes.records", row.records)?,
                at: Timestamp::from_unix_ms(row.at),
            })
        });
        row.transpose().map_err(|error| StoreError::database(OPERATION, error))
    }
}

struct Counted {
    used: u64,
    /// Whether this very change is among them, whenever it was.
    is_known: bool,
}

async fn count(
    connection: &mut PgConnection,
    reservation: &BlastReservation,
    limit: &BlastUse,
    operation: &'static str,
) -> Result<Counted, StoreError> {
    let since = limit.since.map_or(i64::MIN, Timestamp::unix_ms);
    let found = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM blast_uses
                   WHERE environment_id = $1 AND limit_name = $2 AND subject = $3 AND at > $4) AS "used!",
                  EXISTS (SELECT 1 FROM blast_uses
                   WHERE environment_id = $1 AND limit_name = $2 AND subject = $3 AND id = $5) AS "is_known!""#,
        Key(reservation.environment_id.0) as _,
        limit.limit.as_str(),
        limit.subject.as_str(),
        since,
        Key(reservation.id) as _
    )
    .fetch_one(connection)
    .await
    .during(operation)?;
    let used = count_from_integer("blast_uses", found.used).map_err(|error| StoreError::database(operation, error))?;
    Ok(Counted { used, is_known: found.is_known })
}

/// The change that has to leave the window before there is room for one more.
async fn frees(
    connection: &mut PgConnection,
    reservation: &BlastReservation,
    limit: &BlastUse,
    used: u64,
    operation: &'static str,
) -> Result<Option<Timestamp>, StoreError> {
    if limit.max == 0 {
        return Ok(None);
    }
    let since = limit.since.map_or(i64::MIN, Timestamp::unix_ms);
    let older = i64::try_from(used - limit.max).unwrap_or(i64::MAX);
    let at = sqlx::query_scalar!(
        "SELECT at FROM blast_uses WHERE environment_id = $1 AND limit_name = $2 AND subject = $3 AND at > $4
         ORDER BY at LIMIT 1 OFFSET $5",
        Key(reservation.environment_id.0) as _,
        limit.limit.as_str(),
        limit.subject.as_str(),
        since,
        older
    )
    .fetch_optional(connection)
    .await
    .during(operation)?;
    Ok(at.map(Timestamp::from_unix_ms))
}
