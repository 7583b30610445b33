//! What a rule that requires an approval asks for.

use std::collections::HashSet;

use quartermaster_types::TokenId;

use super::build::{ids, texts};
use crate::diagnostics::Rule;
use crate::report::Report;
use crate::shape::duration_seconds;
use crate::tree::Node;

/// The most approvers that a rule may want.
pub const QUORUM_MAX: u32 = 10;
/// The shortest time that an approval may wait, in seconds.
pub const APPROVAL_SECONDS_MIN: u64 = 60;
/// The longest: thirty days.
pub const APPROVAL_SECONDS_MAX: u64 = 30 * 24 * 3600;
/// How long an approval waits when the rule does not say: an hour.
pub const APPROVAL_SECONDS_DEFAULT: u64 = 3600;
/// The most people that a rule may name, and the most tokens.
pub const APPROVERS_MAX: usize = 50;
/// The longest name of a person, in bytes.
pub const PERSON_MAX_BYTES: usize = 100;

/// What one approval lets through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalScope {
    /// One call, once.
    Call,
    /// Every call of the run that the rule is about. Outside of a run it is as [`Self::Call`].
    Run,
    /// Only calls of a plan that was approved.
    Plan,
}

/// What has to be given before a call passes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApprovalTerms {
    /// What one approval lets through.
    pub scope: ApprovalScope,
    /// How many approvers have to say yes; 1 to [`QUORUM_MAX`].
    pub quorum: u32,
    /// How long it waits for that, and then to be used; [`APPROVAL_SECONDS_MIN`] to [`APPROVAL_SECONDS_MAX`].
    pub expires_in_seconds: u64,
    /// Who may decide.
    pub approvers: Approvers,
}

/// Who may decide: whoever is in one of the lists. Never the token that asked, and never one with the role `agent`.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvers {
    /// `admin`, `auditor`: tokens with these roles that are not narrowed.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Tokens.
    #[serde(default)]
    pub tokens: Vec<TokenId>,
    /// People without a token, who get a link each.
    #[serde(default)]
    pub people: Vec<String>,
}

impl Approvers {
    /// The most that can decide; `None` where roles leave it open.
    fn count(&self) -> Option<usize> {
        self.roles.is_empty().then(|| self.tokens.len() + self.people.len())
    }
}

impl Default for Approvers {
    fn default() -> Self {
        Self { roles: vec!["admin".to_owned()], tokens: Vec::new(), people: Vec::new() }
    }
}

impl Default for ApprovalTerms {
    fn default() -> Self {
        Self {
            scope: ApprovalScope::Call,
            quorum: 1,
            expires_in_seconds: APPROVAL_SECONDS_DEFAULT,
            approvers: Approvers::default(),
        }
    }
}

/// The terms of a rule.
pub(super) fn terms(node: Option<&Node>, report: &mut Report<'_>) -> ApprovalTerms {
    let mut terms = ApprovalTerms::default();
    let Some(node) = node else { return terms };
    terms.scope = match node.get("scope").and_then(Node::text) {
        Some("run") => ApprovalScope::Run,
        Some("plan") => ApprovalScope::Plan,
        _ => ApprovalScope::Call,
    };
    if let Some(quorum) = node.get("quorum").and_then(Node::integer) {
        terms.quorum = u32::try_from(quorum).unwrap_or(QUORUM_MAX).min(QUORUM_MAX);
    }
    if let Some(wait) = node.get("expires_in") {
        match duration_seconds(wait) {
            Some(seconds) if (APPROVAL_SECONDS_MIN..=APPROVAL_SECONDS_MAX).contains(&seconds) => {
                terms.expires_in_seconds = seconds;
            }
            // What is no duration at all was named before.
            None => {}
            Some(_) => {
                report.error(wait, Rule::WrongValue, "an approval waits for one minute at least and 30 days at most");
            }
        }
    }
    if let Some(approvers) = node.get("approvers") {
        terms.approvers = self::approvers(approvers, report);
        if terms.approvers.count().is_some_and(|count| count < terms.quorum as usize) {
            report.error_with_help(
                approvers,
                Rule::WrongValue,
                format!("{} have to say yes, and fewer can", terms.quorum),
                "name more approvers, or ask for a smaller `quorum`",
            );
        }
    }
    terms
}

fn approvers(node: &Node, report: &mut Report<'_>) -> Approvers {
    for list in [node.get("tokens"), node.get("people")].into_iter().flatten() {
        if let Some(past) = list.items().get(APPROVERS_MAX) {
            report.error(past, Rule::Limit, format!("at most {APPROVERS_MAX} may stand here"));
        }
    }
    let mut known = HashSet::new();
    for item in node.get("people").map(Node::items).unwrap_or_default() {
        let Some(name) = item.text() else { continue };
        if name.len() > PERSON_MAX_BYTES || name.chars().any(char::is_control) {
            let message = format!("a name has at most {PERSON_MAX_BYTES} bytes and no control characters");
            report.error(item, Rule::BadName, message);
        }
        if !known.insert(name) {
            report.error(item, Rule::DuplicateKey, format!("`{}` stands above already", name.escape_debug()));
        }
    }
    let mut tokens = ids(node.get("tokens"), report).unwrap_or_default();
    tokens.sort_unstable();
    tokens.dedup();
    Approvers {
        roles: texts(node.get("roles")).unwrap_or_default(),
        tokens,
        people: texts(node.get("people")).unwrap_or_default(),
    }
}
