//! What may be reached.

use quartermaster_egress::{AllowedUpstreams, Client, EgressError};

use super::server::{Server, answer};
use super::{get, limits};

async fn refused(client: &Client, url: &str) -> Option<&'static str> {
    match client.send(get(url), limits()).await {
        Err(EgressError::Forbidden { kind, .. }) => Some(kind),
        _ => None,
    }
}

#[tokio::test]
async fn literal_addresses_are_refused_before_anything_is_sent() {
    let server = Server::answering(answer("200 OK", b"{}"), false).await;
    let port = server.authority.rsplit_once(':').unwrap().1;
    let client = Client::new(AllowedUpstreams::default());
    for (host, kind) in [
        ("127.0.0.1", "loopback"),
        ("127.1.2.3", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("[::1]", "loopback"),
        ("[::]", "unspecified"),
        ("[::ffff:127.0.0.1]", "loopback"),
        ("[64:ff9b::127.0.0.1]", "loopback"),
        ("[2002:7f00:1::]", "loopback"),
        ("10.0.0.1", "private"),
        ("192.168.1.1", "private"),
        ("169.254.169.254", "a metadata address"),
        ("[fd00:ec2::254]", "a metadata address"),
        ("[fe80::1]", "link-local"),
        ("100.64.0.1", "shared (carrier-grade NAT)"),
        ("224.0.0.1", "multicast"),
        ("192.0.2.1", "for documentation"),
    ] {
        assert_eq!(refused(&client, &format!("http://{host}:{port}/")).await, Some(kind), "{host}");
        assert_eq!(refused(&client, &format!("https://{host}:{port}/")).await, Some(kind), "{host}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn names_and_odd_spellings_are_judged_by_what_they_resolve_to() {
    let server = Server::answering(answer("200 OK", b"{}"), false).await;
    let port = server.authority.rsplit_once(':').unwrap().1;
    let client = Client::new(AllowedUpstreams::default());
    assert_eq!(refused(&client, &format!("http://localhost:{port}/")).await, Some("loopback"));
    for odd in ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost."] {
        let error = client.send(get(&format!("http://{odd}:{port}/")), limits()).await.unwrap_err();
        let judged = matches!(error, EgressError::Forbidden { .. } | EgressError::Unresolved { .. });
        assert!(judged, "{odd}: {error}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn an_allowed_pair_allows_exactly_itself() {
    let server = Server::answering(answer("200 OK", b"{}"), false).await;
    let other = Server::answering(answer("200 OK", b"{}"), false).await;
    let client = Client::new(AllowedUpstreams::parse([server.authority.as_str()]).unwrap());
    let port = server.authority.rsplit_once(':').unwrap().1;
    assert!(client.send(get(&server.url("/")), limits()).await.is_ok());
    assert_eq!(refused(&client, &other.url("/")).await, Some("loopback"));
    assert_eq!(refused(&client, &format!("http://localhost:{port}/")).await, Some("loopback"));
    assert_eq!(refused(&client, &format!("http://127.0.0.2:{port}/")).await, Some("loopback"));
    assert_eq!(refused(&client, &format!("http://[::ffff:127.0.0.1]:{port}/")).await, Some("loopback"));
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn an_allowed_name_is_reached_by_that_name() {
    let server = Server::answering(answer("200 OK", b"{}"), false).await;
    let port = server.authority.rsplit_once(':').unwrap().1;
    let client = Client::new(AllowedUpstreams::parse([format!("localhost:{port}").as_str()]).unwrap());
    assert!(client.send(get(&format!("http://localhost:{port}/")), limits()).await.is_ok());
    assert_eq!(refused(&client, &server.url("/")).await, Some("loopback"));
}

#[tokio::test]
async fn a_name_that_does_not_exist_says_so() {
    let client = Client::new(AllowedUpstreams::default());
    let error = client.send(get("http://no-such-host.invalid/?token=hunter2"), limits()).await.unwrap_err();
    assert!(matches!(&error, EgressError::Unresolved { host } if host == "no-such-host.invalid"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn what_is_no_absolute_url_is_refused() {
    let client = Client::new(AllowedUpstreams::default());
    for bad in ["/path", "ftp://example.com/", "http://user:password@example.com/", "example.com:80"] {
        assert!(matches!(client.send(get(bad), limits()).await, Err(EgressError::BadUrl)), "{bad}");
    }
}
