//! The server: connections, limits of the protocol, and the end.

use std::time::Duration;

use quartermaster_api::{HEADERS_MAX, HEADERS_MAX_BYTES, Limits, Shutdown};
use quartermaster_simulator::{Config, State};
use quartermaster_testkit::TestApp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn exchange(app: &TestApp, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A server that keeps the connection open sends nothing more after its answer.
    _ = tokio::time::timeout(Duration::from_millis(500), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_call_in_flight_finishes_and_new_connections_are_refused() {
    let latency = Duration::from_millis(400);
    let mut app = TestApp::builder().simulator(Config { users: 60, ..Config::default() }).start().await;
    let person = app.person("a.miller@company.com");
    let path = app.proxy_path(&format!("users/{person}/suspend"));
    app.operator.get(&app.proxy_path("users?limit=1")).await.expect(200);
    app.simulator.control().set_latency(latency);
    let client = app.operator.clone();
    let call = tokio::spawn(async move { client.request("POST", &path).send().await });
    tokio::time::sleep(latency / 4).await;
    app.stop();
    tokio::time::sleep(latency / 4).await;
    assert!(app.operator.request("GET", "/healthz").try_send().await.is_none(), "new connections are refused");
    let answer = call.await.unwrap();
    assert_eq!(answer.expect(200)["result"]["state"], "SUSPENDED");
    assert_eq!(app.simulator.control().find("a.miller@company.com").unwrap().state, State::Suspended);
    assert_eq!(app.finish().await, Shutdown { unfinished: 0 });
}

#[tokio::test]
async fn a_write_is_recorded_even_when_its_caller_goes_away() {
    let app = TestApp::start().await;
    let person = app.person("a.miller@company.com");
    app.operator.get(&app.proxy_path("users?limit=1")).await.expect(200);
    app.simulator.control().set_latency(Duration::from_millis(200));
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\n\r\n",
        app.proxy_path(&format!("users/{person}/suspend")),
        app.operator.token().unwrap()
    );
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    let mut recorded = None;
    for _ in 0..300 {
        let log = app.operator.get("/audit-log?action=users.suspend").await.expect(200);
        recorded = log["result"].get(0).cloned();
        if recorded.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(recorded.expect("the write is in the audit log")["outcome"], "ok");
    app.finish().await;
}

#[tokio::test]
async fn headers_past_the_limit_and_nonsense_are_refused() {
    let app = TestApp::builder().unconnected().start().await;
    let with = |size: usize| format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-padding: {}\r\n\r\n", "x".repeat(size));
    let answer = exchange(&app, with(HEADERS_MAX_BYTES / 2).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = exchange(&app, with(HEADERS_MAX_BYTES + 1).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = exchange(&app, b"this is not HTTP\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let smuggled = b"POST /token HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef";
    let answer = exchange(&app, smuggled).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    app.operator.without_token().get("/healthz").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn headers_are_counted() {
    let app = TestApp::builder().unconnected().start().await;
    // `host` is one of them.
    let with = |count: usize| format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(count - 1));
    let answer = exchange(&app, with(HEADERS_MAX).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = exchange(&app, with(HEADERS_MAX + 1).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    app.finish().await;
}

#[tokio::test]
async fn connections_past_the_limit_wait_for_one_to_end() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let app = TestApp::builder().unconnected().limits(limits).start().await;
    let first = TcpStream::connect(app.address()).await.unwrap();
    let _second = TcpStream::connect(app.address()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let client = app.operator.clone();
    let third = client.get("/healthz");
    tokio::pin!(third);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut third).await.is_err(), "one too many was served");
    drop(first);
    assert_eq!(third.await.code(), 200);
    app.finish().await;
}

#[tokio::test]
async fn a_connection_that_sends_no_request_is_closed() {
    let limits = Limits { header_read_timeout: Duration::from_millis(100), ..Limits::default() };
    let app = TestApp::builder().unconnected().limits(limits).start().await;
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost:").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "a slow request holds its connection for ever");
    app.finish().await;
}

#[tokio::test]
async fn what_is_unfinished_at_the_deadline_is_cut_and_counted() {
    let limits = Limits { shutdown_deadline: Duration::from_millis(100), ..Limits::default() };
    let mut app = TestApp::builder().limits(limits).start().await;
    app.operator.get(&app.proxy_path("users?limit=1")).await.expect(200);
    app.simulator.control().set_latency(Duration::from_secs(2));
    let (client, path) = (app.operator.clone(), app.proxy_path("users?limit=1"));
    let call = tokio::spawn(async move { client.request("GET", &path).try_send().await.is_none() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    app.stop();
    assert!(call.await.unwrap(), "the call was cut");
    assert_eq!(app.finish().await, Shutdown { unfinished: 1 });
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let app = TestApp::builder().unconnected().start().await;
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let answer = exchange(&app, request.repeat(3).as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 3, "{answer}");
    app.finish().await;
}

#[tokio::test]
async fn health_needs_no_token_and_metrics_do() {
    let app = TestApp::builder().unconnected().start().await;
    let nobody = app.operator.without_token();
    assert_eq!(nobody.get("/healthz").await.expect(200)["status"], "ok");
    assert_eq!(nobody.get("/readyz").await.expect(200)["status"], "ready");
    let metrics = app.operator.get("/metrics").await;
    assert_eq!(metrics.code(), 200);
    assert!(metrics.text().contains("# TYPE"), "{}", metrics.text());
    assert!(metrics.header("content-type").contains("version="));
    app.finish().await;
}

#[tokio::test]
async fn a_request_has_exactly_one_host() {
    let app = TestApp::builder().unconnected().start().await;
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\nhost: a\r\n", "200"),
        ("GET /healthz HTTP/1.1\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a\r\n", "400"),
        ("GET /healthz HTTP/1.0\r\n", "200"),
    ] {
        let answer = exchange(&app, format!("{head}connection: close\r\n\r\n").as_bytes()).await;
        let first = answer.lines().next().unwrap_or_default();
        assert!(first.contains(status), "{head}: {answer}");
        assert!(status == "200" || answer.contains("`host`") && answer.contains("invalid_argument"), "{answer}");
    }
    app.finish().await;
}
