//! The keys of the policy language.

use crate::shape::{Object, Shape, optional, required};

const VERDICTS: Shape = Shape::Choice(&["allow", "deny"]);
const TEXTS: Shape = Shape::List { of: &Shape::Text, min: 1 };

/// The whole policy.
pub(super) static POLICY: Shape = Shape::Object(&Object {
    fields: &[
        required("version", Shape::Integer { min: 1, max: 1 }, "The version of the language: 1."),
        optional("description", Shape::Text, "What the policy is for."),
        optional(
            "default",
            Shape::Either(&[VERDICTS, Shape::Object(&DEFAULTS)]),
            "What becomes of calls that no rule decides; `allow` when left out.",
        ),
        optional("rules", Shape::List { of: &Shape::Object(&RULE), min: 0 }, "The rules. A rule that denies wins."),
    ],
    groups: &[],
});

static DEFAULTS: Object = Object {
    fields: &[
        optional("read", VERDICTS, "Reads; `allow` when left out."),
        optional("write", VERDICTS, "Changes that harm nobody; `allow` when left out."),
        optional("destructive", VERDICTS, "Changes that take something away; `allow` when left out."),
    ],
    groups: &[],
};

static RULE: Object = Object {
    fields: &[
        required("name", Shape::Text, "Its name in answers and audit records."),
        required("effect", VERDICTS, "`deny`, or `allow` as an exception to a default that denies."),
        optional("match", Shape::Object(&MATCH), "Which calls it is about; all when left out."),
        optional(
            "when",
            Shape::Expression(super::POLICY_VARIABLES),
            "A CEL condition: when it holds; always when left out.",
        ),
        optional("because", Shape::Text, "What the caller is told. A rule that denies needs it."),
    ],
    groups: &[],
};

static MATCH: Object = Object {
    fields: &[
        optional("tools", TEXTS, "Tool names or aliases; a `*` at the end stands for any rest."),
        optional(
            "methods",
            TEXTS,
            "`read`, `write`, `custom`, method names, or `resource.method`; a `*` at the end stands for any rest.",
        ),
        optional(
            "effects",
            Shape::List { of: &Shape::Choice(&["read", "write", "destructive"]), min: 1 },
            "What the call does to the world.",
        ),
        optional("accounts", TEXTS, "Ids of integrated accounts."),
        optional("integrations", TEXTS, "Names of integrations."),
        optional("tenants", TEXTS, "Tenants, as `tenant_id` of accounts has them."),
        optional("roles", Shape::List { of: &Shape::Choice(&["admin", "agent"]), min: 1 }, "Roles of tokens."),
        optional("tokens", TEXTS, "Ids of tokens."),
        optional(
            "doors",
            Shape::List { of: &Shape::Choice(&["tool", "proxy", "custom"]), min: 1 },
            "Through which door the call comes.",
        ),
    ],
    groups: &[],
};
