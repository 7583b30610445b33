//! One call: validation, guards, answers and problems.

use std::time::Duration;

use bytes::Bytes;
use quartermaster_engine::RawRequest;
use quartermaster_gateway::{Arguments, AuditFilter, Door, Target};
use quartermaster_simulator::{Config, RateHeaders};
use quartermaster_store_model::{Narrowing, Outcome, Role};
use quartermaster_types::{Code, Origin};
use serde_json::{Map, json};

use crate::house::{GET, House, LIST, SUSPEND, value};

#[tokio::test]
async fn every_wrong_argument_is_named_at_once_and_nothing_is_sent() {
    let house = House::new().await;
    let account = house.account().await;
    let sent = house.sent().total();
    let arguments = json!({"limit": 0, "state": "GONE", "no_such_filter": 1});
    let problem = house.tool(&house.admin, account, LIST, arguments).await.unwrap_err();
    assert_eq!(problem.code(), Code::InvalidArgument);
    let mut pointers: Vec<&str> = problem.body().errors.iter().map(|error| error.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/limit", "/no_such_filter", "/state"]);
    assert_eq!(house.sent().total(), sent);
}

#[tokio::test]
async fn a_limit_out_of_range_is_refused_by_both_doors_with_the_range() {
    let house = House::new().await;
    let account = house.account().await;
    for limit in [0_i64, -1, 1_000_000_000] {
        let problem = house.tool(&house.admin, account, LIST, json!({"limit": limit})).await.unwrap_err();
        assert_eq!((problem.status(), problem.body().errors[0].pointer.as_str()), (400, "/limit"));
        let mut request = house.request(
            Door::Proxy,
            account,
            Target::Method { resource: "users".to_owned(), method: "list".to_owned() },
            json!({}),
        );
        request.arguments =
            Arguments::Parts { query: vec![("limit".to_owned(), limit.to_string())], body: Map::new(), id: None };
        let problem = value(house.gateway.call(&house.admin, request).await).unwrap_err();
        assert_eq!((problem.status(), problem.body().errors[0].pointer.as_str()), (400, "/limit"));
        assert!(problem.body().errors[0].detail.contains('1'), "{problem:?}");
    }
}

#[tokio::test]
async fn query_texts_are_converted_and_contradictions_refused() {
    let house = House::new().await;
    let account = house.account().await;
    let target = Target::Method { resource: "users".to_owned(), method: "list".to_owned() };
    let mut request = house.request(Door::Proxy, account, target, json!({}));
    request.arguments = Arguments::Parts {
        query: vec![("limit".to_owned(), "2".to_owned()), ("state".to_owned(), "ACTIVE".to_owned())],
        body: Map::new(),
        id: None,
    };
    let page = value(house.gateway.call(&house.admin, request.clone()).await).unwrap();
    assert_eq!(page["result_count"], 2);
    assert!(page["result"].as_array().unwrap().iter().all(|person| person["state"] == "ACTIVE"));

    request.arguments = Arguments::Parts {
        query: vec![("limit".to_owned(), "2".to_owned())],
        body: Map::from_iter([("limit".to_owned(), json!(3))]),
        id: None,
    };
    let problem = value(house.gateway.call(&house.admin, request).await).unwrap_err();
    assert_eq!((problem.code(), problem.body().errors[0].pointer.as_str()), (Code::InvalidArgument, "/limit"));
}

#[tokio::test]
async fn path_tricks_in_ids_are_refused_before_anything_is_sent() {
    let house = House::new().await;
    let account = house.account().await;
    let sent = house.sent().total();
    for id in ["../users", "%2e%2e", "A?x=1", "A#b", "A\nB", "", "."] {
        for method in ["get", "suspend"] {
            let problem = house.proxy(&house.admin, account, method, json!({"id": id})).await.unwrap_err();
            assert_eq!(problem.code(), Code::InvalidArgument, "{id:?}");
        }
    }
    assert_eq!(house.sent().total(), sent);
}

#[tokio::test]
async fn tools_answer_to_name_and_alias_in_any_case_and_unknown_ones_are_named() {
    let house = House::new().await;
    let account = house.account().await;
    for name in [LIST, "LIST_ALL_1_PASSWORD_USERS"] {
        house.tool(&house.admin, account, name, json!({"limit": 1})).await.unwrap();
    }
    let problem = house.tool(&house.admin, account, "1_password_users_delete", json!({})).await.unwrap_err();
    assert_eq!((problem.code(), problem.body().origin), (Code::NotFound, Origin::Caller));
    assert!(problem.body().hint.as_ref().unwrap().contains(SUSPEND));
    let problem = house.proxy(&house.admin, account, "delete", json!({})).await.unwrap_err();
    assert_eq!(problem.code(), Code::Unsupported);
}

#[tokio::test]
async fn a_sandbox_reads_and_does_not_write() {
    let house = House::new().await;
    let mut account = house.new_account();
    account.sandbox = true;
    let account = house.create(account).await.unwrap().id;
    let agent = house.agent().await;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    for problem in [
        house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap_err(),
        house.proxy(&agent, account, "suspend", json!({"id": id})).await.unwrap_err(),
    ] {
        assert_eq!(problem.code(), Code::SandboxWrite);
    }
    assert_eq!(house.sent().suspend, 0);
}

#[tokio::test]
async fn the_vendors_404_is_explained() {
    let house = House::new().await;
    let account = house.account().await;
    let missing = "A".repeat(26);
    let problem = house.tool(&house.admin, account, GET, json!({"id": missing})).await.unwrap_err();
    assert_eq!((problem.code(), problem.body().origin), (Code::NotFound, Origin::Upstream));
    assert_eq!(problem.body().next_calls[0].tool, LIST);
    assert_eq!(problem.body().upstream.as_ref().unwrap().status, 404);
    let records = house.audit(AuditFilter { action: Some("users.get".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!((records[0].outcome, records[0].code.as_deref()), (Outcome::Failed, Some("not_found")));
}

#[tokio::test]
async fn a_429_comes_at_once_with_its_limits_and_a_read_may_ask_to_wait() {
    let house = House::with(Config {
        rate_limit: Some("3/2s".parse().unwrap()),
        rate_headers: RateHeaders::Trio,
        ..Config::default()
    })
    .await;
    // The vendor's own refusal: the clock of this house stands still, and so would a budget.
    let mut account = house.new_account();
    account.override_patch = Some(json!({"base_url": house.simulator.base_url(), "rate_limits": {"budget": false}}));
    let account = house.create(account).await.unwrap().id;
    let mut limited = None;
    for _ in 0..4 {
        let request = house.tool_request(account, LIST, json!({"limit": 1}));
        if let Err(problem) = house.gateway.call(&house.admin, request).await {
            limited = Some(problem);
        }
    }
    let limited = limited.expect("the fourth call is too much");
    assert_eq!(limited.problem.code(), Code::RateLimited);
    assert_eq!(limited.problem.status(), 429);
    assert_eq!(limited.rate_limits.limit, Some(3));
    assert_eq!(limited.rate_limits.remaining, Some(0));
    let mut patient = house.tool_request(account, LIST, json!({"limit": 1}));
    patient.wait = Some(Duration::from_secs(5));
    value(house.gateway.call(&house.admin, patient).await).unwrap();
    assert!(house.gateway.metrics().contains("qm_rate_limited_total"));
    assert!(!house.gateway.metrics().contains("qm_rate_limited_total 0"));
}

#[tokio::test]
async fn a_dry_run_shows_the_request_and_sends_nothing() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    let sent = house.sent().total();
    let dry = house.gateway.dry_run(&agent, house.tool_request(account, SUSPEND, json!({"id": id}))).await.unwrap();
    assert_eq!((dry.dry_run, dry.method.as_str()), (true, "users.suspend"));
    assert_eq!(dry.decision, json!({"allowed": true}));
    let request = dry.request.unwrap();
    assert_eq!(request.method, "POST");
    assert!(request.url.ends_with(&format!("/users/{id}:suspend")), "{}", request.url);
    assert!(!serde_json::to_string(&request).unwrap().contains(house.simulator.client_secret()));

    let invented = json!({"id": "A".repeat(26)});
    let dry = house.gateway.dry_run(&agent, house.tool_request(account, SUSPEND, invented)).await.unwrap();
    assert_eq!(dry.decision["allowed"], false);
    assert_eq!(dry.decision["problem"]["code"], "ungrounded_id");
    assert!(dry.request.is_none());
    assert_eq!(house.sent().total(), sent);
}

#[tokio::test]
async fn headers_of_a_call_are_checked_at_their_limits_and_one_past() {
    use quartermaster_gateway::limits::{IDEMPOTENCY_KEY_MAX_CHARACTERS, SESSION_MAX_CHARACTERS};
    let house = House::new().await;
    let account = house.account().await;
    for (length, fits) in [(SESSION_MAX_CHARACTERS, true), (SESSION_MAX_CHARACTERS + 1, false), (0, false)] {
        let mut request = house.tool_request(account, LIST, json!({"limit": 1}));
        request.session = Some("s".repeat(length));
        assert_eq!(house.gateway.call(&house.admin, request).await.is_ok(), fits, "session of {length}");
    }
    for (length, fits) in
        [(IDEMPOTENCY_KEY_MAX_CHARACTERS, true), (IDEMPOTENCY_KEY_MAX_CHARACTERS + 1, false), (0, false)]
    {
        let mut request = house.tool_request(account, LIST, json!({"limit": 1}));
        request.idempotency_key = Some("k".repeat(length));
        assert_eq!(house.gateway.call(&house.admin, request).await.is_ok(), fits, "key of {length}");
    }
    for session in ["a b", "a\nb"] {
        let mut request = house.tool_request(account, LIST, json!({"limit": 1}));
        request.session = Some(session.to_owned());
        assert!(house.gateway.call(&house.admin, request).await.is_err());
    }
}

#[tokio::test]
async fn raw_calls_are_off_unless_the_token_allows_them() {
    let house = House::new().await;
    let account = house.account().await;
    let path = format!("/v1beta1/accounts/{}/users?max_page_size=2", house.simulator.account_id());
    let raw = |method: http::Method| RawRequest {
        method,
        path_and_query: path.clone(),
        headers: http::HeaderMap::new(),
        body: Bytes::new(),
    };
    let agent = house.agent().await;
    let request_id = house.gateway.request_id();
    let refused = house.gateway.custom(&agent, request_id, account, raw(http::Method::GET)).await.unwrap_err();
    assert_eq!(refused.problem.code(), Code::PermissionDenied);

    let narrowing = Narrowing { custom: true, ..Narrowing::default() };
    let (allowed, _) = house.token(Role::Agent, narrowing).await;
    let answer = house.gateway.custom(&allowed, request_id, account, raw(http::Method::GET)).await.unwrap();
    assert_eq!(answer.status, 200);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["results"].as_array().unwrap().len(), 2);

    let mut sandbox = house.new_account();
    sandbox.sandbox = true;
    let sandbox = house.create(sandbox).await.unwrap().id;
    let refused = house.gateway.custom(&allowed, request_id, sandbox, raw(http::Method::POST)).await.unwrap_err();
    assert_eq!(refused.problem.code(), Code::SandboxWrite);

    let records = house.audit(AuditFilter { action: Some("custom.get".to_owned()), ..AuditFilter::default() }).await;
    let outcomes: Vec<Outcome> = records.iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::Refused, Outcome::Ok]);
    assert_eq!(records[1].door, "custom");
    assert!(!records[1].target.as_ref().unwrap().contains('?'));
}

#[tokio::test]
async fn an_expired_access_token_is_renewed_without_the_caller_noticing() {
    let house = House::new().await;
    let account = house.account().await;
    house.simulator.control().advance(Duration::from_secs(901));
    house.clock.advance_ms(901_000);
    house.tool(&house.admin, account, LIST, json!({"limit": 1})).await.unwrap();
    assert_eq!(house.sent().token, 2);
}

#[tokio::test]
async fn a_verb_that_gives_many_records_is_paged_and_grounds_their_ids() {
    let house = House::new().await;
    let search = json!({
        "get": "/v1beta1/accounts/{{ connection.account_id }}/users", "items": "/results", "description": "Finds people.",
    });
    let mut account = house.new_account();
    let base_url = house.simulator.base_url();
    account.override_patch =
        Some(json!({"base_url": base_url, "resources": {"users": {"methods": {"search": search}}}}));
    let account = house.create(account).await.unwrap().id;
    let agent = house.agent().await;
    let tool = "1_password_users_search";

    let first = house.tool(&agent, account, tool, json!({"limit": 30, "fields": ["id"]})).await.unwrap();
    assert_eq!((&first["result_count"], first["result"][0].as_object().unwrap().len()), (&json!(30), 1));
    let cursor = &first["next_cursor"];
    let next = json!({"limit": 30, "fields": ["id"], "next_cursor": cursor});
    let second = house.tool(&agent, account, tool, next.clone()).await.unwrap();
    assert_eq!(second["result_count"], 30);
    assert!(!first["result"].as_array().unwrap().contains(&second["result"][0]));
    let foreign = house.tool(&agent, account, LIST, next).await.unwrap_err();
    assert_eq!(foreign.code(), Code::InvalidArgument, "a cursor belongs to its method");

    let id = house.simulator.control().find("a.miller@company.com").unwrap().id;
    let other = house.agent().await;
    assert_eq!(house.proxy(&other, account, "search", json!({"limit": 2000})).await.unwrap()["result_count"], 1199);
    house.tool(&other, account, SUSPEND, json!({"id": id})).await.unwrap();
}

#[tokio::test]
async fn a_field_that_no_record_has_is_named_before_anything_is_sent() {
    let house = House::new().await;
    let account = house.account().await;
    let sent = house.sent();
    let arguments = json!({"limit": 1, "fields": ["id", "emial", "nope"]});
    let problem = house.tool(&house.admin, account, LIST, arguments).await.unwrap_err();
    assert_eq!(problem.code(), Code::InvalidArgument);
    let errors = &problem.body().errors;
    assert_eq!(errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), ["/fields/1", "/fields/2"]);
    assert!(errors[0].detail.contains("did you mean `email`?"), "{errors:?}");
    assert!(errors[1].detail.contains("`display_name`"), "{errors:?}");
    assert_eq!(house.sent(), sent);
    let known = json!({"limit": 1, "fields": ["id", "create_time"]});
    let answer = house.tool(&house.admin, account, LIST, known).await.unwrap();
    assert!(answer.get("absent_fields").is_none(), "{answer}");
}

#[tokio::test]
async fn without_a_schema_of_records_the_answer_tells_which_fields_are_in_none() {
    let house = House::new().await;
    let mut account = house.new_account();
    let base_url = house.simulator.base_url();
    account.override_patch = Some(json!({"base_url": base_url, "resources": {"users": {"record": null}}}));
    let account = house.create(account).await.unwrap().id;
    let list = async |fields| {
        let arguments = json!({"email_ends_with": "@company.com", "limit": 2, "fields": fields});
        house.tool(&house.admin, account, LIST, arguments).await.unwrap()
    };
    let answer = list(json!(["id", "nope", "a/b"])).await;
    assert_eq!(answer["absent_fields"], json!(["nope", "a/b"]), "{answer}");
    assert!(answer["present_fields"].as_array().unwrap().contains(&json!("display_name")), "{answer}");
    assert!(list(json!(["id", "email"])).await.get("absent_fields").is_none());
}
