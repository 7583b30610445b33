//! Parameters for the OpenAPI document.

use utoipa::IntoParams;

/// The account in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct AccountPath {
    /// Id of the integrated account.
    #[param(format = "uuid")]
    id: String,
}

/// The integration in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct IntegrationPath {
    /// Name of the integration.
    #[param(example = "acme")]
    name: String,
}

/// The version in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PolicyVersionPath {
    /// Version of the policy.
    #[param(minimum = 1)]
    version: i64,
}

/// The resource in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ResourcePath {
    /// Name of the resource.
    #[param(example = "users")]
    resource: String,
}

/// The record in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RecordPath {
    /// Name of the resource.
    #[param(example = "users")]
    resource: String,
    /// Id of the record, percent-encoded.
    id: String,
}

/// Which part of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParameters {
    /// At most so many, 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// From an earlier answer; opaque.
    next_cursor: Option<String>,
}

/// Which accounts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountFilter {
    /// Only accounts of this integration.
    integration: Option<String>,
    /// Only accounts of this tenant.
    tenant_id: Option<String>,
}

/// Which audit records.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParameters {
    /// Only on this account.
    #[param(format = "uuid")]
    account_id: Option<String>,
    /// Only this action, for instance `users.suspend` or `account.create`.
    action: Option<String>,
    /// Only of this request, as in `x-request-id`.
    #[param(format = "uuid")]
    request_id: Option<String>,
}

/// Which tools, in which shape.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ToolParameters {
    /// Comma-separated: method names, or `read` (list and get), `write` (create, update, delete), `custom` (all others).
    #[param(example = "read,suspend")]
    methods: Option<String>,
    /// Comma-separated; tools with any of them.
    tags: Option<String>,
    /// The wire shape of a provider: `openai`, `openai_strict`, `anthropic`, `gemini`, `mistral`, `bedrock`, `cohere` or `mcp`.
    format: Option<String>,
    /// Words; the best matching tools come first.
    search: Option<String>,
    /// At most so many.
    #[param(minimum = 1)]
    limit: Option<u32>,
}

/// The account of a proxy call.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountParameter {
    /// On which integrated account to work. May be left out when the token is narrowed to exactly one.
    #[param(format = "uuid")]
    integrated_account_id: Option<String>,
}

/// A rehearsal.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DryRun {
    /// `true`: show the exact request and the guards' decision, and send nothing.
    dry_run: Option<bool>,
}

/// What every list method takes besides its own filters.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// At most so many records; the gateway walks as many of the vendor's pages as it takes, within bounds.
    #[param(minimum = 1)]
    limit: Option<u32>,
    /// From an earlier answer; opaque.
    next_cursor: Option<String>,
    /// Comma-separated: only these members of each record.
    fields: Option<String>,
}

/// Headers of a call.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct CallHeaderParameters {
    /// The caller's own name for the piece of work; ids that were read in it may be written in it. 1 to 128 visible ASCII
    /// characters. Without it the token is the session.
    #[param(rename = "quartermaster-session", max_length = 128)]
    session: Option<String>,
    /// `wait=10`: on a read, a rate limit may be waited out for so many seconds.
    prefer: Option<String>,
    /// On a write: the same key gives the stored answer instead of a second write. 1 to 255 visible ASCII characters.
    #[param(rename = "idempotency-key", max_length = 255)]
    idempotency_key: Option<String>,
    /// On a write to a record by its id: a JSON object of members that the record must have right before; else 412
    /// `precondition_failed`, and nothing is sent.
    #[param(rename = "quartermaster-expect", example = "{\"email\":\"a.miller@company.com\"}")]
    expect: Option<String>,
}

/// The version that must be present.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfMatch {
    /// The `etag` of the version that was read; when the resource has changed since, the answer is 412.
    #[param(rename = "if-match")]
    if_match: Option<String>,
}

/// The version that the caller has.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfNoneMatch {
    /// The `etag` of the version that the caller has; when it is still the present one, the answer is 304.
    #[param(rename = "if-none-match")]
    if_none_match: Option<String>,
}

/// The model connection in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ModelPath {
    /// Name of the model connection.
    name: String,
}
