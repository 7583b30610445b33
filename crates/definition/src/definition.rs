//! Loading and compiling.

use serde_json::Value;

use crate::build;
use crate::diagnostics::Diagnostics;
use crate::language;
use crate::notation;
use crate::plan::Plan;
use crate::report::Report;
use crate::shape;
use crate::source::Source;
use crate::tree::Node;

/// A definition that was loaded without errors.
#[derive(Clone, Debug)]
pub struct Definition {
    source: Source,
    tree: Node,
    value: Value,
}

impl Definition {
    /// The integration's name, `1password`.
    pub fn name(&self) -> &str {
        self.value["name"].as_str().unwrap_or_default()
    }

    /// Its name for people.
    pub fn label(&self) -> &str {
        self.value["label"].as_str().unwrap_or_default()
    }

    /// The name of the file that it came from.
    pub fn file_name(&self) -> &str {
        &self.source.file
    }

    /// The definition as a value: what overrides patch.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Compiles it without overrides.
    pub fn compile(&self) -> Result<Plan, Diagnostics> {
        let mut diagnostics = Diagnostics::new(self.source.clone());
        compile_tree(&self.tree, &mut diagnostics).ok_or(diagnostics)
    }
}

/// Loads a definition from its YAML text. `file_name` is only used in messages; nothing is read.
///
/// All problems come at once. The definition is `None` when one of them is an error.
pub fn load(file_name: &str, text: &str) -> (Option<Definition>, Diagnostics) {
    load_bytes(file_name, text.as_bytes())
}

/// The same for bytes, which may not be UTF-8.
pub fn load_bytes(file_name: &str, bytes: &[u8]) -> (Option<Definition>, Diagnostics) {
    let (tree, mut diagnostics) = notation::parse("definition", file_name, bytes);
    let plan = tree.as_ref().and_then(|tree| compile_tree(tree, &mut diagnostics));
    diagnostics.sort();
    let source = diagnostics.source().clone();
    let definition = match (tree, plan) {
        (Some(tree), Some(_)) if !diagnostics.has_errors() => Some(Definition { value: tree.to_value(), source, tree }),
        _ => None,
    };
    (definition, diagnostics)
}

/// The JSON Schema of the language, for editors.
pub fn schema() -> Value {
    let mut schema = shape::schema::of(&language::DEFINITION);
    if let Some(members) = schema.as_object_mut() {
        members.shift_insert(0, "$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        members.shift_insert(1, "title".to_owned(), "Quartermaster integration definition".into());
    }
    schema
}

/// Checks a tree and builds its plan; `None` when there were errors.
pub(crate) fn compile_tree(tree: &Node, diagnostics: &mut Diagnostics) -> Option<Plan> {
    let mut report = Report::new(tree, diagnostics);
    shape::check(tree, &language::DEFINITION, &mut report);
    if report.is_over_limit() {
        return None;
    }
    build::build(tree, &mut report)
}
