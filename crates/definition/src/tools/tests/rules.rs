//! What each provider accepts, written from its rules and not from our renderer.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;

use crate::tools::ToolFormat;

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap().is_match(text)
}

/// Panics with the reason when the answer breaks a rule of the provider.
pub(super) fn check(format: ToolFormat, answer: &Value) {
    let tools: Vec<Value> = match format {
        ToolFormat::Default => answer["result"].as_array().unwrap().clone(),
        ToolFormat::Gemini => {
            assert_eq!(answer.as_array().unwrap().len(), 1);
            answer[0]["functionDeclarations"].as_array().unwrap().clone()
        }
        _ => answer.as_array().unwrap().clone(),
    };
    let mut names = HashSet::new();
    for tool in &tools {
        let name = match format {
            ToolFormat::Default => default(tool),
            ToolFormat::OpenAi | ToolFormat::Mistral => function(tool, &["name", "description", "parameters"]),
            ToolFormat::OpenAiStrict => strict(tool),
            ToolFormat::Anthropic => anthropic(tool),
            ToolFormat::Gemini => gemini(tool),
            ToolFormat::Bedrock => bedrock(tool),
            ToolFormat::Cohere => cohere(tool),
            ToolFormat::Mcp => mcp(tool),
        };
        assert!(names.insert(name.to_lowercase()), "{name} occurs twice");
    }
    match format {
        ToolFormat::OpenAi | ToolFormat::OpenAiStrict => assert!(tools.len() <= 128),
        ToolFormat::Gemini => assert!(tools.len() <= 512),
        _ => {}
    }
}

fn only_keys(value: &Value, allowed: &[&str]) {
    for key in value.as_object().unwrap().keys() {
        assert!(allowed.contains(&key.as_str()), "{key} is not allowed in {value}");
    }
}

fn has_keys(value: &Value, wanted: &[&str]) {
    for key in wanted {
        assert!(value.get(key).is_some(), "{key} is missing in {value}");
    }
    only_keys(value, wanted);
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} must be a text in {value}"))
}

fn is_root_object(schema: &Value) {
    assert_eq!(schema["type"], "object", "{schema}");
    for keyword in ["anyOf", "oneOf", "allOf", "not", "enum"] {
        assert!(schema.get(keyword).is_none(), "the root must be a plain object");
    }
    assert!(jsonschema::draft202012::meta::is_valid(schema), "{schema}");
    crate::validate::check_schema(schema).unwrap();
}

fn default(tool: &Value) -> String {
    has_keys(
        tool,
        &[
            "resource",
            "method",
            "name",
            "title",
            "description",
            "query_schema",
            "body_schema",
            "input_schema",
            "output_schema",
            "required",
            "tags",
            "annotations",
            "aliases",
        ],
    );
    has_keys(&tool["annotations"], &["read_only", "destructive", "idempotent", "open_world", "undone_by"]);
    for schema in ["input_schema", "output_schema"] {
        is_root_object(&tool[schema]);
    }
    assert_eq!(tool["input_schema"]["additionalProperties"], false);
    assert_eq!(tool["required"], tool["input_schema"]["required"]);
    for part in ["query_schema", "body_schema"] {
        if !tool[part].is_null() {
            is_root_object(&tool[part]);
        }
    }
    for name in tool["aliases"].as_object().unwrap().values() {
        assert!(matches("^[a-zA-Z0-9_]{1,64}$", name.as_str().unwrap()));
    }
    for strict in ["gemini", "cohere", "crewai"] {
        assert!(matches("^[a-zA-Z]", text(&tool["aliases"], strict)));
    }
    text(tool, "name").to_owned()
}

fn openai_function(function: &Value) -> String {
    assert!(matches("^[a-zA-Z0-9_-]{1,64}$", text(function, "name")), "{function}");
    let characters = text(function, "description").chars().count();
    assert!((1..=1024).contains(&characters), "a description of {characters} characters");
    text(function, "name").to_owned()
}

fn function(tool: &Value, keys: &[&str]) -> String {
    has_keys(tool, &["type", "function"]);
    assert_eq!(tool["type"], "function");
    let function = &tool["function"];
    has_keys(function, keys);
    is_root_object(&function["parameters"]);
    // The limit on descriptions is OpenAI's; Mistral's names are the same.
    assert!(matches("^[a-zA-Z0-9_-]{1,64}$", text(function, "name")), "{function}");
    text(function, "name").to_owned()
}

fn strict(tool: &Value) -> String {
    has_keys(tool, &["type", "function"]);
    let function = &tool["function"];
    has_keys(function, &["name", "description", "strict", "parameters"]);
    is_root_object(&function["parameters"]);
    if function["strict"].as_bool().unwrap() {
        let mut counts = Counts::default();
        strict_schema(&function["parameters"], 0, &mut counts);
        assert!(counts.properties <= 5000 && counts.enum_values <= 1000);
        assert!(function["parameters"].to_string().len() <= 120_000 * 4);
    }
    openai_function(function)
}

#[derive(Default)]
struct Counts {
    properties: usize,
    enum_values: usize,
}

fn strict_schema(schema: &Value, level: usize, counts: &mut Counts) {
    assert!(level <= 10, "more than ten levels");
    only_keys(
        schema,
        &[
            "type",
            "description",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "enum",
            "anyOf",
            "pattern",
            "format",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minItems",
            "maxItems",
        ],
    );
    if let Some(branches) = schema.get("anyOf") {
        assert!(!branches.as_array().unwrap().is_empty());
        branches.as_array().unwrap().iter().for_each(|branch| strict_schema(branch, level, counts));
        return;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        other => panic!("a type is needed, not {other}, in {schema}"),
    };
    counts.enum_values += schema.get("enum").map_or(0, |values| values.as_array().unwrap().len());
    if kinds.contains(&"object") {
        assert_eq!(schema["additionalProperties"], false, "{schema}");
        let properties: HashSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let required: HashSet<&str> =
            schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(properties, required, "every member is required");
        counts.properties += properties.len();
        schema["properties"].as_object().unwrap().values().for_each(|member| strict_schema(member, level + 1, counts));
    }
    if kinds.contains(&"array") {
        strict_schema(&schema["items"], level, counts);
    }
    if let Some(format) = schema.get("format") {
        let known = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];
        assert!(known.contains(&format.as_str().unwrap()));
    }
    if let Some(pattern) = schema.get("pattern") {
        assert!(!pattern.as_str().unwrap().contains("(?"));
    }
}

fn anthropic(tool: &Value) -> String {
    has_keys(tool, &["name", "description", "input_schema"]);
    assert!(matches("^[a-zA-Z0-9_-]{1,64}$", text(tool, "name")));
    assert!(!text(tool, "description").is_empty());
    is_root_object(&tool["input_schema"]);
    text(tool, "name").to_owned()
}

fn gemini(tool: &Value) -> String {
    only_keys(tool, &["name", "description", "parameters"]);
    assert!(matches("^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$", text(tool, "name")), "{tool}");
    assert!(!text(tool, "description").is_empty());
    if let Some(parameters) = tool.get("parameters") {
        assert_eq!(parameters["type"], "object");
        assert!(!parameters["properties"].as_object().unwrap().is_empty());
        gemini_schema(parameters);
    }
    text(tool, "name").to_owned()
}

fn gemini_schema(schema: &Value) {
    only_keys(
        schema,
        &[
            "type",
            "description",
            "nullable",
            "enum",
            "items",
            "properties",
            "required",
            "anyOf",
            "minItems",
            "maxItems",
            "minLength",
            "maxLength",
            "pattern",
            "minimum",
            "maximum",
        ],
    );
    if let Some(branches) = schema.get("anyOf") {
        only_keys(schema, &["anyOf"]);
        assert!(branches.as_array().unwrap().len() > 1);
        branches.as_array().unwrap().iter().for_each(gemini_schema);
        return;
    }
    let kind = text(schema, "type");
    assert!(["object", "array", "string", "integer", "number", "boolean"].contains(&kind), "{schema}");
    if let Some(values) = schema.get("enum") {
        assert_eq!(kind, "string");
        assert!(values.as_array().unwrap().iter().all(|value| value.as_str().is_some_and(|text| !text.is_empty())));
    }
    if let Some(properties) = schema.get("properties") {
        assert_eq!(kind, "object");
        for (name, member) in properties.as_object().unwrap() {
            assert!(matches("^[A-Za-z_][A-Za-z0-9_]{0,63}$", name), "{name}");
            gemini_schema(member);
        }
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        assert!(schema["properties"].get(name.as_str().unwrap()).is_some(), "{name} is required and not there");
    }
    if kind == "array" {
        gemini_schema(&schema["items"]);
    }
}

fn no_reference(value: &Value) {
    match value {
        Value::Object(members) => {
            assert!(!members.get("$ref").is_some_and(Value::is_string), "references must be written out");
            // Values of these are data.
            members
                .iter()
                .filter(|(key, _)| !["const", "enum", "default", "examples"].contains(&key.as_str()))
                .for_each(|(_, member)| no_reference(member));
        }
        Value::Array(items) => items.iter().for_each(no_reference),
        _ => {}
    }
}

fn bedrock(tool: &Value) -> String {
    has_keys(tool, &["toolSpec"]);
    let spec = &tool["toolSpec"];
    has_keys(spec, &["name", "description", "inputSchema"]);
    has_keys(&spec["inputSchema"], &["json"]);
    assert!(matches("^[a-zA-Z0-9_-]{1,64}$", text(spec, "name")));
    assert!(!text(spec, "description").is_empty());
    is_root_object(&spec["inputSchema"]["json"]);
    no_reference(&spec["inputSchema"]["json"]);
    text(spec, "name").to_owned()
}

fn cohere(tool: &Value) -> String {
    has_keys(tool, &["name", "description", "parameter_definitions"]);
    assert!(matches("^[a-zA-Z_][a-zA-Z0-9_]{0,63}$", text(tool, "name")), "{tool}");
    for (name, parameter) in tool["parameter_definitions"].as_object().unwrap() {
        assert!(matches("^[a-zA-Z_][a-zA-Z0-9_]{0,63}$", name), "{name}");
        only_keys(parameter, &["description", "type", "required"]);
        assert!(matches(
            r"^(str|int|float|bool|dict|list|List\[(str|int|float|bool|dict)\])$",
            text(parameter, "type")
        ));
        assert!(parameter["required"].is_boolean());
    }
    text(tool, "name").to_owned()
}

fn mcp(tool: &Value) -> String {
    has_keys(tool, &["name", "title", "description", "inputSchema", "outputSchema", "annotations", "_meta"]);
    assert!(matches("^[a-zA-Z0-9_.-]{1,64}$", text(tool, "name")));
    is_root_object(&tool["inputSchema"]);
    is_root_object(&tool["outputSchema"]);
    for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
        assert!(tool["annotations"][hint].is_boolean(), "{hint}");
    }
    assert!(!(tool["annotations"]["readOnlyHint"] == true && tool["annotations"]["destructiveHint"] == true));
    text(tool, "name").to_owned()
}
