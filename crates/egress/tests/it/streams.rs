//! Answers that are read piece by piece.

use std::time::Duration;

use quartermaster_egress::{EgressError, Stream, StreamLimits};

use super::server::{Server, answer};
use super::{client_for, get};

const LIMITS: StreamLimits = StreamLimits {
    head: Duration::from_secs(5),
    idle: Duration::from_secs(5),
    total: Duration::from_secs(5),
    body_max_bytes: 64,
};

/// A server that sends these pieces, some milliseconds apart; then it ends the body, or is silent for a while and goes.
async fn sending(pieces: &'static [&'static str], ends: bool) -> Server {
    Server::start(move |mut peer| async move {
        let request = peer.request().await.unwrap();
        assert!(!request.contains("accept-encoding"), "{request}");
        peer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for piece in pieces {
            peer.write(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if ends {
            peer.write(b"0\r\n\r\n").await;
        } else {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
    .await
}

async fn open(server: &Server, limits: StreamLimits) -> Result<Stream, EgressError> {
    client_for(server).open(get(&server.url("/")), limits).await
}

#[tokio::test]
async fn pieces_are_there_as_they_come() {
    let server = sending(&["one", "two"], true).await;
    let mut stream = open(&server, LIMITS).await.unwrap();
    assert_eq!(stream.status, 200);
    assert_eq!(stream.next().await.unwrap().unwrap(), "one");
    // A wait that is given up loses nothing.
    let none = tokio::time::timeout(Duration::from_millis(1), stream.next()).await;
    assert!(none.is_err());
    assert_eq!(stream.next().await.unwrap().unwrap(), "two");
    assert_eq!(stream.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_that_breaks_says_so() {
    let server = sending(&["one"], false).await;
    let mut stream = open(&server, LIMITS).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(matches!(stream.next().await, Err(EgressError::Broken { .. })));
}

#[tokio::test]
async fn silence_has_an_end_and_so_has_the_whole() {
    let server = sending(&["one"], false).await;
    let idle = Duration::from_millis(100);
    for limits in [StreamLimits { idle, ..LIMITS }, StreamLimits { total: idle, ..LIMITS }] {
        let mut stream = open(&server, limits).await.unwrap();
        stream.next().await.unwrap().unwrap();
        match stream.next().await {
            Err(EgressError::Timeout { limit_ms, sent: true, .. }) => assert_eq!(limit_ms, 100),
            other => panic!("{other:?}"),
        }
    }
    let silent = Server::start(|mut peer| async move {
        peer.request().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    });
    let limits = StreamLimits { head: idle, ..LIMITS };
    assert!(matches!(open(&silent.await, limits).await, Err(EgressError::Timeout { sent: true, .. })));
}

#[tokio::test]
async fn the_size_is_bounded_at_the_limit_and_one_past_it() {
    let server = sending(&["0123456789", "0123456789"], true).await;
    for (body_max_bytes, fits) in [(20, true), (19, false)] {
        let mut stream = open(&server, StreamLimits { body_max_bytes, ..LIMITS }).await.unwrap();
        stream.next().await.unwrap().unwrap();
        match stream.next().await {
            Ok(Some(_)) => assert!(fits),
            Err(EgressError::TooLarge { limit_bytes, .. }) => assert!(!fits && limit_bytes == 19),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_read_whole() {
    let server = Server::answering(answer("404 Not Found", b"{\"code\":\"not_found\"}"), true).await;
    let stream = open(&server, LIMITS).await.unwrap();
    assert_eq!(stream.status, 404);
    assert_eq!(stream.rest(64).await.unwrap(), "{\"code\":\"not_found\"}");
    let stream = open(&server, LIMITS).await.unwrap();
    assert!(matches!(stream.rest(5).await, Err(EgressError::TooLarge { limit_bytes: 5, .. })));
}
