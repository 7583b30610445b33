//! Tools in the wire shape of each provider.

use serde_json::{Map, Value, json};

use super::format::ToolFormat;
use super::names::argument_alias;
use super::rewrite::{cohere, gemini, inline, strict};
use crate::plan::{Argument, ArgumentPlace, Effect, Method, Plan};
use crate::tools::input_schema;

/// What ends a description that was cut.
const CUT_MARK: &str = "…";

/// What stands in the answer or in the provider's `tools` field.
pub(super) fn tools(plan: &Plan, format: ToolFormat, methods: &[&Method]) -> Value {
    let each = |shape: &dyn Fn(&Method) -> Value| methods.iter().map(|method| shape(method)).collect::<Vec<Value>>();
    match format {
        ToolFormat::Default => json!({"result": each(&|method| default(plan, method))}),
        ToolFormat::OpenAi | ToolFormat::Mistral => json!(each(&|method| function(plan, format, method))),
        ToolFormat::OpenAiStrict => json!(each(&|method| strict_function(plan, method))),
        ToolFormat::Anthropic => json!(each(&|method| json!({
            "name": method.tool_name,
            "description": description(plan, format, method),
            "input_schema": method.input_schema,
        }))),
        ToolFormat::Gemini => json!([{"functionDeclarations": each(&|method| declaration(plan, method))}]),
        ToolFormat::Bedrock => json!(each(&|method| json!({"toolSpec": {
            "name": method.tool_name,
            "description": description(plan, format, method),
            "inputSchema": {"json": inline(&method.input_schema).schema},
        }}))),
        ToolFormat::Cohere => json!(each(&|method| json!({
            "name": method.tool_alias,
            "description": description(plan, format, method),
            "parameter_definitions": cohere(&inline(&method.input_schema).schema),
        }))),
        ToolFormat::Mcp => json!(each(&|method| mcp(plan, method))),
    }
}

/// Our own shape.
fn default(plan: &Plan, method: &Method) -> Value {
    let part = |wanted: fn(&ArgumentPlace) -> bool| {
        let arguments: Vec<Argument> =
            method.arguments.iter().filter(|argument| wanted(&argument.place)).cloned().collect();
        if arguments.is_empty() { Value::Null } else { input_schema(&arguments) }
    };
    let is_body = |place: &ArgumentPlace| matches!(place, ArgumentPlace::Body(_));
    json!({
        "resource": method.resource,
        "method": method.name,
        "name": method.tool_name,
        "title": method.title,
        "description": method.description,
        "query_schema": part(|place| !matches!(place, ArgumentPlace::Body(_))),
        "body_schema": part(is_body),
        "input_schema": method.input_schema,
        "output_schema": method.output_schema,
        "required": method.input_schema.get("required").cloned().unwrap_or_else(|| json!([])),
        "tags": method.tags,
        "annotations": {
            "read_only": method.effect == Effect::Read,
            "destructive": method.effect == Effect::Destructive,
            "idempotent": is_idempotent(method),
            "open_world": true,
            "undone_by": inverse(plan, method).map(|inverse| inverse.tool_name.as_str()),
        },
        "aliases": aliases(method),
    })
}

/// What the tool is called at each format, and by frameworks that refuse a leading digit on their own account.
fn aliases(method: &Method) -> Map<String, Value> {
    let mut aliases = Map::new();
    for format in ToolFormat::ALL {
        if format != ToolFormat::Default {
            let name = if format.needs_alias() { &method.tool_alias } else { &method.tool_name };
            aliases.insert(format.as_str().to_owned(), json!(name));
        }
    }
    aliases.insert("crewai".to_owned(), json!(method.tool_alias));
    aliases
}

fn function(plan: &Plan, format: ToolFormat, method: &Method) -> Value {
    json!({"type": "function", "function": {
        "name": method.tool_name,
        "description": description(plan, format, method),
        "parameters": method.input_schema,
    }})
}

/// `strict: true` with a schema that the strict mode takes; a tool that it cannot express stays as it is, `strict: false`.
fn strict_function(plan: &Plan, method: &Method) -> Value {
    let format = ToolFormat::OpenAiStrict;
    let strict = strict(&method.input_schema);
    json!({"type": "function", "function": {
        "name": method.tool_name,
        "description": description(plan, format, method),
        "strict": strict.is_some(),
        "parameters": strict.unwrap_or_else(|| method.input_schema.clone()),
    }})
}

fn declaration(plan: &Plan, method: &Method) -> Value {
    let mut declaration =
        json!({"name": method.tool_alias, "description": description(plan, ToolFormat::Gemini, method)});
    let has_arguments =
        method.input_schema.get("properties").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
    if has_arguments && let Some(members) = declaration.as_object_mut() {
        members.insert("parameters".into(), gemini(&with_argument_aliases(&method.input_schema)));
    }
    declaration
}

fn mcp(plan: &Plan, method: &Method) -> Value {
    json!({
        "name": method.tool_name,
        "title": method.title,
        "description": description(plan, ToolFormat::Mcp, method),
        "inputSchema": method.input_schema,
        "outputSchema": method.output_schema,
        "annotations": {
            "title": method.title,
            "readOnlyHint": method.effect == Effect::Read,
            "destructiveHint": method.effect == Effect::Destructive,
            "idempotentHint": is_idempotent(method),
            "openWorldHint": true,
        },
        "_meta": {"quartermaster/integration": plan.name, "quartermaster/method": method.full_name()},
    })
}

/// A read changes nothing, so doing it twice is the same as doing it once, whatever the definition says.
fn is_idempotent(method: &Method) -> bool {
    method.idempotent || method.effect == Effect::Read
}

/// The method that takes back what this one does.
fn inverse<'p>(plan: &'p Plan, method: &Method) -> Option<&'p Method> {
    plan.method(&method.resource, method.transition.as_ref()?.undo.as_deref()?)
}

/// What the description of a write ends in when no tool takes it back.
const NOT_UNDONE: &str = "No tool undoes this.";

/// The description, or the title where there is none: no provider gets an empty one. Of a write that nothing undoes it says so,
/// however long it is.
fn description(plan: &Plan, format: ToolFormat, method: &Method) -> String {
    let text = match method.description.as_deref().map(str::trim) {
        Some(text) if !text.is_empty() => text,
        _ if !method.title.trim().is_empty() => method.title.as_str(),
        _ => method.tool_name.as_str(),
    };
    let end = match text.ends_with(['.', '!', '?']) {
        _ if method.effect == Effect::Read || inverse(plan, method).is_some() => String::new(),
        true => format!(" {NOT_UNDONE}"),
        false => format!(". {NOT_UNDONE}"),
    };
    match format.description_max_chars() {
        Some(most) => cut(text, most - end.chars().count()) + &end,
        None => text.to_owned() + &end,
    }
}

/// At most `most` characters, cut between words.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let end = text.char_indices().nth(most - CUT_MARK.chars().count()).map_or(text.len(), |(index, _)| index);
    let stem = text[..end].rsplit_once(char::is_whitespace).map_or(&text[..end], |(stem, _)| stem);
    format!("{}{CUT_MARK}", stem.trim_end())
}

/// The schema with names of arguments that every provider accepts; [`Method::validate`] takes either.
pub(super) fn with_argument_aliases(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        *properties =
            std::mem::take(properties).into_iter().map(|(name, value)| (argument_alias(&name), value)).collect();
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        for name in required {
            *name = Value::String(argument_alias(name.as_str().unwrap_or_default()));
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_at_the_limit_stays_and_one_past_it_is_cut_between_words() {
        let at = "a".repeat(1024);
        assert_eq!(cut(&at, 1024), at);
        let cut_text = cut(&"word ".repeat(300), 1024);
        assert!(cut_text.chars().count() <= 1024 && cut_text.ends_with("word…"), "{cut_text}");
        assert_eq!(cut(&"ü".repeat(1025), 1024).chars().count(), 1024);
    }
}
