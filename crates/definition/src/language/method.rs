//! The keys of methods and arguments.

use super::PAGINATION;
use crate::shape::{Group, Keys, Object, Shape, optional, required};

/// A call by name: `users.list`, or with fixed arguments.
pub(crate) const CALL: Shape = Shape::Either(&[
    Shape::MethodName,
    Shape::Object(&Object {
        fields: &[
            required("call", Shape::MethodName, "The method, such as `users.list`."),
            optional("with", Shape::Map { keys: Keys::Any, of: &Shape::Any }, "Its arguments."),
        ],
        groups: &[],
    }),
]);

/// HTTP methods that a method may use, as keys.
pub(crate) const HTTP_METHODS: &[&str] = &["get", "post", "put", "patch", "delete", "head"];

pub(crate) static METHOD: Object = Object {
    fields: &[
        optional("get", Shape::Template, "Sends a GET to this path below the base URL."),
        optional("post", Shape::Template, "Sends a POST to this path."),
        optional("put", Shape::Template, "Sends a PUT to this path."),
        optional("patch", Shape::Template, "Sends a PATCH to this path."),
        optional("delete", Shape::Template, "Sends a DELETE to this path."),
        optional("head", Shape::Template, "Sends a HEAD to this path."),
        optional("title", Shape::Text, "Title for people."),
        optional("description", Shape::Text, "What it does and when to use it, for the model."),
        optional("tags", Shape::List { of: &Shape::Text, min: 0 }, "Tags to select tools by."),
        optional(
            "effect",
            Shape::Choice(&["read", "write", "destructive"]),
            "What it does to the world; GET, HEAD, `get` and what gives many records read, DELETE is destructive, the others write when left out.",
        ),
        optional(
            "idempotent",
            Shape::Boolean,
            "Whether doing it twice is the same as once; true for reads, PUT and DELETE when left out.",
        ),
        optional(
            "query",
            Shape::Map { keys: Keys::Any, of: &Shape::ScalarTemplate },
            "Fixed query parameters; may use `connection` and arguments.",
        ),
        optional(
            "headers",
            Shape::Map { keys: Keys::Header, of: &Shape::ScalarTemplate },
            "Fixed headers; may use `connection` and arguments.",
        ),
        optional(
            "body",
            Shape::Either(&[Shape::Choice(&["none", "json", "form"]), Shape::Map { keys: Keys::Any, of: &Shape::Any }]),
            "How arguments in the body are written, `json` when there are any; or the fixed part of a JSON body.",
        ),
        optional(
            "arguments",
            Shape::Map { keys: Keys::SnakeCase, of: &Shape::Object(&ARGUMENT) },
            "What a caller gives.",
        ),
        optional(
            "local_filters",
            Shape::Map { keys: Keys::SnakeCase, of: &Shape::Object(&LOCAL_FILTER) },
            "Filters that the gateway evaluates itself, where there are many records.",
        ),
        optional(
            "items",
            Shape::Pointer,
            "Where the records of a list stand in the answer, the whole answer when left out; makes a verb one that gives many records.",
        ),
        optional("result", Shape::Pointer, "Where the result stands in the answer; the whole answer when left out."),
        optional("pagination", PAGINATION, "How pages follow each other, where this method differs."),
        optional("from", Shape::List { of: &Shape::Text, min: 0 }, "States from which it makes sense."),
        optional("to", Shape::Text, "The state after it."),
        optional("undo", Shape::Text, "The method of the same resource that undoes it."),
    ],
    groups: &[Group { names: HTTP_METHODS, needed: true }, Group { names: &["items", "result"], needed: false }],
};

static ARGUMENT: Object = Object {
    fields: &[
        optional("description", Shape::Text, "What it means, for the model."),
        optional("required", Shape::Boolean, "Whether it must be given; false when left out."),
        optional(
            "send",
            Shape::Either(&[Shape::Choice(&["query", "body", "header"]), Shape::Object(&SEND)]),
            "Where its value goes: `query`, `body` or `header` under its own name, or a place by name.",
        ),
        optional("schema", Shape::Schema, "Its whole JSON Schema, where the keys beside this one are not enough."),
        optional(
            "type",
            Shape::Choice(&["string", "integer", "number", "boolean", "array", "object"]),
            "JSON type; a text when left out.",
        ),
        optional("enum", Shape::List { of: &Shape::Scalar, min: 1 }, "The values that it can have."),
        optional("pattern", Shape::Pattern, "What a text looks like."),
        optional("format", Shape::Text, "A JSON Schema format."),
        optional("default", Shape::Any, "What the vendor takes when it is left out."),
        optional("minimum", Shape::Number, "Smallest number."),
        optional("maximum", Shape::Number, "Largest number."),
        optional("minLength", Shape::Integer { min: 0, max: u32::MAX as u64 }, "Shortest text."),
        optional("maxLength", Shape::Integer { min: 0, max: u32::MAX as u64 }, "Longest text."),
        optional("items", Shape::Schema, "JSON Schema of a list's items."),
        optional("minItems", Shape::Integer { min: 0, max: u32::MAX as u64 }, "Fewest items."),
        optional("maxItems", Shape::Integer { min: 0, max: u32::MAX as u64 }, "Most items."),
        optional("uniqueItems", Shape::Boolean, "Whether items differ."),
        optional("examples", Shape::List { of: &Shape::Any, min: 1 }, "Examples."),
    ],
    groups: &[],
};

static SEND: Object = Object {
    fields: &[
        optional("query", Shape::Text, "Query parameter."),
        optional("header", Shape::Header, "Header."),
        optional("body", Shape::Pointer, "Place in the request body."),
        optional(
            "values",
            Shape::Map { keys: Keys::Any, of: &Shape::Scalar },
            "What is sent for each value of the argument.",
        ),
    ],
    groups: &[Group { names: &["query", "header", "body"], needed: true }],
};

static LOCAL_FILTER: Object = Object {
    fields: &[
        required("at", Shape::Pointer, "What is compared, in a record."),
        required("compare", Shape::Choice(&["equals", "starts_with", "ends_with", "contains"]), "How it is compared."),
        optional("fold_case", Shape::Boolean, "Whether upper and lower case are the same; false when left out."),
        optional("description", Shape::Text, "What it finds, for the model."),
    ],
    groups: &[],
};
