//! Which of the store's errors an error of the database is.

use quartermaster_store_model::StoreError;
use sqlx::error::ErrorKind;

/// SQLSTATE codes of a database that does not accept writes: `disk_full`, and `read_only_sql_transaction`, which is what
/// a standby and a server that was set read-only answer.
const REFUSES_WRITES: [&str; 2] = ["53100", "25006"];

/// Turns results of the database into the store's.
pub(crate) trait ResultExt<T> {
    /// Names what was being done.
    fn during(self, operation: &'static str) -> Result<T, StoreError>;
    /// The same, where a taken key is the caller's business: `what` already exists.
    fn conflict(self, operation: &'static str, what: &'static str) -> Result<T, StoreError>;
}

impl<T> ResultExt<T> for Result<T, sqlx::Error> {
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| from_database(operation, error))
    }

    fn conflict(self, operation: &'static str, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| match error.as_database_error().map(sqlx::error::DatabaseError::kind) {
            Some(ErrorKind::UniqueViolation) => StoreError::Conflict(what),
            _ => from_database(operation, error),
        })
    }
}

/// The store's error for an error of the database.
pub(crate) fn from_database(operation: &'static str, error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.is_some_and(|code| REFUSES_WRITES.contains(&code.as_ref())) {
        return StoreError::NoSpace(error.to_string());
    }
    if is_tls(&error) {
        return StoreError::database(operation, NoTls(error));
    }
    StoreError::database(operation, error)
}

/// The certificate, or the TLS, of the server cannot be accepted.
#[derive(Debug, thiserror::Error)]
#[error(
    "TLS with the database server failed: `sslmode` and `sslrootcert` in the database's URL say what is demanded of it"
)]
struct NoTls(#[source] sqlx::Error);

/// Beside its own kind, sqlx gives what went wrong in the handshake as invalid data.
fn is_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}
