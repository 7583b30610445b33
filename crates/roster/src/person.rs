//! One person of a directory, read through the pointers of the lifecycle.

use quartermaster_client::Lifecycle;
use serde_json::Value;

use crate::error::AgentError;

/// What the playbooks need of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) display_name: Option<String>,
    pub(crate) state: String,
}

impl Person {
    /// Reads a record. The e-mail and name may be missing (they are read as empty); id and state may not. Some vendors count
    /// people and some tell the state as a truth value: what is no text is read as the text that the gateway takes it for.
    pub(crate) fn read(record: &Value, lifecycle: &Lifecycle) -> Result<Self, AgentError> {
        let text = |pointer: &str| match record.pointer(pointer)? {
            Value::String(text) => Some(text.clone()),
            scalar @ (Value::Number(_) | Value::Bool(_)) => Some(scalar.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let needed = |pointer: &str| text(pointer).ok_or_else(|| AgentError::BadRecord { pointer: pointer.to_owned() });
        Ok(Self {
            id: needed(&lifecycle.id)?,
            email: text(&lifecycle.email).unwrap_or_default(),
            display_name: lifecycle.display_name.as_deref().and_then(text).filter(|name| !name.is_empty()),
            state: needed(&lifecycle.state)?,
        })
    }
}

/// How e-mail addresses are compared: without surrounding blanks, upper and lower case alike.
pub(crate) fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}
