//! Use-cases: accounts, tokens, tools, calls, audit. The one pipeline that every door goes through, and the only crate
//! that composes the others. Knows no HTTP server and no SQL.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quartermaster_engine::{Preview, RawAnswer, RawRequest, StopReason};
use quartermaster_store_model::{AuditRecord, Narrowing, Outcome, Role};
use quartermaster_types::{
    AccountId, AuditId, Clock, EnvironmentId, Problem, RateLimits, RequestId, Timestamp, TokenId,
};
use secrecy::SecretString;
use serde_json::{Map, Value};

/// What a gateway is made of.
pub struct Options {
    /// Rows.
    pub store: quartermaster_store::Store,
    /// The root key of the vault.
    pub root_key: quartermaster_vault::RootKey,
    /// The time.
    pub clock: Clock,
    /// The way out.
    pub client: quartermaster_egress::Client,
    /// Definition texts by integration name; usually `quartermaster_integrations::all()`.
    pub definitions: Vec<(String, String)>,
    /// Told of every exchange with an upstream.
    pub observer: Option<Arc<dyn Fn(&quartermaster_engine::Exchange) + Send + Sync>>,
}

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    _private: (),
}

/// Who calls: a token that was found, not expired, not revoked.
#[derive(Debug)]
pub struct Actor {
    /// The token.
    pub token_id: TokenId,
    /// Its environment.
    pub environment_id: EnvironmentId,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Whether it may make environments.
    pub operator: bool,
    /// Its narrowing.
    pub narrowing: Narrowing,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Through which door a call came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// `POST …/tools/{name}/call`.
    Tool,
    /// `/proxy/…`.
    Proxy,
    /// `/custom/…`.
    Custom,
}

/// Which method is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By tool name or alias.
    Tool(String),
    /// By resource and method name.
    Method {
        /// Resource.
        resource: String,
        /// Method.
        method: String,
    },
}

/// Arguments as they came.
#[derive(Clone, Debug)]
pub enum Arguments {
    /// A JSON object.
    Json(Map<String, Value>),
    /// Query parameters, all texts, to be converted as the schema wants; and a JSON body's members, and path parts.
    Parts {
        /// Query parameters.
        query: Vec<(String, String)>,
        /// Members of the JSON body.
        body: Map<String, Value>,
        /// `id` from the path, percent-decoded.
        id: Option<String>,
    },
}

/// One call.
#[derive(Clone, Debug)]
pub struct CallRequest {
    /// The request id.
    pub request_id: RequestId,
    /// The door.
    pub door: Door,
    /// The account.
    pub account: AccountId,
    /// The method.
    pub target: Target,
    /// Arguments.
    pub arguments: Arguments,
    /// `quartermaster-session`; at most 128 visible characters.
    pub session: Option<String>,
    /// `Prefer: wait=N`, capped by `PREFER_WAIT_MAX`.
    pub wait: Option<Duration>,
    /// `Idempotency-Key`, at most 255 visible ASCII characters; writes only.
    pub idempotency_key: Option<String>,
}

/// What came of it: the body in pieces, ready to be sent one after the other.
#[derive(Debug)]
pub struct CallAnswer {
    /// JSON, in pieces.
    pub body: Vec<Bytes>,
    /// Limits.
    pub rate_limits: RateLimits,
    /// True when this is the stored answer of an earlier call with the same idempotency key.
    pub replayed: bool,
}

/// A call that did not work, with the limits that came with it.
#[derive(Debug)]
pub struct CallProblem {
    /// The problem.
    pub problem: Problem,
    /// Limits.
    pub rate_limits: RateLimits,
}

/// What `dry_run` answers.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DryRun {
    /// Always true.
    pub dry_run: bool,
    /// The method, `users.suspend`.
    pub method: String,
    /// What the guards say: `{"allowed":true}` or `{"allowed":false,"problem":{…}}`.
    pub decision: Value,
    /// The exact request; `None` when the guards refuse.
    pub request: Option<Preview>,
}

/// Which tools, in which shape.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ToolQuery {
    /// `read`, `write`, `custom` or exact method names; empty for all.
    pub methods: Vec<String>,
    /// Any of these tags; empty for all.
    pub tags: Vec<String>,
    /// Words to rank by.
    pub search: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// Wire shape; `None` for ours.
    pub format: Option<String>,
}

/// Tools, serialised.
#[derive(Clone, Debug)]
pub struct RenderedTools {
    /// JSON.
    pub body: Bytes,
    /// Strong entity tag, with quotes.
    pub etag: String,
}

/// An account as callers see it (no secret).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AccountView {
    /// Id.
    pub id: AccountId,
    /// Integration.
    pub integration: String,
    /// The caller's own name for the tenant.
    pub tenant_id: String,
    /// Connection object.
    pub connection: Map<String, Value>,
    /// Names of the credentials that are stored.
    pub credentials: Vec<String>,
    /// Override.
    #[serde(rename = "override")]
    pub override_patch: Option<Value>,
    /// Whether writes are refused.
    pub sandbox: bool,
    /// Whether all calls are refused.
    pub blocked: bool,
    /// Version; the `ETag` is this in quotes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A new account.
pub struct NewAccount {
    /// Integration.
    pub integration: String,
    /// Tenant.
    pub tenant_id: String,
    /// Connection object.
    pub connection: Map<String, Value>,
    /// Credentials.
    pub credentials: quartermaster_vault::Secrets,
    /// Override: a merge patch on the definition.
    pub override_patch: Option<Value>,
    /// Whether writes are refused.
    pub sandbox: bool,
}

/// A change of an account. `None` leaves a part as it is.
#[derive(Default)]
pub struct AccountChange {
    /// Tenant.
    pub tenant_id: Option<String>,
    /// Merge patch on the connection object.
    pub connection: Option<Value>,
    /// New credentials, whole.
    pub credentials: Option<quartermaster_vault::Secrets>,
    /// Merge patch on the override; JSON null removes it.
    pub override_patch: Option<Value>,
    /// Sandbox.
    pub sandbox: Option<bool>,
    /// Blocked.
    pub blocked: Option<bool>,
}

/// A token as callers see it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TokenView {
    /// Id.
    pub id: TokenId,
    /// Name.
    pub name: String,
    /// First characters of the text.
    pub prefix: String,
    /// Role.
    pub role: Role,
    /// Narrowing.
    #[serde(flatten)]
    pub narrowing: Narrowing,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A new token.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Narrowing.
    pub narrowing: Narrowing,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// One page of a configuration list.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Page<T> {
    /// Items.
    pub result: Vec<T>,
    /// Opaque; `None` at the end.
    pub next_cursor: Option<String>,
    /// Always `None`: configuration lists only go forward.
    pub prev_cursor: Option<String>,
    /// Number of items here.
    pub result_count: usize,
}

/// Which part of a configuration list.
#[derive(Clone, Debug, Default)]
pub struct PageQuery {
    /// At most so many (1 to 200, default 50).
    pub limit: Option<i64>,
    /// From an earlier page.
    pub next_cursor: Option<String>,
}

/// Which audit records.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Account.
    pub account_id: Option<AccountId>,
    /// Action.
    pub action: Option<String>,
    /// Request.
    pub request_id: Option<RequestId>,
}

/// An integration as callers see it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct IntegrationView {
    /// Name.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// Category.
    pub category: String,
    /// What it is.
    pub description: Option<String>,
    /// JSON Schema of the connection object.
    pub connection_schema: Value,
    /// JSON Schema of the credentials object.
    pub credentials_schema: Value,
    /// Resource names with their method names.
    pub resources: Map<String, Value>,
    /// Hash of the definition with the environment's override.
    pub version: String,
    /// Which methods make up the life of a person's account, for offboarding and audit; `null` when the integration has none:
    /// `{resource, list_tool, get_tool, find_by_email, email, display_name, state, suspend_tool, reactivate_tool, active, suspended}`.
    pub lifecycle: Option<Value>,
}

/// What came of an audit record, re-exported for callers.
pub type AuditOutcome = Outcome;

impl Gateway {
    /// Builds a gateway; compiles the definitions, refuses broken ones with their diagnostics.
    pub fn new(options: Options) -> Result<Self, String> {
        let _ = options;
        todo!()
    }

    /// A fresh request id.
    pub fn request_id(&self) -> RequestId {
        todo!()
    }
    /// The clock.
    pub fn clock(&self) -> &Clock {
        todo!()
    }

    /// Finds the actor of a bearer token (`None`: no header).
    pub async fn authenticate(&self, bearer: Option<&str>) -> Result<Arc<Actor>, Problem> {
        let _ = bearer;
        todo!()
    }

    /// The pipeline: resolve → validate → guard → authorise upstream → execute → normalise → record.
    pub async fn call(&self, actor: &Arc<Actor>, request: CallRequest) -> Result<CallAnswer, CallProblem> {
        let _ = (actor, request);
        todo!()
    }
    /// The same up to the guards, nothing sent.
    pub async fn dry_run(&self, actor: &Arc<Actor>, request: CallRequest) -> Result<DryRun, Problem> {
        let _ = (actor, request);
        todo!()
    }
    /// A raw call with the account's authentication; refused unless the token allows it; writes refused on a sandbox.
    pub async fn custom(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        account: AccountId,
        raw: RawRequest,
    ) -> Result<RawAnswer, CallProblem> {
        let _ = (actor, request_id, account, raw);
        todo!()
    }
    /// Tools of an account.
    pub async fn tools(
        &self,
        actor: &Arc<Actor>,
        account: AccountId,
        query: &ToolQuery,
    ) -> Result<RenderedTools, Problem> {
        let _ = (actor, account, query);
        todo!()
    }

    /// Integrations, by name.
    pub async fn list_integrations(&self, actor: &Arc<Actor>) -> Result<Page<IntegrationView>, Problem> {
        let _ = actor;
        todo!()
    }
    /// One integration.
    pub async fn get_integration(&self, actor: &Arc<Actor>, name: &str) -> Result<IntegrationView, Problem> {
        let _ = (actor, name);
        todo!()
    }
    /// Sets the environment's override of an integration (a merge patch on the definition; checked first).
    pub async fn put_integration_override(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        name: &str,
        patch: Value,
    ) -> Result<IntegrationView, Problem> {
        let _ = (actor, request_id, name, patch);
        todo!()
    }

    /// Creates an account: fields checked, connection verified against the vendor, credentials sealed; on any failure nothing is kept.
    pub async fn create_account(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        account: NewAccount,
    ) -> Result<AccountView, Problem> {
        let _ = (actor, request_id, account);
        todo!()
    }
    /// One account.
    pub async fn get_account(&self, actor: &Arc<Actor>, id: AccountId) -> Result<AccountView, Problem> {
        let _ = (actor, id);
        todo!()
    }
    /// Accounts, optionally of one integration or tenant.
    pub async fn list_accounts(
        &self,
        actor: &Arc<Actor>,
        page: &PageQuery,
        integration: Option<&str>,
        tenant_id: Option<&str>,
    ) -> Result<Page<AccountView>, Problem> {
        let _ = (actor, page, integration, tenant_id);
        todo!()
    }
    /// Changes an account; verified again when connection, credentials or override change. `if_match`: the version that must be present.
    pub async fn update_account(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: AccountId,
        if_match: Option<i64>,
        change: AccountChange,
    ) -> Result<AccountView, Problem> {
        let _ = (actor, request_id, id, if_match, change);
        todo!()
    }
    /// Deletes an account and its credentials.
    pub async fn delete_account(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: AccountId,
    ) -> Result<(), Problem> {
        let _ = (actor, request_id, id);
        todo!()
    }

    /// Makes a token; its text is returned once.
    pub async fn create_token(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        token: NewToken,
    ) -> Result<(TokenView, SecretString), Problem> {
        let _ = (actor, request_id, token);
        todo!()
    }
    /// Tokens.
    pub async fn list_tokens(&self, actor: &Arc<Actor>, page: &PageQuery) -> Result<Page<TokenView>, Problem> {
        let _ = (actor, page);
        todo!()
    }
    /// Revokes a token; it stops working at once.
    pub async fn revoke_token(&self, actor: &Arc<Actor>, request_id: RequestId, id: TokenId) -> Result<(), Problem> {
        let _ = (actor, request_id, id);
        todo!()
    }

    /// Makes an environment and its first admin token (operators only).
    pub async fn create_environment(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        name: &str,
    ) -> Result<(EnvironmentId, SecretString), Problem> {
        let _ = (actor, request_id, name);
        todo!()
    }

    /// Audit records, newest first (admin and auditor).
    pub async fn list_audit(
        &self,
        actor: &Arc<Actor>,
        page: &PageQuery,
        filter: &AuditFilter,
    ) -> Result<Page<AuditRecord>, Problem> {
        let _ = (actor, page, filter);
        todo!()
    }

    /// Whether storage answers.
    pub async fn ready(&self) -> Result<(), Problem> {
        todo!()
    }
    /// Metrics in the Prometheus text format.
    pub fn metrics(&self) -> String {
        todo!()
    }
    /// Writes out what is queued and closes the store. Call after the last request.
    pub async fn shutdown(&self) {
        todo!()
    }
}

/// Creates the first environment (`default`) and its operator token in an empty store: `qm init`.
pub async fn initialise(
    store: &quartermaster_store::Store,
    root_key: &quartermaster_vault::RootKey,
    clock: &Clock,
) -> Result<SecretString, String> {
    let _ = (store, root_key, clock);
    todo!()
}

/// The newest audit record that a page starts before; opaque to callers.
pub type AuditCursor = AuditId;
