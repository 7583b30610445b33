//! From what came through a door to the arguments and list options that the engine runs with.

use quartermaster_definition::plan::ArgumentPlace;
use quartermaster_definition::{Method, Plan};
use quartermaster_engine::{ListOptions, Position};
use quartermaster_types::{AccountId, Code, EnvironmentId, Problem};
use quartermaster_vault::CursorSealer;
use serde::{Deserialize, Serialize};
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
    /// Records on the pages before this one; `None` where the vendor filters, so that they are not all.
    walked: Option<u64>,
}

/// What a cursor holds.
#[derive(Serialize, Deserialize)]
struct Held {
    #[serde(flatten)]
    position: Position,
    /// Records up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    walked: Option<u64>,
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

    /// Records on the pages before this one; `None` where the vendor filters.
    pub(crate) const fn walked(&self) -> Option<u64> {
        self.walked
    }

    /// An opaque text for a position; `seen`: records on this page.
    pub(crate) fn seal(
        &self,
        sealer: &CursorSealer,
        method: &Method,
        position: &Position,
        seen: u64,
    ) -> Result<String, Problem> {
        let walked = self.walked.map(|walked| walked + seen);
        let payload = serde_json::to_vec(&Held { position: position.clone(), walked }).map_err(|error| {
            tracing::error!(%error, "a position does not serialise");
            Problem::gateway(Code::Internal, "The cursor of the next page cannot be made.")
        })?;
        sealer.seal(&self.parts(method), &payload).map_err(crate::vault_problem)
    }

    fn open(&self, sealer: &CursorSealer, method: &Method, cursor: &str) -> Result<Held, Problem> {
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
            argument.name == name && argument.place == ArgumentPlace::ListOption
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
    let is_local = |name: &String| {
        let place = method.arguments.iter().find(|argument| argument.name == *name).map(|argument| &argument.place);
        matches!(place, Some(ArgumentPlace::LocalFilter))
    };
    let is_whole = arguments.keys().all(is_local);
    let mut context = CursorContext { environment, account, filters, walked: is_whole.then_some(0) };
    let cursor = match &cursor {
        Some(Value::String(text)) => {
            let held = context.open(sealer, method, text)?;
            context.walked = held.walked.filter(|_| is_whole);
            Some(held.position)
        }
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
