//! Arguments of a call, checked against the method's input schema before anything is sent.
//!
//! A valid object costs one pass and no allocation. A wrong one gets every problem at once, each with its JSON Pointer and
//! what is expected there, in words that a model can act on.

mod fields;
mod id;
mod query;
mod words;

use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use quartermaster_types::{Code, FieldError, Problem};
use serde_json::{Map, Value};

use crate::plan::{Method, Plan};
use crate::tools::argument_alias;

pub use fields::{near_names, unknown_fields};
pub use id::{IdMistake, IdMistakeKind, id_mistake};
pub(crate) use query::arguments_from_query;

/// Most problems that one answer lists; the last entry says that there are more.
pub const FIELD_ERRORS_MAX: usize = 32;

/// How often a pattern with look-around may go back before the text counts as not matching.
const PATTERN_BACKTRACKS_MAX: usize = 100_000;

/// Deepest nesting in which nulls are looked for.
const NULL_DEPTH_MAX: usize = 64;

/// Whether `schema` can be used at all; the error says why not. References must stay inside the schema.
pub fn check_schema(schema: &Value) -> Result<(), String> {
    compile(schema).map(|_| ()).map_err(|error| error.to_string())
}

/// Draft 2020-12, formats checked, nothing fetched from anywhere.
fn compile(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(PATTERN_BACKTRACKS_MAX))
        .offline()
        .build(schema)
}

/// The work behind [`Method::validate`].
pub(crate) fn validate(
    method: &Method,
    mut arguments: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<FieldError>> {
    if arguments.values().any(Value::is_null) {
        arguments.retain(|name, value| !value.is_null() || !is_optional(method, name));
    }
    let validator = compiled(&method.validator, &method.input_schema).map_err(|error| {
        broken(format!("the input schema of {} in the definition is broken: {error}", method.full_name()))
    })?;
    let value = Value::Object(arguments);
    let value = if validator.is_valid(&value) {
        value
    } else {
        let repaired = repair(method, &value);
        if !validator.is_valid(&repaired) {
            return Err(field_errors(validator, &method.input_schema, &repaired, "argument"));
        }
        repaired
    };
    match value {
        Value::Object(arguments) => Ok(arguments),
        other => Err(vec![FieldError { pointer: String::new(), detail: words::got(&other) }]),
    }
}

/// The work behind [`Plan::check_connection`].
pub(crate) fn check_connection(plan: &Plan, connection: &Value) -> Vec<FieldError> {
    match compiled(&plan.connection_validator, &plan.connection_schema) {
        Ok(validator) if validator.is_valid(connection) => Vec::new(),
        Ok(validator) => field_errors(validator, &plan.connection_schema, connection, "connection field"),
        Err(error) => broken(format!("the connection schema of {} in the definition is broken: {error}", plan.name)),
    }
}

/// Every problem of `value` under a schema; `kind` is what a member of it is called.
pub(crate) fn check_value(schema: &Value, value: &Value, kind: &str) -> Vec<FieldError> {
    match compile(schema) {
        Ok(validator) if validator.is_valid(value) => Vec::new(),
        Ok(validator) => field_errors(&validator, schema, value, kind),
        Err(error) => broken(format!("the schema is broken: {error}")),
    }
}

/// The validator in `place`, compiled when this is its first use.
fn compiled<'a>(
    place: &'a OnceLock<Box<Validator>>,
    schema: &Value,
) -> Result<&'a Validator, ValidationError<'static>> {
    match place.get() {
        Some(validator) => Ok(validator),
        None => compile(schema).map(|validator| &**place.get_or_init(|| Box::new(validator))),
    }
}

fn broken(detail: String) -> Vec<FieldError> {
    vec![FieldError { pointer: String::new(), detail }]
}

/// The problem that answers wrong arguments: every place, and for an id that is none the reason and the call that finds it.
pub fn invalid_arguments(plan: &Plan, method: &Method, given: &Map<String, Value>, errors: Vec<FieldError>) -> Problem {
    let places = errors.len();
    let detail = match places {
        1 => format!("{} was not called: {}", method.tool_name, words::sentence(&errors[0])),
        _ => format!("{} was not called: {places} places in the arguments are wrong.", method.tool_name),
    };
    let mut problem = Problem::caller(Code::InvalidArgument, detail);
    problem.body_mut().errors = errors;
    let id = given.get("id").and_then(Value::as_str).filter(|_| method.takes_id);
    let mistake = plan.resources.get(&method.resource).zip(id).and_then(|(resource, id)| id_mistake(resource, id));
    let Some(mistake) = mistake else {
        return problem.with_hint("Correct the places in `errors` and call again; the same arguments fail again.");
    };
    match mistake.find.and_then(|find| Some((plan.method(&find.resource, &find.method)?, find.arguments))) {
        Some((finder, arguments)) => {
            problem.with_hint(mistake.hint).with_next_call(finder.tool_name.clone(), arguments)
        }
        None => problem.with_hint(mistake.hint),
    }
}

/// Nulls of other arguments stay, so that the answer says what is expected, or that there is no such argument.
fn is_optional(method: &Method, name: &str) -> bool {
    method.arguments.iter().any(|argument| !argument.required && argument.name == name)
}

/// What a model wrote as the tool's projection told it to, and the schema does not take: aliases of argument names that some
/// providers refuse, and nulls for optional members inside objects (strict modes make it write one for every member).
fn repair(method: &Method, value: &Value) -> Value {
    let mut value = without_nested_nulls(value, 0);
    if let Some(members) = value.as_object_mut() {
        for argument in &method.arguments {
            let alias = argument_alias(&argument.name);
            if alias != argument.name
                && !members.contains_key(&argument.name)
                && let Some(given) = members.shift_remove(&alias)
                && !given.is_null()
            {
                members.insert(argument.name.clone(), given);
            }
        }
    }
    value
}

fn without_nested_nulls(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(members) if depth < NULL_DEPTH_MAX => Value::Object(
            members
                .iter()
                .filter(|(_, member)| depth == 0 || !member.is_null())
                .map(|(name, member)| (name.clone(), without_nested_nulls(member, depth + 1)))
                .collect(),
        ),
        Value::Array(items) if depth < NULL_DEPTH_MAX => {
            items.iter().map(|item| without_nested_nulls(item, depth + 1)).collect()
        }
        other => other.clone(),
    }
}

/// Every problem of `value`; `kind` is what a member of the outermost object is called.
fn field_errors(validator: &Validator, schema: &Value, value: &Value, kind: &str) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = Vec::new();
    for error in validator.iter_errors(value) {
        for found in describe(&error, schema, kind) {
            if errors.len() == FIELD_ERRORS_MAX {
                errors[FIELD_ERRORS_MAX - 1] = FieldError {
                    pointer: String::new(),
                    detail: format!("more than {FIELD_ERRORS_MAX} places are wrong; the others are not listed"),
                };
                return errors;
            }
            // Several keywords may object to one value; the words for it are the same.
            if !errors.contains(&found) {
                errors.push(found);
            }
        }
    }
    errors
}

/// One error of the validator as places with words.
fn describe(error: &ValidationError<'_>, root: &Value, kind: &str) -> Vec<FieldError> {
    let at = error.instance_path().as_str();
    let schema = owner_of_keyword(root, error.schema_path().as_str());
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| FieldError {
                pointer: format!("{at}/{}", escape(name)),
                detail: words::unknown_member(name, schema, if at.is_empty() { kind } else { "member" }),
            })
            .collect(),
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let member = schema.and_then(|schema| schema.get("properties")?.get(name));
            let expected = member.map(|member| words::expected(member, root)).unwrap_or_default();
            let detail =
                if expected.is_empty() { "is required".to_owned() } else { format!("is required: {expected}") };
            vec![FieldError { pointer: format!("{at}/{}", escape(name)), detail }]
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let closest = closest_branch(context, at, root, kind);
            if closest.is_empty() { vec![plain(at, error.instance(), schema, root)] } else { closest }
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => vec![FieldError {
            pointer: at.to_owned(),
            detail: "fits several of the accepted forms; exactly one must fit".to_owned(),
        }],
        ValidationErrorKind::FalseSchema => {
            vec![FieldError { pointer: at.to_owned(), detail: "must not be given".to_owned() }]
        }
        ValidationErrorKind::UniqueItems => {
            vec![FieldError { pointer: at.to_owned(), detail: "holds the same item twice".to_owned() }]
        }
        _ => vec![plain(at, error.instance(), schema, root)],
    }
}

/// "got X; expected Y".
fn plain(at: &str, instance: &Value, schema: Option<&Value>, root: &Value) -> FieldError {
    let got = if at == "/id" && instance.as_str().is_some_and(|id| id.contains('@')) {
        format!("{}, which looks like an e-mail address and is not an id", words::got(instance))
    } else {
        words::got(instance)
    };
    let expected = schema.map(|schema| words::expected(schema, root)).unwrap_or_default();
    let detail = if expected.is_empty() { got } else { format!("{got}; expected {expected}") };
    FieldError { pointer: at.to_owned(), detail }
}

/// The errors of the branch that came deepest into the value: most likely the one that was meant. Empty when no branch
/// looked inside.
fn closest_branch(context: &[Vec<ValidationError<'static>>], at: &str, root: &Value, kind: &str) -> Vec<FieldError> {
    context
        .iter()
        .filter(|branch| {
            !branch.is_empty()
                && branch.iter().all(|error| {
                    error.instance_path().as_str().len() > at.len()
                        || matches!(
                            error.kind(),
                            ValidationErrorKind::Required { .. } | ValidationErrorKind::AdditionalProperties { .. }
                        )
                })
        })
        .min_by_key(|branch| branch.len())
        .map(|branch| branch.iter().flat_map(|error| describe(error, root, kind)).collect())
        .unwrap_or_default()
}

/// The schema that holds the keyword at `path`.
fn owner_of_keyword<'a>(root: &'a Value, path: &str) -> Option<&'a Value> {
    root.pointer(path.rsplit_once('/')?.0)
}

/// A member name as JSON Pointer wants it.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
