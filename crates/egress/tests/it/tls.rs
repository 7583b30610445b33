//! TLS over real sockets: who is trusted, and what is said when somebody is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quartermaster_egress::{
    AllowedUpstreams, AuthoritiesError, Client, EgressError, TlsFault, UPSTREAM_CA_MAX_BYTES, UpstreamAuthorities,
};
use rcgen::date_time_ymd;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::certificates::{Authority, private_key_pem, self_signed, serve};
use crate::{get, limits};

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// A client that may reach the port by name and by address, and trusts these authorities too.
fn client(port: u16, pem: &str) -> Client {
    let authorities = match pem {
        "" => UpstreamAuthorities::default(),
        pem => UpstreamAuthorities::from_pem(pem.as_bytes()).unwrap(),
    };
    let pairs = [format!("localhost:{port}"), format!("127.0.0.1:{port}")];
    Client::trusting(AllowedUpstreams::parse(pairs.iter().map(String::as_str)).unwrap(), authorities)
}

/// The fault of a request that cannot be made.
async fn fault(host: &str, port: u16, pem: &str) -> TlsFault {
    match client(port, pem).send(get(&format!("https://{host}:{port}/")), limits()).await {
        Err(EgressError::Tls { host: named, fault }) => {
            assert_eq!(named, host);
            fault
        }
        other => panic!("not a fault of TLS: {other:?}"),
    }
}

#[tokio::test]
async fn an_upstream_of_a_given_authority_answers_over_either_version() {
    let authority = Authority::new("Company");
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let port = serve(authority.issue(&["localhost", "127.0.0.1"], |_| {}), versions).await;
        let client = client(port, &authority.pem());
        for host in ["localhost", "127.0.0.1"] {
            // The second request goes over the connection of the first.
            for _ in 0..2 {
                let answer = client.send(get(&format!("https://{host}:{port}/")), limits()).await.unwrap();
                assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"hello"[..]));
            }
        }
    }
}

#[tokio::test]
async fn every_authority_of_a_bundle_is_trusted_and_no_other() {
    let [first, second, other] = ["First", "Second", "Other"].map(Authority::new);
    let bundle = format!("# First\r\n{}\n# Second\n{}", first.pem().replace('\n', "\r\n"), second.pem());
    for authority in [&first, &second] {
        let port = serve(authority.issue(&["localhost"], |_| {}), BOTH).await;
        let url = format!("https://localhost:{port}/");
        assert!(client(port, &bundle).send(get(&url), limits()).await.is_ok());
        assert_eq!(fault("localhost", port, "").await, TlsFault::UnknownIssuer);
        assert_eq!(fault("localhost", port, &other.pem()).await, TlsFault::UnknownIssuer);
    }
}

#[tokio::test]
async fn a_certificate_that_its_server_signed_itself_is_trusted_when_given() {
    let (identity, pem) = self_signed(&["localhost"]);
    let port = serve(identity, BOTH).await;
    assert!(client(port, &pem).send(get(&format!("https://localhost:{port}/")), limits()).await.is_ok());
    assert_eq!(fault("localhost", port, "").await, TlsFault::UnknownIssuer);
}

#[tokio::test]
async fn an_authority_that_poses_as_a_server_is_named_so() {
    let authority = Authority::new("Company");
    let port = serve(authority.as_server(), BOTH).await;
    assert_eq!(fault("localhost", port, &authority.pem()).await, TlsFault::AuthorityAsServer);
}

#[tokio::test]
async fn a_certificate_out_of_its_time_says_which() {
    let authority = Authority::new("Company");
    let old = authority.issue(&["localhost"], |params| params.not_after = date_time_ymd(2020, 2, 29));
    let fault_of_old = fault("localhost", serve(old, BOTH).await, &authority.pem()).await;
    assert!(matches!(fault_of_old, TlsFault::Expired(_)), "{fault_of_old:?}");
    assert_eq!(fault_of_old.to_string(), "its certificate expired on 2020-02-29T00:00:00.000Z");
    let early = authority.issue(&["localhost"], |params| params.not_before = date_time_ymd(2999, 1, 1));
    let fault_of_early = fault("localhost", serve(early, BOTH).await, &authority.pem()).await;
    assert!(matches!(fault_of_early, TlsFault::NotYetValid(_)), "{fault_of_early:?}");
    assert_eq!(fault_of_early.to_string(), "its certificate is valid only from 2999-01-01T00:00:00.000Z on");
}

#[tokio::test]
async fn a_certificate_for_another_name_says_for_which() {
    let authority = Authority::new("Company");
    let port = serve(authority.issue(&["api.example.com", "*.example.org", "10.1.2.3"], |_| {}), BOTH).await;
    for host in ["localhost", "127.0.0.1"] {
        let presented = "api.example.com, *.example.org, 10.1.2.3".to_owned();
        assert_eq!(fault(host, port, &authority.pem()).await, TlsFault::WrongName { presented });
    }
}

#[tokio::test]
async fn a_certificate_for_clients_is_not_taken_for_a_servers() {
    let authority = Authority::new("Company");
    let identity = authority.issue(&["localhost"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let fault = fault("localhost", serve(identity, BOTH).await, &authority.pem()).await;
    assert!(matches!(fault, TlsFault::BadCertificate(_)), "{fault:?}");
}

/// A server that answers every connection's first bytes with these; gives its port and the count of bytes it got after.
async fn answering(answer: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let after = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&after);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(answer).await;
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                counter.fetch_add(count, Ordering::SeqCst);
            }
        }
    });
    (port, after)
}

/// A fatal alert of TLS 1.1: `protocol_version`.
const ALERT_VERSION: &[u8] = &[21, 3, 2, 0, 2, 2, 70];
/// A fatal alert of TLS 1.2: `handshake_failure`.
const ALERT_FAILURE: &[u8] = &[21, 3, 3, 0, 2, 2, 40];

/// The ServerHello of a server that takes the newest version it knows, TLS 1.1, as RFC 4346 has it.
const HELLO_OF_TLS_1_1: &[u8] = &{
    // Record and handshake headers, version, 32 random bytes, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    let head = [22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    let tail = [0, 0, 0x2F, 0];
    let mut bytes = [7; 47];
    let mut index = 0;
    while index < head.len() {
        bytes[index] = head[index];
        index += 1;
    }
    index = 0;
    while index < tail.len() {
        bytes[head.len() + 32 + index] = tail[index];
        index += 1;
    }
    bytes
};

#[tokio::test]
async fn servers_of_old_versions_and_of_none_are_told_apart() {
    let html = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    for (answer, expected) in [
        (ALERT_VERSION, TlsFault::NoCommonVersion),
        (HELLO_OF_TLS_1_1, TlsFault::NoCommonVersion),
        (ALERT_FAILURE, TlsFault::Refused("HandshakeFailure".to_owned())),
        (html, TlsFault::NotTls),
        (b"220 mail.example.com ESMTP\r\n", TlsFault::NotTls),
    ] {
        let (port, after) = answering(answer).await;
        assert_eq!(fault("localhost", port, "").await, expected);
        // At most an alert and a change of cipher go out: never the request.
        assert!(after.load(Ordering::SeqCst) < 32, "{after:?} bytes were sent after {answer:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_cut_off_may_be_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    let error = client(port, "").send(get(&format!("https://localhost:{port}/")), limits()).await.unwrap_err();
    assert!(matches!(error, EgressError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains("TLS handshake"), "{error}");
}

#[tokio::test]
async fn plain_http_to_a_tls_port_is_an_error() {
    let authority = Authority::new("Company");
    let port = serve(authority.issue(&["localhost"], |_| {}), BOTH).await;
    let error =
        client(port, &authority.pem()).send(get(&format!("http://localhost:{port}/")), limits()).await.unwrap_err();
    assert!(matches!(error, EgressError::Broken { .. }), "{error:?}");
}

#[test]
fn what_is_not_a_bundle_of_certificates_is_refused_with_the_reason() {
    let pem = Authority::new("Company").pem();
    let refusal = |text: &str| UpstreamAuthorities::from_pem(text.as_bytes()).unwrap_err();
    for nothing in ["", "\n", "no certificate here", &pem.replace("-----", "")] {
        assert_eq!(refusal(nothing), AuthoritiesError::NoCertificate, "{nothing:?}");
    }
    let key = private_key_pem();
    assert_eq!(refusal(&key), AuthoritiesError::PrivateKey);
    assert_eq!(refusal(&format!("{pem}{key}")), AuthoritiesError::PrivateKey);
    assert_eq!(refusal(&key.replace("PRIVATE", "ENCRYPTED PRIVATE")), AuthoritiesError::PrivateKey);
    let request = pem.replace("CERTIFICATE", "CERTIFICATE REQUEST");
    assert_eq!(refusal(&request), AuthoritiesError::OtherSection("CERTIFICATE REQUEST".to_owned()));
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(refusal(&format!("{pem}{damaged}")), AuthoritiesError::Damaged { number: 2, .. }));
    let open = pem.replace("-----END", "");
    assert!(matches!(refusal(&open), AuthoritiesError::Damaged { number: 1, .. }));
}

#[test]
fn a_bundle_may_be_as_large_as_the_limit_and_no_larger() {
    let mut pem = Authority::new("Company").pem();
    pem.push_str(&"\n".repeat(UPSTREAM_CA_MAX_BYTES - pem.len()));
    assert!(UpstreamAuthorities::from_pem(pem.as_bytes()).is_ok());
    pem.push('\n');
    assert_eq!(UpstreamAuthorities::from_pem(pem.as_bytes()).unwrap_err(), AuthoritiesError::TooLarge);
}
