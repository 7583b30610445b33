//! A text as a tree of values, each with its place in the text.

mod parse;
mod scalar;

use std::ops::Range;

use serde_json::{Map, Value};

pub(crate) use parse::parse;

/// The longest definition, in bytes.
pub const DEFINITION_MAX_BYTES: usize = 1024 * 1024;
/// The most values in a definition, those that aliases repeat included.
pub const DEFINITION_VALUES_MAX: usize = 50_000;
/// How deep values nest.
pub const DEFINITION_DEPTH_MAX: usize = 48;

/// A value and where it stands (`None` when it came without a text).
#[derive(Clone, Debug)]
pub struct Node {
    /// Byte range in the text.
    pub span: Option<Range<usize>>,
    /// What it holds.
    pub data: Data,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Data {
    /// Nothing.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text; no key stands twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its text.
    pub text: String,
    /// Byte range in the text.
    pub span: Option<Range<usize>>,
}

impl Node {
    /// The value under a key, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name.text == key).map(|(_, node)| node)
    }

    /// The value under keys, one below the other.
    pub fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Key, Self)] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Self] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// A text; `None` for anything else.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A truth value; `None` for anything else.
    pub fn boolean(&self) -> Option<bool> {
        match &self.data {
            Data::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// A whole number from 0; `None` for anything else.
    pub fn integer(&self) -> Option<u64> {
        match &self.data {
            Data::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// A text, number or truth value as a text.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.data {
            Data::Text(text) => Some(text.clone()),
            Data::Number(number) => Some(number.to_string()),
            Data::Boolean(value) => Some(value.to_string()),
            Data::Null | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// What kind of value it is, with its article.
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Boolean(_) => "a truth value",
            Data::Number(_) => "a number",
            Data::Text(_) => "a text",
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
        }
    }

    /// The same without places.
    pub fn to_value(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Boolean(value) => Value::Bool(*value),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Data::Map(entries) => {
                let members = entries.iter().map(|(key, node)| (key.text.clone(), node.to_value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }

    /// A tree without places.
    pub fn from_value(value: &Value) -> Self {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Boolean(*value),
            Value::Number(number) => Data::Number(number.clone()),
            Value::String(text) => Data::Text(text.clone()),
            Value::Array(items) => Data::List(items.iter().map(Self::from_value).collect()),
            Value::Object(members) => Data::Map(
                members
                    .iter()
                    .map(|(name, value)| (Key { text: name.clone(), span: None }, Self::from_value(value)))
                    .collect(),
            ),
        };
        Self { span: None, data }
    }

    /// The JSON Pointer of `target`, which must be a part of this tree; found by address, because pointers are only
    /// needed for problems, and those are few.
    pub fn pointer_to(&self, target: &Self) -> Option<String> {
        if std::ptr::eq(self, target) {
            return Some(String::new());
        }
        let below = |step: String, node: &Self| node.pointer_to(target).map(|rest| format!("/{step}{rest}"));
        match &self.data {
            Data::List(items) => items.iter().enumerate().find_map(|(index, node)| below(index.to_string(), node)),
            Data::Map(entries) => entries.iter().find_map(|(key, node)| below(escape(&key.text), node)),
            _ => None,
        }
    }
}

/// A name as a segment of a JSON Pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
