//! Connections to servers of language models.

use quartermaster_store_model::{AuditRow, ModelRow, StoreError};
use quartermaster_types::{EnvironmentId, ModelId};

use crate::{Store, either};

impl Store {
    /// Adds a connection with its audit record. [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_model(&self, row: &ModelRow, audit: &AuditRow) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_model(row, audit))
    }
    /// The connection of this name.
    pub async fn find_model(&self, environment: EnvironmentId, name: &str) -> Result<Option<ModelRow>, StoreError> {
        either!(self, back_end => back_end.find_model(environment, name))
    }
    /// Connections of an environment by name, at most `limit`.
    pub async fn list_models(&self, environment: EnvironmentId, limit: u32) -> Result<Vec<ModelRow>, StoreError> {
        either!(self, back_end => back_end.list_models(environment, limit))
    }
    /// Replaces a connection if its version is still `expected_version`, else [`StoreError::Stale`]; its name may change, to
    /// one that is free ([`StoreError::Conflict`] otherwise).
    pub async fn update_model(
        &self,
        row: &ModelRow,
        expected_version: i64,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        either!(self, back_end => back_end.update_model(row, expected_version, audit))
    }
    /// Deletes a connection; false when the environment has no such one. Nothing is recorded then.
    pub async fn delete_model(
        &self,
        environment: EnvironmentId,
        id: ModelId,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.delete_model(environment, id, audit))
    }
}
