//! PostgreSQL back end.
/// The PostgreSQL store.
#[derive(Clone)]
pub struct PostgresStore {}
