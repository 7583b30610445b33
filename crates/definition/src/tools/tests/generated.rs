//! Every format over methods and arguments that nobody would write by hand.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Names with leading digits, of eighty characters, with dollars, dots and other alphabets.
fn nasty_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,12}",
        "[0-9][a-z_]{0,12}",
        "[a-z]{80}",
        "[$@._-][a-zA-Z.]{1,10}",
        "\\PC{1,12}",
        Just("größe".to_owned()),
        Just("$ref".to_owned()),
        Just("properties".to_owned()),
        Just("ID".to_owned()),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        Just(
            json!({"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^(?!x).*$", "title": "T", "examples": ["a"]})
        ),
        Just(json!({"type": "string", "format": "uri", "default": "https://x.test"})),
        Just(json!({"type": ["string", "null"], "format": "date-time"})),
        Just(json!({"type": ["integer", "string", "null"], "minimum": 1})),
        Just(json!({"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5})),
        Just(json!({"type": "null"})),
        Just(json!({"type": "object"})),
        Just(json!({"type": "array", "uniqueItems": true})),
        Just(json!({"type": "object", "additionalProperties": {"type": "integer"}})),
        Just(json!({"type": "object", "patternProperties": {"^a": {}}, "propertyNames": {"maxLength": 3}})),
        Just(json!({"$ref": "#/$defs/Node"})),
        Just(json!({"$ref": "#/$defs/Plain", "description": "Beside a reference."})),
        Just(json!({"const": {"$ref": "#/$defs/Plain"}})),
        Just(json!({"not": {"type": "string"}})),
        Just(json!({"if": {"type": "string"}, "then": {"minLength": 2}})),
        vec(any::<i32>(), 1..5).prop_map(|values| {
            let mut values = values;
            values.sort_unstable();
            values.dedup();
            json!({"enum": values})
        }),
        "\\PC{0,9}".prop_map(|value| json!({"enum": [value, format!("{value}2"), ""]})),
        any::<bool>().prop_map(|value| json!({"const": value})),
        "\\PC{0,9}".prop_map(|value| json!({"const": value, "description": value})),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (vec((nasty_name(), inner.clone(), any::<bool>()), 0..4), any::<Option<bool>>()).prop_map(
                |(members, open)| {
                    let required: std::collections::BTreeSet<String> =
                        members.iter().filter(|member| member.2).map(|member| member.0.clone()).collect();
                    let properties: serde_json::Map<String, Value> =
                        members.into_iter().map(|(name, schema, _)| (name, schema)).collect();
                    let mut schema = json!({"type": "object", "properties": properties, "required": required});
                    if let Some(open) = open {
                        schema["additionalProperties"] = json!(open);
                    }
                    schema
                }
            ),
            inner
                .clone()
                .prop_map(|items| json!({"type": "array", "items": items, "minItems": 1, "description": "Many."})),
            vec(inner.clone(), 1..3).prop_map(|items| json!({"type": "array", "prefixItems": items})),
            vec(inner.clone(), 1..4).prop_map(|branches| json!({"anyOf": branches})),
            vec(inner.clone(), 1..4).prop_map(|branches| json!({"oneOf": branches, "description": "One of these"})),
            vec(inner, 1..3).prop_map(|parts| json!({"allOf": parts})),
        ]
    })
}

/// An argument whose schema brings its own `$defs`, one of which contains itself.
fn any_argument() -> impl Strategy<Value = (String, Value, bool)> {
    (nasty_name(), schema(), any::<bool>()).prop_map(|(name, mut schema, required)| {
        schema["$defs"] = json!({
            "Node": {"type": "object", "properties": {"value": {"type": "string"}, "child": {"$ref": "#/$defs/Node"}}, "required": ["value"]},
            "Plain": {"type": "string", "enum": [name.clone(), "b"], "description": "Plain."}
        });
        (name, schema, required)
    })
}

/// Name, kind, arguments (name, schema, required) and description.
type AnyMethod = (String, usize, Vec<(String, Value, bool)>, String);

fn any_method() -> impl Strategy<Value = AnyMethod> {
    (nasty_name(), 0..6_usize, vec(any_argument(), 0..4), "\\PC{0,1500}")
}

fn plan_of(integration: &str, methods: Vec<AnyMethod>) -> Plan {
    let kinds = [
        MethodKind::List,
        MethodKind::Get,
        MethodKind::Create,
        MethodKind::Update,
        MethodKind::Delete,
        MethodKind::Custom,
    ];
    let mut made: Vec<Method> = Vec::new();
    for (name, kind, arguments, description) in methods {
        // Two methods of one name are the loader's to refuse.
        if made.iter().any(|method| method.name == name) {
            continue;
        }
        let mut seen =
            std::collections::HashSet::from(["id".to_owned(), "limit".into(), "next_cursor".into(), "fields".into()]);
        let arguments = arguments
            .into_iter()
            .filter(|(name, ..)| seen.insert(name.clone()))
            .map(|(name, schema, required)| argument(&name, schema, required))
            .collect();
        let mut method = method(integration, &name, kinds[kind], kind == 1, arguments);
        method.tool_name = unique_tool_name(
            |name| made.iter().any(|other| other.tool_name == name),
            method.tool_name.clone(),
            &method.full_name(),
        );
        method.tool_alias = tool_alias(&method.tool_name);
        method.description = Some(description);
        made.push(method);
    }
    plan(integration, made)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_format_keeps_its_providers_rules(integration in nasty_name(), methods in vec(any_method(), 1..4)) {
        let plan = plan_of(&integration, methods);
        for format in ToolFormat::ALL {
            let bytes = render(&plan, format, &ToolFilter::default()).unwrap();
            rules::check(format, &serde_json::from_slice(&bytes).unwrap());
        }
    }
}
