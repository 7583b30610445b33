//! Use-cases: accounts, tokens, tools, calls, audit. The one pipeline that every door goes through, and the only crate
//! that composes the others. Knows no HTTP server and no SQL.

mod accounts;
mod approvals;
mod audit;
mod budget;
mod cache;
mod call;
mod change;
mod environments;
mod feed;
mod idempotency;
mod integrations;
pub mod limits;
pub mod metrics;
mod models;
mod page;
pub mod planning;
mod plans;
mod policy;
mod reads;
mod rights;
pub mod runs;
mod switches;
mod tokens;
mod tools;
mod triggers;

use std::sync::Arc;

use quartermaster_engine::{Engine, Exchange};
use quartermaster_guard::Ledger;
use quartermaster_store::Store;
use quartermaster_store_model::StoreError;
use quartermaster_types::{AccountId, Clock, Code, EnvironmentId, IdSource, Problem, RequestId};
use quartermaster_vault::{CursorSealer, Fingerprinter, RootKey, SigningKey, TokenHash, VaultError};
use tokio_util::task::TaskTracker;

pub use accounts::{AccountChange, AccountView, NewAccount};
pub use approvals::{ApprovalFilter, ApprovalSummary, ApprovalView, Card, CardRow, Decision, VoteView};
pub use audit::{AuditCursor, AuditFilter, AuditKeyView, AuditOutcome, Pruned};
pub use budget::{BudgetView, BudgetWindow};
pub use call::{Arguments, CallAnswer, CallProblem, CallRequest, Door, DryRun, Target};
pub use environments::{initialise, recover_operator};
pub use idempotency::{KeyedWrite, WriteAnswer, WriteKind};
pub use integrations::IntegrationView;
pub use models::{ModelAnswer, ModelChange, ModelList, ModelSource, ModelView, NewModel};
pub use page::{Page, PageQuery};
pub use policy::{BlastSubjectView, BlastView, CaseResult, PolicyCheck, PolicyTest, PolicyVersionView, PolicyView};
pub use switches::{SwitchSubject, SwitchView};
pub use tokens::{Actor, NewToken, TokenView};
pub use tools::{RenderedTools, ToolQuery};
pub use triggers::{
    CreatedTrigger, DeliveryView, HookAnswer, HookRequest, HookRun, NewTrigger, TestDelivery, TestStep, TestedItem,
    TriggerChange, TriggerTest, TriggerView,
};

use accounts::{AccountEntry, EnvironmentKey};
use audit::{AuditLog, Sink};
use cache::Cache;
use limits::{
    ACCOUNTS_CACHED_MAX, ACTORS_CACHED_MAX, BLAST_KEPT_FOR, DATA_KEYS_CACHED_MAX, IDEMPOTENCY_KEPT_FOR,
    IDEMPOTENCY_PRUNE_EVERY, NAMES_IN_HINT_MAX, PLAN_KEPT_FOR, POLICIES_CACHED_MAX, SHUTDOWN_PATIENCE,
};
use metrics::Metrics;
use plans::Plans;
use runs::Runs;

/// Told of every exchange with an upstream; must be quick.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// What a gateway is made of.
pub struct Options {
    /// Rows.
    pub store: Store,
    /// The root key of the vault.
    pub root_key: RootKey,
    /// The time.
    pub clock: Clock,
    /// The way out.
    pub client: quartermaster_egress::Client,
    /// Definition texts by integration name; usually `quartermaster_integrations::all()`.
    pub definitions: Vec<(String, String)>,
    /// Told of every exchange with an upstream.
    pub observer: Option<Observer>,
    /// The kinds of runs that there are; usually [`runs::kinds`].
    pub runs: Vec<Arc<dyn runs::machine::Kind>>,
    /// Connections to language models that every environment has.
    pub models: Vec<quartermaster_model::Connection>,
}

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    store: Store,
    root_key: RootKey,
    clock: Clock,
    ids: IdSource,
    cursors: CursorSealer,
    fingerprints: Fingerprinter,
    engine: Engine,
    plans: Plans,
    ledger: Ledger,
    reads: reads::Reads,
    audit: AuditLog,
    metrics: Arc<Metrics>,
    trust: Arc<feed::Trust>,
    /// Tells this process from others on the same store.
    replica: u64,
    actors: Cache<TokenHash, Arc<Actor>>,
    accounts: Cache<AccountId, Arc<AccountEntry>>,
    data_keys: Cache<EnvironmentId, Arc<EnvironmentKey>>,
    signing_keys: Cache<EnvironmentId, Arc<SigningKey>>,
    policies: Cache<EnvironmentId, Arc<policy::InForce>>,
    switches: Cache<EnvironmentId, Arc<switches::Switches>>,
    rendered: tools::Rendered,
    turns: call::Turns,
    runs: Runs,
    models: models::Models,
    triggers: triggers::Triggers,
    /// Writes under way: they finish even when their caller goes away, and `shutdown` waits for them.
    writes: TaskTracker,
}

impl Gateway {
    /// Builds a gateway; compiles the definitions, refuses broken ones with their diagnostics.
    ///
    /// Must be called inside a Tokio runtime: the audit writer runs on it.
    pub fn new(options: Options) -> Result<Self, String> {
        let metrics = Arc::new(Metrics::new());
        let plans = Plans::new(options.definitions, Arc::clone(&metrics))?;
        let way_out = options.client.clone();
        let engine = Engine::new(options.client, options.clock.clone(), Some(observer(&metrics, options.observer)));
        let trust = feed::Trust::new(options.store.is_shared());
        metrics.revisions_followed.set(i64::from(trust.holds()));
        let inner = Arc::new(Inner {
            audit: AuditLog::start(Sink::Store(options.store.clone()), Arc::clone(&metrics)),
            cursors: options.root_key.cursor_sealer(),
            fingerprints: options.root_key.fingerprinter(),
            ids: IdSource::new(options.clock.clone(), seed()?),
            ledger: Ledger::new(options.root_key.ledger_key()),
            reads: reads::Reads::start(options.store.clone()),
            actors: Cache::shared(ACTORS_CACHED_MAX, &trust),
            accounts: Cache::shared(ACCOUNTS_CACHED_MAX, &trust),
            data_keys: Cache::new(DATA_KEYS_CACHED_MAX),
            signing_keys: Cache::new(DATA_KEYS_CACHED_MAX),
            policies: Cache::shared(POLICIES_CACHED_MAX, &trust),
            switches: Cache::shared(POLICIES_CACHED_MAX, &trust),
            rendered: tools::Rendered::new(),
            turns: call::Turns::default(),
            runs: Runs::new(options.runs),
            models: models::Models::new(way_out, options.models),
            triggers: triggers::Triggers::default(),
            writes: TaskTracker::new(),
            store: options.store,
            root_key: options.root_key,
            clock: options.clock,
            engine,
            plans,
            metrics,
            trust,
            replica: seed()?,
        });
        tokio::spawn(feed::follow(Arc::downgrade(&inner), inner.store.clone()));
        tokio::spawn(budget::keep(Arc::downgrade(&inner)));
        if inner.store.is_shared() {
            tokio::spawn(budget::tell(Arc::downgrade(&inner), inner.engine.clone()));
        }
        tokio::spawn(prune(Arc::downgrade(&inner)));
        tokio::spawn(audit::keep_signing(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// A fresh request id.
    pub fn request_id(&self) -> RequestId {
        self.inner.ids.next()
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Whether storage answers.
    pub async fn ready(&self) -> Result<(), Problem> {
        self.inner.store.ping().await.map_err(storage_problem)
    }

    /// Metrics in the Prometheus text format.
    pub fn metrics(&self) -> String {
        let metrics = &self.inner.metrics;
        metrics.accounts_cached.set(self.inner.accounts.len() as i64);
        metrics.plans_cached.set(self.inner.plans.held() as i64);
        metrics.rate_budgets.set(self.inner.engine.budgets() as i64);
        metrics.text()
    }

    /// Writes out what is queued and closes the store. Call after the last request.
    ///
    /// Waits for runs to be handed back and for writes that are under way, at most [`limits::SHUTDOWN_PATIENCE`].
    pub async fn shutdown(&self) {
        self.stop_runs();
        self.inner.writes.close();
        let all = async {
            self.inner.runs.wait().await;
            self.inner.writes.wait().await;
        };
        if tokio::time::timeout(SHUTDOWN_PATIENCE, all).await.is_err() {
            tracing::error!(writes = self.inner.writes.len(), "runs or writes did not end in time");
        }
        self.inner.audit.close().await;
        self.inner.reads.close().await;
        self.keep_budgets().await;
        self.sign_checkpoints().await;
        self.inner.store.close().await;
    }
}

/// Counts every exchange and passes it on.
fn observer(metrics: &Arc<Metrics>, further: Option<Observer>) -> Observer {
    let metrics = Arc::clone(metrics);
    Arc::new(move |exchange| {
        metrics.exchange(exchange.status, exchange.duration_ms);
        if let Some(further) = &further {
            further(exchange);
        }
    })
}

/// Clears away forgotten idempotency keys, readings, plans, events and counted changes for as long as the gateway lives.
async fn prune(inner: std::sync::Weak<Inner>) {
    loop {
        let Some(alive) = inner.upgrade() else { return };
        let before = alive.clock.now().plus_ms(-quartermaster_guard::ledger::LIFETIME_MS);
        if let Err(error) = alive.store.prune_reads(before).await {
            tracing::warn!(%error, "old readings could not be cleared away");
        }
        drop(alive);
        tokio::time::sleep(IDEMPOTENCY_PRUNE_EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        let before = inner.clock.now().plus_ms(-(IDEMPOTENCY_KEPT_FOR.as_millis() as i64));
        if let Err(error) = inner.store.prune_idempotency(before).await {
            tracing::warn!(%error, "old idempotency keys could not be cleared away");
        }
        let before = inner.clock.now().plus_ms(-(PLAN_KEPT_FOR.as_millis() as i64));
        if let Err(error) = inner.store.prune_plans(before).await {
            tracing::warn!(%error, "old plans could not be cleared away");
        }
        if let Err(error) = inner.store.prune_triggers(inner.clock.now()).await {
            tracing::warn!(%error, "old events of triggers could not be cleared away");
        }
        let before = inner.clock.now().plus_ms(-(BLAST_KEPT_FOR.as_millis() as i64));
        if let Err(error) = inner.store.prune_blast(before).await {
            tracing::warn!(%error, "old counts of changes could not be cleared away");
        }
    }
}

/// A random seed, different in every process.
fn seed() -> Result<u64, String> {
    quartermaster_vault::random_bytes::<8>().map(u64::from_be_bytes).map_err(|error| error.to_string())
}

/// What callers see of a storage fault; the log has the rest.
fn storage_problem(error: StoreError) -> Problem {
    let source = std::error::Error::source(&error).map(ToString::to_string);
    tracing::error!(%error, source, "storage failed");
    match error {
        StoreError::NoSpace(_) => {
            Problem::gateway(Code::Unavailable, "The gateway's storage does not accept writes; nothing was done.")
                .with_hint("An operator has to make room on the disk.")
        }
        StoreError::Conflict(what) => Problem::caller(Code::Conflict, format!("{what} already exists.")),
        StoreError::Stale => Problem::caller(Code::Conflict, "The record was changed meanwhile."),
        _ => Problem::gateway(Code::Unavailable, "The gateway's storage does not answer; nothing was done."),
    }
}

/// What callers see of a vault fault.
fn vault_problem(error: VaultError) -> Problem {
    tracing::error!(%error, "the vault failed");
    Problem::gateway(Code::Internal, "A sealed value cannot be opened or made. An operator has to look at the log.")
}

/// A change was made and its audit record could not be committed yet.
fn not_recorded() -> Problem {
    Problem::gateway(
        Code::Internal,
        "The change was made, but its audit record could not be stored yet; the gateway keeps it and tries again.",
    )
    .with_hint("Do not repeat the call: read the state instead. Until storage accepts records, writes are refused.")
}

/// `Ok` when there are no errors; else one problem with all of them.
fn invalid(detail: &str, errors: Vec<(String, String)>) -> Result<(), Problem> {
    if errors.is_empty() { Ok(()) } else { Err(mistaken(detail, errors)) }
}

/// One problem with all the wrong places.
fn mistaken(detail: &str, errors: Vec<(String, String)>) -> Problem {
    let problem = Problem::caller(Code::InvalidArgument, detail)
        .with_hint("Correct the places in `errors`; nothing was changed.");
    errors.into_iter().fold(problem, |problem, (pointer, detail)| problem.with_error(pointer, detail))
}

/// The first few names, for a hint.
fn some_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.take(NAMES_IN_HINT_MAX + 1).collect();
    let more = names.len() > NAMES_IN_HINT_MAX;
    names.truncate(NAMES_IN_HINT_MAX);
    let mut text = names.join(", ");
    if more {
        text.push_str(" and more");
    }
    text
}
