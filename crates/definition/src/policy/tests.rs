use super::*;

const GOOD: &str = "\
version: 1
default: {destructive: deny}
rules:
  - name: nights
    effect: deny
    match: {methods: ['users.*'], effects: [write, destructive], doors: [tool, proxy]}
    when: time.hour < 8
    because: Nobody is changed at night.
  - name: offboarding
    effect: allow
    match: {tools: [a_users_suspend], roles: [agent]}
";

fn problems(text: &str) -> Vec<(String, String, Option<usize>)> {
    let (policy, diagnostics) = load_policy("policy.yaml", text);
    assert_eq!(policy.is_none(), diagnostics.has_errors(), "{diagnostics}");
    diagnostics
        .iter()
        .map(|item| (item.rule.as_str().to_owned(), item.pointer.clone(), item.location.as_ref().map(|at| at.line)))
        .collect()
}

fn problem(text: &str) -> (String, String) {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0].0.clone(), found[0].1.clone())
}

fn with_rule(rule: &str) -> String {
    format!("version: 1\nrules:\n  - {}\n", rule.replace('\n', "\n    "))
}

#[test]
fn a_good_policy_is_read_whole() {
    let (policy, diagnostics) = load_policy("policy.yaml", GOOD);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let policy = policy.unwrap();
    assert_eq!(policy.default.of(Effect::Destructive), Verdict::Deny);
    assert_eq!(policy.default.of(Effect::Write), Verdict::Allow);
    let [nights, offboarding] = policy.rules.as_slice() else { panic!("two rules") };
    assert_eq!((nights.name.as_str(), nights.verdict), ("nights", Verdict::Deny));
    assert_eq!(nights.concerns.effects, Some(vec![Effect::Write, Effect::Destructive]));
    assert!(nights.when.as_ref().is_some_and(|when| when.uses("time")));
    assert_eq!(nights.because.as_deref(), Some("Nobody is changed at night."));
    assert_eq!(offboarding.concerns.roles, Some(vec!["agent".to_owned()]));
    assert!(offboarding.when.is_none());
}

#[test]
fn mistakes_are_named_with_their_place() {
    let deny = "name: x\neffect: deny\nbecause: y";
    for (text, rule, pointer) in [
        ("rules: []\n".to_owned(), "missing-key", ""),
        ("version: 2\n".to_owned(), "wrong-value", "/version"),
        ("version: 1\nrulez: []\n".to_owned(), "unknown-key", "/rulez"),
        ("version: 1\ndefault: denied\n".to_owned(), "wrong-value", "/default"),
        (with_rule("name: x\neffect: deny"), "missing-key", "/rules/0"),
        (with_rule("name: X y\neffect: deny\nbecause: y"), "bad-name", "/rules/0/name"),
        (with_rule(&format!("{deny}\nwhen: recrd.email == 'a'")), "bad-expression", "/rules/0/when"),
        (with_rule(&format!("{deny}\nwhen: '1 +'")), "bad-expression", "/rules/0/when"),
        (with_rule(&format!("{deny}\nmatch: {{tools: ['a*b']}}")), "wrong-value", "/rules/0/match/tools/0"),
        (with_rule(&format!("{deny}\nmatch: {{tools: []}}")), "wrong-value", "/rules/0/match/tools"),
        (with_rule(&format!("{deny}\nmatch: {{accounts: [acme]}}")), "wrong-value", "/rules/0/match/accounts/0"),
        (with_rule(&format!("{deny}\nmatch: {{roles: [auditor]}}")), "wrong-value", "/rules/0/match/roles/0"),
        (
            format!("{}  - name: x\n    effect: deny\n    because: z\n", with_rule(deny)),
            "duplicate-key",
            "/rules/1/name",
        ),
        (with_rule("name: x\neffect: allow"), "unused", "/rules/0/name"),
    ] {
        assert_eq!(problem(&text), (rule.to_owned(), pointer.to_owned()), "{text}");
    }
    assert_eq!(problems("")[0].0, "syntax");
    assert_eq!(problems("a: [")[0].0, "syntax");
}

#[test]
fn a_mistake_in_a_condition_is_shown_with_a_caret() {
    let text = with_rule("name: x\neffect: deny\nbecause: y\nwhen: time.hour < 8 && recrd == null");
    let (_, diagnostics) = load_policy("policy.yaml", &text);
    let shown = diagnostics.render(false);
    assert!(shown.contains("policy.yaml:6:"), "{shown}");
    assert!(shown.contains("^^^^^"), "{shown}");
}

#[test]
fn a_policy_has_limits() {
    let rules = |count: usize| {
        let one = |number| format!("  - {{name: r{number}, effect: deny, because: b}}\n");
        format!("version: 1\nrules:\n{}", (0..count).map(one).collect::<String>())
    };
    assert!(load_policy("p", &rules(POLICY_RULES_MAX)).0.is_some());
    assert_eq!(problem(&rules(POLICY_RULES_MAX + 1)).0, "limit");
    let long = |bytes: usize| with_rule(&format!("name: x\neffect: deny\nbecause: {}", "b".repeat(bytes)));
    assert!(load_policy("p", &long(BECAUSE_MAX_BYTES)).0.is_some());
    assert_eq!(problem(&long(BECAUSE_MAX_BYTES + 1)).0, "wrong-value");
    let padded = |bytes: usize| format!("version: 1\n#{}", "x".repeat(bytes - 12));
    assert!(load_policy("p", &padded(POLICY_MAX_BYTES)).0.is_some());
    assert_eq!(problem(&padded(POLICY_MAX_BYTES + 1)).0, "limit");
}
