//! Kill switches, the changes that blast radii count, the sizes of directories.

use quartermaster_store_model::column::{CorruptColumn, count_from_integer, id_from_bytes, switch_kind_from_text};
use quartermaster_store_model::{
    AuditRow, Blast, BlastReservation, BlastUsage, BlastUse, DirectorySizeRow, StoreError, SwitchKind, SwitchRow,
};
use quartermaster_types::{AccountId, EnvironmentId, Timestamp};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::SqliteStore;
use crate::columns::bytes;
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

struct SwitchColumns {
    environment_id: Vec<u8>,
    kind: String,
    subject: String,
    reason: String,
    token_id: Vec<u8>,
    created_at: i64,
}

impl TryFrom<SwitchColumns> for SwitchRow {
    type Error = CorruptColumn;

    fn try_from(columns: SwitchColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            environment_id: id_from_bytes("switches.environment_id", &columns.environment_id)?,
            kind: switch_kind_from_text("switches.kind", &columns.kind)?,
            subject: columns.subject,
            reason: columns.reason,
            token_id: id_from_bytes("switches.token_id", &columns.token_id)?,
            created_at: Timestamp::from_unix_ms(columns.created_at),
        })
    }
}

impl SqliteStore {
    /// Switches something off, or changes why, with its audit record.
    pub async fn put_switch(&self, row: &SwitchRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "switching something off";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        sqlx::query!(
            "INSERT INTO switches (environment_id, kind, subject, reason, token_id, created_at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (environment_id, kind, subject) DO UPDATE
             SET reason = excluded.reason, token_id = excluded.token_id, created_at = excluded.created_at",
            bytes(&row.environment_id.0),
            row.kind.as_str(),
            row.subject.as_str(),
            row.reason.as_str(),
            bytes(&row.token_id.0),
            row.created_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
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
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let done = sqlx::query!(
            "DELETE FROM switches WHERE environment_id = ? AND kind = ? AND subject = ?",
            bytes(&environment.0),
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
        transaction.commit().await.during(OPERATION).map(|()| true)
    }

    /// What is switched off in an environment, in no order.
    pub async fn list_switches(&self, environment: EnvironmentId) -> Result<Vec<SwitchRow>, StoreError> {
        const OPERATION: &str = "listing what is switched off";
        let found = sqlx::query_as!(
            SwitchColumns,
            "SELECT environment_id, kind, subject, reason, token_id, created_at FROM switches WHERE environment_id = ?",
            bytes(&environment.0)
        )
        .fetch_all(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found
            .into_iter()
            .map(|columns| columns.try_into().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error)))
            .collect()
    }

    /// Counts a change towards all its limits, or none when one of them is full. Outlives a loss of power: a change that was
    /// sent must stay counted.
    pub async fn reserve_blast(&self, reservation: &BlastReservation) -> Result<Blast, StoreError> {
        const OPERATION: &str = "counting a change";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
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
                "INSERT INTO blast_uses (environment_id, limit_name, subject, id, at) VALUES (?, ?, ?, ?, ?)",
                bytes(&reservation.environment_id.0),
                limit.limit.as_str(),
                limit.subject.as_str(),
                bytes(&reservation.id),
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
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        for limit in limits {
            sqlx::query!(
                "DELETE FROM blast_uses WHERE environment_id = ? AND limit_name = ? AND subject = ? AND id = ?",
                bytes(&environment.0),
                limit.limit.as_str(),
                limit.subject.as_str(),
                bytes(&id)
            )
            .execute(&mut *writer)
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
            r#"SELECT count(*) AS "used!: i64" FROM blast_uses
               WHERE environment_id = ? AND limit_name = ? AND subject = ? AND at > ?"#,
            bytes(&environment.0),
            limit.limit.as_str(),
            limit.subject.as_str(),
            since
        )
        .fetch_one(&self.inner.readers)
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
            r#"SELECT subject AS "subject!", count(*) AS "used!: i64", min(at) AS "first_at!: i64", max(at) AS "last_at!: i64"
               FROM blast_uses WHERE environment_id = ? AND limit_name = ? AND at > ?
               GROUP BY subject ORDER BY count(*) DESC, max(at) DESC LIMIT ?"#,
            bytes(&environment.0),
            name,
            since,
            limit
        )
        .fetch_all(&self.inner.readers)
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
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        sqlx::query!("DELETE FROM blast_uses WHERE at < ?", before.unix_ms())
            .execute(&mut *writer)
            .await
            .during(OPERATION)
            .map(|done| done.rows_affected())
    }

    /// Remembers how many records a directory has; an account that is gone is left alone.
    pub async fn put_directory_size(&self, row: &DirectorySizeRow) -> Result<(), StoreError> {
        const OPERATION: &str = "remembering the size of a directory";
        let records = i64::try_from(row.records).unwrap_or(i64::MAX);
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        sqlx::query!(
            "INSERT INTO directory_sizes (environment_id, account_id, resource, records, at)
             SELECT environment_id, id, ?1, ?2, ?3 FROM accounts WHERE environment_id = ?4 AND id = ?5
             ON CONFLICT (environment_id, account_id, resource) DO UPDATE
             SET records = excluded.records, at = excluded.at WHERE excluded.at >= at",
            row.resource.as_str(),
            records,
            row.at.unix_ms(),
            bytes(&row.environment_id.0),
            bytes(&row.account_id.0)
        )
        .execute(&mut *writer)
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
            "SELECT records, at FROM directory_sizes WHERE environment_id = ? AND account_id = ? AND resource = ?",
            bytes(&environment.0),
            bytes(&account.0),
            resource
        )
        .fetch_optional(&self.inner.readers)
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
    connection: &mut SqliteConnection,
    reservation: &BlastReservation,
    limit: &BlastUse,
    operation: &'static str,
) -> Result<Counted, StoreError> {
    let since = limit.since.map_or(i64::MIN, Timestamp::unix_ms);
    let found = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM blast_uses
                   WHERE environment_id = ?1 AND limit_name = ?2 AND subject = ?3 AND at > ?4) AS "used!: i64",
                  EXISTS (SELECT 1 FROM blast_uses
                   WHERE environment_id = ?1 AND limit_name = ?2 AND subject = ?3 AND id = ?5) AS "is_known!: bool""#,
        bytes(&reservation.environment_id.0),
        limit.limit.as_str(),
        limit.subject.as_str(),
        since,
        bytes(&reservation.id)
    )
    .fetch_one(connection)
    .await
    .during(operation)?;
    let used = count_from_integer("blast_uses", found.used).map_err(|error| StoreError::database(operation, error))?;
    Ok(Counted { used, is_known: found.is_known })
}

/// The change that has to leave the window before there is room for one more.
async fn frees(
    connection: &mut SqliteConnection,
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
        "SELECT at FROM blast_uses WHERE environment_id = ? AND limit_name = ? AND subject = ? AND at > ?
         ORDER BY at LIMIT 1 OFFSET ?",
        bytes(&reservation.environment_id.0),
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
