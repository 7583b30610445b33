//! What the API answers, as far as its users need it. Unknown members are kept out: the API may add some.

use quartermaster_types::{AccountId, AuditId, EnvironmentId, FieldError, RequestId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One page of a configuration list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Items.
    pub result: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next_cursor: Option<String>,
}

/// An integrated account. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Id.
    pub id: AccountId,
    /// Integration name.
    pub integration: String,
    /// The caller's own name for the tenant.
    pub tenant_id: String,
    /// Connection object.
    #[serde(default)]
    pub connection: Map<String, Value>,
    /// Names of the credentials that are stored.
    #[serde(default)]
    pub credentials: Vec<String>,
    /// Override (a merge patch on the definition).
    #[serde(default, rename = "override")]
    pub override_patch: Option<Value>,
    /// Whether writes are refused.
    pub sandbox: bool,
    /// Whether all calls are refused.
    #[serde(default)]
    pub blocked: bool,
    /// Version; the `ETag` is this in quotes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What is known of the calls that an account's vendor still takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Whether the vendor told anything.
    pub known: bool,
    /// Whether calls are held to it.
    pub enforced: bool,
    /// Calls in the window that is closest to being spent.
    pub limit: Option<u64>,
    /// Calls left in it.
    pub remaining: Option<u64>,
    /// When it starts anew.
    pub reset_at: Option<Timestamp>,
    /// Its length in seconds.
    pub window_seconds: Option<u64>,
    /// Calls that are set aside for plans.
    pub reserved: u64,
    /// Sessions, runs and tokens that share it at present.
    pub sharing: u64,
    /// Every window that the vendor told of.
    pub windows: Vec<BudgetWindow>,
}

/// One window of a vendor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetWindow {
    /// The vendor's name for it.
    pub name: Option<String>,
    /// Calls in it.
    pub limit: Option<u64>,
    /// Calls left in it.
    pub remaining: Option<u64>,
    /// When it starts anew; `None` when it has, and the vendor has said nothing since.
    pub reset_at: Option<Timestamp>,
    /// Its length in seconds.
    pub window_seconds: Option<u64>,
}

/// An API token, never its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Id.
    pub id: TokenId,
    /// Name.
    pub name: String,
    /// First characters of the text.
    pub prefix: String,
    /// `admin`, `agent` or `auditor`.
    pub role: String,
    /// Narrowed to these accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountId>>,
    /// Narrowed to these tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Narrowed to these methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// Whether raw calls are allowed.
    #[serde(default)]
    pub custom: bool,
    /// Whether it makes environments and other operator tokens.
    #[serde(default)]
    pub operator: bool,
    /// The address of the person behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When it ends.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A token that was just made. The text is shown this once.
#[derive(Debug)]
pub struct CreatedToken {
    /// The text.
    pub token: secrecy::SecretString,
    /// What may not be meant, such as names that no integration has.
    pub warnings: Vec<FieldError>,
    /// The row.
    pub view: Token,
}

/// An environment that was just made. The token's text is shown this once.
#[derive(Debug)]
pub struct CreatedEnvironment {
    /// Id.
    pub id: EnvironmentId,
    /// The first admin token of the environment.
    pub token: secrecy::SecretString,
}

/// An integration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    /// Name.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// Category.
    #[serde(default)]
    pub category: String,
    /// What it is.
    #[serde(default)]
    pub description: Option<String>,
    /// JSON Schema of the connection object.
    #[serde(default)]
    pub connection_schema: Value,
    /// JSON Schema of the credentials object.
    #[serde(default)]
    pub credentials_schema: Value,
    /// Resources with their methods.
    #[serde(default)]
    pub resources: Map<String, Value>,
    /// Hash of the definition.
    #[serde(default)]
    pub version: String,
    /// The life of a person's account; `None` when the integration has none.
    #[serde(default)]
    pub lifecycle: Option<Lifecycle>,
}

/// Which tools and values make up the life of a person's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// The resource that holds people.
    pub resource: String,
    /// Lists people.
    pub list_tool: String,
    /// Reads one person.
    pub get_tool: String,
    /// The list tool's argument that finds by exact e-mail.
    pub find_by_email: String,
    /// Where the id stands in a record, JSON Pointer.
    pub id: String,
    /// Where the e-mail stands, JSON Pointer.
    pub email: String,
    /// Where the name for people stands, JSON Pointer.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Where the state stands, JSON Pointer.
    pub state: String,
    /// Takes access away.
    pub suspend_tool: String,
    /// Gives it back.
    #[serde(default)]
    pub reactivate_tool: Option<String>,
    /// The state that means "has access".
    pub active: String,
    /// The state that means "has no access".
    pub suspended: String,
}

/// One page of a list tool's answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ListPage {
    /// Records.
    pub result: Vec<Value>,
    /// Where to go on; `None` at the end.
    #[serde(default)]
    pub next_cursor: Option<String>,
    /// True when a bound stopped the walk before the end.
    #[serde(default)]
    pub is_partial: bool,
    /// Which bound.
    #[serde(default)]
    pub stopped_because: Option<String>,
    /// Records that were looked at, when a local filter is in force.
    #[serde(default)]
    pub scanned: Option<u64>,
}

/// One audit record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// The request.
    pub request_id: RequestId,
    /// Who.
    pub token_id: TokenId,
    /// The session.
    #[serde(default)]
    pub session: Option<String>,
    /// Through which door.
    pub door: String,
    /// What.
    pub action: String,
    /// On which account.
    #[serde(default)]
    pub account_id: Option<AccountId>,
    /// On which record.
    #[serde(default)]
    pub target: Option<String>,
    /// Arguments, scrubbed.
    #[serde(default)]
    pub arguments: Option<Value>,
    /// State before.
    #[serde(default)]
    pub before: Option<Value>,
    /// State after.
    #[serde(default)]
    pub after: Option<Value>,
    /// Which rules of the policy were looked at and what decided.
    #[serde(default)]
    pub decision: Option<Value>,
    /// `ok`, `unchanged`, `refused` or `failed`.
    pub outcome: String,
    /// The problem code, when it did not end well.
    #[serde(default)]
    pub code: Option<String>,
    /// Calls that were made to the upstream.
    #[serde(default)]
    pub upstream_calls: u32,
    /// Milliseconds that it took.
    #[serde(default)]
    pub duration_ms: u32,
}
