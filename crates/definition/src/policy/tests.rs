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

fn terms_of(approval: &str) -> ApprovalTerms {
    let rule = format!("name: x\neffect: require_approval\nbecause: y\n{approval}");
    let (policy, diagnostics) = load_policy("p", &with_rule(&rule));
    let policy = policy.unwrap_or_else(|| panic!("{diagnostics}"));
    policy.rules[0].approval.clone().unwrap()
}

#[test]
fn a_rule_says_what_an_approval_takes() {
    assert_eq!(terms_of(""), ApprovalTerms::default());
    let token = "01890000-0000-7000-8000-000000000001";
    let terms = terms_of(&format!(
        "approval: {{scope: run, quorum: 2, expires_in: 2h, approvers: {{tokens: [{token}, {token}], people: [jane, joe]}}}}"
    ));
    assert_eq!((terms.scope, terms.quorum, terms.expires_in_seconds), (ApprovalScope::Run, 2, 7200));
    assert_eq!(terms.approvers.roles, Vec::<String>::new(), "who is named is all there is");
    assert_eq!(terms.approvers.tokens, [token.parse().unwrap()], "a token has one vote");
    assert_eq!(terms.approvers.people, ["jane", "joe"]);
    let (policy, _) = load_policy("p", GOOD);
    assert!(policy.unwrap().rules.iter().all(|rule| rule.approval.is_none()));
}

#[test]
fn mistakes_in_approvals_are_named_with_their_place() {
    let with =
        |approval: &str| with_rule(&format!("name: x\neffect: require_approval\nbecause: y\napproval: {approval}"));
    let people = |count: usize| (0..count).map(|number| format!("p{number}")).collect::<Vec<_>>().join(", ");
    for (text, rule, pointer) in [
        (with_rule("name: x\neffect: require_approval"), "missing-key", "/rules/0"),
        ("version: 1\ndefault: require_approval\n".to_owned(), "wrong-value", "/default"),
        (with_rule("name: x\neffect: deny\nbecause: y\napproval: {quorum: 1}"), "wrong-value", "/rules/0/approval"),
        (with("{quorum: 0}"), "wrong-value", "/rules/0/approval/quorum"),
        (with(&format!("{{quorum: {}}}", QUORUM_MAX + 1)), "wrong-value", "/rules/0/approval/quorum"),
        (with("{scope: session}"), "wrong-value", "/rules/0/approval/scope"),
        (with("{expires_in: 59s}"), "wrong-value", "/rules/0/approval/expires_in"),
        (with("{expires_in: 31d}"), "wrong-value", "/rules/0/approval/expires_in"),
        (with("{expires_in: soon}"), "wrong-value", "/rules/0/approval/expires_in"),
        (with("{approvers: {roles: [agent]}}"), "wrong-value", "/rules/0/approval/approvers/roles/0"),
        (with("{approvers: {tokens: [x]}, quorum: 1}"), "wrong-value", "/rules/0/approval/approvers/tokens/0"),
        (with("{quorum: 2, approvers: {people: [jane]}}"), "wrong-value", "/rules/0/approval/approvers"),
        (with("{approvers: {people: [jane, jane]}}"), "duplicate-key", "/rules/0/approval/approvers/people/1"),
        (
            with(&format!("{{approvers: {{people: [{}]}}}}", people(APPROVERS_MAX + 1))),
            "limit",
            &format!("/rules/0/approval/approvers/people/{APPROVERS_MAX}"),
        ),
        (
            with(&format!("{{approvers: {{people: [{}]}}}}", "n".repeat(PERSON_MAX_BYTES + 1))),
            "bad-name",
            "/rules/0/approval/approvers/people/0",
        ),
        (with("{approve_own: true}"), "unknown-key", "/rules/0/approval/approve_own"),
    ] {
        let found = problems(&text);
        assert!(found.iter().any(|(a, b, _)| (a.as_str(), b.as_str()) == (rule, pointer)), "{text}: {found:?}");
    }
    terms_of(&format!("approval: {{quorum: {QUORUM_MAX}, expires_in: 60s}}"));
    terms_of("approval: {expires_in: 30d}");
    let most = format!(
        "approval: {{approvers: {{people: [{}, {}]}}}}",
        "n".repeat(PERSON_MAX_BYTES),
        people(APPROVERS_MAX - 1)
    );
    assert_eq!(terms_of(&most).approvers.people.len(), APPROVERS_MAX);
}

#[test]
fn protected_records_and_limits_are_read_whole() {
    let text = "\
version: 1
protected:
  - {name: owners, when: record.role == 'owner', because: They stay.}
  - {name: break-glass, emails: [Root@Company.com], ids: [U1], because: b, match: {effects: [write]}}
  - {name: self, self: true, because: Not oneself.}
blast_radius:
  - {name: per-run, per: run, max: 50}
  - {name: hourly, per: token, within: 1h, share: 0.05, because: Ask Ops., match: {methods: [users.suspend]}}
rules:
  - {name: raw, effect: allow, match: {doors: [custom]}}
";
    let (policy, diagnostics) = load_policy("policy.yaml", text);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let policy = policy.unwrap();
    assert!(policy.says_something() && !Policy::default().says_something());
    let [owners, glass, own] = policy.protected.as_slice() else { panic!("three entries") };
    assert_eq!(owners.concerns.effects, Some(vec![Effect::Destructive]));
    assert!(owners.when.is_some() && own.is_self);
    assert!(glass.emails.contains("root@company.com") && glass.ids.contains("U1"));
    assert_eq!(glass.concerns.effects, Some(vec![Effect::Write]));
    let [per_run, hourly] = policy.blast_radius.as_slice() else { panic!("two limits") };
    assert_eq!((per_run.per, per_run.within_seconds, per_run.room), (Per::Run, None, Room::Max(50)));
    assert_eq!((hourly.per, hourly.within_seconds, hourly.room), (Per::Token, Some(3_600), Room::Share(50_000)));
    assert_eq!((per_run.because.as_deref(), hourly.because.as_deref()), (None, Some("Ask Ops.")));
}

#[test]
fn mistakes_in_protected_records_and_limits_are_named_with_their_place() {
    let protected = |entry: &str| format!("version: 1\nprotected:\n  - {{{entry}}}\n");
    let limit = |entry: &str| format!("version: 1\nblast_radius:\n  - {{{entry}}}\n");
    for (text, rule, pointer) in [
        (protected("name: x, because: b"), "missing-key", "/protected/0"),
        (protected("name: x, ids: [a]"), "missing-key", "/protected/0"),
        (protected("name: x, because: b, emails: [anna]"), "wrong-value", "/protected/0/emails/0"),
        (protected("name: x, because: b, when: recrd.a == 1"), "bad-expression", "/protected/0/when"),
        (protected("name: x, because: b, email: [a@b.c], ids: [a]"), "unknown-key", "/protected/0/email"),
        (limit("name: x, per: run"), "conflicting-keys", "/blast_radius/0"),
        (limit("name: x, per: run, max: 1, share: 0.1"), "conflicting-keys", "/blast_radius/0/share"),
        (limit("name: x, per: day, within: 1h, max: 1"), "wrong-value", "/blast_radius/0/per"),
        (limit("name: x, per: token, max: 1"), "missing-key", "/blast_radius/0"),
        (limit("name: x, per: token, within: 31d, max: 1"), "wrong-value", "/blast_radius/0/within"),
        (limit("name: x, per: run, max: 100001"), "wrong-value", "/blast_radius/0/max"),
        (limit("name: x, per: run, share: 0"), "wrong-value", "/blast_radius/0/share"),
        (limit("name: x, per: run, share: 1.1"), "wrong-value", "/blast_radius/0/share"),
        (
            limit("name: x, per: run, max: 1, match: {effects: [read]}"),
            "wrong-value",
            "/blast_radius/0/match/effects/0",
        ),
        (
            "version: 1\nprotected: [{name: x, because: b, ids: [a]}]\nblast_radius: [{name: x, per: run, max: 1}]\n"
                .to_owned(),
            "duplicate-key",
            "/blast_radius/0/name",
        ),
    ] {
        assert_eq!(problem(&text), (rule.to_owned(), pointer.to_owned()), "{text}");
    }
}

#[test]
fn protected_records_and_limits_have_limits() {
    let entries = |count: usize| {
        let one = |number| format!("  - {{name: p{number}, because: b, ids: [a]}}\n");
        format!("version: 1\nprotected:\n{}", (0..count).map(one).collect::<String>())
    };
    assert!(load_policy("p", &entries(POLICY_PROTECTED_MAX)).0.is_some());
    assert_eq!(problem(&entries(POLICY_PROTECTED_MAX + 1)).0, "limit");
    let ids = |count: usize| {
        let ids: Vec<String> = (0..count).map(|number| format!("U{number}")).collect();
        format!("version: 1\nprotected: [{{name: p, because: b, ids: [{}]}}]\n", ids.join(", "))
    };
    let (policy, diagnostics) = load_policy("p", &ids(PROTECTED_NAMED_MAX));
    assert!(policy.is_some(), "{diagnostics}");
    assert_eq!(problem(&ids(PROTECTED_NAMED_MAX + 1)).0, "limit");
    let limits = |count: usize| {
        let one = |number| format!("  - {{name: l{number}, per: run, max: {BLAST_CHANGES_MAX}}}\n");
        format!("version: 1\nblast_radius:\n{}", (0..count).map(one).collect::<String>())
    };
    assert!(load_policy("p", &limits(POLICY_BLAST_MAX)).0.is_some());
    assert_eq!(problem(&limits(POLICY_BLAST_MAX + 1)).0, "limit");
    let window =
        format!("version: 1\nblast_radius: [{{name: l, per: token, within: {BLAST_WINDOW_MAX_SECONDS}s, max: 1}}]\n");
    assert!(load_policy("p", &window).0.is_some());
}
