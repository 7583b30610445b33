//! The keys of the policy language.

use crate::shape::{Group, Object, Shape, optional, required};

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
        optional(
            "protected",
            Shape::List { of: &Shape::Object(&PROTECTED), min: 0 },
            "Records that nothing may be taken away from, whoever asks.",
        ),
        optional(
            "blast_radius",
            Shape::List { of: &Shape::Object(&BLAST_LIMIT), min: 0 },
            "How many changes may be made: by run, session, token, account, or in all.",
        ),
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
        required(
            "effect",
            Shape::Choice(&["allow", "deny", "require_approval"]),
            "`deny`; `require_approval`: a person has to say yes first; or `allow` as an exception to a default that denies.",
        ),
        optional("match", Shape::Object(&MATCH), "Which calls it is about; all when left out."),
        optional(
            "when",
            Shape::Expression(super::POLICY_VARIABLES),
            "A CEL condition: when it holds; always when left out.",
        ),
        optional(
            "because",
            Shape::Text,
            "What the caller is told, and the approver. A rule that denies or requires an approval needs it.",
        ),
        optional("approval", Shape::Object(&APPROVAL), "What has to be given, with `effect: require_approval`."),
    ],
    groups: &[],
};

static APPROVAL: Object = Object {
    fields: &[
        optional(
            "scope",
            Shape::Choice(&["call", "run", "plan"]),
            "What one approval lets through: this call, once; every call of the run that the rule is about; or only calls of a \
             plan that was approved. `call` when left out.",
        ),
        optional(
            "quorum",
            Shape::Integer { min: 1, max: super::QUORUM_MAX as u64 },
            "How many approvers have to say yes; 1 when left out.",
        ),
        optional("expires_in", Shape::Duration, "How long it waits for that, and then to be used; `1h` when left out."),
        optional(
            "approvers",
            Shape::Object(&APPROVERS),
            "Who may decide; admins when left out. Never who asked, and no agent.",
        ),
    ],
    groups: &[],
};

static APPROVERS: Object = Object {
    fields: &[
        optional(
            "roles",
            Shape::List { of: &Shape::Choice(&["admin", "auditor"]), min: 1 },
            "Tokens with these roles that are not narrowed.",
        ),
        optional("tokens", TEXTS, "Ids of tokens."),
        optional("people", TEXTS, "Names or e-mail addresses of people who decide by a link of their own."),
    ],
    groups: &[],
};

static PROTECTED: Object = Object {
    fields: &[
        required("name", Shape::Text, "Its name in answers and audit records."),
        optional("match", Shape::Object(&MATCH), "Which calls it is about; those that are destructive when left out."),
        optional("emails", TEXTS, "E-mail addresses; upper and lower case are the same."),
        optional("ids", TEXTS, "Ids of records."),
        optional(
            "self",
            Shape::Boolean,
            "Whether the connection's own principal, and the person behind the token, are protected.",
        ),
        optional("when", Shape::Expression(super::POLICY_VARIABLES), "A CEL condition over `record`."),
        required("because", Shape::Text, "What the caller is told."),
    ],
    groups: &[],
};

static BLAST_LIMIT: Object = Object {
    fields: &[
        required("name", Shape::Text, "Its name in answers and audit records."),
        optional("match", Shape::Object(&MATCH), "Which calls count; those that are destructive when left out."),
        required(
            "per",
            Shape::Choice(&["run", "session", "token", "account", "environment"]),
            "Whom the changes are counted for.",
        ),
        optional(
            "within",
            Shape::Duration,
            "In which time, up to 30 days; may be left out for a run and a session: then as long as it lasts.",
        ),
        optional("max", Shape::Integer { min: 0, max: super::BLAST_CHANGES_MAX }, "So many."),
        optional("share", Shape::Number, "This part of the account's directory: `0.05` is one in twenty, rounded up."),
        optional("because", Shape::Text, "What the caller is told besides."),
    ],
    groups: &[Group { names: &["max", "share"], needed: true }],
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
