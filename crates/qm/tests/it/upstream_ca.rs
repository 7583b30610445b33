//! An upstream behind a company's own certificate authority.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::stage::{Background, Output, Stage, finish, run};

/// Listens with TLS as `localhost` and passes everything on to `upstream`; gives its port and the authority's PEM.
async fn in_front_of(upstream: SocketAddr) -> (u16, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap().der().clone();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(upstream).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    (port, authority.pem())
}

/// Serves again, with `more`, and connects an account through the TLS port.
fn connect(stage: &mut Stage, port: u16, more: &[&str]) -> Output {
    let (data, upstream) = (stage.path("data"), format!("localhost:{port}"));
    let mut args =
        vec!["serve", "--data-dir", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--allow-upstream", &upstream];
    args.extend(more);
    stage.gateway = None;
    let gateway = Background::start(&args);
    stage.url = gateway.line("listening on ");
    stage.gateway = Some(gateway);
    let over = format!("{{\"base_url\":\"https://{upstream}\"}}");
    let connection = format!("account_id={}", stage.account_id);
    let mut create = stage.command(&[
        "account",
        "create",
        "--integration",
        "1password",
        "--tenant",
        "behind",
        "-c",
        &connection,
        "--override",
        &over,
        "-o",
        "json",
    ]);
    create.env("QM_CREDENTIAL_CLIENT_ID", &stage.client_id).env("QM_CREDENTIAL_CLIENT_SECRET", &stage.secret);
    finish(create.spawn().unwrap())
}

#[test]
fn an_upstream_of_a_companys_authority_is_reached_when_that_is_given() {
    let mut stage = Stage::start(&[]);
    let simulator = stage.simulator_url.strip_prefix("http://").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (port, pem) = runtime.block_on(in_front_of(simulator));
    let refused = connect(&mut stage, port, &[]).exits(6);
    for part in ["does not trust", "--upstream-ca FILE", "operator", "does not help"] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    let file = stage.file("company.pem", pem);
    let created = connect(&mut stage, port, &["--upstream-ca", &file]).exits(0);
    let account = created.json()["id"].as_str().unwrap().to_owned();
    let listed = stage.run(&["call", "list_all_1_password_users", "limit=1", "--account", &account, "-o", "json"]);
    assert_eq!(listed.exits(0).json()["result_count"], 1);
}

#[test]
fn a_file_without_authorities_is_named_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    run(&["init", "--data-dir", data]).exits(0);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let missing = folder.path().join("missing.pem");
    let key = KeyPair::generate().unwrap().serialize_pem();
    for (path, reason) in [
        (missing.to_str().unwrap().to_owned(), "No such file"),
        (folder.path().to_str().unwrap().to_owned(), "directory"),
        (file("empty.pem", ""), "no certificate in it"),
        (file("key.pem", &key), "private key"),
    ] {
        let output = run(&["serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--upstream-ca", &path]).exits(2);
        assert!(output.err.contains(&path) && output.err.contains(reason), "{}", output.err);
        assert!(output.out.is_empty(), "{}", output.out);
        assert!(!output.err.contains(key.lines().nth(1).unwrap()), "the key is shown");
    }
}

#[test]
fn a_gateway_of_a_companys_authority_is_talked_to_when_that_is_given() {
    let stage = Stage::start(&[]);
    let gateway = stage.url.strip_prefix("http://").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (port, pem) = runtime.block_on(in_front_of(gateway));
    let list = |url: String, more: &[&str]| {
        let mut args = vec!["account", "list", "-o", "json", "--url", &url];
        args.extend(more);
        stage.run(&args)
    };
    let refused = list(format!("https://localhost:{port}"), &[]).exits(6);
    assert!(refused.err.contains("--ca FILE") && refused.err.contains("this program"), "{}", refused.err);
    let file = stage.file("company.pem", &pem);
    let listed = list(format!("https://localhost:{port}"), &["--ca", &file]).exits(0).json();
    assert_eq!(listed[0]["id"], stage.account.as_str());
    let plain = list(format!("http://localhost:{port}"), &["--ca", &file]).exits(6);
    assert!(plain.err.contains("https://"), "{}", plain.err);
    let missing = list(format!("https://localhost:{port}"), &["--ca", "missing.pem"]).exits(2);
    assert!(missing.err.contains("--ca missing.pem") && missing.err.contains("QM_CA"), "{}", missing.err);
}
