//! What the definition language is made of, for other languages in YAML that are checked the same way (playbooks): a tree with
//! places, shapes as tables, problems that come all at once with line, caret and advice.

use serde_json::Value;

use crate::diagnostics::{Diagnostic, Level};
pub use crate::diagnostics::{Diagnostics, Rule};
pub use crate::report::{Report, did_you_mean};
pub use crate::shape::schema::of as schema_of;
pub use crate::shape::{
    Field, Group, Keys, Object, Shape, check, duration_seconds, one_of, optional, required, snake_case,
};
pub use crate::source::Source;
pub use crate::tree::{Data, Key, Node};

/// Parses a YAML text within the budgets of definitions. `noun` is what messages call the text; nothing is read.
///
/// The tree is `None` when there is nothing to look at; the problems tell why.
pub fn parse(noun: &'static str, file_name: &str, bytes: &[u8]) -> (Option<Node>, Diagnostics) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let mut diagnostics = Diagnostics::new(Source::of(noun, file_name, &before));
            let location = diagnostics.locate(before.len()..before.len());
            diagnostics.push(Diagnostic { location, ..whole("the text is not UTF-8 from here on".to_owned()) });
            return (None, diagnostics);
        }
    };
    let source = Source::of(noun, file_name, text);
    let mut diagnostics = Diagnostics::new(source.clone());
    let tree = crate::tree::parse(&source.text, &mut diagnostics);
    if tree.is_none() && !diagnostics.has_errors() {
        diagnostics.push(whole(format!("there is nothing in this {noun}")));
    }
    (tree, diagnostics)
}

/// Checks a value against a JSON Schema (draft 2020-12, formats checked): all problems, each with its JSON Pointer and what is
/// expected there. `kind` is what messages call a value (`input`).
pub fn check_value(schema: &Value, value: &Value, kind: &'static str) -> Vec<quartermaster_types::FieldError> {
    crate::validate::check_value(schema, value, kind)
}

/// What a text that is over its limit gets instead of being looked at.
pub fn too_long(noun: &'static str, file_name: &str, message: String) -> Diagnostics {
    let mut diagnostics = Diagnostics::new(Source::of(noun, file_name, ""));
    diagnostics.push(Diagnostic { rule: Rule::Limit, ..whole(message) });
    diagnostics
}

fn whole(message: String) -> Diagnostic {
    Diagnostic {
        level: Level::Error,
        rule: Rule::Syntax,
        message,
        help: None,
        pointer: String::new(),
        location: None,
        layer: None,
    }
}
