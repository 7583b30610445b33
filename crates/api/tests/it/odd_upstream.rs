//! An upstream that does not do what its documentation says: each of its answers becomes one clear problem.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use quartermaster_testkit::{Answer, TestApp};
use quartermaster_types::AccountId;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The access token that this upstream gives out.
const TOKEN: &str = "odd-access-token-0123456789";

/// What it answers to everything but a request for a token.
#[derive(Clone)]
enum Script {
    /// These bytes, then the connection ends.
    Bytes(Vec<u8>),
    /// A body without an end.
    Endless,
    /// An error that repeats the `authorization` header of the request.
    Echo,
}

/// An upstream whose next answer a test chooses.
struct OddUpstream {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn json_answer(body: &str) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", body.as_bytes())
}

impl OddUpstream {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::Bytes(json_answer(r#"{"results":[]}"#))));
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = shared.lock().unwrap().clone();
                tokio::spawn(serve(stream, script));
            }
        });
        Self { address, script }
    }

    fn next(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }
}

async fn serve(mut stream: TcpStream, script: Script) -> Option<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&buffer[..read]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    if request.lines().next()?.contains("/oauth2/token") {
        let token = format!(r#"{{"access_token":"{TOKEN}","token_type":"Bearer","expires_in":900}}"#);
        return stream.write_all(&json_answer(&token)).await.ok();
    }
    match script {
        Script::Bytes(bytes) => stream.write_all(&bytes).await.ok(),
        Script::Echo => {
            let sent = request.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization"))?.to_owned();
            let body = json!({"message": format!("cannot read: {sent}")}).to_string();
            stream
                .write_all(&answer("400 Bad Request", "content-type: application/json\r\n", body.as_bytes()))
                .await
                .ok()
        }
        Script::Endless => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head).await.ok()?;
            let mut chunk = b"10000\r\n".to_vec();
            chunk.resize(chunk.len() + 0x10000, b' ');
            chunk.extend_from_slice(b"\r\n");
            loop {
                stream.write_all(&chunk).await.ok()?;
            }
        }
    }
}

async fn start() -> (TestApp, OddUpstream, AccountId) {
    let upstream = OddUpstream::start().await;
    let app = TestApp::builder().unconnected().upstream(upstream.address).start().await;
    app.secrets.add("the access token", TOKEN);
    let base_url = json!({"base_url": format!("http://{}", upstream.address)});
    let account = app.connect(&app.operator, "odd", json!({ "override": base_url })).await;
    (app, upstream, account)
}

async fn list(app: &TestApp, account: AccountId) -> Answer {
    app.operator.get(&format!("/proxy/users?limit=100&integrated_account_id={account}")).await
}

fn gzipped(byte: u8, count: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..count / 1024 {
        encoder.write_all(&[byte; 1024]).unwrap();
    }
    encoder.finish().unwrap()
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_named_as_such() {
    let (app, upstream, account) = start().await;
    let html = answer("200 OK", "content-type: text/html\r\n", b"<html>Please log in</html>");
    let half =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"results\":[".to_vec();
    let cases = [
        ("HTML", html, &["upstream_invalid"][..]),
        ("malformed JSON", json_answer(r#"{"results":[{"id":}]}"#), &["upstream_invalid"]),
        ("no list", json_answer(r#"{"people":[]}"#), &["upstream_invalid"]),
        ("an empty body", json_answer(""), &["upstream_invalid"]),
        ("half a body", half, &["upstream_invalid", "upstream_unavailable"]),
        ("nothing at all", Vec::new(), &["upstream_invalid", "upstream_unavailable"]),
        ("no HTTP", b"220 smtp.example.com ESMTP\r\n".to_vec(), &["upstream_invalid", "upstream_unavailable"]),
        ("a fault", answer("500 Oops", "", b"stack trace"), &["upstream_unavailable"]),
        ("a redirect", answer("302 Found", "location: http://192.0.2.1/\r\n", b""), &["upstream_invalid"]),
        ("a bomb", answer("200 OK", "content-encoding: gzip\r\n", &gzipped(b' ', 40 << 20)), &["response_too_large"]),
        ("a broken encoding", answer("200 OK", "content-encoding: gzip\r\n", b"not gzip"), &["upstream_invalid"]),
    ];
    for (what, bytes, codes) in cases {
        upstream.next(Script::Bytes(bytes));
        let problem = list(&app, account).await.json();
        assert!(codes.contains(&problem["code"].as_str().unwrap()), "{what}: {problem:#}");
        assert_eq!(problem["origin"], "upstream", "{what}: {problem:#}");
    }
    upstream.next(Script::Endless);
    list(&app, account).await.problem(502, "response_too_large");
    upstream.next(Script::Bytes(json_answer(r#"{"results":[]}"#)));
    list(&app, account).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_cursor_that_repeats_ends_the_walk() {
    let (app, upstream, account) = start().await;
    let person = r#"{"id":"AAAAAAAAAAAAAAAAAAAAAAAAAA","email":"a@b.c","display_name":"A","state":"ACTIVE"}"#;
    upstream.next(Script::Bytes(json_answer(&format!(r#"{{"results":[{person}],"next_page_token":"again"}}"#))));
    let page = list(&app, account).await.expect(200);
    assert_eq!((&page["is_partial"], &page["stopped_because"]), (&json!(true), &json!("repeated_cursor")));
    app.finish().await;
}

#[tokio::test]
async fn a_vendor_that_repeats_the_token_does_not_give_it_away() {
    let (app, upstream, account) = start().await;
    upstream.next(Script::Echo);
    let answer = list(&app, account).await;
    assert_eq!(answer.json()["origin"], "upstream");
    assert!(answer.text().contains("[secret]"), "{}", answer.text());
    app.finish().await;
}
