//! Triggers, what they have started, and what was delivered to them.

use quartermaster_store_model::{Acceptance, Accepted, AuditRow, DeliveryRow, Started, StoreError, TriggerRow};
use quartermaster_types::{DeliveryId, EnvironmentId, RunId, Timestamp, TriggerId};

use crate::{Store, either};

impl Store {
    /// Adds a trigger with its audit record. [`StoreError::Conflict`] when its name is taken.
    pub async fn insert_trigger(&self, row: &TriggerRow, audit: &AuditRow) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_trigger(row, audit))
    }
    /// One trigger of this environment.
    pub async fn find_trigger(
        &self,
        environment: EnvironmentId,
        id: TriggerId,
    ) -> Result<Option<TriggerRow>, StoreError> {
        either!(self, back_end => back_end.find_trigger(environment, id))
    }
    /// One trigger of any environment: its id is all that a sender knows.
    pub async fn find_hook(&self, id: TriggerId) -> Result<Option<TriggerRow>, StoreError> {
        either!(self, back_end => back_end.find_hook(id))
    }
    /// Triggers of an environment, ids above `after`, by id, at most `limit`.
    pub async fn list_triggers(
        &self,
        environment: EnvironmentId,
        after: Option<TriggerId>,
        limit: u32,
    ) -> Result<Vec<TriggerRow>, StoreError> {
        either!(self, back_end => back_end.list_triggers(environment, after, limit))
    }
    /// How many triggers an environment has.
    pub async fn count_triggers(&self, environment: EnvironmentId) -> Result<i64, StoreError> {
        either!(self, back_end => back_end.count_triggers(environment))
    }
    /// Replaces a trigger when its version still is `expected_version`; [`StoreError::Stale`] otherwise, [`StoreError::Conflict`]
    /// when its new name is taken.
    pub async fn update_trigger(
        &self,
        row: &TriggerRow,
        expected_version: i64,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        either!(self, back_end => back_end.update_trigger(row, expected_version, audit))
    }
    /// Deletes a trigger with what is remembered of it; false when the environment has no such trigger. Its runs stay.
    pub async fn delete_trigger(
        &self,
        environment: EnvironmentId,
        id: TriggerId,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.delete_trigger(environment, id, audit))
    }

    /// When the next schedule of any environment is to be looked at.
    pub async fn next_trigger_due(&self) -> Result<Option<Timestamp>, StoreError> {
        either!(self, back_end => back_end.next_trigger_due())
    }
    /// Schedules of any environment that are to be looked at, at most `limit`, those that have been due longest first.
    pub async fn due_triggers(&self, now: Timestamp, limit: u32) -> Result<Vec<TriggerRow>, StoreError> {
        either!(self, back_end => back_end.due_triggers(now, limit))
    }
    /// Looks at a schedule later; false when `expected` is no longer its next time.
    pub async fn postpone_trigger(
        &self,
        environment: EnvironmentId,
        id: TriggerId,
        expected: Timestamp,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.postpone_trigger(environment, id, expected, due_at))
    }
    /// Whether a run that this trigger started has not ended.
    pub async fn trigger_is_running(&self, environment: EnvironmentId, id: TriggerId) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.trigger_is_running(environment, id))
    }
    /// The run that was started for an event, for as long as that is remembered.
    pub async fn find_trigger_event(
        &self,
        environment: EnvironmentId,
        id: TriggerId,
        event: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<RunId>, StoreError> {
        either!(self, back_end => back_end.find_trigger_event(environment, id, event, now))
    }
    /// Whether a delivery with this signature was accepted.
    pub async fn knows_signature(
        &self,
        environment: EnvironmentId,
        id: TriggerId,
        signature: &[u8; 32],
    ) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.knows_signature(environment, id, signature))
    }
    /// Starts what a verified delivery or a scheduled time asks for: each event once, however many replicas are told of it, and all
    /// of it with the delivery that `finish` gives, in one transaction, or nothing.
    pub async fn accept_delivery(
        &self,
        acceptance: &Acceptance,
        finish: impl FnOnce(&[Started]) -> DeliveryRow + Send,
    ) -> Result<Accepted, StoreError> {
        either!(self, back_end => back_end.accept_delivery(acceptance, finish))
    }
    /// Forgets events and signatures whose time is over; events of the last hour, and of runs that have not ended, stay.
    pub async fn prune_triggers(&self, now: Timestamp) -> Result<u64, StoreError> {
        either!(self, back_end => back_end.prune_triggers(now))
    }

    /// Writes down a delivery that starts nothing, and drops the oldest that are too many. False when the environment has no such
    /// trigger any more.
    pub async fn insert_delivery(&self, row: &DeliveryRow) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.insert_delivery(row))
    }
    /// Deliveries to a trigger below `before`, the newest first, at most `limit`.
    pub async fn list_deliveries(
        &self,
        environment: EnvironmentId,
        trigger: TriggerId,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        either!(self, back_end => back_end.list_deliveries(environment, trigger, before, limit))
    }
}
