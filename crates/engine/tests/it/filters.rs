//! Local filters and `fields`.

use quartermaster_definition::plan::PageStyle;
use quartermaster_engine::ListOptions;
use serde_json::{Value, json};

use crate::plans::{paged, pages};
use crate::upstream::{Reply, Upstream};
use crate::world::{World, ids, limit, people, records};

/// Ten people in pages of at most three.
async fn world() -> (World, Upstream) {
    let upstream = Upstream::start(|_, seen| {
        let from: u32 = seen.query_value("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let to = (from + seen.query_value("size").unwrap().parse::<u32>().unwrap()).min(10);
        let next = if to < 10 { format!(r#","next":"{to}""#) } else { String::new() };
        Reply::json(200, &format!(r#"{{"results":[{}]{next}}}"#, people(from..to)))
    })
    .await;
    let style = PageStyle::CursorQuery { send: "cursor".to_owned(), read: "/next".to_owned() };
    (World::new(paged(&upstream.base_url(), pages(style)), upstream.address), upstream)
}

#[tokio::test]
async fn equality_folds_case_and_reads_to_the_end_in_the_largest_pages() {
    let (world, upstream) = world().await;
    let answer = world.list(json!({"email": "p8@ACME.TEST"}), ListOptions::default()).await;
    assert_eq!(ids(&answer), ["8"]);
    assert_eq!((answer.scanned, answer.is_partial, answer.next), (Some(10), false, None));
    assert_eq!(
        upstream.targets(),
        ["/users?size=3", "/users?size=3&cursor=3", "/users?size=3&cursor=6", "/users?size=3&cursor=9"]
    );
}

#[tokio::test]
async fn a_limit_stops_the_scan_within_a_page_and_resuming_misses_nothing() {
    let (world, _) = world().await;
    let mut found = Vec::new();
    let mut cursor = None;
    let mut scanned = 0;
    loop {
        let options = ListOptions { limit: Some(1), cursor, fields: None };
        let answer = world.list(json!({"email_ends_with": "@acme.test"}), options).await;
        found.extend(ids(&answer));
        scanned += answer.scanned.unwrap();
        cursor = answer.next;
        if cursor.is_none() {
            break;
        }
        assert_eq!(answer.count, 1);
    }
    assert_eq!(found, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(scanned, 10, "no record is looked at twice");
}

#[tokio::test]
async fn nobody_is_an_empty_list_and_not_partial() {
    let (world, _) = world().await;
    let answer = world.list(json!({"email": "nobody@acme.test"}), limit(5)).await;
    assert_eq!((answer.count, answer.scanned, answer.is_partial), (0, Some(10), false));
    assert!(answer.pieces.is_empty());
}

#[tokio::test]
async fn every_comparison_reads_escapes_and_skips_what_is_not_text() {
    let page = r#"{"results":[{"id":"a","name":"Åse \"Q\" \u00c5berg","email":null},{"id":"b","name":"ÅSE"},{"id":"c"},{"id":7,"name":"Bo"}]}"#;
    let upstream = Upstream::start(move |_, _| Reply::json(200, page)).await;
    let world = World::new(crate::plans::plan(&upstream.base_url()), upstream.address);
    let find = async |arguments: Value| ids(&world.list(arguments, ListOptions::default()).await);
    assert_eq!(find(json!({"name_contains": "\"q\" å"})).await, ["a"]);
    assert_eq!(find(json!({"name_starts_with": "åse"})).await, ["a", "b"]);
    assert_eq!(find(json!({"name_starts_with": "åse", "name_contains": "berg"})).await, ["a"]);
    assert_eq!(find(json!({"name_contains": "bo"})).await, ["7"]);
    assert_eq!(find(json!({"email": "x"})).await, [""; 0]);
    assert_eq!(world.list(json!({"email": null}), ListOptions::default()).await.count, 4, "a null filter is none");
}

#[tokio::test]
async fn fields_keep_only_what_is_asked_for() {
    let page = r#"{"results":[ {"id":"a","name":"A","nested":{"x":[1,2]}} , {"name":"B","id":"b"} ,{"id":"c"}]}"#;
    let upstream = Upstream::start(move |_, _| Reply::json(200, page)).await;
    let world = World::new(crate::plans::plan(&upstream.base_url()), upstream.address);
    let fields = Some(vec!["nested".to_owned(), "name".to_owned(), "absent".to_owned()]);
    let answer = world.list(json!({}), ListOptions { fields, ..limit(10) }).await;
    assert_eq!(records(&answer), [json!({"name": "A", "nested": {"x": [1, 2]}}), json!({"name": "B"}), json!({})]);
    assert_eq!(ids(&answer), ["a", "b", "c"], "the ledger still learns the ids");
    assert_eq!(answer.scanned, None);
}

#[tokio::test]
async fn without_filters_and_fields_records_are_the_upstreams_own_bytes() {
    let page = r#"{"results": [ {"id" : "a\u0041",  "n": 1.50e3} ,{"id":"b"}  ], "x": 1}"#;
    let upstream = Upstream::start(move |_, _| Reply::json(200, page)).await;
    let world = World::new(crate::plans::plan(&upstream.base_url()), upstream.address);
    let whole = world.list(json!({}), ListOptions::default()).await;
    assert_eq!(&whole.pieces[0][..], br#"{"id" : "a\u0041",  "n": 1.50e3} ,{"id":"b"}"#);
    assert_eq!(ids(&whole), ["aA", "b"]);
    let first = world.list(json!({}), limit(1)).await;
    assert_eq!(&first.pieces[0][..], br#"{"id" : "a\u0041",  "n": 1.50e3}"#);
}
