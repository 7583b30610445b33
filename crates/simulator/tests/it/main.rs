//! The simulator over real sockets, held against the public documentation.
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

mod model;
mod wire;

use std::collections::HashSet;
use std::time::Duration;

use quartermaster_simulator::{
    Config, EndOfList, ErrorShape, Obfuscation, Operation, RateHeaders, RateLimit, Running, State, start,
};
use wire::{Reply, exchange};

async fn run(config: Config) -> Running {
    start(config).await.expect("the simulator starts")
}

async fn token(running: &Running) -> String {
    let reply = token_reply(running, running.client_secret(), "grant_type=client_credentials&scope=openid").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["access_token"].as_str().expect("a token").to_owned()
}

async fn token_reply(running: &Running, secret: &str, form: &str) -> Reply {
    let basic = wire::basic(running.client_id(), secret);
    let headers = [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    exchange(running.address(), "POST", "/v1beta1/users/oauth2/token", &headers, form).await
}

async fn call(running: &Running, token: &str, method: &str, rest: &str) -> Reply {
    let path = format!("/v1beta1/accounts/{}/users{rest}", running.account_id());
    exchange(running.address(), method, &path, &[("authorization", &format!("Bearer {token}"))], "").await
}

#[tokio::test]
async fn tokens_are_given_to_the_right_client_and_end_after_900_seconds() {
    let running = run(Config::default()).await;
    let reply = token_reply(&running, running.client_secret(), "grant_type=client_credentials").await;
    assert_eq!(reply.json()["expires_in"], 900);
    assert_eq!(reply.json()["token_type"], "bearer");
    let token = token(&running).await;
    assert_eq!(call(&running, &token, "GET", "?max_page_size=1").await.status, 200);
    running.control().advance(Duration::from_secs(899));
    assert_eq!(call(&running, &token, "GET", "?max_page_size=1").await.status, 200);
    running.control().advance(Duration::from_secs(2));
    let reply = call(&running, &token, "GET", "?max_page_size=1").await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer")));
}

#[tokio::test]
async fn wrong_clients_grants_and_scopes_get_rfc_6749_errors() {
    let running = run(Config::default()).await;
    for (secret, form, status, error) in [
        ("wrong", "grant_type=client_credentials", 401, "invalid_client"),
        (running.client_secret(), "grant_type=password", 400, "unsupported_grant_type"),
        (running.client_secret(), "", 400, "invalid_request"),
        (running.client_secret(), "grant_type=client_credentials&scope=admin", 400, "invalid_scope"),
    ] {
        let reply = token_reply(&running, secret, form).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (status, Some(error)));
    }
    let path = "/v1beta1/users/oauth2/token";
    let in_body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        running.client_id(),
        running.client_secret()
    );
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(exchange(running.address(), "POST", path, &headers, &in_body).await.status, 401);
}

#[tokio::test]
async fn a_revoked_token_stops_working_and_revocation_always_says_200() {
    let running = run(Config::default()).await;
    let token = token(&running).await;
    let basic = wire::basic(running.client_id(), running.client_secret());
    let headers = [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    for _ in 0..2 {
        let form = format!("token={token}");
        let reply = exchange(running.address(), "POST", "/v1beta1/users/oauth2/revoke", &headers, &form).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0));
    }
    assert_eq!(call(&running, &token, "GET", "").await.status, 401);
}

#[tokio::test]
async fn pages_hold_everybody_once_whatever_the_size() {
    for (size, pages, end) in [("", 48, EndOfList::Absent), ("1000", 2, EndOfList::Null), ("5000", 2, EndOfList::Empty)]
    {
        let running = run(Config { end_of_list: end, ..Config::default() }).await;
        let token = token(&running).await;
        let (mut ids, mut next, mut count) = (HashSet::new(), String::new(), 0);
        loop {
            let reply = call(&running, &token, "GET", &format!("?max_page_size={size}&page_token={next}")).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let body = reply.json();
            for user in body["results"].as_array().expect("results") {
                assert!(ids.insert(user["id"].as_str().expect("an id").to_owned()));
                assert_eq!(user.as_object().expect("an object").len(), 6);
            }
            count += 1;
            match body["next_page_token"].as_str() {
                Some(token) if !token.is_empty() => next = token.to_owned(),
                _ => break,
            }
        }
        assert_eq!((ids.len(), count), (1199, pages), "one of 1,200 is hidden");
    }
}

#[tokio::test]
async fn the_filter_has_two_sentences() {
    let running = run(Config::default()).await;
    let token = token(&running).await;
    for (filter, state) in [("user.isActive()", "ACTIVE"), ("user.isSuspended()", "SUSPENDED")] {
        let reply = call(&running, &token, "GET", &format!("?filter={filter}&max_page_size=1000")).await;
        let users = reply.json()["results"].as_array().expect("results").clone();
        assert!(!users.is_empty() && users.iter().all(|user| user["state"] == state));
    }
    for query in ["?filter=email%20eq%20x", "?page_token=CAIQAg", "?max_page_size=-1", "?max_page_size=x"] {
        let reply = call(&running, &token, "GET", query).await;
        assert_eq!((reply.status, reply.json()["code"].as_u64()), (400, Some(3)), "{query}");
    }
}

#[tokio::test]
async fn both_verbs_are_idempotent_and_change_the_directory() {
    let running = run(Config::default()).await;
    let token = token(&running).await;
    let id = running.control().find("a.miller@company.com").expect("the article's leaver").id;
    for (verb, state) in
        [("suspend", "SUSPENDED"), ("suspend", "SUSPENDED"), ("reactivate", "ACTIVE"), ("reactivate", "ACTIVE")]
    {
        let reply = call(&running, &token, "POST", &format!("/{id}:{verb}")).await;
        assert_eq!((reply.status, reply.json()["state"].as_str()), (200, Some(state)));
        assert_eq!(call(&running, &token, "GET", &format!("/{id}")).await.json()["state"], state);
    }
    assert_eq!(running.control().counts().suspend, 2);
}

#[tokio::test]
async fn who_cannot_be_suspended_is_refused_in_every_error_shape() {
    let running = run(Config::default()).await;
    let token = token(&running).await;
    for email in ["owner@company.com", "managed.admin@company.com"] {
        let id = running.control().find(email).expect("a fixture").id;
        for (shape, pointer) in
            [(ErrorShape::Status, "/message"), (ErrorShape::Error, "/error/message"), (ErrorShape::Plain, "/message")]
        {
            running.control().set_error_shape(shape);
            let reply = call(&running, &token, "POST", &format!("/{id}:suspend")).await;
            assert_eq!(reply.status, 400);
            assert!(reply.json().pointer(pointer).is_some_and(serde_json::Value::is_string));
        }
        running.control().set_error_shape(ErrorShape::Empty);
        assert!(call(&running, &token, "POST", &format!("/{id}:suspend")).await.body.is_empty());
    }
    let id = running.control().find("j.doe@company.com").expect("a fixture").id;
    running.control().set_provisioning(true);
    assert_eq!(call(&running, &token, "POST", &format!("/{id}:suspend")).await.status, 400);
    running.control().set_provisioning(false);
    assert_eq!(call(&running, &token, "POST", &format!("/{id}:suspend")).await.status, 200);
}

#[tokio::test]
async fn what_may_not_be_seen_is_obfuscated() {
    for (obfuscation, status) in [(Obfuscation::NotFound, 404), (Obfuscation::Forbidden, 403)] {
        let running = run(Config { obfuscation, ..Config::default() }).await;
        let token = token(&running).await;
        let hidden = running.control().find("hidden@company.com").expect("a fixture").id;
        assert_eq!(call(&running, &token, "GET", &format!("/{hidden}")).await.status, status);
        let other = "/v1beta1/accounts/AAAAAAAAAAAAAAAAAAAAAAAAAA/users";
        let bearer = format!("Bearer {token}");
        let reply = exchange(running.address(), "GET", other, &[("authorization", &bearer)], "").await;
        assert_eq!(reply.status, status);
        assert_eq!(call(&running, &token, "GET", "/AAAAAAAAAAAAAAAAAAAAAAAAAA").await.status, 404);
        assert_eq!(call(&running, &token, "GET", "/a.miller@company.com").await.status, 400);
    }
}

#[tokio::test]
async fn permissions_are_of_the_application_not_of_the_scope() {
    let running = run(Config { permissions: Some(vec![Operation::List]), ..Config::default() }).await;
    let token = token(&running).await;
    let id = running.control().find("j.doe@company.com").expect("a fixture").id;
    assert_eq!(call(&running, &token, "GET", "").await.status, 200);
    assert_eq!(call(&running, &token, "GET", &format!("/{id}")).await.status, 403);
    assert_eq!(call(&running, &token, "POST", &format!("/{id}:suspend")).await.status, 403);
    assert_eq!(running.control().find("j.doe@company.com").map(|person| person.state), Some(State::Active));
}

#[tokio::test]
async fn an_escaped_colon_and_unknown_verbs_are_not_found() {
    let running = run(Config { require_user_agent: true, ..Config::default() }).await;
    let token = token(&running).await;
    let id = running.control().find("j.doe@company.com").expect("a fixture").id;
    assert_eq!(call(&running, &token, "POST", &format!("/{id}%3Asuspend")).await.status, 405);
    assert_eq!(call(&running, &token, "POST", &format!("/{id}:delete")).await.status, 404);
    assert_eq!(call(&running, &token, "GET", &format!("/{id}:suspend")).await.status, 405);
    let path = format!("/v1beta1/accounts/{}/users", running.account_id());
    let reply =
        wire::exchange_bare(running.address(), "GET", &path, &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(reply.status, 400, "no User-Agent");
}

#[tokio::test]
async fn limits_are_told_as_the_profile_says() {
    let limit = Some(RateLimit { requests: 2, window: Duration::from_secs(10) });
    for profile in [RateHeaders::None, RateHeaders::RetryAfter, RateHeaders::Trio, RateHeaders::Structured] {
        let running = run(Config { rate_limit: limit, rate_headers: profile, ..Config::default() }).await;
        let token = token(&running).await;
        let first = call(&running, &token, "GET", "").await;
        call(&running, &token, "GET", "").await;
        let refused = call(&running, &token, "GET", "").await;
        assert_eq!((first.status, refused.status), (200, 429));
        match profile {
            RateHeaders::None => assert_eq!(refused.header("retry-after"), None),
            RateHeaders::RetryAfter => assert_eq!(refused.header("retry-after"), Some("10")),
            RateHeaders::Trio => {
                assert_eq!(first.header("ratelimit-limit"), Some("2, 2;w=10"));
                assert_eq!(first.header("ratelimit-remaining"), Some("1"));
                assert_eq!(refused.header("ratelimit-reset"), Some("10"));
            }
            RateHeaders::Structured => {
                assert_eq!(refused.header("ratelimit"), Some("\"default\";r=0;t=10"));
                assert_eq!(refused.header("ratelimit-policy"), Some("\"default\";q=2;w=10"));
            }
        }
        running.control().advance(Duration::from_secs(10));
        assert_eq!(call(&running, &token, "GET", "").await.status, 200);
        assert_eq!(running.control().counts().limited, 1);
    }
}

#[tokio::test]
async fn faults_come_with_their_probability() {
    let running = std::sync::Arc::new(run(Config { seed: 5, ..Config::default() }).await);
    let token = token(&running).await;
    running.control().set_faults(1.0);
    let mut kinds = HashSet::new();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (running, token) = (std::sync::Arc::clone(&running), token.clone());
        calls.spawn(async move { call(&running, &token, "GET", "?max_page_size=1").await });
    }
    while let Some(reply) = calls.join_next().await {
        let reply = reply.expect("a call ends");
        kinds.insert(match reply.status {
            0 => "no answer",
            500 => "internal error",
            _ if serde_json::from_slice::<serde_json::Value>(&reply.body).is_err() => "malformed",
            _ => "slow",
        });
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    running.control().set_faults(0.0);
    assert_eq!(call(&running, &token, "GET", "").await.status, 200);
}

#[tokio::test]
async fn requests_are_written_down_when_wanted_and_the_outside_hand_works() {
    let running = run(Config { record: true, ..Config::default() }).await;
    let token = token(&running).await;
    call(&running, &token, "GET", "?max_page_size=3").await;
    let seen = running.control().seen();
    assert_eq!(seen.len(), 2);
    assert!(seen[1].path_and_query.ends_with("/users?max_page_size=3") && seen[1].status == 200);
    let reply = exchange(running.address(), "POST", "/_simulator/clock?advance=901", &[], "").await;
    assert_eq!(reply.status, 200);
    assert_eq!(call(&running, &token, "GET", "").await.status, 401);
    let counts = exchange(running.address(), "GET", "/_simulator/counts", &[], "").await.json();
    assert_eq!((counts["token"].as_u64(), counts["list"].as_u64()), (Some(1), Some(2)));
}
