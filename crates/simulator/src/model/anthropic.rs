//! Messages, after the public description of `POST /v1/messages`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::check::{Checked, Wrong, is_between, is_count, is_name, text_of, unknown};
use super::conversation::{Conversation, ToolResult};
use super::digest;
use super::openai::pieces;
use super::script::Stop;
use super::server::{Event, Said};

const PARAMETERS: &[&str] = &[
    "cache_control",
    "container",
    "context_management",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "service_tier",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];
const TOOL: &[&str] =
    &["name", "description", "input_schema", "cache_control", "type", "strict", "eager_input_streaming"];
/// Marks for the cache that one request may have.
const CACHE_MARKS_MAX: usize = 4;

/// Checks a request as the provider does and reads the conversation from it.
pub(super) fn read(body: &Map<String, Value>) -> Result<Conversation, Wrong> {
    for name in ["model", "max_tokens", "messages"] {
        if body.get(name).is_none_or(Value::is_null) {
            return Err(Wrong::new(format!("{name}: Field required")));
        }
    }
    if let Some(name) = unknown(body, PARAMETERS) {
        return Err(Wrong::new(format!("{name}: Extra inputs are not permitted")));
    }
    if body["model"].as_str().is_none_or(str::is_empty) {
        return Err(Wrong::new("model: String should have at least 1 character"));
    }
    if !is_count(body.get("max_tokens")) {
        return Err(Wrong::new("max_tokens: Input should be greater than or equal to 1"));
    }
    if !is_between(body.get("temperature"), 0.0, 1.0) {
        return Err(Wrong::new("temperature: range: 0..1"));
    }
    let is_text = |system: &Value| match system {
        Value::String(_) => true,
        Value::Array(blocks) => blocks.iter().all(|block| block["type"] == "text" && block["text"].is_string()),
        _ => false,
    };
    if body.get("system").is_some_and(|system| !is_text(system)) {
        return Err(Wrong::new("system: Input should be a valid string or a list of text blocks"));
    }
    let marks = cache_marks(&Value::Object(body.clone()))?;
    if marks > CACHE_MARKS_MAX {
        return Err(Wrong::new(format!(
            "A maximum of {CACHE_MARKS_MAX} blocks with cache_control may be provided. Found {marks}."
        )));
    }
    let mut conversation = Conversation { tools: tools(body)?, ..Conversation::default() };
    messages(body, &mut conversation)?;
    Ok(conversation)
}

/// How many blocks carry a mark for the cache; each must be of the known form.
fn cache_marks(value: &Value) -> Result<usize, Wrong> {
    match value {
        Value::Object(members) => {
            let mut count = 0;
            for (name, member) in members {
                if name == "cache_control" && !member.is_null() {
                    let lasts = member.get("ttl").is_none_or(|ttl| ttl == "5m" || ttl == "1h");
                    if member["type"] != "ephemeral" || !lasts {
                        return Err(Wrong::new("cache_control.type: Input should be 'ephemeral'"));
                    }
                    count += 1;
                } else if name != "input_schema" && name != "input" {
                    count += cache_marks(member)?;
                }
            }
            Ok(count)
        }
        Value::Array(items) => items.iter().try_fold(0, |count, item| Ok(count + cache_marks(item)?)),
        _ => Ok(0),
    }
}

fn tools(body: &Map<String, Value>) -> Result<Vec<String>, Wrong> {
    let mut names: Vec<String> = Vec::new();
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let name = tool["name"].as_str().unwrap_or_default();
        if !is_name(name, 128) {
            return Err(Wrong::new(format!(
                "tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )));
        }
        if let Some(name) = tool.as_object().and_then(|tool| unknown(tool, TOOL)) {
            return Err(Wrong::new(format!("tools.{index}.custom.{name}: Extra inputs are not permitted")));
        }
        if tool["input_schema"].is_null() {
            return Err(Wrong::new(format!("tools.{index}.custom.input_schema: Field required")));
        }
        if tool["input_schema"]["type"] != "object" {
            return Err(Wrong::new(format!("tools.{index}.custom.input_schema.type: Input should be 'object'")));
        }
        if names.iter().any(|known| known == name) {
            return Err(Wrong::new("tools: Tool names must be unique."));
        }
        names.push(name.to_owned());
    }
    let Some(choice) = body.get("tool_choice") else { return Ok(names) };
    if names.is_empty() {
        return Err(Wrong::new("tool_choice: may only be specified while providing tools"));
    }
    match choice["type"].as_str() {
        Some("auto" | "any" | "none") => Ok(names),
        Some("tool") if choice["name"].as_str().is_some_and(|name| names.iter().any(|known| known == name)) => {
            Ok(names)
        }
        Some("tool") => Err(Wrong::new("tool_choice: Tool not found in provided tools")),
        _ => Err(Wrong::new(
            "tool_choice: Input tag found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
        )),
    }
}

fn messages(body: &Map<String, Value>, conversation: &mut Conversation) -> Checked {
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| Wrong::new("messages: at least one message is required"))?;
    if messages[0]["role"] != "user" {
        return Err(Wrong::new("messages: first message must use the \"user\" role"));
    }
    let mut waiting: Vec<(String, String)> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let blocks = blocks(index, &message["content"])?;
        match message["role"].as_str() {
            Some("user") => said_by_user(index, &blocks, &mut waiting, conversation)?,
            Some("assistant") => {
                unanswered(index.saturating_sub(1), &waiting)?;
                conversation.turn += 1;
                waiting = asked(index, &blocks)?;
            }
            _ => return Err(Wrong::new(format!("messages.{index}.role: Input should be 'user' or 'assistant'"))),
        }
    }
    unanswered(messages.len() - 1, &waiting)
}

fn blocks(index: usize, content: &Value) -> Result<Vec<Value>, Wrong> {
    let blocks = match content {
        Value::String(text) if text.is_empty() => {
            return Err(Wrong::new(format!(
                "messages.{index}: all messages must have non-empty content except for the optional final assistant message"
            )));
        }
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(blocks) if blocks.is_empty() => {
            return Err(Wrong::new(format!(
                "messages.{index}: all messages must have non-empty content except for the optional final assistant message"
            )));
        }
        Value::Array(blocks) => blocks.clone(),
        _ => return Err(Wrong::new(format!("messages.{index}.content: Input should be a valid string or list"))),
    };
    for block in &blocks {
        if block["type"] == "text" && block["text"].as_str().is_none_or(|text| text.trim().is_empty()) {
            return Err(Wrong::new("messages: text content blocks must be non-empty"));
        }
    }
    Ok(blocks)
}

fn said_by_user(
    index: usize,
    blocks: &[Value],
    waiting: &mut Vec<(String, String)>,
    conversation: &mut Conversation,
) -> Checked {
    let mut texts = Vec::new();
    for (place, block) in blocks.iter().enumerate() {
        match block["type"].as_str() {
            Some("tool_result") => {
                let id = block["tool_use_id"].as_str().unwrap_or_default();
                let Some(known) = waiting.iter().position(|(known, _)| known == id) else {
                    return Err(Wrong::new(format!(
                        "messages.{index}.content.{place}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                    )));
                };
                let (_, tool) = waiting.remove(known);
                let text = text_of(block.get("content"));
                conversation.results.push(ToolResult::new(tool, &text));
                texts.push(text);
            }
            Some("text") => {
                if !waiting.is_empty() {
                    return unanswered(index.saturating_sub(1), waiting);
                }
                let text = block["text"].as_str().unwrap_or_default().to_owned();
                if conversation.goal.is_empty() {
                    conversation.goal.clone_from(&text);
                }
                texts.push(text);
            }
            Some("image" | "document") => {}
            other => {
                return Err(Wrong::new(format!(
                    "messages.{index}.content.{place}: Input tag {other:?} found using 'type' does not match any of the expected tags"
                )));
            }
        }
    }
    unanswered(index.saturating_sub(1), waiting)?;
    conversation.last_text = texts.join("\n");
    Ok(())
}

/// The calls of an assistant's message.
fn asked(index: usize, blocks: &[Value]) -> Result<Vec<(String, String)>, Wrong> {
    let mut known = HashSet::new();
    let mut asked = Vec::new();
    for (place, block) in blocks.iter().enumerate() {
        let at = format!("messages.{index}.content.{place}");
        match block["type"].as_str() {
            Some("text") => {}
            Some("thinking") => {
                let text = block["thinking"].as_str().unwrap_or_default();
                if block["signature"] != signature(text).as_str() {
                    return Err(Wrong::new(format!("{at}: Invalid `signature` in `thinking` block")));
                }
            }
            Some("tool_use") => {
                let id = block["id"].as_str().unwrap_or_default();
                if !is_name(id, 256) {
                    return Err(Wrong::new(format!(
                        "{at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
                    )));
                }
                if !known.insert(id) {
                    return Err(Wrong::new("messages: `tool_use` ids must be unique"));
                }
                let name = block["name"].as_str().unwrap_or_default();
                if !is_name(name, 200) {
                    return Err(Wrong::new(format!(
                        "{at}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,200}}$'"
                    )));
                }
                if !block["input"].is_object() {
                    return Err(Wrong::new(format!("{at}.tool_use.input: Input should be a valid dictionary")));
                }
                asked.push((id.to_owned(), name.to_owned()));
            }
            other => {
                return Err(Wrong::new(format!(
                    "{at}: Input tag {other:?} found using 'type' does not match any of the expected tags"
                )));
            }
        }
    }
    Ok(asked)
}

fn unanswered(index: usize, waiting: &[(String, String)]) -> Checked {
    if waiting.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = waiting.iter().map(|(id, _)| id.as_str()).collect();
    Err(Wrong::new(format!(
        "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
        ids.join(", ")
    )))
}

/// What proves that a thought is one of this stand-in's.
fn signature(thinking: &str) -> String {
    format!("sig-{}", digest(thinking))
}

fn stop_reason(said: &Said) -> &'static str {
    match said.stop {
        Some(Stop::Length) => "max_tokens",
        Some(Stop::Refusal) => "refusal",
        None if said.calls.is_empty() => "end_turn",
        None => "tool_use",
    }
}

fn usage(said: &Said, output: u64) -> Value {
    json!({
        "input_tokens": said.usage.input.saturating_sub(said.usage.cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": said.usage.cached,
        "output_tokens": output,
    })
}

/// The answer in one piece. Arguments that are no JSON object are given as the text that they are: the format has no place
/// for them, and a client has to live with servers that send them all the same.
pub(super) fn whole(said: &Said) -> Value {
    let mut content = Vec::new();
    if let Some(thinking) = &said.reasoning {
        content.push(json!({"type": "thinking", "thinking": thinking, "signature": signature(thinking)}));
    }
    if let Some(text) = said.text.as_ref().filter(|text| !text.is_empty()) {
        content.push(json!({"type": "text", "text": text}));
    }
    for call in &said.calls {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments));
        let mut block = json!({"type": "tool_use", "name": call.tool, "input": input});
        if let Some(id) = &call.id {
            block["id"] = json!(id);
        }
        content.push(block);
    }
    json!({
        "id": format!("msg_{}", said.id), "type": "message", "role": "assistant", "model": said.model,
        "content": content, "stop_reason": stop_reason(said), "stop_sequence": null,
        "usage": usage(said, said.usage.output),
    })
}

/// The answer as events of a stream.
pub(super) fn events(said: &Said) -> Vec<Event> {
    let mut events = Vec::new();
    let mut event = |value: Value| {
        let name = value["type"].as_str().unwrap_or_default().to_owned();
        events.push(Event::named(&name, &value.to_string()));
    };
    let message = json!({
        "id": format!("msg_{}", said.id), "type": "message", "role": "assistant", "model": said.model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(said, 1),
    });
    event(json!({"type": "message_start", "message": message}));
    event(json!({"type": "ping"}));
    let mut index = 0;
    let mut block = |begin: Value, deltas: Vec<Value>| {
        event(json!({"type": "content_block_start", "index": index, "content_block": begin}));
        for delta in deltas {
            event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        event(json!({"type": "content_block_stop", "index": index}));
        index += 1;
    };
    if let Some(thinking) = &said.reasoning {
        let thought = pieces(thinking).into_iter().map(|piece| json!({"type": "thinking_delta", "thinking": piece}));
        let mut deltas: Vec<Value> = thought.collect();
        deltas.push(json!({"type": "signature_delta", "signature": signature(thinking)}));
        block(json!({"type": "thinking", "thinking": "", "signature": ""}), deltas);
    }
    if let Some(text) = said.text.as_ref().filter(|text| !text.is_empty()) {
        let deltas = pieces(text).into_iter().map(|piece| json!({"type": "text_delta", "text": piece}));
        block(json!({"type": "text", "text": ""}), deltas.collect());
    }
    for call in &said.calls {
        let mut begin = json!({"type": "tool_use", "name": call.tool, "input": {}});
        if let Some(id) = &call.id {
            begin["id"] = json!(id);
        }
        let mut deltas = vec![json!({"type": "input_json_delta", "partial_json": ""})];
        deltas.extend(
            pieces(&call.arguments).into_iter().map(|piece| json!({"type": "input_json_delta", "partial_json": piece})),
        );
        block(begin, deltas);
    }
    let delta = json!({"stop_reason": stop_reason(said), "stop_sequence": null});
    event(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": said.usage.output}}));
    event(json!({"type": "message_stop"}));
    events
}

/// An error as the provider words it.
pub(super) fn error(status: u16, kind: Option<&str>, message: &str) -> Value {
    let kind = kind.unwrap_or(match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    });
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"})
}

/// The id of a call that the script leaves to the provider.
pub(super) fn call_id(conversation: &str, index: usize) -> String {
    format!("toolu_{}", digest(&format!("{conversation}/{index}")))
}
