//! Streams, however they are cut.

use proptest::prelude::*;
use quartermaster_model::{Reply, Stop, Wire};
use serde_json::json;

use crate::raw::{Answer, serve};
use crate::stage::{Stage, WIRES, client, connection, request, user};

#[tokio::test]
async fn pieces_of_any_size_give_the_same_reply() {
    for wire in WIRES {
        let reply = |size: usize| {
            json!({"turns": [{
                "text": "Zoë läßt grüßen: 👋🏽 «ok»\n\ndata: not an event", "piece_bytes": size, "reasoning": "naïve",
                "calls": [{"tool": "find_user", "arguments": {"email": "zoë@exämple.com", "note": "\r\n"}}, {"tool": "suspend_user"}],
            }]})
        };
        let mut replies: Vec<Reply> = Vec::new();
        for size in [1, 2, 3, 5, 7, 64, 100_000] {
            let stage = Stage::new(wire, reply(size)).await;
            let (reply, _) = stage.stream(&request(vec![user("x")])).await;
            replies.push(reply.unwrap_or_else(|error| panic!("{size}: {error}")));
        }
        assert_eq!(replies[0].text, "Zoë läßt grüßen: 👋🏽 «ok»\n\ndata: not an event");
        assert_eq!((replies[0].calls.len(), replies[0].stop), (2, Stop::ToolCalls));
        assert!(replies.iter().all(|reply| *reply == replies[0]));
    }
}

#[tokio::test]
async fn watchers_see_text_before_the_answer_is_over() {
    let stage =
        Stage::new(Wire::OpenAi, json!({"turns": [{"text": "one two three four five six", "pause_ms": 60}]})).await;
    let asked = request(vec![user("x")]);
    let begun = std::time::Instant::now();
    let mut first = None;
    let mut note = |_| {
        first.get_or_insert_with(|| begun.elapsed());
    };
    stage.client.ask(&stage.connection, &asked, Some(&mut note)).await.unwrap();
    let first = first.expect("something was told");
    assert!(first * 2 < begun.elapsed(), "{first:?} of {:?}", begun.elapsed());
}

/// What servers that are only nearly compatible send.
#[tokio::test]
async fn odd_streams_are_understood() {
    let chunk = |delta: &str, finish: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n")
    };
    let call = r#"{"tool_calls":[{"function":{"name":"find_user","arguments":{"email":"a"}}}]}"#;
    for (what, body) in [
        ("no DONE at the end", chunk(r#"{"content":"Hi"}"#, "null") + &chunk("{}", "\"stop\"")),
        ("comments and unknown fields", format!(": ping\n\nretry: 10\nid: 1\n{}event: x\n{}data: [DONE]\n\n", chunk(r#"{"content":"Hi","what":[1]}"#, "null"), chunk("{}", "\"stop\""))),
        ("line ends of the other kind", (chunk(r#"{"content":"Hi"}"#, "null") + &chunk("{}", "\"stop\"") + "data: [DONE]\n\n").replace('\n', "\r\n")),
        ("no role, no index", "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n".to_owned()),
        ("nulls everywhere", chunk(r#"{"content":"Hi","tool_calls":null,"refusal":null}"#, "null") + &chunk(r#"{"content":null}"#, "\"stop\"") + "data: [DONE]\n\n"),
        ("usage in the last chunk", chunk(r#"{"content":"Hi"}"#, "null") + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n"),
    ] {
        for media_type in ["text/event-stream", ""] {
            let server = serve(Answer::ok(media_type, body.clone())).await;
            let connection = connection(Wire::OpenAi, &server.base_url());
            let mut ignored = |_| {};
            let reply = client(&server.address()).ask(&connection, &request(vec![user("x")]), Some(&mut ignored)).await;
            let reply = reply.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!((reply.text.as_str(), reply.stop), ("Hi", Stop::End), "{what}");
        }
    }
    let body = chunk(call, "\"tool_calls\"") + "data: [DONE]\n\n";
    let server = serve(Answer::ok("text/event-stream", body)).await;
    let mut ignored = |_| {};
    let asked = request(vec![user("x")]);
    let connection = connection(Wire::OpenAi, &server.base_url());
    let reply = client(&server.address()).ask(&connection, &asked, Some(&mut ignored)).await.unwrap();
    assert_eq!(reply.calls[0].id, "call_1", "a call without an id, its arguments an object instead of a text");
    assert_eq!(reply.calls[0].arguments.object().unwrap()["email"], "a");
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    for (wire, body) in [
        (
            Wire::OpenAi,
            "{\"choices\":[{\"index\":0,\n\n \"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n",
        ),
        (
            Wire::Anthropic,
            "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"x\",\n\n\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}",
        ),
    ] {
        let server = serve(Answer::ok("application/json; charset=utf-8", body.to_owned())).await;
        let connection = connection(wire, &server.base_url());
        let mut ignored = |_| {};
        let asked = request(vec![user("x")]);
        let streamed = client(&server.address()).ask(&connection, &asked, Some(&mut ignored)).await;
        assert_eq!(streamed.unwrap_or_else(|error| panic!("{wire:?}: {error}")).text, "Hi");
        let whole = client(&server.address()).ask(&connection, &asked, None).await.unwrap();
        assert_eq!(whole.text, "Hi");
    }
}

#[tokio::test]
async fn endless_answers_end_at_a_limit() {
    use quartermaster_model::{ErrorKind, limits};
    let long_line = format!("data: {}", "x".repeat(limits::LINE_MAX_BYTES + 10));
    let many_lines = ": x\n".repeat(limits::ANSWER_MAX_BYTES / 4 + 10);
    let whole = format!("{{\"choices\":\"{}\"}}", "x".repeat(limits::ANSWER_MAX_BYTES));
    for (media_type, body) in
        [("text/event-stream", long_line), ("text/event-stream", many_lines), ("application/json", whole)]
    {
        let server = serve(Answer::ok(media_type, body)).await;
        let connection = connection(Wire::Anthropic, &server.base_url());
        let mut ignored = |_| {};
        let asked = request(vec![user("x")]);
        let error = client(&server.address()).ask(&connection, &asked, Some(&mut ignored)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a server sends, there is an answer or an error, in time.
    #[test]
    fn nothing_that_a_server_sends_breaks_the_reader(
        lines in proptest::collection::vec(
            prop_oneof![
                "data: [ -~]{0,60}",
                Just("data: [DONE]".to_owned()),
                Just("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}".to_owned()),
                Just("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}".to_owned()),
                Just("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":-1}]},\"finish_reason\":\"tool_calls\"}]}".to_owned()),
                Just("data: {\"type\":\"message_start\",\"message\":{}}".to_owned()),
                Just("data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\"}}".to_owned()),
                Just("data: {\"type\":\"content_block_delta\",\"index\":9,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}".to_owned()),
                Just("data: {\"type\":\"content_block_stop\",\"index\":0}".to_owned()),
                Just("data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}".to_owned()),
                Just("data: {\"type\":\"message_stop\"}".to_owned()),
                Just(String::new()),
            ],
            0..30,
        ),
        is_anthropic in any::<bool>(),
    ) {
        let wire = if is_anthropic { Wire::Anthropic } else { Wire::OpenAi };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = serve(Answer::ok("text/event-stream", lines.join("\n"))).await;
            let connection = connection(wire, &server.base_url());
            let mut ignored = |_| {};
            let asked = request(vec![user("x")]);
            let reply = client(&server.address()).ask(&connection, &asked, Some(&mut ignored)).await;
            if let Ok(reply) = reply {
                assert!(reply.calls.iter().all(|call| !call.id.is_empty()));
            }
        });
    }
}
