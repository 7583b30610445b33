//! The names in `fields` of a list call, against what the definition says of a record.

use quartermaster_types::FieldError;
use serde_json::Value;

use super::FIELD_ERRORS_MAX;
use crate::plan::{Method, Plan};
use crate::report::did_you_mean;

/// Names in `fields` that no record of the method's resource has, each with its place and the names that there are.
///
/// Empty where the definition does not tell: without a `record` schema, with one that is put together from others, and with
/// one that has `additionalProperties`.
pub fn unknown_fields(plan: &Plan, method: &Method, fields: &[String]) -> Vec<FieldError> {
    let Some(known) = plan.resources.get(&method.resource).and_then(|resource| listed(resource.record.as_ref()?))
    else {
        return Vec::new();
    };
    let unknown = fields.iter().enumerate().filter(|(_, field)| !known.contains(&field.as_str()));
    unknown
        .map(|(index, field)| FieldError {
            pointer: format!("/fields/{index}"),
            detail: match did_you_mean(field, known.iter().copied()) {
                Some(hint) => format!("no record has this member; {hint}"),
                None => "no record has this member".to_owned(),
            },
        })
        .take(FIELD_ERRORS_MAX)
        .collect()
}

/// "did you mean `x`?", or which names there are.
pub fn near_names(given: &str, known: &[String]) -> Option<String> {
    did_you_mean(given, known.iter().map(String::as_str))
}

/// The members of a record, when the schema lists all of them.
fn listed(record: &Value) -> Option<Vec<&str>> {
    const MORE: [&str; 6] = ["allOf", "anyOf", "oneOf", "$ref", "$dynamicRef", "patternProperties"];
    let open = record.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    if open || MORE.iter().any(|keyword| record.get(keyword).is_some()) {
        return None;
    }
    let names: Vec<&str> = record.get("properties")?.as_object()?.keys().map(String::as_str).collect();
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_tells_the_members_unless_it_leaves_room_for_others() {
        let properties = json!({"id": {}, "email": {}});
        assert_eq!(listed(&json!({"properties": properties})), Some(vec!["id", "email"]));
        assert_eq!(
            listed(&json!({"properties": properties, "additionalProperties": false})),
            Some(vec!["id", "email"])
        );
        for open in [
            json!({"properties": properties, "additionalProperties": true}),
            json!({"properties": properties, "additionalProperties": {"type": "string"}}),
            json!({"properties": properties, "allOf": [{}]}),
            json!({"$ref": "#/$defs/user"}),
            json!({"properties": {}}),
            json!(true),
        ] {
            assert_eq!(listed(&open), None, "{open}");
        }
    }
}
