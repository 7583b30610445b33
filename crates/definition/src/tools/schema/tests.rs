#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

fn argument(name: &str, schema: Value, required: bool) -> Argument {
    Argument { name: name.into(), schema, required, place: ArgumentPlace::Body(format!("/{name}")), values: Vec::new() }
}

#[test]
fn the_id_tells_where_it_stands_unless_that_is_the_usual_place() {
    let words = |at: &str, description: Option<&str>| {
        let rule = IdRule { at: at.into(), description: description.map(str::to_owned), ..IdRule::default() };
        id_argument(&rule).schema["description"].as_str().unwrap().to_owned()
    };
    assert_eq!(words("/id", None), "The exact id, as a read returned it.");
    assert_eq!(words("/id", Some("Three letters.")), "Three letters.");
    assert_eq!(
        words("/user/uuid", None),
        "The exact id, as a read returned it. In a record it stands at `/user/uuid`."
    );
    assert_eq!(words("", Some("Three letters.")), "Three letters. A record is nothing but its id.");
}

#[test]
fn the_input_is_flat_closed_and_starts_with_the_id() {
    let rule = IdRule {
        at: "/id".into(),
        pattern: Some(regex::Regex::new("^[A-Z]{3}$").unwrap()),
        description: Some("Three letters.".into()),
        find: None,
    };
    let mut arguments = vec![argument("name", json!({"type": "string"}), true), id_argument(&rule)];
    arguments.extend(list_arguments());
    arguments.push(local_filter_argument("email", Some("Exactly this e-mail address.")));
    let schema = input_schema(&arguments);
    let names: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["id", "name", "limit", "next_cursor", "fields", "email"]);
    assert_eq!(schema["required"], json!(["id", "name"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(
        schema["properties"]["id"],
        json!({"type": "string", "pattern": "^[A-Z]{3}$", "description": "Three letters."})
    );
    assert_eq!(schema["properties"]["limit"]["maximum"], json!(LIST_LIMIT_MAX));
    let keys: Vec<_> = schema.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["type", "properties", "required", "additionalProperties"]);
}

#[test]
fn definitions_move_to_the_root_and_references_follow() {
    let one = json!({"$ref": "#/$defs/Address", "$defs": {"Address": {"type": "object", "properties": {"in": {"$ref": "#/$defs/Land"}}}, "Land": {"type": "string"}}});
    let other = json!({"type": "array", "items": {"$ref": "#/definitions/Address"}, "definitions": {"Address": {"type": "integer"}}});
    let schema = input_schema(&[argument("home", one, false), argument("work", other, false)]);
    assert_eq!(schema["properties"]["home"], json!({"$ref": "#/$defs/Address"}));
    assert_eq!(schema["properties"]["work"]["items"], json!({"$ref": "#/$defs/work_Address"}));
    assert_eq!(
        schema["$defs"],
        json!({
            "Address": {"type": "object", "properties": {"in": {"$ref": "#/$defs/Land"}}},
            "Land": {"type": "string"},
            "work_Address": {"type": "integer"}
        })
    );
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&json!({"home": {"in": "DE"}, "work": [1]})));
    assert!(!validator.is_valid(&json!({"home": {"in": 1}})));
    assert!(!validator.is_valid(&json!({"work": ["x"]})));
}

#[test]
fn data_that_looks_like_a_reference_is_left_alone() {
    let schema = json!({"const": {"$ref": "#/definitions/A"}, "definitions": {"A": {}}});
    assert_eq!(
        input_schema(&[argument("x", schema, false)])["properties"]["x"],
        json!({"const": {"$ref": "#/definitions/A"}})
    );
}

#[test]
fn a_list_tells_how_far_it_came_and_a_change_whether_it_changed() {
    let record = json!({"type": "object"});
    let list = output_schema(OutputShape::List { has_local_filters: true }, Some(&record));
    for member in ["result", "next_cursor", "prev_cursor", "result_count", "scanned", "is_partial", "stopped_because"] {
        assert!(list["properties"].get(member).is_some(), "{member}");
    }
    let plain = output_schema(OutputShape::List { has_local_filters: false }, Some(&record));
    assert!(plain["properties"].get("scanned").is_none());
    let single = output_schema(OutputShape::Single { has_transition: true }, None);
    assert!(single["properties"].get("changed").is_some());
    assert_eq!(single["properties"]["result"], json!({}));
}

#[test]
fn references_into_the_argument_itself_follow_it() {
    let tree = json!({"type": "object", "properties": {"left/right": {"$ref": "#"}, "size": {"$ref": "#/$defs/A%20size"}, "same": {"$ref": "#/properties/size"}},
        "$defs": {"A size": {"type": "integer"}}});
    let schema = input_schema(&[argument("größe", tree, false)]);
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&json!({"größe": {"left/right": {"size": 1}, "same": 2}})));
    assert!(!validator.is_valid(&json!({"größe": {"left/right": {"size": "x"}}})));
    assert!(!validator.is_valid(&json!({"größe": {"same": "x"}})));
}
