use quartermaster_types::{Clock, IdSource, Timestamp};
use serde_json::Map;

use super::*;

fn account(seed: u64) -> AccountId {
    IdSource::new(Clock::manual(Timestamp::from_unix_ms(1_700_000_000_000)), seed).next()
}

fn next_calls() -> Vec<NextCall> {
    vec![NextCall { tool: "list_all_1_password_users".into(), arguments: Map::new() }]
}

fn suspend() -> MethodFacts<'static> {
    MethodFacts {
        resource: "users",
        name: "suspend",
        kind: MethodKind::Custom,
        tool_name: "1_password_users_suspend",
        tool_alias: "t_1_password_users_suspend",
        takes_id: true,
    }
}

fn list() -> MethodFacts<'static> {
    MethodFacts {
        resource: "users",
        name: "list",
        kind: MethodKind::List,
        tool_name: "list_all_1_password_users",
        tool_alias: "list_all_1_password_users",
        takes_id: false,
    }
}

/// A destructive call by an agent through the tool door with a grounded id: allowed.
fn facts() -> CallFacts<'static> {
    CallFacts {
        door: Door::Tool,
        role: Role::Agent,
        allowed_accounts: None,
        allowed_tools: None,
        allowed_methods: None,
        allows_custom: false,
        account: account(1),
        switched_off: None,
        is_blocked: false,
        is_sandbox: false,
        method: Some(suspend()),
        effect: Effect::Destructive,
        grounds_proxy: false,
        grounding: Some(Grounding::Grounded),
        next_calls: &next_calls,
    }
}

fn read() -> CallFacts<'static> {
    CallFacts { method: Some(list()), effect: Effect::Read, grounding: None, ..facts() }
}

fn switch(what: SwitchedOff) -> SwitchFacts<'static> {
    SwitchFacts { what, reason: "an incident", since: Timestamp::from_unix_ms(1_700_000_000_000) }
}

fn raw() -> CallFacts<'static> {
    CallFacts {
        door: Door::Custom,
        method: None,
        effect: Effect::Read,
        grounding: None,
        allows_custom: true,
        ..facts()
    }
}

fn denied_by(facts: &CallFacts<'_>) -> Option<&'static str> {
    match decide(facts) {
        Decision::Allow => None,
        Decision::Deny { rule, .. } => Some(rule.as_str()),
    }
}

/// Role by rule: what each role gets when the rule alone is broken.
#[test]
fn every_role_meets_every_rule() {
    let others = [account(2)];
    let tools = ["other_tool".to_owned()];
    let methods = ["read".to_owned()];
    let broken: [(Rule, CallFacts<'_>); 9] = [
        (Rule::TokenRole, facts()),
        (Rule::TokenAccounts, CallFacts { allowed_accounts: Some(&others), ..facts() }),
        (Rule::TokenTools, CallFacts { allowed_tools: Some(&tools), ..facts() }),
        (Rule::TokenMethods, CallFacts { allowed_methods: Some(&methods), ..facts() }),
        (Rule::TokenCustom, CallFacts { allows_custom: false, ..raw() }),
        (Rule::SwitchedOff, CallFacts { switched_off: Some(switch(SwitchedOff::Tool)), ..read() }),
        (Rule::AccountBlocked, CallFacts { is_blocked: true, ..read() }),
        (Rule::SandboxWrite, CallFacts { is_sandbox: true, ..facts() }),
        (Rule::GroundedId, CallFacts { grounding: Some(Grounding::Unread), ..facts() }),
    ];
    assert_eq!(broken.map(|(rule, _)| rule).as_slice(), Rule::ALL, "the table has every rule, in order");
    for (rule, facts) in broken {
        for role in [Role::Admin, Role::Agent, Role::Auditor] {
            let expected = match (role, rule) {
                (Role::Auditor, _) => Some("token_role"),
                (_, Rule::TokenRole) => None,
                (_, rule) => Some(rule.as_str()),
            };
            assert_eq!(denied_by(&CallFacts { role, ..facts }), expected, "{role:?} {rule:?}");
        }
    }
}

#[test]
fn codes_hints_and_next_calls_teach() {
    let others = [account(2)];
    let none: [String; 0] = [];
    for (facts, code, words) in [
        (CallFacts { role: Role::Auditor, ..facts() }, Code::PermissionDenied, "auditor"),
        (CallFacts { allowed_accounts: Some(&others), ..facts() }, Code::NotFound, "No such integrated account"),
        (CallFacts { allowed_tools: Some(&none), ..facts() }, Code::PermissionDenied, "1_password_users_suspend"),
        (CallFacts { allowed_methods: Some(&none), ..facts() }, Code::PermissionDenied, "token_methods"),
        (CallFacts { allows_custom: false, ..raw() }, Code::PermissionDenied, "raw calls"),
        (
            CallFacts { switched_off: Some(switch(SwitchedOff::Environment)), ..facts() },
            Code::SwitchedOff,
            "1_password_users_suspend was not sent: this environment is switched off since 2023-11-14T22:13:20.000Z \
             (rule switched_off): an incident",
        ),
        (CallFacts { switched_off: Some(switch(SwitchedOff::Token)), ..raw() }, Code::SwitchedOff, "a raw call was"),
        (CallFacts { is_blocked: true, ..facts() }, Code::AccountBlocked, "blocked"),
        (CallFacts { is_sandbox: true, ..facts() }, Code::SandboxWrite, "sandbox"),
        (CallFacts { grounding: Some(Grounding::Unread), ..facts() }, Code::UngroundedId, "not returned by any read"),
        (CallFacts { grounding: Some(Grounding::Expired), ..facts() }, Code::UngroundedId, "too long ago"),
        (CallFacts { grounding: None, ..facts() }, Code::UngroundedId, "not returned by any read"),
    ] {
        let Decision::Deny { rule, problem } = decide(&facts) else { panic!("{code} must be denied") };
        assert_eq!(problem.code(), code);
        assert!(problem.body().detail.contains(words), "{}", problem.body().detail);
        assert!(!problem.body().retryable);
        assert!(rule == Rule::TokenAccounts || problem.body().hint.is_some(), "{rule:?} needs a hint");
        assert_eq!(problem.body().next_calls.len(), usize::from(code == Code::UngroundedId));
    }
}

#[test]
fn narrowing_that_names_the_call_allows_it() {
    let accounts = [account(2), account(1)];
    for tools in [["1_password_users_suspend"], ["t_1_password_users_suspend"], ["1_PASSWORD_users_suspend"]] {
        for methods in [["suspend"], ["custom"]] {
            let (tools, methods) = (tools.map(str::to_owned), methods.map(str::to_owned));
            let narrowed = CallFacts {
                allowed_accounts: Some(&accounts),
                allowed_tools: Some(&tools),
                allowed_methods: Some(&methods),
                ..facts()
            };
            assert_eq!(denied_by(&narrowed), None);
        }
    }
    let methods = ["read".to_owned()];
    assert_eq!(denied_by(&CallFacts { allowed_methods: Some(&methods), ..read() }), None);
    assert_eq!(denied_by(&CallFacts { allowed_methods: Some(&methods), ..raw() }), Some("token_methods"));
}

#[test]
fn grounding_is_asked_for_writes_by_id_through_the_tool_door() {
    let create = MethodFacts { kind: MethodKind::Create, name: "create", takes_id: false, ..suspend() };
    for (facts, required) in [
        (facts(), true),
        (CallFacts { effect: Effect::Write, ..facts() }, true),
        (CallFacts { effect: Effect::Read, ..facts() }, false),
        (CallFacts { method: Some(create), effect: Effect::Write, ..facts() }, false),
        (CallFacts { door: Door::Proxy, ..facts() }, false),
        (CallFacts { door: Door::Proxy, grounds_proxy: true, ..facts() }, true),
        (CallFacts { effect: Effect::Destructive, ..raw() }, false),
    ] {
        assert_eq!(requires_grounding(&facts), required);
        let denied = denied_by(&CallFacts { grounding: Some(Grounding::Unread), ..facts });
        assert_eq!(denied, required.then_some("grounded_id"));
    }
}

#[test]
fn a_sandbox_answers_reads_and_refuses_every_write() {
    for (facts, is_refused) in [
        (CallFacts { is_sandbox: true, ..read() }, false),
        (CallFacts { is_sandbox: true, effect: Effect::Write, ..facts() }, true),
        (CallFacts { is_sandbox: true, door: Door::Proxy, ..facts() }, true),
        (CallFacts { is_sandbox: true, ..raw() }, false),
        (CallFacts { is_sandbox: true, effect: Effect::Destructive, ..raw() }, true),
    ] {
        assert_eq!(denied_by(&facts), is_refused.then_some("sandbox_write"));
    }
}

#[test]
fn the_documentation_lists_every_rule_in_order() {
    let text = include_str!("../../../../docs/tools.md");
    let listed: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
    let rules: Vec<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert!(listed.ends_with(&rules), "{listed:?}");
}
