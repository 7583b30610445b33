//! Which of the store's errors an error of the database is.

use quartermaster_store_model::StoreError;
use sqlx::error::ErrorKind;

/// Primary result codes (the lowest byte of a result code).
const SQLITE_READONLY: i32 = 8;
const SQLITE_FULL: i32 = 13;
/// Extended codes of writes that the file system refused.
const SQLITE_IOERR_WRITE: i32 = 778;
const SQLITE_IOERR_FSYNC: i32 = 1034;
const SQLITE_IOERR_SHMSIZE: i32 = 4874;

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
    let code =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).and_then(|code| code.parse::<i32>().ok());
    if code.is_some_and(refuses_writes) {
        return StoreError::NoSpace(error.to_string());
    }
    StoreError::database(operation, error)
}

fn refuses_writes(code: i32) -> bool {
    matches!(code & 0xff, SQLITE_READONLY | SQLITE_FULL)
        || matches!(code, SQLITE_IOERR_WRITE | SQLITE_IOERR_FSYNC | SQLITE_IOERR_SHMSIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_read_only_are_told_from_the_rest() {
        for code in [8, 13, 264, 778, 1032, 1034, 4874] {
            assert!(refuses_writes(code), "{code}");
        }
        for code in [1, 5, 10, 11, 14, 19, 26, 266, 2067] {
            assert!(!refuses_writes(code), "{code}");
        }
    }
}
