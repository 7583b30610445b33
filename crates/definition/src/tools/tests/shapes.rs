//! How single schemas come out at the providers that rewrite them.

use super::super::rewrite::{cohere, gemini, strict};
use super::*;

fn object(property: Value) -> Value {
    json!({"type": "object", "properties": {"x": property}, "required": [], "additionalProperties": false})
}

#[test]
fn strict_makes_optional_members_nullable_and_says_what_it_drops() {
    for (property, expected) in [
        (
            json!({"type": "string", "minLength": 1, "default": "a"}),
            json!({"type": ["string", "null"], "description": "Not empty; when left out: \"a\"."}),
        ),
        (
            json!({"enum": ["a", "b"], "description": "Which."}),
            json!({"type": ["string", "null"], "description": "Which.", "enum": ["a", "b", null]}),
        ),
        (json!({"const": 5}), json!({"type": ["integer", "null"], "enum": [5, null]})),
        (
            json!({"type": "string", "format": "uri"}),
            json!({"type": ["string", "null"], "description": "In the format uri."}),
        ),
        (json!({"type": "string", "format": "email"}), json!({"type": ["string", "null"], "format": "email"})),
        (
            json!({"type": "string", "pattern": "^(?!x)"}),
            json!({"type": ["string", "null"], "description": "Matches ^(?!x)."}),
        ),
        (
            json!({"type": ["integer", "string"]}),
            json!({"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}),
        ),
        (
            json!({"oneOf": [{"type": "integer"}, {"type": "null"}]}),
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a"]}),
            json!({"type": ["object", "null"], "properties": {"a": {"type": "integer"}, "b": {"type": ["integer", "null"]}}, "required": ["a", "b"], "additionalProperties": false}),
        ),
        (
            json!({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]}),
            json!({"type": ["object", "null"], "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"], "additionalProperties": false}),
        ),
    ] {
        let strict = strict(&object(property.clone())).unwrap();
        assert_eq!(strict["properties"]["x"], expected, "{property}");
        assert_eq!(strict["required"], json!(["x"]));
    }
}

#[test]
fn what_strict_cannot_say_is_left_to_the_ordinary_mode() {
    for property in [
        json!({}),
        json!({"type": "object"}),
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false}),
        json!({"type": "array"}),
        json!({"type": "object", "patternProperties": {"^x": {"type": "string"}}, "properties": {"a": {"type": "string"}}}),
    ] {
        assert_eq!(strict(&object(property.clone())), None, "{property}");
    }
    let recursive = json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/Node"}}, "additionalProperties": false,
        "$defs": {"Node": {"type": "object", "properties": {"child": {"$ref": "#/$defs/Node"}}}}});
    assert_eq!(strict(&recursive), None);
}

#[test]
fn strict_takes_ten_levels_and_not_eleven() {
    let nested = |levels: usize| {
        (1..levels).fold(
            json!({"type": "object", "properties": {"leaf": {"type": "string"}}}),
            |inner, _| json!({"type": "object", "properties": {"inner": inner}}),
        )
    };
    assert!(strict(&nested(10)).is_some());
    assert!(strict(&nested(11)).is_none());
}

#[test]
fn strict_takes_a_thousand_enum_values_and_not_one_more() {
    let of = |count: usize| object(json!({"enum": (0..count).map(|number| format!("v{number}")).collect::<Vec<_>>()}));
    assert!(strict(&of(1000)).is_some());
    assert!(strict(&of(1001)).is_none());
}

#[test]
fn gemini_gets_its_part_of_openapi() {
    for (property, expected) in [
        (json!({"const": "a"}), json!({"type": "string", "enum": ["a"]})),
        (json!({"enum": [1, 2]}), json!({"type": "integer", "description": "One of 1, 2."})),
        (
            json!({"type": ["string", "null"], "format": "email"}),
            json!({"type": "string", "description": "In the format email.", "nullable": true}),
        ),
        (
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "How many."}),
            json!({"type": "integer", "description": "How many.", "nullable": true}),
        ),
        (
            json!({"oneOf": [{"type": "integer"}, {"type": "string", "description": "Or a name."}], "description": "Who."}),
            json!({"anyOf": [{"type": "integer", "description": "Who."}, {"type": "string", "description": "Who. Or a name."}]}),
        ),
        (
            json!({"type": "array"}),
            json!({"type": "array", "items": {"type": "string", "description": "Any JSON value."}}),
        ),
        (json!({"type": "number", "exclusiveMinimum": 0}), json!({"type": "number", "description": "More than 0."})),
        (json!({"type": "object", "additionalProperties": false}), json!({"type": "object"})),
        (json!({"type": "null"}), json!({"type": "string", "nullable": true})),
        (json!({"enum": ["", "a"]}), json!({"type": "string", "description": "May also be empty.", "enum": ["a"]})),
        (
            json!({"type": "object", "properties": {"1st": {"type": "string"}, "b": {"type": "string"}}, "required": ["1st", "b"]}),
            json!({"type": "object", "description": "It may also have a member \"1st\".", "properties": {"b": {"type": "string"}}, "required": ["b"]}),
        ),
    ] {
        assert_eq!(gemini(&object(property.clone()))["properties"]["x"], expected, "{property}");
    }
}

#[test]
fn cohere_gets_python_types() {
    for (property, kind) in [
        (json!({"type": "string"}), "str"),
        (json!({"type": ["integer", "null"]}), "int"),
        (json!({"type": "number"}), "float"),
        (json!({"type": "boolean"}), "bool"),
        (json!({"type": "array", "items": {"type": "integer"}}), "List[int]"),
        (json!({"type": "array"}), "list"),
        (json!({"type": "object"}), "dict"),
        (json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}), "str"),
        (json!({}), "str"),
    ] {
        assert_eq!(cohere(&object(property.clone()))["x"]["type"], kind, "{property}");
    }
    let nested = cohere(&object(json!({"type": "object", "properties": {"a": {"type": "string"}}})));
    assert!(nested["x"]["description"].as_str().unwrap().contains("\"properties\""));
}

#[test]
fn what_strict_says_is_what_the_gateway_takes() {
    let plan = acme();
    let list = plan.method("users", "list").unwrap();
    let schema = strict(&list.input_schema).unwrap();
    let nulls = json!({"state": null, "limit": null, "next_cursor": null, "fields": null});
    assert!(jsonschema::is_valid(&schema, &nulls));
    assert!(!jsonschema::is_valid(&schema, &json!({})), "every member is required");
    assert!(list.validate(nulls.as_object().unwrap().clone()).unwrap().is_empty());
}
