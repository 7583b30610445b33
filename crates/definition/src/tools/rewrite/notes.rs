//! Keywords that a provider does not take, as words in the description.

use serde_json::{Map, Value};

/// Longest note, in characters.
const NOTE_MAX_CHARS: usize = 300;

/// Keywords without a meaning for whoever fills in the arguments.
const SILENT: [&str; 14] = [
    "$schema",
    "$id",
    "$comment",
    "$anchor",
    "$defs",
    "definitions",
    "title",
    "readOnly",
    "writeOnly",
    "deprecated",
    "$ref",
    "type",
    "description",
    "contentMediaType",
];

/// Gathers what has to be said in words.
pub(super) struct Notes<'schema> {
    schema: &'schema Map<String, Value>,
    texts: Vec<String>,
}

impl<'schema> Notes<'schema> {
    pub(super) fn new(schema: &'schema Map<String, Value>) -> Self {
        Self { schema, texts: Vec::new() }
    }

    /// Notes every keyword that is neither in `kept` nor without meaning.
    pub(super) fn all_but(mut self, kept: &Map<String, Value>, handled: &[&str]) -> Self {
        for (keyword, value) in self.schema {
            let is_kept = kept.contains_key(keyword) || handled.contains(&keyword.as_str());
            if !is_kept && !SILENT.contains(&keyword.as_str()) {
                self.texts.extend(note(keyword, value));
            }
        }
        self
    }

    pub(super) fn add(&mut self, text: impl Into<String>) {
        self.texts.push(text.into());
    }

    /// The schema's own description with the notes behind it; `None` when there is nothing to say.
    pub(super) fn description(self) -> Option<String> {
        let own = self.schema.get("description").and_then(Value::as_str).map(str::trim).unwrap_or_default();
        let notes = self.texts.join("; ");
        match (own.is_empty(), notes.is_empty()) {
            (true, true) => None,
            (false, true) => Some(own.to_owned()),
            (true, false) => Some(format!("{}.", capitalised(&notes))),
            (false, false) => {
                let stop = if own.ends_with(['.', '!', '?']) { "" } else { "." };
                Some(format!("{own}{stop} {}.", capitalised(&notes)))
            }
        }
    }

    /// Puts the description in front of the other keywords, after `type`.
    pub(super) fn write_into(self, out: &mut Map<String, Value>) {
        if let Some(text) = self.description() {
            let index = usize::from(out.contains_key("type")).min(out.len());
            out.shift_insert(index, "description".into(), Value::String(text));
        }
    }
}

/// One keyword in words; `None` when it says nothing.
fn note(keyword: &str, value: &Value) -> Option<String> {
    let listed = |values: &Value| match values.as_array() {
        Some(items) => items.iter().map(Value::to_string).collect::<Vec<_>>().join(", "),
        None => values.to_string(),
    };
    let text = match (keyword, value) {
        ("uniqueItems", Value::Bool(true)) => "no item twice".to_owned(),
        (
            "additionalProperties" | "unevaluatedProperties" | "additionalItems" | "unevaluatedItems" | "uniqueItems",
            Value::Bool(_),
        ) => {
            return None;
        }
        ("additionalProperties", value) => format!("other members are allowed, each {value}"),
        ("minLength", Value::Number(number)) if number.as_u64() == Some(1) => "not empty".to_owned(),
        ("minLength", value) => format!("at least {value} characters"),
        ("maxLength", value) => format!("at most {value} characters"),
        ("minItems", Value::Number(number)) if number.as_u64() == Some(1) => "at least one item".to_owned(),
        ("minItems", value) => format!("at least {value} items"),
        ("maxItems", value) => format!("at most {value} items"),
        ("minProperties", value) => format!("at least {value} members"),
        ("maxProperties", value) => format!("at most {value} members"),
        ("minimum", value) => format!("at least {value}"),
        ("maximum", value) => format!("at most {value}"),
        ("exclusiveMinimum", value) => format!("more than {value}"),
        ("exclusiveMaximum", value) => format!("less than {value}"),
        ("multipleOf", value) => format!("a multiple of {value}"),
        ("default", value) => format!("when left out: {value}"),
        ("example", value) => format!("for instance {value}"),
        ("examples", value) => format!("for instance {}", listed(value)),
        ("enum", value) => format!("one of {}", listed(value)),
        ("const", value) => format!("exactly {value}"),
        ("pattern", Value::String(pattern)) => format!("matches {pattern}"),
        ("format", Value::String(format)) => format!("in the format {format}"),
        ("not", value) => format!("must not fit {value}"),
        (keyword, value) => format!("{keyword}: {value}"),
    };
    Some(match text.char_indices().nth(NOTE_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    })
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
