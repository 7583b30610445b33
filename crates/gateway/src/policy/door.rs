//! The policy at the doors: facts of a call, the record where a rule asks for it, and the decision.

use bytes::Bytes;
use quartermaster_definition::policy::Policy;
use quartermaster_engine::Failure;
use quartermaster_guard::expect::Agreement;
use quartermaster_guard::expect::{self, Compared};
use quartermaster_guard::protected::{self, ProtectedDecision};
use quartermaster_guard::{PolicyFacts, PolicyMethod, decide_policy, needs_record};
use quartermaster_store_model as model;
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value, json};

use super::InForce;
use super::record::ReadRecord;
use crate::accounts::AccountEntry;
use crate::approvals::{Required, Taken};
use crate::call::{CallProblem, Prepared, reads_of};
use crate::{Actor, Gateway};

/// What the guards made of a call.
pub(crate) struct Guarded {
    /// Whether it may be made. A call that needs an approval may not, until [`Gateway::with_approval`] has found one.
    pub(crate) result: Result<(), CallProblem>,
    /// The approval that it needs before it may be made.
    pub(crate) approval: Option<Box<Required>>,
    /// The approval that it took.
    pub(crate) taken: Option<Taken>,
    /// What the policy looked at and what decided; `None` where no rule is about the call.
    pub(crate) why: Option<Value>,
    /// The members of the record that were compared with `expect`, where that was given and nothing else refused before.
    pub(crate) compared: Option<Vec<Compared>>,
    /// Calls to the vendor that the guards needed.
    pub(crate) upstream_calls: u32,
    /// The record as the guards read it.
    pub(crate) before: Option<Bytes>,
}

impl Guarded {
    /// Decided without the policy.
    pub(crate) fn early(result: Result<(), CallProblem>) -> Self {
        Self { result, approval: None, taken: None, why: None, compared: None, upstream_calls: 0, before: None }
    }
}

impl Guarded {
    /// What the audit record keeps: why the policy decided as it did, and what was compared with `expect`.
    pub(crate) fn decision(&self) -> Option<Value> {
        let Some(compared) = &self.compared else { return self.why.clone() };
        let mut decision = self.why.clone().unwrap_or_else(|| json!({"allowed": true}));
        if compared.iter().any(|one| one.outcome == Agreement::Different) {
            decision["allowed"] = false.into();
            decision["decided_by"] = "expect".into();
        }
        decision["expect"] = json!(compared);
        Some(decision)
    }
}

impl Guarded {
    /// What the policy looked at, made when there is nothing yet.
    pub(super) fn note(&mut self, policy_version: i64, name: &str, told: Value) {
        let empty = || json!({"allowed": true, "policy_version": policy_version, "rules": []});
        self.why.get_or_insert_with(empty)[name] = told;
    }

    /// Refused by what has this name in the policy.
    pub(super) fn refuse(&mut self, policy_version: i64, name: &str, because: Option<&str>, problem: Problem) {
        self.note(policy_version, "allowed", false.into());
        self.note(policy_version, "decided_by", name.into());
        if let Some(because) = because {
            self.note(policy_version, "because", because.into());
        }
        (self.result, self.approval) = (Err(problem.into()), None);
    }

    /// Whether nothing has refused it so far; an approval may still be needed.
    fn may_still_pass(&self) -> bool {
        self.result.is_ok() || self.approval.is_some()
    }

    fn protects(&mut self, decision: &ProtectedDecision<'_>, facts: &PolicyFacts<'_>, policy_version: i64) {
        if let Some(told) = decision.why() {
            self.note(policy_version, "protected", told);
        }
        if let (Some(problem), Some((entry, _))) = (decision.problem(facts, policy_version), decision.denied_by()) {
            self.refuse(policy_version, &entry.name, Some(&entry.because), problem);
        }
    }
}

impl From<Problem> for Guarded {
    fn from(problem: Problem) -> Self {
        Self::early(Err(problem.into()))
    }
}

impl Gateway {
    /// What the environment's policy says of a call of a method, whether its record is protected, and whether it is as the caller
    /// expects. The record is read once at most, and only where one of them looks at it.
    pub(crate) async fn ask_policy(&self, actor: &Actor, prepared: &Prepared) -> Guarded {
        let in_force = match self.policy_in_force(actor.environment_id).await {
            Ok(in_force) => in_force,
            Err(problem) => return problem.into(),
        };
        let policy = match says_something(&in_force) {
            Ok(policy) => policy,
            Err(problem) => return problem.into(),
        };
        if policy.is_none() && prepared.expect.is_none() {
            return Guarded::early(Ok(()));
        }
        let method = prepared.method();
        let name = method.full_name();
        let facts = self.facts_of_call(actor, prepared, &name);
        let has_id = prepared.id().is_some();
        let is_asked = policy
            .is_some_and(|policy| needs_record(policy, &facts) || (has_id && protected::needs_record(policy, &facts)));
        let mut read = ReadRecord::default();
        if prepared.expect.is_some() || is_asked {
            read = match self.fresh_record(prepared).await {
                Ok(read) => read,
                Err(failure) => return unread(failure),
            };
        }
        let mut guarded = match policy {
            Some(policy) => decided(policy, in_force.version, &facts, &read.record),
            None => Guarded::early(Ok(())),
        };
        guarded.upstream_calls = read.upstream_calls;
        if let Some(policy) = policy.filter(|policy| !policy.protected.is_empty() && guarded.may_still_pass()) {
            let protects = if has_id {
                read.with_facts(actor, prepared, |record| protected::decide_protected(policy, &facts, record))
            } else {
                protected::decide_without_record(policy, &facts)
            };
            guarded.protects(&protects, &facts, in_force.version);
        }
        // Before anybody is asked: what is not as the caller expects is not worth a person's time.
        if let Some(expect) = prepared.expect.as_ref().filter(|_| guarded.may_still_pass()) {
            let compared = expect::compare(&prepared.entry.plan.plan, method, expect, &read.record);
            if let Some(problem) = expect::problem(&compared, &method.tool_name, reads_of(prepared)) {
                guarded.result = Err(CallProblem { problem, rate_limits: Box::new(read.rate_limits) });
                guarded.approval = None;
            }
            guarded.compared = Some(compared);
        }
        guarded.before = read.body;
        guarded
    }

    /// The same for a raw call, of which no record is known. `method_name`: `custom.post`.
    pub(crate) async fn ask_policy_raw(
        &self,
        actor: &Actor,
        entry: &AccountEntry,
        method_name: &str,
        effect: quartermaster_definition::plan::Effect,
        arguments: &Map<String, Value>,
    ) -> Guarded {
        let in_force = match self.policy_in_force(actor.environment_id).await {
            Ok(in_force) => in_force,
            Err(problem) => return problem.into(),
        };
        match says_something(&in_force) {
            Ok(None) => Guarded::early(Ok(())),
            Ok(Some(policy)) => {
                let door = quartermaster_guard::Door::Custom;
                let facts = PolicyFacts { method_name, effect, ..self.facts_of(actor, entry, door, arguments) };
                let mut guarded = cannot_be_approved(decided(policy, in_force.version, &facts, &Value::Null));
                if guarded.result.is_ok() {
                    let protects = protected::decide_without_record(policy, &facts);
                    guarded.protects(&protects, &facts, in_force.version);
                }
                guarded
            }
            Err(problem) => problem.into(),
        }
    }

    /// The facts of a call of a method; `name`: `users.suspend`.
    pub(super) fn facts_of_call<'a>(&self, actor: &'a Actor, prepared: &'a Prepared, name: &'a str) -> PolicyFacts<'a> {
        let method = prepared.method();
        PolicyFacts {
            method: Some(PolicyMethod {
                resource: &method.resource,
                name: &method.name,
                kind: method.kind,
                tool: &method.tool_name,
                tool_alias: &method.tool_alias,
            }),
            method_name: name,
            effect: method.effect,
            session: prepared.session.as_deref(),
            ..self.facts_of(actor, &prepared.entry, prepared.door.into(), &prepared.arguments)
        }
    }

    /// The facts of a raw call; those of a method are still to be set.
    pub(super) fn facts_of<'a>(
        &self,
        actor: &'a Actor,
        entry: &'a AccountEntry,
        door: quartermaster_guard::Door,
        arguments: &'a Map<String, Value>,
    ) -> PolicyFacts<'a> {
        PolicyFacts {
            door,
            method: None,
            method_name: "",
            effect: quartermaster_definition::plan::Effect::Destructive,
            arguments,
            account: entry.id,
            integration: &entry.plan.plan.name,
            tenant_id: entry.tenant_id(),
            is_sandbox: entry.sandbox,
            token: actor.token_id,
            token_name: &actor.name,
            token_email: actor.email.as_deref(),
            role: role(actor.role),
            session: None,
            now: self.inner.clock.now(),
        }
    }
}

/// The policy, when it can decide anything. A document that does not compile any more refuses every call.
pub(super) fn says_something(in_force: &InForce) -> Result<Option<&Policy>, Problem> {
    match &in_force.policy {
        Ok(policy) if !policy.says_something() => Ok(None),
        Ok(policy) => Ok(Some(policy)),
        Err(_) => Err(Problem::gateway(
            Code::DeniedByPolicy,
            format!(
                "The stored policy of this environment (version {}) cannot be read by this version of the program, so every \
                 call is denied.",
                in_force.version
            ),
        )
        .with_hint("An admin has to correct the policy: `qm policy show > FILE`, `qm policy check FILE`, `qm policy set FILE`.")),
    }
}

fn decided(policy: &Policy, version: i64, facts: &PolicyFacts<'_>, record: &Value) -> Guarded {
    let decision = decide_policy(policy, facts, record);
    let approval = decision.required_approval().map(|(rule, terms)| {
        Box::new(Required {
            rule: rule.name.clone(),
            because: rule.because.clone().unwrap_or_default(),
            terms: terms.clone(),
            policy_version: version,
        })
    });
    let problem = decision.problem(facts, version).or_else(|| approval.as_ref().map(|needed| needed.unmet()));
    let concerned = !decision.looked_at.is_empty() || problem.is_some();
    Guarded {
        why: concerned.then(|| decision.why(version)),
        approval,
        ..Guarded::early(problem.map_or(Ok(()), |problem| Err(problem.into())))
    }
}

/// What a raw call does is not known well enough to be put before a person.
fn cannot_be_approved(mut guarded: Guarded) -> Guarded {
    if let Some(required) = guarded.approval.take() {
        let detail = format!(
            "The rule `{}` of this environment's policy (version {}) requires an approval, and a raw call cannot be approved: {}",
            required.rule, required.policy_version, required.because
        );
        let problem = Problem::gateway(Code::DeniedByPolicy, detail)
            .with_hint("Use the tool or the proxy route for it, which can be approved. Ask whoever keeps the policy if there is none.");
        guarded.result = Err(problem.into());
    }
    guarded
}

/// The record could not be read, so it is not known what the policy says, and nothing is sent.
pub(crate) fn unread(failure: Failure) -> Guarded {
    let mut problem = failure.problem;
    let body = problem.body_mut();
    body.detail =
        format!("Nothing was done: the guards have to read the record first, and that failed. {}", body.detail);
    let result = Err(CallProblem { problem, rate_limits: Box::new(failure.rate_limits) });
    Guarded { upstream_calls: failure.upstream_calls, ..Guarded::early(result) }
}

fn role(role: model::Role) -> quartermaster_guard::Role {
    match role {
        model::Role::Admin => quartermaster_guard::Role::Admin,
        model::Role::Agent => quartermaster_guard::Role::Agent,
        model::Role::Auditor => quartermaster_guard::Role::Auditor,
    }
}
