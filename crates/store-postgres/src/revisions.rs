//! What replicas hear from one another: which of the things that they hold in memory were changed.

use quartermaster_store_model::{REVISIONS_KEPT_MAX, REVISIONS_READ_MAX, Revision, Revisions, Stale, StoreError};
use quartermaster_types::EnvironmentId;
use sqlx::postgres::{PgListener, PgTransaction};

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

/// The channel on which a commit that changed something wakes the replicas. It carries nothing: what was changed stands in the
/// table.
const CHANNEL: &str = "qm_revisions";

const LISTENING: &str = "listening for changes by other replicas";

/// Notes that something was changed, as a part of the change. The last statement of its transaction: it holds the head of the
/// revisions until the commit, and who waits for that must hold nothing that another one needs before.
pub(crate) async fn announce(
    transaction: &mut PgTransaction<'_>,
    environment: EnvironmentId,
    stale: &Stale,
    operation: &'static str,
) -> Result<(), StoreError> {
    let (topic, subject) = stale.columns();
    sqlx::query!(
        r#"WITH head AS (UPDATE revision_head SET number = number + 1 RETURNING number),
                added AS (INSERT INTO revisions (number, environment_id, topic, subject)
                          SELECT number, $1, $2, $3 FROM head),
                dropped AS (DELETE FROM revisions WHERE number <= (SELECT number FROM head) - $4::bigint)
           SELECT pg_notify($5, '') AS "told!: ()""#,
        Key(environment.0) as _,
        topic,
        subject,
        REVISIONS_KEPT_MAX,
        CHANNEL
    )
    .execute(&mut **transaction)
    .await
    .during(operation)
    .map(|_| ())
}

/// Hears of changes by any process on the same database.
pub struct RevisionListener {
    listener: PgListener,
}

impl RevisionListener {
    /// Waits until something was changed, or may have been: while a lost connection is made anew, changes are not heard. Fails
    /// when it cannot be made, or when the store is closed.
    pub async fn heard(&mut self) -> Result<(), StoreError> {
        self.listener.try_recv().await.during(LISTENING).map(|_| ())
    }
}

impl PostgresStore {
    /// Begins to listen for changes; takes one of the store's connections.
    pub async fn listen_for_revisions(&self) -> Result<RevisionListener, StoreError> {
        let mut listener = PgListener::connect_with(&self.pool).await.during(LISTENING)?;
        listener.listen(CHANNEL).await.during(LISTENING)?;
        Ok(RevisionListener { listener })
    }

    /// Changes after this number; `None` asks only for the number of the last one.
    pub async fn revisions_after(&self, after: Option<i64>) -> Result<Revisions, StoreError> {
        let found = sqlx::query!(
            r#"SELECT revision_head.number AS head, revisions.number AS "number?",
                      revisions.environment_id AS "environment_id?: Key", revisions.topic AS "topic?",
                      revisions.subject AS "subject?"
               FROM revision_head LEFT JOIN revisions ON revisions.number > $1
               ORDER BY revisions.number LIMIT $2"#,
            after.unwrap_or(i64::MAX),
            i64::from(REVISIONS_READ_MAX)
        )
        .fetch_all(&self.pool)
        .await
        .during("reading what other replicas changed")?;
        let head = found.first().map_or(0, |columns| columns.head);
        let rows = found.into_iter().filter_map(|columns| {
            Some(Revision {
                number: columns.number?,
                environment_id: columns.environment_id?.id(),
                stale: Stale::from_columns(&columns.topic?, &columns.subject?),
            })
        });
        Ok(Revisions { head, rows: rows.collect() })
    }
}
