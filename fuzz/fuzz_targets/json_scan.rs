//! The JSON reader of any bytes: it takes what `serde_json` takes and finds what `serde_json` finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quartermaster_engine::json::{ListQuery, find_one, scan_list, slice, text, validate};
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let parsed: Result<Value, serde_json::Error> = serde_json::from_slice(body);
    let valid = validate(body);
    match &parsed {
        Ok(_) => assert!(valid.is_ok(), "{valid:?}"),
        // Numbers are checked for form only.
        Err(error) if valid.is_ok() => assert!(error.to_string().contains("number out of range"), "{error}"),
        Err(_) => {}
    }
    let query = ListQuery { items: "/result", id: Some("/id"), others: &["/next"], item_ranges: true };
    let scan = scan_list(body, &query);
    let (Ok(value), Ok(())) = (parsed, valid) else {
        assert!(scan.is_err() || validate(body).is_ok(), "a body that is not valid is never read as a list");
        return;
    };
    let found = find_one(body, "/next").expect("a valid body can be searched");
    assert_eq!(found.map(reparsed), value.pointer("/next").cloned());
    match value.pointer("/result") {
        Some(Value::Array(items)) => {
            let scan = scan.expect("an array of items can be read");
            assert_eq!(scan.count as usize, items.len());
            for ((range, id), item) in scan.item_ranges.iter().zip(&scan.ids).zip(items) {
                assert_eq!(&reparsed(slice(body, range)), item);
                match item.get("id") {
                    Some(Value::String(expected)) => assert_eq!(id.text(body).as_deref(), Some(expected.as_str())),
                    Some(Value::Number(_)) => assert!(id.text(body).is_some()),
                    _ => assert_eq!(id.text(body), None),
                }
            }
        }
        Some(Value::Null) | None => assert_eq!(scan.expect("no items are no fault").count, 0),
        Some(_) => assert!(scan.is_err()),
    }
    if let Value::String(expected) = &value {
        let raw = find_one(body, "").expect("valid").expect("the whole is there");
        assert_eq!(text(raw).as_deref(), Some(expected.as_str()));
    }
});

fn reparsed(raw: &[u8]) -> Value {
    serde_json::from_slice(raw).expect("a slice of a valid body is valid")
}
