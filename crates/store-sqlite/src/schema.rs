//! Making the file, and bringing its schema up to date.

use std::path::Path;

use quartermaster_store_model::StoreError;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

use crate::connection::{self, Writer};
use crate::error::{ResultExt, from_database};
use crate::with_suffix;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The schema that this program knows: the number of the last migration.
pub const SCHEMA_VERSION: i64 = 14;

const CREATING: &str = "creating the database";
const OPENING: &str = "opening the database";

/// Makes the file beside its place and links it there when it is whole: a crash leaves no half-made database, and of two
/// programs that create at once one gets [`StoreError::Conflict`].
pub(crate) async fn create_file(path: &Path) -> Result<(), StoreError> {
    if path.try_exists().map_err(|error| StoreError::database(CREATING, error))? {
        return Err(StoreError::Conflict("the database"));
    }
    let draft = with_suffix(path, &format!(".new-{}", std::process::id()));
    create_private_file(&draft)?;
    let made = match write_schema(&draft).await {
        Ok(()) => link(&draft, path),
        Err(error) => Err(error),
    };
    // On success the database now has its own name; on failure nothing may stay behind.
    for suffix in ["", "-journal"] {
        if let Err(error) = std::fs::remove_file(with_suffix(&draft, suffix))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a temporary file stays behind");
        }
    }
    made
}

async fn write_schema(draft: &Path) -> Result<(), StoreError> {
    // A rollback journal: once closed, everything is in the one file.
    let options = connection::writer_options(draft).journal_mode(SqliteJournalMode::Delete);
    let mut connection = options.connect().await.during(CREATING)?;
    run_migrations(&mut connection, CREATING).await?;
    connection.close().await.during(CREATING)
}

fn create_private_file(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ()).map_err(|error| from_file_system(CREATING, error))
}

fn link(draft: &Path, path: &Path) -> Result<(), StoreError> {
    match std::fs::hard_link(draft, path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(StoreError::Conflict("the database"));
        }
        // A file system without links: moving would replace what another program made since the first look; that
        // chance is taken.
        Err(_) => std::fs::rename(draft, path).map_err(|error| from_file_system(CREATING, error))?,
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| from_file_system(CREATING, error))
}

fn from_file_system(operation: &'static str, error: std::io::Error) -> StoreError {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem => {
            StoreError::NoSpace(error.to_string())
        }
        ErrorKind::AlreadyExists => StoreError::Conflict("the database"),
        _ => StoreError::database(operation, error),
    }
}

/// Connects to a file that must be there.
pub(crate) async fn open_file(path: &Path) -> Result<Writer, StoreError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => Writer::connect(path).await.during(OPENING),
        Ok(_) => Err(StoreError::Missing(path.display().to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(StoreError::Missing(path.display().to_string()))
        }
        Err(error) => Err(StoreError::database(OPENING, error)),
    }
}

/// Runs the migrations that the file lacks; refuses files of a later program and files of other programs.
pub(crate) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    match found_version(connection).await? {
        None => Err(StoreError::Missing(path.display().to_string())),
        Some(found) if found > SCHEMA_VERSION => Err(StoreError::Newer { found, known: SCHEMA_VERSION }),
        Some(found) if found == SCHEMA_VERSION => Ok(()),
        Some(_) => run_migrations(connection, "bringing the database up to date").await,
    }
}

/// The number of the last migration that the file has seen; `None` when it has no such list.
async fn found_version(connection: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    let listed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'")
            .fetch_one(&mut *connection)
            .await
            .during(OPENING)?;
    if listed == 0 {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await.during(OPENING)
}

async fn run_migrations(connection: &mut SqliteConnection, operation: &'static str) -> Result<(), StoreError> {
    MIGRATIONS.run_direct(None, connection, false).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
            from_database(operation, error)
        }
        error => StoreError::database(operation, error),
    })
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
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), MIGRATIONS.iter().count());
    }
}
