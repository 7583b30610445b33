//! The keys of the language: what may stand where, and what it means.
//!
//! The checker, the JSON Schema and the reference are all made from these tables.

use quartermaster_definition::notation::{Group, Keys, Object, Shape, optional, required};

use crate::limits::CONCURRENCY_MAX;

/// The variables of templates and expressions.
pub(crate) const VARIABLES: &[&str] =
    &["input", "steps", "row", "outer", "integration", "account", "lifecycle", "run", "answer"];

/// A CEL expression.
const EXPRESSION: Shape = Shape::Expression(VARIABLES);

/// A text: a template, or `{cel: …}`.
const TEXT: Shape = Shape::Either(&[
    Shape::Template,
    Shape::Object(&Object {
        fields: &[required("cel", EXPRESSION, "A CEL expression that gives a text.")],
        groups: &[],
    }),
]);

/// Values with templates and `{cel: …}` in them.
const VALUES: Shape = Shape::Map { keys: Keys::Any, of: &Shape::Any };

/// Named values with templates and `{cel: …}` in them.
const NAMED_VALUES: Shape = Shape::Map { keys: Keys::SnakeCase, of: &Shape::Any };

/// What follows.
const TURN: Shape = Shape::Either(&[
    Shape::Choice(&["continue", "stop", "end"]),
    Shape::Object(&Object {
        fields: &[
            optional("go_to", Shape::Text, "Go on with the step of this name, in the same list."),
            optional("fail", TEXT, "Fail with this text."),
            optional("code", Shape::Code, "The problem code of `fail`; `precondition_failed` when left out."),
        ],
        groups: &[Group { names: &["go_to", "fail"], needed: true }],
    }),
]);

/// The whole playbook.
pub(crate) static PLAYBOOK: Shape = Shape::Object(&Object {
    fields: &[
        required("name", Shape::IntegrationName, "The playbook's name, such as `offboard`."),
        required("description", Shape::Text, "What it does and when to use it."),
        optional(
            "inputs",
            Shape::Map { keys: Keys::SnakeCase, of: &Shape::Object(&INPUT) },
            "What a run must be told.",
        ),
        optional(
            "patience",
            Shape::Duration,
            "How long rate limits are waited out in a whole run; `1h` when left out.",
        ),
        required("steps", Shape::List { of: &STEP, min: 1 }, "What is done, in this order."),
    ],
    groups: &[],
});

static INPUT: Object = Object {
    fields: &[
        required("description", Shape::Text, "What it means."),
        optional("required", Shape::Boolean, "Whether it must be given; false when left out."),
        optional("default", Shape::Any, "Taken when it is left out."),
        optional("schema", Shape::Schema, "Its whole JSON Schema, where the keys beside this one are not enough."),
        optional(
            "type",
            Shape::Choice(&["string", "integer", "number", "boolean", "array", "object"]),
            "JSON type; a text when left out.",
        ),
        optional("enum", Shape::List { of: &Shape::Scalar, min: 1 }, "The values that it can have."),
        optional("pattern", Shape::Pattern, "What a text looks like."),
        optional("format", Shape::Text, "A JSON Schema format, such as `email`."),
        optional("minimum", Shape::Number, "Smallest number."),
        optional("maximum", Shape::Number, "Largest number."),
        optional("minLength", Shape::Integer { min: 0, max: u32::MAX as u64 }, "Shortest text."),
        optional("maxLength", Shape::Integer { min: 0, max: u32::MAX as u64 }, "Longest text."),
        optional("items", Shape::Schema, "JSON Schema of a list's items."),
        optional("minItems", Shape::Integer { min: 0, max: u32::MAX as u64 }, "Fewest items."),
        optional("maxItems", Shape::Integer { min: 0, max: u32::MAX as u64 }, "Most items."),
        optional("examples", Shape::List { of: &Shape::Any, min: 1 }, "Examples."),
    ],
    groups: &[],
};

/// The names of what a step can do.
pub(crate) const VERBS: &[&str] = &["call", "find", "check", "set", "count", "for_each", "wait", "expect", "report"];

/// A step whose `for_each` is of this shape.
macro_rules! step {
    ($for_each:expr) => {
        Shape::Object(&Object {
            fields: &[
                required(
                    "name",
                    Shape::Text,
                    "Its name, by which later steps use its result; snake_case, once in the playbook.",
                ),
                optional("about", Shape::Text, "What it is for, for people who read the run."),
                optional("when", EXPRESSION, "A CEL condition; the step is skipped when it does not hold."),
                optional(
                    "on_error",
                    TURN,
                    "What follows when it fails; `stop` when left out: the run fails, inside `for_each` the row.",
                ),
                optional(
                    "call",
                    Shape::Either(&[Shape::MethodName, Shape::Object(&CALL)]),
                    "Calls a method of a resource.",
                ),
                optional(
                    "find",
                    Shape::Object(&FIND),
                    "Looks for one record, or for one for each of many rows, through a whole list.",
                ),
                optional("check", Shape::Object(&CHECK), "Goes one of two ways."),
                optional("set", NAMED_VALUES, "Computes values."),
                optional("count", Shape::Object(&COUNT), "Counts the rows for which conditions hold."),
                optional("for_each", $for_each, "Takes steps for every row of a list."),
                optional(
                    "wait",
                    Shape::Either(&[Shape::Duration, Shape::Object(&WAIT)]),
                    "Waits for a time, or until one.",
                ),
                optional("expect", Shape::Object(&EXPECT), "Fails unless a condition holds."),
                optional("report", Shape::Object(&REPORT), "Says what was found and done."),
            ],
            groups: &[Group { names: VERBS, needed: true }],
        })
    };
}

macro_rules! for_each {
    ($step:expr) => {
        Shape::Object(&Object {
            fields: &[
                required("in", Shape::Text, "The list: a dotted path such as `input.rows` or `steps.people.rows`."),
                optional("when", EXPRESSION, "Rows for which this CEL condition does not hold are skipped."),
                optional(
                    "concurrency",
                    Shape::Either(&[Shape::Integer { min: 1, max: CONCURRENCY_MAX }, Shape::Template]),
                    "How many rows are worked on at the same time, a number or `'{{ input.name }}'`; 4 when left out.",
                ),
                optional(
                    "on_row_error",
                    Shape::Choice(&["continue", "stop"]),
                    "What follows when a row fails: the next row (when left out), or no further one, and the step fails.",
                ),
                required("steps", Shape::List { of: $step, min: 1 }, "What is done for each row; `row` is the row."),
                optional(
                    "collect",
                    NAMED_VALUES,
                    "What is kept of each row beside `outcome`, `error` and `at`; what has no value is null.",
                ),
            ],
            groups: &[],
        })
    };
}

static INNERMOST: Shape = step!(Shape::Any);
static INNER: Shape = step!(for_each!(&INNERMOST));
static STEP: Shape = step!(for_each!(&INNER));

static CALL: Object = Object {
    fields: &[
        required("method", Shape::MethodName, "The method, such as `users.get`, or `lifecycle.suspend`."),
        optional("with", VALUES, "Its arguments."),
        optional("account", Shape::Template, "The integrated account; the run's own when left out."),
        optional("expect", NAMED_VALUES, "What the record must be like right before a destructive call."),
        optional("dry_run", Shape::Boolean, "Whether nothing is sent, and the result tells what would be."),
        optional(
            "keep",
            Shape::List { of: &Shape::Text, min: 1 },
            "The members of the record that are kept; all when left out.",
        ),
        optional(
            "confirm",
            Shape::Object(&CONFIRM),
            "A read that tells whether a write whose outcome is unknown took effect.",
        ),
    ],
    groups: &[],
};

static CONFIRM: Object = Object {
    fields: &[
        required("method", Shape::MethodName, "The read, such as `lifecycle.get`."),
        optional("with", VALUES, "Its arguments."),
        required(
            "that",
            EXPRESSION,
            "A CEL condition over `answer`, the read's result: whether the write took effect.",
        ),
    ],
    groups: &[],
};

static FIND: Object = Object {
    fields: &[
        required("list", Shape::MethodName, "The list, such as `users.list`, or `lifecycle.list` for people."),
        optional("where", VALUES, "Filters of the list that find one record; `email` with `lifecycle.list`."),
        optional(
            "rows",
            Shape::Text,
            "A dotted path to a list: one is looked for for each row, in one pass over the whole list.",
        ),
        optional("value", TEXT, "With `rows`: what is looked for, from `row`."),
        optional(
            "at",
            Shape::Pointer,
            "With `rows`: where it stands in a record; the e-mail with `lifecycle.list` when left out.",
        ),
        optional("id", Shape::Pointer, "Where a record's id stands; `/id` when left out."),
        optional("account", Shape::Template, "The integrated account; the run's own when left out."),
        optional(
            "keep",
            Shape::List { of: &Shape::Text, min: 1 },
            "The members of a record that are kept; all when left out.",
        ),
        optional("missing", TURN, "With `where`: what follows when there is none; `stop` when left out."),
        optional("ambiguous", TURN, "With `where`: what follows when there are several; `stop` when left out."),
    ],
    groups: &[Group { names: &["where", "rows"], needed: true }],
};

static CHECK: Object = Object {
    fields: &[
        required("if", EXPRESSION, "A CEL condition."),
        optional("then", TURN, "What follows when it holds; `continue` when left out."),
        optional("else", TURN, "What follows when it does not; `continue` when left out."),
    ],
    groups: &[],
};

static COUNT: Object = Object {
    fields: &[
        required("in", Shape::Text, "The list: a dotted path such as `steps.people.rows`."),
        required(
            "groups",
            Shape::Map { keys: Keys::SnakeCase, of: &EXPRESSION },
            "Conditions over `row` by the names of their counts.",
        ),
    ],
    groups: &[],
};

static WAIT: Object = Object {
    fields: &[required("until", Shape::Template, "A time, RFC 3339; one that has passed is no wait.")],
    groups: &[],
};

static EXPECT: Object = Object {
    fields: &[
        required("that", EXPRESSION, "A CEL condition that must hold."),
        required("otherwise", TEXT, "What the problem says when it does not."),
        optional("code", Shape::Code, "The problem code; `precondition_failed` when left out."),
    ],
    groups: &[],
};

static REPORT: Object = Object {
    fields: &[
        required("text", TEXT, "The sentence for the ticket."),
        optional("members", NAMED_VALUES, "The machine-readable outcome; what has no value is null."),
        optional("table", Shape::Object(&TABLE), "Rows."),
        optional("complete", EXPRESSION, "A CEL condition: whether everything was done; true when left out."),
    ],
    groups: &[],
};

static TABLE: Object = Object {
    fields: &[
        required("in", Shape::Text, "The list: a dotted path such as `steps.people.rows`."),
        required("columns", VALUES, "Values over `row` by the names of their columns; what has no value is null."),
    ],
    groups: &[],
};
