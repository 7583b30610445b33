//! The environment's policy, through every door.

use std::sync::Arc;

use bytes::Bytes;
use quartermaster_engine::RawRequest;
use quartermaster_gateway::{Actor, AuditFilter, PageQuery};
use quartermaster_store_model::{Narrowing, Outcome, Role};
use quartermaster_types::{Code, Problem};
use serde_json::{Value, json};

use crate::house::{self, GET, House, LIST, REACTIVATE, SUSPEND, value};

impl House {
    pub(crate) async fn set_policy(&self, rules: &str) -> i64 {
        let document = format!("version: 1\n{rules}");
        let view = self.gateway.put_policy(&self.admin, self.gateway.request_id(), None, document).await;
        view.unwrap_or_else(|problem| panic!("{problem} {:?}", problem.body().errors)).version
    }

    async fn denied(
        &self,
        actor: &Arc<Actor>,
        account: quartermaster_types::AccountId,
        tool: &str,
        id: &str,
    ) -> Problem {
        let problem = self.tool(actor, account, tool, json!({"id": id})).await.unwrap_err();
        assert_eq!(problem.code(), Code::DeniedByPolicy, "{problem}");
        problem
    }
}

const NO_SUSPENSIONS: &str =
    "rules:\n  - {name: freeze, effect: deny, match: {methods: [users.suspend]}, because: ask Ops first}\n";

#[tokio::test]
async fn a_rule_denies_at_every_door_and_nothing_is_sent() {
    let house = House::new().await;
    let account = house.account().await;
    let narrowing = Narrowing { custom: true, ..Narrowing::default() };
    let (agent, _) = house.token(Role::Agent, narrowing).await;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    let version = house
        .set_policy(&format!(
            "{NO_SUSPENSIONS}  - {{name: no-raw, effect: deny, match: {{doors: [custom]}}, because: use the tools}}\n"
        ))
        .await;
    let sent = house.sent().total();

    let problem = house.denied(&agent, account, SUSPEND, &id).await;
    assert_eq!(
        problem.body().detail,
        format!(
            "{SUSPEND} is denied by the rule `freeze` of this environment's policy (version {version}): ask Ops first"
        )
    );
    assert!(problem.body().hint.as_deref().is_some_and(|hint| hint.contains("Do not try again")));
    let by_proxy = house.proxy(&agent, account, "suspend", json!({"id": id})).await.unwrap_err();
    assert_eq!(by_proxy.body().detail, problem.body().detail);
    for method in [http::Method::GET, http::Method::POST] {
        let raw = RawRequest {
            method,
            path_and_query: "/v1beta1/x".to_owned(),
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
        };
        let refused = house.gateway.custom(&agent, house.gateway.request_id(), account, raw).await.unwrap_err();
        assert_eq!(refused.problem.code(), Code::DeniedByPolicy);
        assert!(refused.problem.body().detail.contains("`no-raw`"));
    }
    assert_eq!(house.sent().total(), sent, "nothing was sent");
    house.tool(&agent, account, GET, json!({"id": id})).await.unwrap();

    let records = house.audit(AuditFilter { action: Some("users.suspend".to_owned()), ..AuditFilter::default() }).await;
    for record in &records {
        assert_eq!((record.outcome, record.code.as_deref()), (Outcome::Refused, Some("denied_by_policy")));
        let decision = record.decision.as_ref().unwrap();
        assert_eq!((&decision["decided_by"], &decision["policy_version"]), (&json!("freeze"), &json!(version)));
    }
    assert_eq!(records.len(), 2);
    let raw = house.audit(AuditFilter { action: Some("custom.post".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!(raw[0].decision.as_ref().unwrap()["decided_by"], "no-raw");
}

#[tokio::test]
async fn a_dry_run_and_the_record_of_a_call_that_is_allowed_say_why() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    house
        .set_policy(
            "default: {destructive: deny}\nrules:\n  - {name: leavers, effect: allow, match: {tools: ['*_suspend']}}\n"
                .replace("*_suspend", SUSPEND)
                .as_str(),
        )
        .await;
    let rehearse = async |tool: &str| {
        let request = house.tool_request(account, tool, json!({"id": id}));
        house.gateway.dry_run(&agent, request).await.unwrap()
    };
    let shown = rehearse(SUSPEND).await;
    assert!(shown.request.is_some());
    assert_eq!(shown.decision["allowed"], true);
    assert_eq!(shown.decision["policy"]["decided_by"], "leavers");
    assert_eq!(rehearse(REACTIVATE).await.decision, json!({"allowed": true}), "no rule is about it");
    house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap();
    let records = house.audit(AuditFilter { action: Some("users.suspend".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!(records[0].outcome, Outcome::Ok);
    assert_eq!(records[0].decision.as_ref().unwrap()["decided_by"], "leavers");

    house.set_policy(NO_SUSPENSIONS).await;
    let shown = rehearse(SUSPEND).await;
    assert_eq!((&shown.decision["allowed"], &shown.request), (&json!(false), &None));
    assert_eq!(shown.decision["policy"]["decided_by"], "freeze");
    assert_eq!(shown.decision["problem"]["code"], "denied_by_policy");
}

#[tokio::test]
async fn the_record_is_read_afresh_and_only_for_rules_that_mention_it() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let miller = house.find(&agent, account, "a.miller@company.com").await;
    let page = house.tool(&agent, account, LIST, json!({"limit": 9, "state": "ACTIVE"})).await.unwrap();
    let other = page["result"].as_array().unwrap().iter().find(|person| person["id"] != miller.as_str()).unwrap();
    let other = other["id"].as_str().unwrap();
    house
        .set_policy(
            "rules:\n  - name: not-miller\n    effect: deny\n    match: {effects: [destructive]}\n    \
             when: record.email == 'a.miller@company.com' && record.state == 'ACTIVE'\n    because: she stays\n",
        )
        .await;
    let reads = house.sent().get;
    house.tool(&agent, account, LIST, json!({"limit": 1})).await.unwrap();
    house.tool(&agent, account, GET, json!({"id": other})).await.unwrap();
    assert_eq!(house.sent().get, reads + 1, "a call that the rule is not about reads nothing more");

    let suspensions = house.sent().suspend;
    house.denied(&agent, account, SUSPEND, &miller).await;
    assert_eq!((house.sent().get, house.sent().suspend), (reads + 2, suspensions));
    house.tool(&agent, account, SUSPEND, json!({"id": other})).await.unwrap();
    let records = house.audit(AuditFilter { action: Some("users.suspend".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!((records[0].outcome, records[0].upstream_calls), (Outcome::Refused, 1));
    assert_eq!(records[1].decision.as_ref().unwrap()["rules"][0]["held"], false);

    // Somebody who is gone: the read fails, and so does the call, with what the vendor said of the read.
    let problem = house.proxy(&agent, account, "suspend", json!({"id": "A".repeat(26)})).await.unwrap_err();
    assert_eq!(problem.code(), Code::NotFound, "{problem}");
    assert!(problem.body().detail.starts_with("Nothing was done"), "{problem}");
}

#[tokio::test]
async fn a_condition_that_cannot_be_evaluated_denies() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    house.set_policy("rules:\n  - {name: r, effect: deny, when: record.email == 'a', because: b}\n").await;
    let problem = house.tool(&agent, account, LIST, json!({"limit": 1})).await.unwrap_err();
    assert_eq!(problem.code(), Code::DeniedByPolicy);
    assert!(problem.body().detail.contains("cannot be evaluated"), "{problem}");
    assert!(problem.body().hint.as_deref().is_some_and(|hint| hint.contains("record != null")), "{problem}");
    house
        .set_policy("rules:\n  - {name: r, effect: deny, when: record != null && record.email == 'a', because: b}\n")
        .await;
    house.tool(&agent, account, LIST, json!({"limit": 1})).await.unwrap();
}

#[tokio::test]
async fn a_policy_survives_a_restart_and_concerns_its_environment_only() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    house.set_policy(NO_SUSPENSIONS).await;
    let again = house::gateway(&house.simulator, &house.store, &house.clock);
    let request = house.request(
        quartermaster_gateway::Door::Proxy,
        account,
        quartermaster_gateway::Target::Tool(SUSPEND.to_owned()),
        json!({"id": id}),
    );
    let problem = value(again.call(&agent, request).await).unwrap_err();
    assert_eq!(problem.code(), Code::DeniedByPolicy);

    let (_, token) = house.gateway.create_environment(&house.admin, house.gateway.request_id(), "other").await.unwrap();
    let stranger = house.gateway.authenticate(Some(secrecy::ExposeSecret::expose_secret(&token))).await.unwrap();
    let policy = house.gateway.get_policy(&stranger, None).await.unwrap();
    assert_eq!((policy.version, policy.document.as_str()), (0, ""));
    let problem = house.gateway.get_policy(&stranger, Some(1)).await.unwrap_err();
    assert_eq!(problem.code(), Code::NotFound);
    let policy = house.gateway.get_policy(&house.admin, None).await.unwrap();
    assert_eq!((policy.version, policy.document), (1, format!("version: 1\n{NO_SUSPENSIONS}")));
}

#[tokio::test]
async fn versions_are_kept_listed_and_restored() {
    let house = House::new().await;
    let put = async |expected: Option<i64>, document: &str| {
        house.gateway.put_policy(&house.admin, house.gateway.request_id(), expected, document.to_owned()).await
    };
    assert_eq!(put(Some(1), "version: 1").await.unwrap_err().code(), Code::PreconditionFailed, "there is none yet");
    assert_eq!(put(Some(0), "version: 1").await.unwrap().version, 1);
    assert_eq!(put(Some(0), "version: 1").await.unwrap_err().code(), Code::PreconditionFailed);
    assert_eq!(put(Some(1), "version: 1 # second").await.unwrap().version, 2);
    let restored = house.gateway.restore_policy(&house.admin, house.gateway.request_id(), Some(2), 1).await.unwrap();
    assert_eq!((restored.version, restored.restored_from, restored.document.as_str()), (3, Some(1), "version: 1"));
    let absent = house.gateway.restore_policy(&house.admin, house.gateway.request_id(), None, 9).await.unwrap_err();
    assert_eq!(absent.code(), Code::NotFound);

    let mut query = PageQuery { limit: Some(2), next_cursor: None };
    let first = house.gateway.list_policy_versions(&house.admin, &query).await.unwrap();
    query.next_cursor = first.next_cursor;
    let second = house.gateway.list_policy_versions(&house.admin, &query).await.unwrap();
    let versions: Vec<i64> = first.result.iter().chain(&second.result).map(|view| view.version).collect();
    assert_eq!((versions, second.next_cursor), (vec![3, 2, 1], None));

    let problem = put(None, "version: 1\nrules:\n  - {name: r, effect: deny}\n  - nonsense\n").await.unwrap_err();
    assert_eq!(problem.code(), Code::InvalidArgument);
    let errors: Vec<&str> = problem.body().errors.iter().map(|error| error.detail.as_str()).collect();
    assert!(errors[0].starts_with("line 3, column 5: ") && errors[1].starts_with("line 4, column 5: "), "{errors:?}");
    assert_eq!(house.gateway.get_policy(&house.admin, None).await.unwrap().version, 3, "nothing was changed");

    let records = house.audit(AuditFilter { action: Some("policy.set".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!(records.len(), 2);
    assert_eq!((&records[1].before, records[1].target.as_deref()), (&Some(json!({"version": 1})), Some("2")));
}

#[tokio::test]
async fn of_two_who_set_the_policy_at_once_one_is_told() {
    let house = House::new().await;
    let put = |document: &str| {
        house.gateway.put_policy(&house.admin, house.gateway.request_id(), Some(0), document.to_owned())
    };
    let (first, second) = tokio::join!(put("version: 1 # a"), put("version: 1 # b"));
    let refused = [first, second].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].code(), Code::PreconditionFailed);
}

#[tokio::test]
async fn only_those_who_administer_may_see_and_set_it() {
    let house = House::new().await;
    let agent = house.agent().await;
    let (auditor, _) = house.token(Role::Auditor, Narrowing::default()).await;
    let narrowing = Narrowing { methods: Some(vec!["read".to_owned()]), ..Narrowing::default() };
    let (narrowed, _) = house.token(Role::Admin, narrowing).await;
    for actor in [&agent, &auditor, &narrowed] {
        let put = house.gateway.put_policy(actor, house.gateway.request_id(), None, "version: 1".to_owned()).await;
        assert_eq!(put.unwrap_err().code(), Code::PermissionDenied);
        let restore = house.gateway.restore_policy(actor, house.gateway.request_id(), None, 1).await;
        assert_eq!(restore.unwrap_err().code(), Code::PermissionDenied);
    }
    house.gateway.get_policy(&auditor, None).await.unwrap();
    assert_eq!(house.gateway.get_policy(&agent, None).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(house.gateway.check_policy(&agent, "version: 1").unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(house.gateway.test_policy(&agent, None, vec![]).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn cases_are_run_against_a_document_or_the_policy_in_force() {
    let house = House::new().await;
    let version = house.set_policy(NO_SUSPENSIONS).await;
    let case = |method: &str, expect: &str, decided_by: Value| {
        json!({"name": method, "call": {"method": method, "effect": "destructive", "door": "proxy",
               "time": "2026-11-23T03:00:00Z"}, "expect": expect, "decided_by": decided_by})
    };
    let cases = vec![
        case("users.suspend", "deny", json!("freeze")),
        case("users.suspend", "deny", json!("default")),
        case("users.suspend", "allow", Value::Null),
        case("users.delete", "allow", json!("default")),
    ];
    let tested = house.gateway.test_policy(&house.admin, None, cases.clone()).await.unwrap();
    assert_eq!((tested.passed, tested.failed, tested.policy_version), (2, 2, Some(version)));
    let differences: Vec<_> = tested.result.iter().map(|case| case.difference.as_deref()).collect();
    assert_eq!(
        differences,
        [
            None,
            Some("expected to be decided by default, found freeze"),
            Some("expected allow, found deny (decided by freeze)"),
            None
        ]
    );
    let night = "version: 1\nrules:\n  - {name: night, effect: deny, when: time.hour < 8, because: b}\n";
    let tested = house.gateway.test_policy(&house.admin, Some(night), cases).await.unwrap();
    assert_eq!(tested.result[3].decision["decided_by"], "night");
    assert_eq!(tested.policy_version, None);

    let wrong = vec![json!({"name": "x", "call": {"methd": "a"}, "expect": "deny"})];
    let problem = house.gateway.test_policy(&house.admin, None, wrong).await.unwrap_err();
    assert_eq!(problem.body().errors[0].pointer, "/cases/0");
    let most = quartermaster_gateway::limits::POLICY_CASES_MAX;
    let many = |count: usize| vec![case("users.get", "allow", Value::Null); count];
    assert_eq!(house.gateway.test_policy(&house.admin, None, many(most)).await.unwrap().passed, most);
    let problem = house.gateway.test_policy(&house.admin, None, many(most + 1)).await.unwrap_err();
    assert_eq!(problem.code(), Code::InvalidArgument);
}
