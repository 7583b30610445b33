//! The facts that the guards decide over, and the ledger of what sessions have read.

use quartermaster_definition::{Method, MethodKind};
use quartermaster_guard::{
    CallFacts, Decision, Door, MethodFacts, Role, Session, SessionKey, decide, decide_token, problem_of_switch,
    requires_grounding,
};
use quartermaster_store_model as model;
use quartermaster_types::{AccountId, EnvironmentId, NextCall, Problem, TokenId};
use serde_json::{Map, Value};

use super::prepare::Prepared;
use crate::policy::Guarded;
use crate::{Actor, Gateway};

/// Whether the token may call the method at all: decided before its arguments are looked at.
pub(crate) fn may_call(actor: &Actor, door: super::Door, account: AccountId, method: &Method) -> Result<(), Problem> {
    let facts = CallFacts {
        method: Some(method_facts(method)),
        effect: method.effect,
        ..actor_facts(actor, door.into(), account)
    };
    verdict(decide_token(&facts))
}

fn method_facts(method: &Method) -> MethodFacts<'_> {
    MethodFacts {
        resource: &method.resource,
        name: &method.name,
        kind: method.kind,
        tool_name: &method.tool_name,
        tool_alias: &method.tool_alias,
        takes_id: method.takes_id,
    }
}

impl Gateway {
    /// Whether the call may be made. Refuses with the rule that it breaks and what to do.
    ///
    /// First the closed list of rules, which needs nothing from the vendor; then the environment's policy.
    pub(crate) async fn guard(&self, actor: &Actor, prepared: &Prepared) -> Guarded {
        let obeys = match self.recall(actor, prepared).await {
            Ok(()) => self.obeys_rules(actor, prepared).await,
            Err(problem) => Err(problem),
        };
        match obeys {
            Ok(()) => self.ask_policy(actor, prepared).await,
            Err(problem) => problem.into(),
        }
    }

    pub(crate) async fn obeys_rules(&self, actor: &Actor, prepared: &Prepared) -> Result<(), Problem> {
        let switches = self.switches_in_force(actor.environment_id).await?;
        let method = prepared.method();
        let next_calls = || reads_of(prepared);
        let mut facts = CallFacts { next_calls: &next_calls, ..grounding_facts(actor, prepared) };
        facts.switched_off = switches.of_call(actor, prepared);
        facts.is_blocked = prepared.entry.blocked;
        facts.is_sandbox = prepared.entry.sandbox;
        if requires_grounding(&facts)
            && let Some(id) = prepared.id()
        {
            let session = session_key(actor, prepared);
            let now = self.inner.clock.now();
            facts.grounding = Some(self.inner.ledger.is_grounded(&session, &method.resource, id.as_bytes(), now));
        }
        verdict(decide(&facts))
    }

    /// Whether nobody has switched anything off since the rules were asked: a write may have waited for its turn meanwhile.
    pub(crate) async fn is_still_on(&self, actor: &Actor, prepared: &Prepared) -> Result<(), Problem> {
        let switches = self.switches_in_force(actor.environment_id).await?;
        match switches.of_call(actor, prepared) {
            None => Ok(()),
            Some(switch) => Err(problem_of_switch(&switch, &prepared.method().tool_name)),
        }
    }
}

/// The facts of a call that say whether it must be grounded.
pub(crate) fn grounding_facts<'a>(actor: &'a Actor, prepared: &'a Prepared) -> CallFacts<'a> {
    let method = prepared.method();
    CallFacts {
        method: Some(method_facts(method)),
        effect: method.effect,
        ..actor_facts(actor, prepared.door.into(), prepared.entry.id)
    }
}

/// Reads, and what made the record.
pub(crate) fn brings_a_record(method: &Method) -> bool {
    method.effect == quartermaster_definition::plan::Effect::Read || method.kind == MethodKind::Create
}

/// The facts that an actor brings; those of the account and the method are still to be set.
pub(crate) fn actor_facts(actor: &Actor, door: Door, account: AccountId) -> CallFacts<'_> {
    CallFacts {
        door,
        role: match actor.role {
            model::Role::Admin => Role::Admin,
            model::Role::Agent => Role::Agent,
            model::Role::Auditor => Role::Auditor,
        },
        allowed_accounts: actor.narrowing.accounts.as_deref(),
        allowed_tools: actor.narrowing.tools.as_deref(),
        allowed_methods: actor.narrowing.methods.as_deref(),
        allows_custom: actor.narrowing.custom,
        account,
        switched_off: None,
        is_blocked: false,
        is_sandbox: false,
        method: None,
        effect: quartermaster_definition::plan::Effect::Destructive,
        grounds_proxy: false,
        grounding: None,
        next_calls: &Vec::new,
    }
}

/// A decision as a result.
pub(crate) fn verdict(decision: Decision) -> Result<(), Problem> {
    match decision {
        Decision::Allow => Ok(()),
        Decision::Deny { rule, problem } => {
            tracing::debug!(rule = rule.as_str(), "a guard refused a call");
            Err(problem)
        }
    }
}

impl From<super::Door> for Door {
    fn from(door: super::Door) -> Self {
        match door {
            super::Door::Tool => Self::Tool,
            super::Door::Proxy => Self::Proxy,
            super::Door::Custom => Self::Custom,
        }
    }
}

pub(crate) fn session_key<'a>(actor: &Actor, prepared: &'a Prepared) -> SessionKey<'a> {
    key(actor.environment_id, actor.token_id, prepared.session.as_deref(), prepared.entry.id)
}

fn key(environment: EnvironmentId, token: TokenId, session: Option<&str>, account: AccountId) -> SessionKey<'_> {
    let session = match session {
        Some(name) => Session::Named(name),
        None => Session::Token(token),
    };
    SessionKey { environment, session, account }
}

/// The calls that would ground the id: reading just that record, or looking for it.
pub(crate) fn reads_of(prepared: &Prepared) -> Vec<NextCall> {
    let method = prepared.method();
    let plan = &prepared.entry.plan.plan;
    let Some(resource) = plan.resources.get(&method.resource) else { return Vec::new() };
    let mut calls = Vec::new();
    for candidate in resource.methods.values() {
        let arguments = match candidate.kind {
            MethodKind::Get => {
                let id = prepared.id().unwrap_or_default();
                Map::from_iter([("id".to_owned(), Value::String(id.to_owned()))])
            }
            MethodKind::List => Map::new(),
            _ => continue,
        };
        calls.push(NextCall { tool: candidate.tool_name.clone(), arguments });
    }
    calls
}
