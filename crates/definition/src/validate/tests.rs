#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::time::Instant;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::plan::MethodKind;
use crate::tools::fixtures::{argument, method, plan};

fn list() -> Method {
    let state = json!({"enum": ["ACTIVE", "SUSPENDED"], "description": "Only people in this state."});
    let email = json!({"type": "string", "minLength": 1});
    method(
        "acme",
        "list",
        MethodKind::List,
        false,
        vec![
            argument("state", state, false),
            argument("email", email.clone(), false),
            argument("email_ends_with", email, false),
        ],
    )
}

fn create() -> Method {
    let contact = json!({
        "type": "object",
        "properties": {"kind": {"enum": ["work", "home"]}, "number": {"$ref": "#/$defs/Number"}, "note": {"type": "string"}},
        "required": ["kind", "number"], "additionalProperties": false,
        "$defs": {"Number": {"type": "string", "pattern": "^[0-9]+$"}}
    });
    let owner = json!({"oneOf": [
        {"type": "object", "properties": {"user": {"type": "string"}}, "required": ["user"], "additionalProperties": false},
        {"type": "object", "properties": {"group": {"type": "integer"}}, "required": ["group"], "additionalProperties": false}
    ]});
    method(
        "acme",
        "create",
        MethodKind::Create,
        false,
        vec![
            argument("name", json!({"type": "string", "minLength": 1, "maxLength": 5}), true),
            argument("contact", contact, false),
            argument("owner", owner, false),
            argument("level", json!({"enum": [1, 2, 3]}), false),
            argument("active", json!({"type": "boolean"}), false),
            argument("ratio", json!({"type": ["number", "null"]}), false),
            argument("tags", json!({"type": "array", "items": {"type": "integer"}}), false),
        ],
    )
}

fn check(method: &Method, arguments: Value) -> Result<Value, Vec<(String, String)>> {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    method
        .validate(arguments)
        .map(Value::Object)
        .map_err(|errors| errors.into_iter().map(|error| (error.pointer, error.detail)).collect())
}

#[test]
fn every_mistake_is_named_with_its_place_and_what_is_expected() {
    let get = method("acme", "get", MethodKind::Get, true, Vec::new());
    for (method, arguments, place, words) in [
        (&list(), json!({"limit": 0}), "/limit", "got the number 0; expected an integer from 1 to 10000"),
        (&list(), json!({"limit": 10_001}), "/limit", "got the number 10001; expected an integer from 1 to 10000"),
        (&list(), json!({"limit": "5"}), "/limit", "got the text \"5\"; expected an integer from 1 to 10000"),
        (
            &list(),
            json!({"state": "active"}),
            "/state",
            "expected one of \"ACTIVE\", \"SUSPENDED\" (Only people in this state)",
        ),
        (&list(), json!({"e_mail": "x"}), "/e_mail", "there is no argument of this name; did you mean `email`?"),
        (&list(), json!({"emailEndsWith": "x"}), "/emailEndsWith", "did you mean `email_ends_with`?"),
        (&list(), json!({"zzz": null}), "/zzz", "there is no argument of this name; there are `state`, `email`"),
        (&list(), json!({"fields": ["a", 1]}), "/fields/1", "got the number 1; expected a text, not empty"),
        (&list(), json!({"email": ""}), "/email", "got an empty text; expected a text, not empty"),
        (
            &get,
            json!({}),
            "/id",
            "is required: a text that matches ^[A-Z2-7]{26}$ (A user id is 26 characters, A-Z and 2-7)",
        ),
        (&get, json!({"id": null}), "/id", "got null; expected a text"),
        (&get, json!({"id": "a.miller@company.com"}), "/id", "looks like an e-mail address and is not an id"),
        (&create(), json!({"name": "abcdef"}), "/name", "expected a text from 1 to 5 characters"),
        (
            &create(),
            json!({"name": "a", "contact": {"kind": "work"}}),
            "/contact/number",
            "is required: a text that matches ^[0-9]+$",
        ),
        (
            &create(),
            json!({"name": "a", "contact": {"kind": "work", "number": "x"}}),
            "/contact/number",
            "got the text \"x\"; expected a text that matches ^[0-9]+$",
        ),
        (
            &create(),
            json!({"name": "a", "contact": {"kind": "work", "number": "1", "notes": ""}}),
            "/contact/notes",
            "there is no member of this name; did you mean `note`?",
        ),
        (
            &create(),
            json!({"name": "a", "owner": {"group": "x"}}),
            "/owner/group",
            "got the text \"x\"; expected an integer",
        ),
        (&create(), json!({"name": "a", "owner": 7}), "/owner", "got the number 7; expected an object, or an object"),
        (&create(), json!({"name": "a", "level": 4}), "/level", "got the number 4; expected one of 1, 2, 3"),
    ] {
        let errors = check(method, arguments.clone()).unwrap_err();
        assert!(
            errors.iter().any(|(pointer, detail)| pointer == place && detail.contains(words)),
            "{arguments}: {errors:#?}"
        );
    }
}

#[test]
fn all_mistakes_come_at_once() {
    let errors = check(&list(), json!({"limit": 0, "state": 1, "bogus_thing": true, "fields": []})).unwrap_err();
    let mut places: Vec<_> = errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["/bogus_thing", "/fields", "/limit", "/state"]);
}

#[test]
fn the_list_of_mistakes_is_bounded() {
    let wrong = |count: usize| json!({"name": "a", "tags": vec!["x"; count]});
    assert_eq!(check(&create(), wrong(FIELD_ERRORS_MAX)).unwrap_err().len(), FIELD_ERRORS_MAX);
    let errors = check(&create(), wrong(FIELD_ERRORS_MAX + 1)).unwrap_err();
    assert_eq!(errors.len(), FIELD_ERRORS_MAX);
    assert!(errors.last().unwrap().1.contains("more than 32 places"));
}

#[test]
fn nulls_of_optional_arguments_are_dropped_nested_ones_too() {
    assert_eq!(check(&list(), json!({"limit": null, "email": "x", "state": null})).unwrap(), json!({"email": "x"}));
    let given = json!({"name": "a", "ratio": null, "contact": {"kind": "work", "number": "1", "note": null}});
    assert_eq!(check(&create(), given).unwrap(), json!({"name": "a", "contact": {"kind": "work", "number": "1"}}));
}

#[test]
fn an_alias_of_an_argument_is_understood() {
    let filter =
        method("acme", "find", MethodKind::Custom, false, vec![argument("$filter", json!({"type": "string"}), true)]);
    let alias = argument_alias("$filter");
    assert_ne!(alias, "$filter");
    assert_eq!(check(&filter, json!({alias.clone(): "x"})).unwrap(), json!({"$filter": "x"}));
    assert_eq!(check(&filter, json!({alias.clone(): 1})).unwrap_err()[0].0, "/$filter");
    assert!(check(&filter, json!({alias: "x", "$filter": "y"})).is_err(), "both at once is a mistake");
}

#[test]
fn a_long_value_is_cut_in_the_answer() {
    let at = "x".repeat(words::EXCERPT_MAX_CHARS);
    assert_eq!(words::got(&json!(at)), format!("got the text \"{at}\""));
    assert_eq!(words::got(&json!(format!("{at}y"))), format!("got the text \"{at}\"…"));
}

#[test]
fn a_broken_schema_is_the_definitions_fault_and_no_panic() {
    let mut broken = list();
    broken.input_schema = json!({"type": "object", "properties": {"x": {"$ref": "https://elsewhere.test/s.json"}}});
    let errors = check(&broken, json!({})).unwrap_err();
    assert!(errors[0].1.contains("the input schema of users.list in the definition is broken"), "{errors:?}");
    assert!(check_schema(&json!({"type": "strnig"})).is_err());
    assert!(check_schema(&json!({"pattern": "("})).is_err());
    assert!(check_schema(&list().input_schema).is_ok());
}

#[test]
fn query_parameters_become_what_the_schema_wants() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    for (method, query, expected) in [
        (&list(), pairs(&[("limit", "5"), ("email", "5")]), json!({"limit": 5, "email": "5"})),
        (&list(), pairs(&[("limit", "1e9")]), json!({"limit": "1e9"})),
        (&list(), pairs(&[("limit", "-1")]), json!({"limit": -1})),
        (&list(), pairs(&[("limit", "18446744073709551615")]), json!({"limit": u64::MAX})),
        (&list(), pairs(&[("fields", "id,email"), ("fields", "state")]), json!({"fields": ["id", "email", "state"]})),
        (&list(), pairs(&[("limit", "5"), ("limit", "6")]), json!({"limit": [5, 6]})),
        (&list(), pairs(&[("bogus", "1")]), json!({"bogus": "1"})),
        (&create(), pairs(&[("tags", "1"), ("tags", "2")]), json!({"tags": [1, 2]})),
        (&create(), pairs(&[("tags", "1")]), json!({"tags": [1]})),
        (
            &create(),
            pairs(&[("active", "true"), ("ratio", "0.5"), ("level", "2")]),
            json!({"active": true, "ratio": 0.5, "level": 2}),
        ),
        (&create(), pairs(&[("active", "yes")]), json!({"active": "yes"})),
        (&create(), pairs(&[("owner", "{\"user\":\"u\"}")]), json!({"owner": {"user": "u"}})),
    ] {
        assert_eq!(Value::Object(method.arguments_from_query(&query)), expected, "{query:?}");
    }
}

#[test]
fn what_is_not_an_id_is_told_apart() {
    let methods = vec![list(), method("acme", "get", MethodKind::Get, true, Vec::new())];
    let plan = plan("acme", methods);
    let resource = &plan.resources["users"];
    let good = "IR7VJHJ36JHINBFAD7V2T5MP3E";
    assert_eq!(id_mistake(resource, good), None);
    for (value, kind, words) in [
        ("", IdMistakeKind::Blank, "empty"),
        (" \t", IdMistakeKind::Blank, "empty"),
        ("a.miller@company.com", IdMistakeKind::EmailAddress, "is an e-mail address, not an id"),
        (" IR7VJHJ36JHINBFAD7V2T5MP3E\n", IdMistakeKind::Wrapped, "around the id"),
        ("\"IR7VJHJ36JHINBFAD7V2T5MP3E\"", IdMistakeKind::Wrapped, "around the id"),
        ("Anna Miller", IdMistakeKind::Name, "looks like a name"),
        ("IR7VJHJ36JHINBFAD7V2T5MP3", IdMistakeKind::Length, "has 25 characters; an id has 26 characters"),
        ("IR7VJHJ36JHINBFAD7V2T5MP3EA", IdMistakeKind::Length, "has 27 characters"),
        ("IR7VJHJ36JHINBFAD7V2T5MP30", IdMistakeKind::Alphabet, "holds '0'"),
        ("ir7vjhj36jhinbfad7v2t5mp3e", IdMistakeKind::Alphabet, "holds 'i'"),
        ("../../../../../etc/passwd?", IdMistakeKind::Alphabet, "holds '.'"),
    ] {
        let mistake = id_mistake(resource, value).unwrap();
        assert_eq!(mistake.kind, kind, "{value}");
        assert!(mistake.detail.contains(words), "{}", mistake.detail);
        assert!(mistake.hint.contains("Do not guess"), "{}", mistake.hint);
        let email = mistake.find.unwrap().arguments.get("email").cloned();
        assert_eq!(email, (kind == IdMistakeKind::EmailAddress).then(|| json!(value)), "{value}");
    }
}

#[test]
fn an_id_without_a_pattern_is_only_refused_when_it_cannot_be_one() {
    let mut plan = plan("acme", vec![list()]);
    let resource = plan.resources.get_mut("users").unwrap();
    resource.id.pattern = None;
    assert_eq!(id_mistake(resource, "anything-goes:1/2"), None);
    for value in ["", "a@b", "two words", "line\n"] {
        assert!(id_mistake(resource, value).is_some(), "{value:?}");
    }
}

#[test]
fn a_long_value_is_not_put_into_the_next_call() {
    let plan = plan("acme", vec![list()]);
    let at = format!("{}@company.com", "a".repeat(256 - 12));
    let email = |value: &str| {
        id_mistake(&plan.resources["users"], value).unwrap().find.unwrap().arguments.contains_key("email")
    };
    assert!(email(&at));
    assert!(!email(&format!("a{at}")));
}

#[test]
fn the_problem_carries_the_rule_and_the_call_that_finds_the_id() {
    let plan = plan("acme", vec![list(), method("acme", "get", MethodKind::Get, true, Vec::new())]);
    let get = plan.method("users", "get").unwrap();
    let given = json!({"id": "a.miller@company.com"}).as_object().unwrap().clone();
    let errors = get.validate(given.clone()).unwrap_err();
    let problem = invalid_arguments(&plan, get, &given, errors);
    assert_eq!(problem.status(), 400);
    let body = problem.body();
    assert_eq!(body.errors[0].pointer, "/id");
    assert!(body.hint.as_deref().unwrap().starts_with("A user id is 26 characters, A-Z and 2-7. Find the user"));
    assert_eq!(body.next_calls[0].tool, "list_all_acme_users");
    assert_eq!(Value::Object(body.next_calls[0].arguments.clone()), json!({"email": "a.miller@company.com"}));
}

proptest! {
    #[test]
    fn no_argument_object_makes_a_panic(name in "\\PC{0,20}", text in "\\PC{0,80}", number in any::<f64>()) {
        for value in [json!(text), json!(number), json!([text]), json!({"a": text})] {
            let _ = check(&create(), json!({name.clone(): value.clone(), "owner": value, "name": text.clone()}));
        }
        let plan = plan("acme", vec![list()]);
        let _ = id_mistake(&plan.resources["users"], &text);
    }
}

/// Not a limit: prints the figure for the performance notes (`cargo nextest run --no-capture`).
#[test]
fn validation_of_a_small_object_is_measured() {
    let get = method("acme", "get", MethodKind::Get, true, Vec::new());
    let mut arguments = json!({"id": "IR7VJHJ36JHINBFAD7V2T5MP3E"}).as_object().unwrap().clone();
    const ROUNDS: u32 = 20_000;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        arguments = get.validate(arguments).unwrap();
    }
    eprintln!("validate: {:?} a call", start.elapsed() / ROUNDS);
    assert_eq!(arguments.len(), 1);
}

#[test]
fn a_connection_is_told_every_mistake_with_what_is_expected() {
    let mut plan = plan("acme", vec![list()]);
    plan.connection_schema = json!({
        "type": "object",
        "properties": {"region": {"enum": ["com", "eu"]}, "site": {"type": "string", "pattern": "^[a-z]+$"}},
        "required": ["region"], "additionalProperties": false
    });
    assert_eq!(plan.check_connection(&json!({"region": "eu", "site": "a"})), []);
    let errors = plan.check_connection(&json!({"site": "A", "regoin": "eu"}));
    let found: Vec<_> = errors.iter().map(|error| (error.pointer.as_str(), error.detail.as_str())).collect();
    let detail = |pointer: &str| found.iter().find(|(at, _)| *at == pointer).unwrap().1;
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(detail("/regoin").starts_with("there is no connection field of this name"), "{found:?}");
    assert!(detail("/region").starts_with("is required: "), "{found:?}");
    assert!(detail("/site").contains("; expected "), "{found:?}");
}

#[test]
fn a_connection_schema_that_is_none_is_said_and_not_passed() {
    let mut plan = plan("acme", vec![list()]);
    plan.connection_schema = json!({"type": "nothing"});
    assert!(plan.check_connection(&json!({}))[0].detail.contains("connection schema of acme"));
}
