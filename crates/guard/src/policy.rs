//! What an environment's policy says of a call: facts in, a decision out, with every rule that was looked at.
//!
//! A rule that denies wins, whatever other rules say; then a rule that requires an approval; the default decides where no rule
//! does, and a rule that allows is an exception to a default that denies. A condition that cannot be evaluated never lets a call
//! through.

mod explain;
mod variables;

use quartermaster_definition::plan::{Effect, MethodKind};
use quartermaster_definition::policy::{ApprovalTerms, Matchers, Policy, PolicyRule, Verdict};
use quartermaster_definition::tools::method_matches;
use quartermaster_expr::Program;
use quartermaster_types::{AccountId, Timestamp, TokenId};
use serde_json::{Map, Value};

use crate::{Door, Role};
pub use explain::RULES_EXPLAINED_MAX;
pub(crate) use explain::cut;
use variables::Variables;

/// The method of a call, as rules see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PolicyMethod<'a> {
    /// Resource.
    pub resource: &'a str,
    /// Name.
    pub name: &'a str,
    /// Kind.
    pub kind: MethodKind,
    /// Canonical tool name.
    pub tool: &'a str,
    /// Its alias.
    pub tool_alias: &'a str,
}

/// Everything that rules look at, besides the record.
#[derive(Clone, Copy)]
pub struct PolicyFacts<'a> {
    /// The door.
    pub door: Door,
    /// The method; `None` for raw calls, which rules with `tools` or `methods` are not about.
    pub method: Option<PolicyMethod<'a>>,
    /// `users.suspend`, or `custom.post` for raw calls.
    pub method_name: &'a str,
    /// What the call does to the world.
    pub effect: Effect,
    /// Arguments without list options. Raw calls: `http_method` and `path`.
    pub arguments: &'a Map<String, Value>,
    /// The account.
    pub account: AccountId,
    /// Its integration.
    pub integration: &'a str,
    /// Its tenant.
    pub tenant_id: &'a str,
    /// Whether it is a sandbox.
    pub is_sandbox: bool,
    /// The token.
    pub token: TokenId,
    /// Its name.
    pub token_name: &'a str,
    /// The address of the person behind it.
    pub token_email: Option<&'a str>,
    /// Its role.
    pub role: Role,
    /// The session that the caller named.
    pub session: Option<&'a str>,
    /// When.
    pub now: Timestamp,
}

/// What became of one rule that is about the call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Held {
    /// Its condition holds, or it has none.
    Yes,
    /// Its condition does not hold.
    No,
    /// Its condition cannot be evaluated, and why.
    Failed(String),
}

/// One rule that was looked at.
#[derive(Clone, Debug)]
pub struct Looked<'p> {
    /// The rule.
    pub rule: &'p PolicyRule,
    /// What became of it.
    pub held: Held,
}

/// What the policy says of a call.
#[derive(Clone, Debug)]
pub struct PolicyDecision<'p> {
    /// Whether the call may be made.
    pub verdict: Verdict,
    /// The rule that decided; `None`: the default did.
    pub decided_by: Option<&'p PolicyRule>,
    /// The rules that are about the call, in the order in which they were looked at; nothing after the one that decided.
    pub looked_at: Vec<Looked<'p>>,
}

impl<'p> PolicyDecision<'p> {
    /// The rule that requires an approval and what it asks for; `None` where none is required.
    pub fn required_approval(&self) -> Option<(&'p PolicyRule, &'p ApprovalTerms)> {
        let rule = self.decided_by.filter(|_| self.verdict == Verdict::RequireApproval)?;
        Some((rule, rule.approval.as_ref()?))
    }
}

/// Whether a rule that is about this call looks at the record, so that the record has to be read first.
pub fn needs_record(policy: &Policy, facts: &PolicyFacts<'_>) -> bool {
    let looks = |rule: &&PolicyRule| rule.when.as_ref().is_some_and(|when| when.uses("record"));
    policy.rules.iter().filter(looks).any(|rule| has_a_say(policy, rule, facts))
}

/// Decides. `record`: the record as it was read just now; null where the call names none.
pub fn decide_policy<'p>(policy: &'p Policy, facts: &PolicyFacts<'_>, record: &Value) -> PolicyDecision<'p> {
    let variables = Variables::new(facts, record);
    let mut looked_at = Vec::new();
    let default = policy.default.of(facts.effect);
    for wanted in [Verdict::Deny, Verdict::RequireApproval, Verdict::Allow] {
        let rules = policy.rules.iter().filter(|rule| rule.verdict == wanted);
        for rule in rules.filter(|rule| has_a_say(policy, rule, facts)) {
            let held = held(rule, &variables);
            // Where it is not known whether a rule that denies or asks for an approval holds, the call is denied: a person who
            // says yes would not know to what. A rule that allows does not allow.
            let verdict = match held {
                Held::Yes => Some(wanted),
                Held::No => None,
                Held::Failed(_) => (wanted != Verdict::Allow).then_some(Verdict::Deny),
            };
            looked_at.push(Looked { rule, held });
            if let Some(verdict) = verdict {
                return PolicyDecision { verdict, decided_by: Some(rule), looked_at };
            }
        }
    }
    PolicyDecision { verdict: default, decided_by: None, looked_at }
}

/// Whether the rule can decide this call: one that allows has nothing to say where the default allows.
fn has_a_say(policy: &Policy, rule: &PolicyRule, facts: &PolicyFacts<'_>) -> bool {
    (rule.verdict != Verdict::Allow || policy.default.of(facts.effect) == Verdict::Deny)
        && concerns(&rule.concerns, facts)
}

fn held(rule: &PolicyRule, variables: &Variables<'_>) -> Held {
    let Some(when) = &rule.when else { return Held::Yes };
    match variables.evaluate(when) {
        Ok(true) => Held::Yes,
        Ok(false) => Held::No,
        Err(error) => Held::Failed(error.message),
    }
}

/// Whether a rule holds for a call that names no record; one whose condition cannot be evaluated does not.
pub(crate) fn holds(rule: &PolicyRule, facts: &PolicyFacts<'_>) -> bool {
    held(rule, &Variables::new(facts, &Value::Null)) == Held::Yes
}

/// Whether a condition holds for a record; the error says why that cannot be told.
pub(crate) fn evaluate(when: &Program, facts: &PolicyFacts<'_>, record: &Value) -> Result<bool, String> {
    Variables::new(facts, record).evaluate(when).map_err(|error| error.message)
}

/// Whether every list that is given has the call.
pub(crate) fn concerns(matchers: &Matchers, facts: &PolicyFacts<'_>) -> bool {
    let texts = |list: &Option<Vec<String>>, found: &str| {
        list.as_ref().is_none_or(|list| list.iter().any(|wanted| wanted == found))
    };
    matchers.effects.as_ref().is_none_or(|effects| effects.contains(&facts.effect))
        && texts(&matchers.doors, facts.door.as_str())
        && texts(&matchers.roles, facts.role.as_str())
        && texts(&matchers.integrations, facts.integration)
        && texts(&matchers.tenants, facts.tenant_id)
        && matchers.accounts.as_ref().is_none_or(|accounts| accounts.contains(&facts.account))
        && matchers.tokens.as_ref().is_none_or(|tokens| tokens.contains(&facts.token))
        && matchers.tools.as_ref().is_none_or(|tools| tools.iter().any(|wanted| is_tool(wanted, facts)))
        && matchers.methods.as_ref().is_none_or(|methods| methods.iter().any(|wanted| is_method(wanted, facts)))
}

fn is_tool(wanted: &str, facts: &PolicyFacts<'_>) -> bool {
    facts.method.is_some_and(|method| fits(wanted, method.tool) || fits(wanted, method.tool_alias))
}

fn is_method(wanted: &str, facts: &PolicyFacts<'_>) -> bool {
    facts.method.is_some_and(|method| {
        method_matches(wanted, method.kind, method.name)
            || fits(wanted, facts.method_name)
            || (!wanted.contains('.') && fits(wanted, method.name))
    })
}

/// Whether a name fits a pattern that may end in `*`; the case of ASCII letters does not matter.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}

#[cfg(test)]
mod tests;
