//! Pages of lists.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use super::{any_value, parsed, written};

fn query<'p>(items: &'p str, id: Option<&'p str>, others: &'p [&'p str]) -> ListQuery<'p> {
    ListQuery { items, id, others, item_ranges: true }
}

fn id_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

proptest! {
    #[test]
    fn a_page_is_read_as_serde_json_reads_it(
        items in prop::collection::vec(any_value(), 0..6),
        rest in any_value(),
        layout: u8,
        id in prop::sample::select(vec!["/a", "/a/b", "/0", "", "/b/c/a"]),
        order: bool,
    ) {
        let page = if order { json!({"items": items, "rest": rest}) } else { json!({"rest": rest, "items": items}) };
        let text = written(&page, layout);
        let others = ["/rest", "/rest/a", "/items/1/a", "/items", ""];
        let scan = scan_list(text.as_bytes(), &query("/items", Some(id), &others)).unwrap();
        prop_assert_eq!(scan.count as usize, items.len());
        let inner = slice(text.as_bytes(), scan.items.as_ref().unwrap());
        prop_assert_eq!(inner.trim_ascii(), inner);
        prop_assert_eq!(parsed(&[b"[", inner, b"]"].concat()), Value::from(items.clone()));
        prop_assert_eq!(scan.item_ranges.len(), items.len());
        prop_assert_eq!(scan.ids.len(), items.len());
        for ((item, range), found) in items.iter().zip(&scan.item_ranges).zip(&scan.ids) {
            prop_assert_eq!(&parsed(slice(text.as_bytes(), range)), item);
            let wanted = id_of(item.pointer(id));
            let number = item.pointer(id).is_some_and(Value::is_number);
            let text = found.text(text.as_bytes());
            if number {
                prop_assert_eq!(parsed(text.unwrap().as_bytes()).as_f64(), item.pointer(id).unwrap().as_f64());
            } else {
                prop_assert_eq!(text.as_deref(), wanted.as_deref());
            }
        }
        for (pointer, range) in others.iter().zip(&scan.others) {
            let raw = range.as_ref().map(|range| parsed(slice(text.as_bytes(), range)));
            prop_assert_eq!(raw.as_ref(), page.pointer(pointer));
        }
    }
}

#[test]
fn a_page_tells_its_items_ids_and_cursor() {
    let page = br#" {"results": [ {"id":"A","x":1}, {"id":"B\u0042"},{"id":7},{"id":null},5 ] ,"next":"abc"} "#;
    let scan = scan_list(page, &query("/results", Some("/id"), &["/next", "/total"])).unwrap();
    assert_eq!(scan.count, 5);
    let ids: Vec<_> = scan.ids.iter().map(|id| id.text(page)).collect();
    assert_eq!(ids, [Some("A".into()), Some("BB".into()), Some("7".into()), None, None]);
    assert_eq!(scan.ids[1].raw(page), Some(br"B\u0042".as_slice()));
    assert_eq!(scan.ids.iter().map(IdText::is_escaped).collect::<Vec<_>>(), [false, true, false, false, false]);
    assert_eq!(scan.ids[0].range(), Some(22..23));
    assert_eq!(scan.ids[3].range(), None);
    assert_eq!(scan.others[0].as_ref().map(|range| slice(page, range)), Some(br#""abc""#.as_slice()));
    assert_eq!(scan.others[1], None);
    assert_eq!(slice(page, &scan.item_ranges[4]), b"5");
}

#[test]
fn ranges_and_ids_come_only_when_asked_for() {
    let page = br#"[{"id":"A"},{"id":"B"}]"#;
    let plain = ListQuery { items: "", id: None, others: &[], item_ranges: false };
    let scan = scan_list(page, &plain).unwrap();
    assert_eq!((scan.count, scan.ids.len(), scan.item_ranges.len()), (2, 0, 0));
    assert_eq!(slice(page, &scan.items.unwrap()), br#"{"id":"A"},{"id":"B"}"#);
}

#[test]
fn no_items_null_items_and_other_kinds_are_told_apart() {
    let scan = |page: &str| scan_list(page.as_bytes(), &query("/results", Some("/id"), &[]));
    assert_eq!(scan("{}").unwrap().items, None);
    assert_eq!(scan(r#"{"results":null}"#).unwrap().items, None);
    let empty = scan(r#"{"results":[ ]}"#).unwrap();
    assert!(empty.items.is_some_and(|range| range.is_empty()));
    assert_eq!(empty.count, 0);
    for other in ["{}", "\"x\"", "1", "true"] {
        let page = format!(r#"{{"results":{other}}}"#);
        assert_eq!(scan(&page), Err(JsonError::NotAList { at: 11 }));
    }
}

#[test]
fn of_two_lists_with_one_name_the_last_counts() {
    let page = br#"{"r":[{"id":"A"},{"id":"B"}],"r":[{"id":"C","id":"D"}]}"#;
    let scan = scan_list(page, &query("/r", Some("/id"), &[])).unwrap();
    assert_eq!(scan.count, 1);
    assert_eq!(scan.item_ranges.len(), 1);
    assert_eq!(scan.ids.iter().map(|id| id.text(page).unwrap()).collect::<Vec<_>>(), ["D"]);
}

#[test]
fn an_id_pointer_that_is_none_finds_no_ids() {
    let page = br#"[{"id":"A"},{"id":"B"}]"#;
    let scan = scan_list(page, &query("", Some("no_pointer"), &[])).unwrap();
    assert_eq!(scan.ids, [IdText::default(); 2]);
}
