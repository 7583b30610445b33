//! SQLite back end.
/// The SQLite store.
#[derive(Clone)]
pub struct SqliteStore {}
