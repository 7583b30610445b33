//! Cases of a policy: facts in, the expected decision out. Nothing is called.

use std::collections::BTreeMap;

use quartermaster_definition::MethodKind;
use quartermaster_definition::plan::Effect;
use quartermaster_definition::policy::{Policy, Verdict};
use quartermaster_guard::blast::{limits_of, told, towards};
use quartermaster_guard::protected::{EmailFact, Known, RecordFacts, decide_protected, decide_without_record};
use quartermaster_guard::{Door, PolicyFacts, PolicyMethod, Role as GuardRole, decide_policy};
use quartermaster_store_model::Role;
use quartermaster_types::{AccountId, Code, Problem, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::compile;
use crate::limits::POLICY_CASES_MAX;
use crate::{Actor, Gateway, rights};

/// What came of the cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyTest {
    /// Every case, in order.
    pub result: Vec<CaseResult>,
    /// How many came out as expected.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// The version that was tested; `None` for a document that came with the cases.
    pub policy_version: Option<i64>,
}

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// Whether it came out as expected.
    pub passed: bool,
    /// What differs, in words.
    pub difference: Option<String>,
    /// The decision, as dry runs and audit records have it.
    pub decision: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    call: Facts,
    expect: Expected,
    /// The rule that has to decide, or `default`.
    #[serde(default)]
    decided_by: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Allow,
    Deny,
    RequireApproval,
}

impl Expected {
    const fn verdict(self) -> Verdict {
        match self {
            Self::Allow => Verdict::Allow,
            Self::Deny => Verdict::Deny,
            Self::RequireApproval => Verdict::RequireApproval,
        }
    }
}

/// A call; what is left out is as for a read by an agent through the tool door.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    #[serde(default)]
    tool: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    effect: EffectName,
    #[serde(default)]
    door: DoorName,
    #[serde(default)]
    arguments: Map<String, Value>,
    #[serde(default)]
    account: AccountFacts,
    #[serde(default)]
    actor: ActorFacts,
    #[serde(default)]
    time: Option<Timestamp>,
    #[serde(default)]
    record: Value,
    /// Whether the record is the connection's own.
    #[serde(default)]
    own: bool,
    /// Changes that limits have counted, by the limit's name; 0 when left out.
    #[serde(default)]
    used: BTreeMap<String, u64>,
    /// Records of the directory; not known when left out.
    #[serde(default)]
    directory_size: Option<u64>,
    /// Why something that concerns the call is switched off.
    #[serde(default)]
    switched_off: Option<String>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum EffectName {
    #[default]
    Read,
    Write,
    Destructive,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum DoorName {
    #[default]
    Tool,
    Proxy,
    Custom,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct AccountFacts {
    id: Option<AccountId>,
    integration: String,
    tenant_id: String,
    sandbox: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ActorFacts {
    token_id: Option<TokenId>,
    name: String,
    email: Option<String>,
    role: Option<Role>,
    session: Option<String>,
}

impl Gateway {
    /// Runs cases against a document, or against the policy in force (admin and auditor).
    ///
    /// A case: `{name, call: {tool, method, effect, door, arguments, account, actor, time, record, own, used, directory_size,
    /// switched_off}, expect: "allow", "deny" or "require_approval", decided_by}`; at most [`POLICY_CASES_MAX`]. `decided_by` names
    /// a rule, a protected entry or a limit, or is `default` or `switched_off`.
    pub async fn test_policy(
        &self,
        actor: &Actor,
        document: Option<&str>,
        cases: Vec<Value>,
    ) -> Result<PolicyTest, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "test policies")?;
        let cases = read(cases)?;
        let now = self.inner.clock.now();
        let (result, policy_version) = match document {
            Some(document) => (run(&compile(document)?, 0, cases, now), None),
            None => {
                let in_force = self.policy_in_force(actor.environment_id).await?;
                let policy = in_force.policy.as_ref().map_err(|why| {
                    Problem::gateway(Code::DeniedByPolicy, format!("The stored policy cannot be read: {why}"))
                })?;
                (run(policy, in_force.version, cases, now), Some(in_force.version))
            }
        };
        let passed = result.iter().filter(|case| case.passed).count();
        Ok(PolicyTest { failed: result.len() - passed, passed, result, policy_version })
    }
}

fn read(cases: Vec<Value>) -> Result<Vec<Case>, Problem> {
    if cases.len() > POLICY_CASES_MAX {
        let detail = format!("{} cases are more than {POLICY_CASES_MAX}", cases.len());
        return Err(crate::mistaken("The cases cannot be run.", vec![("/cases".to_owned(), detail)]));
    }
    let mut mistakes = Vec::new();
    let mut read = Vec::with_capacity(cases.len());
    for (index, case) in cases.into_iter().enumerate() {
        match serde_json::from_value(case) {
            Ok(case) => read.push(case),
            Err(error) => mistakes.push((format!("/cases/{index}"), error.to_string())),
        }
    }
    crate::invalid("The cases cannot be run.", mistakes)?;
    Ok(read)
}

fn run(policy: &Policy, version: i64, cases: Vec<Case>, now: Timestamp) -> Vec<CaseResult> {
    cases.into_iter().map(|case| run_case(policy, version, case, now)).collect()
}

fn run_case(policy: &Policy, version: i64, case: Case, now: Timestamp) -> CaseResult {
    let expected = case.expect.verdict();
    let (found, decision) = decide(policy, version, &case.call, now);
    let decider = decision["decided_by"].as_str().unwrap_or_default();
    let difference = if found == expected {
        let wanted = case.decided_by.as_deref().filter(|wanted| *wanted != decider);
        wanted.map(|wanted| format!("expected to be decided by {wanted}, found {decider}"))
    } else {
        Some(format!("expected {}, found {} (decided by {decider})", expected.as_str(), found.as_str()))
    };
    CaseResult { name: case.name, passed: difference.is_none(), difference, decision }
}

/// The guards in the order in which a call meets them, over the facts of a case.
fn decide(policy: &Policy, version: i64, call: &Facts, now: Timestamp) -> (Verdict, Value) {
    if let Some(reason) = &call.switched_off {
        let why = json!({"allowed": false, "decided_by": "switched_off", "because": reason, "policy_version": version, "rules": []});
        return (Verdict::Deny, why);
    }
    let facts = facts(call, now);
    let decision = decide_policy(policy, &facts, &call.record);
    let mut why = decision.why(version);
    let refuse = |why: &mut Value, name: &str, because: Option<&str>| {
        why["allowed"] = false.into();
        why["decided_by"] = name.into();
        why["because"] = because.into();
    };
    if decision.verdict == Verdict::Deny {
        return (Verdict::Deny, why);
    }
    let id = call.arguments.get("id").and_then(Value::as_str);
    let protects = if id.is_some() || !call.record.is_null() {
        decide_protected(policy, &facts, &record_facts(call, id))
    } else {
        decide_without_record(policy, &facts)
    };
    if let Some(told) = protects.why() {
        why["protected"] = told;
    }
    if let Some((entry, _)) = protects.denied_by() {
        refuse(&mut why, &entry.name, Some(&entry.because));
        return (Verdict::Deny, why);
    }
    let (mut counted, mut verdict) = (Vec::new(), decision.verdict);
    for limit in limits_of(policy, &facts) {
        let (used, max) =
            (call.used.get(&limit.name).copied().unwrap_or(0), towards(limit, &facts, call.directory_size).max);
        counted.push(told(limit, used, max));
        if max.is_none_or(|max| used >= max) {
            refuse(&mut why, &limit.name, limit.because.as_deref());
            verdict = Verdict::Deny;
            break;
        }
    }
    if !counted.is_empty() {
        why["blast_radius"] = counted.into();
    }
    (verdict, why)
}

/// The record of a case; its address stands in the member `email`.
fn record_facts<'a>(call: &'a Facts, id: Option<&'a str>) -> RecordFacts<'a> {
    RecordFacts {
        record: &call.record,
        ids: [id, call.record.get("id").and_then(Value::as_str)],
        email: match call.record.get("email") {
            None => EmailFact::Missing,
            Some(Value::Null) => EmailFact::Is(None),
            Some(email) => email.as_str().map_or(EmailFact::Missing, |email| EmailFact::Is(Some(email))),
        },
        is_principal: if call.own { Known::Yes } else { Known::No },
        actor_email: call.actor.email.as_deref(),
    }
}

fn facts(call: &Facts, now: Timestamp) -> PolicyFacts<'_> {
    let door = match call.door {
        DoorName::Tool => Door::Tool,
        DoorName::Proxy => Door::Proxy,
        DoorName::Custom => Door::Custom,
    };
    let (resource, name) = call.method.split_once('.').unwrap_or(("", &call.method));
    let method = PolicyMethod { resource, name, kind: kind(name), tool: &call.tool, tool_alias: &call.tool };
    PolicyFacts {
        method: (door != Door::Custom).then_some(method),
        method_name: &call.method,
        effect: match call.effect {
            EffectName::Read => Effect::Read,
            EffectName::Write => Effect::Write,
            EffectName::Destructive => Effect::Destructive,
        },
        door,
        arguments: &call.arguments,
        account: call.account.id.unwrap_or(AccountId(Uuid::nil())),
        integration: &call.account.integration,
        tenant_id: &call.account.tenant_id,
        is_sandbox: call.account.sandbox,
        token: call.actor.token_id.unwrap_or(TokenId(Uuid::nil())),
        token_name: &call.actor.name,
        token_email: call.actor.email.as_deref(),
        role: match call.actor.role {
            Some(Role::Admin) => GuardRole::Admin,
            Some(Role::Auditor) => GuardRole::Auditor,
            Some(Role::Agent) | None => GuardRole::Agent,
        },
        session: call.actor.session.as_deref(),
        now: call.time.unwrap_or(now),
    }
}

/// The kind of a method by its name, as definitions have it.
fn kind(name: &str) -> MethodKind {
    match name {
        "list" => MethodKind::List,
        "get" => MethodKind::Get,
        "create" => MethodKind::Create,
        "update" => MethodKind::Update,
        "delete" => MethodKind::Delete,
        _ => MethodKind::Custom,
    }
}
