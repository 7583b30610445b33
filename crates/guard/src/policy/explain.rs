//! A decision in words: for the caller, and as the value that dry runs, tests and audit records show.

use quartermaster_definition::policy::Verdict;
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value};

use super::{Held, PolicyDecision, PolicyFacts};

/// The most rules that an explanation lists; the one that decided is among them, as it is the last.
pub const RULES_EXPLAINED_MAX: usize = 50;
/// The longest explanation of a condition that failed, in characters.
const FAILURE_MAX_CHARACTERS: usize = 300;

impl PolicyDecision<'_> {
    /// `{"allowed", "decided_by", "because", "policy_version", "rules": [{"rule", "effect", "held", "failure"}]}`; `decided_by`
    /// is the name of a rule, or `default`. A call that a rule requires an approval for is not allowed, and has
    /// `"approval": {"state": "required"}`. `rules` has those that are about the call and were looked at; of more than
    /// [`RULES_EXPLAINED_MAX`] the first are left out, and `rules_left_out` says how many.
    pub fn why(&self, policy_version: i64) -> Value {
        let left_out = self.looked_at.len().saturating_sub(RULES_EXPLAINED_MAX);
        let rules = self.looked_at.iter().skip(left_out).map(|looked| {
            let mut rule = Map::new();
            rule.insert("rule".to_owned(), looked.rule.name.as_str().into());
            rule.insert("effect".to_owned(), looked.rule.verdict.as_str().into());
            rule.insert("held".to_owned(), matches!(looked.held, Held::Yes).into());
            if let Held::Failed(why) = &looked.held {
                rule.insert("failure".to_owned(), cut(why).into());
            }
            Value::Object(rule)
        });
        let mut why = Map::new();
        why.insert("allowed".to_owned(), (self.verdict == Verdict::Allow).into());
        why.insert("decided_by".to_owned(), self.decided_by.map_or("default", |rule| rule.name.as_str()).into());
        if let Some(because) = self.decided_by.and_then(|rule| rule.because.as_deref()) {
            why.insert("because".to_owned(), because.into());
        }
        if self.verdict == Verdict::RequireApproval {
            why.insert("approval".to_owned(), serde_json::json!({"state": "required"}));
        }
        why.insert("policy_version".to_owned(), policy_version.into());
        why.insert("rules".to_owned(), rules.collect());
        if left_out > 0 {
            why.insert("rules_left_out".to_owned(), left_out.into());
        }
        Value::Object(why)
    }

    /// What the caller of a call that is denied is told; `None` when it is allowed, or would be with an approval.
    pub fn problem(&self, facts: &PolicyFacts<'_>, policy_version: i64) -> Option<Problem> {
        if self.verdict != Verdict::Deny {
            return None;
        }
        let called = facts.method.map_or("A raw call", |method| method.tool);
        let policy = format!("this environment's policy (version {policy_version})");
        let detail = match self.decided_by {
            Some(rule) => {
                let because = rule.because.as_deref().unwrap_or_default();
                match self.failure() {
                    None => format!("{called} is denied by the rule `{}` of {policy}: {because}", rule.name),
                    Some(failure) if rule.verdict == Verdict::RequireApproval => format!(
                        "{called} is denied because the condition of the rule `{}` of {policy}, which requires an approval, \
                         cannot be evaluated ({failure}). The rule says: {because}",
                        rule.name
                    ),
                    Some(failure) => format!(
                        "{called} is denied because the condition of the rule `{}` of {policy} cannot be evaluated \
                         ({failure}), and then the rule counts as one that holds. The rule says: {because}",
                        rule.name
                    ),
                }
            }
            None => format!("{called} is denied by the default of {policy}: no rule allows it."),
        };
        let hint = match (self.decided_by, self.failure()) {
            (Some(_), Some(_)) => {
                "Do not try again: an admin has to correct the rule. Where the call names no record, `record` is null: such \
                 a rule needs a `match` that leaves these calls out, or `record != null &&` in front."
            }
            (None, Some(_)) => {
                "A rule that might allow it has a condition that cannot be evaluated. An admin has to correct it."
            }
            _ => {
                "Do not try again: the answer stays the same. Report that the policy forbids this, with the name of the rule; \
                 an admin can change the policy."
            }
        };
        Some(Problem::gateway(Code::DeniedByPolicy, detail).with_hint(hint))
    }

    /// Why the condition of the last rule that was looked at could not be evaluated.
    fn failure(&self) -> Option<String> {
        let failed = self.looked_at.iter().rev().find_map(|looked| match &looked.held {
            Held::Failed(why) => Some((looked.rule, cut(why))),
            _ => None,
        });
        let (rule, why) = failed?;
        // A rule that denies and failed has decided; one that allows and failed matters where the default denied.
        self.decided_by.is_none_or(|decided| decided.name == rule.name).then_some(why)
    }
}

pub(crate) fn cut(text: &str) -> String {
    text.chars().take(FAILURE_MAX_CHARACTERS).collect()
}
