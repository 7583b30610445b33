//! Which records a run has read: kept in its journal beside the answers, so that the worker that takes a run over knows to
//! which ids it may write. The ledger of sessions itself is memory of one process.

use quartermaster_definition::MethodKind;
use quartermaster_definition::plan::Effect;
use quartermaster_guard::{Session, SessionKey};
use quartermaster_store_model::{RunEntryRow, RunRow};
use quartermaster_types::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Gateway;
use crate::accounts::AccountEntry;

/// Records that a call brought.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grounds {
    account: AccountId,
    resource: String,
    ids: Vec<String>,
}

impl Grounds {
    /// The records in the answer of the tool door; `None` when the call brings none.
    pub(crate) fn of(entry: &AccountEntry, resource: &str, method: &str, answer: &Value) -> Option<Self> {
        let rule = entry.plan.plan.resources.get(resource)?;
        let method = rule.methods.get(method)?;
        if method.effect != Effect::Read && method.kind != MethodKind::Create {
            return None;
        }
        let result = answer.get("result")?;
        let records = result.as_array().map_or(std::slice::from_ref(result), Vec::as_slice);
        let ids: Vec<String> = records.iter().filter_map(|record| id_at(record, &rule.id.at)).collect();
        (!ids.is_empty()).then(|| Self { account: entry.id, resource: resource.to_owned(), ids })
    }

    pub(crate) fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

/// The id in a record: a text, or the digits of a number.
fn id_at(record: &Value, pointer: &str) -> Option<String> {
    match record.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

impl Gateway {
    /// Notes in the ledger what an entry of the journal says was read, with the time at which it was read.
    pub(crate) fn remember_grounds(&self, run: &RunRow, session: &str, entry: &RunEntryRow) {
        let Some(text) = &entry.grounds else { return };
        let Ok(grounds) = serde_json::from_str::<Grounds>(text) else {
            tracing::error!(run = %run.id, number = entry.number, "what an entry grounds cannot be read");
            return;
        };
        let key =
            SessionKey { environment: run.environment_id, session: Session::Named(session), account: grounds.account };
        self.inner.ledger.record(&key, &grounds.resource, grounds.ids.iter().map(String::as_bytes), entry.at);
    }

    /// Notes in the ledger what was read for the run before it began: its machine looks at each again before it writes.
    pub(crate) fn remember_granted(&self, run: &RunRow, session: &str, grounds: &[(String, String)]) {
        let Some(account) = run.account_id else { return };
        let key = SessionKey { environment: run.environment_id, session: Session::Named(session), account };
        for (resource, id) in grounds {
            self.inner.ledger.record(&key, resource, std::iter::once(id.as_bytes()), run.created_at);
        }
    }
}
