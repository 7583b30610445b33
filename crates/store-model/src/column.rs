//! How values become columns and come back, the same for both back ends.

use std::borrow::Cow;

use quartermaster_types::{ApprovalState, AuditId, RequestId};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    ApprovalKind, DeliveryOutcome, Narrowing, Outcome, PlanState, Role, RunState, StoreError, SwitchKind, TriggerKind,
};

/// How long before its call's start, by the id, an audit record may be dated. Both ids come from clocks that agree to
/// the millisecond in one process; the slack is for clocks of several machines and for corrections in between.
const REQUEST_CLOCK_SLACK_MS: u64 = 600_000;

/// A column holds what this program never writes: damage, or another hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the column {0} holds a value that this program does not write")]
pub struct CorruptColumn(pub &'static str);

impl StoreError {
    /// Anything that is not one of the other kinds.
    pub fn database(operation: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Database { operation, source: source.into() }
    }
}

/// An id from its 16 bytes.
pub fn id_from_bytes<Id: From<Uuid>>(column: &'static str, bytes: &[u8]) -> Result<Id, CorruptColumn> {
    Uuid::from_slice(bytes).map(Id::from).map_err(|_| CorruptColumn(column))
}

/// A 32-byte hash.
pub fn hash_from_bytes(column: &'static str, bytes: &[u8]) -> Result<[u8; 32], CorruptColumn> {
    bytes.try_into().map_err(|_| CorruptColumn(column))
}

/// A role.
pub fn role_from_text(column: &'static str, text: &str) -> Result<Role, CorruptColumn> {
    Role::from_name(text).ok_or(CorruptColumn(column))
}

/// An outcome.
pub fn outcome_from_text(column: &'static str, text: &str) -> Result<Outcome, CorruptColumn> {
    Outcome::from_name(text).ok_or(CorruptColumn(column))
}

/// What a switch is about.
pub fn switch_kind_from_text(column: &'static str, text: &str) -> Result<SwitchKind, CorruptColumn> {
    SwitchKind::from_name(text).ok_or(CorruptColumn(column))
}

/// Where a run stands.
pub fn run_state_from_text(column: &'static str, text: &str) -> Result<RunState, CorruptColumn> {
    RunState::from_name(text).ok_or(CorruptColumn(column))
}

/// Where a plan stands.
pub fn plan_state_from_text(column: &'static str, text: &str) -> Result<PlanState, CorruptColumn> {
    PlanState::from_name(text).ok_or(CorruptColumn(column))
}

/// Where an approval stands.
pub fn approval_state_from_text(column: &'static str, text: &str) -> Result<ApprovalState, CorruptColumn> {
    ApprovalState::from_name(text).ok_or(CorruptColumn(column))
}

/// What an approval is about.
pub fn approval_kind_from_text(column: &'static str, text: &str) -> Result<ApprovalKind, CorruptColumn> {
    ApprovalKind::from_name(text).ok_or(CorruptColumn(column))
}

/// Numbers of rows from their JSON text.
pub fn numbers_from_text(column: &'static str, text: &str) -> Result<Vec<u32>, CorruptColumn> {
    serde_json::from_str(text).map_err(|_| CorruptColumn(column))
}

/// Numbers of rows as JSON text.
pub fn numbers_to_text(numbers: &[u32]) -> String {
    Value::from(numbers.to_vec()).to_string()
}

/// What makes a trigger start runs.
pub fn trigger_kind_from_text(column: &'static str, text: &str) -> Result<TriggerKind, CorruptColumn> {
    TriggerKind::from_name(text).ok_or(CorruptColumn(column))
}

/// What came of a delivery.
pub fn delivery_outcome_from_text(column: &'static str, text: &str) -> Result<DeliveryOutcome, CorruptColumn> {
    DeliveryOutcome::from_name(text).ok_or(CorruptColumn(column))
}

/// A token's narrowing from its JSON text.
pub fn narrowing_from_text(column: &'static str, text: &str) -> Result<Narrowing, CorruptColumn> {
    serde_json::from_str(text).map_err(|_| CorruptColumn(column))
}

/// A token's narrowing as JSON text.
pub fn narrowing_to_text(narrowing: &Narrowing) -> Result<String, StoreError> {
    serde_json::to_string(narrowing).map_err(|error| StoreError::database("writing a token's narrowing", error))
}

/// A count that is stored as a signed number.
pub fn count_from_integer<Number: TryFrom<i64>>(column: &'static str, number: i64) -> Result<Number, CorruptColumn> {
    Number::try_from(number).map_err(|_| CorruptColumn(column))
}

/// JSON text of an audit record as a value. Text that was cut, and so is no JSON any more, comes back as a string.
pub fn audit_value(text: Option<String>) -> Option<Value> {
    text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Text as both back ends can hold it: PostgreSQL refuses U+0000, so an audit record gets U+FFFD in its place rather
/// than failing with its whole batch.
pub fn audit_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// The lowest id that an audit record of this request can have, so that a search by request need not read the whole
/// log. `None` when the request id carries no time (it is not a version 7 UUID).
pub fn earliest_audit_id(request: RequestId) -> Option<AuditId> {
    let (seconds, nanoseconds) = request.0.get_timestamp().filter(|_| request.0.get_version_num() == 7)?.to_unix();
    let milliseconds = seconds.saturating_mul(1000).saturating_add(u64::from(nanoseconds / 1_000_000));
    let earliest = milliseconds.saturating_sub(REQUEST_CLOCK_SLACK_MS);
    Some(AuditId(Uuid::from_u128(u128::from(earliest) << 80)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_json_comes_back_as_text() {
        assert_eq!(audit_value(Some(r#"{"a":1}"#.to_owned())), Some(serde_json::json!({"a": 1})));
        assert_eq!(audit_value(Some(r#"{"a":"#.to_owned())), Some(Value::String(r#"{"a":"#.to_owned())));
        assert_eq!(audit_value(None), None);
    }

    #[test]
    fn only_text_with_a_nul_is_changed() {
        assert!(matches!(audit_text("plain"), Cow::Borrowed("plain")));
        assert_eq!(audit_text("a\0b"), "a\u{FFFD}b");
    }

    #[test]
    fn the_earliest_audit_id_lies_below_every_record_of_the_request() {
        let at = |milliseconds: u64| uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid();
        let request = RequestId(at(1_700_000_000_000));
        let earliest = earliest_audit_id(request).map(|id| id.0);
        assert!(earliest.is_some_and(|id| id < at(1_700_000_000_000)));
        assert!(earliest.is_some_and(|id| id <= at(1_700_000_000_000 - REQUEST_CLOCK_SLACK_MS)));
        assert!(earliest.is_some_and(|id| id > at(1_700_000_000_000 - REQUEST_CLOCK_SLACK_MS - 1)));
        assert_eq!(earliest_audit_id(RequestId(Uuid::from_u128(5))), None);
    }

    #[test]
    fn names_of_roles_and_outcomes_come_back() {
        for role in [Role::Admin, Role::Agent, Role::Auditor] {
            assert_eq!(role_from_text("role", role.as_str()), Ok(role));
            assert_eq!(serde_json::to_value(role).ok(), Some(Value::from(role.as_str())));
        }
        for outcome in [Outcome::Ok, Outcome::Unchanged, Outcome::Refused, Outcome::Failed] {
            assert_eq!(outcome_from_text("outcome", outcome.as_str()), Ok(outcome));
            assert_eq!(serde_json::to_value(outcome).ok(), Some(Value::from(outcome.as_str())));
        }
        for state in RunState::ALL {
            assert_eq!(run_state_from_text("state", state.as_str()), Ok(state));
            assert_eq!(serde_json::to_value(state).ok(), Some(Value::from(state.as_str())));
        }
        for state in ApprovalState::ALL {
            assert_eq!(approval_state_from_text("state", state.as_str()), Ok(state));
            assert_eq!(serde_json::to_value(state).ok(), Some(Value::from(state.as_str())));
        }
        for kind in ApprovalKind::ALL {
            assert_eq!(approval_kind_from_text("kind", kind.as_str()), Ok(kind));
            assert_eq!(serde_json::to_value(kind).ok(), Some(Value::from(kind.as_str())));
        }
        assert_eq!(approval_state_from_text("state", "maybe"), Err(CorruptColumn("state")));
        assert_eq!(approval_kind_from_text("kind", "all"), Err(CorruptColumn("kind")));
        assert_eq!(numbers_from_text("vetoed", &numbers_to_text(&[1, 7])), Ok(vec![1, 7]));
        assert_eq!(numbers_from_text("vetoed", "[-1]"), Err(CorruptColumn("vetoed")));
        for kind in [TriggerKind::Webhook, TriggerKind::Schedule] {
            assert_eq!(trigger_kind_from_text("kind", kind.as_str()), Ok(kind));
            assert_eq!(serde_json::to_value(kind).ok(), Some(Value::from(kind.as_str())));
        }
        for outcome in DeliveryOutcome::ALL {
            assert_eq!(delivery_outcome_from_text("outcome", outcome.as_str()), Ok(outcome));
            assert_eq!(serde_json::to_value(outcome).ok(), Some(Value::from(outcome.as_str())));
        }
        assert_eq!(run_state_from_text("state", "lost"), Err(CorruptColumn("state")));
        assert_eq!(role_from_text("role", "root"), Err(CorruptColumn("role")));
        assert_eq!(outcome_from_text("outcome", ""), Err(CorruptColumn("outcome")));
    }
}
