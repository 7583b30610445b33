//! What concerns the PostgreSQL database only: connecting to it.

use quartermaster_store::Store;
use quartermaster_store::model::StoreError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    create_postgres_database, environment, execute_postgres, postgres, postgres_server, two_environments,
};

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let Some(fixture) = postgres("a_newer_schema_is_refused_and_left_alone").await else { return };
    execute_postgres(&fixture.url, "UPDATE _sqlx_migrations SET version = version + 9000").await;
    let outcome = Store::connect_postgres(&fixture.url).await;
    assert!(matches!(outcome, Err(StoreError::Newer { found: 9001.., known: ..9000 })));
    execute_postgres(&fixture.url, "UPDATE _sqlx_migrations SET version = version - 9000").await;
    Store::connect_postgres(&fixture.url).await.unwrap().close().await;
    fixture.finish().await;
}

#[tokio::test]
async fn replicas_that_start_at_once_share_one_new_database() {
    let Some(server) = postgres_server() else { return };
    let (database, url) = create_postgres_database(&server).await;
    let (first, second, third) =
        tokio::join!(Store::connect_postgres(&url), Store::connect_postgres(&url), Store::connect_postgres(&url));
    let stores = [first.unwrap(), second.unwrap(), third.unwrap()];
    stores[0].insert_environment(&environment(1)).await.unwrap();
    for store in &stores {
        assert_eq!(store.list_environments().await.unwrap(), [environment(1)]);
        store.close().await;
    }
    execute_postgres(&server, &format!("DROP DATABASE {database} WITH (FORCE)")).await;
}

#[tokio::test]
async fn rows_survive_closing_and_connecting() {
    let Some(fixture) = postgres("rows_survive_closing_and_connecting").await else { return };
    two_environments(&fixture.store).await;
    fixture.store.close().await;
    let store = Store::connect_postgres(&fixture.url).await.unwrap();
    assert_eq!(store.list_environments().await.unwrap(), [environment(1), environment(2)]);
    store.close().await;
    fixture.finish().await;
}

#[tokio::test]
async fn a_database_that_is_set_read_only_refuses_writes() {
    let Some(fixture) = postgres("a_database_that_is_set_read_only_refuses_writes").await else { return };
    let url = url::Url::parse(&fixture.url).unwrap();
    let database = url.path().trim_start_matches('/');
    execute_postgres(&fixture.url, &format!("ALTER DATABASE {database} SET default_transaction_read_only = on")).await;
    let store = Store::connect_postgres(&fixture.url).await.unwrap();
    store.ping().await.unwrap();
    assert!(matches!(store.insert_environment(&environment(1)).await, Err(StoreError::NoSpace(_))));
    store.close().await;
    fixture.finish().await;
}

/// A server that answers the request for TLS with `reply`; gives everything that the store sent to it.
async fn what_is_sent_after(reply: u8) -> Vec<u8> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = vec![0; SSL_REQUEST.len()];
        stream.read_exact(&mut sent).await.unwrap();
        stream.write_all(&[reply]).await.unwrap();
        let mut rest = [0; 1024];
        let length = stream.read(&mut rest).await.unwrap();
        sent.extend_from_slice(&rest[..length]);
        sent
    });
    let url = format!("postgres://the-user:a-secret-word@127.0.0.1:{port}/qm?sslmode=require");
    assert!(matches!(Store::connect_postgres(&url).await, Err(StoreError::Database { .. })));
    server.await.unwrap()
}

/// What a client asks for TLS with: a length of 8 and the number 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 0xD2, 0x16, 0x2F];

#[tokio::test]
async fn tls_begins_before_anything_else_is_said() {
    let sent = what_is_sent_after(b'S').await;
    assert_eq!(sent[..8], SSL_REQUEST);
    assert_eq!(sent[8..10], [0x16, 3], "a TLS handshake record follows");
    assert_eq!(sent[13], 1, "it is a ClientHello");
    let text = String::from_utf8_lossy(&sent);
    assert!(!text.contains("the-user") && !text.contains("a-secret-word"), "{text}");
}

#[tokio::test]
async fn nothing_is_said_in_clear_to_a_server_that_has_no_tls() {
    assert_eq!(what_is_sent_after(b'N').await, SSL_REQUEST);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_without_the_password() {
    let url = "postgres://qm:a-secret-word@127.0.0.1:1/qm";
    let error = Store::connect_postgres(url).await.err().unwrap();
    let shown = format!("{error:?} {error}");
    assert!(matches!(error, StoreError::Database { .. }));
    assert!(!shown.contains("a-secret-word"), "{shown}");
    let error = Store::connect_postgres("postgres://qm:a-secret-word@[/qm").await.err().unwrap();
    assert!(!format!("{error:?} {error}").contains("a-secret-word"));
}
