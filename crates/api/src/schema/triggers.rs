//! Shapes of triggers for the OpenAPI document.

use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// The trigger in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TriggerPath {
    /// Id of the trigger.
    #[param(format = "uuid")]
    id: String,
}

/// What makes a trigger start runs.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum TriggerKind {
    /// Another system calls.
    Webhook,
    /// The time has come.
    Schedule,
}

/// A trigger. Its secrets are never shown.
#[derive(ToSchema)]
pub(crate) struct Trigger {
    /// Id.
    #[schema(format = "uuid")]
    id: String,
    /// Its name, once in its environment.
    name: String,
    /// What makes it start runs.
    kind: TriggerKind,
    /// The document, YAML.
    document: String,
    /// With whose rights its runs work.
    #[schema(format = "uuid")]
    token_id: String,
    /// Whether it starts anything.
    enabled: bool,
    /// Names of the secrets that are stored.
    secrets: Vec<String>,
    /// For webhooks: the path that the other system calls.
    #[schema(required, example = "/hook/01890000-0000-7000-8000-000000000000")]
    hook: Option<String>,
    /// For schedules: the next time.
    #[schema(required, format = "date-time")]
    next_at: Option<String>,
    /// Counted up at every change; the `etag` is this in quotes.
    version: i64,
    /// When it was made.
    #[schema(format = "date-time")]
    created_at: String,
    /// When it was last changed.
    #[schema(format = "date-time")]
    updated_at: String,
}

/// One page of triggers.
#[derive(ToSchema)]
pub(crate) struct TriggerPage {
    /// Triggers.
    result: Vec<Trigger>,
    /// Send it back to get the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of triggers here.
    result_count: u64,
}

/// A new trigger.
#[derive(ToSchema)]
pub(crate) struct NewTrigger {
    /// The document, YAML; `qm trigger schema` prints its JSON Schema.
    document: String,
    /// With whose rights its runs work; the caller's when left out.
    #[schema(format = "uuid")]
    token_id: Option<String>,
    /// Whether it starts anything; true when left out.
    enabled: Option<bool>,
    /// What verifies deliveries: `secret`, or `username` and `password`; and `previous_secret` while senders change over.
    secrets: Option<Map<String, Value>>,
}

/// A trigger with its secret; the document adds the members of [`Trigger`].
#[derive(ToSchema)]
pub(crate) struct CreatedTrigger {
    /// The secret that was made for it, shown this once; `null` where one was given or none is needed.
    #[schema(required)]
    secret: Option<String>,
}

/// A change of a trigger.
#[derive(ToSchema)]
pub(crate) struct TriggerChange {
    /// The document, YAML.
    document: Option<String>,
    /// With whose rights its runs work.
    #[schema(format = "uuid")]
    token_id: Option<String>,
    /// Whether it starts anything.
    enabled: Option<bool>,
    /// New secrets, whole.
    secrets: Option<Map<String, Value>>,
    /// Whether the secret so far goes on to verify deliveries beside the new one; false when left out.
    keep_previous_secret: Option<bool>,
}

/// A delivery that is only looked at.
#[derive(ToSchema)]
pub(crate) struct TestDelivery {
    /// Headers.
    headers: Option<Map<String, Value>>,
    /// Parameters of the query.
    query: Option<Map<String, Value>>,
    /// The body, as it would be sent.
    body: Option<String>,
    /// Whether it counts as verified, so that conditions and expressions can be tried without a signature; false when left out.
    verified: Option<bool>,
}

/// What came, or would come, of a delivery.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum DeliveryOutcome {
    /// At least one run was started.
    Started,
    /// A run was started for the same event before.
    Duplicate,
    /// The condition does not hold.
    Ignored,
    /// A question of the sender was answered.
    Answered,
    /// It does not come from who it says, or came before.
    Refused,
    /// An expression failed, or a run could not be started.
    Failed,
    /// The trigger has started as many runs as it may in an hour.
    Limited,
    /// A scheduled time at which nothing was started.
    Skipped,
}

/// What would come of a delivery.
#[derive(ToSchema)]
pub(crate) struct TriggerTest {
    /// What the whole would count as.
    #[schema(required)]
    outcome: Option<DeliveryOutcome>,
    /// Every step, in order, up to the first that fails.
    steps: Vec<TestStep>,
    /// What would become of each item.
    items: Vec<TestedItem>,
    /// For schedules: the next times.
    next: Vec<String>,
}

/// One step.
#[derive(ToSchema)]
pub(crate) struct TestStep {
    /// `verify`, `replay`, `payload`, `challenge`, `enabled`, `token`, `map`.
    step: String,
    /// Whether it goes on.
    ok: bool,
    /// In words.
    detail: String,
}

/// What would become of one item.
#[derive(ToSchema)]
pub(crate) struct TestedItem {
    /// What it would count as.
    outcome: DeliveryOutcome,
    /// What the run would be started with.
    #[schema(required)]
    input: Option<Map<String, Value>>,
    /// By what the event is recognised.
    #[schema(required)]
    dedupe_key: Option<String>,
    /// The run that was started for this event before.
    #[schema(required, format = "uuid")]
    duplicate_of: Option<String>,
    /// Why it would fail.
    #[schema(required)]
    detail: Option<String>,
}

/// One delivery, or one scheduled time.
#[derive(ToSchema)]
pub(crate) struct DeliveryEntry {
    /// Id.
    #[schema(format = "uuid")]
    id: String,
    /// When.
    #[schema(format = "date-time")]
    at: String,
    /// The request, as in the log.
    #[schema(format = "uuid")]
    request_id: String,
    /// What came of it.
    outcome: DeliveryOutcome,
    /// In words.
    detail: String,
    /// What became of each item: `outcome`, `run_id`, `dedupe_key`, `detail`.
    items: Vec<Map<String, Value>>,
    /// SHA-256 of the body, hexadecimal.
    digest: String,
    /// Length of the body.
    body_bytes: u32,
    /// The body, without secrets and cut; `null` where it was not verified.
    #[schema(required)]
    payload: Option<String>,
}

/// One page of deliveries.
#[derive(ToSchema)]
pub(crate) struct DeliveryPage {
    /// Deliveries, newest first.
    result: Vec<DeliveryEntry>,
    /// Send it back to get older ones; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of deliveries here.
    result_count: u64,
}

/// What the sender of a delivery is told.
#[derive(ToSchema)]
pub(crate) struct HookAnswer {
    /// The delivery, as in the list of deliveries.
    #[schema(format = "uuid")]
    delivery_id: String,
    /// The run that was started, when the delivery has one item.
    #[schema(format = "uuid")]
    run_id: Option<String>,
    /// The run that was started for this event before, when the delivery has one item.
    #[schema(format = "uuid")]
    duplicate_of: Option<String>,
    /// True when the delivery has one item, and nothing is to be done.
    ignored: Option<bool>,
    /// What became of each item.
    runs: Vec<HookRun>,
}

/// What became of one item of a delivery: one of the members says it.
#[derive(ToSchema)]
pub(crate) struct HookRun {
    /// The run that was started.
    #[schema(format = "uuid")]
    run_id: Option<String>,
    /// The run that was started for this event before.
    #[schema(format = "uuid")]
    duplicate_of: Option<String>,
    /// True when nothing is to be done.
    ignored: Option<bool>,
    /// Why no run could be started.
    failed: Option<String>,
}
