//! Plans as runs: exactly the writes that were planned, one after the other, each only while its record is still as it was when
//! the plan was made, and each proved by a read afterwards.
//!
//! Pure, like playbooks: [`PlanState`] is a function of its journal. What is done stands in a [`PlannedWork`], which is what a
//! plan's hash is over.

mod report;
mod row;
mod state;

use quartermaster_types::Code;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::setting::{AccountFacts, IntegrationFacts, RunFacts};

pub use state::PlanState;

/// The form of a [`PlannedWork`]; a change that older programs cannot read gets another number.
pub const PLAN_FORMAT: &str = "quartermaster-plan/1";

/// What a plan does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedWork {
    /// [`PLAN_FORMAT`].
    pub format: String,
    /// The integrated account.
    pub account: AccountFacts,
    /// Its integration.
    pub integration: IntegrationFacts,
    /// The run that it undoes.
    #[serde(default)]
    pub undoes: Option<String>,
    /// The writes, in the order in which they are done.
    pub steps: Vec<PlannedStep>,
    /// Rows of the plan that cannot be done. They are left out, and reported as such.
    pub left_out: Vec<LeftOut>,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// Its row in the plan, from 1.
    pub number: u32,
    /// Resource.
    pub resource: String,
    /// Method.
    pub method: String,
    /// Arguments.
    pub arguments: Map<String, Value>,
    /// The record's id, when the method takes one.
    #[serde(default)]
    pub id: Option<String>,
    /// The record for people: an e-mail address, a name or the id.
    pub who: String,
    /// The method of the resource that reads the record by its id.
    #[serde(default)]
    pub read: Option<String>,
    /// What the record was like when the plan was made: it is written only while it still is.
    pub before: Vec<Member>,
    /// What of it is different afterwards, as far as the definition says.
    pub after: Vec<Member>,
    /// It is compared after a read of its own; without it, by the write itself, as what that expects.
    #[serde(default)]
    pub looks: bool,
    /// The record is gone afterwards.
    #[serde(default)]
    pub removes: bool,
    /// The record is as asked already: it is looked at, and nothing is written.
    #[serde(default)]
    pub is_done: bool,
}

/// A member of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name: `email`, `state`, or a JSON Pointer.
    pub name: String,
    /// Where it stands, JSON Pointer.
    pub at: String,
    /// Its value; null for one that is not there.
    pub value: Value,
}

/// A row that cannot be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Its row in the plan.
    pub number: u32,
    /// The method, `users.suspend`.
    pub method: String,
    /// The record for people.
    pub who: String,
    /// Why.
    pub code: Code,
    /// The same in words.
    pub detail: String,
}

/// What a run of a plan is started with besides its work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanInput {
    /// The plan's id.
    pub plan: String,
    /// Its hash, 64 hex digits.
    pub hash: String,
    /// The run that it undoes.
    #[serde(default)]
    pub undoes: Option<String>,
    /// The run.
    pub run: RunFacts,
    /// Whether the first row that cannot be done as planned ends the run.
    pub stop_on_change: bool,
}

impl PlannedStep {
    /// `users.suspend`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.resource, self.method)
    }

    /// What the write expects of the record: all that is compared, unless a read of its own is.
    pub fn expects(&self) -> Option<Map<String, Value>> {
        let members = || self.before.iter().map(|member| (member.name.clone(), member.value.clone()));
        (!self.looks && !self.before.is_empty()).then(|| members().collect())
    }

    /// Whether a read can tell that it was done.
    pub fn is_provable(&self) -> bool {
        self.read.is_some() && (self.removes || !self.after.is_empty())
    }

    /// What is different afterwards, in words: `state ACTIVE → SUSPENDED`.
    pub fn change(&self) -> String {
        if self.removes {
            return "is removed".to_owned();
        }
        let changes = self.after.iter().filter_map(|after| {
            let before = self.before.iter().find(|before| before.at == after.at).map(|before| &before.value);
            (before != Some(&after.value)).then(|| {
                let before = before.map(text).unwrap_or_default();
                let arrow = if before.is_empty() { "→ ".to_owned() } else { format!("{before} → ") };
                format!("{} {arrow}{}", after.name.trim_start_matches('/'), text(&after.value))
            })
        });
        changes.collect::<Vec<_>>().join(", ")
    }
}

impl Member {
    /// Whether the record has this value here; e-mail addresses are the same whatever their case.
    pub fn is_in(&self, record: &Value) -> bool {
        match (record.pointer(&self.at).unwrap_or(&Value::Null), &self.value) {
            (Value::String(found), Value::String(expected)) if self.name == "email" => {
                found.to_lowercase() == expected.to_lowercase()
            }
            (found, expected) => found == expected || (!found.is_null() && text(found) == text(expected)),
        }
    }
}

/// A value as a short text.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
