//! What guards keep: kill switches, the changes that blast radii count, the sizes of directories.

use quartermaster_store_model::{
    AuditRow, Blast, BlastReservation, BlastUsage, BlastUse, DirectorySizeRow, StoreError, SwitchKind, SwitchRow,
};
use quartermaster_types::{AccountId, EnvironmentId, Timestamp};
use uuid::Uuid;

use crate::{Store, either};

impl Store {
    /// Switches something off, or changes why, with its audit record.
    pub async fn put_switch(&self, row: &SwitchRow, audit: &AuditRow) -> Result<(), StoreError> {
        either!(self, back_end => back_end.put_switch(row, audit))
    }
    /// Switches something on again, with its audit record; false, and nothing recorded, when it is not off.
    pub async fn delete_switch(
        &self,
        environment: EnvironmentId,
        kind: SwitchKind,
        subject: &str,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.delete_switch(environment, kind, subject, audit))
    }
    /// What is switched off in an environment, by kind and subject.
    pub async fn list_switches(&self, environment: EnvironmentId) -> Result<Vec<SwitchRow>, StoreError> {
        let mut rows = either!(self, back_end => back_end.list_switches(environment))?;
        rows.sort_by(|one, other| (one.kind, &one.subject).cmp(&(other.kind, &other.subject)));
        Ok(rows)
    }

    /// Counts a change towards all its limits, or none when one of them is full. However many ask at the same moment, on however
    /// many replicas, exactly as many are counted as there is room for.
    pub async fn reserve_blast(&self, reservation: &BlastReservation) -> Result<Blast, StoreError> {
        either!(self, back_end => back_end.reserve_blast(reservation))
    }
    /// Takes a change out of the counts of these limits: nothing was changed.
    pub async fn release_blast(
        &self,
        environment: EnvironmentId,
        id: Uuid,
        limits: &[BlastUse],
    ) -> Result<(), StoreError> {
        either!(self, back_end => back_end.release_blast(environment, id, limits))
    }
    /// How many changes a limit has counted.
    pub async fn count_blast(&self, environment: EnvironmentId, limit: &BlastUse) -> Result<u64, StoreError> {
        either!(self, back_end => back_end.count_blast(environment, limit))
    }
    /// What has been counted under a limit after `since`, the most used first, at most `limit` subjects.
    pub async fn list_blast_uses(
        &self,
        environment: EnvironmentId,
        name: &str,
        since: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<BlastUsage>, StoreError> {
        either!(self, back_end => back_end.list_blast_uses(environment, name, since, limit))
    }
    /// Forgets changes from before `before`; says how many rows.
    pub async fn prune_blast(&self, before: Timestamp) -> Result<u64, StoreError> {
        either!(self, back_end => back_end.prune_blast(before))
    }

    /// Remembers how many records a directory has; an older count does not replace a newer one.
    pub async fn put_directory_size(&self, row: &DirectorySizeRow) -> Result<(), StoreError> {
        either!(self, back_end => back_end.put_directory_size(row))
    }
    /// How many records a directory had when it was last seen whole.
    pub async fn find_directory_size(
        &self,
        environment: EnvironmentId,
        account: AccountId,
        resource: &str,
    ) -> Result<Option<DirectorySizeRow>, StoreError> {
        either!(self, back_end => back_end.find_directory_size(environment, account, resource))
    }
}
