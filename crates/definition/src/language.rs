//! The keys of the language: what may stand where, and what it means.
//!
//! The checker, the JSON Schema and the reference are all made from these tables.

mod method;

use crate::plan::ERROR_VARIABLES;
use crate::shape::{Group, Keys, Object, Shape, optional, required};
pub(crate) use method::{CALL, HTTP_METHODS, METHOD};

/// The whole definition.
pub(crate) static DEFINITION: Shape = Shape::Object(&Object {
    fields: &[
        required("name", Shape::IntegrationName, "The integration's name in paths and tool names, such as `acme`."),
        required("label", Shape::Text, "Its name for people."),
        required("category", Shape::Text, "What it is for: `identity`, `hr`, `chat`, `tickets`, …"),
        optional("description", Shape::Text, "What it is, in a sentence or two."),
        optional("connection", Shape::Object(&CONNECTION), "What a connection to it needs."),
        required("base_url", Shape::Template, "Where the API is, without a slash at the end; may use `connection`."),
        optional(
            "hosts",
            Shape::List { of: &Shape::Template, min: 0 },
            "Further hosts (`host` or `host:port`) that calls may reach; may use `connection`.",
        ),
        optional(
            "headers",
            Shape::Map { keys: Keys::Header, of: &Shape::ScalarTemplate },
            "Headers on every call; may use `connection`.",
        ),
        optional("pagination", PAGINATION, "How the pages of lists follow each other."),
        optional("rate_limits", Shape::Object(&RATE_LIMITS), "How the vendor tells its limits."),
        optional("errors", Shape::Object(&ERRORS), "How the vendor tells what went wrong."),
        optional("lifecycle", Shape::Object(&LIFECYCLE), "Which methods make up the life of a person's account."),
        required(
            "resources",
            Shape::Map { keys: Keys::SnakeCase, of: &Shape::Object(&RESOURCE) },
            "The resources by their plural names.",
        ),
    ],
    groups: &[],
});

static CONNECTION: Object = Object {
    fields: &[
        optional(
            "fields",
            Shape::Map { keys: Keys::SnakeCase, of: &Shape::Object(&CONNECTION_FIELD) },
            "What a connection must tell that is not secret.",
        ),
        optional(
            "credentials",
            Shape::Map { keys: Keys::SnakeCase, of: &Shape::Object(&CREDENTIAL) },
            "The secrets that it must give.",
        ),
        optional(
            "auth",
            Shape::Either(&[Shape::Choice(&["none"]), Shape::Object(&AUTH)]),
            "How calls prove who they are.",
        ),
        optional("verify", CALL, "A read that shows that the connection works."),
        optional(
            "principal",
            Shape::Object(&PRINCIPAL),
            "Which of the vendor's records the connection itself works as: policies can protect it.",
        ),
    ],
    groups: &[],
};

static PRINCIPAL: Object = Object {
    fields: &[
        optional("resource", Shape::Text, "The resource that holds the record; that of `lifecycle` when left out."),
        required("at", Shape::Pointer, "Where in a record the value stands that tells it."),
        required("equals", Shape::Template, "The value; may use `connection`. Upper and lower case are the same."),
    ],
    groups: &[],
};

static CONNECTION_FIELD: Object = Object {
    fields: &[
        required("label", Shape::Text, "Its name for people."),
        optional("description", Shape::Text, "What to enter and where to find it."),
        optional("enum", Shape::List { of: &Shape::Text, min: 1 }, "The values that it can have."),
        optional("pattern", Shape::Pattern, "What it looks like; anchor it with `^` and `$`."),
        optional("format", Shape::Text, "A JSON Schema format, such as `email`."),
        optional("default", Shape::Text, "Taken when the field is left out; without one the field is required."),
    ],
    groups: &[Group { names: &["enum", "pattern"], needed: false }],
};

static CREDENTIAL: Object = Object {
    fields: &[
        required("label", Shape::Text, "Its name for people."),
        optional("description", Shape::Text, "What to enter and where to find it."),
        optional("required", Shape::Boolean, "Whether a connection must have it; true when left out."),
    ],
    groups: &[],
};

static AUTH: Object = Object {
    fields: &[
        optional("bearer", Shape::Object(&BEARER), "`Authorization: Bearer …`."),
        optional("api_key", Shape::Object(&API_KEY), "A key in a header or a query parameter."),
        optional("basic", Shape::Object(&BASIC), "`Authorization: Basic …`."),
        optional(
            "client_credentials",
            Shape::Object(&CLIENT_CREDENTIALS),
            "OAuth 2 client credentials: a token is fetched, kept until shortly before it expires, and sent as bearer.",
        ),
    ],
    groups: &[Group { names: &["bearer", "api_key", "basic", "client_credentials"], needed: true }],
};

static BEARER: Object = Object {
    fields: &[required("token", Shape::Template, "The token, usually `{{ credentials.token }}`.")],
    groups: &[],
};

static API_KEY: Object = Object {
    fields: &[
        optional("header", Shape::Header, "The header that carries the key."),
        optional("query", Shape::Text, "The query parameter that carries the key."),
        required("value", Shape::Template, "The whole value with whatever prefix the vendor wants."),
    ],
    groups: &[Group { names: &["header", "query"], needed: true }],
};

static BASIC: Object = Object {
    fields: &[
        required("username", Shape::Template, "User name."),
        optional("password", Shape::Template, "Password; empty when left out."),
    ],
    groups: &[],
};

static CLIENT_CREDENTIALS: Object = Object {
    fields: &[
        required("token_url", Shape::Template, "The token endpoint; may use `base_url` and `connection`."),
        optional(
            "client_auth",
            Shape::Choice(&["basic", "body", "json"]),
            "How the client proves itself: HTTP Basic, form fields, or a JSON object; `basic` when left out.",
        ),
        optional("client_id", Shape::Template, "`{{ credentials.client_id }}` when left out."),
        optional("client_secret", Shape::Template, "`{{ credentials.client_secret }}` when left out."),
        optional("scopes", Shape::List { of: &Shape::Text, min: 0 }, "Scopes to ask for."),
        optional("scope_separator", Shape::Choice(&[" ", ","]), "Stands between scopes; a space when left out."),
        optional(
            "parameters",
            Shape::Map { keys: Keys::Any, of: &Shape::ScalarTemplate },
            "Further fields of the token request, such as `audience`.",
        ),
        optional(
            "lifetime",
            Shape::Duration,
            "How long a token lives when the answer does not tell `expires_in`; `1h` when left out.",
        ),
    ],
    groups: &[],
};

/// How pages follow each other.
pub(crate) const PAGINATION: Shape = Shape::Either(&[Shape::Choice(&["none"]), Shape::Object(&PAGES)]);

/// The names of the page styles.
const PAGE_STYLES: &[&str] = &["cursor", "next_url", "link_header", "page", "offset", "last_id", "perpetual"];

static PAGES: Object = Object {
    fields: &[
        optional("cursor", Shape::Object(&CURSOR), "A cursor from the answer is sent with the next request."),
        optional(
            "next_url",
            Shape::Object(&Object {
                fields: &[required("read", Shape::Pointer, "Where the URL stands in the answer.")],
                groups: &[],
            }),
            "The answer has the next page's URL; only the same host is followed.",
        ),
        optional(
            "link_header",
            Shape::Object(&Object { fields: &[], groups: &[] }),
            "`Link: <…>; rel=\"next\"`; only the same host is followed.",
        ),
        optional("page", Shape::Object(&PAGE_NUMBER), "Pages are numbered."),
        optional("offset", Shape::Object(&OFFSET), "Records are counted."),
        optional(
            "last_id",
            Shape::Object(&Object { fields: &[required("send", Shape::Text, "Query parameter.")], groups: &[] }),
            "The id of the last record is sent with the next request.",
        ),
        optional(
            "perpetual",
            Shape::Object(&PERPETUAL),
            "A cursor that is always there; `has_more` says when to stop.",
        ),
        optional("size", Shape::Object(&PAGE_SIZE), "How the size of a page is told."),
        optional("has_more", Shape::Pointer, "A truth value in the answer that says whether there is more."),
    ],
    groups: &[Group { names: PAGE_STYLES, needed: true }],
};

static CURSOR: Object = Object {
    fields: &[
        required("send", Shape::Text, "Query parameter; a JSON Pointer (`/cursor`) when it goes in the request body."),
        optional("read", Shape::Pointer, "Where it stands in the answer."),
        optional("read_header", Shape::Header, "The response header that has it."),
    ],
    groups: &[Group { names: &["read", "read_header"], needed: true }],
};

static PAGE_NUMBER: Object = Object {
    fields: &[
        required("send", Shape::Text, "Query parameter."),
        optional("first", Shape::Integer { min: 0, max: 1 }, "Number of the first page; 1 when left out."),
        optional("total_pages", Shape::Pointer, "Where the number of pages stands in the answer."),
    ],
    groups: &[],
};

static OFFSET: Object = Object {
    fields: &[
        required("send", Shape::Text, "Query parameter."),
        optional(
            "first",
            Shape::Integer { min: 0, max: 1 },
            "Number of the first record: 0, or 1 as SCIM has it; 0 when left out.",
        ),
        optional("total", Shape::Pointer, "Where the number of records stands in the answer."),
    ],
    groups: &[],
};

static PERPETUAL: Object = Object {
    fields: &[
        required("send", Shape::Pointer, "Where the cursor goes in the request body."),
        required("read", Shape::Pointer, "Where it stands in the answer."),
    ],
    groups: &[],
};

static PAGE_SIZE: Object = Object {
    fields: &[
        optional(
            "send",
            Shape::Text,
            "Query parameter, or a JSON Pointer into the request body; left out when the vendor decides.",
        ),
        required("default", Shape::Integer { min: 1, max: 100_000 }, "Size when none is asked for."),
        required("max", Shape::Integer { min: 1, max: 100_000 }, "The largest that the vendor accepts."),
    ],
    groups: &[],
};

static RATE_LIMITS: Object = Object {
    fields: &[
        optional(
            "sources",
            Shape::List {
                of: &Shape::Either(&[
                    Shape::Choice(&["trio", "structured", "retry_after"]),
                    Shape::Object(&RATE_SOURCE),
                ]),
                min: 0,
            },
            "Where limits are told, most trusted first.",
        ),
        optional(
            "heuristics",
            Shape::Boolean,
            "Whether well-known header names are read when no source gave anything; true when left out.",
        ),
        optional(
            "budget",
            Shape::Boolean,
            "Whether a call is refused before it is sent when what the vendor told says that nothing is left; true when left out. `false` for a vendor whose headers are wrong.",
        ),
        optional(
            "limited_when",
            Shape::List { of: &Shape::Expression(ERROR_VARIABLES), min: 0 },
            "What means `rate limited` besides status 429.",
        ),
    ],
    groups: &[],
};

static RATE_SOURCE: Object = Object {
    fields: &[required("headers", Shape::Object(&RATE_HEADERS), "Headers with one value each.")],
    groups: &[],
};

static RATE_HEADERS: Object = Object {
    fields: &[
        optional("limit", Shape::Header, "Requests in the window."),
        optional("remaining", Shape::Header, "Requests left in it."),
        optional("reset", Shape::Object(&RATE_TIME), "When the window starts anew."),
        optional("retry_after", Shape::Object(&RATE_TIME), "When to come back."),
        optional("window", Shape::Duration, "The window, where the documentation fixes it."),
        optional("name", Shape::Text, "The policy's name."),
    ],
    groups: &[],
};

static RATE_TIME: Object = Object {
    fields: &[
        required("header", Shape::Header, "The header."),
        required(
            "kind",
            Shape::Choice(&[
                "delta_seconds",
                "delta_milliseconds",
                "epoch_seconds",
                "epoch_milliseconds",
                "iso",
                "http_date",
            ]),
            "What its value means.",
        ),
    ],
    groups: &[],
};

static ERRORS: Object = Object {
    fields: &[
        optional(
            "message",
            Shape::List { of: &Shape::Pointer, min: 0 },
            "Where a message for people may stand; the first hit wins.",
        ),
        optional("code", Shape::List { of: &Shape::Pointer, min: 0 }, "Where the vendor's own code may stand."),
        optional(
            "failed_when",
            Shape::List { of: &Shape::Expression(ERROR_VARIABLES), min: 0 },
            "When a 2xx answer is an error all the same.",
        ),
        optional(
            "explain",
            Shape::List { of: &Shape::Object(&EXPLANATION), min: 0 },
            "What an error means here; the first whose condition holds wins.",
        ),
    ],
    groups: &[],
};

static EXPLANATION: Object = Object {
    fields: &[
        required(
            "when",
            Shape::Expression(ERROR_VARIABLES),
            "When it applies: CEL over status, headers, body, message, vendor_code, method and arguments.",
        ),
        optional("code", Shape::Code, "The problem code; the status decides when left out."),
        optional("hint", Shape::Template, "What to do; may use `connection` and the call's arguments."),
        optional("next", CALL, "A call that would help."),
        optional("retryable", Shape::Boolean, "Whether the same call may succeed later."),
    ],
    groups: &[],
};

static LIFECYCLE: Object = Object {
    fields: &[
        required("resource", Shape::Text, "The resource that holds people."),
        required("find_by_email", Shape::Text, "The argument of its list that finds by exact e-mail address."),
        required("email", Shape::Pointer, "Where the address stands in a record."),
        optional("display_name", Shape::Pointer, "Where the name for people stands."),
        required("suspend", Shape::Text, "The method that takes access away and can be undone."),
        optional("reactivate", Shape::Text, "The method that gives it back."),
        required("active", Shape::Text, "The state that means `has access`."),
        required("suspended", Shape::Text, "The state that means `has no access`."),
    ],
    groups: &[],
};

static RESOURCE: Object = Object {
    fields: &[
        optional("singular", Shape::Text, "The name of one; guessed from the plural when left out."),
        optional("id", Shape::Object(&ID), "The rule for ids."),
        optional("state", Shape::Object(&STATE), "Where a record's state stands."),
        optional("record", Shape::Schema, "JSON Schema of one record."),
        required(
            "methods",
            Shape::Map { keys: Keys::SnakeCase, of: &Shape::Object(&METHOD) },
            "The methods: `list`, `get`, `create`, `update`, `delete`, or a verb of its own.",
        ),
    ],
    groups: &[],
};

static ID: Object = Object {
    fields: &[
        optional("at", Shape::Pointer, "Where the id stands in a record; `/id` when left out."),
        optional("pattern", Shape::Pattern, "What an id looks like; anchor it with `^` and `$`."),
        optional("description", Shape::Text, "The same in words, for errors."),
        optional("find", CALL, "The call that finds a record by something else; `{value}` stands for what was given."),
    ],
    groups: &[],
};

static STATE: Object = Object {
    fields: &[
        required("at", Shape::Pointer, "Where it stands in a record."),
        required("values", Shape::List { of: &Shape::Text, min: 1 }, "What it can be."),
    ],
    groups: &[],
};
