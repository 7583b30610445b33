//! Loading.

use quartermaster_definition::notation::{self, Diagnostics, Node, Report, Source, check, schema_of};
use serde_json::Value;

use crate::build;
use crate::language;
use crate::model::Step;

/// A playbook that was loaded without errors.
#[derive(Clone, Debug)]
pub struct Playbook {
    pub(crate) source: Source,
    pub(crate) tree: Node,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) input_schema: Value,
    pub(crate) patience_seconds: u64,
    pub(crate) steps: Vec<Step>,
}

impl Playbook {
    /// Its name, `offboard`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does and when to use it.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The YAML text.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// JSON Schema of the input: a closed object.
    pub fn input_schema(&self) -> &Value {
        &self.input_schema
    }

    /// The names of the steps, in the order of the text, those inside `for_each` included.
    pub fn step_names(&self) -> Vec<&str> {
        build::step_names(&self.tree)
    }
}

/// Loads a playbook from its YAML text. `file_name` is only used in messages; nothing is read.
///
/// All problems come at once. The playbook is `None` when one of them is an error.
pub fn load(file_name: &str, bytes: &[u8]) -> (Option<Playbook>, Diagnostics) {
    let (tree, mut diagnostics) = notation::parse("playbook", file_name, bytes);
    let Some(tree) = tree else { return (None, diagnostics) };
    let built = {
        let mut report = Report::new(&tree, &mut diagnostics);
        check(&tree, &language::PLAYBOOK, &mut report);
        if report.is_over_limit() { None } else { Some(build::build(&tree, &mut report)) }
    };
    diagnostics.sort();
    let playbook = built.filter(|_| !diagnostics.has_errors()).map(|built| Playbook {
        source: diagnostics.source().clone(),
        name: text(&tree, "name"),
        description: text(&tree, "description"),
        input_schema: built.input_schema,
        patience_seconds: built.patience_seconds,
        steps: built.steps,
        tree,
    });
    (playbook, diagnostics)
}

fn text(tree: &Node, key: &str) -> String {
    tree.get(key).and_then(Node::text).unwrap_or_default().trim_end().to_owned()
}

/// The JSON Schema of the language, for editors.
pub fn schema() -> Value {
    let mut schema = schema_of(&language::PLAYBOOK);
    if let Some(members) = schema.as_object_mut() {
        members.shift_insert(0, "$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        members.shift_insert(1, "title".to_owned(), "Quartermaster playbook".into());
    }
    schema
}
