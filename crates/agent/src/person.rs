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
    /// Reads a record. The e-mail and name may be missing (they are read as empty); id and state may not.
    pub(crate) fn read(record: &Value, lifecycle: &Lifecycle) -> Result<Self, AgentError> {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
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
