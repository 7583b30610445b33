//! Shapes of the policy routes.

use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A policy.
#[derive(ToSchema)]
pub(crate) struct Policy {
    /// From 1; 0 while there is none. The `etag` is this in quotes.
    version: i64,
    /// The YAML document; empty while there is none.
    document: String,
    /// Who set it.
    #[schema(required, format = "uuid")]
    token_id: Option<String>,
    /// The version whose document this one brought back.
    #[schema(required)]
    restored_from: Option<i64>,
    /// When it was set.
    #[schema(required, format = "date-time")]
    created_at: Option<String>,
}

/// A policy to be set or checked.
#[derive(ToSchema)]
pub(crate) struct PolicyDocument {
    /// The YAML document, at most 262,144 bytes.
    #[schema(
        example = "version: 1\nrules:\n  - name: no-raw-calls\n    effect: deny\n    match: {doors: [custom]}\n    because: Use the tools.\n"
    )]
    document: String,
}

/// What checking a document found.
#[derive(ToSchema)]
pub(crate) struct PolicyCheck {
    /// Whether the document could be set.
    valid: bool,
    /// `{level, rule, message, help, pointer, line, column}` each.
    problems: Vec<Map<String, Value>>,
    /// The same for people, with an excerpt of the text.
    text: String,
}

/// Cases of a policy.
#[derive(ToSchema)]
pub(crate) struct PolicyCases {
    /// The YAML document; the policy in force when it is left out.
    document: Option<String>,
    /// At most 200.
    #[schema(max_items = 200)]
    cases: Vec<PolicyCase>,
}

/// A call and what should become of it.
#[derive(ToSchema)]
pub(crate) struct PolicyCase {
    /// Its name.
    name: String,
    /// `tool`, `method` (`users.suspend`), `effect`, `door`, `arguments`, `account` (`id`, `integration`, `tenant_id`, `sandbox`),
    /// `actor` (`token_id`, `name`, `role`, `session`), `time`, `record`. What is left out is as for a read by an agent through
    /// the tool door.
    call: Map<String, Value>,
    /// `allow`, `deny` or `require_approval`.
    expect: String,
    /// The name of the rule that has to decide, or `default`.
    decided_by: Option<String>,
}

/// What came of the cases.
#[derive(ToSchema)]
pub(crate) struct PolicyTest {
    /// Every case, in order.
    result: Vec<PolicyCaseResult>,
    /// How many came out as expected.
    passed: u64,
    /// How many did not.
    failed: u64,
    /// The version that was tested; `null` for a document that came with the cases.
    #[schema(required)]
    policy_version: Option<i64>,
}

/// What came of one case.
#[derive(ToSchema)]
pub(crate) struct PolicyCaseResult {
    /// Its name.
    name: String,
    /// Whether it came out as expected.
    passed: bool,
    /// What differs.
    #[schema(required)]
    difference: Option<String>,
    /// The decision, as dry runs and audit records have it.
    decision: Map<String, Value>,
}

/// A version of the policy, without its document.
#[derive(ToSchema)]
pub(crate) struct PolicyVersion {
    /// From 1.
    version: i64,
    /// Length of the document.
    document_bytes: u64,
    /// Who set it.
    #[schema(format = "uuid")]
    token_id: String,
    /// The version whose document this one brought back.
    #[schema(required)]
    restored_from: Option<i64>,
    /// When it was set.
    #[schema(format = "date-time")]
    created_at: String,
}

/// One page of versions.
#[derive(ToSchema)]
pub(crate) struct PolicyVersionPage {
    /// Versions, the newest first.
    result: Vec<PolicyVersion>,
    /// Send it back to get the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`: these lists only go forward.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of versions here.
    result_count: u64,
}

/// How much of each limit has been used.
#[derive(ToSchema)]
pub(crate) struct BlastPage {
    /// Limits, in the order of the policy.
    result: Vec<BlastLimit>,
    /// Always `null`.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of limits.
    result_count: u64,
}

/// One limit on changes.
#[derive(ToSchema)]
pub(crate) struct BlastLimit {
    /// Its name.
    limit: String,
    /// Whom it counts for: `run`, `session`, `token`, `account` or `environment`.
    per: String,
    /// The window; `null`: as long as the run or session lasts.
    #[schema(required)]
    within_seconds: Option<u64>,
    /// How many changes it allows; `null` for a share.
    #[schema(required)]
    max: Option<u64>,
    /// Which part of the directory it allows, 0 to 1; `null` for a number.
    #[schema(required)]
    share: Option<f64>,
    /// Those who have used most of it, at most 100.
    subjects: Vec<BlastSubject>,
}

/// How much one of them has used.
#[derive(ToSchema)]
pub(crate) struct BlastSubject {
    /// `run:…`, `session:…`, `token:…`, `account:…` or `environment`; of a share with the directory besides.
    subject: String,
    /// Changes that count now.
    used: u64,
    /// The oldest of them.
    #[schema(format = "date-time")]
    first_at: String,
    /// The newest.
    #[schema(format = "date-time")]
    last_at: String,
    /// When the oldest leaves the window; `null` without a window.
    #[schema(required, format = "date-time")]
    frees_at: Option<String>,
}
