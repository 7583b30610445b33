//! The keys of the language: what may stand where, and what it means.

use quartermaster_definition::notation::{Group, Keys, Object, Shape, optional, required};

use crate::limits::{PATIENCE_MAX_SECONDS, RUNS_PER_HOUR_MAX, TRIGGER_NAME_MAX};

/// The variables of expressions.
pub(crate) const VARIABLES: &[&str] = &["payload", "headers", "query", "trigger", "item"];
/// Those that a schedule has.
pub(crate) const SCHEDULE_VARIABLES: &[&str] = &["trigger"];

/// A CEL expression.
const EXPRESSION: Shape = Shape::Expression(VARIABLES);
const ENCODINGS: Shape = Shape::Choice(&["hex", "base64", "base64url"]);
const SEPARATORS: Shape = Shape::Choice(&[",", " ", ";"]);
const HASHES: Shape = Shape::Choice(&["sha256", "sha512", "sha1"]);

const _: () = assert!(TRIGGER_NAME_MAX == 64, "the text below says so");

/// The whole trigger.
pub(crate) static TRIGGER: Shape = Shape::Object(&Object {
    fields: &[
        required("version", Shape::Integer { min: 1, max: 1 }, "The version of the language: 1."),
        required(
            "name",
            Shape::Text,
            "The trigger's name, once in its environment: lower-case letters, digits, `-` and `_`, at most 64.",
        ),
        optional("description", Shape::Text, "What it is for."),
        optional("webhook", Shape::Object(&WEBHOOK), "It starts runs when another system calls `POST /hook/{id}`."),
        optional("schedule", Shape::Object(&SCHEDULE), "It starts runs at certain times."),
        optional("when", EXPRESSION, "A CEL condition; a delivery for which it does not hold starts nothing."),
        optional(
            "for_each",
            EXPRESSION,
            "A CEL expression that gives a list: one run for each `item`, at most 50. One run when left out.",
        ),
        optional(
            "input",
            Shape::Map { keys: Keys::SnakeCase, of: &EXPRESSION },
            "What a run is started with: a CEL expression for each input. Wins over `run.input`.",
        ),
        optional(
            "dedupe_key",
            EXPRESSION,
            "A CEL expression that gives a text: two deliveries with the same one are the same event, and start one run. The id \
             header when left out, or else the body.",
        ),
        optional("dedupe_for", Shape::Duration, "How long that is remembered; `30d` when left out, `90d` at most."),
        optional("limits", Shape::Object(&LIMITS), "How much it may start."),
        required("run", Shape::Object(&RUN), "What is started: as `POST /run` takes it."),
    ],
    groups: &[Group { names: &["webhook", "schedule"], needed: true }],
});

static WEBHOOK: Object = Object {
    fields: &[
        required(
            "verify",
            Shape::Either(&[Shape::Choice(&["basic", "bearer"]), Shape::Object(&VERIFY)]),
            "How it is shown that a delivery comes from who it says: `basic` (user name and password), `bearer` (a token in the \
             header `authorization`), or one of the mappings here.",
        ),
        optional(
            "id",
            Shape::Object(&ID),
            "Where the sender's own id of the delivery stands: the same in each of its attempts.",
        ),
        optional(
            "challenge",
            Shape::Object(&CHALLENGE),
            "How the sender's question whether somebody is here is answered.",
        ),
    ],
    groups: &[],
};

static VERIFY: Object = Object {
    fields: &[
        optional("hmac", Shape::Object(&HMAC), "A signature over the body under a shared secret."),
        optional("jwt", Shape::Object(&JWT), "A JSON Web Token."),
        optional("shared_secret", Shape::Object(&SHARED_SECRET), "The secret itself, in a header or in the query."),
    ],
    groups: &[Group { names: &["hmac", "jwt", "shared_secret"], needed: true }],
};

static HMAC: Object = Object {
    fields: &[
        required("header", Shape::Header, "The header with the signature."),
        optional("algorithm", HASHES, "The hash; `sha256` when left out."),
        optional("encoding", ENCODINGS, "How the signature is written; `hex` when left out."),
        optional("prefix", Shape::Text, "What stands before each signature, such as `sha256=`."),
        optional("separator", SEPARATORS, "What stands between several signatures; there is one when left out."),
        optional(
            "signed",
            Shape::Template,
            "What is signed: `{{ body }}`, `{{ timestamp }}`, `{{ id }}` and text between; the body when left out.",
        ),
        optional(
            "timestamp",
            Shape::Object(&TIMESTAMP),
            "Where the time of sending stands. It must be part of what is signed.",
        ),
        optional(
            "secret_encoding",
            Shape::Choice(&["text", "hex", "base64"]),
            "How the secret is written; `text` (taken as it is) when left out.",
        ),
        optional("secret_prefix", Shape::Text, "What stands before the secret and is no part of it, such as `whsec_`."),
    ],
    groups: &[],
};

static TIMESTAMP: Object = Object {
    fields: &[
        required("header", Shape::Header, "The header with the time; it may be the one with the signature."),
        optional("prefix", Shape::Text, "What stands before it, such as `t=`."),
        optional("separator", SEPARATORS, "What stands between it and other parts of the header."),
        optional(
            "format",
            Shape::Choice(&["unix", "unix_ms", "rfc3339"]),
            "How it is written: seconds since 1970 (`unix`, when left out), milliseconds, or RFC 3339.",
        ),
        optional(
            "tolerance",
            Shape::Duration,
            "How far it may be from the gateway's time; `5m` when left out, `1h` at most.",
        ),
    ],
    groups: &[],
};

static JWT: Object = Object {
    fields: &[
        optional("header", Shape::Header, "The header with the token; `authorization` when left out."),
        optional(
            "prefix",
            Shape::Text,
            "What stands before it; `Bearer ` for `authorization`, else nothing, when left out.",
        ),
        required("algorithm", Shape::Choice(&["HS256", "RS256", "ES256"]), "The only algorithm that is accepted."),
        optional(
            "keys",
            Shape::Text,
            "The sender's public keys: a JWKS as JSON, or one key as PEM. For `HS256` the secret is used instead.",
        ),
        optional("issuer", Shape::Text, "What `iss` must be."),
        optional("audience", Shape::Text, "What `aud` must be or contain. Needed unless the algorithm is `HS256`."),
        optional("leeway", Shape::Duration, "How far clocks may differ; `1m` when left out, `1h` at most."),
        optional("body_hash", Shape::Object(&BODY_HASH), "The claim that holds the hash of the body."),
    ],
    groups: &[],
};

static BODY_HASH: Object = Object {
    fields: &[
        required("claim", Shape::Text, "The claim's name."),
        optional("algorithm", HASHES, "The hash; `sha256` when left out."),
        optional("encoding", ENCODINGS, "How it is written; `hex` when left out."),
    ],
    groups: &[],
};

static SHARED_SECRET: Object = Object {
    fields: &[
        optional("header", Shape::Header, "The header that holds it."),
        optional(
            "query",
            Shape::Text,
            "The query parameter that holds it. A header is better: URLs are written into logs.",
        ),
    ],
    groups: &[Group { names: &["header", "query"], needed: true }],
};

static ID: Object =
    Object { fields: &[required("header", Shape::Header, "The header, such as `webhook-id`.")], groups: &[] };

static CHALLENGE: Object = Object {
    fields: &[
        required("when", EXPRESSION, "A CEL condition: whether the delivery is such a question."),
        required("answer", EXPRESSION, "A CEL expression: the answer. A text is sent as it is, anything else as JSON."),
        optional("unsigned", Shape::Boolean, "Whether it is answered without being verified; false when left out."),
    ],
    groups: &[],
};

static SCHEDULE: Object = Object {
    fields: &[
        required(
            "cron",
            Shape::Text,
            "Five fields (minute, hour, day of month, month, day of week), or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.",
        ),
        optional("time_zone", Shape::Text, "An IANA time zone such as `Europe/Berlin`; `UTC` when left out."),
        optional(
            "missed",
            Shape::Choice(&["start", "skip"]),
            "What follows when times went by while nothing was running: one start for all of them (when left out), or none.",
        ),
        optional(
            "overlap",
            Shape::Choice(&["skip", "queue"]),
            "What follows when the run before is still going: no start (when left out), or a start once it has ended.",
        ),
    ],
    groups: &[],
};

static LIMITS: Object = Object {
    fields: &[optional(
        "runs_per_hour",
        Shape::Integer { min: 1, max: RUNS_PER_HOUR_MAX },
        "The most runs that it starts in an hour; 100 when left out.",
    )],
    groups: &[],
};

static RUN: Object = Object {
    fields: &[
        required("playbook", Shape::Text, "The name of a playbook that ships, or the whole text of one."),
        required("integrated_account_id", Shape::Text, "The integrated account that runs work on."),
        optional("input", Shape::Map { keys: Keys::SnakeCase, of: &Shape::Any }, "Inputs that are always the same."),
        optional(
            "patience_seconds",
            Shape::Integer { min: 0, max: PATIENCE_MAX_SECONDS },
            "Seconds that rate limits and passing faults are waited out in all; the playbook's own when left out.",
        ),
    ],
    groups: &[],
};
