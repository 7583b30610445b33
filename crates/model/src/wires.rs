//! Between our conversation and the library's: the only file that knows its messages.

use std::collections::HashSet;

use rig_core::completion::message::{
    AssistantContent, AssistantMessage, CallId, Message as WireMessage, ProviderCallId, ToolCall as WireCall,
    ToolChoice as WireChoice, ToolFunction, ToolName, ToolResult as WireResult, ToolResultContent,
};
use rig_core::completion::{CompletionRequest, CompletionResponse, FinishReason, ToolDefinition};
use rig_core::message::Text;
use rig_core::providers::anthropic::wire::{AnthropicConfig, Messages, ToolInputStreaming, compatible};
use rig_core::providers::openai::wire::{BodyRewrite, Chat, Dialect, OpenAIConfig, Quirks};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::limits::{CALLS_MAX, TOOL_NAME_MAX_BYTES};
use crate::{Arguments, Message, OutputLimit, Reply, Request, Settings, Stop, ToolCall, ToolChoice, Usage, Wire};

/// The member under which malformed arguments go back to the model: every server takes an object, and the model sees what
/// it wrote. The name is the one that the documentation of streamed tool arguments of the messages format proposes.
const MALFORMED: &str = "INVALID_JSON";

/// Chat completions without anybody's peculiarities; contents are plain text, which every server understands.
pub(crate) fn chat_completions(model: &str) -> Chat {
    const DIALECT: Dialect = Dialect { request_id_header: Some("x-request-id"), ..Dialect::gateway("chat", "", "") };
    let mut quirks = Quirks::openai();
    quirks.rewrite = BodyRewrite::Perplexity;
    OpenAIConfig::with_key(&DIALECT.with_quirks(quirks), "").chat(model)
}

/// Messages, with marks that let the provider keep the beginning of the conversation in its cache.
pub(crate) fn messages(model: &str) -> Messages {
    const DIALECT: rig_core::providers::anthropic::wire::Dialect = compatible("messages", "", "", None);
    Messages {
        provider: AnthropicConfig::with_key(&DIALECT, ""),
        model: model.to_owned(),
        default_max_tokens: None,
        prompt_caching: true,
        static_prefix_cache_ttl: None,
        strict_tools: false,
        tool_input_streaming: ToolInputStreaming::Off,
    }
}

/// Our request as the library's.
pub(crate) fn request(settings: &Settings, request: &Request) -> Result<CompletionRequest, String> {
    let mut asked = CompletionRequest::from(String::new());
    asked.chat_history = history(request)?;
    asked.tools = request
        .tools
        .iter()
        .map(|tool| Ok(ToolDefinition::new(name(&tool.name)?, tool.description.clone(), tool.input_schema.clone())))
        .collect::<Result<_, String>>()?;
    asked.tool_choice = match &request.tool_choice {
        // What every server does by itself need not be said; some do not know the member.
        ToolChoice::Auto => None,
        _ if request.tools.is_empty() => None,
        ToolChoice::None => Some(WireChoice::None),
        ToolChoice::Required => Some(WireChoice::Required),
        ToolChoice::Tool(tool) => Some(WireChoice::Specific { function_names: vec![name(tool)?] }),
    };
    asked.temperature = request.temperature;
    asked.accept_unknown_finish_reasons = true;
    match (settings.wire, settings.output_limit) {
        (Wire::OpenAi, Some(OutputLimit::MaxCompletionTokens)) => {
            asked.additional_params = Some(json!({"max_completion_tokens": request.max_output_tokens}));
        }
        _ => asked.max_tokens = Some(u64::from(request.max_output_tokens)),
    }
    Ok(asked)
}

fn history(request: &Request) -> Result<Vec<WireMessage>, String> {
    let mut history = Vec::with_capacity(request.messages.len() + 1);
    if !request.system.is_empty() {
        history.push(WireMessage::system(&request.system));
    }
    for message in &request.messages {
        match message {
            Message::User { text } => history.push(WireMessage::user(text)),
            Message::Assistant { text, calls, opaque } => {
                // One that this version cannot read any more is said again in plain words.
                let kept = opaque.as_ref().and_then(|opaque| AssistantMessage::deserialize(opaque).ok());
                let turn = match kept {
                    Some(turn) => turn,
                    None => spoken(text, calls)?,
                };
                // A turn without anything in it cannot be sent, and says nothing.
                if !turn.content.is_empty() {
                    history.push(WireMessage::Assistant(turn));
                }
            }
            Message::ToolResults { results } => {
                let results = results.iter().map(|result| {
                    Ok(WireResult {
                        call: call_id(&result.call_id)?,
                        name: name(&result.name)?,
                        content: vec![ToolResultContent::Text(Text::new(&result.content))],
                        is_error: result.is_error,
                    })
                });
                history.push(WireMessage::tool_results(results.collect::<Result<_, String>>()?));
            }
        }
    }
    Ok(history)
}

/// A turn that text and calls tell everything about.
fn spoken(text: &str, calls: &[ToolCall]) -> Result<AssistantMessage, String> {
    let mut content = Vec::with_capacity(calls.len() + 1);
    if !text.trim().is_empty() {
        content.push(AssistantContent::Text(Text::new(text)));
    }
    for call in calls {
        let arguments = match &call.arguments {
            Arguments::Object(object) => object.clone(),
            Arguments::Malformed(text) => malformed(text),
        };
        let function = ToolFunction { name: name(&call.name)?, arguments, invalid_arguments: None };
        content.push(AssistantContent::ToolCall(WireCall::new(call_id(&call.id)?, function)));
    }
    Ok(AssistantMessage::new(content))
}

fn malformed(text: &str) -> Map<String, Value> {
    Map::from_iter([(MALFORMED.to_owned(), Value::String(text.to_owned()))])
}

fn call_id(id: &str) -> Result<CallId, String> {
    ProviderCallId::new(id).map(CallId::from).ok_or_else(|| "a call has no id".to_owned())
}

/// A name as every provider takes it in a conversation. A model may have made up one that no provider takes back, which
/// would make every further request fail; the loop has told the model by then that there is no such tool.
fn name(name: &str) -> Result<ToolName, String> {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') { letter } else { '_' };
    let name: String = name.chars().take(TOOL_NAME_MAX_BYTES).map(plain).collect();
    let name = if name.is_empty() { "_".to_owned() } else { name };
    ToolName::new(name).map_err(|error| error.to_string())
}

/// The library's answer as our reply.
pub(crate) fn reply(response: CompletionResponse, request: &Request) -> Result<Reply, String> {
    let mut used: HashSet<&str> = HashSet::new();
    for message in &request.messages {
        if let Message::Assistant { calls, .. } = message {
            used.extend(calls.iter().map(|call| call.id.as_str()));
        }
    }
    let mut made = used.len();
    let mut used: HashSet<String> = used.into_iter().map(str::to_owned).collect();
    let mut calls = Vec::new();
    let mut turn = response.head();
    turn.content.clone_from(&response.choice);
    for block in &mut turn.content {
        let AssistantContent::ToolCall(call) = block else { continue };
        let id = match call.id.provider().map(|id| id.as_str().to_owned()) {
            Some(id) if used.insert(id.clone()) => id,
            _ => made_up(&mut made, &mut used),
        };
        let named = call.function.name.as_str().to_owned();
        let arguments = match &call.function.invalid_arguments {
            Some(text) => Arguments::Malformed(text.clone()),
            None => Arguments::Object(call.function.arguments.clone()),
        };
        if call.id.provider().is_none_or(|known| known.as_str() != id) {
            call.id = call_id(&id)?;
        }
        if let Arguments::Malformed(text) = &arguments {
            call.function.arguments = malformed(text);
            call.function.invalid_arguments = None;
        }
        call.function.name = name(&named)?;
        calls.push(ToolCall { id, name: named, arguments });
    }
    if calls.len() > CALLS_MAX {
        return Err(format!("the model asks for {} calls at once; at most {CALLS_MAX} are taken", calls.len()));
    }
    let stop = stop(&response, calls.is_empty());
    let usage = Usage {
        input_tokens: response.usage.input_tokens.unwrap_or(0),
        output_tokens: response.usage.output_tokens.unwrap_or(0),
        cached_tokens: response.usage.cached_input_tokens.unwrap_or(0),
    };
    Ok(Reply {
        text: response.text(),
        calls,
        opaque: opaque(&turn),
        stop,
        usage,
        model: response.model().unwrap_or(&request.model).to_owned(),
        request_id: response.provider_request_id.clone(),
    })
}

/// An id for a call that came without one of its own.
fn made_up(made: &mut usize, used: &mut HashSet<String>) -> String {
    loop {
        *made += 1;
        let id = format!("call_{made}");
        if used.insert(id.clone()) {
            return id;
        }
    }
}

fn stop(response: &CompletionResponse, is_silent: bool) -> Stop {
    match response.finish_reason() {
        _ if response.error.is_some() => Stop::Refused,
        Some(FinishReason::ContentFilter) => Stop::Refused,
        Some(FinishReason::Length) => Stop::Length,
        _ if !is_silent => Stop::ToolCalls,
        Some(FinishReason::Stop | FinishReason::ToolCalls) | None => Stop::End,
        Some(_) => Stop::Other,
    }
}

/// The turn as the provider wants it back, when text and calls do not tell everything: signed reasoning, signatures at
/// calls, items that are nobody else's business.
fn opaque(turn: &AssistantMessage) -> Option<Value> {
    let plain = turn.content.iter().all(|block| match block {
        AssistantContent::Text(_) => true,
        AssistantContent::ToolCall(call) => call.native.as_ref().is_none_or(|native| is_plain_call(&native.item)),
        _ => false,
    });
    if plain { None } else { serde_json::to_value(turn).ok() }
}

/// Whether an item of a call has nothing but what every call has.
fn is_plain_call(item: &Value) -> bool {
    let known = ["id", "type", "function", "name", "input", "index"];
    let function = ["name", "arguments"];
    let only = |value: &Value, names: &[&str]| {
        value
            .as_object()
            .is_none_or(|object| object.iter().all(|(name, value)| names.contains(&name.as_str()) || value.is_null()))
    };
    only(item, &known) && item.get("function").is_none_or(|value| only(value, &function))
}
