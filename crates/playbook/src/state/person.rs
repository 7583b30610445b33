//! Records of people, read through the pointers of the lifecycle.

use serde_json::{Value, json};

use crate::setting::LifecycleFacts;

/// `{id, email, display_name, state}`; the error is the pointer that leads nowhere. E-mail and name may be missing, id and
/// state may not. Some vendors count people and some tell the state as a truth value: what is no text is read as its text.
pub(super) fn read(record: &Value, lifecycle: &LifecycleFacts) -> Result<Value, String> {
    let needed = |pointer: &str| text(record, pointer).ok_or_else(|| pointer.to_owned());
    let name = lifecycle.display_name.as_deref().and_then(|pointer| text(record, pointer));
    Ok(json!({
        "id": needed(&lifecycle.id)?,
        "email": text(record, &lifecycle.email).unwrap_or_default(),
        "display_name": name.filter(|name| !name.is_empty()),
        "state": needed(&lifecycle.state)?,
    }))
}

/// The text, number or truth value at a pointer as a text.
pub(super) fn text(record: &Value, pointer: &str) -> Option<String> {
    match record.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        scalar @ (Value::Number(_) | Value::Bool(_)) => Some(scalar.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// How what is looked for is compared: without surrounding blanks, upper and lower case alike.
pub(super) fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}
