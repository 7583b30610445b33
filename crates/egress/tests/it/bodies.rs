//! What an upstream may answer with, and what of it is taken.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use quartermaster_egress::{EgressError, Limits};

use super::server::{Server, answer};
use super::{KIB, client_for, fetch, get, limits};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn chunked(head: &str, chunks: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {head}\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in chunks {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[tokio::test]
async fn html_is_passed_on_as_it_is() {
    let server = Server::answering(answer("502 Bad Gateway\r\ncontent-type: text/html", b"<h1>no</h1>"), false).await;
    let response = fetch(&server).await.unwrap();
    assert_eq!(response.status, 502);
    assert_eq!(response.headers["content-type"], "text/html");
    assert_eq!(response.body, "<h1>no</h1>");
}

#[tokio::test]
async fn no_body_is_an_empty_body() {
    for head in ["204 No Content\r\nx: y\r\n\r\n", "200 OK\r\ncontent-length: 0\r\n\r\n"] {
        let server = Server::answering(format!("HTTP/1.1 {head}"), false).await;
        assert!(fetch(&server).await.unwrap().body.is_empty());
    }
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let large = vec![b'x'; 40 * KIB];
    for bytes in [
        chunked("200 OK", &[b"ab", b"", b"cd"]).strip_suffix(b"0\r\n\r\n").unwrap().to_vec(),
        chunked("200 OK", &[b"ab", b"cd"]),
    ] {
        let server = Server::answering(bytes, false).await;
        assert!(fetch(&server).await.unwrap().body.starts_with(b"ab"));
    }
    let server = Server::answering(chunked("200 OK", &[&large, b"end"]), false).await;
    let body = fetch(&server).await.unwrap().body;
    assert_eq!((body.len(), &body[40 * KIB..]), (40 * KIB + 3, b"end".as_slice()));
    let server = Server::answering(answer("200 OK", &large), false).await;
    assert_eq!(fetch(&server).await.unwrap().body, large);
    let until_close = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &large].concat();
    let server = Server::answering(until_close, true).await;
    assert_eq!(fetch(&server).await.unwrap().body, large);
}

#[tokio::test]
async fn the_cap_on_the_wire_holds_at_its_edge() {
    let at_limit = vec![b'x'; limits().body_max_bytes];
    let over = vec![b'x'; limits().body_max_bytes + 1];
    for (body, fits) in [(&at_limit, true), (&over, false)] {
        for bytes in [answer("200 OK", body), chunked("200 OK", &[&body[..9], &body[9..]])] {
            let server = Server::answering(bytes, false).await;
            let result = fetch(&server).await;
            match result {
                Ok(response) => assert!(fits && response.body == *body),
                Err(error) => {
                    let cap = limits().body_max_bytes;
                    assert!(
                        !fits && matches!(error, EgressError::TooLarge { limit_bytes, .. } if limit_bytes == cap),
                        "{error}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn an_announced_ten_gigabytes_are_refused_at_once() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n", false).await;
    let started = Instant::now();
    assert!(matches!(fetch(&server).await, Err(EgressError::TooLarge { .. })));
    assert!(started.elapsed() < limits().total);
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while peer.write(&[b'x'; 8 * KIB]).await {}
    })
    .await;
    assert!(matches!(fetch(&server).await, Err(EgressError::TooLarge { .. })));
}

#[tokio::test]
async fn half_a_body_is_no_answer() {
    for half in [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-le".to_vec(),
        Vec::new(),
    ] {
        let server = Server::answering(half, true).await;
        let error = fetch(&server).await.unwrap_err();
        assert!(
            matches!(&error, EgressError::Broken { reason, .. } if reason.contains("before the answer was complete")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_is_not_http_is_no_answer() {
    for nonsense in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 999999 OK\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let server = Server::answering(nonsense, true).await;
        let error = fetch(&server).await.unwrap_err();
        assert!(matches!(&error, EgressError::Broken { .. }), "{error}");
    }
}

#[tokio::test]
async fn endless_headers_are_no_answer() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\n").await;
        while peer.write(format!("x-filler: {}\r\n", "y".repeat(4 * KIB)).as_bytes()).await {}
    })
    .await;
    assert!(matches!(fetch(&server).await, Err(EgressError::Broken { .. })));
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
        while peer.write(b"x").await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let short = Limits { total: Duration::from_millis(150), ..limits() };
    let error = client_for(&server).send(get(&server.url("/")), short).await.unwrap_err();
    assert!(matches!(error, EgressError::Timeout { limit_ms: 150, sent: true, .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let server = Server::answering(answer("302 Found\r\nlocation: http://elsewhere.example/", b""), false).await;
    let response = fetch(&server).await.unwrap();
    assert_eq!(response.status, 302);
    assert_eq!(response.headers["location"], "http://elsewhere.example/");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn compressed_bodies_are_made_plain() {
    let plain = "a compressed body ".repeat(5000);
    let twice = gzip(&gzip(plain.as_bytes()));
    let members = [gzip(&plain.as_bytes()[..1000]), gzip(&plain.as_bytes()[1000..])].concat();
    for (encoding, body) in [
        ("gzip", gzip(plain.as_bytes())),
        ("x-gzip", gzip(plain.as_bytes())),
        ("GZIP", members),
        ("gzip, gzip", twice),
        ("deflate", zlib(plain.as_bytes())),
        ("deflate", raw_deflate(plain.as_bytes())),
        ("deflate, gzip", gzip(&zlib(plain.as_bytes()))),
        ("identity, gzip", gzip(plain.as_bytes())),
    ] {
        let server = Server::answering(answer(&format!("200 OK\r\ncontent-encoding: {encoding}"), &body), false).await;
        let response = fetch(&server).await.unwrap();
        assert_eq!(response.body, plain, "{encoding}");
        assert!(!response.headers.contains_key("content-encoding"));
        assert!(!response.headers.contains_key("content-length"));
    }
}

#[tokio::test]
async fn an_empty_body_needs_no_decompression() {
    let server = Server::answering(answer("200 OK\r\ncontent-encoding: gzip", b""), false).await;
    assert!(fetch(&server).await.unwrap().body.is_empty());
}

#[tokio::test]
async fn what_does_not_decompress_says_so() {
    let mut cut = gzip(b"some text that is cut off");
    cut.truncate(20);
    let mut altered = gzip(b"some text whose checksum is wrong");
    let last = altered.len() - 6;
    altered[last] ^= 1;
    for (encoding, body) in [
        ("gzip", b"plain text".to_vec()),
        ("gzip", cut),
        ("gzip", altered),
        ("deflate", b"\xff\xff\xff".to_vec()),
        ("br", b"x".to_vec()),
        ("gzip, gzip, gzip", gzip(&gzip(&gzip(b"x")))),
    ] {
        let server = Server::answering(answer(&format!("200 OK\r\ncontent-encoding: {encoding}"), &body), false).await;
        assert!(matches!(fetch(&server).await, Err(EgressError::BadEncoding { .. })), "{encoding}");
    }
}

#[tokio::test]
async fn a_compressed_bomb_is_stopped_at_the_cap() {
    let cap = limits().decompressed_max_bytes;
    let bomb = gzip(&vec![0; 40 * 1024 * KIB]);
    assert!(bomb.len() < limits().body_max_bytes);
    for (body, fits) in [(bomb, false), (gzip(&vec![7; cap + 1]), false), (gzip(&vec![7; cap]), true)] {
        let server = Server::answering(answer("200 OK\r\ncontent-encoding: gzip", &body), false).await;
        match fetch(&server).await {
            Ok(response) => assert!(fits && response.body.len() == cap),
            Err(error) => {
                assert!(
                    !fits && matches!(error, EgressError::TooLarge { limit_bytes, .. } if limit_bytes == cap),
                    "{error}"
                );
            }
        }
    }
}
