//! Overrides: merge patches (RFC 7396) on a definition, in layers.

use serde_json::{Map, Value};

use crate::definition::Definition;
use crate::diagnostics::{Diagnostic, Diagnostics, Level, Rule};
use crate::plan::Plan;
use crate::source::Source;
use crate::tree::{DEFINITION_DEPTH_MAX, DEFINITION_VALUES_MAX, Node, escape};

/// Where a value comes from. Later layers win.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Layer {
    /// The definition file.
    Base,
    /// The environment's override.
    Environment,
    /// The account's override.
    Account,
}

impl Layer {
    /// `base`, `environment` or `account`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Environment => "environment",
            Self::Account => "account",
        }
    }
}

/// One value of an effective definition and where it came from.
#[derive(Clone, PartialEq, Debug)]
pub struct Origin {
    /// JSON Pointer into the effective definition.
    pub pointer: String,
    /// The layer that set it.
    pub layer: Layer,
    /// The value; never a list's or mapping's parts, which have entries of their own (empty ones excepted).
    pub value: Value,
}

/// The definition with its overrides applied, in the order given. What an override sets to null is taken out.
pub fn effective(definition: &Definition, layers: &[(Layer, &Value)]) -> Value {
    let mut value = definition.value().clone();
    for (_, patch) in layers {
        merge(&mut value, patch);
    }
    value
}

/// Compiles a definition with its overrides.
///
/// Problems are told by JSON Pointer, and by the layer that the value came from. `name` cannot be overridden.
pub fn compile_with_overrides(definition: &Definition, layers: &[(Layer, &Value)]) -> Result<Plan, Diagnostics> {
    if layers.is_empty() {
        return definition.compile();
    }
    let mut diagnostics = Diagnostics::new(Source::without_text(definition.file_name()));
    for (layer, patch) in layers {
        check_patch(*layer, patch, &mut diagnostics);
    }
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let value = effective(definition, layers);
    let Some(root) = bounded_tree(&value, &mut diagnostics) else { return Err(diagnostics) };
    let plan = crate::definition::compile_tree(&root, &mut diagnostics);
    for item in diagnostics.items_mut() {
        let touched = layers.iter().rev().find(|(_, patch)| touches(patch, &item.pointer));
        item.layer = Some(touched.map_or(Layer::Base, |(layer, _)| *layer));
    }
    plan.ok_or(diagnostics)
}

/// Where every value at and below `pointer` of the effective definition came from; empty when there is nothing.
pub fn explain(definition: &Definition, layers: &[(Layer, &Value)], pointer: &str) -> Vec<Origin> {
    let value = effective(definition, layers);
    let mut origins = Vec::new();
    if let Some(value) = value.pointer(pointer) {
        collect(value, pointer.to_owned(), layers, &mut origins);
    }
    origins
}

fn collect(value: &Value, pointer: String, layers: &[(Layer, &Value)], origins: &mut Vec<Origin>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                collect(member, format!("{pointer}/{}", escape(name)), layers, origins);
            }
        }
        _ => origins.push(Origin { layer: layer_of(layers, &pointer), pointer, value: value.clone() }),
    }
}

/// The last layer whose patch sets the value at `pointer` or something around it.
fn layer_of(layers: &[(Layer, &Value)], pointer: &str) -> Layer {
    let found = layers.iter().rev().find(|(_, patch)| sets(patch, pointer));
    found.map_or(Layer::Base, |(layer, _)| *layer)
}

/// Whether a merge patch sets the value at `pointer`: on the way down it comes to something that is no mapping.
fn sets(patch: &Value, pointer: &str) -> bool {
    let mut at = patch;
    for step in pointer.split('/').skip(1) {
        let Value::Object(members) = at else { return true };
        match members.get(&step.replace("~1", "/").replace("~0", "~")) {
            Some(member) => at = member,
            None => return false,
        }
    }
    !at.is_object()
}

/// Whether a merge patch says anything about the value at `pointer`, something around it or something in it.
fn touches(patch: &Value, pointer: &str) -> bool {
    sets(patch, pointer) || (!pointer.is_empty() && patch.pointer(pointer).is_some())
}

/// RFC 7396: mappings are merged, null takes out, everything else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.shift_remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

fn check_patch(layer: Layer, patch: &Value, diagnostics: &mut Diagnostics) {
    let mut note = |rule, pointer: &str, message: &str| {
        diagnostics.push(Diagnostic {
            level: Level::Error,
            rule,
            message: message.to_owned(),
            help: None,
            pointer: pointer.to_owned(),
            location: None,
            layer: Some(layer),
        });
    };
    match patch {
        Value::Object(members) if members.contains_key("name") => {
            note(Rule::BadName, "/name", "an override cannot change the integration's name");
        }
        Value::Object(_) => {}
        _ => note(Rule::WrongType, "", "an override is a mapping"),
    }
}

fn bounded_tree(value: &Value, diagnostics: &mut Diagnostics) -> Option<Node> {
    let (values, depth) = size_of(value);
    if values <= DEFINITION_VALUES_MAX && depth <= DEFINITION_DEPTH_MAX {
        return Some(Node::from_value(value));
    }
    let message = format!(
        "with its overrides a definition has at most {DEFINITION_VALUES_MAX} values and nests at most {DEFINITION_DEPTH_MAX} deep"
    );
    diagnostics.push(Diagnostic {
        level: Level::Error,
        rule: Rule::Limit,
        message,
        help: None,
        pointer: String::new(),
        location: None,
        layer: None,
    });
    None
}

/// Number of values, and how deep they nest.
fn size_of(value: &Value) -> (usize, usize) {
    let parts: Vec<(usize, usize)> = match value {
        Value::Array(items) => items.iter().map(size_of).collect(),
        Value::Object(members) => members.values().map(size_of).collect(),
        _ => Vec::new(),
    };
    (1 + parts.iter().map(|part| part.0).sum::<usize>(), 1 + parts.iter().map(|part| part.1).max().unwrap_or(0))
}
