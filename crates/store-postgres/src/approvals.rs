//! Approvals: asked for once, voted on by compare-and-set, used once.

use quartermaster_store_model::column::{
    CorruptColumn, approval_kind_from_text, approval_state_from_text, count_from_integer, hash_from_bytes,
    numbers_from_text, numbers_to_text,
};
use quartermaster_store_model::{ApprovalQuery, ApprovalRow, AuditRow, Opened, StoreError, VoteRow, Voted};
use quartermaster_types::{ApprovalId, ApprovalState, EnvironmentId, RunId, Timestamp};
use sqlx::PgConnection;

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

struct ApprovalColumns {
    environment_id: Key,
    id: Key,
    kind: String,
    fingerprint: Vec<u8>,
    record_digest: Option<Vec<u8>>,
    token_id: Key,
    session: Option<String>,
    run_id: Option<Key>,
    step: Option<String>,
    account_id: Option<Key>,
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
            id: columns.id.id(),
            environment_id: columns.environment_id.id(),
            kind: approval_kind_from_text("approvals.kind", &columns.kind)?,
            fingerprint: hash_from_bytes("approvals.fingerprint", &columns.fingerprint)?,
            record_digest: digest,
            token_id: columns.token_id.id(),
            session: columns.session,
            run_id: columns.run_id.map(Key::id),
            step: columns.step,
            account_id: columns.account_id.map(Key::id),
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
            r#"SELECT environment_id AS "environment_id: Key", id AS "id: Key", kind, fingerprint, record_digest,
                      token_id AS "token_id: Key", session, run_id AS "run_id: Key", step, account_id AS "account_id: Key", subject, card, terms, quorum, state, created_at, expires_at, decided_at, used_by, used_at
               FROM approvals WHERE "# + $condition
            $(, $argument)*
        )
    };
}

fn row(columns: ApprovalColumns, operation: &'static str) -> Result<ApprovalRow, StoreError> {
    columns.try_into().map_err(|error: CorruptColumn| StoreError::database(operation, error))
}

impl PostgresStore {
    /// Asks for an approval, with an audit record, unless the same is open already. What has run out by then is closed first.
    pub async fn open_approval(&self, new: &ApprovalRow, audit: &AuditRow) -> Result<Opened, StoreError> {
        const OPERATION: &str = "asking for an approval";
        let mut transaction = self.begin(OPERATION).await?;
        sqlx::query!(
            "UPDATE approvals SET state = 'expired'
             WHERE environment_id = $1 AND fingerprint = $2 AND expires_at <= $3
               AND (state = 'pending' OR (state = 'approved' AND kind = 'call'))",
            Key(new.environment_id.0) as _,
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
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
             ON CONFLICT (environment_id, fingerprint) WHERE state IN ('pending', 'approved') DO NOTHING",
            Key(new.environment_id.0) as _,
            Key(new.id.0) as _,
            new.kind.as_str(),
            new.fingerprint.as_slice(),
            new.record_digest.as_ref().map(<[u8; 32]>::as_slice),
            Key(new.token_id.0) as _,
            new.session.as_deref(),
            new.run_id.map(|id| Key(id.0)) as _,
            new.step.as_deref(),
            new.account_id.map(|id| Key(id.0)) as _,
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
                "environment_id = $1 AND fingerprint = $2 AND state IN ('pending', 'approved')",
                Key(new.environment_id.0) as _,
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
        let found = select_approvals!("environment_id = $1 AND id = $2", Key(environment.0) as _, Key(id.0) as _)
            .fetch_optional(&self.pool)
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
            "environment_id = $1 AND fingerprint = $2 ORDER BY id DESC LIMIT 1",
            Key(environment.0) as _,
            fingerprint.as_slice()
        )
        .fetch_optional(&self.pool)
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
        let below = query.before.map_or(Key::HIGHEST, |id| Key(id.0));
        let found = select_approvals!(
            "environment_id = $1 AND id < $2
               AND ($3::text IS NULL OR $3 = CASE
                     WHEN expires_at <= $4 AND (state = 'pending' OR (state = 'approved' AND kind = 'call')) THEN 'expired'
                     ELSE state END)
               AND ($5::uuid IS NULL OR run_id = $5)
               AND ($6::uuid IS NULL OR token_id = $6)
             ORDER BY id DESC LIMIT $7",
            Key(environment.0) as _,
            below as _,
            query.state.map(ApprovalState::as_str),
            query.now.unix_ms(),
            query.run_id.map(|id| Key(id.0)) as _,
            query.token_id.map(|id| Key(id.0)) as _,
            i64::from(query.limit)
        )
        .fetch_all(&self.pool)
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
            r#"SELECT approver, name, approve, vetoed, reason, at FROM approval_votes
               WHERE environment_id = $1 AND approval_id = $2 ORDER BY at, approver"#,
            Key(environment.0) as _,
            Key(id.0) as _
        )
        .fetch_all(&self.pool)
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
        let mut transaction = self.begin(OPERATION).await?;
        let found =
            select_approvals!("environment_id = $1 AND id = $2 FOR UPDATE", Key(environment.0) as _, Key(id.0) as _)
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
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (environment_id, approval_id, approver) DO NOTHING",
            Key(environment.0) as _,
            Key(id.0) as _,
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
            r#"SELECT count(*) AS "yes!" FROM approval_votes WHERE environment_id = $1 AND approval_id = $2 AND approve"#,
            Key(environment.0) as _,
            Key(id.0) as _
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
        let taken = sqlx::query!(
            "UPDATE approvals SET state = 'used', used_by = $1, used_at = $2
             WHERE environment_id = $3 AND id = $4
               AND ((state = 'approved' AND expires_at > $2) OR (state = 'used' AND used_by = $1))",
            used_by,
            now.unix_ms(),
            Key(environment.0) as _,
            Key(id.0) as _
        )
        .execute(&self.pool)
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
        sqlx::query!(
            "UPDATE approvals SET state = 'approved', used_by = NULL, used_at = NULL
             WHERE environment_id = $1 AND id = $2 AND state = 'used' AND used_by = $3",
            Key(environment.0) as _,
            Key(id.0) as _,
            used_by
        )
        .execute(&self.pool)
        .await
        .during(OPERATION)
        .map(|_| ())
    }

    /// Closes an approval that can let something through, or still be decided: what it is about is not any more.
    pub async fn expire_approval(&self, environment: EnvironmentId, id: ApprovalId) -> Result<(), StoreError> {
        const OPERATION: &str = "closing an approval";
        sqlx::query!(
            "UPDATE approvals SET state = 'expired' WHERE environment_id = $1 AND id = $2 AND state IN ('pending', 'approved')",
            Key(environment.0) as _,
            Key(id.0) as _
        )
        .execute(&self.pool)
        .await
        .during(OPERATION)
        .map(|_| ())
    }

    /// Closes every approval of a run that has ended.
    pub async fn expire_approvals_of_run(&self, environment: EnvironmentId, run: RunId) -> Result<(), StoreError> {
        const OPERATION: &str = "closing the approvals of a run";
        sqlx::query!(
            "UPDATE approvals SET state = 'expired'
             WHERE environment_id = $1 AND run_id = $2 AND state IN ('pending', 'approved')",
            Key(environment.0) as _,
            Key(run.0) as _
        )
        .execute(&self.pool)
        .await
        .during(OPERATION)
        .map(|_| ())
    }
}

/// Sets what was decided, and wakes the run that waits for it.
async fn decide(
    transaction: &mut PgConnection,
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
        "UPDATE approvals SET state = $1, decided_at = $2, expires_at = $3 WHERE environment_id = $4 AND id = $5",
        state.as_str(),
        at.unix_ms(),
        approval.expires_at.unix_ms(),
        Key(approval.environment_id.0) as _,
        Key(approval.id.0) as _
    )
    .execute(&mut *transaction)
    .await
    .during(operation)?;
    let Some(run) = approval.run_id else { return Ok(()) };
    sqlx::query!(
        "UPDATE runs SET due_at = $1 WHERE environment_id = $2 AND id = $3 AND state = 'waiting' AND due_at > $1",
        at.unix_ms(),
        Key(approval.environment_id.0) as _,
        Key(run.0) as _
    )
    .execute(transaction)
    .await
    .during(operation)
    .map(|_| ())
}
