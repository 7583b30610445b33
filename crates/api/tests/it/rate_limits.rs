//! Upstream rate limits: passed on at once, in one dialect, whatever the vendor's.

use std::time::Duration;

use quartermaster_simulator::{Config, RateHeaders, RateLimit};
use quartermaster_testkit::{Answer, TestApp};
use serde_json::{Value, json};

async fn limited(headers: RateHeaders) -> TestApp {
    let limit = RateLimit { requests: 5, window: Duration::from_secs(10) };
    let config = Config { users: 60, rate_limit: Some(limit), rate_headers: headers, ..Config::default() };
    TestApp::builder().simulator(config).start().await
}

/// Calls until the vendor refuses; the last good answer and the refusal.
async fn until_limited(app: &TestApp) -> (Answer, Answer) {
    let path = app.proxy_path("users?limit=1");
    let mut good = None;
    for _ in 0..20 {
        let answer = app.operator.get(&path).await;
        if answer.code() == 429 {
            return (good.expect("some calls are let through"), answer);
        }
        answer.expect(200);
        good = Some(answer);
    }
    panic!("the vendor never refused");
}

fn seconds(answer: &Answer, header: &str) -> u64 {
    answer.header(header).parse().unwrap_or_else(|_| panic!("{header}: {:?}", answer.headers))
}

#[tokio::test]
async fn a_429_comes_at_once_and_says_nothing_that_the_vendor_did_not() {
    let app = limited(RateHeaders::None).await;
    let (good, refused) = until_limited(&app).await;
    let sent = app.simulator.control().counts().limited;
    let problem = refused.problem(429, "rate_limited");
    assert_eq!(problem["origin"], "upstream");
    assert_eq!(problem["retryable"], true);
    for answer in [&good, &refused] {
        for name in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit", "ratelimit-policy"] {
            assert_eq!(answer.header(name), "", "{name} was invented");
        }
    }
    assert_eq!(sent, 1, "it was not tried again");
    app.finish().await;
}

#[tokio::test]
async fn retry_after_is_passed_on() {
    let app = limited(RateHeaders::RetryAfter).await;
    let (_, refused) = until_limited(&app).await;
    let problem = refused.problem(429, "rate_limited");
    let wait = seconds(&refused, "retry-after");
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(problem["retry_after_seconds"], wait);
    assert_eq!(refused.header("ratelimit-limit"), "");
    app.finish().await;
}

#[tokio::test]
async fn the_trio_becomes_the_full_set() {
    let app = limited(RateHeaders::Trio).await;
    let (good, refused) = until_limited(&app).await;
    assert_eq!(good.header("ratelimit-remaining"), "0");
    refused.problem(429, "rate_limited");
    for answer in [&good, &refused] {
        assert!(answer.header("ratelimit-limit").starts_with('5'), "{:?}", answer.headers);
        assert!((1..=10).contains(&seconds(answer, "ratelimit-reset")));
        assert!(seconds(answer, "x-ratelimit-reset-at") > 1_700_000_000);
        assert!(answer.header("ratelimit").contains(";r=0"), "{:?}", answer.headers);
        assert!(answer.header("ratelimit-policy").contains(";q=5"), "{:?}", answer.headers);
    }
    assert_eq!(good.header("retry-after"), "", "only a refusal says when to come back");
    assert!((1..=10).contains(&seconds(&refused, "retry-after")));
    app.finish().await;
}

#[tokio::test]
async fn structured_fields_become_the_full_set() {
    let app = limited(RateHeaders::Structured).await;
    let (good, refused) = until_limited(&app).await;
    refused.problem(429, "rate_limited");
    for answer in [&good, &refused] {
        assert_eq!(answer.header("ratelimit-limit"), "5;w=10");
        assert_eq!(answer.header("ratelimit-remaining"), "0");
        assert!((1..=10).contains(&seconds(answer, "ratelimit-reset")));
        assert!(answer.header("ratelimit-policy").contains(";q=5;w=10"), "{:?}", answer.headers);
    }
    assert!((1..=10).contains(&seconds(&refused, "retry-after")));
    app.finish().await;
}

#[tokio::test]
async fn a_read_may_be_waited_for_and_a_write_is_not() {
    let limit = RateLimit { requests: 3, window: Duration::from_secs(1) };
    let config =
        Config { users: 60, rate_limit: Some(limit), rate_headers: RateHeaders::Structured, ..Config::default() };
    let app = TestApp::builder().simulator(config).start().await;
    let path = app.proxy_path("users?limit=1");
    let began = std::time::Instant::now();
    for _ in 0..6 {
        let answer = app.operator.request("GET", &path).header("prefer", "wait=5").send().await;
        answer.expect(200);
        assert_eq!(answer.header("preference-applied"), "wait=5");
    }
    // Once it has told its limit, the vendor is not even asked: the budget tells how long to wait.
    assert_eq!(app.simulator.control().counts().limited, 0);
    assert!(began.elapsed() > Duration::from_millis(500), "nothing had to be waited for");
    app.simulator.control().set_rate_limit(Some(RateLimit { requests: 1, window: Duration::from_secs(60) }));
    let person = app.person("a.miller@company.com");
    let path = app.proxy_path(&format!("users/{person}/suspend"));
    let mut refused = 0;
    for _ in 0..3 {
        let started = std::time::Instant::now();
        let answer = app.operator.request("POST", &path).header("prefer", "wait=5").send().await;
        if answer.code() == 429 {
            refused += 1;
            assert!(started.elapsed() < Duration::from_secs(4), "a write was held back");
        }
    }
    assert!(refused > 0);
    app.finish().await;
}

#[tokio::test]
async fn a_spent_budget_refuses_calls_before_they_are_sent_with_the_vendors_own_reset() {
    let app = limited(RateHeaders::Structured).await;
    let (good, refused) = until_limited(&app).await;
    let sent = app.simulator.control().counts();
    assert_eq!(sent.limited, 0, "the vendor was not asked once more");
    let problem = refused.problem(429, "rate_limited");
    assert_eq!((&problem["origin"], &problem["retryable"]), (&Value::from("gateway"), &Value::from(true)));
    assert!(refused.header("ratelimit-policy").starts_with("\"account-budget\";q=5;w=10"), "{:?}", refused.headers);
    assert!(seconds(&good, "ratelimit-reset").abs_diff(seconds(&refused, "retry-after")) <= 1);
    // Neither does anybody else on this account, by whatever door; another account is not concerned.
    let other = app.client(json!({"role": "agent"})).await;
    app.call(&other, "list_all_1_password_users", json!({})).await.problem(429, "rate_limited");
    let person = app.person("a.miller@company.com");
    other.post(&app.proxy_path(&format!("users/{person}/suspend")), &json!({})).await.problem(429, "rate_limited");
    assert_eq!(app.simulator.control().counts(), sent);
    let budget = app.operator.get(&app.account_path("/budget")).await.expect(200);
    assert_eq!((&budget["remaining"], &budget["limit"], &budget["enforced"]), (&json!(0), &json!(5), &json!(true)));
    assert!(app.gateway.metrics().contains("qm_rate_budget_refused_total 3"), "{}", app.gateway.metrics());
    app.finish().await;
}

#[tokio::test]
async fn an_account_whose_headers_are_wrong_is_not_held_to_them() {
    let app = limited(RateHeaders::Structured).await;
    let change = json!({"override": {"rate_limits": {"budget": false}}});
    app.operator.patch(&app.account_path(""), &change).await.expect(200);
    let (_, refused) = until_limited(&app).await;
    assert_eq!(refused.problem(429, "rate_limited")["origin"], "upstream");
    assert_eq!(app.simulator.control().counts().limited, 1);
    let budget = app.operator.get(&app.account_path("/budget")).await.expect(200);
    assert_eq!((&budget["known"], &budget["enforced"]), (&json!(true), &json!(false)));
    app.finish().await;
}
