//! Loading.

use quartermaster_definition::notation::{self, Diagnostics, Report, check, schema_of};
use serde_json::Value;

use crate::limits::TRIGGER_MAX_BYTES;
use crate::model::Trigger;
use crate::{build, language};

/// Loads a trigger from its YAML text. `file_name` is only used in messages; nothing is read.
///
/// All problems come at once, with the mistakes of the playbook and of its input among them. The trigger is `None` when one of them
/// is an error.
pub fn load(file_name: &str, bytes: &[u8]) -> (Option<Trigger>, Diagnostics) {
    if bytes.len() > TRIGGER_MAX_BYTES {
        let message = format!("a trigger has at most {TRIGGER_MAX_BYTES} bytes, this one has {}", bytes.len());
        return (None, notation::too_long("trigger", file_name, message));
    }
    let (tree, mut diagnostics) = notation::parse("trigger", file_name, bytes);
    let Some(tree) = tree else { return (None, diagnostics) };
    let mut report = Report::new(&tree, &mut diagnostics);
    check(&tree, &language::TRIGGER, &mut report);
    let built = if report.is_over_limit() { None } else { build::build(&tree, &mut report) };
    diagnostics.sort();
    (built.filter(|_| !diagnostics.has_errors()), diagnostics)
}

/// The JSON Schema of the language, for editors.
pub fn schema() -> Value {
    let mut schema = schema_of(&language::TRIGGER);
    if let Some(members) = schema.as_object_mut() {
        members.shift_insert(0, "$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        members.shift_insert(1, "title".to_owned(), "Quartermaster trigger".into());
    }
    schema
}
