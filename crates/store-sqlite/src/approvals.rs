//! Approvals: asked for once, voted on by compare-and-set, used once.

use quartermaster_store_model::column::{
    CorruptColumn, approval_kind_from_text, approval_state_from_text, count_from_integer, hash_from_bytes,
    id_from_bytes, numbers_from_text, numbers_to_text,
};
use quartermaster_store_model::{ApprovalQuery, ApprovalRow, AuditRow, Opened, StoreError, VoteRow, Voted};
use quartermaster_types::{ApprovalId, ApprovalState, EnvironmentId, RunId, Timestamp};
use sqlx::sqlite::SqliteConnection;

use crate::SqliteStore;
use crate::columns::{HIGHEST, bytes};
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

struct ApprovalColumns {
    environment_id: Vec<u8>,
    id: Vec<u8>,
    kind: String,
    fingerprint: Vec<u8>,
    record_digest: Option<Vec<u8>>,
    token_id: Vec<u8>,
    session: Option<String>,
    run_id: Option<Vec<u8>>,
    step: Option<String>,
    account_id: Option<Vec<u8>>,
    subject: String,
    card: String,
    terms: String,
    quorum: i64,
    state: String,
    created_at: i64,
    expires_at: i64,
    decided_at: Option<i64>,
    used_by: Option<String>,
    used_at: Option<i64>,
}

impl TryFrom<ApprovalColumns> for ApprovalRow {
    type Error = CorruptColumn;

    fn try_from(columns: ApprovalColumns) -> Result<Self, CorruptColumn> {
        let digest =
            columns.record_digest.map(|bytes| hash_from_bytes("approvals.record_digest", &bytes)).transpose()?;
        Ok(Self {
            id: id_from_bytes("approvals.id", &columns.id)?,
            environment_id: id_from_bytes("approvals.environment_id", &columns.environment_id)?,
            kind: approval_kind_from_text("approvals.kind", &columns.kind)?,
            fingerprint: hash_from_bytes("approvals.fingerprint", &columns.fingerprint)?,
            record_digest: digest,
            token_id: id_from_bytes("approvals.token_id", &columns.token_id)?,
            session: columns.session,
            run_id: columns.run_id.map(|id| id_from_bytes("approvals.run_id", &id)).transpose()?,
            step: columns.step,
            account_id: columns.account_id.map(|id| id_from_bytes("approvals.account_id", &id)).transpose()?,
            subject: columns.subject,
            card: columns.card,
            terms: columns.terms,
            quorum: count_from_integer("approvals.quorum", columns.quorum)?,
            state: approval_state_from_text("approvals.state", &columns.state)?,
            created_at: Timestamp::from_unix_ms(columns.created_at),
            expires_at: Timestamp::from_unix_ms(columns.expires_at),
            decided_at: columns.decided_at.map(Timestamp::from_unix_ms),
            used_by: columns.used_by,
            used_at: columns.used_at.map(Timestamp::from_unix_ms),
        })
    }
}

macro_rules! select_approvals {
    ($condition:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            ApprovalColumns,
            r#"SELECT environment_id, id, kind, fingerprint, record_digest, token_id, session, run_id, step, account_id, subject,
                      card, terms, quorum, state, created_at, expires_at, decided_at, used_by, used_at
               FROM approvals WHERE "# + $condition
            $(, $argument)*
        )
    };
}

fn row(columns: ApprovalColumns, operation: &'static str) -> Result<ApprovalRow, StoreError> {
    columns.try_into().map_err(|error: CorruptColumn| StoreError::database(operation, error))
}

impl SqliteStore {
    /// Asks for an approval, with an audit record, unless the same is open already. What has run out by then is closed first.
    pub async fn open_approval(&self, new: &ApprovalRow, audit: &AuditRow) -> Result<Opened, StoreError> {
        const OPERATION: &str = "asking for an approval";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        sqlx::query!(
            "UPDATE approvals SET state = 'expired'
             WHERE environment_id = ?1 AND fingerprint = ?2 AND expires_at <= ?3
               AND (state = 'pending' OR (state = 'approved' AND kind = 'call'))",
            bytes(&new.environment_id.0),
            new.fingerprint.as_slice(),
            new.created_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        let added = sqlx::query!(
            "INSERT INTO approvals (environment_id, id, kind, fingerprint, record_digest, token_id, session, run_id, step,
                                    account_id, subject, card, terms, quorum, state, created_at, expires_at, decided_at,
                                    used_by, used_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
             ON CONFLICT (environment_id, fingerprint) WHERE state IN ('pending', 'approved') DO NOTHING",
            bytes(&new.environment_id.0),
            bytes(&new.id.0),
            new.kind.as_str(),
            new.fingerprint.as_slice(),
            new.record_digest.as_ref().map(<[u8; 32]>::as_slice),
            bytes(&new.token_id.0),
            new.session.as_deref(),
            new.run_id.as_ref().map(|id| bytes(&id.0)),
            new.step.as_deref(),
            new.account_id.as_ref().map(|id| bytes(&id.0)),
            new.subject.as_str(),
            new.card.as_str(),
            new.terms.as_str(),
            i64::from(new.quorum),
            new.state.as_str(),
            new.created_at.unix_ms(),
            new.expires_at.unix_ms(),
            new.decided_at.map(Timestamp::unix_ms),
            new.used_by.as_deref(),
            new.used_at.map(Timestamp::unix_ms)
        )
        .execute(&mut *transaction)
        .await
        .conflict(OPERATION, "the approval")?;
        if added.rows_affected() == 0 {
            let open = select_approvals!(
                "environment_id = ?1 AND fingerprint = ?2 AND state IN ('pending', 'approved')",
                bytes(&new.environment_id.0),
                new.fingerprint.as_slice()
            )
            .fetch_one(&mut *transaction)
            .await
            .during(OPERATION)?;
            return Ok(Opened::Open(Box::new(row(open, OPERATION)?)));
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| Opened::New)
    }

    /// One approval of this environment.
    pub async fn find_approval(
        &self,
        environment: EnvironmentId,
        id: ApprovalId,
    ) -> Result<Option<ApprovalRow>, StoreError> {
        const OPERATION: &str = "reading an approval";
        let found = select_approvals!("environment_id = ?1 AND id = ?2", bytes(&environment.0), bytes(&id.0))
            .fetch_optional(&self.inner.readers)
            .await
            .during(OPERATION)?;
        found.map(|columns| row(columns, OPERATION)).transpose()
    }

    /// The newest approval with this fingerprint.
    pub async fn last_approval(
        &self,
        environment: EnvironmentId,
        fingerprint: &[u8; 32],
    ) -> Result<Option<ApprovalRow>, StoreError> {
        const OPERATION: &str = "looking for an approval";
        let found = select_approvals!(
            "environment_id = ?1 AND fingerprint = ?2 ORDER BY id DESC LIMIT 1",
            bytes(&environment.0),
            fingerprint.as_slice()
        )
        .fetch_optional(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found.map(|columns| row(columns, OPERATION)).transpose()
    }

    /// Approvals of an environment, newest first.
    pub async fn list_approvals(
        &self,
        environment: EnvironmentId,
        query: &ApprovalQuery,
    ) -> Result<Vec<ApprovalRow>, StoreError> {
        const OPERATION: &str = "listing approvals";
        let below = query.before.map_or(HIGHEST, |id| id.0);
        let found = select_approvals!(
            "environment_id = ?1 AND id < ?2
               AND (?3 IS NULL OR ?3 = CASE
                     WHEN expires_at <= ?4 AND (state = 'pending' OR (state = 'approved' AND kind = 'call')) THEN 'expired'
                     ELSE state END)
               AND (?5 IS NULL OR run_id = ?5)
               AND (?6 IS NULL OR token_id = ?6)
             ORDER BY id DESC LIMIT ?7",
            bytes(&environment.0),
            bytes(&below),
            query.state.map(ApprovalState::as_str),
            query.now.unix_ms(),
            query.run_id.as_ref().map(|id| bytes(&id.0)),
            query.token_id.as_ref().map(|id| bytes(&id.0)),
            i64::from(query.limit)
        )
        .fetch_all(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found.into_iter().map(|columns| row(columns, OPERATION)).collect()
    }

    /// The votes on an approval, in the order in which they were given.
    pub async fn list_approval_votes(
        &self,
        environment: EnvironmentId,
        id: ApprovalId,
    ) -> Result<Vec<VoteRow>, StoreError> {
        const OPERATION: &str = "reading the votes on an approval";
        let found = sqlx::query!(
            r#"SELECT approver, name, approve AS "approve: bool", vetoed, reason, at FROM approval_votes
               WHERE environment_id = ?1 AND approval_id = ?2 ORDER BY at, approver"#,
            bytes(&environment.0),
            bytes(&id.0)
        )
        .fetch_all(&self.inner.readers)
        .await
        .during(OPERATION)?;
        let vote = |vetoed: &str| {
            let numbers = numbers_from_text("approval_votes.vetoed", vetoed);
            numbers.map_err(|error| StoreError::database(OPERATION, error))
        };
        found
            .into_iter()
            .map(|columns| {
                Ok(VoteRow {
                    vetoed: vote(&columns.vetoed)?,
                    approver: columns.approver,
                    name: columns.name,
                    approve: columns.approve,
                    reason: columns.reason,
                    at: Timestamp::from_unix_ms(columns.at),
                })
            })
            .collect()
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
        const OPERATION: &str = "voting on an approval";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let found = select_approvals!("environment_id = ?1 AND id = ?2", bytes(&environment.0), bytes(&id.0))
            .fetch_optional(&mut *transaction)
            .await
            .during(OPERATION)?;
        let Some(found) = found else { return Ok(Voted::Missing) };
        let mut approval = row(found, OPERATION)?;
        if approval.state_at(vote.at) != ApprovalState::Pending {
            return Ok(Voted::Closed(approval));
        }
        let added = sqlx::query!(
            "INSERT INTO approval_votes (environment_id, approval_id, approver, name, approve, vetoed, reason, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (environment_id, approval_id, approver) DO NOTHING",
            bytes(&environment.0),
            bytes(&id.0),
            vote.approver.as_str(),
            vote.name.as_str(),
            vote.approve,
            numbers_to_text(&vote.vetoed),
            vote.reason.as_deref(),
            vote.at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        if added.rows_affected() == 0 {
            return Ok(Voted::Before(approval));
        }
        let yes: i64 = sqlx::query_scalar!(
            "SELECT count(*) FROM approval_votes WHERE environment_id = ?1 AND approval_id = ?2 AND approve = 1",
            bytes(&environment.0),
            bytes(&id.0)
        )
        .fetch_one(&mut *transaction)
        .await
        .during(OPERATION)?;
        let state = approval.state_after(vote.approve, yes);
        if state != ApprovalState::Pending {
            decide(&mut transaction, &mut approval, state, vote.at, lasts_ms, OPERATION).await?;
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| Voted::Counted(approval))
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
        const OPERATION: &str = "using an approval";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let taken = sqlx::query!(
            "UPDATE approvals SET state = 'used', used_by = ?1, used_at = ?2
             WHERE environment_id = ?3 AND id = ?4
               AND ((state = 'approved' AND expires_at > ?2) OR (state = 'used' AND used_by = ?1))",
            used_by,
            now.unix_ms(),
            bytes(&environment.0),
            bytes(&id.0)
        )
        .execute(&mut *writer)
        .await
        .during(OPERATION)?;
        Ok(taken.rows_affected() == 1)
    }

    /// Gives back what this request took: nothing was done with it.
    pub async fn give_back_approval(
        &self,
        environment: EnvironmentId,
        id: ApprovalId,
        used_by: &str,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "giving back an approval";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        sqlx::query!(
            "UPDATE approvals SET state = 'approved', used_by = NULL, used_at = NULL
             WHERE environment_id = ?1 AND id = ?2 AND state = 'used' AND used_by = ?3",
            bytes(&environment.0),
            bytes(&id.0),
            used_by
        )
        .execute(&mut *writer)
        .await
        .during(OPERATION)
        .map(|_| ())
    }

    /// Closes an approval that can let something through, or still be decided: what it is about is not any more.
    pub async fn expire_approval(&self, environment: EnvironmentId, id: ApprovalId) -> Result<(), StoreError> {
        const OPERATION: &str = "closing an approval";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        sqlx::query!(
            "UPDATE approvals SET state = 'expired' WHERE environment_id = ?1 AND id = ?2 AND state IN ('pending', 'approved')",
            bytes(&environment.0),
            bytes(&id.0)
        )
        .execute(&mut *writer)
        .await
        .during(OPERATION)
        .map(|_| ())
    }

    /// Closes every approval of a run that has ended.
    pub async fn expire_approvals_of_run(&self, environment: EnvironmentId, run: RunId) -> Result<(), StoreError> {
        const OPERATION: &str = "closing the approvals of a run";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        sqlx::query!(
            "UPDATE approvals SET state = 'expired'
             WHERE environment_id = ?1 AND run_id = ?2 AND state IN ('pending', 'approved')",
            bytes(&environment.0),
            bytes(&run.0)
        )
        .execute(&mut *writer)
        .await
        .during(OPERATION)
        .map(|_| ())
    }
}

/// Sets what was decided, and wakes the run that waits for it.
async fn decide(
    transaction: &mut SqliteConnection,
    approval: &mut ApprovalRow,
    state: ApprovalState,
    at: Timestamp,
    lasts_ms: i64,
    operation: &'static str,
) -> Result<(), StoreError> {
    approval.state = state;
    approval.decided_at = Some(at);
    if state == ApprovalState::Approved {
        approval.expires_at = at.plus_ms(lasts_ms);
    }
    sqlx::query!(
        "UPDATE approvals SET state = ?1, decided_at = ?2, expires_at = ?3 WHERE environment_id = ?4 AND id = ?5",
        state.as_str(),
        at.unix_ms(),
        approval.expires_at.unix_ms(),
        bytes(&approval.environment_id.0),
        bytes(&approval.id.0)
    )
    .execute(&mut *transaction)
    .await
    .during(operation)?;
    let Some(run) = approval.run_id else { return Ok(()) };
    sqlx::query!(
        "UPDATE runs SET due_at = ?1 WHERE environment_id = ?2 AND id = ?3 AND state = 'waiting' AND due_at > ?1",
        at.unix_ms(),
        bytes(&approval.environment_id.0),
        bytes(&run.0)
    )
    .execute(transaction)
    .await
    .during(operation)
    .map(|_| ())
}
