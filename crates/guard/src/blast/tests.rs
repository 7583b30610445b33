use std::sync::LazyLock;

use proptest::prelude::*;
use quartermaster_definition::MethodKind;
use quartermaster_definition::load_policy;
use quartermaster_definition::plan::Effect;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::policy::PolicyMethod;
use crate::{Door, Role};

static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn policy(limits: &str) -> Policy {
    let (policy, diagnostics) = load_policy("policy.yaml", &format!("version: 1\nblast_radius: [{limits}]\n"));
    policy.unwrap_or_else(|| panic!("{diagnostics}"))
}

fn facts(session: Option<&'static str>) -> PolicyFacts<'static> {
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
        effect: Effect::Destructive,
        arguments: &NOTHING,
        account: AccountId(Uuid::from_u128(1)),
        integration: "acme",
        tenant_id: "tenant",
        is_sandbox: false,
        token: TokenId(Uuid::from_u128(2)),
        token_name: "offboarder",
        token_email: None,
        role: Role::Agent,
        session,
        now: NOW,
    }
}

fn subject(limit: &str, facts: &PolicyFacts<'_>) -> String {
    towards(&policy(limit).blast_radius[0], facts, Some(100)).subject
}

#[test]
fn a_change_is_counted_for_whom_the_limit_says() {
    let (run, session, token) = (facts(Some("run:7")), facts(Some("ticket-5")), facts(None));
    let of_token = format!("token:{}", token.token);
    for per in ["run", "session"] {
        let limit = format!("{{name: l, per: {per}, max: 1}}");
        assert_eq!(subject(&limit, &run), "run:7");
        assert_eq!(subject(&limit, &session), "session:ticket-5", "a call outside of runs counts for its session");
        assert_eq!(subject(&limit, &token), of_token);
    }
    assert_eq!(subject("{name: l, per: token, within: 1h, max: 1}", &run), of_token);
    assert_eq!(subject("{name: l, per: account, within: 1h, max: 1}", &run), format!("account:{}", run.account));
    assert_eq!(subject("{name: l, per: environment, within: 1h, max: 1}", &run), "environment");
    let share = subject("{name: l, per: environment, within: 1h, share: 0.5}", &run);
    assert_eq!(share, format!("environment account:{} users", run.account));
}

#[test]
fn only_what_is_destructive_counts_unless_the_limit_says_more() {
    let plain = policy("{name: l, per: run, max: 1}");
    let wide = policy("{name: l, per: run, max: 1, match: {effects: [write, destructive]}}");
    let other = policy("{name: l, per: run, max: 1, match: {methods: [users.delete]}}");
    let write = PolicyFacts { effect: Effect::Write, ..facts(None) };
    assert_eq!(limits_of(&plain, &facts(None)).len(), 1);
    assert_eq!((limits_of(&plain, &write).len(), limits_of(&wide, &write).len()), (0, 1));
    assert!(limits_of(&other, &facts(None)).is_empty());
    assert_eq!(limits_of(&plain, &PolicyFacts { door: Door::Custom, method: None, ..facts(None) }).len(), 1);
}

#[test]
fn a_window_begins_so_long_ago_and_a_share_is_rounded_up() {
    let hour = policy("{name: l, per: token, within: 1h, max: 3}");
    let towards = towards(&hour.blast_radius[0], &facts(None), None);
    assert_eq!((towards.since, towards.max), (Some(NOW.plus_ms(-3_600_000)), Some(3)));
    let share = policy("{name: l, per: run, share: 0.05}");
    let max = |size| super::towards(&share.blast_radius[0], &facts(None), size).max;
    assert_eq!(
        (max(Some(1_200)), max(Some(1_201)), max(Some(3)), max(Some(0))),
        (Some(60), Some(61), Some(1), Some(1))
    );
    assert_eq!(max(None), None, "a size that is not known allows nothing");
}

#[test]
fn a_full_limit_says_how_much_when_it_frees_up_and_who_can_raise_it() {
    let policy = policy(
        "{name: hourly, per: token, within: 1h, max: 3, because: Ask Ops.}, {name: whole, per: run, max: 3}, {name: part, per: run, share: 0.1}",
    );
    let [hourly, whole, part] = &policy.blast_radius[..] else { panic!("three limits") };
    let full = |limit, max, frees| Full { limit, max, used: 3, frees };
    let problem = full(hourly, Some(3), Some(NOW.plus_ms(-3_540_500))).problem("t", 4, NOW, None);
    assert_eq!((problem.code(), problem.status()), (Code::BlastRadiusExceeded, 403));
    assert_eq!(
        problem.body().detail,
        "t was not sent: the limit `hourly` of this environment's policy (version 4) allows 3 changes per token within 1 h, and 3 have been \
         counted. Ask Ops."
    );
    assert_eq!((problem.body().retryable, problem.body().retry_after_seconds), (true, Some(60)));
    assert!(problem.body().hint.as_deref().is_some_and(|hint| hint.contains("qm policy set")));
    let problem = full(whole, Some(3), Some(NOW)).problem("t", 4, NOW, None);
    assert_eq!((problem.body().retryable, problem.body().retry_after_seconds), (false, None));
    let list = NextCall { tool: "list".to_owned(), arguments: Map::new() };
    let problem = full(part, None, None).problem("t", 4, NOW, Some(list));
    assert!(problem.body().detail.contains("is not known"), "{problem}");
    assert_eq!(problem.body().next_calls[0].tool, "list");
    assert_eq!(told(part, 2, None), json!({"limit": "part", "per": "run", "used": 2, "max": null}));
}

#[test]
fn durations_are_told_in_their_largest_unit() {
    let told: Vec<String> = [1, 90, 120, 3_600, 5_400, 86_400, 172_800].into_iter().map(duration).collect();
    assert_eq!(told, ["1 s", "90 s", "2 min", "1 h", "90 min", "1 d", "2 d"]);
}

proptest! {
    /// A share is never less than its part, never a whole more, and never everything unless it says so.
    #[test]
    fn a_share_is_its_part_rounded_up(parts in 1_u64..=SHARE_WHOLE, size in 1_u64..10_000_000) {
        let share = share_of(parts, size);
        let (exact, whole) = (u128::from(size) * u128::from(parts), u128::from(SHARE_WHOLE));
        prop_assert!(u128::from(share) * whole >= exact && (u128::from(share) - 1) * whole < exact);
        prop_assert!(share <= size);
    }
}
