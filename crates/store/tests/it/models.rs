//! Connections to servers of language models.

use quartermaster_store::Store;
use quartermaster_store::model::{ModelRow, StoreError};
use quartermaster_types::EnvironmentId;

use crate::support::{NOW, audit, id, two_environments};

on_both_back_ends![
    connections_come_back_whole_and_by_name,
    a_name_is_taken_once_in_an_environment,
    a_change_needs_the_version_that_was_read,
    a_deleted_connection_is_gone_and_its_record_stays,
];

fn model(environment: EnvironmentId, number: u64, name: &str) -> ModelRow {
    ModelRow {
        id: id(number),
        environment_id: environment,
        name: name.to_owned(),
        // Kept as it is.
        settings: r#"{ "wire":"openai",  "base_url":"https://models.example.com/\u00e9" }"#.to_owned(),
        sealed_key: (number % 2 == 1).then(|| (0..=255).collect()),
        key_version: 3,
        version: 1,
        created_at: NOW,
        updated_at: NOW.plus_ms(5),
    }
}

async fn connections_come_back_whole_and_by_name(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    assert_eq!(store.list_models(ours, 9).await.unwrap(), []);
    for (number, name) in [(1, "b"), (2, "a"), (3, "a.b"), (4, "a-b")] {
        store.insert_model(&model(ours, number, name), &audit(ours, number)).await.unwrap();
    }
    store.insert_model(&model(theirs, 5, "c"), &audit(theirs, 5)).await.unwrap();
    assert_eq!(store.find_model(ours, "b").await.unwrap(), Some(model(ours, 1, "b")));
    assert_eq!(store.find_model(ours, "c").await.unwrap(), None, "a foreign one is absent");
    assert_eq!(store.find_model(ours, "B").await.unwrap(), None);
    let names = |rows: Vec<ModelRow>| rows.into_iter().map(|row| row.name).collect::<Vec<_>>();
    assert_eq!(names(store.list_models(ours, 9).await.unwrap()), ["a", "a-b", "a.b", "b"]);
    assert_eq!(names(store.list_models(ours, 2).await.unwrap()), ["a", "a-b"]);
}

async fn a_name_is_taken_once_in_an_environment(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    store.insert_model(&model(ours, 1, "a"), &audit(ours, 1)).await.unwrap();
    let again = store.insert_model(&model(ours, 2, "a"), &audit(ours, 2)).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    store.insert_model(&model(theirs, 1, "a"), &audit(theirs, 3)).await.unwrap();
    store.insert_model(&model(ours, 4, "b"), &audit(ours, 4)).await.unwrap();
    let mut renamed = model(ours, 4, "a");
    renamed.version = 2;
    let taken = store.update_model(&renamed, 1, &audit(ours, 5)).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
    assert_eq!(store.find_model(ours, "b").await.unwrap(), Some(model(ours, 4, "b")));
}

async fn a_change_needs_the_version_that_was_read(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    store.insert_model(&model(ours, 1, "a"), &audit(ours, 1)).await.unwrap();
    let mut changed = model(ours, 1, "z");
    "{}".clone_into(&mut changed.settings);
    changed.sealed_key = None;
    changed.key_version = 4;
    changed.version = 2;
    changed.updated_at = NOW.plus_ms(9);
    store.update_model(&changed, 1, &audit(ours, 2)).await.unwrap();
    assert_eq!(store.find_model(ours, "z").await.unwrap(), Some(changed.clone()));
    assert_eq!(store.find_model(ours, "a").await.unwrap(), None);
    let stale = store.update_model(&changed, 1, &audit(ours, 3)).await;
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    let foreign = store.update_model(&ModelRow { environment_id: theirs, ..changed }, 2, &audit(theirs, 4)).await;
    assert!(matches!(foreign, Err(StoreError::Stale)), "{foreign:?}");
}

async fn a_deleted_connection_is_gone_and_its_record_stays(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    store.insert_model(&model(ours, 1, "a"), &audit(ours, 1)).await.unwrap();
    assert!(!store.delete_model(theirs, id(1), &audit(theirs, 2)).await.unwrap());
    assert!(store.delete_model(ours, id(1), &audit(ours, 3)).await.unwrap());
    assert!(!store.delete_model(ours, id(1), &audit(ours, 4)).await.unwrap());
    assert_eq!(store.find_model(ours, "a").await.unwrap(), None);
    let records =
        store.list_audit(ours, &quartermaster_store::model::AuditQuery { limit: 9, ..Default::default() }).await;
    assert_eq!(records.unwrap().len(), 2, "what did not happen is not recorded");
}
