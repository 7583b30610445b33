//! The scripted model over a real socket, with a client written by hand.

use quartermaster_simulator::model::{Config, Running, Script, start};
use serde_json::{Value, json};

use crate::wire::{Reply, exchange};

async fn run(script: Value) -> Running {
    let script = Script::from_value(script).expect("a script");
    start(Config::new(script)).await.expect("it listens")
}

async fn chat(running: &Running, body: &Value) -> Reply {
    let headers = [("content-type", "application/json")];
    exchange(running.address(), "POST", "/v1/chat/completions", &headers, &body.to_string()).await
}

async fn messages(running: &Running, body: &Value) -> Reply {
    let headers = [("content-type", "application/json"), ("anthropic-version", "2023-06-01")];
    exchange(running.address(), "POST", "/v1/messages", &headers, &body.to_string()).await
}

fn tool() -> Value {
    json!({"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": {"type": "object"}}})
}

fn asked(messages: Value) -> Value {
    json!({"model": "m", "messages": messages, "tools": [tool()]})
}

fn anthropic(messages: Value) -> Value {
    let tool = json!({"name": "find", "description": "Finds.", "input_schema": {"type": "object"}});
    json!({"model": "m", "max_tokens": 100, "messages": messages, "tools": [tool]})
}

fn two_turns() -> Value {
    json!({"turns": [
        {"text": "Looking.", "calls": [{"tool": "find", "arguments": {"email": "{{ goal }}"}}]},
        {"text": "Found {{ last..id }}."},
    ]})
}

/// The bodies of a chunked answer.
fn unchunked(reply: &Reply) -> String {
    let text = reply.text();
    if reply.header("transfer-encoding") != Some("chunked") {
        return text;
    }
    let (mut whole, mut rest) = (String::new(), text.as_str());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            break;
        }
        whole.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    whole
}

fn json_of(reply: &Reply) -> Value {
    serde_json::from_str(&unchunked(reply)).unwrap_or_else(|error| panic!("{error}: {}", reply.text()))
}

#[tokio::test]
async fn the_turn_is_told_by_the_conversation_not_by_the_order_of_requests() {
    let running = run(two_turns()).await;
    let first = asked(json!([{"role": "user", "content": "a@b.example"}]));
    let answer = json_of(&chat(&running, &first).await);
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(call["function"]["arguments"], r#"{"email":"a@b.example"}"#);
    let second = asked(json!([
        {"role": "user", "content": "a@b.example"},
        {"role": "assistant", "content": "Looking.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "data: {\"result\":[{\"id\":\"X7\"}]}"},
    ]));
    for _ in 0..2 {
        let answer = json_of(&chat(&running, &second).await);
        assert_eq!(answer["choices"][0]["message"]["content"], "Found X7.");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        assert_eq!(json_of(&chat(&running, &first).await)["choices"][0]["message"]["tool_calls"][0], *call);
    }
    assert_eq!(running.control().faults(), Vec::<String>::new());
    assert_eq!(running.control().seen().len(), 5);
}

#[tokio::test]
async fn the_other_wire_format_says_the_same() {
    let running = run(two_turns()).await;
    let first = json!([{"role": "user", "content": "a@b.example"}]);
    let answer = json_of(&messages(&running, &anthropic(first.clone())).await);
    assert_eq!(answer["stop_reason"], "tool_use");
    let call = &answer["content"][1];
    assert_eq!((&call["type"], &call["input"]), (&json!("tool_use"), &json!({"email": "a@b.example"})));
    let result = json!({"type": "tool_result", "tool_use_id": call["id"], "content": "{\"result\":[{\"id\":\"X7\"}]}"});
    let second =
        json!([first[0], {"role": "assistant", "content": answer["content"]}, {"role": "user", "content": [result]}]);
    let answer = json_of(&messages(&running, &anthropic(second)).await);
    assert_eq!(answer["content"], json!([{"type": "text", "text": "Found X7."}]));
    assert_eq!(answer["stop_reason"], "end_turn");
}

#[tokio::test]
async fn streams_have_the_events_of_their_format() {
    let running = run(two_turns()).await;
    let mut body = asked(json!([{"role": "user", "content": "a@b.example"}]));
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let text = unchunked(&chat(&running, &body).await);
    let events: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).expect("JSON")).collect();
    let content: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    let arguments: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
        .collect();
    assert_eq!((content.as_str(), arguments.as_str()), ("Looking.", r#"{"email":"a@b.example"}"#));
    assert!(
        chunks.last().is_some_and(|chunk| chunk["choices"] == json!([]) && chunk["usage"]["total_tokens"].is_u64())
    );

    let mut body = anthropic(json!([{"role": "user", "content": "a@b.example"}]));
    body["stream"] = json!(true);
    let text = unchunked(&messages(&running, &body).await);
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names.first(), Some(&"message_start"));
    assert_eq!(names.last(), Some(&"message_stop"));
    assert_eq!(names.iter().filter(|name| **name == "content_block_start").count(), 2);
}

#[tokio::test]
async fn a_wrong_request_is_refused_as_the_provider_refuses_it() {
    let running = run(two_turns()).await;
    let user = json!({"role": "user", "content": "x"});
    let call = json!({"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}});
    let asking = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let answer = json!({"role": "tool", "tool_call_id": "c1", "content": "{\"id\":1}"});
    let mut long = tool();
    long["function"]["description"] = json!("x".repeat(1025));
    for (body, words) in [
        (json!({"messages": [user]}), "model parameter"),
        (json!({"model": "m", "messages": []}), "messages"),
        (json!({"model": "m", "messages": [user], "maximum": 1}), "Unrecognized request argument supplied: maximum"),
        (asked(json!([user, asking])), "did not have response messages: c1"),
        (asked(json!([user, asking, user])), "did not have response messages: c1"),
        (asked(json!([user, answer])), "must be a response to a preceeding message"),
        (asked(json!([user, asking, answer, answer])), "must be a response to a preceeding message"),
        (asked(json!([{"role": "robot", "content": "x"}])), "Supported values are"),
        (asked(json!([user, {"role": "assistant", "content": null}])), "got null"),
        (json!({"model": "m", "messages": [user], "tools": [long]}), "string too long"),
        (json!({"model": "m", "messages": [user], "tools": vec![tool(); 129]}), "array too long"),
        (json!({"model": "m", "messages": [user], "tool_choice": "auto"}), "only allowed when 'tools'"),
        (json!({"model": "m", "messages": [user], "temperature": 3}), "temperature"),
        (json!({"model": "m", "messages": [user], "stream_options": {}}), "only allowed when 'stream'"),
        (json!({"model": "m", "messages": [user], "max_tokens": 1, "max_completion_tokens": 1}), "same time"),
    ] {
        let reply = chat(&running, &body).await;
        let error = json_of(&reply);
        let message = error["error"]["message"].as_str().unwrap_or_default();
        assert!(reply.status == 400 && message.contains(words), "{words}: {} {message}", reply.status);
    }
    let accepted = chat(&running, &asked(json!([user, asking, answer]))).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text());
    assert_eq!(running.control().faults().len(), 15, "each fault is written down");
}

#[tokio::test]
async fn a_wrong_request_of_the_other_format_is_refused_too() {
    let running = run(two_turns()).await;
    let user = json!({"role": "user", "content": "x"});
    let asking =
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "find", "input": {}}]});
    let answer =
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "{\"id\":1}"}]});
    let with = |name: &str, value: Value| {
        let mut body = anthropic(json!([user]));
        body[name] = value;
        body
    };
    let mark = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    for (body, words) in [
        (json!({"model": "m", "messages": [user]}), "max_tokens: Field required"),
        (with("n", json!(2)), "n: Extra inputs are not permitted"),
        (with("temperature", json!(1.5)), "temperature"),
        (with("system", json!(7)), "system"),
        (with("system", json!(vec![mark; 5])), "A maximum of 4 blocks"),
        (with("tool_choice", json!({"type": "tool", "name": "other"})), "Tool not found"),
        (with("tools", json!([{"name": "a b", "input_schema": {"type": "object"}}])), "should match pattern"),
        (with("tools", json!([{"name": "a", "input_schema": {}}])), "Input should be 'object'"),
        (anthropic(json!([asking])), "first message must use"),
        (anthropic(json!([user, asking])), "without `tool_result` blocks immediately after: t1"),
        (anthropic(json!([user, asking, user])), "without `tool_result` blocks immediately after: t1"),
        (anthropic(json!([user, answer])), "unexpected `tool_use_id`"),
        (anthropic(json!([{"role": "user", "content": ""}])), "non-empty content"),
        (anthropic(json!([{"role": "user", "content": [{"type": "text", "text": " "}]}])), "must be non-empty"),
        (
            anthropic(
                json!([user, {"role": "assistant", "content": [{"type": "thinking", "thinking": "a", "signature": "b"}]}, user]),
            ),
            "Invalid `signature`",
        ),
    ] {
        let reply = messages(&running, &body).await;
        let error = json_of(&reply);
        let message = error["error"]["message"].as_str().unwrap_or_default();
        assert!(reply.status == 400 && message.contains(words), "{words}: {} {message}", reply.status);
        assert_eq!(error["type"], "error");
    }
    assert_eq!(messages(&running, &anthropic(json!([user, asking, answer]))).await.status, 200);
    let headers = [("content-type", "application/json")];
    let bare =
        exchange(running.address(), "POST", "/v1/messages", &headers, &anthropic(json!([user])).to_string()).await;
    assert_eq!(
        (bare.status, json_of(&bare)["error"]["message"].clone()),
        (400, json!("anthropic-version: header is required"))
    );
}

#[tokio::test]
async fn troubles_come_once_for_each_conversation() {
    let trouble = json!({"error": {"status": 429, "headers": {"retry-after": "7"}}});
    let running = run(json!({"turns": [{"text": "Well.", "first": [trouble]}]})).await;
    for goal in ["one", "two"] {
        let body = asked(json!([{"role": "user", "content": goal}]));
        let refused = chat(&running, &body).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("7")));
        assert_eq!(json_of(&refused)["error"]["code"], "rate_limit_exceeded");
        assert_eq!(json_of(&chat(&running, &body).await)["choices"][0]["message"]["content"], "Well.");
    }
}

#[tokio::test]
async fn rules_come_before_turns_and_look_at_the_conversation() {
    let running = run(json!({
        "rules": [
            {"when": {"goal_contains": "secret"}, "say": {"text": "No.", "stop": "refusal"}},
            {"when": {"turn": 0, "lacks": "find"}, "say": {"text": "I have no tools."}},
        ],
        "turns": [{"text": "Turn."}],
        "otherwise": {"text": "Enough."},
    }))
    .await;
    let said = |answer: Value| answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned();
    let user = |text: &str| json!({"role": "user", "content": text});
    let refused = json_of(&chat(&running, &asked(json!([user("a secret")]))).await);
    assert_eq!(
        (said(refused.clone()), &refused["choices"][0]["finish_reason"]),
        ("No.".to_owned(), &json!("content_filter"))
    );
    let bare = json!({"model": "m", "messages": [user("x")]});
    assert_eq!(said(json_of(&chat(&running, &bare).await)), "I have no tools.");
    assert_eq!(said(json_of(&chat(&running, &asked(json!([user("x")]))).await)), "Turn.");
    let later = asked(json!([user("x"), {"role": "assistant", "content": "Turn."}, user("y")]));
    assert_eq!(said(json_of(&chat(&running, &later).await)), "Enough.");
}

#[tokio::test]
async fn keys_and_models_are_checked_when_wanted() {
    let script = Script::from_value(two_turns()).expect("a script");
    let config = Config { key: Some("sk-1".to_owned()), models: vec!["m".to_owned()], ..Config::new(script) };
    let running = start(config).await.expect("it listens");
    let body = asked(json!([{"role": "user", "content": "x"}]));
    let refused = chat(&running, &body).await;
    assert_eq!((refused.status, &json_of(&refused)["error"]["code"]), (401, &json!("invalid_api_key")));
    let headers = [("content-type", "application/json"), ("authorization", "Bearer sk-1")];
    let path = "/v1/chat/completions";
    assert_eq!(exchange(running.address(), "POST", path, &headers, &body.to_string()).await.status, 200);
    let other = json!({"model": "n", "messages": body["messages"]});
    assert_eq!(exchange(running.address(), "POST", path, &headers, &other.to_string()).await.status, 404);
    assert_eq!(exchange(running.address(), "GET", path, &headers, "").await.status, 405);
    assert_eq!(exchange(running.address(), "POST", "/v1/responses", &headers, "").await.status, 404);
}

#[tokio::test]
async fn a_script_that_finds_nothing_says_so() {
    let running = run(json!({"turns": [{"text": "{{ last.id }}"}]})).await;
    let reply = chat(&running, &asked(json!([{"role": "user", "content": "x"}]))).await;
    assert_eq!(reply.status, 500);
    assert_eq!(running.control().faults(), ["turn 0: there is nothing at `last.id`"]);
}

#[test]
fn a_bad_script_is_refused_with_its_place() {
    for (script, words) in [
        (json!({"turn": []}), "unknown field `turn`"),
        (json!({"turns": [{}, {"text": "{{ x }}"}]}), "turn 1: a path cannot begin with \"x\""),
        (json!({"rules": [{"when": {"has": "last["}, "say": {}}]}), "rule 0"),
        (json!({"otherwise": {"calls": [{"tool": "t", "arguments": {"a": ["{{ last"]}}]}}), "otherwise"),
        (json!({"turns": vec![json!({}); 10_001]}), "10001 turns"),
    ] {
        let error = Script::from_value(script).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(Script::from_value(json!({"turns": vec![json!({}); 10_000]})).is_ok());
}
