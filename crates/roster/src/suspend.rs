//! Suspending one person, whatever the network does in between.

use quartermaster_client::{CallOptions, ClientError};
use quartermaster_types::Code;
use serde_json::{Map, Value, json};

use crate::error::AgentError;
use crate::person::Person;
use crate::session::{Session, record};

/// How often a suspension whose outcome stayed unknown is tried again after a read showed that it had not happened.
const ATTEMPTS_MAX: u32 = 3;

/// How often a call that is still in flight under the same key is asked about, a second apart, before a read decides.
const IN_FLIGHT_ASKED_MAX: u32 = 5;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suspension {
    /// Whether this call changed the state. `None`: it took effect, and who did it cannot be told (the answer was lost).
    pub(crate) changed: Option<bool>,
    /// The state afterwards, read back from the answer or by a read.
    pub(crate) state: String,
    /// The gateway's request id of the call that did it.
    pub(crate) request_id: Option<String>,
}

/// Suspends a person who was read in this session. `key` makes the idempotency key: one for each attempt, because the
/// gateway gives the stored answer for a key that it knows.
pub(crate) async fn suspend(session: &Session, id: &str, key: &str) -> Result<Suspension, AgentError> {
    let mut arguments = Map::new();
    arguments.insert("id".to_owned(), json!(id));
    let mut attempt = 1;
    let mut refused = 0;
    let mut in_flight = 0;
    loop {
        let tool = &session.lifecycle.suspend_tool;
        let result = session.patience.limited(&session.stop, async || {
            refused += 1;
            let options =
                CallOptions { idempotency_key: Some(format!("{key}-{attempt}-{refused}")), ..session.options() };
            session.client.call_tool::<Value>(session.account.id, tool, arguments.clone(), &options).await
        });
        let error = match result.await? {
            Ok(answer) => return confirmed(session, id, &answer.value, answer.request_id).await,
            Err(error) => error,
        };
        if error.code() == Some(Code::Conflict) && in_flight < IN_FLIGHT_ASKED_MAX {
            // An earlier process was cut off, and its call is not. The same key gives that call's answer once there is one.
            in_flight += 1;
            refused -= 1;
            session.patience.pause_seconds(1, &session.stop).await?;
            continue;
        }
        if attempt >= ATTEMPTS_MAX || !is_open(&error) {
            return Err(AgentError::call("suspending")(error));
        }
        // Either the outcome is unknown, or the id has to be read (again) in this session first. A read settles both.
        let person = session.get(id).await?;
        if error.code() != Some(Code::UngroundedId) && person.state == session.lifecycle.suspended {
            return Ok(Suspension { changed: None, state: person.state, request_id: None });
        }
        attempt += 1;
    }
}

/// Whether a read and another attempt can help.
fn is_open(error: &ClientError) -> bool {
    error.may_have_happened() || matches!(error.code(), Some(Code::UngroundedId | Code::Conflict))
}

/// Reads the state from the answer; asks for it when the answer does not have it.
async fn confirmed(
    session: &Session,
    id: &str,
    answer: &Value,
    request_id: Option<String>,
) -> Result<Suspension, AgentError> {
    let changed = answer.get("changed").and_then(Value::as_bool);
    let person = match Person::read(record(answer), &session.lifecycle) {
        Ok(person) if person.state == session.lifecycle.suspended => person,
        _ => session.get(id).await?,
    };
    if person.state != session.lifecycle.suspended {
        return Err(AgentError::NotConfirmed { email: person.email, state: person.state });
    }
    Ok(Suspension { changed: Some(changed.unwrap_or(true)), state: person.state, request_id })
}
