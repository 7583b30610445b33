//! The policy language: named rules over calls, loaded with the same diagnostics as definitions and compiled once.
//!
//! What a rule decides stands in `quartermaster_guard::policy`; here is only what it says.

mod approval;
mod build;
mod build_guards;
mod language;
mod protected;

use quartermaster_expr::Program;
use quartermaster_types::{AccountId, TokenId};
use serde_json::Value;

pub use protected::{
    BLAST_CHANGES_MAX, BLAST_WINDOW_MAX_SECONDS, BlastLimit, POLICY_BLAST_MAX, POLICY_PROTECTED_MAX,
    PROTECTED_NAMED_MAX, Per, Protected, Room, SHARE_WHOLE,
};

use crate::diagnostics::{Diagnostic, Diagnostics, Level, Rule};
use crate::notation::{self, Report, Source};
use crate::plan::Effect;
use crate::shape;

pub use approval::{
    APPROVAL_SECONDS_DEFAULT, APPROVAL_SECONDS_MAX, APPROVAL_SECONDS_MIN, APPROVERS_MAX, ApprovalScope, ApprovalTerms,
    Approvers, PERSON_MAX_BYTES, QUORUM_MAX,
};

/// The longest policy, in bytes.
pub const POLICY_MAX_BYTES: usize = 256 * 1024;
/// The most rules of a policy.
pub const POLICY_RULES_MAX: usize = 200;
/// The longest `because`, in bytes.
pub const BECAUSE_MAX_BYTES: usize = 1000;

/// The variables that `when` may use.
///
/// `tool`, `method` (`users.suspend`; `custom.post` for raw calls), `effect`, `door` (texts); `arguments` (map); `account`
/// (`id`, `integration`, `tenant_id`, `sandbox`); `actor` (`token_id`, `name`, `email`, `role`, `session`); `time` (UTC: `at`, `date`,
/// `year`, `month`, `day`, `hour`, `minute`, `weekday` with 1 for Monday); `record` (the record, read afresh; null where the
/// call names none).
pub const POLICY_VARIABLES: &[&str] =
    &["tool", "method", "effect", "door", "arguments", "account", "actor", "time", "record"];

/// What a rule or the default says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The call may be made.
    Allow,
    /// It may not.
    Deny,
    /// It may once a person has said yes. Only rules say so, never the default.
    RequireApproval,
}

impl Verdict {
    /// As it stands in policies: `allow`, `deny`, `require_approval`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::RequireApproval => "require_approval",
        }
    }
}

/// An environment's policy, ready to decide.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// What becomes of calls that no rule decides.
    pub default: Defaults,
    /// Rules in the order of the document. Names are unique.
    pub rules: Vec<PolicyRule>,
    /// Records that nothing may be taken away from.
    pub protected: Vec<Protected>,
    /// How many changes may be made.
    pub blast_radius: Vec<BlastLimit>,
}

impl Policy {
    /// Whether it can refuse anything.
    pub fn says_something(&self) -> bool {
        !self.rules.is_empty()
            || self.default != Defaults::default()
            || !self.protected.is_empty()
            || !self.blast_radius.is_empty()
    }
}

/// What becomes of calls that no rule decides, by what they do to the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Defaults {
    /// Reads.
    pub read: Verdict,
    /// Changes that harm nobody.
    pub write: Verdict,
    /// Changes that take something away.
    pub destructive: Verdict,
}

impl Defaults {
    /// The one for this effect.
    pub const fn of(self, effect: Effect) -> Verdict {
        match effect {
            Effect::Read => self.read,
            Effect::Write => self.write,
            Effect::Destructive => self.destructive,
        }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self { read: Verdict::Allow, write: Verdict::Allow, destructive: Verdict::Allow }
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub struct PolicyRule {
    /// Lower-case letters, digits, `-` and `_`; at most 64.
    pub name: String,
    /// Whether it denies, asks for an approval, or makes an exception to a default that denies.
    pub verdict: Verdict,
    /// What has to be given; `Some` for rules that require an approval, and only for those.
    pub approval: Option<ApprovalTerms>,
    /// Which calls it is about.
    pub concerns: Matchers,
    /// When it holds; `None` always.
    pub when: Option<Program>,
    /// What the caller is told; at most [`BECAUSE_MAX_BYTES`].
    pub because: Option<String>,
}

/// Which calls a rule is about: every list that is given has to have the call; an empty matcher has them all.
#[derive(Clone, Debug, Default)]
pub struct Matchers {
    /// Tool names or aliases; a `*` at the end stands for any rest.
    pub tools: Option<Vec<String>>,
    /// `read`, `write`, `custom`, a method name, or `resource.method`; a `*` at the end stands for any rest.
    pub methods: Option<Vec<String>>,
    /// Effects.
    pub effects: Option<Vec<Effect>>,
    /// Accounts.
    pub accounts: Option<Vec<AccountId>>,
    /// Integration names.
    pub integrations: Option<Vec<String>>,
    /// Tenants.
    pub tenants: Option<Vec<String>>,
    /// `admin` or `agent`: auditors make no calls.
    pub roles: Option<Vec<String>>,
    /// Tokens.
    pub tokens: Option<Vec<TokenId>>,
    /// `tool`, `proxy` or `custom`.
    pub doors: Option<Vec<String>>,
}

impl Matchers {
    /// Whether it is about calls that it names: raw ones by their door, others by tool or method.
    pub fn names_the_call(&self) -> bool {
        self.tools.is_some() || self.methods.is_some() || self.doors.is_some()
    }
}

/// Loads a policy from its YAML text. `file_name` is only used in messages; nothing is read.
///
/// All problems come at once. The policy is `None` when one of them is an error.
pub fn load_policy(file_name: &str, text: &str) -> (Option<Policy>, Diagnostics) {
    if text.len() > POLICY_MAX_BYTES {
        let message = format!("a policy has at most {POLICY_MAX_BYTES} bytes, this one has {}", text.len());
        let mut diagnostics = Diagnostics::new(Source::of("policy", file_name, ""));
        diagnostics.push(too_long(message));
        return (None, diagnostics);
    }
    let (tree, mut diagnostics) = notation::parse("policy", file_name, text.as_bytes());
    let Some(tree) = tree else { return (None, diagnostics) };
    let mut report = Report::new(&tree, &mut diagnostics);
    shape::check(&tree, &language::POLICY, &mut report);
    let policy = if report.is_over_limit() { None } else { build::build(&tree, &mut report) };
    diagnostics.sort();
    (policy.filter(|_| !diagnostics.has_errors()), diagnostics)
}

/// The JSON Schema of the policy language, for editors.
pub fn policy_schema() -> Value {
    let mut schema = shape::schema::of(&language::POLICY);
    if let Some(members) = schema.as_object_mut() {
        members.shift_insert(0, "$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        members.shift_insert(1, "title".to_owned(), "Quartermaster policy".into());
    }
    schema
}

fn too_long(message: String) -> Diagnostic {
    Diagnostic {
        level: Level::Error,
        rule: Rule::Limit,
        message,
        help: None,
        pointer: String::new(),
        location: None,
        layer: None,
    }
}

#[cfg(test)]
mod tests;
