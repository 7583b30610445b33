//! From what came through a door to the arguments and list options that the engine runs with.

use quartermaster_definition::{Method, Plan};
use quartermaster_engine::{ListOptions, Position};
use quartermaster_types::{AccountId, Code, EnvironmentId, Problem};
use quartermaster_vault::CursorSealer;
use serde_json::{Map, Value};

use super::Arguments;
use crate::page;
use crate::plans::canonical;

/// The arguments as one object, converted as the schema wants, and checked: all problems at once.
pub(crate) fn validated(plan: &Plan, method: &Method, arguments: Arguments) -> Result<Map<String, Value>, Problem> {
    let given = joined(method, arguments)?;
    // Validation takes the object; the id is what an error about it still needs.
    let id = if method.takes_id { given.get("id").cloned() } else { None };
    method.validate(given).map_err(|errors| {
        let given = id.map(|id| Map::from_iter([("id".to_owned(), id)])).unwrap_or_default();
        quartermaster_definition::validate::invalid_arguments(plan, method, &given, errors)
    })
}

/// Refuses `fields` that the definition says no record has.
pub(crate) fn known_fields(plan: &Plan, method: &Method, fields: &[String]) -> Result<(), Problem> {
    let errors = quartermaster_definition::validate::unknown_fields(plan, method, fields);
    if errors.is_empty() {
        return Ok(());
    }
    Err(quartermaster_definition::validate::invalid_arguments(plan, method, &Map::new(), errors))
}

/// Query, body and path as one object; a name that comes from two of them is refused.
fn joined(method: &Method, arguments: Arguments) -> Result<Map<String, Value>, Problem> {
    let (query, body, id) = match arguments {
        Arguments::Json(given) => return Ok(given),
        Arguments::Parts { query, body, id } => (query, body, id),
    };
    let mut given = method.arguments_from_query(&query);
    let mut twice = Vec::new();
    for (name, value) in body {
        if given.contains_key(&name) {
            twice.push((format!("/{name}"), "is given in the query and in the body; give it once".to_owned()));
        } else {
            given.insert(name, value);
        }
    }
    if let Some(id) = id {
        if given.get("id").is_some_and(|other| other.as_str() != Some(id.as_str())) {
            twice.push(("/id".to_owned(), "differs from the id in the path; give it once".to_owned()));
        }
        given.insert("id".to_owned(), Value::String(id));
    }
    crate::invalid("The arguments contradict each other.", twice)?;
    Ok(given)
}

/// What a cursor is bound to, besides the gateway's key.
pub(crate) struct CursorContext {
    environment: EnvironmentId,
    account: AccountId,
    /// All arguments but `limit` and `next_cursor`, canonical JSON, hashed; `None` for none.
    filters: Option<[u8; 32]>,
}

impl CursorContext {
    fn parts<'a>(&'a self, method: &'a Method) -> [&'a [u8]; 5] {
        [
            self.environment.0.as_bytes(),
            self.account.0.as_bytes(),
            method.resource.as_bytes(),
            method.name.as_bytes(),
            self.filters.as_ref().map_or(&[], |hash| &hash[..]),
        ]
    }

    /// An opaque text for a position.
    pub(crate) fn seal(&self, sealer: &CursorSealer, method: &Method, position: &Position) -> Result<String, Problem> {
        let payload = serde_json::to_vec(position).map_err(|error| {
            tracing::error!(%error, "a position does not serialise");
            Problem::gateway(Code::Internal, "The cursor of the next page cannot be made.")
        })?;
        sealer.seal(&self.parts(method), &payload).map_err(crate::vault_problem)
    }

    fn open(&self, sealer: &CursorSealer, method: &Method, cursor: &str) -> Result<Position, Problem> {
        let payload = page::open_cursor(sealer, &self.parts(method), cursor)?;
        serde_json::from_slice(&payload).map_err(|_| page::foreign_cursor())
    }
}

/// Takes the list options out of validated arguments.
pub(crate) fn list_options(
    sealer: &CursorSealer,
    environment: EnvironmentId,
    account: AccountId,
    method: &Method,
    arguments: &mut Map<String, Value>,
) -> Result<(ListOptions, CursorContext), Problem> {
    let option = |name: &str| {
        let is_option = |argument: &&quartermaster_definition::plan::Argument| {
            argument.name == name && argument.place == quartermaster_definition::plan::ArgumentPlace::ListOption
        };
        method.arguments.iter().find(is_option).is_some()
    };
    let mut take = |name: &str| if option(name) { arguments.shift_remove(name) } else { None };
    let limit = take("limit").and_then(|limit| limit.as_u64()).and_then(|limit| u32::try_from(limit).ok());
    let cursor = take("next_cursor");
    // `fields` belongs to the filters: the pages of one list have the same shape.
    let filters = (!arguments.is_empty())
        .then(|| quartermaster_vault::sha256(&[canonical(&Value::Object(arguments.clone())).as_bytes()]));
    let fields = if option("fields") { arguments.shift_remove("fields") } else { None };
    let context = CursorContext { environment, account, filters };
    let cursor = match &cursor {
        Some(Value::String(text)) => Some(context.open(sealer, method, text)?),
        _ => None,
    };
    let fields = fields.and_then(|fields| match fields {
        Value::Array(names) => Some(
            names
                .into_iter()
                .filter_map(|name| if let Value::String(name) = name { Some(name) } else { None })
                .collect(),
        ),
        _ => None,
    });
    Ok((ListOptions { limit, cursor, fields }, context))
}
