//! Upstreams that misbehave: a clear answer, nothing lost, no secret shown.

use std::io::Write;
use std::time::Duration;

use quartermaster_definition::Plan;
use quartermaster_definition::plan::{Auth, ClientAuth};
use quartermaster_engine::limits::DECOMPRESSED_MAX_BYTES;
use quartermaster_types::{Code, Origin};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::plans::{client_credentials, plan, template};
use crate::upstream::{Reply, Upstream};
use crate::world::{API_KEY, World};

async fn world(reply: Reply) -> (World, Upstream) {
    let upstream = Upstream::start(move |_, _| reply.clone()).await;
    let mut plan = plan(&upstream.base_url());
    plan.auth = Auth::Bearer { token: template("{{ credentials.api_key }}") };
    (World::new(plan, upstream.address), upstream)
}

#[tokio::test]
async fn html_is_named_as_such_wherever_it_comes() {
    let page = "<!doctype html><h1>Sign in</h1>";
    for (status, code) in
        [(200, Code::UpstreamInvalid), (403, Code::PermissionDenied), (502, Code::UpstreamUnavailable)]
    {
        let (world, _) = world(Reply::json(status, page).with("content-type", "text/html; charset=utf-8")).await;
        for method in ["list", "get"] {
            let problem = world.failure(method, json!({"id": "1"})).await.problem;
            assert_eq!(problem.code(), code);
            assert_eq!(problem.body().origin, Origin::Upstream);
            assert!(problem.body().detail.contains("HTML"), "{problem}");
            assert!(
                problem.body().detail.starts_with(&format!("Acme answered {status} for users.{method}")),
                "{problem}"
            );
            assert_eq!(problem.body().upstream.as_ref().unwrap().body, page);
        }
    }
}

#[tokio::test]
async fn an_upstream_without_tls_is_named_as_such_and_not_worth_another_try() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let world = |auth| World::new(Plan { auth, ..plan(&format!("https://{address}")) }, address);
    let direct = world(Auth::Bearer { token: template("{{ credentials.api_key }}") });
    let through_token = world(client_credentials(ClientAuth::Body));
    for (world, method, says) in [
        (&direct, "get", "no answer for"),
        (&direct, "note", "no answer for"),
        (&through_token, "get", "no access token from"),
    ] {
        let problem = world.failure(method, json!({"id": "1"})).await.problem;
        let body = problem.body();
        assert_eq!((body.code, body.origin), (Code::UpstreamUnavailable, Origin::Upstream), "{problem}");
        assert!(body.detail.contains(says) && body.detail.contains("does not speak TLS"), "{problem}");
        let hint = body.hint.as_deref().unwrap();
        assert!(hint.contains("wrong port or scheme"), "{hint}");
        assert_eq!(hint.contains("Nothing was sent"), method == "note", "{hint}");
        assert!(!body.retryable && body.next_calls.is_empty(), "{problem}");
    }
}

#[tokio::test]
async fn nothing_half_a_body_and_nonsense() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"results\":[".to_vec();
    for (reply, code) in [
        (Reply::Close, Code::UpstreamUnavailable),
        (Reply::Bytes(half), Code::UpstreamUnavailable),
        (Reply::Bytes(b"SSH-2.0-OpenSSH_9\r\n".to_vec()), Code::UpstreamUnavailable),
        (Reply::json(200, r#"{"results":[{"id":"1"}"#), Code::UpstreamInvalid),
        (Reply::json(200, "{\"results\":[{\"id\":\"\u{1}\"}]}"), Code::UpstreamInvalid),
        (Reply::json(200, r#"{"results":{"id":"1"}}"#), Code::UpstreamInvalid),
        (Reply::json(200, r#"{"users":[]}"#), Code::UpstreamInvalid),
        (Reply::json(200, "hello"), Code::UpstreamInvalid),
        (Reply::json(200, ""), Code::UpstreamInvalid),
        (Reply::empty(204), Code::UpstreamInvalid),
        (Reply::json(200, &"[".repeat(100_000)), Code::UpstreamInvalid),
    ] {
        let described = format!("{reply:.200?}");
        let (world, _) = world(reply).await;
        let problem = world.failure("list", json!({})).await.problem;
        assert_eq!(problem.code(), code, "{described}: {problem}");
    }
    let invalid = Reply::Http { status: 200, headers: Vec::new(), body: b"{\"results\":[{\"id\":\"\xff\"}]}".to_vec() };
    let (world, _) = world(invalid).await;
    assert_eq!(world.failure("list", json!({})).await.problem.code(), Code::UpstreamInvalid);
}

#[tokio::test]
async fn bodies_without_end_and_bombs_are_cut_off() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..=DECOMPRESSED_MAX_BYTES >> 20 {
        bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let bomb =
        Reply::Http { status: 200, headers: vec![("content-encoding".to_owned(), "gzip".to_owned())], body: bomb };
    for reply in [Reply::Endless(vec![b' '; 1 << 20]), bomb] {
        let (world, _) = world(reply).await;
        let problem = world.failure("list", json!({})).await.problem;
        assert_eq!(problem.code(), Code::ResponseTooLarge, "{problem}");
        assert!(!problem.body().retryable && problem.body().hint.is_some());
    }
}

#[tokio::test]
async fn silence_ends_with_the_callers_patience() {
    let (mut world, _) = world(Reply::Silence).await;
    world.deadline = Duration::from_millis(300);
    let read = world.failure("get", json!({"id": "1"})).await.problem;
    assert_eq!((read.code(), read.body().retryable), (Code::UpstreamTimeout, true));
    let write = world.failure("note", json!({"id": "1", "text": "x"})).await.problem;
    assert_eq!((write.code(), write.body().retryable), (Code::UpstreamTimeout, false));
    assert!(write.body().hint.as_ref().unwrap().contains("may have happened"), "{write:?}");
    assert_eq!(write.body().next_calls[0].tool, "acme_users_get");
    assert_eq!(write.body().next_calls[0].arguments["id"], "1");
}

#[tokio::test]
async fn a_write_that_broke_is_not_to_be_repeated_blindly() {
    for reply in [Reply::Close, Reply::json(500, "{}"), Reply::json(200, "<html>")] {
        let (world, upstream) = world(reply).await;
        let problem = world.failure("note", json!({"id": "1", "text": "x"})).await.problem;
        assert!(!problem.body().retryable, "{problem:?}");
        assert!(problem.body().hint.as_ref().unwrap().contains("may have happened"), "{problem:?}");
        assert_eq!(upstream.seen().len(), 1, "sent once");
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_its_host_named() {
    let (world, upstream) = world(Reply::json(302, "").with("location", "https://evil.test/collect")).await;
    let problem = world.failure("get", json!({"id": "1"})).await.problem;
    assert_eq!(problem.code(), Code::UpstreamInvalid);
    assert!(problem.body().detail.contains("redirect to evil.test"), "{problem}");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_never_reached() {
    let (world, _) = world(Reply::json(200, "{}")).await;
    let elsewhere = Upstream::start(|_, _| Reply::json(200, "{}")).await;
    let other = World::new(plan(&elsewhere.base_url()), world_address(&world));
    let problem = other.failure("get", json!({"id": "1"})).await.problem;
    assert_eq!((problem.code(), problem.body().origin), (Code::UpstreamForbidden, Origin::Gateway));
    assert!(elsewhere.seen().is_empty());
}

fn world_address(world: &World) -> std::net::SocketAddr {
    world.plan.base_url.source().trim_start_matches("http://").parse().unwrap()
}

#[tokio::test]
async fn a_secret_that_the_upstream_repeats_is_scrubbed() {
    let body = format!(r#"{{"message":"bad key {API_KEY}","echo":"{API_KEY}"}}"#);
    let (world, _) = world(Reply::json(400, &body)).await;
    let problem = world.failure("get", json!({"id": "1"})).await.problem;
    assert_eq!(problem.code(), Code::UpstreamRejected);
    assert_eq!(problem.body().detail, "Acme answered 400 for users.get 1: bad key [secret]");
}

#[tokio::test]
async fn a_long_error_is_cut() {
    let (world, _) = world(Reply::json(400, &format!(r#"{{"message":"{}"}}"#, "é".repeat(5_000)))).await;
    let problem = world.failure("get", json!({"id": "1"})).await.problem;
    assert!(problem.body().detail.chars().count() < 400);
    assert!(problem.body().upstream.as_ref().unwrap().body.len() <= 2048);
}
