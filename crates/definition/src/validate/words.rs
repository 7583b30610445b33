//! What was given and what is expected, in words.

use quartermaster_types::FieldError;
use serde_json::Value;

/// Longest excerpt of a given value in an error, in characters.
pub(super) const EXCERPT_MAX_CHARS: usize = 60;

/// Most values of an `enum` that an error lists.
const LISTED_VALUES_MAX: usize = 20;

/// Names closer than this (Jaro-Winkler) are offered as what was meant.
const SIMILAR_ENOUGH: f64 = 0.75;

/// How deep references and alternatives are followed for words.
const WORDS_DEPTH_MAX: usize = 4;

/// `the text "abc"`, `the number 5`.
pub(super) fn got(value: &Value) -> String {
    match value {
        Value::Null => "got null".to_owned(),
        Value::Bool(flag) => format!("got {flag}"),
        Value::Number(number) => format!("got the number {number}"),
        Value::String(text) if text.trim().is_empty() => "got an empty text".to_owned(),
        Value::String(text) => format!("got the text {}", excerpt(text)),
        Value::Array(items) => format!("got an array of {}", items.len()),
        Value::Object(_) => "got an object".to_owned(),
    }
}

/// The text in quotes, cut.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_MAX_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// `{pointer} {detail}.` as a sentence.
pub(super) fn sentence(error: &FieldError) -> String {
    let place = if error.pointer.is_empty() { "the arguments" } else { error.pointer.as_str() };
    format!("{place}: {}.", error.detail.trim_end_matches('.'))
}

/// What the schema wants: `an integer from 1 to 10000`, `one of "ACTIVE", "SUSPENDED"`; empty when it wants nothing special.
pub(super) fn expected(schema: &Value, root: &Value) -> String {
    let rule = rule(schema, root, 0);
    match schema.get("description").and_then(Value::as_str).map(|words| words.trim().trim_end_matches('.')) {
        Some(description) if rule.is_empty() => description.to_owned(),
        Some(description) => format!("{rule} ({description})"),
        None => rule,
    }
}

/// Why a member is refused, with the name that was probably meant.
pub(super) fn unknown_member(name: &str, schema: Option<&Value>, kind: &str) -> String {
    let known: Vec<&str> = schema
        .and_then(|schema| schema.get("properties")?.as_object())
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default();
    if let Some(close) = closest(name, &known) {
        return format!("there is no {kind} of this name; did you mean `{close}`?");
    }
    if known.is_empty() {
        return format!("there is no {kind} of this name; there are none");
    }
    let names: Vec<String> = known.iter().take(LISTED_VALUES_MAX).map(|name| format!("`{name}`")).collect();
    format!("there is no {kind} of this name; there are {}{}", names.join(", "), more(known.len()))
}

/// The known name that is closest, when one is close.
fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let wanted = plain(name);
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&wanted, &plain(candidate)), *candidate))
        .filter(|(score, _)| *score >= SIMILAR_ENOUGH)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}

fn more(count: usize) -> &'static str {
    if count > LISTED_VALUES_MAX { " and more" } else { "" }
}

fn rule(schema: &Value, root: &Value, depth: usize) -> String {
    if depth > WORDS_DEPTH_MAX {
        return String::new();
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#')) {
        return root.pointer(target).map(|target| rule(target, root, depth + 1)).unwrap_or_default();
    }
    if let Some(value) = schema.get("const") {
        return format!("exactly {value}");
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let listed: Vec<String> = values.iter().take(LISTED_VALUES_MAX).map(Value::to_string).collect();
        return format!("one of {}{}", listed.join(", "), more(values.len()));
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(branches) = schema.get(keyword).and_then(Value::as_array) {
            let words: Vec<String> =
                branches.iter().map(|branch| rule(branch, root, depth + 1)).filter(|words| !words.is_empty()).collect();
            return words.join(", or ");
        }
    }
    match schema.get("type") {
        Some(Value::String(kind)) => of_type(kind, schema, root, depth),
        Some(Value::Array(kinds)) => {
            let words: Vec<String> =
                kinds.iter().filter_map(Value::as_str).map(|kind| of_type(kind, schema, root, depth)).collect();
            words.join(", or ")
        }
        _ => String::new(),
    }
}

fn of_type(kind: &str, schema: &Value, root: &Value, depth: usize) -> String {
    match kind {
        "string" => text_rule(schema),
        "integer" => format!("an integer{}", range(schema, "minimum", "maximum", "")),
        "number" => format!("a number{}", range(schema, "minimum", "maximum", "")),
        "boolean" => "true or false".to_owned(),
        "array" => {
            let items = schema.get("items").map(|items| rule(items, root, depth + 1)).unwrap_or_default();
            let of = if items.is_empty() { String::new() } else { format!(", each {items}") };
            format!("an array{}{of}", range(schema, "minItems", "maxItems", " items"))
        }
        "object" => "an object".to_owned(),
        other => other.to_owned(),
    }
}

fn text_rule(schema: &Value) -> String {
    let mut words = match schema.get("format").and_then(Value::as_str) {
        Some(format) => format!("a text in the format {format}"),
        None => "a text".to_owned(),
    };
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        words.push_str(&format!(" that matches {pattern}"));
    }
    let length = range(schema, "minLength", "maxLength", " characters");
    if length == " of at least 1 characters" {
        words.push_str(", not empty");
    } else {
        words.push_str(&length);
    }
    words
}

/// ` from 1 to 10`, ` of at least 2 items`.
fn range(schema: &Value, low: &str, high: &str, unit: &str) -> String {
    match (schema.get(low), schema.get(high)) {
        (Some(low), Some(high)) if low == high => format!(" of exactly {low}{unit}"),
        (Some(low), Some(high)) => format!(" from {low} to {high}{unit}"),
        (Some(low), None) => format!(" of at least {low}{unit}"),
        (None, Some(high)) => format!(" of at most {high}{unit}"),
        (None, None) => String::new(),
    }
}
