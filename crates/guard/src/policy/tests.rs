use proptest::prelude::*;
use quartermaster_definition::load_policy;
use quartermaster_types::Code;
use serde_json::json;
use std::sync::LazyLock;

use super::*;

static ARGUMENTS: LazyLock<Map<String, Value>> =
    LazyLock::new(|| Map::from_iter([("id".to_owned(), json!("ABC")), ("reason".to_owned(), json!("left"))]));
static NO_RECORD: Value = Value::Null;

fn policy(text: &str) -> Policy {
    let (policy, diagnostics) = load_policy("policy.yaml", text);
    policy.unwrap_or_else(|| panic!("{diagnostics}"))
}

/// A Monday, 2023-11-13 at 03:20 UTC.
const NIGHT: Timestamp = Timestamp::from_unix_ms(1_699_845_600_000);

fn suspend() -> PolicyFacts<'static> {
    PolicyFacts {
        door: Door::Tool,
        method: Some(PolicyMethod {
            resource: "users",
            name: "suspend",
            kind: MethodKind::Custom,
            tool: "1_acme_users_suspend",
            tool_alias: "t_1_acme_users_suspend",
        }),
        method_name: "users.suspend",
        effect: Effect::Destructive,
        arguments: &ARGUMENTS,
        account: AccountId(uuid(1)),
        integration: "acme",
        tenant_id: "tenant",
        is_sandbox: false,
        token: TokenId(uuid(2)),
        token_name: "offboarder",
        token_email: None,
        role: Role::Agent,
        session: Some("run-1"),
        now: NIGHT,
    }
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}

fn one_rule(members: &str) -> Policy {
    policy(&format!("version: 1\nrules:\n  - {{name: r, effect: deny, because: no, {members}}}\n"))
}

fn denies(policy: &Policy, facts: &PolicyFacts<'_>) -> bool {
    decide_policy(policy, facts, &NO_RECORD).verdict == Verdict::Deny
}

#[test]
fn every_matcher_takes_and_leaves() {
    let id = uuid(1);
    let other = uuid(9);
    for (takes, leaves) in [
        ("tools: [1_acme_users_suspend]".to_owned(), "tools: [1_acme_users_reactivate]".to_owned()),
        ("tools: [T_1_acme_users_suspend]".to_owned(), "tools: [users_suspend]".to_owned()),
        ("tools: ['1_acme_*']".to_owned(), "tools: ['2_acme_*']".to_owned()),
        ("methods: [suspend]".to_owned(), "methods: [delete]".to_owned()),
        ("methods: [users.suspend]".to_owned(), "methods: [groups.suspend]".to_owned()),
        ("methods: ['users.*']".to_owned(), "methods: ['groups.*']".to_owned()),
        ("methods: ['sus*']".to_owned(), "methods: ['del*']".to_owned()),
        ("methods: [custom]".to_owned(), "methods: [read, write]".to_owned()),
        ("effects: [destructive]".to_owned(), "effects: [read, write]".to_owned()),
        (format!("accounts: [{id}]"), format!("accounts: [{other}]")),
        ("integrations: [acme]".to_owned(), "integrations: [globex]".to_owned()),
        ("tenants: [tenant]".to_owned(), "tenants: [TENANT]".to_owned()),
        ("roles: [agent]".to_owned(), "roles: [admin]".to_owned()),
        (format!("tokens: [{}]", uuid(2)), format!("tokens: [{other}]")),
        ("doors: [tool]".to_owned(), "doors: [proxy, custom]".to_owned()),
        ("doors: [tool], roles: [agent]".to_owned(), "doors: [tool], roles: [admin]".to_owned()),
    ] {
        assert!(denies(&one_rule(&format!("match: {{{takes}}}")), &suspend()), "{takes}");
        assert!(!denies(&one_rule(&format!("match: {{{leaves}}}")), &suspend()), "{leaves}");
    }
}

#[test]
fn raw_calls_have_a_door_and_no_method() {
    let raw = PolicyFacts { door: Door::Custom, method: None, method_name: "custom.post", ..suspend() };
    assert!(denies(&one_rule("match: {doors: [custom]}"), &raw));
    assert!(denies(&one_rule("when: method == 'custom.post' && tool == ''"), &raw));
    assert!(!denies(&one_rule("match: {methods: ['*']}"), &raw));
    assert!(!denies(&one_rule("match: {tools: ['*']}"), &raw));
}

#[test]
fn conditions_see_every_fact() {
    for when in [
        "tool == '1_acme_users_suspend' && method == 'users.suspend'",
        "effect == 'destructive' && door == 'tool'",
        "arguments.id == 'ABC' && arguments.reason.startsWith('le')",
        "account.integration == 'acme' && account.tenant_id == 'tenant' && !account.sandbox",
        "account.id == '00000000-0000-0000-0000-000000000001'",
        "actor.name == 'offboarder' && actor.role == 'agent' && actor.session == 'run-1'",
        "actor.token_id == '00000000-0000-0000-0000-000000000002'",
        "time.hour == 3 && time.minute == 20 && time.weekday == 1 && time.date == '2023-11-13'",
        "time.year == 2023 && time.month == 11 && time.day == 13 && time.at == '2023-11-13T03:20:00.000Z'",
        "record == null",
    ] {
        assert!(denies(&one_rule(&format!("when: \"{when}\"")), &suspend()), "{when}");
        assert!(!denies(&one_rule(&format!("when: \"!({when})\"")), &suspend()), "{when}");
    }
}

#[test]
fn only_a_rule_about_the_call_that_mentions_the_record_needs_it() {
    let facts = suspend();
    assert!(needs_record(&one_rule("when: record.email == 'a'"), &facts));
    assert!(!needs_record(&one_rule("when: time.hour == 1"), &facts));
    assert!(!needs_record(&one_rule("match: {doors: [proxy]}, when: record.email == 'a'"), &facts));
    let allow = "rules:\n  - {name: r, effect: allow, when: record.email == 'a'}\n";
    assert!(!needs_record(&policy(&format!("version: 1\n{allow}")), &facts), "the default allows it anyway");
    assert!(needs_record(&policy(&format!("version: 1\ndefault: deny\n{allow}")), &facts));
    let owner = one_rule("when: record.role == 'owner'");
    assert_eq!(decide_policy(&owner, &facts, &json!({"role": "owner"})).verdict, Verdict::Deny);
    assert_eq!(decide_policy(&owner, &facts, &json!({"role": "member"})).verdict, Verdict::Allow);
}

#[test]
fn a_condition_that_fails_denies_and_says_so() {
    let facts = suspend();
    for when in ["record.email == 'a'", "arguments.nothing == 1", "arguments.id", "arguments.id > 1"] {
        let rule = one_rule(&format!("when: \"{when}\""));
        let decision = decide_policy(&rule, &facts, &NO_RECORD);
        let problem = decision.problem(&facts, 7).unwrap_or_else(|| panic!("{when} is denied"));
        assert_eq!(problem.code(), Code::DeniedByPolicy);
        assert!(problem.body().detail.contains("cannot be evaluated"), "{problem}");
        assert!(problem.body().detail.contains("`r`") && problem.body().detail.contains("version 7"), "{problem}");
        assert!(decision.why(7)["rules"][0]["failure"].is_string());
    }
    let allowing =
        policy("version: 1\ndefault: deny\nrules:\n  - {name: r, effect: allow, when: record.email == 'a'}\n");
    let decision = decide_policy(&allowing, &facts, &NO_RECORD);
    assert_eq!(decision.verdict, Verdict::Deny, "what may allow does not");
    assert!(decision.problem(&facts, 1).is_some_and(|problem| {
        problem.body().hint.as_deref().is_some_and(|hint| hint.contains("cannot be evaluated"))
    }));
}

#[test]
fn the_default_decides_by_effect_and_exceptions_allow() {
    let text = "version: 1\ndefault: {write: deny, destructive: deny}\nrules:\n  \
                - {name: nights, effect: deny, when: time.hour >= 22, because: at night nobody is there}\n  \
                - {name: offboarding, effect: allow, match: {methods: [users.suspend], roles: [agent]}}\n";
    let policy = policy(text);
    let facts = suspend();
    let allowed = decide_policy(&policy, &facts, &NO_RECORD);
    assert_eq!(allowed.verdict, Verdict::Allow);
    assert_eq!(
        allowed.why(3),
        json!({"allowed": true, "decided_by": "offboarding", "policy_version": 3, "rules": [
            {"rule": "nights", "effect": "deny", "held": false},
            {"rule": "offboarding", "effect": "allow", "held": true},
        ]})
    );
    let late = PolicyFacts { now: NIGHT.plus_ms(19 * 3_600_000), ..facts };
    let denied = decide_policy(&policy, &late, &NO_RECORD);
    assert_eq!(denied.why(3)["decided_by"], "nights", "a rule that denies wins over one that allows");
    let problem = denied.problem(&late, 3).expect("it is denied");
    assert_eq!(
        problem.body().detail,
        "1_acme_users_suspend is denied by the rule `nights` of this environment's policy (version 3): at night nobody is there"
    );
    let other = PolicyFacts { method_name: "users.remove", method: None, ..facts };
    assert_eq!(decide_policy(&policy, &other, &NO_RECORD).why(3)["decided_by"], "default");
    assert!(!denies(&policy, &PolicyFacts { effect: Effect::Read, now: NIGHT, ..other }));
}

#[test]
fn an_explanation_lists_so_many_rules_and_the_one_that_decided() {
    let rules = |count: usize| {
        let one = |number| format!("  - {{name: r{number}, effect: deny, because: b, when: 'false'}}\n");
        let text: String = (0..count).map(one).collect();
        policy(&format!("version: 1\nrules:\n{text}  - {{name: last, effect: deny, because: b}}\n"))
    };
    for (count, left_out) in [(RULES_EXPLAINED_MAX - 1, Value::Null), (RULES_EXPLAINED_MAX, json!(1))] {
        let why = decide_policy(&rules(count), &suspend(), &NO_RECORD).why(1);
        let listed = why["rules"].as_array().expect("a list");
        assert_eq!((listed.len(), &why["rules_left_out"]), (RULES_EXPLAINED_MAX, &left_out));
        assert_eq!(listed.last().expect("not empty")["rule"], "last");
    }
}

proptest! {
    /// Whatever rules stand around it, in whatever order: a rule that denies and holds denies.
    #[test]
    fn deny_wins(allows in proptest::collection::vec(any::<bool>(), 0..12), place in 0_usize..12, default in any::<bool>()) {
        let place = place.min(allows.len());
        let mut rules: Vec<String> = allows.iter().enumerate().map(|(number, holds)| {
            format!("  - {{name: a{number}, effect: allow, when: '{holds}'}}\n")
        }).collect();
        let default = if default { "allow" } else { "deny" };
        let text = |rules: &[String]| {
            let rules = if rules.is_empty() { " []\n".to_owned() } else { format!("\n{}", rules.concat()) };
            format!("version: 1\ndefault: {default}\nrules:{rules}")
        };
        let without = policy(&text(&rules));
        let expected = default == "allow" || allows.contains(&true);
        prop_assert_eq!(decide_policy(&without, &suspend(), &NO_RECORD).verdict == Verdict::Allow, expected);
        rules.insert(place, "  - {name: d, effect: deny, because: no}\n".to_owned());
        let with = policy(&text(&rules));
        prop_assert_eq!(decide_policy(&with, &suspend(), &NO_RECORD).verdict, Verdict::Deny);
    }
}

const WITH_APPROVAL: &str =
    "  - {name: ask, effect: require_approval, because: ask a person, match: {methods: [users.suspend]}}\n";

#[test]
fn a_rule_that_requires_an_approval_comes_after_those_that_deny_and_before_the_default() {
    for default in ["allow", "deny"] {
        let policy = policy(&format!("version: 1\ndefault: {default}\nrules:\n{WITH_APPROVAL}"));
        let facts = suspend();
        let decision = decide_policy(&policy, &facts, &NO_RECORD);
        assert_eq!(decision.verdict, Verdict::RequireApproval);
        let (rule, terms) = decision.required_approval().expect("it takes an approval");
        assert_eq!((rule.name.as_str(), terms.quorum), ("ask", 1));
        assert!(decision.problem(&facts, 1).is_none(), "it is not denied");
        let why = decision.why(4);
        assert_eq!((&why["allowed"], &why["approval"]["state"]), (&json!(false), &json!("required")));
        let other = PolicyFacts { method: None, method_name: "custom.post", ..facts };
        assert_eq!(denies(&policy, &other), default == "deny", "the rule is not about raw calls");
        assert!(decide_policy(&policy, &other, &NO_RECORD).required_approval().is_none());
    }
}

#[test]
fn an_approval_cannot_be_asked_for_by_a_condition_that_cannot_be_evaluated() {
    let text = "version: 1\nrules:\n  \
                - {name: ask, effect: require_approval, because: ask a person, when: record.email == 'a'}\n";
    let policy = policy(text);
    let facts = suspend();
    assert!(needs_record(&policy, &facts));
    let decision = decide_policy(&policy, &facts, &NO_RECORD);
    assert_eq!(decision.verdict, Verdict::Deny);
    assert!(decision.required_approval().is_none());
    let problem = decision.problem(&facts, 1).expect("it is denied");
    assert!(problem.body().detail.contains("which requires an approval, cannot be evaluated"), "{problem}");
    let record = json!({"email": "a"});
    assert_eq!(decide_policy(&policy, &facts, &record).verdict, Verdict::RequireApproval);
}

proptest! {
    /// Whatever stands around it: a call that needs an approval is never simply allowed, and one that is denied never asks.
    #[test]
    fn deny_wins_over_approval_and_approval_over_allow(
        allows in proptest::collection::vec(any::<bool>(), 0..6),
        place in 0_usize..6,
        denies_too in any::<bool>(),
        default in any::<bool>(),
    ) {
        let mut rules: Vec<String> = allows.iter().enumerate().map(|(number, holds)| {
            format!("  - {{name: a{number}, effect: allow, when: '{holds}'}}\n")
        }).collect();
        rules.insert(place.min(rules.len()), WITH_APPROVAL.to_owned());
        if denies_too {
            rules.push("  - {name: d, effect: deny, because: no}\n".to_owned());
        }
        let default = if default { "allow" } else { "deny" };
        let policy = policy(&format!("version: 1\ndefault: {default}\nrules:\n{}", rules.concat()));
        let expected = if denies_too { Verdict::Deny } else { Verdict::RequireApproval };
        prop_assert_eq!(decide_policy(&policy, &suspend(), &NO_RECORD).verdict, expected);
    }
}
