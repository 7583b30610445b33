//! What a run is told: checked before anything is done.

use quartermaster_definition::notation::{Node, check_value};
use quartermaster_types::{Code, FieldError, Problem};
use serde_json::{Map, Value, json};

use crate::load::Playbook;

/// An input that the playbook does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the input is not what the playbook {playbook} takes: {}", errors.iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect::<Vec<_>>().join("; "))]
pub struct InvalidInput {
    /// The playbook's name.
    pub playbook: String,
    /// Every wrong place.
    pub errors: Vec<FieldError>,
}

impl From<InvalidInput> for Problem {
    fn from(error: InvalidInput) -> Self {
        let places = if error.errors.len() == 1 { "1 place" } else { "some places" };
        let detail = format!("The playbook {} was not started: {places} in its input are wrong.", error.playbook);
        let mut problem =
            Self::caller(Code::InvalidArgument, detail.replace("1 place in its input are", "1 place in its input is"))
                .with_hint("Correct the places in `errors`; `qm playbook show` tells what the playbook takes.");
        problem.body_mut().errors = error.errors;
        problem
    }
}

impl Playbook {
    /// Checks an input and fills in defaults. Nulls for inputs that need not be given count as left out.
    ///
    /// # Errors
    /// Every wrong place, with what is expected there.
    pub fn input(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, InvalidInput> {
        let mut input = given.clone();
        input.retain(|name, value| !value.is_null() || self.required_inputs().any(|required| required == name));
        for (name, default) in self.defaults() {
            input.entry(name.clone()).or_insert_with(|| default.clone());
        }
        let value = Value::Object(input);
        let errors = check_value(self.input_schema(), &value, "input");
        match value {
            Value::Object(input) if errors.is_empty() => Ok(input),
            _ => Err(InvalidInput { playbook: self.name().to_owned(), errors }),
        }
    }

    fn required_inputs(&self) -> impl Iterator<Item = &str> {
        self.input_schema()["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    fn defaults(&self) -> impl Iterator<Item = (&String, &Value)> {
        let properties = self.input_schema()["properties"].as_object();
        properties.into_iter().flatten().filter_map(|(name, schema)| Some((name, schema.get("default")?)))
    }
}

/// The closed schema of all inputs.
pub(crate) fn schema(inputs: Option<&Node>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (key, node) in inputs.map_or(&[][..], Node::entries) {
        properties.insert(key.text.clone(), one(node));
        if node.get("required").and_then(Node::boolean) == Some(true) {
            required.push(key.text.clone());
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// The schema of one input.
pub(crate) fn one(node: &Node) -> Value {
    let mut schema = match node.get("schema").map(Node::to_value) {
        Some(Value::Object(schema)) => schema,
        _ => Map::new(),
    };
    for (key, value) in node.entries() {
        if !matches!(key.text.as_str(), "required" | "schema") {
            schema.insert(key.text.clone(), value.to_value());
        }
    }
    if !schema.contains_key("type") && node.get("schema").is_none() && node.get("enum").is_none() {
        schema.insert("type".to_owned(), json!("string"));
    }
    Value::Object(schema)
}
