//! What both wire formats check in a request, and how a wrong one is told.

use serde_json::{Map, Value};

/// Why a request is refused, before it has the form of a provider's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) status: u16,
    pub(super) message: String,
    /// The parameter that is wrong, where the format names one.
    pub(super) param: Option<String>,
    pub(super) code: Option<&'static str>,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into(), param: None, code: None }
    }

    pub(super) fn at(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(message) }
    }
}

pub(super) type Checked = Result<(), Wrong>;

/// Letters, digits, `_` and `-`, at most `max` of them.
pub(super) fn is_name(name: &str, max: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !name.is_empty() && name.len() <= max && name.bytes().all(plain)
}

/// The members that are not among `known`.
pub(super) fn unknown<'a>(object: &'a Map<String, Value>, known: &[&str]) -> Option<&'a str> {
    object.keys().map(String::as_str).find(|name| !known.contains(name))
}

/// Whether a number stands between two others, ends included; nothing at all is well too.
pub(super) fn is_between(value: Option<&Value>, least: f64, most: f64) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(value) => value.as_f64().is_some_and(|number| (least..=most).contains(&number)),
    }
}

/// Whether it is a whole number of at least one, or nothing at all.
pub(super) fn is_count(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(value) => value.as_u64().is_some_and(|number| number > 0),
    }
}

/// The text of a content: a string, or the texts of its parts.
pub(super) fn text_of(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
