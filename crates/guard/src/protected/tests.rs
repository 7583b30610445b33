use proptest::prelude::*;
use quartermaster_definition::MethodKind;
use quartermaster_definition::load_policy;
use quartermaster_types::{AccountId, Timestamp, TokenId};
use serde_json::json;
use std::sync::LazyLock;
use uuid::Uuid;

use super::*;
use crate::policy::PolicyMethod;
use crate::{Door, Role, decide_policy};

static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
static ANNA: LazyLock<Value> = LazyLock::new(|| json!({"id": "U1", "email": "Anna@Company.com", "role": "owner"}));

fn policy(text: &str) -> Policy {
    let (policy, diagnostics) = load_policy("policy.yaml", &format!("version: 1\n{text}"));
    policy.unwrap_or_else(|| panic!("{diagnostics}"))
}

fn facts(effect: Effect) -> PolicyFacts<'static> {
    PolicyFacts {
        door: Door::Tool,
        method: Some(PolicyMethod {
            resource: "users",
            name: "suspend",
            kind: MethodKind::Custom,
            tool: "acme_users_suspend",
            tool_alias: "acme_users_suspend",
        }),
        method_name: "users.suspend",
        effect,
        arguments: &NOTHING,
        account: AccountId(Uuid::from_u128(1)),
        integration: "acme",
        tenant_id: "tenant",
        is_sandbox: false,
        token: TokenId(Uuid::from_u128(2)),
        token_name: "offboarder",
        token_email: None,
        role: Role::Admin,
        session: None,
        now: Timestamp::from_unix_ms(1_700_000_000_000),
    }
}

fn raw() -> PolicyFacts<'static> {
    PolicyFacts { door: Door::Custom, method: None, method_name: "custom.post", ..facts(Effect::Destructive) }
}

fn anna() -> RecordFacts<'static> {
    RecordFacts {
        record: &ANNA,
        ids: [Some("U1"), Some("U1")],
        email: EmailFact::Is(Some("Anna@Company.com")),
        is_principal: Known::No,
        actor_email: None,
    }
}

fn by(entry: &str, facts: &PolicyFacts<'_>, record: &RecordFacts<'_>) -> Option<Touch> {
    let policy = policy(&format!("protected: [{{name: p, because: b, {entry}}}]\n"));
    let decision = decide_protected(&policy, facts, record);
    assert_eq!(decision.problem(facts, 3).is_some(), decision.denied_by().is_some());
    decision.denied_by().map(|(_, touch)| touch.clone())
}

#[test]
fn a_record_is_protected_by_address_id_self_or_condition() {
    let destructive = facts(Effect::Destructive);
    let own = RecordFacts { is_principal: Known::Yes, ..anna() };
    let hers = RecordFacts { actor_email: Some("anna@COMPANY.com"), ..anna() };
    for (entry, record, expected) in [
        ("emails: [anna@company.com]", anna(), Some(Touch::Yes("email"))),
        ("emails: [ANNA@company.com, x@y.z]", anna(), Some(Touch::Yes("email"))),
        ("emails: [ann@company.com]", anna(), None),
        ("ids: [U1]", anna(), Some(Touch::Yes("id"))),
        ("ids: [u1]", anna(), None),
        ("self: true", anna(), None),
        ("self: true", own, Some(Touch::Yes("self"))),
        ("self: true", hers, Some(Touch::Yes("self"))),
        ("self: false, ids: [U9]", own, None),
        ("when: record.role == 'owner'", anna(), Some(Touch::Yes("when"))),
        ("when: record.role == 'guest'", anna(), None),
    ] {
        assert_eq!(by(entry, &destructive, &record), expected, "{entry}");
    }
    assert_eq!(by("ids: [U1]", &facts(Effect::Write), &anna()), None, "only what is destructive, unless it says more");
    let both = "ids: [U1], match: {effects: [write, destructive]}";
    assert_eq!(by(both, &facts(Effect::Write), &anna()), Some(Touch::Yes("id")));
    assert_eq!(by("ids: [U1], match: {methods: [users.delete]}", &destructive, &anna()), None);
}

#[test]
fn what_cannot_be_told_counts_as_protected() {
    let destructive = facts(Effect::Destructive);
    let without = RecordFacts { email: EmailFact::Missing, ..anna() };
    let unclear = RecordFacts { is_principal: Known::Unclear, ..anna() };
    let is_unclear =
        |entry: &str, record: &RecordFacts<'_>| matches!(by(entry, &destructive, record), Some(Touch::Unclear(_)));
    assert!(is_unclear("emails: [x@y.z]", &without));
    assert!(is_unclear("self: true", &unclear));
    assert!(is_unclear("self: true", &RecordFacts { actor_email: Some("x@y.z"), ..without }));
    assert!(is_unclear("when: record.no_such_member == 1", &anna()));
    assert!(is_unclear("when: record.role == 'owner'", &RecordFacts { record: &Value::Null, ..anna() }));
    assert!(!is_unclear("ids: [U9]", &without), "an entry that does not look at it can tell");
    let without = RecordFacts { email: EmailFact::Is(None), ..anna() };
    assert_eq!(by("emails: [x@y.z]", &destructive, &without), None, "no address at all is none of these");
    let no_people = RecordFacts { email: EmailFact::None, ..anna() };
    assert_eq!(by("emails: [x@y.z]", &destructive, &no_people), None, "such records have no address");
}

#[test]
fn a_call_that_names_no_record_is_denied_unless_a_rule_allows_it_by_name() {
    let entry = "protected: [{name: p, because: b, ids: [U1], match: {methods: [users.suspend]}}]\n";
    let with = |rules: &str| policy(&format!("{entry}rules: [{rules}]\n"));
    let denies = |policy: &Policy, facts: &PolicyFacts<'_>| decide_without_record(policy, facts).denied_by().is_some();
    let plain = with("");
    assert!(denies(&plain, &raw()), "a raw call can do what any method does");
    assert!(!denies(&plain, &PolicyFacts { effect: Effect::Read, ..raw() }));
    assert!(denies(&plain, &facts(Effect::Destructive)), "a method without an id");
    assert!(!denies(&plain, &facts(Effect::Write)));
    let opened =
        with("{name: r, effect: allow, match: {doors: [custom]}, when: arguments.path.startsWith('/v1/groups')}");
    let groups = Map::from_iter([("path".to_owned(), json!("/v1/groups/7"))]);
    assert!(!denies(&opened, &PolicyFacts { arguments: &groups, ..raw() }));
    assert!(denies(&opened, &raw()), "a condition that cannot be evaluated lets nothing through");
    let wide = with("{name: r, effect: allow, match: {roles: [admin]}}");
    assert!(denies(&wide, &raw()), "a rule that does not name such calls opens none");
    let elsewhere = policy("protected: [{name: p, because: b, ids: [U1], match: {integrations: [other]}}]\n");
    assert!(!denies(&elsewhere, &raw()));
    assert!(!denies(&policy("rules: []\n"), &raw()));
}

#[test]
fn the_explanation_and_the_refusal_name_the_entry() {
    let policy = policy(
        "protected:\n  - {name: a, because: A., ids: [U9]}\n  - {name: owners, because: Ask the board., when: record.role == 'owner'}\n  \
         - {name: z, because: Z., ids: [U1]}\n",
    );
    let facts = facts(Effect::Destructive);
    let decision = decide_protected(&policy, &facts, &anna());
    let expected = json!([{"entry": "a", "touched": false}, {"entry": "owners", "touched": true, "by": "when"}]);
    assert_eq!(decision.why(), Some(expected));
    let problem = decision.problem(&facts, 7).unwrap();
    assert_eq!(problem.code(), Code::DeniedByPolicy);
    assert_eq!(
        problem.body().detail,
        "acme_users_suspend is denied: the record is protected by the entry `owners` of this environment's policy (version 7): Ask the board."
    );
    let raw = decide_without_record(&policy, &raw());
    assert!(raw.problem(&facts, 7).unwrap().body().detail.contains("does not say which record it touches"));
    assert_eq!(decide_protected(&policy, &self::facts(Effect::Read), &anna()).why(), None);
}

proptest! {
    /// Whatever rules allow, whoever asks, from whichever door: a protected record is not touched.
    #[test]
    fn protected_never_passes(allows in 0_usize..4, admin: bool, door in 0_usize..2, upper: bool) {
        let rules: Vec<String> = (0..allows).map(|number| format!("  - {{name: r{number}, effect: allow, match: {{methods: [users.suspend]}}}}\n")).collect();
        let rules = rules.concat();
        let policy = policy(&format!(
            "default: deny\nrules:\n{rules}protected: [{{name: p, because: b, emails: [anna@company.com]}}]\n"
        ).replace("rules:\nprotected", "protected"));
        let facts = PolicyFacts {
            role: if admin { Role::Admin } else { Role::Agent },
            door: [Door::Tool, Door::Proxy][door],
            ..facts(Effect::Destructive)
        };
        let email = if upper { "ANNA@COMPANY.COM" } else { "anna@company.com" };
        let record = RecordFacts { email: EmailFact::Is(Some(email)), ..anna() };
        let decision = decide_policy(&policy, &facts, &ANNA);
        prop_assert_eq!(decision.verdict == Verdict::Allow, allows > 0);
        prop_assert!(decide_protected(&policy, &facts, &record).problem(&facts, 1).is_some());
    }
}
