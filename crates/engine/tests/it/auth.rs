//! Every kind of authentication, and what becomes of tokens.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quartermaster_definition::plan::{Auth, ClientAuth, PageStyle};
use quartermaster_engine::ListOptions;
use quartermaster_types::Code;
use serde_json::{Value, json};

use crate::plans::{client_credentials, paged, pages, plan, template};
use crate::upstream::{Reply, Seen, Upstream};
use crate::world::{API_KEY, CLIENT_SECRET, World, account, limit};

const PERSON: &str = r#"{"id":"1","state":"ACTIVE"}"#;

async fn world_with(auth: Auth) -> (World, Upstream) {
    let upstream = Upstream::start(|_, _| Reply::json(200, PERSON)).await;
    let mut plan = plan(&upstream.base_url());
    plan.auth = auth;
    (World::new(plan, upstream.address), upstream)
}

/// Tokens are numbered; `api` answers everything that is not a token request.
async fn oauth_world(
    client_auth: ClientAuth,
    api: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
) -> (World, Upstream) {
    let upstream = Upstream::start(move |index, seen| {
        if seen.path() == "/token" {
            Reply::json(200, &format!(r#"{{"access_token":"token-{index}","token_type":"bearer","expires_in":900}}"#))
        } else {
            api(index, seen)
        }
    })
    .await;
    let mut plan = plan(&upstream.base_url());
    plan.auth = client_credentials(client_auth);
    (World::new(plan, upstream.address), upstream)
}

fn token_requests(upstream: &Upstream) -> usize {
    upstream.seen().iter().filter(|seen| seen.path() == "/token").count()
}

#[tokio::test]
async fn every_fixed_kind_is_sent_masked_in_previews_and_hidden_from_observers() {
    let basic = format!("Basic {}", STANDARD.encode(format!("user@acme.test:{CLIENT_SECRET}")));
    let cases = [
        (Auth::None, None, "/users/1".to_owned(), None),
        (
            Auth::Bearer { token: template("{{ credentials.api_key }}") },
            Some(("authorization", format!("Bearer {API_KEY}"))),
            "/users/1".to_owned(),
            Some(("authorization", "Bearer [secret]")),
        ),
        (
            Auth::ApiKeyHeader { header: "x-key".to_owned(), value: template("SSWS {{ credentials.api_key }}") },
            Some(("x-key", format!("SSWS {API_KEY}"))),
            "/users/1".to_owned(),
            Some(("x-key", "SSWS [secret]")),
        ),
        (
            Auth::Basic {
                username: template("{{ credentials.username }}"),
                password: template("{{ credentials.client_secret }}"),
            },
            Some(("authorization", basic)),
            "/users/1".to_owned(),
            Some(("authorization", "Basic [secret]")),
        ),
        (
            Auth::ApiKeyQuery { parameter: "api key".to_owned(), value: template("{{ credentials.client_secret }}") },
            None,
            "/users/1?api%20key=s3cr3t%2Fwith%2Bodd%20chars".to_owned(),
            None,
        ),
    ];
    for (auth, header, target, masked) in cases {
        let in_query = matches!(auth, Auth::ApiKeyQuery { .. });
        let (world, upstream) = world_with(auth).await;
        world.single("get", json!({"id": "1"})).await;
        let seen = &upstream.seen()[0];
        assert_eq!(seen.target, target);
        if let Some((name, value)) = header {
            assert_eq!(seen.header(name), Some(value.as_str()));
        }
        let preview = world.preview("get", json!({"id": "1"}), ListOptions::default()).await.unwrap();
        world.assert_no_secret(&serde_json::to_string(&preview).unwrap());
        if let Some((name, value)) = masked {
            assert!(preview.headers.contains(&(name.to_owned(), value.to_owned())), "{preview:?}");
        }
        let exchange = world.exchanges.lock().unwrap()[0].clone();
        world.assert_no_secret(&format!("{exchange:?}"));
        assert!(!exchange.path.contains("s3cr3t"));
        if in_query {
            assert!(preview.url.ends_with("/users/1?api%20key=[secret]"), "{}", preview.url);
            assert_eq!(exchange.path, "/users/1?api%20key=[secret]");
        }
    }
}

#[tokio::test]
async fn client_credentials_are_sent_as_basic_as_a_form_or_as_json() {
    let form = "grant_type=client_credentials&scope=read+write&audience=urn%3At+1";
    for client_auth in [ClientAuth::Basic, ClientAuth::Body, ClientAuth::Json] {
        let (world, upstream) = oauth_world(client_auth, |_, _| Reply::json(200, PERSON)).await;
        world.single("get", json!({"id": "1"})).await;
        let seen = upstream.seen();
        let token = &seen[0];
        assert_eq!((token.method.as_str(), token.target.as_str()), ("POST", "/token"));
        assert_eq!(token.header("user-agent"), Some("Tests/1"));
        let secret = "s3cr3t%2Fwith%2Bodd+chars";
        match client_auth {
            ClientAuth::Basic => {
                let pair = STANDARD.encode(format!("the-client:{secret}"));
                assert_eq!(token.header("authorization"), Some(format!("Basic {pair}").as_str()));
                assert_eq!(token.body, form);
            }
            ClientAuth::Body => {
                assert_eq!(token.header("authorization"), None);
                assert_eq!(token.body, format!("{form}&client_id=the-client&client_secret={secret}"));
            }
            ClientAuth::Json => {
                assert_eq!(token.header("content-type"), Some("application/json"));
                let body: Value = serde_json::from_str(&token.body).unwrap();
                assert_eq!(
                    body,
                    json!({"grant_type": "client_credentials", "scope": "read write", "audience": "urn:t 1",
                           "client_id": "the-client", "client_secret": CLIENT_SECRET})
                );
            }
        }
        assert_eq!(seen[1].header("authorization"), Some("Bearer token-0"));
        let purposes: Vec<String> = world.exchanges.lock().unwrap().iter().map(|told| told.purpose.clone()).collect();
        assert_eq!(purposes, ["token", "users.get"]);
    }
}

#[tokio::test]
async fn a_token_is_kept_until_shortly_before_it_expires_and_needs_no_credentials_meanwhile() {
    let (world, upstream) = oauth_world(ClientAuth::Basic, |_, _| Reply::json(200, PERSON)).await;
    for _ in 0..3 {
        world.single("get", json!({"id": "1"})).await;
    }
    assert_eq!(token_requests(&upstream), 1);
    assert_eq!(world.opened.load(std::sync::atomic::Ordering::Relaxed), 1);
    world.clock.advance_ms(839_999);
    world.single("get", json!({"id": "1"})).await;
    assert_eq!(token_requests(&upstream), 1);
    world.clock.advance_ms(1);
    world.single("get", json!({"id": "1"})).await;
    assert_eq!(token_requests(&upstream), 2);
    world.engine.forget(world.account);
    world.single("get", json!({"id": "1"})).await;
    assert_eq!(token_requests(&upstream), 3);
}

#[tokio::test]
async fn expires_in_may_be_a_text_or_absent_and_the_type_in_any_case() {
    for (answer, alive_ms) in [
        (r#"{"access_token":"t-123456","token_type":"BEARER","expires_in":"100"}"#, 90_000),
        (r#"{"access_token":"t-123456"}"#, 840_000),
        (r#"{"access_token":"t-123456","expires_in":null}"#, 840_000),
    ] {
        let upstream =
            Upstream::start(move |_, seen| Reply::json(200, if seen.path() == "/token" { answer } else { PERSON }))
                .await;
        let mut plan = plan(&upstream.base_url());
        plan.auth = client_credentials(ClientAuth::Basic);
        let world = World::new(plan, upstream.address);
        world.single("get", json!({"id": "1"})).await;
        world.clock.advance_ms(alive_ms - 1);
        world.single("get", json!({"id": "1"})).await;
        assert_eq!(token_requests(&upstream), 1, "{answer}");
        world.clock.advance_ms(1);
        world.single("get", json!({"id": "1"})).await;
        assert_eq!(token_requests(&upstream), 2, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_at_once_fetch_one_token() {
    let (world, upstream) = oauth_world(ClientAuth::Basic, |_, _| Reply::json(200, PERSON)).await;
    let world = Arc::new(world);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let world = world.clone();
        calls.spawn(async move { world.single("get", json!({"id": "1"})).await.upstream_calls });
    }
    let made: u32 = calls.join_all().await.into_iter().sum();
    assert_eq!(made, 51);
    assert_eq!(token_requests(&upstream), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_for_the_same_refusal_do_not_ask_again() {
    let refusal = Reply::json(401, r#"{"error":"invalid_client"}"#);
    let upstream =
        Upstream::start(move |_, _| Reply::Late(Duration::from_millis(100), Box::new(refusal.clone()))).await;
    let mut plan = plan(&upstream.base_url());
    plan.auth = client_credentials(ClientAuth::Basic);
    let world = Arc::new(World::new(plan, upstream.address));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let world = world.clone();
        calls.spawn(async move { world.failure("get", json!({"id": "1"})).await.problem.code() });
    }
    assert!(calls.join_all().await.into_iter().all(|code| code == Code::AccountNeedsReauth));
    assert!(upstream.seen().len() < 3, "{} token requests", upstream.seen().len());
}

#[tokio::test]
async fn tokens_are_apart_by_account_and_by_version_of_the_credentials() {
    let (mut world, upstream) = oauth_world(ClientAuth::Basic, |_, _| Reply::json(200, PERSON)).await;
    world.single("get", json!({"id": "1"})).await;
    world.credential_version = 2;
    world.single("get", json!({"id": "1"})).await;
    assert_eq!(token_requests(&upstream), 2);
    world.account = account(2);
    world.single("get", json!({"id": "1"})).await;
    assert_eq!(token_requests(&upstream), 3);
    world.single("get", json!({"id": "1"})).await;
    assert_eq!(token_requests(&upstream), 3);
}

#[tokio::test]
async fn a_401_for_a_cached_token_renews_it_and_repeats_the_call_once_also_a_write() {
    let (world, upstream) = oauth_world(ClientAuth::Basic, |_, seen| {
        // The first token is revoked after its first use.
        let old = seen.header("authorization") == Some("Bearer token-0");
        if old && seen.method == "POST" { Reply::json(401, "{}") } else { Reply::json(200, PERSON) }
    })
    .await;
    world.single("get", json!({"id": "1"})).await;
    let answer = world.single("note", json!({"id": "1", "text": "x"})).await;
    assert_eq!(answer.upstream_calls, 3);
    assert_eq!(upstream.targets(), ["/token", "/users/1", "/users/1/notes", "/token", "/users/1/notes"]);
    assert_eq!(upstream.seen()[4].body, r#"{"note":{"text":"x"}}"#);
}

#[tokio::test]
async fn a_second_401_means_that_the_account_needs_a_person() {
    let (world, upstream) = oauth_world(ClientAuth::Basic, |index, _| {
        if index < 2 { Reply::json(200, PERSON) } else { Reply::json(401, r#"{"message":"token-3 is no good"}"#) }
    })
    .await;
    world.single("get", json!({"id": "1"})).await;
    let failure = world.failure("get", json!({"id": "1"})).await;
    assert_eq!(failure.problem.code(), Code::AccountNeedsReauth);
    assert_eq!(failure.problem.status(), 424);
    assert!(!failure.problem.body().retryable);
    assert_eq!(upstream.targets(), ["/token", "/users/1", "/users/1", "/token", "/users/1"]);
    let text = serde_json::to_string(&failure.problem).unwrap();
    assert!(text.contains("[secret] is no good") && !text.contains("token-3"), "{text}");
}

#[tokio::test]
async fn a_401_for_a_fresh_token_is_not_tried_again() {
    let (world, upstream) = oauth_world(ClientAuth::Basic, |_, _| Reply::json(401, "")).await;
    let failure = world.failure("get", json!({"id": "1"})).await;
    assert_eq!((failure.problem.code(), failure.upstream_calls), (Code::AccountNeedsReauth, 2));
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_token_that_grows_old_during_a_walk_is_renewed_without_notice() {
    let (mut world, upstream) = oauth_world(ClientAuth::Basic, |index, seen| {
        match (seen.query_value("cursor"), seen.header("authorization")) {
            (None, _) => Reply::json(200, r#"{"results":[{"id":"1"}],"next":"a"}"#),
            (Some(_), Some("Bearer token-0")) => Reply::json(401, "{}"),
            _ => Reply::json(200, &format!(r#"{{"results":[{{"id":"{index}"}}]}}"#)),
        }
    })
    .await;
    let style = PageStyle::CursorQuery { send: "cursor".to_owned(), read: "/next".to_owned() };
    let mut plan = paged(&upstream.base_url(), pages(style));
    plan.auth = client_credentials(ClientAuth::Basic);
    world.plan = Arc::new(plan);
    let answer = world.list(json!({}), limit(9)).await;
    assert_eq!((answer.count, answer.is_partial, answer.upstream_calls), (2, false, 5));
}

#[tokio::test]
async fn what_goes_wrong_at_the_token_endpoint_is_told_apart() {
    let cases = [
        (
            Reply::json(401, r#"{"error":"invalid_client","error_description":"s3cr3t/with+odd chars"}"#),
            Code::AccountNeedsReauth,
            false,
        ),
        (Reply::json(400, r#"{"error":"invalid_client"}"#), Code::AccountNeedsReauth, false),
        (Reply::json(200, r#"{"error":"unauthorized_client"}"#), Code::AccountNeedsReauth, false),
        (Reply::json(400, r#"{"error":"invalid_scope"}"#), Code::UpstreamRejected, false),
        (Reply::json(429, "{}").with("retry-after", "9"), Code::RateLimited, true),
        (Reply::json(503, "{}").with("retry-after", "9"), Code::RateLimited, true),
        (Reply::json(500, "oops"), Code::UpstreamUnavailable, true),
        (Reply::Close, Code::UpstreamUnavailable, true),
        (Reply::json(200, "<html>"), Code::UpstreamInvalid, false),
        (Reply::json(200, "{}"), Code::UpstreamInvalid, false),
        (Reply::json(302, "").with("location", "https://evil.test/"), Code::UpstreamInvalid, false),
        (Reply::json(200, r#"{"access_token":"a\nb"}"#), Code::UpstreamInvalid, false),
        (Reply::json(200, r#"{"access_token":"abc","token_type":"mac"}"#), Code::UpstreamInvalid, false),
    ];
    for (reply, code, retryable) in cases {
        let described = format!("{reply:?}");
        let upstream = Upstream::script(vec![reply]).await;
        let mut plan = plan(&upstream.base_url());
        plan.auth = client_credentials(ClientAuth::Basic);
        let world = World::new(plan, upstream.address);
        let failure = world.failure("note", json!({"id": "1", "text": "x"})).await;
        assert_eq!(failure.problem.code(), code, "{described}");
        assert_eq!(failure.problem.body().retryable, retryable, "{described}");
        if code == Code::RateLimited {
            assert_eq!(failure.problem.body().retry_after_seconds, Some(9));
        }
        assert_eq!(upstream.targets(), ["/token"], "{described}");
    }
}

#[tokio::test]
async fn a_token_endpoint_on_a_host_that_is_not_named_gets_nothing() {
    let (mut world, upstream) = oauth_world(ClientAuth::Basic, |_, _| Reply::json(200, PERSON)).await;
    let mut plan = plan(&upstream.base_url());
    let Auth::ClientCredentials(mut client) = client_credentials(ClientAuth::Basic) else { unreachable!() };
    client.token_url = template("http://evil.test/token");
    plan.auth = Auth::ClientCredentials(client);
    world.plan = Arc::new(plan);
    let failure = world.failure("get", json!({"id": "1"})).await;
    assert_eq!((failure.problem.code(), failure.upstream_calls), (Code::UpstreamForbidden, 0));
}
