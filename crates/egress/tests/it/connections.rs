//! Connections: kept, dropped, never trusted too long.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use quartermaster_egress::{AllowedUpstreams, Client, EgressError, IDLE_PER_ORIGIN_MAX, Limits, TlsFault};

use super::server::{Server, answer};
use super::{client_for, get, limits};

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = Server::answering(answer("200 OK", b"{}"), false).await;
    let client = client_for(&server);
    for _ in 0..20 {
        assert_eq!(client.send(get(&server.url("/")), limits()).await.unwrap().body, "{}");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_closed_between_requests_is_replaced() {
    let server = Server::answering(answer("200 OK", b"{}"), true).await;
    let client = client_for(&server);
    for round in 1..=5 {
        assert!(client.send(get(&server.url("/")), limits()).await.is_ok());
        assert_eq!(server.connections(), round);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_answer_that_says_close_is_the_last_of_its_connection() {
    let server = Server::answering(answer("200 OK\r\nconnection: close", b"{}"), false).await;
    let client = client_for(&server);
    for round in 1..=3 {
        assert!(client.send(get(&server.url("/")), limits()).await.is_ok());
        assert_eq!(server.connections(), round);
    }
}

#[tokio::test]
async fn bytes_after_an_answer_are_never_taken_for_the_next_one() {
    let mut forged = answer("200 OK", b"mine");
    forged.extend_from_slice(&answer("200 OK", b"forged"));
    let server = Server::answering(forged, false).await;
    let client = client_for(&server);
    for _ in 0..3 {
        assert_eq!(client.send(get(&server.url("/")), limits()).await.unwrap().body, "mine");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_sent_is_not_sent_again() {
    let seen = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&seen);
    let server = Server::start(move |mut peer| {
        let counter = Arc::clone(&counter);
        async move {
            while peer.request().await.is_some() {
                let number = {
                    let mut seen = counter.lock().unwrap();
                    *seen += 1;
                    *seen
                };
                if number == 2 {
                    return peer.reset();
                }
                peer.write(&answer("200 OK", b"{}")).await;
            }
        }
    })
    .await;
    let client = client_for(&server);
    assert!(client.send(get(&server.url("/")), limits()).await.is_ok());
    let error = client.send(get(&server.url("/")), limits()).await.unwrap_err();
    assert!(matches!(error, EgressError::Broken { .. }), "{error}");
    assert_eq!(*seen.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_reset_before_any_answer_is_a_broken_connection() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.reset();
    })
    .await;
    let error = client_for(&server).send(get(&server.url("/?key=hunter2")), limits()).await.unwrap_err();
    assert!(matches!(error, EgressError::Broken { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn nobody_listening_is_told() {
    let server = Server::answering("", true).await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let client = Client::new(AllowedUpstreams::parse([free.as_str()]).unwrap());
    let error = client.send(get(&format!("http://{free}/")), limits()).await.unwrap_err();
    assert!(matches!(&error, EgressError::Connect { reason, .. } if reason == "connection refused"), "{error}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn tls_with_someone_who_speaks_none_fails_before_anything_is_sent() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::start(move |mut peer| {
        let log = Arc::clone(&log);
        async move {
            let mut buffer = [0; 512];
            let count = tokio::io::AsyncReadExt::read(&mut peer.stream, &mut buffer).await.unwrap();
            log.lock().unwrap().extend_from_slice(&buffer[..count]);
            peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    })
    .await;
    let client = client_for(&server);
    let mut request = get(&format!("https://{}/", server.authority));
    request.headers.insert("authorization", "Bearer hunter2hunter2".parse().unwrap());
    let error = client.send(request, limits()).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { fault: TlsFault::NotTls, .. }), "{error}");
    // A TLS handshake began (record type 22), and nothing of the request was in the clear.
    assert_eq!(seen.lock().unwrap().first(), Some(&22));
    assert!(!seen.lock().unwrap().windows(7).any(|window| window == b"hunter2"));
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_the_connection_with_it() {
    let server = Server::start(|mut peer| async move {
        if peer.number == 0 {
            peer.request().await;
            // Says nothing until the other side gives up.
            assert!(peer.request().await.is_none());
            return;
        }
        peer.request().await;
        peer.write(&answer("200 OK", b"{}")).await;
    })
    .await;
    let client = client_for(&server);
    let short = Limits { total: Duration::from_millis(100), ..limits() };
    let error = client.send(get(&server.url("/")), short).await.unwrap_err();
    assert!(matches!(error, EgressError::Timeout { sent: true, limit_ms: 100, .. }), "{error}");
    assert!(client.send(get(&server.url("/")), limits()).await.is_ok());
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn the_wire_carries_what_was_asked_and_nothing_of_the_callers_framing() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::start(move |mut peer| {
        let log = Arc::clone(&log);
        async move {
            while let Some(request) = peer.request().await {
                log.lock().unwrap().push(request);
                peer.write(&answer("200 OK", b"")).await;
            }
        }
    })
    .await;
    let client = client_for(&server);
    let mut request = get(&server.url("/a%2Fb?q=1&r=%20"));
    request.method = http::Method::POST;
    request.body = Bytes::from_static(b"{\"x\":1}");
    for (name, value) in [("host", "evil"), ("content-length", "99"), ("transfer-encoding", "chunked"), ("x-own", "1")]
    {
        request.headers.insert(name, value.parse().unwrap());
    }
    client.send(request, limits()).await.unwrap();
    client.send(get(&format!("http://{}", server.authority)), limits()).await.unwrap();
    let seen = seen.lock().unwrap();
    let authority = &server.authority;
    assert!(seen[0].starts_with("POST /a%2Fb?q=1&r=%20 HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(seen[0].ends_with("\r\n\r\n{\"x\":1}"), "{}", seen[0]);
    for line in [format!("host: {authority}"), "content-length: 7".to_owned(), "x-own: 1".to_owned()] {
        assert_eq!(seen[0].matches(&format!("\r\n{line}\r\n")).count(), 1, "{}", seen[0]);
    }
    for absent in ["evil", "content-length: 99", "chunked", "accept-encoding"] {
        assert!(!seen[0].contains(absent), "{}", seen[0]);
    }
    assert!(seen[1].starts_with("GET / HTTP/1.1\r\n"), "{}", seen[1]);
    assert!(seen[1].contains("user-agent: quartermaster/"), "{}", seen[1]);
}

#[tokio::test]
async fn a_head_request_and_a_head_only_answer_leave_the_connection_usable() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n", false).await;
    let client = client_for(&server);
    let mut request = get(&server.url("/"));
    request.method = http::Method::HEAD;
    for _ in 0..3 {
        assert!(client.send(request.clone(), limits()).await.unwrap().body.is_empty());
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn many_requests_at_once_leave_a_bounded_number_of_connections() {
    let server = Server::answering(answer("200 OK", b"{}"), false).await;
    let client = client_for(&server);
    let at_once = IDLE_PER_ORIGIN_MAX + 1;
    let together = Arc::new(tokio::sync::Barrier::new(at_once));
    let wave = |client: &Client| {
        let tasks: Vec<_> = (0..at_once)
            .map(|_| {
                let (client, url, together) = (client.clone(), server.url("/"), Arc::clone(&together));
                tokio::spawn(async move {
                    together.wait().await;
                    client.send(get(&url), limits()).await.unwrap()
                })
            })
            .collect();
        async move {
            for task in tasks {
                assert_eq!(task.await.unwrap().body, "{}");
            }
        }
    };
    wave(&client).await;
    let first = server.connections();
    assert!(first <= at_once);
    wave(&client).await;
    // At most one of the first wave was not kept.
    assert!(server.connections() <= first + at_once - first.min(IDLE_PER_ORIGIN_MAX));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_over_several_threads_get_their_own_answers() {
    let server = Server::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let path = request.split(' ').nth(1).unwrap().to_owned();
            peer.write(&answer("200 OK", path.as_bytes())).await;
        }
    })
    .await;
    let client = client_for(&server);
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (client, base) = (client.clone(), server.url(""));
            tokio::spawn(async move {
                for round in 0..50 {
                    let path = format!("/{task}/{round}");
                    let response = client.send(get(&format!("{base}{path}")), limits()).await.unwrap();
                    assert_eq!(response.body, path);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(server.connections() <= 8);
}
