//! TLS to a real PostgreSQL server, which `QM_TEST_POSTGRES_TLS_URL` names: over TCP at `localhost`, with a password, and
//! with a certificate for that name by the authority in `QM_TEST_POSTGRES_CA`.

use std::path::Path;

use quartermaster_store::Store;
use quartermaster_store::model::StoreError;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use url::Url;

/// The server and the file with its authority, when there is one.
#[allow(clippy::disallowed_methods, reason = "tests are told where the server is by the environment")]
#[expect(clippy::print_stderr, reason = "a test that does not run says so")]
fn server(test: &str) -> Option<(Url, String)> {
    let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(url) = read("QM_TEST_POSTGRES_TLS_URL") else {
        eprintln!("skipped {test}: QM_TEST_POSTGRES_TLS_URL is not set");
        return None;
    };
    Some((Url::parse(&url).unwrap(), read("QM_TEST_POSTGRES_CA").unwrap()))
}

/// The URL with these parameters.
fn with(url: &Url, parameters: &[(&str, &str)]) -> String {
    let mut url = url.clone();
    url.query_pairs_mut().extend_pairs(parameters);
    url.to_string()
}

/// The certificate of an authority that issued nothing, in a file of this folder.
fn another_authority(folder: &Path) -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let path = folder.join("another.pem");
    std::fs::write(&path, params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The error of a connection that is refused, with its causes; the password is in none of its forms.
async fn refusal(server: &Url, url: &str) -> String {
    let error = Store::connect_postgres(url).await.err().expect("the connection is refused");
    assert!(matches!(error, StoreError::Database { .. }), "{error:?}");
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let shown = format!("{text} {error:?}");
    assert!(!shown.contains(server.password().unwrap()), "{shown}");
    text
}

#[tokio::test]
async fn a_server_of_the_given_authority_is_used_over_tls() {
    let Some((server, authority)) = server("a_server_of_the_given_authority_is_used_over_tls") else { return };
    for mode in ["verify-full", "verify-ca", "require"] {
        let url = with(&server, &[("sslmode", mode), ("sslrootcert", &authority)]);
        let store = Store::connect_postgres(&url).await.unwrap_or_else(|error| panic!("{mode}: {error:?}"));
        store.ping().await.unwrap();
        store.close().await;
        assert!(is_encrypted(&url).await, "{mode}");
    }
    assert!(is_encrypted(&with(&server, &[("sslmode", "prefer")])).await, "TLS is taken where it is offered");
    assert!(!is_encrypted(&with(&server, &[("sslmode", "disable")])).await, "the question can be answered with no");
}

/// What the server itself says of a connection with this URL.
async fn is_encrypted(url: &str) -> bool {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let question = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let encrypted = sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    encrypted
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let Some((server, _)) = server("a_server_of_another_authority_is_refused") else { return };
    let folder = tempfile::tempdir().unwrap();
    let another = another_authority(folder.path());
    for mode in ["verify-full", "verify-ca"] {
        for parameters in [&[("sslmode", mode), ("sslrootcert", &another)][..], &[("sslmode", mode)]] {
            let text = refusal(&server, &with(&server, parameters)).await;
            for part in ["TLS with the database server failed", "`sslrootcert`", "certificate", "UnknownIssuer"] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn only_verify_full_minds_the_name() {
    let Some((mut server, authority)) = server("only_verify_full_minds_the_name") else { return };
    server.set_host(Some("127.0.0.1")).unwrap();
    let url = |mode| with(&server, &[("sslmode", mode), ("sslrootcert", &authority)]);
    let text = refusal(&server, &url("verify-full")).await;
    assert!(text.contains("certificate not valid for name \"127.0.0.1\""), "{text}");
    Store::connect_postgres(&url("verify-ca")).await.unwrap().close().await;
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_an_error() {
    let Some((server, authority)) = server("a_file_of_authorities_that_cannot_be_used_is_an_error") else { return };
    for file in ["/nonexistent/ca.pem", "/dev/null"] {
        let text = refusal(&server, &with(&server, &[("sslmode", "verify-full"), ("sslrootcert", file)])).await;
        assert!(text.contains(if file == "/dev/null" { "certificate" } else { "No such file" }), "{file}: {text}");
    }
    let mut wrong = server.clone();
    wrong.set_password(Some("a-wrong-password")).unwrap();
    let text = refusal(&wrong, &with(&wrong, &[("sslmode", "verify-full"), ("sslrootcert", &authority)])).await;
    assert!(text.contains("password authentication failed"), "{text}");
}
