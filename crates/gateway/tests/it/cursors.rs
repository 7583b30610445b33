//! Cursors are ours: altered, foreign or for other filters, they are refused.

use quartermaster_gateway::PageQuery;
use quartermaster_types::{Code, Problem};
use serde_json::{Value, json};

use crate::house::{House, LIST};

fn assert_refused(problem: Problem) {
    assert_eq!(problem.code(), Code::InvalidArgument);
    assert_eq!(problem.status(), 400);
    assert_eq!(problem.body().errors[0].pointer, "/next_cursor");
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end_without_gap_or_repeat() {
    let house = House::new().await;
    let account = house.account().await;
    let mut seen = std::collections::HashSet::new();
    let mut cursor = Value::Null;
    loop {
        let mut arguments = json!({"limit": 130});
        if !cursor.is_null() {
            arguments["next_cursor"] = cursor;
        }
        let page = house.proxy(&house.admin, account, "list", arguments).await.unwrap();
        for person in page["result"].as_array().unwrap() {
            assert!(seen.insert(person["id"].as_str().unwrap().to_owned()), "nobody comes twice");
        }
        assert_eq!(page["prev_cursor"], Value::Null);
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen.len(), 1199, "everybody but the hidden one");
}

#[tokio::test]
async fn altered_and_foreign_cursors_are_refused() {
    let house = House::new().await;
    let account = house.account().await;
    let other_account = house.account().await;
    let page = house.tool(&house.admin, account, LIST, json!({"limit": 5, "state": "ACTIVE"})).await.unwrap();
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    let with = |account, cursor: String, state: &'static str| {
        let house = &house;
        async move {
            let arguments = json!({"limit": 7, "state": state, "next_cursor": cursor});
            house.tool(&house.admin, account, LIST, arguments).await
        }
    };
    with(account, cursor.clone(), "ACTIVE").await.expect("another limit is fine");
    assert_refused(with(other_account, cursor.clone(), "ACTIVE").await.unwrap_err());
    assert_refused(with(account, cursor.clone(), "SUSPENDED").await.unwrap_err());
    let sent = house.sent().list;
    for place in 0..cursor.len() {
        let mut altered = cursor.clone().into_bytes();
        altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_refused(with(account, altered, "ACTIVE").await.unwrap_err());
    }
    assert_refused(with(account, "not a cursor".to_owned(), "ACTIVE").await.unwrap_err());
    assert_eq!(house.sent().list, sent);
}

#[tokio::test]
async fn cursors_of_configuration_lists_are_bound_to_their_list() {
    let house = House::new().await;
    house.account().await;
    house.account().await;
    let first = PageQuery { limit: Some(1), next_cursor: None };
    let page = house.gateway.list_accounts(&house.admin, &first, None, None).await.unwrap();
    let next = PageQuery { limit: Some(1), next_cursor: page.next_cursor };
    assert!(next.next_cursor.is_some());
    let second = house.gateway.list_accounts(&house.admin, &next, None, None).await.unwrap();
    assert_ne!(second.result[0].id, page.result[0].id);
    assert_eq!(second.next_cursor, None);

    assert_refused(house.gateway.list_accounts(&house.admin, &next, Some("1password"), None).await.unwrap_err());
    assert_refused(house.gateway.list_tokens(&house.admin, &next).await.unwrap_err());
    for limit in [0, -1, 201, 1_000_000_000] {
        let page = PageQuery { limit: Some(limit), next_cursor: None };
        let problem = house.gateway.list_accounts(&house.admin, &page, None, None).await.unwrap_err();
        assert_eq!((problem.status(), problem.body().errors[0].pointer.as_str()), (400, "/limit"));
    }
    let most = PageQuery { limit: Some(200), next_cursor: None };
    assert_eq!(house.gateway.list_accounts(&house.admin, &most, None, None).await.unwrap().result_count, 2);
}
