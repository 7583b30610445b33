//! What an account must be before it is tried against the vendor.

use quartermaster_definition::Plan;
use quartermaster_types::Problem;
use quartermaster_vault::Secrets;
use serde_json::{Map, Value};

use crate::limits::{CONNECTION_VALUE_MAX_BYTES, CREDENTIAL_MAX_BYTES, OVERRIDE_MAX_BYTES, TENANT_ID_MAX_BYTES};
use crate::plans::canonical;

/// Pointer and detail of every mistake.
pub(crate) type Mistakes = Vec<(String, String)>;

/// The tenant id.
pub(crate) fn tenant(tenant_id: &str, mistakes: &mut Mistakes) {
    let detail = if tenant_id.trim().is_empty() {
        "a tenant id is needed: your own name for whose account this is".to_owned()
    } else if tenant_id.len() > TENANT_ID_MAX_BYTES {
        format!("{} bytes are more than {TENANT_ID_MAX_BYTES}", tenant_id.len())
    } else if tenant_id.chars().any(char::is_control) {
        "control characters are not allowed".to_owned()
    } else {
        return;
    };
    mistakes.push(("/tenant_id".to_owned(), detail));
}

/// The connection object, defaults filled in, against the plan's schema; no value may end a header line.
pub(crate) fn connection(connection: &Map<String, Value>, plan: &Plan, mistakes: &mut Mistakes) {
    for (name, value) in connection {
        let Value::String(text) = value else { continue };
        if text.chars().any(char::is_control) {
            mistakes.push((pointer("/connection", name), "control characters are not allowed".to_owned()));
        } else if text.len() > CONNECTION_VALUE_MAX_BYTES {
            let detail = format!("{} bytes are more than {CONNECTION_VALUE_MAX_BYTES}", text.len());
            mistakes.push((pointer("/connection", name), detail));
        }
    }
    let errors = plan.check_connection(&Value::Object(connection.clone()));
    mistakes.extend(errors.into_iter().map(|error| (format!("/connection{}", error.pointer), error.detail)));
}

/// The credentials against the plan's fields. Never says a value.
pub(crate) fn credentials(secrets: &Secrets, plan: &Plan, mistakes: &mut Mistakes) {
    for field in &plan.credential_fields {
        let at = pointer("/credentials", &field.name);
        match secrets.expose(&field.name) {
            None if field.required => mistakes.push((at, format!("{} is required", field.label))),
            Some("") => mistakes.push((at, format!("{} is empty", field.label))),
            Some(value) if value.len() > CREDENTIAL_MAX_BYTES => {
                mistakes.push((at, format!("{} bytes are more than {CREDENTIAL_MAX_BYTES}", value.len())));
            }
            _ => {}
        }
    }
    let known = |name: &str| plan.credential_fields.iter().any(|field| field.name == name);
    for name in secrets.names().filter(|name| !known(name)) {
        let fields = plan.credential_fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
        let detail = format!("{} has no such credential; it takes {fields}", plan.label);
        mistakes.push((pointer("/credentials", name), detail));
    }
}

/// The override as canonical JSON; `None` for an empty one.
pub(crate) fn override_text(patch: Option<&Value>, mistakes: &mut Mistakes) -> Option<String> {
    let patch = patch?;
    let Value::Object(members) = patch else {
        if !patch.is_null() {
            let detail = "an override is a JSON object: a merge patch on the definition".to_owned();
            mistakes.push(("/override".to_owned(), detail));
        }
        return None;
    };
    if members.is_empty() {
        return None;
    }
    if holds_nul(patch) {
        mistakes.push(("/override".to_owned(), NUL.to_owned()));
        return None;
    }
    let text = canonical(patch);
    if text.len() > OVERRIDE_MAX_BYTES {
        mistakes.push(("/override".to_owned(), format!("{} bytes are more than {OVERRIDE_MAX_BYTES}", text.len())));
        return None;
    }
    Some(text)
}

/// What is wrong with a text that holds U+0000: PostgreSQL keeps no such text, and no vendor means one.
pub(crate) const NUL: &str = "the character U+0000 is not allowed";

/// Whether a text or a member's name in `value` holds U+0000. The depth is that of the value, which the parser has bounded.
pub(crate) fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(name, member)| name.contains('\0') || holds_nul(member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Refuses filters of a list that hold U+0000: nothing that is stored can match them. Each is its parameter and its value.
pub(crate) fn filters(filters: &[(&str, Option<&str>)]) -> Result<(), Problem> {
    let mistakes = filters
        .iter()
        .filter(|(_, value)| value.is_some_and(|value| value.contains('\0')))
        .map(|(name, _)| (format!("/{name}"), NUL.to_owned()))
        .collect();
    crate::invalid("The list cannot be read.", mistakes)
}

/// A JSON Pointer to a member.
fn pointer(base: &str, name: &str) -> String {
    format!("{base}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// JSON Merge Patch (RFC 7396). The depth is that of the patch, which the parser has bounded.
pub(crate) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.shift_remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quartermaster_types::Code;
    use serde_json::json;

    #[test]
    fn merge_follows_the_rfc() {
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!(["a"]), json!({"a": 1}), json!({"a": 1})),
            (json!({"a": 1}), json!(null), json!(null)),
        ] {
            let mut value = target;
            merge(&mut value, patch);
            assert_eq!(value, expected);
        }
    }

    #[test]
    fn the_tenant_id_is_checked_at_its_limit_and_one_past_it() {
        for (text, mistaken) in [
            ("a".repeat(TENANT_ID_MAX_BYTES), false),
            ("a".repeat(TENANT_ID_MAX_BYTES + 1), true),
            (" ".to_owned(), true),
            ("a\nb".to_owned(), true),
        ] {
            let mut mistakes = Vec::new();
            tenant(&text, &mut mistakes);
            assert_eq!(!mistakes.is_empty(), mistaken, "{} bytes", text.len());
        }
    }

    #[test]
    fn an_override_is_checked_at_its_limit_and_one_past_it() {
        let frame = canonical(&json!({"label": ""})).len();
        for (extra, mistaken) in [(0, false), (1, true)] {
            let mut mistakes = Vec::new();
            let patch = json!({"label": "x".repeat(OVERRIDE_MAX_BYTES - frame + extra)});
            let text = override_text(Some(&patch), &mut mistakes);
            assert_eq!((text.is_none(), !mistakes.is_empty()), (mistaken, mistaken));
        }
    }

    #[test]
    fn the_character_that_no_database_keeps_is_refused_wherever_it_stands() {
        for patch in [json!({"label": "a\0"}), json!({"a\0": 1}), json!({"resources": {"users": [{"deep": ["\0"]}]}})] {
            let mut mistakes = Vec::new();
            assert_eq!(override_text(Some(&patch), &mut mistakes), None);
            assert_eq!(mistakes, [("/override".to_owned(), NUL.to_owned())]);
        }
        // The six characters of the escape are a text like any other.
        let mut mistakes = Vec::new();
        assert!(override_text(Some(&json!({"label": "\\u0000"})), &mut mistakes).is_some() && mistakes.is_empty());

        tenant("a\0", &mut mistakes);
        assert_eq!(mistakes.len(), 1);
        assert!(filters(&[("integration", None), ("tenant_id", Some("a"))]).is_ok());
        let problem = filters(&[("integration", Some("a")), ("tenant_id", Some("a\0"))]).unwrap_err();
        assert_eq!((problem.code(), problem.body().errors[0].pointer.as_str()), (Code::InvalidArgument, "/tenant_id"));
    }

    #[test]
    fn equal_overrides_have_equal_texts() {
        let mut mistakes = Vec::new();
        let one = override_text(Some(&json!({"b": 1, "a": {"d": 1, "c": 2}})), &mut mistakes);
        let other = override_text(Some(&json!({"a": {"c": 2, "d": 1}, "b": 1})), &mut mistakes);
        assert_eq!(one, other);
        assert_eq!(override_text(Some(&json!({})), &mut mistakes), None);
        assert!(mistakes.is_empty());
    }
}
