//! Answers as pieces: what the vendor sent is passed on as it is, never copied, never parsed.

use std::fmt::Write as _;

use bytes::Bytes;
use quartermaster_engine::{AbsentFields, ListAnswer, StopReason};
use serde_json::json;

/// `{"result":[…],"next_cursor":…,"prev_cursor":null,"result_count":n}`, and `scanned`, `is_partial` and
/// `stopped_because` when a local filter or a bound was in force; `absent_fields` and `present_fields` when none of the
/// records has a member that `fields` names.
pub(crate) fn list(answer: ListAnswer, next_cursor: Option<&str>) -> Vec<Bytes> {
    let mut body = Vec::with_capacity(answer.pieces.len() * 2 + 2);
    body.push(Bytes::from_static(b"{\"result\":["));
    for (index, piece) in answer.pieces.into_iter().enumerate() {
        if index > 0 {
            body.push(Bytes::from_static(b","));
        }
        body.push(piece);
    }
    let mut tail = String::with_capacity(96 + next_cursor.map_or(0, str::len));
    tail.push_str("],\"next_cursor\":");
    match next_cursor {
        // Cursors are base64url: nothing to escape.
        Some(cursor) => {
            tail.push('"');
            tail.push_str(cursor);
            tail.push('"');
        }
        None => tail.push_str("null"),
    }
    let _ = write!(tail, ",\"prev_cursor\":null,\"result_count\":{}", answer.count);
    if let Some(scanned) = answer.scanned {
        let _ = write!(tail, ",\"scanned\":{scanned}");
    }
    if answer.scanned.is_some() || answer.is_partial || answer.stopped_because.is_some() {
        let _ = write!(tail, ",\"is_partial\":{},\"stopped_because\":", answer.is_partial);
        match answer.stopped_because {
            Some(reason) => {
                let _ = write!(tail, "\"{}\"", reason_name(reason));
            }
            None => tail.push_str("null"),
        }
    }
    if let Some(AbsentFields { absent, present }) = &answer.absent_fields {
        let _ = write!(tail, ",\"absent_fields\":{},\"present_fields\":{}", json!(absent), json!(present));
    }
    tail.push('}');
    body.push(Bytes::from(tail));
    body
}

/// `{"result":…}`, and `changed` when the method brings a record into a state.
pub(crate) fn single(record: Bytes, changed: Option<bool>) -> Vec<Bytes> {
    let tail: &'static [u8] = match changed {
        None => b"}",
        Some(true) => b",\"changed\":true}",
        Some(false) => b",\"changed\":false}",
    };
    vec![Bytes::from_static(b"{\"result\":"), record, Bytes::from_static(tail)]
}

fn reason_name(reason: StopReason) -> &'static str {
    match reason {
        StopReason::PageLimit => "page_limit",
        StopReason::ScanLimit => "scan_limit",
        StopReason::SizeLimit => "size_limit",
        StopReason::TimeLimit => "time_limit",
        StopReason::RepeatedCursor => "repeated_cursor",
        StopReason::RateLimited => "rate_limited",
        StopReason::UpstreamError => "upstream_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn value(body: Vec<Bytes>) -> Value {
        serde_json::from_slice(&body.concat()).expect("the pieces are JSON")
    }

    #[test]
    fn a_list_is_its_pieces_with_a_frame() {
        let answer = ListAnswer {
            pieces: vec![Bytes::from_static(b"{\"id\":1},{\"id\":2}"), Bytes::from_static(b"{\"id\":3}")],
            count: 3,
            ..ListAnswer::default()
        };
        assert_eq!(
            value(list(answer, Some("abc"))),
            json!({"result": [{"id": 1}, {"id": 2}, {"id": 3}], "next_cursor": "abc", "prev_cursor": null, "result_count": 3})
        );
        assert_eq!(
            value(list(ListAnswer::default(), None)),
            json!({"result": [], "next_cursor": null, "prev_cursor": null, "result_count": 0})
        );
    }

    #[test]
    fn what_was_left_out_is_said() {
        for reason in [
            StopReason::PageLimit,
            StopReason::ScanLimit,
            StopReason::SizeLimit,
            StopReason::TimeLimit,
            StopReason::RepeatedCursor,
            StopReason::RateLimited,
            StopReason::UpstreamError,
        ] {
            let answer = ListAnswer {
                scanned: Some(9),
                is_partial: true,
                stopped_because: Some(reason),
                ..ListAnswer::default()
            };
            let body = value(list(answer, None));
            assert_eq!(body["scanned"], 9);
            assert_eq!(body["is_partial"], true);
            assert_eq!(body["stopped_because"], serde_json::to_value(reason).expect("reasons serialise"));
        }
    }

    #[test]
    fn a_single_answer_tells_whether_anything_changed() {
        let record = Bytes::from_static(b"{\"id\":\"A\"}");
        assert_eq!(value(single(record.clone(), None)), json!({"result": {"id": "A"}}));
        assert_eq!(value(single(record.clone(), Some(true))), json!({"result": {"id": "A"}, "changed": true}));
        assert_eq!(value(single(record, Some(false))), json!({"result": {"id": "A"}, "changed": false}));
    }
}
