//! The compiled form of a definition: everything that a call needs, parsed once and never again.
//!
//! A plan is immutable and shared (`Arc<Plan>`); an override makes another plan.

use std::sync::OnceLock;

use indexmap::IndexMap;
use quartermaster_expr::{Program, Template};
use quartermaster_types::FieldError;
use serde_json::{Map, Value};

/// One integration, ready to run.
#[derive(Debug)]
pub struct Plan {
    /// The integration's name, `1password`.
    pub name: String,
    /// Its name for people, `1Password`.
    pub label: String,
    /// Its category, `identity`.
    pub category: String,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// The name as it stands in tool names, `1_password`.
    pub tool_prefix: String,
    /// Hash of the effective definition (overrides applied), 32 hex digits; goes into `ETag`s and cache keys.
    pub version: String,
    /// Where the API is. Rendered with `connection`.
    pub base_url: Template,
    /// Further hosts (`host` or `host:port`) that calls may reach, rendered with `connection`. The host of `base_url` is always allowed.
    pub hosts: Vec<Template>,
    /// What a connection must tell, in order.
    pub connection_fields: Vec<ConnectionField>,
    /// JSON Schema of the connection object (closed).
    pub connection_schema: Value,
    /// The compiled validator of `connection_schema`, made at first use.
    pub connection_validator: OnceLock<Box<jsonschema::Validator>>,
    /// The secrets that a connection must give, in order.
    pub credential_fields: Vec<CredentialField>,
    /// How calls prove who they are.
    pub auth: Auth,
    /// Which of the vendor's records the connection itself works as, when the definition says how that is known.
    pub principal: Option<Principal>,
    /// The call that shows that a connection works; made when an account is created or changed.
    pub verify: Option<NamedCall>,
    /// Headers on every call, rendered with `connection`.
    pub headers: Vec<(String, Template)>,
    /// How the upstream tells its limits.
    pub rate_limits: RateLimitRules,
    /// How the upstream tells what went wrong.
    pub errors: ErrorRules,
    /// Which methods make up the life of a person's account, for offboarding and audit.
    pub lifecycle: Option<Lifecycle>,
    /// Resources by name, in the order of the definition.
    pub resources: IndexMap<String, Resource>,
    /// The effective definition as a value, for display and `explain`.
    pub effective: Value,
    /// Tools by canonical name or alias, lower-case: (resource, method).
    pub tool_names: IndexMap<String, (String, String)>,
}

impl Plan {
    /// A method by resource and name.
    pub fn method(&self, resource: &str, method: &str) -> Option<&Method> {
        self.resources.get(resource)?.methods.get(method)
    }

    /// A method by tool name or alias; case does not matter.
    pub fn tool(&self, name: &str) -> Option<&Method> {
        let (resource, method) =
            self.tool_names.get(name).or_else(|| self.tool_names.get(name.to_ascii_lowercase().as_str()))?;
        self.method(resource, method)
    }

    /// Checks a connection object against the connection schema: all problems at once, each with its JSON Pointer into the
    /// object and what is expected there. Empty when all is well.
    pub fn check_connection(&self, connection: &Value) -> Vec<FieldError> {
        crate::validate::check_connection(self, connection)
    }

    /// Every method, in the order of the definition.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.resources.values().flat_map(|resource| resource.methods.values())
    }
}

/// One field of a connection (not secret).
#[derive(Clone, Debug)]
pub struct ConnectionField {
    /// Key in the connection object.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// What to enter and where to find it.
    pub description: Option<String>,
    /// Taken when the field is absent; without one the field is required.
    pub default: Option<Value>,
    /// JSON Schema of the value: a string with `enum`, `pattern`, `format`.
    pub schema: Value,
}

/// One secret of a connection.
#[derive(Clone, Debug)]
pub struct CredentialField {
    /// Key in the credentials object.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// What to enter and where to find it.
    pub description: Option<String>,
    /// Whether the connection can do without it.
    pub required: bool,
}

/// How calls prove who they are. Templates here may use `credentials.*` and `connection.*`.
#[derive(Debug)]
pub enum Auth {
    /// Nothing is sent.
    None,
    /// `Authorization: Bearer {token}`.
    Bearer {
        /// The token.
        token: Template,
    },
    /// A header with the key, with whatever prefix the vendor wants (`SSWS {{ credentials.token }}`).
    ApiKeyHeader {
        /// Header name, lower-case.
        header: String,
        /// Header value.
        value: Template,
    },
    /// A query parameter with the key.
    ApiKeyQuery {
        /// Parameter name.
        parameter: String,
        /// Parameter value.
        value: Template,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// User name.
        username: Template,
        /// Password; may be empty.
        password: Template,
    },
    /// OAuth 2 client credentials: fetch a token, keep it until shortly before it expires, send it as bearer.
    ClientCredentials(ClientCredentials),
}

/// The OAuth 2 client credentials grant as this vendor wants it.
#[derive(Debug)]
pub struct ClientCredentials {
    /// Token endpoint; may use `base_url` and `connection`.
    pub token_url: Template,
    /// How the client proves itself there.
    pub client_auth: ClientAuth,
    /// Client id, usually `{{ credentials.client_id }}`.
    pub client_id: Template,
    /// Client secret, usually `{{ credentials.client_secret }}`.
    pub client_secret: Template,
    /// Scopes, sent joined by `scope_separator` when there are any.
    pub scopes: Vec<String>,
    /// Usually a space.
    pub scope_separator: String,
    /// Further form or JSON parameters (`audience`), rendered with `connection`.
    pub parameters: Vec<(String, Template)>,
    /// Lifetime in seconds when the answer does not tell `expires_in`.
    pub lifetime_seconds: u64,
}

/// How a client proves itself at a token endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientAuth {
    /// HTTP Basic; the rest as a form.
    Basic,
    /// `client_id` and `client_secret` in the form.
    Body,
    /// Everything as a JSON object.
    Json,
}

/// Which record is that of the connection itself: the person or service account that the vendor takes its calls for.
#[derive(Debug)]
pub struct Principal {
    /// The resource that holds it.
    pub resource: String,
    /// Where in a record the value stands that tells it, JSON Pointer.
    pub at: String,
    /// The value; may use `connection`.
    pub equals: Template,
}

/// A call by name with fixed arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedCall {
    /// Resource.
    pub resource: String,
    /// Method.
    pub method: String,
    /// Arguments.
    pub arguments: Map<String, Value>,
}

/// The life of a person's account in this vendor's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Lifecycle {
    /// The resource that holds people.
    pub resource: String,
    /// The list method's argument that finds by exact e-mail.
    pub find_by_email: String,
    /// Where the e-mail stands in a record, JSON Pointer.
    pub email: String,
    /// Where the name for people stands, JSON Pointer.
    pub display_name: Option<String>,
    /// The method that takes access away and can be undone.
    pub suspend: String,
    /// The method that gives it back.
    pub reactivate: Option<String>,
    /// The state that means "has access".
    pub active: String,
    /// The state that means "has no access".
    pub suspended: String,
}

/// How the upstream tells its limits.
#[derive(Debug, Default)]
pub struct RateLimitRules {
    /// Declared sources, most trusted first; the first that gives a field wins.
    pub sources: Vec<RateSource>,
    /// Whether well-known header names are read when no declared source gave anything.
    pub heuristics: bool,
    /// Whether calls are sent although what was told says that nothing is left: these headers are wrong.
    pub unbudgeted: bool,
    /// Conditions besides status 429 that mean "rate limited" (variables as in [`ErrorRules`]).
    pub limited_when: Vec<Program>,
}

/// One declared source of rate limits. Header names are lower-case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateSource {
    /// Single-valued headers.
    Headers {
        /// Requests in the window; a leading integer is taken, `;w=` read as the window.
        limit: Option<String>,
        /// Requests left.
        remaining: Option<String>,
        /// When the window starts anew.
        reset: Option<(String, RateKind)>,
        /// When to come back.
        retry_after: Option<(String, RateKind)>,
        /// The window in seconds, fixed by the vendor's documentation.
        window_seconds: Option<u64>,
        /// The policy's name.
        name: Option<String>,
    },
    /// The draft-03 to draft-06 trio: `ratelimit-limit: 100, 100;w=10`, `-remaining`, `-reset` (delta seconds), `-policy`.
    Trio,
    /// Structured fields of draft-07 (`limit=100, remaining=50, reset=5`) and draft-08 and later (`"default";r=50;t=30`).
    Structured,
    /// `retry-after` in delta seconds or as an HTTP date.
    RetryAfter,
}

/// What a number or text in a rate-limit header means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RateKind {
    /// Seconds from now.
    DeltaSeconds,
    /// Milliseconds from now.
    DeltaMilliseconds,
    /// Seconds since the Unix epoch.
    EpochSeconds,
    /// Milliseconds since the Unix epoch.
    EpochMilliseconds,
    /// ISO 8601 / RFC 3339, with `T` or a space, with any offset.
    Iso,
    /// IMF-fixdate.
    HttpDate,
}

/// How the upstream tells what went wrong.
///
/// Conditions are CEL over `status` (int), `headers` (map of lower-case name to text), `body` (the parsed body, or null),
/// `message` and `vendor_code` (texts, empty when absent), `method` (`users.suspend`) and `arguments` (map).
#[derive(Debug, Default)]
pub struct ErrorRules {
    /// JSON Pointers where a message for people may stand; the first hit wins.
    pub message: Vec<String>,
    /// JSON Pointers where the vendor's own code may stand.
    pub code: Vec<String>,
    /// Conditions under which a 2xx is an error all the same (`body.ok == false`).
    pub failed_when: Vec<Program>,
    /// Explanations, tried in order; the first whose condition holds wins.
    pub explain: Vec<Explanation>,
}

/// The variables that conditions in [`ErrorRules`] and [`RateLimitRules`] may use.
pub const ERROR_VARIABLES: &[&str] = &["status", "headers", "body", "message", "vendor_code", "method", "arguments"];

/// What an error of this vendor means here.
#[derive(Debug)]
pub struct Explanation {
    /// When it applies.
    pub when: Program,
    /// The problem code; `None` leaves the one that the status gives.
    pub code: Option<quartermaster_types::Code>,
    /// What to do; may use `{{ arguments }}` by bare name and `connection`.
    pub hint: Option<Template>,
    /// A call that would help.
    pub next: Option<NamedCall>,
    /// Whether the same call may succeed later, when it differs from the code's default.
    pub retryable: Option<bool>,
}

/// One resource.
#[derive(Debug)]
pub struct Resource {
    /// Name, plural, `users`.
    pub name: String,
    /// Singular, `user`.
    pub singular: String,
    /// The rule for its ids.
    pub id: IdRule,
    /// Where a record's state stands.
    pub state: Option<StateRule>,
    /// JSON Schema of one record.
    pub record: Option<Value>,
    /// Methods by name, in the order of the definition.
    pub methods: IndexMap<String, Method>,
}

/// Where the id stands in a record, when the definition does not say.
pub const ID_AT_DEFAULT: &str = "/id";

/// The rule for a resource's ids.
#[derive(Debug)]
pub struct IdRule {
    /// Where the id stands in a record, JSON Pointer; [`ID_AT_DEFAULT`] unless the definition says otherwise. A number there
    /// is an id as well: its digits.
    pub at: String,
    /// What an id looks like (anchored).
    pub pattern: Option<regex::Regex>,
    /// The same in words, for errors.
    pub description: Option<String>,
    /// The call that finds a record by something that is not its id; `{value}` in an argument stands for what was given.
    pub find: Option<NamedCall>,
}

impl Default for IdRule {
    fn default() -> Self {
        Self { at: ID_AT_DEFAULT.to_owned(), pattern: None, description: None, find: None }
    }
}

/// Where a record's state stands and what it can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRule {
    /// JSON Pointer.
    pub at: String,
    /// The known values. Numbers and truth values in a record count as their text.
    pub values: Vec<String>,
}

/// What kind of method it is; decides its proxy route and its tool name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MethodKind {
    /// Many records.
    List,
    /// One record by id.
    Get,
    /// A new record.
    Create,
    /// A change of one record.
    Update,
    /// The end of one record.
    Delete,
    /// Anything else.
    Custom,
}

/// What a method does to the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Effect {
    /// Nothing.
    Read,
    /// A change that harms nobody.
    Write,
    /// A change that takes something away from somebody.
    Destructive,
}

/// One method.
#[derive(Debug)]
pub struct Method {
    /// Resource it belongs to.
    pub resource: String,
    /// Name, `suspend`.
    pub name: String,
    /// Kind.
    pub kind: MethodKind,
    /// Whether it gives many records, in pages: a list, or a verb of the resource's own with `items` or `pagination`. Such a
    /// method reads, takes no id, and takes the options of lists.
    pub gives_many: bool,
    /// Canonical tool name, `1_password_users_suspend`; unique in the plan.
    pub tool_name: String,
    /// A name that every provider accepts: starts with a letter. Equals `tool_name` when that already does.
    pub tool_alias: String,
    /// Title for people.
    pub title: String,
    /// Description for the model; a method without one is listed with a lint warning.
    pub description: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Effect.
    pub effect: Effect,
    /// Whether doing it twice is the same as doing it once.
    pub idempotent: bool,
    /// HTTP method, upper-case.
    pub http_method: String,
    /// Path below the base URL, or an absolute URL on an allowed host.
    pub path: Template,
    /// Fixed query parameters.
    pub query: Vec<(String, Template)>,
    /// Fixed headers (lower-case names).
    pub headers: Vec<(String, Template)>,
    /// What the body is made of.
    pub body: BodyRule,
    /// The fixed part of a JSON body, an object; arguments placed in the body are put over it.
    pub fixed_body: Option<Value>,
    /// Arguments, in the order of the definition; `id` first where the method takes one.
    pub arguments: Vec<Argument>,
    /// Whether the method takes an `id` that must be grounded before a write.
    pub takes_id: bool,
    /// Where the result stands in the answer, JSON Pointer; empty for the whole body. With many records: the array.
    pub result: String,
    /// How pages follow each other; `Pagination::None` for one answer.
    pub pagination: Pagination,
    /// Filters that the gateway evaluates itself.
    pub local_filters: Vec<LocalFilter>,
    /// The change of state that it makes.
    pub transition: Option<Transition>,
    /// The method of the same resource that reads the record before a write (`get`).
    pub read_before: Option<String>,
    /// The one flat, closed schema of all arguments (list options and local filters included).
    pub input_schema: Value,
    /// JSON Schema of the result.
    pub output_schema: Value,
    /// The compiled validator of `input_schema`, made at first use.
    pub validator: OnceLock<Box<jsonschema::Validator>>,
}

impl Method {
    /// `users.suspend`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.resource, self.name)
    }

    /// Checks arguments against the input schema. Nulls for optional arguments are dropped first.
    ///
    /// All problems at once, each with its JSON Pointer and what is expected.
    pub fn validate(&self, arguments: Map<String, Value>) -> Result<Map<String, Value>, Vec<FieldError>> {
        crate::validate::validate(self, arguments)
    }

    /// Arguments from query parameters, converted to the types that the schema wants (`limit=5` becomes 5, a repeated
    /// parameter becomes an array). Unknown names are kept so that [`Self::validate`] refuses them by name.
    pub fn arguments_from_query(&self, pairs: &[(String, String)]) -> Map<String, Value> {
        crate::validate::arguments_from_query(self, pairs)
    }
}

/// What a request body is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyRule {
    /// There is none.
    None,
    /// The arguments placed in the body, over the method's fixed part, as a JSON object.
    Json,
    /// The same as a form.
    Form,
}

/// One argument.
#[derive(Clone, Debug)]
pub struct Argument {
    /// Name.
    pub name: String,
    /// JSON Schema.
    pub schema: Value,
    /// Whether it must be given.
    pub required: bool,
    /// Where its value goes.
    pub place: ArgumentPlace,
    /// What is sent for each value: (argument value, sent value). Texts in a query or header, any scalar in a body. Empty: the
    /// value itself is sent.
    pub values: Vec<(Value, Value)>,
}

/// Where an argument's value goes.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgumentPlace {
    /// Used by a template (path, query, header), by its name.
    Template,
    /// A query parameter of this name; arrays are repeated.
    Query(String),
    /// A header of this name.
    Header(String),
    /// The body, at this JSON Pointer.
    Body(String),
    /// An option of the gateway (`limit`, `next_cursor`, `fields`).
    ListOption,
    /// A local filter.
    LocalFilter,
}

/// A filter that the gateway evaluates over a bounded scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFilter {
    /// Argument name, `email` or `email_ends_with`.
    pub argument: String,
    /// JSON Pointer into a record.
    pub at: String,
    /// How to compare.
    pub compare: Comparison,
    /// Whether upper and lower case are the same.
    pub fold_case: bool,
}

/// How a local filter compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// The same text.
    Equals,
    /// Ends in the text.
    EndsWith,
    /// Starts with the text.
    StartsWith,
    /// Has the text somewhere.
    Contains,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Where the state stands, JSON Pointer (from the resource).
    pub at: String,
    /// States from which it makes sense; empty for any.
    pub from: Vec<String>,
    /// The state after it.
    pub to: String,
    /// The method that undoes it.
    pub undo: Option<String>,
}

/// How pages follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pagination {
    /// The dialect.
    pub style: PageStyle,
    /// How the page size is told: a query parameter (or body pointer, when it starts with `/`); `None` when it cannot be.
    pub size_parameter: Option<String>,
    /// The size when none is asked for.
    pub size_default: u32,
    /// The largest that the vendor accepts.
    pub size_max: u32,
    /// JSON Pointer to a truth value that says whether there is more (`/has_more`), besides the cursor.
    pub has_more: Option<String>,
}

/// The dialects of pagination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageStyle {
    /// One answer.
    None,
    /// A cursor, sent as a query parameter and read from the body.
    CursorQuery {
        /// Query parameter.
        send: String,
        /// JSON Pointer.
        read: String,
    },
    /// A cursor, sent in the request body and read from the answer's.
    CursorBody {
        /// JSON Pointer in the request.
        send: String,
        /// JSON Pointer in the answer.
        read: String,
    },
    /// A cursor, sent as a query parameter and read from a response header.
    CursorHeader {
        /// Query parameter.
        send: String,
        /// Header, lower-case.
        read: String,
    },
    /// The next page's URL in the body; only the same host is followed.
    NextUrl {
        /// JSON Pointer.
        read: String,
    },
    /// `Link: <…>; rel="next"`.
    LinkHeader,
    /// A page number.
    PageNumber {
        /// Query parameter.
        send: String,
        /// 0 or 1.
        first: u64,
        /// JSON Pointer to the number of pages, or of records, when the answer tells.
        total_pages: Option<String>,
    },
    /// An offset; advanced by what was returned.
    Offset {
        /// Query parameter.
        send: String,
        /// 0, or 1 for SCIM.
        first: u64,
        /// JSON Pointer to the number of records.
        total: Option<String>,
    },
    /// The id of the last record.
    LastId {
        /// Query parameter.
        send: String,
    },
    /// A cursor that is always there (tail); `has_more` says when to stop.
    Perpetual {
        /// JSON Pointer in the request body.
        send: String,
        /// JSON Pointer in the answer.
        read: String,
    },
}
