//! Answers cut to what a model is shown. What was left out is said, with the way to get it.
//!
//! Cutting is the same whether it is done once or twice, so that the journal may keep what is left instead of the whole.

use serde_json::{Map, Value, json};

use crate::limits::{SHORT_DEPTH, SHORT_LIST_ITEMS, SHORT_TEXT_CHARACTERS};

/// Bytes that are kept free for what is said about the rest.
const RESERVE: usize = 200;
/// Names of members that are told as left out.
const NAMES_TOLD_MAX: usize = 20;
/// Members of an answer that a model needs to go on, besides the records.
const LIST_MEMBERS: [&str; 7] =
    ["next_cursor", "scanned", "is_partial", "stopped_because", "absent_fields", "present_fields", "changed"];

/// The answer of the tool door within `most` bytes of JSON.
///
/// Of a list, the first records stay; `left_out` counts the others, and the cursor goes, for it would lead past them. Of one
/// record, long texts and lists are shortened, then members left out.
pub(crate) fn keep(mut answer: Value, most: usize) -> Value {
    if let Some(members) = answer.as_object_mut() {
        members.shift_remove("prev_cursor");
        if members.get("next_cursor") == Some(&Value::Null) {
            members.shift_remove("next_cursor");
        }
        members.shift_remove("result_count");
    }
    if length(&answer) <= most {
        return answer;
    }
    let cut = match answer {
        Value::Object(mut members) => match members.shift_remove("result") {
            Some(Value::Array(records)) => list(members, records, most),
            Some(record) => single(members, &record, most),
            None => shortened(&Value::Object(members), most),
        },
        other => shortened(&other, most),
    };
    if length(&cut) <= most { cut } else { json!({"left_out_bytes": length(&cut)}) }
}

fn list(mut rest: Map<String, Value>, records: Vec<Value>, most: usize) -> Value {
    rest.retain(|name, _| LIST_MEMBERS.contains(&name.as_str()) && name != "next_cursor" || name == "left_out");
    let before = rest.shift_remove("left_out").and_then(|count| count.as_u64()).unwrap_or_default();
    if length(&rest) > most / 4 {
        rest.retain(|_, value| !value.is_array());
    }
    let room = most.saturating_sub(length(&rest) + RESERVE);
    let total = records.len();
    let (mut kept, mut used) = (Vec::new(), 0);
    for record in records {
        let size = length(&record) + 1;
        if used + size > room {
            if kept.is_empty() {
                kept.push(shortened(&record, room));
            }
            break;
        }
        used += size;
        kept.push(record);
    }
    let left_out = before + (total - kept.len()) as u64;
    let mut answer = Map::from_iter([("result".to_owned(), Value::Array(kept))]);
    answer.extend(rest);
    if left_out > 0 {
        answer.insert("left_out".to_owned(), json!(left_out));
    }
    Value::Object(answer)
}

fn single(mut rest: Map<String, Value>, record: &Value, most: usize) -> Value {
    if length(&rest) > most / 4 {
        rest.retain(|name, _| name == "changed");
    }
    let room = most.saturating_sub(length(&rest) + RESERVE);
    let mut answer = Map::from_iter([("result".to_owned(), shortened(record, room))]);
    answer.extend(rest);
    Value::Object(answer)
}

/// A value within `most` bytes.
fn shortened(value: &Value, most: usize) -> Value {
    let short = short(value, SHORT_DEPTH);
    if length(&short) <= most {
        return short;
    }
    let Value::Object(members) = short else {
        return json!({"left_out_bytes": length(value)});
    };
    let (mut kept, mut left_out, mut used) = (Map::new(), Vec::new(), 0);
    let room = most.saturating_sub(RESERVE);
    for (name, value) in members {
        let size = name.len() + length(&value) + 4;
        let is_small = !value.is_object() && !value.is_array();
        if is_small && used + size <= room {
            used += size;
            kept.insert(name, value);
        } else if left_out.len() < NAMES_TOLD_MAX && used + name.len() + 4 <= room {
            used += name.len() + 4;
            left_out.push(name);
        }
    }
    kept.insert("members_left_out".to_owned(), json!(left_out));
    Value::Object(kept)
}

fn short(value: &Value, depth: usize) -> Value {
    match value {
        Value::String(text) => {
            let mut rest = text.char_indices().skip(SHORT_TEXT_CHARACTERS);
            match rest.next() {
                // One that was shortened already is hardly longer than it may be.
                Some((end, _)) if rest.count() > 40 => {
                    let more = text.chars().count() - SHORT_TEXT_CHARACTERS;
                    json!(format!("{}… ({more} more characters)", &text[..end]))
                }
                _ => value.clone(),
            }
        }
        Value::Array(_) | Value::Object(_) if depth == 0 => json!("…"),
        Value::Array(items) => {
            let mut kept: Vec<Value> = items.iter().take(SHORT_LIST_ITEMS).map(|item| short(item, depth - 1)).collect();
            if items.len() > SHORT_LIST_ITEMS + 1 {
                kept.push(json!(format!("… ({} more)", items.len() - SHORT_LIST_ITEMS)));
            } else {
                kept.extend(items.get(SHORT_LIST_ITEMS).map(|item| short(item, depth - 1)));
            }
            Value::Array(kept)
        }
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), short(value, depth - 1))).collect())
        }
        other => other.clone(),
    }
}

fn length(value: &impl serde::Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::{BYTES_PER_TOKEN, RESULT_TOKENS_MIN};

    const MOST: usize = RESULT_TOKENS_MIN as usize * BYTES_PER_TOKEN;

    fn people(count: usize) -> Value {
        let records: Vec<Value> =
            (0..count).map(|n| json!({"id": format!("ID{n:06}"), "email": format!("p{n}@x.com")})).collect();
        json!({"result": records, "next_cursor": "c", "prev_cursor": null, "result_count": count})
    }

    #[test]
    fn a_list_that_fits_stays_and_one_that_does_not_says_what_is_left_out() {
        let fits = keep(people(10), MOST);
        assert_eq!((fits["result"].as_array().unwrap().len(), fits["next_cursor"].as_str()), (10, Some("c")));
        assert!(fits.get("left_out").is_none());
        let cut = keep(people(500), MOST);
        let shown = cut["result"].as_array().unwrap().len();
        assert!(shown > 10 && length(&cut) <= MOST, "{shown}");
        assert_eq!(cut["left_out"], 500 - shown);
        assert!(cut.get("next_cursor").is_none(), "it leads past what was left out");
    }

    #[test]
    fn a_record_is_cut_at_the_limit_and_not_before() {
        let frame = length(&json!({"result": {"text": ""}}));
        let at = json!({"result": {"text": "x".repeat(MOST - frame)}});
        assert_eq!(keep(at.clone(), MOST), at);
        let past = json!({"result": {"text": "x".repeat(MOST - frame + 1), "id": 7}});
        let cut = keep(past, MOST);
        assert!(cut["result"]["text"].as_str().unwrap().contains("more characters"));
        assert_eq!(cut["result"]["id"], 7);
        let members: Map<String, Value> = (0..2000).map(|n| (format!("member_{n}"), json!(n))).collect();
        let cut = keep(json!({"result": members}), MOST);
        assert_eq!(cut["result"]["member_0"], 0);
        assert!(!cut["result"]["members_left_out"].as_array().unwrap().is_empty());
        assert!(length(&cut) <= MOST);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            "[a-z]{0,12}".prop_map(Value::from),
            "\\PC{0,700}".prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 200, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
                prop::collection::btree_map("[a-z_]{1,9}", inner, 0..12)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_comes_fits_and_cutting_twice_is_cutting_once(result in any_json(), more in any_json()) {
            let answer = json!({"result": result, "next_cursor": "abc", "present_fields": more});
            let once = keep(answer, MOST);
            prop_assert!(length(&once) <= MOST);
            prop_assert_eq!(keep(once.clone(), MOST), once);
        }
    }
}
