//! Chat completions, after the public description of `POST /v1/chat/completions`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::check::{Checked, Wrong, is_between, is_count, is_name, text_of, unknown};
use super::conversation::{Conversation, ToolResult};
use super::digest;
use super::script::Stop;
use super::server::{Event, Said};

/// Parameters of a request.
const PARAMETERS: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];
const MESSAGE: &[&str] = &[
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "refusal",
    "audio",
    "function_call",
    "reasoning_content",
];
/// When every answer was made: the format wants a time, and the stand-in has none.
const CREATED: u64 = 1_764_000_000;
const TOOLS_MAX: usize = 128;
const DESCRIPTION_MAX: usize = 1024;
const CALL_ID_MAX: usize = 40;

/// Checks a request as the provider does and reads the conversation from it.
pub(super) fn read(body: &Map<String, Value>) -> Result<Conversation, Wrong> {
    if let Some(name) = unknown(body, PARAMETERS) {
        return Err(Wrong::new(format!("Unrecognized request argument supplied: {name}")));
    }
    if body.get("model").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(Wrong::new("you must provide a model parameter"));
    }
    numbers(body)?;
    let tools = tools(body)?;
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| Wrong::at("messages", "Missing required parameter: 'messages'."))?;
    let mut conversation = Conversation { tools, ..Conversation::default() };
    let mut waiting: Vec<(String, String)> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        one_message(index, message, &mut waiting, &mut conversation)?;
    }
    unanswered(&waiting)?;
    Ok(conversation)
}

fn numbers(body: &Map<String, Value>) -> Checked {
    if body.contains_key("max_tokens") && body.contains_key("max_completion_tokens") {
        return Err(Wrong::at(
            "max_tokens",
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        ));
    }
    for name in ["max_tokens", "max_completion_tokens", "n"] {
        if !is_count(body.get(name)) {
            return Err(Wrong::at(name, format!("Invalid type for '{name}': expected an integer above 0.")));
        }
    }
    for (name, least, most) in [("temperature", 0.0, 2.0), ("top_p", 0.0, 1.0), ("presence_penalty", -2.0, 2.0)] {
        if !is_between(body.get(name), least, most) {
            return Err(Wrong::at(name, format!("Invalid '{name}': expected a number between {least} and {most}.")));
        }
    }
    let streams = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    if body.contains_key("stream_options") && !streams {
        return Err(Wrong::at(
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    Ok(())
}

fn tools(body: &Map<String, Value>) -> Result<Vec<String>, Wrong> {
    let mut names = Vec::new();
    let Some(tools) = body.get("tools").filter(|tools| !tools.is_null()) else {
        if body.contains_key("tool_choice") {
            return Err(Wrong::at("tool_choice", "'tool_choice' is only allowed when 'tools' are specified."));
        }
        return Ok(names);
    };
    let tools = tools.as_array().filter(|tools| !tools.is_empty());
    let tools = tools.ok_or_else(|| Wrong::at("tools", "[] is too short - 'tools'"))?;
    if tools.len() > TOOLS_MAX {
        return Err(Wrong::at(
            "tools",
            format!(
                "Invalid 'tools': array too long. Expected an array with maximum length {TOOLS_MAX}, but got an array with length {} instead.",
                tools.len()
            ),
        ));
    }
    for (index, tool) in tools.iter().enumerate() {
        let at = format!("tools[{index}].function");
        if tool["type"] != "function" {
            return Err(Wrong::at(format!("tools[{index}].type"), format!("Invalid value for 'tools[{index}].type'.")));
        }
        let name = tool["function"]["name"].as_str().unwrap_or_default();
        if !is_name(name, 64) {
            return Err(Wrong::at(
                format!("{at}.name"),
                format!(
                    "Invalid '{at}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
                ),
            ));
        }
        let description = tool["function"]["description"].as_str().unwrap_or_default();
        if description.chars().count() > DESCRIPTION_MAX {
            return Err(Wrong::at(
                format!("{at}.description"),
                format!(
                    "Invalid '{at}.description': string too long. Expected a string with maximum length {DESCRIPTION_MAX}."
                ),
            ));
        }
        if let Some(schema) = tool["function"].get("parameters")
            && schema["type"] != "object"
        {
            return Err(Wrong {
                code: Some("invalid_function_parameters"),
                ..Wrong::at(
                    format!("{at}.parameters"),
                    format!(
                        "Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"'."
                    ),
                )
            });
        }
        names.push(name.to_owned());
    }
    let choice = body.get("tool_choice").unwrap_or(&Value::Null);
    let named = choice["function"]["name"].as_str();
    let is_known = match choice {
        Value::Null => true,
        Value::String(word) => matches!(word.as_str(), "none" | "auto" | "required"),
        _ => choice["type"] == "function" && named.is_some_and(|name| names.iter().any(|known| known == name)),
    };
    if !is_known {
        return Err(Wrong::at("tool_choice", "Invalid value for 'tool_choice'."));
    }
    Ok(names)
}

/// `waiting` are ids and names of calls without an answer yet.
fn one_message(
    index: usize,
    message: &Value,
    waiting: &mut Vec<(String, String)>,
    conversation: &mut Conversation,
) -> Checked {
    let at = format!("messages.[{index}]");
    let object =
        message.as_object().ok_or_else(|| Wrong::at(&at, format!("Invalid type for '{at}': expected an object.")))?;
    if let Some(name) = unknown(object, MESSAGE) {
        return Err(Wrong::at(format!("{at}.{name}"), format!("Unknown parameter: '{at}.{name}'.")));
    }
    let content = object.get("content").filter(|content| !content.is_null());
    let is_well_formed = match content {
        None | Some(Value::String(_)) => true,
        Some(Value::Array(parts)) => !parts.is_empty() && parts.iter().all(|part| part["type"].is_string()),
        Some(_) => false,
    };
    if !is_well_formed {
        return Err(Wrong::at(
            format!("{at}.content"),
            format!("Invalid type for '{at}.content': expected a string or an array of parts."),
        ));
    }
    let text = text_of(content);
    let role = object.get("role").and_then(Value::as_str).unwrap_or_default();
    if role != "tool" {
        unanswered(waiting)?;
        waiting.clear();
    }
    match role {
        "system" | "developer" | "user" if content.is_none() => Err(Wrong::at(
            format!("{at}.content"),
            format!("Invalid value for 'content': expected a string, got null. ({at})"),
        )),
        "system" | "developer" => Ok(()),
        "user" => {
            if conversation.goal.is_empty() {
                conversation.goal.clone_from(&text);
            }
            conversation.last_text = text;
            Ok(())
        }
        "assistant" => {
            conversation.turn += 1;
            let calls = object.get("tool_calls").filter(|calls| !calls.is_null());
            if content.is_none() && calls.is_none() {
                return Err(Wrong::at(
                    format!("{at}.content"),
                    format!("Invalid value for 'content': expected a string, got null. ({at})"),
                ));
            }
            *waiting = asked(&at, calls)?;
            Ok(())
        }
        "tool" => {
            let id = object.get("tool_call_id").and_then(Value::as_str).unwrap_or_default();
            let place = waiting.iter().position(|(known, _)| known == id);
            let place = place.ok_or_else(|| Wrong::at(format!("{at}.role"), "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."))?;
            if content.is_none() {
                return Err(Wrong::at(format!("{at}.content"), format!("Missing required parameter: '{at}.content'.")));
            }
            let (_, tool) = waiting.remove(place);
            conversation.results.push(ToolResult::new(tool, &text));
            conversation.last_text = text;
            Ok(())
        }
        other => Err(Wrong::at(
            format!("{at}.role"),
            format!(
                "Invalid value: '{other}'. Supported values are: 'system', 'assistant', 'user', 'tool', and 'developer'."
            ),
        )),
    }
}

/// The calls of an assistant's message.
fn asked(at: &str, calls: Option<&Value>) -> Result<Vec<(String, String)>, Wrong> {
    let Some(calls) = calls else { return Ok(Vec::new()) };
    let calls = calls.as_array().filter(|calls| !calls.is_empty());
    let calls = calls.ok_or_else(|| {
        Wrong::at(
            format!("{at}.tool_calls"),
            format!("Invalid '{at}.tool_calls': empty array. Expected an array with minimum length 1."),
        )
    })?;
    let mut known = HashSet::new();
    let mut asked = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let at = format!("{at}.tool_calls[{index}]");
        let id = call["id"].as_str().unwrap_or_default();
        if id.is_empty() || id.len() > CALL_ID_MAX {
            return Err(Wrong::at(
                format!("{at}.id"),
                format!("Invalid '{at}.id': expected a string of 1 to {CALL_ID_MAX} characters."),
            ));
        }
        if !known.insert(id) {
            return Err(Wrong::at(
                format!("{at}.id"),
                format!("Duplicate value for 'tool_call_id' of '{id}' in {at}."),
            ));
        }
        let name = call["function"]["name"].as_str().unwrap_or_default();
        if call["type"] != "function" || !is_name(name, 64) {
            return Err(Wrong::at(
                format!("{at}.function.name"),
                format!(
                    "Invalid '{at}.function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
                ),
            ));
        }
        if !call["function"]["arguments"].is_string() {
            return Err(Wrong::at(
                format!("{at}.function.arguments"),
                format!("Invalid type for '{at}.function.arguments': expected a string."),
            ));
        }
        asked.push((id.to_owned(), name.to_owned()));
    }
    Ok(asked)
}

fn unanswered(waiting: &[(String, String)]) -> Checked {
    if waiting.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = waiting.iter().map(|(id, _)| id.as_str()).collect();
    Err(Wrong::at(
        "messages",
        format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
            ids.join(", ")
        ),
    ))
}

fn finish_reason(said: &Said) -> &'static str {
    match said.stop {
        Some(Stop::Length) => "length",
        Some(Stop::Refusal) => "content_filter",
        None if said.calls.is_empty() => "stop",
        None => "tool_calls",
    }
}

fn usage(said: &Said) -> Value {
    json!({
        "prompt_tokens": said.usage.input,
        "completion_tokens": said.usage.output,
        "total_tokens": said.usage.input + said.usage.output,
        "prompt_tokens_details": {"cached_tokens": said.usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    })
}

fn head(said: &Said, object: &str) -> Map<String, Value> {
    let Value::Object(head) = json!({
        "id": format!("chatcmpl-{}", said.id), "object": object, "created": CREATED, "model": said.model,
        "system_fingerprint": "fp_scripted",
    }) else {
        return Map::new();
    };
    head
}

/// The answer in one piece.
pub(super) fn whole(said: &Said) -> Value {
    let mut message = json!({"role": "assistant", "content": said.text, "refusal": null});
    if let Some(reasoning) = &said.reasoning {
        message["reasoning_content"] = json!(reasoning);
    }
    if !said.calls.is_empty() {
        let calls = said.calls.iter().map(|call| {
            let mut item = json!({"type": "function", "function": {"name": call.tool, "arguments": call.arguments}});
            if let Some(id) = &call.id {
                item["id"] = json!(id);
            }
            item
        });
        message["tool_calls"] = calls.collect();
    }
    let mut answer = head(said, "chat.completion");
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(said)});
    answer.insert("choices".to_owned(), json!([choice]));
    answer.insert("usage".to_owned(), usage(said));
    Value::Object(answer)
}

/// The answer as events of a stream.
pub(super) fn events(said: &Said, with_usage: bool) -> Vec<Event> {
    let mut events = Vec::new();
    let mut chunk = |choices: Value, used: Option<Value>| {
        let mut chunk = head(said, "chat.completion.chunk");
        chunk.insert("choices".to_owned(), choices);
        if with_usage {
            chunk.insert("usage".to_owned(), used.unwrap_or(Value::Null));
        }
        events.push(Event::data(&Value::Object(chunk).to_string()));
    };
    let delta = |delta: Value, finish: Option<&str>| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    chunk(
        delta(
            json!({"role": "assistant", "content": if said.text.is_some() { json!("") } else { Value::Null }, "refusal": null}),
            None,
        ),
        None,
    );
    for piece in said.reasoning.iter().flat_map(|text| pieces(text)) {
        chunk(delta(json!({"reasoning_content": piece}), None), None);
    }
    for piece in said.text.iter().flat_map(|text| pieces(text)) {
        chunk(delta(json!({"content": piece}), None), None);
    }
    for (index, call) in said.calls.iter().enumerate() {
        let mut begin = json!({"index": index, "type": "function", "function": {"name": call.tool, "arguments": ""}});
        if let Some(id) = &call.id {
            begin["id"] = json!(id);
        }
        chunk(delta(json!({"tool_calls": [begin]}), None), None);
        for piece in pieces(&call.arguments) {
            chunk(delta(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}), None), None);
        }
    }
    chunk(delta(json!({}), Some(finish_reason(said))), None);
    if with_usage {
        chunk(json!([]), Some(usage(said)));
    }
    events.push(Event::data("[DONE]"));
    events
}

/// A text in pieces of some letters, as tokens are.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(7).map(|chunk| chunk.iter().collect()).collect()
}

/// An error as the provider words it.
pub(super) fn error(status: u16, kind: Option<&str>, code: Option<&str>, param: Option<&str>, message: &str) -> Value {
    let (kind, code) = match (kind, code, status) {
        (Some(kind), code, _) => (kind, code),
        (None, Some(code), _) => ("invalid_request_error", Some(code)),
        (None, None, 401) => ("invalid_request_error", Some("invalid_api_key")),
        (None, None, 429) => ("requests", Some("rate_limit_exceeded")),
        (None, None, 500..) => ("server_error", None),
        (None, None, _) => ("invalid_request_error", None),
    };
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

/// The id of a call that the script leaves to the provider.
pub(super) fn call_id(conversation: &str, index: usize) -> String {
    format!("call_{}", digest(&format!("{conversation}/{index}")))
}
