//! What both back ends do alike.

use quartermaster_store::model::{
    AUDIT_APPEND_MAX_ROWS, AuditQuery, AuditRecord, AuditRow, IdempotencyRow, Narrowing, Outcome, PolicyRow, Revocable,
    Revocation, Role, StoreError, TokenRow,
};
use quartermaster_store::{Claim, Store};
use quartermaster_types::{EnvironmentId, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    NOW, account, account_id, audit, audit_id, environment, environment_override, id, idempotency, policy, request_id,
    token, token_id, two_environments,
};

/// No numbers.
const NONE: [u64; 0] = [];

/// Runs each function against each back end.
macro_rules! on_both_back_ends {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    let fixture = crate::support::sqlite().await;
                    super::$name(&fixture.store).await;
                    fixture.store.close().await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $name() {
                    if let Some(fixture) = crate::support::postgres(stringify!($name)).await {
                        super::$name(&fixture.store).await;
                        fixture.finish().await;
                    }
                }
            )+
        }
    };
}

on_both_back_ends![
    environments_come_back_and_have_one_name_each,
    tokens_come_back_whole,
    a_token_hash_is_taken_once,
    tokens_are_listed_in_pages,
    a_token_is_revoked_once_and_the_first_time_holds,
    the_last_operator_token_stays,
    accounts_come_back_byte_for_byte,
    accounts_are_filtered_and_paged,
    an_update_needs_the_version_that_was_read,
    of_many_updates_at_once_one_wins,
    a_deleted_account_is_gone,
    many_accounts_are_added_at_once_or_not_at_all,
    overrides_are_set_and_replaced,
    policies_are_kept_version_by_version,
    of_two_policies_of_one_version_the_first_stays,
    audit_records_come_back_newest_first,
    audit_queries_narrow,
    an_audit_batch_can_be_tried_again,
    an_audit_batch_has_a_limit,
    audit_text_with_a_nul_is_kept_readable,
    a_change_and_its_record_stand_or_fall_together,
    an_idempotency_key_is_claimed_once,
    of_many_claims_at_once_one_is_new,
    an_answer_is_kept_and_a_claim_given_back,
    of_many_who_take_a_claim_over_one_succeeds,
    old_idempotency_keys_are_forgotten,
    nothing_crosses_environments,
    rows_of_no_environment_are_refused,
    the_extremes_of_columns_survive,
    a_closed_store_fails_and_does_not_hang,
];

async fn environments_come_back_and_have_one_name_each(store: &Store) {
    store.ping().await.unwrap();
    assert_eq!(store.list_environments().await.unwrap(), []);
    for number in [2, 1] {
        store.insert_environment(&environment(number)).await.unwrap();
    }
    assert_eq!(store.find_environment(id(1)).await.unwrap(), Some(environment(1)));
    assert_eq!(store.find_environment(id(3)).await.unwrap(), None);
    assert_eq!(store.list_environments().await.unwrap(), [environment(1), environment(2)]);

    let mut same_name = environment(3);
    same_name.name = environment(1).name;
    assert!(matches!(store.insert_environment(&same_name).await, Err(StoreError::Conflict(_))));
    assert!(matches!(store.insert_environment(&environment(1)).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.list_environments().await.unwrap().len(), 2);
    store.ping().await.unwrap();
}

async fn tokens_come_back_whole(store: &Store) {
    let (ours, _) = two_environments(store).await;
    for (number, role) in [Role::Admin, Role::Agent, Role::Auditor].into_iter().enumerate() {
        let mut row = token(ours, number as u64);
        row.role = role;
        row.operator = role == Role::Admin;
        store.insert_token(&row, None).await.unwrap();
        assert_eq!(store.find_token_by_hash(&row.hash).await.unwrap(), Some(row));
    }
    let mut bare = token(ours, 9);
    bare.narrowing = Narrowing::default();
    bare.expires_at = None;
    bare.revoked_at = Some(NOW.plus_ms(7));
    store.insert_token(&bare, Some(&audit(ours, 1))).await.unwrap();
    assert_eq!(store.find_token_by_hash(&bare.hash).await.unwrap(), Some(bare));
    assert_eq!(store.find_token_by_hash(&[0; 32]).await.unwrap(), None);
}

async fn a_token_hash_is_taken_once(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    store.insert_token(&token(ours, 1), None).await.unwrap();
    let mut same_hash = token(theirs, 2);
    same_hash.hash = token(ours, 1).hash;
    assert!(matches!(store.insert_token(&same_hash, None).await, Err(StoreError::Conflict(_))));
    let mut same_id = token(ours, 1);
    same_id.hash = [1; 32];
    assert!(matches!(store.insert_token(&same_id, None).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.find_token_by_hash(&same_hash.hash).await.unwrap(), Some(token(ours, 1)));
}

async fn tokens_are_listed_in_pages(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    for number in [3, 1, 2] {
        store.insert_token(&token(ours, number), None).await.unwrap();
    }
    store.insert_token(&token(theirs, 4), None).await.unwrap();
    assert_eq!(store.list_tokens(ours, None, 2).await.unwrap(), [token(ours, 1), token(ours, 2)]);
    assert_eq!(store.list_tokens(ours, Some(token_id(2)), 2).await.unwrap(), [token(ours, 3)]);
    assert_eq!(store.list_tokens(ours, Some(token_id(3)), 2).await.unwrap(), []);
    assert_eq!(store.list_tokens(ours, None, 0).await.unwrap(), []);
    assert_eq!(store.list_tokens(ours, None, u32::MAX).await.unwrap().len(), 3);
}

async fn a_token_is_revoked_once_and_the_first_time_holds(store: &Store) {
    let (ours, _) = two_environments(store).await;
    store.insert_token(&token(ours, 1), None).await.unwrap();
    let revoke = async |number: u64, at: Timestamp, record: u64| {
        let audit = audit(ours, record);
        store.revoke_token(ours, token_id(number), at, Revocable::Ordinary, &audit).await.unwrap()
    };
    assert_eq!(revoke(1, NOW, 1).await, Revocation::Done);
    assert_eq!(revoke(1, NOW.plus_ms(9), 2).await, Revocation::Done);
    assert_eq!(revoke(2, NOW, 3).await, Revocation::Missing);
    let row = store.find_token_by_hash(&token(ours, 1).hash).await.unwrap().unwrap();
    assert_eq!(row.revoked_at, Some(NOW));
    assert_eq!(audit_ids(store, ours).await, [2, 1]);
}

async fn the_last_operator_token_stays(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    for (environment, number) in [(ours, 1), (ours, 2), (theirs, 3)] {
        let row = TokenRow { operator: true, ..token(environment, number) };
        store.insert_token(&row, None).await.unwrap();
    }
    store.insert_token(&token(ours, 4), None).await.unwrap();
    let revoke = async |environment, number: u64, revocable| {
        let audit = audit(environment, number);
        store.revoke_token(environment, token_id(number), NOW, revocable, &audit).await.unwrap()
    };
    assert_eq!(revoke(ours, 1, Revocable::Ordinary).await, Revocation::OfOperator);
    assert_eq!(revoke(ours, 4, Revocable::AllButLastOperator).await, Revocation::Done);
    // All at the same moment: one is left, whichever it is.
    let attempts = [(ours, 1), (ours, 2), (theirs, 3)].map(|(environment, number)| {
        let store = store.clone();
        tokio::spawn(async move {
            let audit = audit(environment, number);
            let revocable = Revocable::AllButLastOperator;
            store.revoke_token(environment, token_id(number), NOW, revocable, &audit).await.unwrap()
        })
    });
    let mut outcomes = Vec::new();
    for attempt in attempts {
        outcomes.push(attempt.await.unwrap());
    }
    let refused = outcomes.iter().filter(|outcome| **outcome == Revocation::OfLastOperator).count();
    let done = outcomes.iter().filter(|outcome| **outcome == Revocation::Done).count();
    assert_eq!((refused, done), (1, 2), "{outcomes:?}");
    // One that is revoked already can be revoked again: nothing changes.
    let at = outcomes.iter().position(|outcome| *outcome == Revocation::Done).unwrap();
    let (environment, number) = [(ours, 1), (ours, 2), (theirs, 3)][at];
    let audit = audit(environment, 9);
    let again = store.revoke_token(environment, token_id(number), NOW, Revocable::AllButLastOperator, &audit).await;
    assert_eq!(again.unwrap(), Revocation::Done);
}

async fn accounts_come_back_byte_for_byte(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let mut row = account(ours, 1);
    store.insert_account(&row, &audit(ours, 1)).await.unwrap();
    assert_eq!(store.find_account(ours, id(1)).await.unwrap(), Some(row.clone()));
    row.id = id(2);
    row.override_patch = Some(r#"{"base_url":"http://127.0.0.1:1",  "x" :null}"#.to_owned());
    row.sandbox = true;
    row.blocked = false;
    row.sealed_credentials = Vec::new();
    store.insert_account(&row, &audit(ours, 2)).await.unwrap();
    assert_eq!(store.find_account(ours, id(2)).await.unwrap(), Some(row.clone()));
    assert_eq!(store.find_account(ours, id(3)).await.unwrap(), None);
    assert!(matches!(store.insert_account(&row, &audit(ours, 3)).await, Err(StoreError::Conflict(_))));
    assert_eq!(audit_ids(store, ours).await, [2, 1]);
}

async fn accounts_are_filtered_and_paged(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    for number in 1..=6 {
        let mut row = account(ours, number);
        row.integration = String::from(if number % 2 == 0 { "even" } else { "odd" });
        row.tenant_id = String::from(if number <= 4 { "acme" } else { "globex" });
        store.insert_account(&row, &audit(ours, number)).await.unwrap();
    }
    store.insert_account(&account(theirs, 9), &audit(theirs, 9)).await.unwrap();
    let list = async |after: Option<u64>, integration, tenant, limit| {
        let after = after.map(account_id);
        let rows = store.list_accounts(ours, after, integration, tenant, limit).await.unwrap();
        (1..=9).filter(|number| rows.iter().any(|row| row.id == account_id(*number))).collect::<Vec<u64>>()
    };
    assert_eq!(list(None, None, None, 100).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(list(None, None, None, 2).await, [1, 2]);
    assert_eq!(list(Some(4), None, None, 100).await, [5, 6]);
    assert_eq!(list(None, Some("even"), None, 100).await, [2, 4, 6]);
    assert_eq!(list(Some(2), Some("even"), None, 1).await, [4]);
    assert_eq!(list(None, None, Some("acme"), 100).await, [1, 2, 3, 4]);
    assert_eq!(list(Some(2), None, Some("acme"), 1).await, [3]);
    assert_eq!(list(None, Some("odd"), Some("acme"), 100).await, [1, 3]);
    assert_eq!(list(Some(1), Some("odd"), Some("acme"), 1).await, [3]);
    assert_eq!(list(None, Some("none"), None, 100).await, NONE);
    assert_eq!(list(None, None, Some("none"), 100).await, NONE);
    assert_eq!(list(None, None, None, 0).await, NONE);
    let rows = store.list_accounts(ours, None, None, None, u32::MAX).await.unwrap();
    assert!(rows.is_sorted_by_key(|row| row.id));
}

async fn an_update_needs_the_version_that_was_read(store: &Store) {
    let (ours, _) = two_environments(store).await;
    store.insert_account(&account(ours, 1), &audit(ours, 1)).await.unwrap();
    let mut row = account(ours, 1);
    row.version = 2;
    row.credential_version = 2;
    row.tenant_id = String::from("renamed");
    row.connection = String::from("{}");
    row.override_patch = Some("{}".to_owned());
    row.sealed_credentials = vec![1];
    row.sandbox = true;
    row.blocked = false;
    row.updated_at = NOW.plus_ms(99);
    assert!(matches!(store.update_account(&row, 2, &audit(ours, 2)).await, Err(StoreError::Stale)));
    store.update_account(&row, 1, &audit(ours, 3)).await.unwrap();
    assert_eq!(store.find_account(ours, id(1)).await.unwrap(), Some(row.clone()));
    assert!(matches!(store.update_account(&row, 1, &audit(ours, 4)).await, Err(StoreError::Stale)));
    row.id = id(2);
    assert!(matches!(store.update_account(&row, 2, &audit(ours, 5)).await, Err(StoreError::Stale)));
    assert_eq!(audit_ids(store, ours).await, [3, 1]);
}

async fn of_many_updates_at_once_one_wins(store: &Store) {
    let (ours, _) = two_environments(store).await;
    store.insert_account(&account(ours, 1), &audit(ours, 1)).await.unwrap();
    let attempts = (10..20).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut row = account(ours, 1);
            row.version = 2;
            store.update_account(&row, 1, &audit(ours, number)).await
        })
    });
    let mut won = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(matches!(error, StoreError::Stale), "{error:?}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(audit_ids(store, ours).await.len(), 2);
}

async fn a_deleted_account_is_gone(store: &Store) {
    let (ours, _) = two_environments(store).await;
    store.insert_account(&account(ours, 1), &audit(ours, 1)).await.unwrap();
    assert!(store.delete_account(ours, id(1), &audit(ours, 2)).await.unwrap());
    assert!(!store.delete_account(ours, id(1), &audit(ours, 3)).await.unwrap());
    assert_eq!(store.find_account(ours, id(1)).await.unwrap(), None);
    assert_eq!(store.list_accounts(ours, None, None, None, 10).await.unwrap(), []);
    assert_eq!(audit_ids(store, ours).await, [2, 1]);
}

async fn many_accounts_are_added_at_once_or_not_at_all(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let rows: Vec<_> = (1..=1_201)
        .map(|number| {
            let mut row = account(ours, number);
            row.override_patch = (number % 2 == 0).then(|| r#"{ "a":"\"é\u0007" }"#.to_owned());
            row.sandbox = number % 3 == 0;
            row.blocked = number % 5 == 0;
            row
        })
        .collect();
    store.insert_accounts_bulk(&[]).await.unwrap();
    let mut twice = rows.clone();
    twice.push(account(ours, 1));
    assert!(matches!(store.insert_accounts_bulk(&twice).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.list_accounts(ours, None, None, None, 10).await.unwrap(), []);
    store.insert_accounts_bulk(&rows).await.unwrap();
    assert_eq!(store.list_accounts(ours, None, None, None, 2_000).await.unwrap(), rows);
}

async fn overrides_are_set_and_replaced(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let mut row = environment_override(ours);
    assert_eq!(store.find_environment_override(ours, "1password").await.unwrap(), None);
    store.put_environment_override(&row, &audit(ours, 1)).await.unwrap();
    assert_eq!(store.find_environment_override(ours, "1password").await.unwrap(), Some(row.clone()));
    row.patch = String::from("{}");
    row.version = 2;
    row.updated_at = NOW.plus_ms(1);
    store.put_environment_override(&row, &audit(ours, 2)).await.unwrap();
    assert_eq!(store.find_environment_override(ours, "1password").await.unwrap(), Some(row));
    assert_eq!(store.find_environment_override(ours, "other").await.unwrap(), None);
    assert_eq!(audit_ids(store, ours).await, [2, 1]);
}

async fn audit_records_come_back_newest_first(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    let mut bare = audit(ours, 2);
    bare.session = None;
    bare.account_id = None;
    bare.target = None;
    bare.arguments = Some(r#"{"cut":"#.to_owned());
    bare.before = None;
    bare.after = None;
    bare.outcome = Outcome::Refused;
    bare.code = Some("ungrounded_id");
    store.append_audit(&[audit(ours, 1), bare.clone(), audit(theirs, 3)]).await.unwrap();
    store.append_audit(&[]).await.unwrap();
    let records = store.list_audit(ours, &AuditQuery { limit: 10, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(records, [read_back(&bare), read_back(&audit(ours, 1))]);
    assert_eq!(records[0].arguments, Some(Value::from(r#"{"cut":"#)));
    assert_eq!(records[1].before, Some(json!({"state": "ACTIVE"})));
}

async fn audit_queries_narrow(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    let mut rows: Vec<_> = (1..=6).map(|number| audit(ours, number)).collect();
    rows[1].account_id = Some(id(5));
    rows[2].account_id = None;
    rows[3].action = String::from("users.reactivate");
    // Two records of one request; the later one was written long after the call began.
    rows[4].request_id = id(1);
    store.append_audit(&rows).await.unwrap();
    store.append_audit(&[audit(theirs, 7)]).await.unwrap();
    let list = async |query: AuditQuery| {
        let records = store.list_audit(ours, &query).await.unwrap();
        assert!(records.is_sorted_by(|newer, older| newer.id > older.id));
        (1..=9).filter(|number| records.iter().any(|record| record.id == audit_id(*number))).collect::<Vec<u64>>()
    };
    let all = AuditQuery { limit: 100, ..AuditQuery::default() };
    assert_eq!(list(all.clone()).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(list(AuditQuery { limit: 2, ..all.clone() }).await, [5, 6]);
    assert_eq!(list(AuditQuery { limit: 0, ..all.clone() }).await, NONE);
    assert_eq!(list(AuditQuery { before: Some(audit_id(3)), ..all.clone() }).await, [1, 2]);
    assert_eq!(list(AuditQuery { account_id: Some(id(5)), ..all.clone() }).await, [2]);
    assert_eq!(list(AuditQuery { action: Some("users.reactivate".to_owned()), ..all.clone() }).await, [4]);
    assert_eq!(list(AuditQuery { request_id: Some(request_id(1)), ..all.clone() }).await, [1, 5]);
    assert_eq!(list(AuditQuery { request_id: Some(request_id(9)), ..all.clone() }).await, NONE);
    let both =
        AuditQuery { account_id: Some(id(4)), request_id: Some(request_id(1)), before: Some(audit_id(5)), ..all };
    assert_eq!(list(both).await, [1]);
}

async fn an_audit_batch_can_be_tried_again(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let rows: Vec<_> = (1..=70).map(|number| audit(ours, number)).collect();
    store.append_audit(&rows[..50]).await.unwrap();
    let mut again = rows.clone();
    again[0].action = String::from("forged");
    store.append_audit(&again).await.unwrap();
    let records = store.list_audit(ours, &AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(records, rows.iter().rev().map(read_back).collect::<Vec<_>>());
}

async fn an_audit_batch_has_a_limit(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let rows: Vec<_> = (1..=AUDIT_APPEND_MAX_ROWS as u64 + 1).map(|number| audit(ours, number)).collect();
    assert!(matches!(store.append_audit(&rows).await, Err(StoreError::Database { .. })));
    assert_eq!(audit_ids(store, ours).await, NONE);
    let mut written = 0;
    // The sizes around which the statement changes.
    for size in [1, 16, 17, 64, 65, 256, 257, AUDIT_APPEND_MAX_ROWS] {
        store.append_audit(&rows[..size]).await.unwrap();
        written = written.max(size);
        let records = store.list_audit(ours, &AuditQuery { limit: 2_000, ..AuditQuery::default() }).await.unwrap();
        assert_eq!(records.len(), written);
    }
}

async fn audit_text_with_a_nul_is_kept_readable(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let mut row = audit(ours, 1);
    row.target = Some("a\0b".to_owned());
    row.session = Some("\0".to_owned());
    store.append_audit(&[row.clone(), audit(ours, 2)]).await.unwrap();
    row.id = id(3);
    store.insert_account(&account(ours, 1), &row).await.unwrap();
    let records = store.list_audit(ours, &AuditQuery { limit: 10, ..AuditQuery::default() }).await.unwrap();
    for record in [&records[0], &records[2]] {
        assert_eq!(record.target.as_deref(), Some("a\u{FFFD}b"));
        assert_eq!(record.session.as_deref(), Some("\u{FFFD}"));
    }
}

/// Every change whose audit record cannot be written is not made.
async fn a_change_and_its_record_stand_or_fall_together(store: &Store) {
    let (ours, _) = two_environments(store).await;
    store.insert_account(&account(ours, 1), &audit(ours, 1)).await.unwrap();
    store.insert_token(&token(ours, 1), None).await.unwrap();
    let taken = audit(ours, 1);
    let mut changed = account(ours, 1);
    changed.version = 2;
    let refused =
        |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::Conflict("the audit record"))));
    refused(store.insert_account(&account(ours, 2), &taken).await);
    refused(store.update_account(&changed, 1, &taken).await);
    refused(store.delete_account(ours, id(1), &taken).await.map(|_| ()));
    refused(store.insert_token(&token(ours, 2), Some(&taken)).await);
    refused(store.revoke_token(ours, token_id(1), NOW, Revocable::Ordinary, &taken).await.map(|_| ()));
    refused(store.put_environment_override(&environment_override(ours), &taken).await);
    assert_eq!(store.list_accounts(ours, None, None, None, 10).await.unwrap(), [account(ours, 1)]);
    assert_eq!(store.list_tokens(ours, None, 10).await.unwrap(), [token(ours, 1)]);
    assert_eq!(store.find_environment_override(ours, "1password").await.unwrap(), None);
    assert_eq!(audit_ids(store, ours).await, [1]);
}

async fn an_idempotency_key_is_claimed_once(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let row = idempotency(ours, "key");
    assert_eq!(store.claim_idempotency(&row).await.unwrap(), Claim::New);
    let mut other_payload = row.clone();
    other_payload.fingerprint = [1; 32];
    other_payload.created_at = NOW.plus_ms(1);
    assert_eq!(store.claim_idempotency(&other_payload).await.unwrap(), Claim::Existing(row.clone()));
    let mut other_token = row.clone();
    other_token.token_id = id(2);
    assert_eq!(store.claim_idempotency(&other_token).await.unwrap(), Claim::New);
    assert_eq!(store.claim_idempotency(&idempotency(ours, "Key")).await.unwrap(), Claim::New);
}

async fn of_many_claims_at_once_one_is_new(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let attempts = (0..10).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.claim_idempotency(&idempotency(ours, "key")).await.unwrap() })
    });
    let mut new = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        new += u32::from(attempt.await.unwrap() == Claim::New);
    }
    assert_eq!(new, 1);
}

async fn an_answer_is_kept_and_a_claim_given_back(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let row = idempotency(ours, "key");
    let claim = async || store.claim_idempotency(&row).await.unwrap();
    assert_eq!(claim().await, Claim::New);
    store.release_idempotency(ours, id(1), "key", NOW).await.unwrap();
    assert_eq!(claim().await, Claim::New);
    store.finish_idempotency(ours, id(1), "key", 201, &[0, 255]).await.unwrap();
    let kept = IdempotencyRow { answer: Some((201, vec![0, 255])), ..row.clone() };
    assert_eq!(claim().await, Claim::Existing(kept.clone()));
    // An answer stays: it is neither replaced nor given back.
    store.finish_idempotency(ours, id(1), "key", 500, b"other").await.unwrap();
    store.release_idempotency(ours, id(1), "key", NOW).await.unwrap();
    assert_eq!(claim().await, Claim::Existing(kept));
    // A key that nobody claimed is none of anybody's business.
    store.finish_idempotency(ours, id(1), "none", 200, b"").await.unwrap();
    store.release_idempotency(ours, id(1), "none", NOW).await.unwrap();
    assert_eq!(store.claim_idempotency(&idempotency(ours, "none")).await.unwrap(), Claim::New);
    store.finish_idempotency(ours, id(1), "none", 204, b"").await.unwrap();
    let empty = IdempotencyRow { answer: Some((204, Vec::new())), ..idempotency(ours, "none") };
    assert_eq!(store.claim_idempotency(&idempotency(ours, "none")).await.unwrap(), Claim::Existing(empty));
}

async fn of_many_who_take_a_claim_over_one_succeeds(store: &Store) {
    let (ours, _) = two_environments(store).await;
    assert_eq!(store.claim_idempotency(&idempotency(ours, "key")).await.unwrap(), Claim::New);
    let later = |age| IdempotencyRow { created_at: NOW.plus_ms(age), ..idempotency(ours, "key") };
    let attempts = (1..=10).map(|age| {
        let (store, row) = (store.clone(), later(age));
        tokio::spawn(async move {
            store.release_idempotency(ours, id(1), "key", NOW).await.unwrap();
            store.claim_idempotency(&row).await.unwrap()
        })
    });
    let mut new = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        new += u32::from(attempt.await.unwrap() == Claim::New);
    }
    assert_eq!(new, 1);
    // Whoever held the key before gives back nothing that is somebody else's now.
    let Claim::Existing(held) = store.claim_idempotency(&later(11)).await.unwrap() else { panic!("the key is held") };
    store.release_idempotency(ours, id(1), "key", NOW).await.unwrap();
    assert_eq!(store.claim_idempotency(&later(11)).await.unwrap(), Claim::Existing(held.clone()));
    store.release_idempotency(ours, id(1), "key", held.created_at).await.unwrap();
    assert_eq!(store.claim_idempotency(&later(11)).await.unwrap(), Claim::New);
}

async fn old_idempotency_keys_are_forgotten(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    for (environment, age) in [(ours, 0), (ours, 10), (theirs, 20), (theirs, 30)] {
        let mut row = idempotency(environment, &format!("key {age}"));
        row.created_at = NOW.plus_ms(age);
        assert_eq!(store.claim_idempotency(&row).await.unwrap(), Claim::New);
    }
    assert_eq!(store.prune_idempotency(NOW.plus_ms(20)).await.unwrap(), 2);
    assert_eq!(store.prune_idempotency(NOW.plus_ms(20)).await.unwrap(), 0);
    assert_eq!(store.claim_idempotency(&idempotency(ours, "key 0")).await.unwrap(), Claim::New);
    assert!(matches!(store.claim_idempotency(&idempotency(theirs, "key 20")).await.unwrap(), Claim::Existing(_)));
}

/// Every function that takes an environment sees nothing of, and changes nothing in, another one.
async fn nothing_crosses_environments(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    store.insert_account(&account(theirs, 1), &audit(theirs, 1)).await.unwrap();
    store.insert_token(&token(theirs, 1), None).await.unwrap();
    store.put_environment_override(&environment_override(theirs), &audit(theirs, 2)).await.unwrap();
    let claim = idempotency(theirs, "key");
    assert_eq!(store.claim_idempotency(&claim).await.unwrap(), Claim::New);

    assert_eq!(store.find_account(ours, id(1)).await.unwrap(), None);
    assert_eq!(store.list_accounts(ours, None, None, None, 10).await.unwrap(), []);
    assert_eq!(store.list_accounts(ours, None, Some("1password"), None, 10).await.unwrap(), []);
    assert_eq!(store.list_accounts(ours, None, None, Some("tenant 1"), 10).await.unwrap(), []);
    assert_eq!(store.list_accounts(ours, None, Some("1password"), Some("tenant 1"), 10).await.unwrap(), []);
    let mut taken_over = account(ours, 1);
    taken_over.version = 2;
    assert!(matches!(store.update_account(&taken_over, 1, &audit(ours, 3)).await, Err(StoreError::Stale)));
    assert!(!store.delete_account(ours, id(1), &audit(ours, 3)).await.unwrap());
    assert_eq!(store.list_tokens(ours, None, 10).await.unwrap(), []);
    let revoked = store.revoke_token(ours, token_id(1), NOW, Revocable::AllButLastOperator, &audit(ours, 3)).await;
    assert_eq!(revoked.unwrap(), Revocation::Missing);
    assert_eq!(store.find_environment_override(ours, "1password").await.unwrap(), None);
    let narrowed = [
        AuditQuery { account_id: Some(id(4)), limit: 10, ..AuditQuery::default() },
        AuditQuery { action: Some("users.suspend".to_owned()), limit: 10, ..AuditQuery::default() },
        AuditQuery { request_id: Some(request_id(1)), limit: 10, ..AuditQuery::default() },
        AuditQuery { limit: 10, ..AuditQuery::default() },
    ];
    for query in narrowed {
        assert_eq!(store.list_audit(ours, &query).await.unwrap(), []);
    }
    store.finish_idempotency(ours, id(1), "key", 200, b"").await.unwrap();
    store.release_idempotency(ours, id(1), "key", NOW).await.unwrap();
    assert_eq!(store.claim_idempotency(&idempotency(ours, "key")).await.unwrap(), Claim::New);

    assert_eq!(store.find_account(theirs, id(1)).await.unwrap(), Some(account(theirs, 1)));
    assert_eq!(store.list_tokens(theirs, None, 10).await.unwrap(), [token(theirs, 1)]);
    assert_eq!(store.claim_idempotency(&claim).await.unwrap(), Claim::Existing(claim));
    assert_eq!(audit_ids(store, theirs).await, [2, 1]);

    // The same id may stand in two environments and means two things.
    store.insert_account(&account(ours, 1), &audit(ours, 5)).await.unwrap();
    assert!(store.delete_account(ours, id(1), &audit(ours, 6)).await.unwrap());
    assert_eq!(store.find_account(theirs, id(1)).await.unwrap(), Some(account(theirs, 1)));
}

async fn rows_of_no_environment_are_refused(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let nowhere: EnvironmentId = id(3);
    let refused = |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::Database { .. })));
    refused(store.insert_account(&account(nowhere, 1), &audit(ours, 1)).await);
    refused(store.insert_accounts_bulk(&[account(nowhere, 1)]).await);
    refused(store.insert_token(&token(nowhere, 1), None).await);
    refused(store.put_environment_override(&environment_override(nowhere), &audit(ours, 1)).await);
    refused(store.claim_idempotency(&idempotency(nowhere, "key")).await.map(|_| ()));
    assert_eq!(audit_ids(store, ours).await, NONE);
}

async fn the_extremes_of_columns_survive(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let mut row = account(ours, 1);
    row.created_at = quartermaster_types::Timestamp::from_unix_ms(i64::MIN);
    row.updated_at = quartermaster_types::Timestamp::from_unix_ms(i64::MAX);
    row.version = i64::MAX;
    row.credential_version = i64::MIN;
    row.tenant_id = String::from("\u{10FFFF}' OR 1=1; --\n\t\\");
    row.connection = format!(r#"{{"long":"{}"}}"#, "x".repeat(100_000));
    row.sealed_credentials = vec![0; 100_000];
    let mut record = audit(ours, 1);
    record.upstream_calls = u32::MAX;
    record.duration_ms = u32::MAX;
    record.arguments = Some(format!("\"{}\"", "é".repeat(20_000)));
    record.target = Some(String::new());
    store.insert_account(&row, &record).await.unwrap();
    assert_eq!(store.find_account(ours, id(1)).await.unwrap(), Some(row));
    record.id = id(2);
    store.append_audit(&[record.clone()]).await.unwrap();
    let records = store.list_audit(ours, &AuditQuery { limit: 2, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(records[0], read_back(&record));
    record.id = id(1);
    assert_eq!(records[1], read_back(&record));
}

async fn a_closed_store_fails_and_does_not_hang(store: &Store) {
    let (ours, _) = two_environments(store).await;
    store.close().await;
    store.close().await;
    assert!(matches!(store.ping().await, Err(StoreError::Database { .. })));
    assert!(matches!(store.append_audit(&[audit(ours, 1)]).await, Err(StoreError::Database { .. })));
    assert!(matches!(store.find_account(ours, id(1)).await, Err(StoreError::Database { .. })));
}

/// The record that a row is read back as.
fn read_back(row: &AuditRow) -> AuditRecord {
    let value = |text: &Option<String>| {
        text.as_ref().map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())))
    };
    AuditRecord {
        id: row.id,
        at: row.at,
        request_id: row.request_id,
        token_id: row.token_id,
        session: row.session.clone(),
        door: row.door.to_owned(),
        action: row.action.clone(),
        account_id: row.account_id,
        target: row.target.clone(),
        arguments: value(&row.arguments),
        before: value(&row.before),
        after: value(&row.after),
        decision: value(&row.decision),
        outcome: row.outcome,
        code: row.code.map(str::to_owned),
        upstream_calls: row.upstream_calls,
        duration_ms: row.duration_ms,
    }
}

/// The numbers of the newest records of an environment.
async fn audit_ids(store: &Store, environment: EnvironmentId) -> Vec<u64> {
    let records = store.list_audit(environment, &AuditQuery { limit: 20, ..AuditQuery::default() }).await.unwrap();
    let number = |id| (1..=100).find(|number| audit_id(*number) == id).unwrap();
    records.iter().map(|record| number(record.id)).collect()
}

async fn policies_are_kept_version_by_version(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    assert_eq!(store.find_policy(ours, None).await.unwrap(), None);
    for version in 1..=3 {
        store.insert_policy(&policy(ours, version), &audit(ours, version as u64)).await.unwrap();
    }
    assert_eq!(store.find_policy(ours, None).await.unwrap(), Some(policy(ours, 3)));
    assert_eq!(store.find_policy(ours, Some(1)).await.unwrap(), Some(policy(ours, 1)));
    assert_eq!(store.find_policy(ours, Some(4)).await.unwrap(), None);
    assert_eq!(store.list_policies(ours, None, 2).await.unwrap(), [policy(ours, 3), policy(ours, 2)]);
    assert_eq!(store.list_policies(ours, Some(2), 2).await.unwrap(), [policy(ours, 1)]);
    assert_eq!(store.find_policy(theirs, None).await.unwrap(), None);
    assert_eq!(store.list_policies(theirs, None, 2).await.unwrap(), []);
}

async fn of_two_policies_of_one_version_the_first_stays(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let second = PolicyRow { document: "other".to_owned(), ..policy(ours, 1) };
    store.insert_policy(&policy(ours, 1), &audit(ours, 1)).await.unwrap();
    assert!(matches!(store.insert_policy(&second, &audit(ours, 2)).await, Err(StoreError::Stale)));
    assert_eq!(store.find_policy(ours, None).await.unwrap(), Some(policy(ours, 1)));
    let records = store.list_audit(ours, &AuditQuery { limit: 9, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(records.len(), 1, "what was not set leaves no record");
}
