//! Requests that are wrong in every way that HTTP allows. Each gets a clear answer; nothing breaks; no secret shows.

use quartermaster_api::{BODY_MAX_BYTES, IDEMPOTENCY_KEY_MAX_BYTES, JSON_DEPTH_MAX, SESSION_MAX_BYTES};
use quartermaster_testkit::TestApp;
use serde_json::json;

#[tokio::test]
async fn bodies_that_are_not_json_are_explained() {
    let app = TestApp::builder().unconnected().start().await;
    let post = |bytes: Vec<u8>| {
        app.operator.request("POST", "/token").header("content-type", "application/json").bytes(bytes).send()
    };
    for (body, said) in [
        (b"".to_vec(), "There is no body"),
        (b"{\"name\":".to_vec(), "line 1 column 8"),
        (b"{\"name\":\n nope}".to_vec(), "line 2 column 3"),
        (b"[]".to_vec(), "must be a JSON object"),
        (b"\"hunter2\"".to_vec(), "must be a JSON object"),
        (b"{\"name\":\"\xff\"}".to_vec(), "not UTF-8: byte 9"),
        (b"{} {}".to_vec(), "trailing characters"),
        (vec![0; 10], "not JSON"),
    ] {
        let problem = post(body).await.problem(400, "invalid_argument");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{detail}");
        assert!(!problem.to_string().contains("hunter2"));
    }
    app.finish().await;
}

#[tokio::test]
async fn the_media_type_must_be_json() {
    let app = TestApp::builder().unconnected().start().await;
    let body = br#"{"name":"x","role":"agent"}"#.to_vec();
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"] {
        let request = app.operator.request("POST", "/token").header("content-type", media_type).bytes(body.clone());
        request.send().await.problem(415, "unsupported_media_type");
    }
    app.operator.request("POST", "/token").bytes(body.clone()).send().await.problem(415, "unsupported_media_type");
    let request = app.operator.request("POST", "/token").header("content-type", "application/json; charset=utf-8");
    request.bytes(body).shows_secret().send().await.expect(201);
    app.finish().await;
}

#[tokio::test]
async fn a_body_is_taken_at_the_limit_and_refused_past_it() {
    let app = TestApp::builder().unconnected().start().await;
    let padded = |size: usize| {
        let start = br#"{"name":"x","role":"agent""#;
        let mut body = start.to_vec();
        body.resize(size - 1, b' ');
        body.push(b'}');
        body
    };
    let post = |body: Vec<u8>| {
        let request = app.operator.request("POST", "/token").header("content-type", "application/json");
        request.bytes(body).shows_secret().send()
    };
    post(padded(BODY_MAX_BYTES)).await.expect(201);
    let problem = post(padded(BODY_MAX_BYTES + 1)).await.problem(413, "payload_too_large");
    assert!(problem["detail"].as_str().unwrap().contains("1048576"));
    // Well past it: the refusal still arrives.
    post(padded(BODY_MAX_BYTES * 5)).await.problem(413, "payload_too_large");
    app.finish().await;
}

#[tokio::test]
async fn depth_is_taken_at_the_limit_and_refused_past_it() {
    let app = TestApp::builder().unconnected().start().await;
    let put = |levels: usize| {
        let body = format!("{{\"label\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        let request = app.operator.request("PUT", "/integration/1password/override");
        request.header("content-type", "application/json").bytes(body).send()
    };
    let at = put(JSON_DEPTH_MAX).await;
    assert!(!at.text().contains("nested deeper"), "{}", at.text());
    for levels in [JSON_DEPTH_MAX + 1, 10_000, 400_000] {
        let problem = put(levels).await.problem(400, "invalid_argument");
        assert!(problem["detail"].as_str().unwrap().contains("nested deeper than 127"), "{problem:#}");
    }
    app.finish().await;
}

#[tokio::test]
async fn unknown_and_repeated_parameters_are_refused_by_name() {
    let app = TestApp::start().await;
    for (path, pointer) in [
        ("/integrated-account?limt=5".to_owned(), "/limt"),
        ("/integrated-account?limit=5&limit=6".to_owned(), "/limit"),
        ("/audit-log?account_id=x".to_owned(), "/account_id"),
        ("/audit-log?request_id=".to_owned(), "/request_id"),
        ("/integration?x=1".to_owned(), "/x"),
        ("/problems?x=1".to_owned(), "/x"),
        (app.account_path("?x=1"), "/x"),
        (app.account_path("/tools?limit=0"), "/limit"),
        (app.account_path("/tools?limit=-1"), "/limit"),
        (app.account_path("/tools?formats=openai"), "/formats"),
        ("/proxy/users".to_owned(), "/integrated_account_id"),
        ("/proxy/users?integrated_account_id=x".to_owned(), "/integrated_account_id"),
        (app.proxy_path("users?dry_run=1"), "/dry_run"),
    ] {
        let problem = app.operator.get(&path).await.problem(400, "invalid_argument");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{path}: {problem:#}");
    }
    app.operator.get("/token?next_cursor=%ff").await.problem(400, "invalid_argument");
    app.finish().await;
}

#[tokio::test]
async fn headers_are_taken_at_their_limits_and_refused_past_them() {
    let app = TestApp::start().await;
    let path = app.proxy_path("users?limit=1");
    for (name, max) in [("quartermaster-session", SESSION_MAX_BYTES), ("idempotency-key", IDEMPOTENCY_KEY_MAX_BYTES)] {
        let send = |value: String| app.operator.request("GET", &path).header(name, &value).send();
        send("x".repeat(max)).await.expect(200);
        for wrong in ["x".repeat(max + 1), "a b".to_owned(), String::new()] {
            let problem = send(wrong).await.problem(400, "invalid_argument");
            assert_eq!(problem["errors"][0]["pointer"], format!("/{name}"));
        }
        let twice = app.operator.request("GET", &path).more(name, "a").more(name, "b");
        twice.send().await.problem(400, "invalid_argument");
    }
    let wrong = app.operator.request("GET", &path).header("prefer", "wait=soon");
    wrong.send().await.problem(400, "invalid_argument");
    let waited = app.operator.request("GET", &path).header("prefer", "respond-async, wait=7").send().await;
    waited.expect(200);
    assert_eq!(waited.header("preference-applied"), "wait=7");
    app.finish().await;
}

#[tokio::test]
async fn ids_that_play_tricks_never_reach_the_vendor() {
    let app = TestApp::start().await;
    let before = app.simulator.control().counts().total();
    for id in [
        "..",
        "%2e%2e",
        "%2e%2e%2f%2e%2e",
        "a%2fb",
        "a%3fb",
        "a%23b",
        "a%0ab",
        "a%00b",
        "a%20b",
        "..%5c",
        "%252e%252e",
        "a.miller@company.com",
    ] {
        let answer = app.operator.get(&app.proxy_path(&format!("users/{id}"))).await;
        let problem = answer.problem(400, "invalid_argument");
        assert_eq!(problem["errors"][0]["pointer"], "/id", "{id}: {problem:#}");
        let answer = app.call(&app.operator, "get_single_1_password_user_by_id", json!({ "id": id })).await;
        answer.problem(400, "invalid_argument");
    }
    app.operator.get(&app.proxy_path("users/%ff")).await.problem(400, "invalid_argument");
    for id in ["..", "x", "%2e%2e", "0"] {
        let answer = app.operator.get(&format!("/integrated-account/{id}")).await;
        answer.problem(400, "invalid_argument");
    }
    assert_eq!(app.simulator.control().counts().total(), before, "nothing was sent");
    app.finish().await;
}

#[tokio::test]
async fn limits_of_a_list_are_checked_before_anything_is_sent() {
    let app = TestApp::start().await;
    let before = app.simulator.control().counts().total();
    for limit in ["0", "-1", "1e9", "x", "1.5", "99999999999999999999"] {
        let answer = app.operator.get(&app.proxy_path(&format!("users?limit={limit}"))).await;
        let problem = answer.problem(400, "invalid_argument");
        assert_eq!(problem["errors"][0]["pointer"], "/limit", "{limit}: {problem:#}");
    }
    let problem = app.operator.get(&app.proxy_path("users?emial=x")).await.problem(400, "invalid_argument");
    assert!(problem.to_string().contains("emial"), "{problem:#}");
    app.operator.get(&app.proxy_path("users?next_cursor=x")).await.problem(400, "invalid_argument");
    assert_eq!(app.simulator.control().counts().total(), before, "nothing was sent");
    app.finish().await;
}

#[tokio::test]
async fn repeated_members_are_refused_at_every_depth() {
    let app = TestApp::start().await;
    let before = app.simulator.control().counts().total();
    let tool = app.account_path("/tools/list_all_1_password_users/call");
    let proxy = app.proxy_path(&format!("users/{}/suspend", app.person("a.miller@company.com")));
    for (method, path, body, pointer) in [
        ("POST", tool.as_str(), r#"{"arguments":{"limit":1,"limit":2}}"#, "/arguments/limit"),
        ("POST", &tool, r#"{"arguments":{"fields":[{"a":{"b":1,"b":1}}]}}"#, "/arguments/fields/0/a/b"),
        ("POST", &tool, r#"{"arguments":{},"arguments":{}}"#, "/arguments"),
        ("POST", &proxy, r#"{"x":{"y":1,"y":2}}"#, "/x/y"),
        ("PUT", "/integration/1password/override", r#"{"label":"a","label":"b"}"#, "/label"),
        ("PATCH", &app.account_path(""), r#"{"override":{"label":"a","label":"b"}}"#, "/override/label"),
        ("PATCH", &app.account_path(""), r#"{"connection":{"region":"com","region":"eu"}}"#, "/connection/region"),
        (
            "PATCH",
            &app.account_path(""),
            r#"{"credentials":{"client_id":"a","client_id":"b"}}"#,
            "/credentials/client_id",
        ),
    ] {
        let request = app.operator.request(method, path).header("content-type", "application/json");
        let problem = request.bytes(body).send().await.problem(400, "invalid_argument");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem:#}");
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("more than once"), "{problem:#}");
    }
    assert_eq!(app.simulator.control().counts().total(), before, "nothing was sent");
    app.finish().await;
}

#[tokio::test]
async fn half_a_surrogate_pair_is_named_as_such() {
    let app = TestApp::start().await;
    let path = app.account_path("/tools/list_all_1_password_users/call");
    let send = |body: &'static str| {
        app.operator.request("POST", &path).header("content-type", "application/json").bytes(body).send()
    };
    let problem = send(r#"{"arguments":{"email":"\ud800"}}"#).await.problem(400, "invalid_argument");
    assert_eq!(problem["errors"][0]["pointer"], "/arguments");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("Is not JSON: ") && detail.contains("pairs"), "{detail}");
    send(r#"{"arguments":{"email":"\ud83d\ude00@company.com"}}"#).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn encodings_that_are_not_read_are_refused_with_what_to_do() {
    let app = TestApp::start().await;
    let body = br#"{"name":"x","role":"agent"}"#.to_vec();
    let send = |media_type: &'static str, encoding: Option<&'static str>| {
        let request = app.operator.request("POST", "/token").header("content-type", media_type);
        let request =
            encoding.into_iter().fold(request, |request, encoding| request.header("content-encoding", encoding));
        request.bytes(body.clone()).shows_secret().send()
    };
    for encoding in ["gzip", "br", "identity, gzip"] {
        let problem = send("application/json", Some(encoding)).await.problem(415, "unsupported_media_type");
        assert!(problem["hint"].as_str().unwrap().contains("without `content-encoding`"), "{problem:#}");
    }
    send("application/json", Some("identity")).await.expect(201);
    for charset in ["utf-16", "ISO-8859-1"] {
        let media_type: &'static str = if charset == "utf-16" {
            "application/json; charset=utf-16"
        } else {
            "application/json;charset=\"ISO-8859-1\""
        };
        let problem = send(media_type, None).await.problem(415, "unsupported_media_type");
        assert!(problem["detail"].as_str().unwrap().to_lowercase().contains(&charset.to_lowercase()), "{problem:#}");
        assert!(problem["hint"].as_str().unwrap().contains("UTF-8"), "{problem:#}");
    }
    send("application/json; charset=\"UTF-8\"", None).await.expect(201);
    app.finish().await;
}
