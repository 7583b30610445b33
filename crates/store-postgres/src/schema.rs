//! Bringing the schema of the database up to date.

use quartermaster_store_model::StoreError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::CONNECTING;
use crate::error::{ResultExt, from_database};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The schema that this program knows: the number of the last migration.
pub const SCHEMA_VERSION: i64 = 14;

const MIGRATING: &str = "bringing the database up to date";

/// Runs the migrations that the database lacks, on a connection of its own, under the lock by which replicas that start
/// at once take turns; refuses a database of a later program.
pub(crate) async fn migrate(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = options.connect().await.during(CONNECTING)?;
    match found_version(&mut connection).await? {
        Some(found) if found > SCHEMA_VERSION => return Err(StoreError::Newer { found, known: SCHEMA_VERSION }),
        Some(found) if found == SCHEMA_VERSION => {}
        _ => MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(from_migration)?,
    }
    connection.close().await.during(CONNECTING)
}

/// The number of the last migration that the database has seen.
async fn found_version(connection: &mut PgConnection) -> Result<Option<i64>, StoreError> {
    let listed: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .during(CONNECTING)?;
    if !listed {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await.during(CONNECTING)
}

fn from_migration(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => from_database(MIGRATING, error),
        // Another replica, of a later version, got there between the look and the lock.
        MigrateError::VersionMissing(found) => StoreError::Newer { found, known: SCHEMA_VERSION },
        error => StoreError::database(MIGRATING, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_version_is_the_last_migration() {
        assert_eq!(MIGRATIONS.iter().map(|migration| migration.version).max(), Some(SCHEMA_VERSION));
    }

    #[test]
    fn every_migration_file_is_embedded() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), MIGRATIONS.iter().count());
    }
}
