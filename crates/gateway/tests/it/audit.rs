//! The audit log: every call and every change, durable for writes, refusing writes when it cannot be written.

use quartermaster_gateway::{AuditFilter, PageQuery};
use quartermaster_store_model::{Narrowing, Outcome, Role};
use quartermaster_types::Code;
use serde_json::json;

use crate::house::{House, LIST, SUSPEND, gateway};

#[tokio::test]
async fn the_record_of_a_write_is_there_before_its_answer() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap();
    let filter = AuditFilter { action: Some("users.suspend".to_owned()), ..AuditFilter::default() };
    let page = house.gateway.list_audit(&house.admin, &PageQuery::default(), &filter).await.unwrap();
    assert_eq!(page.result.len(), 1, "no waiting in between");
}

#[tokio::test]
async fn shutdown_writes_what_is_queued() {
    let house = House::new().await;
    let account = house.account().await;
    for _ in 0..250 {
        house.tool(&house.admin, account, LIST, json!({"limit": 1})).await.unwrap();
    }
    house.gateway.shutdown().await;
    let store = quartermaster_store::Store::open_sqlite(&house.database).await.unwrap();
    let reopened = gateway(&house.simulator, &store, &house.clock);
    let mut records = 0;
    let mut page = PageQuery { limit: Some(200), next_cursor: None };
    let filter = AuditFilter { action: Some("users.list".to_owned()), ..AuditFilter::default() };
    loop {
        let answer = reopened.list_audit(&house.admin, &page, &filter).await.unwrap();
        records += answer.result_count;
        match answer.next_cursor {
            Some(cursor) => page.next_cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(records, 250);
}

#[tokio::test]
async fn refusals_are_recorded_with_their_code_and_sessions_and_requests_are_named() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let mut request = house.tool_request(account, SUSPEND, json!({"id": "A".repeat(26)}));
    request.session = Some("run-7".to_owned());
    let request_id = request.request_id;
    house.gateway.call(&agent, request).await.unwrap_err();
    let filter = AuditFilter { request_id: Some(request_id), ..AuditFilter::default() };
    let records = house.audit(filter).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].session.as_deref(), Some("run-7"));
    assert_eq!((records[0].outcome, records[0].code.as_deref()), (Outcome::Refused, Some("ungrounded_id")));
    assert_eq!(records[0].target.as_deref(), Some("A".repeat(26).as_str()));
}

#[tokio::test]
async fn a_secret_in_an_argument_is_scrubbed() {
    let house = House::new().await;
    let account = house.account().await;
    let secret = house.simulator.client_secret().to_owned();
    let arguments = json!({"display_name_contains": secret, "limit": 1});
    house.tool(&house.admin, account, LIST, arguments).await.unwrap();
    let records = house.audit(AuditFilter { action: Some("users.list".to_owned()), ..AuditFilter::default() }).await;
    let text = serde_json::to_string(&records).unwrap();
    assert!(!text.contains(&secret) && text.contains("[secret]"), "{text}");
}

#[tokio::test]
async fn writes_are_refused_and_reads_go_on_while_records_cannot_be_written() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    let other = house.find(&agent, account, "j.doe@company.com").await;
    tokio::time::sleep(quartermaster_gateway::limits::AUDIT_GATHER * 3).await;
    house.store.close().await;

    // The first write finds out; it says so, and that the change was made.
    let problem = house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap_err();
    assert_eq!(problem.code(), Code::Internal);
    assert!(problem.body().hint.as_ref().unwrap().contains("read the state"), "{problem:?}");
    let sent = house.sent().suspend;
    let problem = house.tool(&agent, account, SUSPEND, json!({"id": other})).await.unwrap_err();
    assert_eq!(problem.code(), Code::Unavailable);
    assert_eq!(house.sent().suspend, sent, "nothing was sent");
    house.tool(&agent, account, LIST, json!({"limit": 1})).await.unwrap();
    assert!(house.gateway.metrics().contains("qm_audit_healthy 0"));
    assert_eq!(house.gateway.ready().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_token_narrowed_to_accounts_reads_the_log_account_by_account() {
    let house = House::new().await;
    let own = house.account().await;
    let other = house.account().await;
    let narrowing = Narrowing { accounts: Some(vec![own]), ..Narrowing::default() };
    let (auditor, _) = house.token(Role::Auditor, narrowing).await;
    let page = PageQuery::default();
    let read = |account| {
        let (house, auditor, page) = (&house, &auditor, &page);
        async move {
            let filter = AuditFilter { account_id: account, ..AuditFilter::default() };
            house.gateway.list_audit(auditor, page, &filter).await
        }
    };
    assert_eq!(read(Some(own)).await.unwrap().result_count, 1);
    assert_eq!(read(Some(other)).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(read(None).await.unwrap_err().code(), Code::PermissionDenied);
}
