//! The surroundings of a run as facts: what templates and conditions may use besides input and results.
//!
//! They are fixed when a run begins and kept with it, so that a replay sees what the run saw.

use quartermaster_definition::Plan;
use quartermaster_definition::plan::ID_AT_DEFAULT;
use quartermaster_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a run works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The run: `run.id`, `run.session`, `run.started_at`; beside them `run.now` and `run.waits` go with the journal.
    pub run: RunFacts,
    /// The integrated account: `account.id`, `account.tenant_id`.
    pub account: AccountFacts,
    /// Its integration: `integration.name`, `integration.label`.
    pub integration: IntegrationFacts,
    /// How the integration names the life of a person's account: `lifecycle.active`, …
    #[serde(default)]
    pub lifecycle: Option<LifecycleFacts>,
}

/// The run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFacts {
    /// Its id.
    pub id: String,
    /// The session whose reads ground its writes.
    pub session: String,
    /// When it began.
    pub started_at: Timestamp,
}

/// The integrated account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountFacts {
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub tenant_id: String,
}

/// The integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntegrationFacts {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub label: String,
}

/// The life of a person's account in the vendor's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifecycleFacts {
    /// The resource that holds people.
    pub resource: String,
    /// The method that takes access away.
    pub suspend: String,
    /// The method that gives it back.
    #[serde(default)]
    pub reactivate: Option<String>,
    /// The list's argument that finds by exact e-mail.
    pub find_by_email: String,
    /// Where the id stands in a record, JSON Pointer.
    pub id: String,
    /// Where the e-mail stands.
    pub email: String,
    /// Where the name for people stands.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Where the state stands.
    pub state: String,
    /// The state that means "has access".
    pub active: String,
    /// The state that means "has none".
    pub suspended: String,
}

impl Setting {
    /// The facts of a run on an account of this integration.
    pub fn new(run: RunFacts, account: AccountFacts, plan: &Plan) -> Self {
        Self {
            run,
            account,
            integration: IntegrationFacts { name: plan.name.clone(), label: plan.label.clone() },
            lifecycle: LifecycleFacts::of(plan),
        }
    }
}

impl LifecycleFacts {
    /// What the plan says; `None` when it has no lifecycle, or its people have no state.
    pub fn of(plan: &Plan) -> Option<Self> {
        let lifecycle = plan.lifecycle.as_ref()?;
        let resource = plan.resources.get(&lifecycle.resource)?;
        Some(Self {
            resource: lifecycle.resource.clone(),
            suspend: lifecycle.suspend.clone(),
            reactivate: lifecycle.reactivate.clone(),
            find_by_email: lifecycle.find_by_email.clone(),
            id: if resource.id.at.is_empty() { ID_AT_DEFAULT.to_owned() } else { resource.id.at.clone() },
            email: lifecycle.email.clone(),
            display_name: lifecycle.display_name.clone(),
            state: resource.state.as_ref()?.at.clone(),
            active: lifecycle.active.clone(),
            suspended: lifecycle.suspended.clone(),
        })
    }
}
