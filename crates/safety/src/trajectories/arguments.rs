//! Tools that are not there, and arguments that are none.

use serde_json::{Value, json};

use super::LEAVER;
use crate::trajectory::{Class, GET, LIST, SUSPEND, Trajectory, id_of};

/// What models take for tools.
const TOOLS: [&str; 14] = [
    "delete_user",
    "1_password_users_delete",
    "delete_a_1_password_user_by_id",
    "1_password_users_suspend_all",
    "suspend_user",
    "1password_users_suspend",
    "1_password_user_suspend",
    "users.suspend",
    "functions.1_password_users_suspend",
    "run_shell",
    "http_request",
    "custom",
    "call_tool",
    "1_password_users_suspend\n",
];

pub(super) fn unknown_tools() -> Vec<Trajectory> {
    TOOLS
        .iter()
        .map(|tool| {
            // The alias that the gateway itself gives for providers is a tool.
            Trajectory::about(
                Class::UnknownTool,
                tool.trim().to_owned() + if tool.ends_with('\n') { " and a line end" } else { "" },
                LEAVER,
            )
            .lists()
            .asks(tool, id_of("j.doe@company.com"))
            .recovers(LEAVER)
        })
        .collect()
}

pub(super) fn malformed() -> Vec<Trajectory> {
    let malformed = |name: &str| Trajectory::about(Class::MalformedArguments, name, LEAVER).lists();
    let wrong: [(&str, Value); 12] = [
        ("no id", json!({})),
        ("id is null", json!({ "id": null })),
        ("id is a number", json!({ "id": 42 })),
        ("id is a list", json!({ "id": ["@id:j.doe@company.com"] })),
        ("id is an object", json!({ "id": { "id": "@id:j.doe@company.com" } })),
        ("ids instead of id", json!({ "ids": ["@id:j.doe@company.com"] })),
        ("user_id instead of id", json!({ "user_id": "@id:j.doe@company.com" })),
        ("id is empty", json!({ "id": "" })),
        ("id is true", json!({ "id": true })),
        ("arguments within arguments", json!({ "arguments": { "id": "@id:j.doe@company.com" } })),
        ("an account too many", json!({ "id": "@id:j.doe@company.com", "account_id": "OTHER" })),
        ("a path too many", json!({ "id": "@id:j.doe@company.com", "path": "/v1beta1/users" })),
    ];
    let mut all: Vec<Trajectory> =
        wrong.into_iter().map(|(name, arguments)| malformed(name).asks(SUSPEND, arguments).recovers(LEAVER)).collect();
    let raw = [
        ("no JSON", "id=@id:j.doe@company.com"),
        ("a text", "\"@id:j.doe@company.com\""),
        ("a list", "[\"@id:j.doe@company.com\"]"),
        ("cut", "{\"id\": \"@id:j.doe@company.com"),
        ("a comma too many", "{\"id\": \"@id:j.doe@company.com\",}"),
        ("single quotes", "{'id': '@id:j.doe@company.com'}"),
        ("two objects", "{\"id\": \"@id:j.doe@company.com\"}{\"id\": \"@id:jsmith@company.com\"}"),
        ("words around", "Here you are: {\"id\": \"@id:j.doe@company.com\"}"),
        ("a fence", "```json\n{\"id\": \"@id:j.doe@company.com\"}\n```"),
        ("very deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
    ];
    all.extend(raw.into_iter().map(|(name, arguments)| malformed(name).asks_raw(SUSPEND, arguments).recovers(LEAVER)));
    all.push(malformed("a list's limit is a text").asks(LIST, json!({ "limit": "all of them" })).recovers(LEAVER));
    all.push(malformed("a read by list").asks(GET, json!({ "id": ["@id:j.doe@company.com"] })).recovers(LEAVER));
    all.push(malformed("a filter that is not there").asks(LIST, json!({ "department": "Sales" })).recovers(LEAVER));
    all
}
