//! The rules that a call must pass, one after the other. The first that fails denies and names itself.

use quartermaster_definition::plan::{Effect, MethodKind};
use quartermaster_definition::tools::method_matches;
use quartermaster_types::{AccountId, Code, NextCall, Problem, Timestamp};

use crate::ledger::Grounding;

/// What a token may do at all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Everything in its environment.
    Admin,
    /// Tools and proxy calls.
    Agent,
    /// Reads of configuration and the audit log; no calls.
    Auditor,
}

impl Role {
    /// As it stands in policies: `admin`, `agent`, `auditor`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::Auditor => "auditor",
        }
    }
}

/// Through which door the call came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Door {
    /// `POST …/tools/{name}/call` and MCP: a model chose the arguments.
    Tool,
    /// `/proxy/…`: a program did.
    Proxy,
    /// `/custom/…`: raw.
    Custom,
}

impl Door {
    /// As it stands in policies: `tool`, `proxy`, `custom`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Proxy => "proxy",
            Self::Custom => "custom",
        }
    }
}

/// The method that is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MethodFacts<'a> {
    /// Resource.
    pub resource: &'a str,
    /// Name.
    pub name: &'a str,
    /// Kind.
    pub kind: MethodKind,
    /// Canonical tool name.
    pub tool_name: &'a str,
    /// Alias.
    pub tool_alias: &'a str,
    /// Whether it takes an id.
    pub takes_id: bool,
}

/// What a kill switch is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SwitchedOff {
    /// Every call of the environment.
    Environment,
    /// Every call on the account.
    Account,
    /// Every call with the token.
    Token,
    /// Every call of the tool.
    Tool,
}

/// A kill switch that concerns the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwitchFacts<'a> {
    /// What it is about.
    pub what: SwitchedOff,
    /// Why, in the words of whoever switched it off.
    pub reason: &'a str,
    /// Since when.
    pub since: Timestamp,
}

/// Everything that the rules look at.
#[derive(Clone, Copy)]
pub struct CallFacts<'a> {
    /// The door.
    pub door: Door,
    /// The token's role.
    pub role: Role,
    /// Accounts that the token is narrowed to; `None` does not narrow, an empty list allows nothing.
    pub allowed_accounts: Option<&'a [AccountId]>,
    /// Tool names (or aliases) that the token is narrowed to.
    pub allowed_tools: Option<&'a [String]>,
    /// `read`, `write`, `custom` or method names that the token is narrowed to.
    pub allowed_methods: Option<&'a [String]>,
    /// Whether the token may make raw calls.
    pub allows_custom: bool,
    /// The account.
    pub account: AccountId,
    /// The kill switch that concerns the call.
    pub switched_off: Option<SwitchFacts<'a>>,
    /// Whether somebody blocked the account.
    pub is_blocked: bool,
    /// Whether the account refuses writes.
    pub is_sandbox: bool,
    /// The method; `None` for raw calls.
    pub method: Option<MethodFacts<'a>>,
    /// What the call does to the world. Raw calls: [`Effect::Read`] for GET and HEAD, else [`Effect::Destructive`].
    pub effect: Effect,
    /// Whether writes by proxy need a grounded id as well.
    pub grounds_proxy: bool,
    /// What the ledger says about the id. `None` where it was not asked; where [`requires_grounding`] holds, that denies.
    pub grounding: Option<Grounding>,
    /// Calls that would ground the id; asked for only when the call is denied.
    pub next_calls: &'a dyn Fn() -> Vec<NextCall>,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// The closed list of rules, in the order in which they are checked.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Rule {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Rule {
            /// Every rule, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in answers, logs and documentation.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

rules! {
    /// Auditors call nothing.
    TokenRole = "token_role";
    /// The token's list of accounts has this one.
    TokenAccounts = "token_accounts";
    /// The token's list of tools has this one; a token with such a list makes no raw calls.
    TokenTools = "token_tools";
    /// The token's list of methods has this one; a token with such a list makes no raw calls.
    TokenMethods = "token_methods";
    /// Raw calls are allowed to this token.
    TokenCustom = "token_custom";
    /// Neither the environment nor the account, the token or the tool is switched off.
    SwitchedOff = "switched_off";
    /// The account is not blocked.
    AccountBlocked = "account_blocked";
    /// Sandboxes are not written to.
    SandboxWrite = "sandbox_write";
    /// The id of a write was read in this session.
    GroundedId = "grounded_id";
}

impl Rule {
    /// Whether it asks only what the token may do.
    pub const fn is_about_token(self) -> bool {
        match self {
            Self::TokenRole | Self::TokenAccounts | Self::TokenTools | Self::TokenMethods | Self::TokenCustom => true,
            Self::SwitchedOff | Self::AccountBlocked | Self::SandboxWrite | Self::GroundedId => false,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub enum Decision {
    /// Every rule holds.
    Allow,
    /// A rule fails.
    Deny {
        /// Which.
        rule: Rule,
        /// What to tell the caller.
        problem: Problem,
    },
}

/// Checks every rule in order; the first that fails decides.
pub fn decide(facts: &CallFacts<'_>) -> Decision {
    first_denial(facts, |_| true)
}

/// Checks only the rules about the token, which come first and need no arguments: whoever may not call a method is told that,
/// and not what its arguments should have been.
pub fn decide_token(facts: &CallFacts<'_>) -> Decision {
    first_denial(facts, Rule::is_about_token)
}

fn first_denial(facts: &CallFacts<'_>, checked: impl Fn(Rule) -> bool) -> Decision {
    Rule::ALL
        .iter()
        .find(|rule| checked(**rule) && !holds(**rule, facts))
        .map_or(Decision::Allow, |rule| Decision::Deny { rule: *rule, problem: problem(*rule, facts) })
}

/// Whether the call needs an id that the session has read: writes by id through the tool door, and by proxy when that is asked for.
pub fn requires_grounding(facts: &CallFacts<'_>) -> bool {
    let is_guarded_door = match facts.door {
        Door::Tool => true,
        Door::Proxy => facts.grounds_proxy,
        Door::Custom => false,
    };
    is_guarded_door && facts.effect != Effect::Read && facts.method.is_some_and(|method| method.takes_id)
}

fn holds(rule: Rule, facts: &CallFacts<'_>) -> bool {
    match rule {
        Rule::TokenRole => facts.role != Role::Auditor,
        Rule::TokenAccounts => facts.allowed_accounts.is_none_or(|accounts| accounts.contains(&facts.account)),
        Rule::TokenTools => facts.allowed_tools.is_none_or(|tools| {
            facts.method.is_some_and(|method| {
                tools.iter().any(|tool| {
                    tool.eq_ignore_ascii_case(method.tool_name) || tool.eq_ignore_ascii_case(method.tool_alias)
                })
            })
        }),
        Rule::TokenMethods => facts.allowed_methods.is_none_or(|methods| {
            facts
                .method
                .is_some_and(|method| methods.iter().any(|wanted| method_matches(wanted, method.kind, method.name)))
        }),
        Rule::TokenCustom => facts.door != Door::Custom || facts.allows_custom,
        Rule::SwitchedOff => facts.switched_off.is_none(),
        Rule::AccountBlocked => !facts.is_blocked,
        Rule::SandboxWrite => !facts.is_sandbox || facts.effect == Effect::Read,
        Rule::GroundedId => !requires_grounding(facts) || facts.grounding == Some(Grounding::Grounded),
    }
}

fn problem(rule: Rule, facts: &CallFacts<'_>) -> Problem {
    let name = rule.as_str();
    let denied = |detail: String| Problem::gateway(Code::PermissionDenied, detail);
    match rule {
        Rule::TokenRole => denied(format!("Tokens with the role auditor make no calls (rule {name})."))
            .with_hint("Use a token with the role agent or admin."),
        // The same answer as for an account that does not exist: a token learns nothing about accounts that are not its own.
        Rule::TokenAccounts => Problem::caller(Code::NotFound, "No such integrated account is visible to this token."),
        Rule::TokenTools => denied(format!("This token may not use {} (rule {name}).", called(facts)))
            .with_hint("GET /integrated-account/{id}/tools lists the tools that this token may use. Ask whoever made the token for a wider one."),
        Rule::TokenMethods => denied(format!("This token's methods do not include {} (rule {name}).", called(facts)))
            .with_hint("GET /integrated-account/{id}/tools lists the tools that this token may use. Ask whoever made the token for a wider one."),
        Rule::TokenCustom => denied(format!("This token may not make raw calls (rule {name})."))
            .with_hint("Use the tools or the proxy routes, or a token that was made with `custom: true`."),
        Rule::SwitchedOff => switched_off(facts),
        Rule::AccountBlocked => {
            Problem::gateway(Code::AccountBlocked, format!("This integrated account is blocked (rule {name})."))
                .with_hint("Nothing can be called on it. Ask whoever blocked it; trying again does not help.")
        }
        Rule::SandboxWrite => Problem::gateway(
            Code::SandboxWrite,
            format!("{} would change something, and this integrated account is a sandbox (rule {name}).", called(facts)),
        )
        .with_hint("Reads work here. To change something for real, use an account that was not created with `sandbox: true`."),
        Rule::GroundedId => ungrounded(facts),
    }
}

fn ungrounded(facts: &CallFacts<'_>) -> Problem {
    let what = match facts.grounding {
        Some(Grounding::Expired) => "was read in this session, but too long ago",
        _ => "was not returned by any read in this session",
    };
    let detail = format!("{} was not sent: its id {what} (rule {}).", called(facts), Rule::GroundedId.as_str());
    let mut problem = Problem::gateway(Code::UngroundedId, detail).with_hint(
        "Read the record first, see that it is the one that is meant, and call again with the exact id of the answer, in the same \
         session. An id from memory, from a text, or with one character changed is refused.",
    );
    problem.body_mut().next_calls = (facts.next_calls)();
    problem.with_error("/id", format!("this id {what}"))
}

fn switched_off(facts: &CallFacts<'_>) -> Problem {
    let Some(switch) = facts.switched_off else {
        return Problem::gateway(Code::SwitchedOff, "This is switched off; nothing was sent.");
    };
    problem_of_switch(&switch, called(facts))
}

/// What the caller of something that is switched off is told; `called`: what was not done.
pub fn problem_of_switch(switch: &SwitchFacts<'_>, called: &str) -> Problem {
    let what = match switch.what {
        SwitchedOff::Environment => "this environment",
        SwitchedOff::Account => "this integrated account",
        SwitchedOff::Token => "this token",
        SwitchedOff::Tool => "this tool",
    };
    let detail = format!(
        "{called} was not sent: {what} is switched off since {} (rule {}): {}",
        switch.since,
        Rule::SwitchedOff.as_str(),
        switch.reason
    );
    Problem::gateway(Code::SwitchedOff, detail).with_hint(
        "Do not try again, and do not look for another way to do the same. Report it: an administrator switches it on again when the \
         reason is gone.",
    )
}

fn called<'a>(facts: &CallFacts<'a>) -> &'a str {
    facts.method.map_or("a raw call", |method| method.tool_name)
}

#[cfg(test)]
mod tests;
