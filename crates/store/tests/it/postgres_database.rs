//! What concerns the PostgreSQL database only: connecting to it.

use quartermaster_store::Store;
use quartermaster_store::model::StoreError;

use crate::support::{
    create_postgres_database, environment, execute_postgres, postgres, postgres_server, two_environments,
};

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let Some(fixture) = postgres("a_newer_schema_is_refused_and_left_alone").await else { return };
    execute_postgres(&fixture.url, "UPDATE _sqlx_migrations SET version = 9000").await;
    let outcome = Store::connect_postgres(&fixture.url).await;
    assert!(matches!(outcome, Err(StoreError::Newer { found: 9000, known: 1 })));
    execute_postgres(&fixture.url, "UPDATE _sqlx_migrations SET version = 1").await;
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

/// This build has no TLS: it must refuse rather than go on in clear.
#[tokio::test]
async fn a_url_that_requires_tls_is_refused() {
    let Some(server) = postgres_server() else { return };
    let mut url = url::Url::parse(&server).unwrap();
    url.query_pairs_mut().append_pair("sslmode", "require");
    let outcome = Store::connect_postgres(url.as_str()).await;
    assert!(matches!(outcome, Err(StoreError::Database { .. })));
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
