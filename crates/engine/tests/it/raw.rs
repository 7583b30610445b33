//! `/custom`: the account's authentication and base URL, and nothing else.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use quartermaster_definition::plan::{Auth, ClientAuth};
use quartermaster_engine::RawRequest;
use quartermaster_types::Code;

use crate::plans::{client_credentials, plan, template};
use crate::upstream::{Reply, Upstream};
use crate::world::{API_KEY, World};

fn request(method: Method, path: &str) -> RawRequest {
    RawRequest { method, path_and_query: path.to_owned(), headers: HeaderMap::new(), body: Bytes::new() }
}

async fn world(reply: Reply) -> (World, Upstream) {
    let upstream = Upstream::start(move |_, _| reply.clone()).await;
    let mut plan = plan(&format!("{}/api", upstream.base_url()));
    plan.auth = Auth::Bearer { token: template("{{ credentials.api_key }}") };
    (World::new(plan, upstream.address), upstream)
}

#[tokio::test]
async fn a_raw_call_carries_authentication_and_only_the_passed_headers() {
    let (world, upstream) = world(Reply::json(418, "short and stout").with("content-type", "text/plain")).await;
    let mut raw = request(Method::PUT, "/pots/1?lid=a%20b");
    raw.body = Bytes::from_static(b"\x00tea");
    for (name, value) in
        [("content-type", "x/y"), ("accept", "*/*"), ("authorization", "Bearer mine"), ("cookie", "a=b")]
    {
        raw.headers.insert(name, HeaderValue::from_static(value));
    }
    let answer = world.raw(raw).await.unwrap();
    assert_eq!(
        (answer.status, answer.content_type.as_deref(), &answer.body[..]),
        (418, Some("text/plain"), &b"short and stout"[..])
    );
    let seen = &upstream.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str(), seen.body.as_str()),
        ("PUT", "/api/pots/1?lid=a%20b", "\0tea")
    );
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {API_KEY}").as_str()));
    assert_eq!((seen.header("content-type"), seen.header("accept")), (Some("x/y"), Some("*/*")));
    assert_eq!(seen.header("cookie"), None);
    assert_eq!(world.exchanges.lock().unwrap()[0].purpose, "custom");
}

#[tokio::test]
async fn an_upstream_that_repeats_the_credential_does_not_show_it() {
    let upstream =
        Upstream::start(|_, seen| Reply::json(200, &format!(r#"{{"you":"{:?}"}}"#, seen.header("authorization"))))
            .await;
    let mut plan = plan(&upstream.base_url());
    plan.auth = Auth::Bearer { token: template("{{ credentials.api_key }}") };
    let world = World::new(plan, upstream.address);
    let answer = world.raw(request(Method::GET, "/echo")).await.unwrap();
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    world.assert_no_secret(&text);
    assert!(text.contains("Bearer [secret]"), "{text}");
}

#[tokio::test]
async fn a_rate_limit_is_an_answer_with_its_limits() {
    let (world, upstream) = world(Reply::json(429, "{}").with("retry-after", "4")).await;
    let answer = world.raw(request(Method::GET, "/x")).await.unwrap();
    assert_eq!((answer.status, answer.rate_limits.retry_after_seconds(world.clock.now())), (429, Some(4)));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn paths_that_leave_the_base_url_are_refused() {
    let (world, upstream) = world(Reply::json(200, "{}")).await;
    for path in ["", "x", "@evil.test/", "/../admin", "/a/%2e%2e/b", "/a#b", "/a\r\nx: y", "http://evil.test/"] {
        let failure = world.raw(request(Method::GET, path)).await.unwrap_err();
        assert_eq!(failure.problem.code(), Code::InvalidArgument, "{path:?}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn an_old_token_is_renewed_once() {
    let upstream = Upstream::start(|index, seen| {
        if seen.path() == "/token" {
            return Reply::json(200, &format!(r#"{{"access_token":"token-{index}"}}"#));
        }
        if seen.header("authorization") == Some("Bearer token-0") && index > 1 {
            Reply::empty(401)
        } else {
            Reply::json(200, "{}")
        }
    })
    .await;
    let mut plan = plan(&upstream.base_url());
    plan.auth = client_credentials(ClientAuth::Basic);
    let world = World::new(plan, upstream.address);
    for _ in 0..2 {
        assert_eq!(world.raw(request(Method::POST, "/x")).await.unwrap().status, 200);
    }
    assert_eq!(upstream.targets(), ["/token", "/x", "/x", "/token", "/x"]);
}
