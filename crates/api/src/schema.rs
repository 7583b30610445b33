//! Shapes for the OpenAPI document. Nothing is built from them: answers are the gateway's own types, and bodies are read
//! member by member. The HTTP suite checks real answers against these shapes.
#![expect(dead_code, reason = "shapes for the OpenAPI document")]

mod approvals;
mod audit;
mod models;
mod parameters;
mod plans;
mod policy;
mod runs;
mod switches;
mod triggers;

pub(crate) use approvals::*;
pub(crate) use audit::*;
pub(crate) use models::*;
pub(crate) use parameters::*;
pub(crate) use plans::*;
pub(crate) use policy::*;
pub(crate) use runs::*;
use serde_json::{Map, Value};
pub(crate) use switches::*;
pub(crate) use triggers::*;
use utoipa::ToSchema;

/// Any JSON object.
#[derive(ToSchema)]
pub(crate) struct AnyObject(Map<String, Value>);

/// An integrated account. Its secrets are never shown.
#[derive(ToSchema)]
pub(crate) struct Account {
    /// Id.
    #[schema(format = "uuid")]
    id: String,
    /// Name of the integration.
    #[schema(example = "acme")]
    integration: String,
    /// The caller's own name for the tenant.
    tenant_id: String,
    /// The connection fields.
    connection: Map<String, Value>,
    /// Names of the credentials that are stored.
    credentials: Vec<String>,
    /// Merge patch on the definition, for this account only.
    #[schema(required)]
    r#override: Option<Map<String, Value>>,
    /// Whether writes are refused.
    sandbox: bool,
    /// Whether all calls are refused.
    blocked: bool,
    /// Counted up at every change; the `etag` is this in quotes.
    version: i64,
    /// When it was made.
    #[schema(format = "date-time")]
    created_at: String,
    /// When it was last changed.
    #[schema(format = "date-time")]
    updated_at: String,
}

/// What is known of the calls that an account's vendor still takes. `null` where the vendor told nothing.
#[derive(ToSchema)]
pub(crate) struct Budget {
    /// Whether the vendor told anything. Of one that tells nothing, nothing is known, and no call is held back.
    known: bool,
    /// Whether calls are held to it (`rate_limits: {budget: false}` in the definition or an override says no).
    enforced: bool,
    /// Calls in the window that is closest to being spent.
    #[schema(required)]
    limit: Option<u64>,
    /// Calls left in it, those that are under way counted as made.
    #[schema(required)]
    remaining: Option<u64>,
    /// When it starts anew.
    #[schema(required, format = "date-time")]
    reset_at: Option<String>,
    /// Its length in seconds.
    #[schema(required)]
    window_seconds: Option<u64>,
    /// Calls that are set aside for plans.
    reserved: u64,
    /// Sessions, runs and tokens that share the account at present.
    sharing: u64,
    /// Every window that the vendor told of.
    windows: Vec<BudgetWindow>,
}

/// One window of a vendor.
#[derive(ToSchema)]
pub(crate) struct BudgetWindow {
    /// The vendor's name for it.
    #[schema(required)]
    name: Option<String>,
    /// Calls in it.
    #[schema(required)]
    limit: Option<u64>,
    /// Calls left in it; the whole limit once it has started anew.
    #[schema(required)]
    remaining: Option<u64>,
    /// When it starts anew; `null` when it has, and the vendor has said nothing since.
    #[schema(required, format = "date-time")]
    reset_at: Option<String>,
    /// Its length in seconds.
    #[schema(required)]
    window_seconds: Option<u64>,
}

/// One page of integrated accounts.
#[derive(ToSchema)]
pub(crate) struct AccountPage {
    /// Accounts.
    result: Vec<Account>,
    /// Send it back to get the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`: these lists only go forward.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of accounts here.
    result_count: u64,
}

/// A new integrated account.
#[derive(ToSchema)]
pub(crate) struct NewAccount {
    /// Name of the integration.
    #[schema(example = "acme")]
    integration: String,
    /// The caller's own name for the tenant.
    #[schema(example = "acme")]
    tenant_id: String,
    /// Connection fields, as `connection_schema` of the integration says.
    connection: Option<Map<String, Value>>,
    /// Credentials, as `credentials_schema` of the integration says. Sealed at once, never shown again.
    #[schema(write_only)]
    credentials: Option<Secrets>,
    /// Merge patch on the definition, for this account only.
    r#override: Option<Map<String, Value>>,
    /// Whether writes are refused.
    #[schema(default = false)]
    sandbox: Option<bool>,
}

/// Named secrets.
#[derive(ToSchema)]
pub(crate) struct Secrets(std::collections::BTreeMap<String, String>);

/// A JSON Merge Patch on an integrated account. What is left out stays.
#[derive(ToSchema)]
pub(crate) struct AccountChange {
    /// The caller's own name for the tenant.
    tenant_id: Option<String>,
    /// Merged into the connection fields.
    connection: Option<Map<String, Value>>,
    /// New credentials, all of them.
    #[schema(write_only)]
    credentials: Option<Secrets>,
    /// Merged into the override; `null` removes it.
    r#override: Option<Map<String, Value>>,
    /// Whether writes are refused.
    sandbox: Option<bool>,
    /// Whether all calls are refused.
    blocked: Option<bool>,
}

/// One tool.
#[derive(ToSchema)]
pub(crate) struct Tool {
    /// Resource, `users`.
    resource: String,
    /// Method, `suspend`.
    method: String,
    /// Name of the tool.
    #[schema(example = "acme_users_suspend")]
    name: String,
    /// Title for people.
    title: Option<String>,
    /// What the tool does, for a model.
    description: Option<String>,
    /// The one flat schema that a model fills.
    input_schema: Map<String, Value>,
}

/// The tools of an account in the gateway's own shape.
#[derive(ToSchema)]
pub(crate) struct ToolList {
    /// Tools, in a stable order.
    result: Vec<Tool>,
}

/// What a tool is called with.
#[derive(ToSchema)]
pub(crate) struct ToolCall {
    /// Arguments, as `input_schema` of the tool says.
    arguments: Option<Map<String, Value>>,
    /// Members that the record must have right before the write, for instance `{"email": "…", "state": "…"}`; else 412
    /// `precondition_failed`, and nothing is sent.
    expect: Option<Map<String, Value>>,
}

/// Members that become arguments of the method.
#[derive(ToSchema)]
pub(crate) struct ProxyBody(Map<String, Value>);

/// What a method answers.
#[derive(ToSchema)]
pub(crate) struct CallResult {
    /// The vendor's answer: a record, a list of records, or whatever the method gives.
    result: Value,
    /// For methods that bring a record into a state: whether it was in another one before.
    changed: Option<bool>,
}

/// What a rehearsal answers: nothing was sent.
#[derive(ToSchema)]
pub(crate) struct Rehearsal {
    /// Always `true`.
    dry_run: bool,
    /// The method, `users.suspend`.
    method: String,
    /// What the guards say: `allowed`, and the problem when it is not.
    decision: Map<String, Value>,
    /// `method`: what undoes a write; or `because`: why nothing does. `null` of a read.
    #[schema(required)]
    undoable: Option<Map<String, Value>>,
    /// The exact request that would be sent, secrets masked; `null` when the guards refuse.
    #[schema(required)]
    request: Option<Map<String, Value>>,
}

/// Records.
#[derive(ToSchema)]
pub(crate) struct RecordPage {
    /// Records, as the vendor gave them.
    result: Vec<Value>,
    /// Send it back to go on; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    prev_cursor: Option<String>,
    /// Number of records here.
    result_count: u64,
    /// Records that were looked at, when a filter of the gateway is in force.
    scanned: Option<u64>,
    /// Whether a bound stopped the walk before the end.
    is_partial: Option<bool>,
    /// Which bound.
    stopped_because: Option<String>,
    /// Names in `fields` that none of these records has, when the definition does not say what records have.
    absent_fields: Option<Vec<String>>,
    /// What the first record has instead.
    present_fields: Option<Vec<String>>,
}

/// An integration.
#[derive(ToSchema)]
pub(crate) struct Integration {
    /// Name.
    name: String,
    /// Name for people.
    label: String,
    /// Category.
    category: String,
    /// What it is.
    #[schema(required)]
    description: Option<String>,
    /// JSON Schema of the connection fields.
    connection_schema: Map<String, Value>,
    /// JSON Schema of the credentials.
    credentials_schema: Map<String, Value>,
    /// Resource names with their method names.
    resources: Map<String, Value>,
    /// Hash of the definition with the environment's override.
    version: String,
    /// Which methods make up the life of a person's account; `null` when the integration has none.
    #[schema(required)]
    lifecycle: Option<Lifecycle>,
}

/// The life of a person's account: which tools to call, and where things stand in the records that they answer.
#[derive(ToSchema)]
pub(crate) struct Lifecycle {
    /// The resource that holds people.
    resource: String,
    /// The tool that lists people.
    list_tool: String,
    /// The tool that reads one person.
    get_tool: String,
    /// The argument of the list that finds by exact e-mail address.
    find_by_email: String,
    /// Where the id stands in a record, JSON Pointer. What stands there goes into the argument `id`.
    id: String,
    /// Where the e-mail address stands, JSON Pointer.
    email: String,
    /// Where the name for people stands, JSON Pointer.
    #[schema(required)]
    display_name: Option<String>,
    /// Where the state stands, JSON Pointer.
    state: String,
    /// The tool that takes access away.
    suspend_tool: String,
    /// The tool that gives it back.
    #[schema(required)]
    reactivate_tool: Option<String>,
    /// The state that means "has access". Numbers and truth values in a record count as their text.
    active: String,
    /// The state that means "has no access".
    suspended: String,
}

/// All integrations.
#[derive(ToSchema)]
pub(crate) struct IntegrationPage {
    /// Integrations, by name.
    result: Vec<Integration>,
    /// Always `null`.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of integrations.
    result_count: u64,
}

/// A merge patch on a definition.
#[derive(ToSchema)]
pub(crate) struct Override(Map<String, Value>);

/// What a token may do.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Everything in its environment.
    Admin,
    /// Accounts read-only, tools and proxy calls.
    Agent,
    /// Reads of configuration and the audit log; no calls.
    Auditor,
}

/// An API token, without its text.
#[derive(ToSchema)]
pub(crate) struct Token {
    /// Id.
    #[schema(format = "uuid")]
    id: String,
    /// Name for people.
    name: String,
    /// First characters of the text, to know it by.
    prefix: String,
    /// Role.
    role: Role,
    /// Only these accounts.
    accounts: Option<Vec<String>>,
    /// Only these tools.
    tools: Option<Vec<String>>,
    /// Only these methods: `read`, `write`, `custom` or method names.
    methods: Option<Vec<String>>,
    /// Whether raw `/custom` calls are allowed.
    custom: bool,
    /// The address of the person behind it.
    email: Option<String>,
    /// Whether it makes environments and other operator tokens.
    operator: bool,
    /// When it ends.
    #[schema(required, format = "date-time")]
    expires_at: Option<String>,
    /// When it was revoked.
    #[schema(required, format = "date-time")]
    revoked_at: Option<String>,
    /// When it was made.
    #[schema(format = "date-time")]
    created_at: String,
}

/// One page of tokens.
#[derive(ToSchema)]
pub(crate) struct TokenPage {
    /// Tokens.
    result: Vec<Token>,
    /// Send it back to get the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of tokens here.
    result_count: u64,
}

/// A new token.
#[derive(ToSchema)]
pub(crate) struct NewToken {
    /// Name for people.
    name: String,
    /// Role.
    role: Role,
    /// Only these accounts; left out, all of the environment.
    accounts: Option<Vec<String>>,
    /// Only these tools.
    tools: Option<Vec<String>>,
    /// Only these methods: `read`, `write`, `custom` or method names.
    methods: Option<Vec<String>>,
    /// Whether raw `/custom` calls are allowed.
    #[schema(default = false)]
    custom: Option<bool>,
    /// The e-mail address of the person behind it: `self` in a policy protects them.
    #[schema(max_length = 320)]
    email: Option<String>,
    /// When it ends; left out, never.
    #[schema(format = "date-time")]
    expires_at: Option<String>,
    /// Make an operator token: an admin token that also makes environments. Takes an operator token; not narrowed, without end.
    #[schema(default = false)]
    operator: Option<bool>,
}

/// A token's text; the document adds the members of [`Token`].
#[derive(ToSchema)]
pub(crate) struct CreatedToken {
    /// Its text, shown this once.
    token: String,
    /// Names in `tools` and `methods` that nothing here has at present: mistyped, or of an integration to come.
    warnings: Option<Vec<FieldError>>,
}

/// A new environment.
#[derive(ToSchema)]
pub(crate) struct NewEnvironment {
    /// Unique name.
    name: String,
}

/// An environment with its first token.
#[derive(ToSchema)]
pub(crate) struct CreatedEnvironment {
    /// Id.
    #[schema(format = "uuid")]
    id: String,
    /// Name.
    name: String,
    /// Text of its first admin token, shown this once.
    token: String,
}

/// How something ended.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Done.
    Ok,
    /// Done, and nothing had to change.
    Unchanged,
    /// A guard or the token's rights refused it; nothing was sent.
    Refused,
    /// The vendor refused or failed.
    Failed,
}

/// One audit record.
#[derive(ToSchema)]
pub(crate) struct AuditRecord {
    /// Id.
    #[schema(format = "uuid")]
    id: String,
    /// When.
    #[schema(format = "date-time")]
    at: String,
    /// The request, as in `x-request-id`.
    #[schema(format = "uuid")]
    request_id: String,
    /// Who: the token.
    #[schema(format = "uuid")]
    token_id: String,
    /// The session, when the caller named one.
    #[schema(required)]
    session: Option<String>,
    /// `tool`, `proxy`, `custom` or `api`.
    door: String,
    /// What: `users.suspend`, `account.create`.
    action: String,
    /// On which account.
    #[schema(required, format = "uuid")]
    account_id: Option<String>,
    /// On which record.
    #[schema(required)]
    target: Option<String>,
    /// Arguments, without secrets.
    #[schema(required)]
    arguments: Option<Value>,
    /// State before a change.
    #[schema(required)]
    before: Option<Value>,
    /// State after it.
    #[schema(required)]
    after: Option<Value>,
    /// Which rules of the policy were looked at and what decided; `null` where none concerned the call.
    #[schema(required)]
    decision: Option<Value>,
    /// How it ended.
    outcome: Outcome,
    /// The problem code, when it did not end well.
    #[schema(required)]
    code: Option<String>,
    /// Calls that were made to the vendor.
    upstream_calls: u32,
    /// Milliseconds that it took.
    duration_ms: u32,
}

/// One page of audit records.
#[derive(ToSchema)]
pub(crate) struct AuditPage {
    /// Records, newest first.
    result: Vec<AuditRecord>,
    /// Send it back to get older ones; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of records here.
    result_count: u64,
}

/// Whether it works.
#[derive(ToSchema)]
pub(crate) struct Status {
    /// `ok` or `ready`.
    status: String,
}

/// What a problem code means.
#[derive(ToSchema)]
pub(crate) struct ProblemPage {
    /// Path of this page.
    r#type: String,
    /// The code.
    code: String,
    /// HTTP status.
    status: u16,
    /// Title.
    title: String,
    /// What it means and what to do.
    advice: String,
}

/// All problem codes.
#[derive(ToSchema)]
pub(crate) struct ProblemPageList {
    /// Pages.
    result: Vec<ProblemPage>,
}

/// Whose fault it is.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// The request was wrong.
    Caller,
    /// The gateway refused or failed.
    Gateway,
    /// The vendor refused or failed.
    Upstream,
    /// The provider of a language model refused or failed.
    Model,
}

/// What went wrong, whose fault it is and what to do (RFC 9457).
#[derive(ToSchema)]
pub(crate) struct Problem {
    /// Path of the page about the code.
    r#type: String,
    /// Title of the code.
    title: String,
    /// HTTP status.
    status: u16,
    /// One of a closed list; see `/problems`.
    code: String,
    /// Whose fault it is.
    origin: Origin,
    /// What happened.
    detail: String,
    /// The request id, as in `x-request-id`.
    instance: String,
    /// What to do.
    hint: Option<String>,
    /// Calls that would help.
    next_calls: Option<Vec<NextCall>>,
    /// Whether the same call may succeed later.
    retryable: bool,
    /// How long to wait before it.
    #[schema(required)]
    retry_after_seconds: Option<u64>,
    /// What the vendor answered, without secrets.
    upstream: Option<UpstreamExcerpt>,
    /// Wrong places in the request.
    errors: Option<Vec<FieldError>>,
    /// The approval that the call waits for, or that refused it.
    approval: Option<ApprovalNotice>,
}

/// A call that would help, ready to be made.
#[derive(ToSchema)]
pub(crate) struct NextCall {
    /// Name of the tool.
    tool: String,
    /// Its arguments.
    arguments: Map<String, Value>,
}

/// The start of a vendor's answer.
#[derive(ToSchema)]
pub(crate) struct UpstreamExcerpt {
    /// HTTP status.
    status: u16,
    /// The vendor's own code.
    code: Option<String>,
    /// Start of the body.
    body: String,
}

/// One wrong place in a request.
#[derive(ToSchema)]
pub(crate) struct FieldError {
    /// JSON Pointer into the body, or `/{name}` for a parameter or argument.
    pointer: String,
    /// What is wrong there and what is expected.
    detail: String,
}
