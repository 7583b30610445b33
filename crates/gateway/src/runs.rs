//! Runs: pieces of work that are journaled step by step, so that they can be watched, stopped, taken over after a crash and
//! replayed.
//!
//! A run is a [`machine::Machine`] over its journal. A worker claims it under a lease, makes the calls that the machine asks for through
//! the same pipeline as every other call, and writes into the journal what is about to be done and what came of it.

mod agent;
mod deltas;
mod drive;
mod export;
mod ground;
pub mod machine;
mod plan;
mod playbook;
mod replay;
mod view;
mod worker;

use std::sync::Arc;

use quartermaster_store_model::{ApprovalQuery, Outcome, Role, RunEntryRow, RunQuery, RunRow, RunState};
use quartermaster_types::{AccountId, ApprovalNotice, ApprovalState, Code, Problem, RequestId, RunId};
use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::change::Change;
use crate::limits::{
    RUN_APPROVALS_WAITING_MAX, RUN_DEFINITION_MAX_BYTES, RUN_ENTRIES_PAGE, RUN_INPUT_MAX_BYTES, RUN_NAME_MAX_BYTES,
    RUN_PATIENCE_MAX_SECONDS,
};
use crate::page::{self, Page, PageQuery};
use crate::{Actor, Gateway, rights, storage_problem};
use machine::{AccountFacts, Kind, Start};

pub use agent::AgentKind;
pub use deltas::{DeltaWatch, RunDelta};
pub use export::{EXPORT_FORMAT, ExportedEntry, RunExport};
pub(crate) use plan::PLAN_KIND;
pub use plan::PlanKind;
pub use playbook::PlaybookKind;
pub use replay::{Difference, replay};
pub use view::{AskView, DecidedBy, RunOutcome, RunReportView, RunStep, RunSummary, RunView, StepKind, StepState};

/// What the gateway holds for runs.
pub(crate) struct Runs {
    kinds: Vec<Arc<dyn Kind>>,
    /// Counts changes of journals and states, for those who watch.
    changed: watch::Sender<u64>,
    /// There may be work: a run was started, stopped or given back.
    work: Notify,
    stopping: CancellationToken,
    tasks: TaskTracker,
    held: worker::Held,
    deltas: deltas::Deltas,
    parked: drive::Parked,
}

/// The kinds of runs that this program knows.
pub fn kinds() -> Vec<Arc<dyn Kind>> {
    vec![Arc::new(PlaybookKind), Arc::new(AgentKind), Arc::new(PlanKind)]
}

impl Runs {
    pub(crate) fn new(kinds: Vec<Arc<dyn Kind>>) -> Self {
        Self {
            kinds,
            changed: watch::Sender::new(0),
            work: Notify::new(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            held: worker::Held::default(),
            deltas: deltas::Deltas::default(),
            parked: drive::Parked::default(),
        }
    }

    fn kind(&self, name: &str) -> Result<&Arc<dyn Kind>, Problem> {
        self.kinds.iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known = crate::some_names(self.kinds.iter().map(|kind| kind.name()));
            Problem::gateway(Code::Unsupported, format!("This gateway does not run {name:?}."))
                .with_hint(format!("It runs {}.", if known.is_empty() { "nothing" } else { &known }))
        })
    }

    /// Waits until no worker holds a run.
    pub(crate) async fn wait(&self) {
        self.tasks.wait().await;
    }

    /// There is a run that a worker may take.
    pub(crate) fn has_work(&self) {
        self.work.notify_one();
    }

    fn has_changed(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// A new run.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// What kind of machine runs it, `playbook` or `agent`.
    pub kind: String,
    /// What is to be run: a name, or a whole text; the goal of an agent.
    pub definition: String,
    /// On which account.
    pub account: AccountId,
    /// What it is started with.
    pub input: Map<String, Value>,
    /// Seconds that rate limits and passing faults are waited out in all; the machine's own when it is `None`.
    pub patience_seconds: Option<u64>,
}

/// Which runs.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// State.
    pub state: Option<RunState>,
    /// Name.
    pub name: Option<String>,
}

/// What happened in a run after a certain entry.
#[derive(Debug)]
pub struct RunEvents {
    /// Entries, in order.
    pub entries: Vec<ExportedEntry>,
    /// The run, when it has ended and these are the last entries.
    pub end: Option<RunSummary>,
    /// What a model says at this moment, in pieces. Best effort: they are not journaled, and only the process that asks the
    /// model has them.
    pub deltas: Vec<RunDelta>,
}

/// What the names of runs' sessions begin with. No door takes such a name from a caller: it would share what the run has read.
pub const RUN_SESSION_PREFIX: &str = "run:";

/// The session of a run's calls.
pub(crate) fn session(id: RunId) -> String {
    format!("{RUN_SESSION_PREFIX}{id}")
}

impl Gateway {
    /// Starts a run: checked whole, stored, and left to the workers. It works with the rights that the token has at each call.
    pub async fn start_run(&self, actor: &Arc<Actor>, request_id: RequestId, new: NewRun) -> Result<RunView, Problem> {
        let row = self.prepare_run(actor, self.inner.ids.next(), new).await?;
        let audit = self.run_started(&row, request_id).row();
        self.inner.store.insert_run(&row, &audit).await.map_err(storage_problem)?;
        self.inner.runs.work.notify_one();
        apart(move || RunView::of(&row, Vec::new())).await
    }

    /// The audit record of a run that is started.
    pub(crate) fn run_started(&self, row: &RunRow, request_id: RequestId) -> Change {
        let change = self.change_by(row.environment_id, row.token_id, request_id, "run.start").session(session(row.id));
        let change = match row.account_id {
            Some(account) => change.account(account),
            None => change,
        };
        change.target(row.id).after(&RunSummary::of(row))
    }

    /// Tells the workers that there are runs to take.
    pub(crate) fn wake_workers(&self) {
        self.inner.runs.work.notify_one();
    }

    /// A run that could be started, with the rights of the actor; nothing is stored.
    pub(crate) async fn prepare_run(&self, actor: &Arc<Actor>, id: RunId, new: NewRun) -> Result<RunRow, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Agent], "start runs")?;
        let kind = self.inner.runs.kind(&new.kind)?;
        let definition_bytes = new.definition.len();
        let mut mistakes = Vec::new();
        if definition_bytes > RUN_DEFINITION_MAX_BYTES {
            let detail = format!("{definition_bytes} bytes are more than {RUN_DEFINITION_MAX_BYTES}");
            mistakes.push((format!("/{}", new.kind), detail));
        }
        if new.definition.contains('\0') {
            mistakes.push((format!("/{}", new.kind), "U+0000 is not allowed".to_owned()));
        }
        if new.patience_seconds.is_some_and(|seconds| seconds > RUN_PATIENCE_MAX_SECONDS) {
            let detail = format!("at most {RUN_PATIENCE_MAX_SECONDS} seconds are waited");
            mistakes.push(("/patience_seconds".to_owned(), detail));
        }
        crate::invalid("The run cannot be started.", mistakes)?;
        let account = self.account(actor, new.account).await?;
        let switches = self.switches_in_force(actor.environment_id).await?;
        if let Some(switch) = switches.concerning(Some(new.account), actor.token_id, &[]) {
            return Err(quartermaster_guard::problem_of_switch(&switch, "The run"));
        }
        let tenant_id = self.tenant_of(actor, new.account).await?;
        let needs = kind.needs(&new.input)?;
        if let Some(model) = &needs.model {
            self.model_connection(actor.environment_id, model).await?;
        }
        let mut others = Vec::with_capacity(needs.accounts.len());
        for other in needs.accounts {
            others.push((self.account(actor, other).await?, self.tenant_of(actor, other).await?));
        }
        let now = self.inner.clock.now();
        let kind = Arc::clone(kind);
        let (starting, of, by) = (Arc::new(new), Arc::clone(&account), Arc::clone(actor));
        let new = Arc::clone(&starting);
        // The input may be a list of a hundred thousand people, and every wrong place in it is looked for.
        let (prepared, input) = apart(move || {
            let others: Vec<AccountFacts<'_>> = others
                .iter()
                .map(|(entry, tenant_id)| AccountFacts { id: entry.id, tenant_id, plan: &entry.plan.plan })
                .collect();
            let prepared = kind.prepare(&Start {
                run: id,
                session: &session(id),
                at: now,
                account: AccountFacts { id: of.id, tenant_id: &tenant_id, plan: &of.plan.plan },
                others: &others,
                narrowing: &by.narrowing,
                definition: &starting.definition,
                input: &starting.input,
                patience_seconds: starting.patience_seconds,
            })?;
            let input = prepared.input.to_string();
            Ok((prepared, input))
        })
        .await?;
        let mut mistakes = Vec::new();
        if input.len() > RUN_INPUT_MAX_BYTES {
            let detail = format!("{} bytes of JSON are more than {RUN_INPUT_MAX_BYTES}", input.len());
            mistakes.push(("/input".to_owned(), detail));
        }
        if prepared.name.len() > RUN_NAME_MAX_BYTES || prepared.name.chars().any(char::is_control) {
            let detail = format!("a name of at most {RUN_NAME_MAX_BYTES} bytes without control characters is expected");
            mistakes.push((format!("/{}", new.kind), detail));
        }
        crate::invalid("The run cannot be started.", mistakes)?;
        Ok(RunRow {
            id,
            environment_id: actor.environment_id,
            token_id: actor.token_id,
            account_id: Some(account.id),
            kind: new.kind.clone(),
            name: prepared.name,
            definition: prepared.definition,
            input,
            state: RunState::Queued,
            due_at: Some(now),
            fence: 0,
            entries: 0,
            cancel_requested_at: None,
            outcome: None,
            created_at: now,
            started_at: None,
            finished_at: None,
        })
    }

    async fn tenant_of(&self, actor: &Actor, account: AccountId) -> Result<String, Problem> {
        let row = self.inner.store.find_account(actor.environment_id, account).await.map_err(storage_problem)?;
        row.map(|row| row.tenant_id).ok_or_else(|| rights::no_such_account(account))
    }

    /// Runs, newest first: all of the environment for admins and auditors whose token is not narrowed, for others those that
    /// the token started.
    pub async fn list_runs(
        &self,
        actor: &Arc<Actor>,
        page: &PageQuery,
        filter: &RunFilter,
    ) -> Result<Page<RunSummary>, Problem> {
        let limit = page::limit(page)?;
        crate::accounts::filters(&[("name", filter.name.as_deref())])?;
        let own = (!sees_all(actor)).then_some(actor.token_id);
        let environment = actor.environment_id.to_string();
        let whose = own.map(|id| id.to_string()).unwrap_or_default();
        let state = filter.state.map(RunState::as_str).unwrap_or_default();
        let name = quartermaster_vault::sha256(&[filter.name.as_deref().unwrap_or_default().as_bytes()]);
        let context: [&[u8]; 5] = [environment.as_bytes(), b"runs", whose.as_bytes(), state.as_bytes(), &name];
        let query = RunQuery {
            before: page::open(&self.inner.cursors, &context, page)?.map(RunId),
            state: filter.state,
            name: filter.name.clone(),
            token_id: own,
            limit: limit + 1,
        };
        let rows = self.inner.store.list_runs(actor.environment_id, &query).await.map_err(storage_problem)?;
        page::of(&self.inner.cursors, &context, limit, rows, |row| row.id.0, |row| RunSummary::of(&row))
    }

    /// One run with its steps.
    pub async fn get_run(&self, actor: &Arc<Actor>, id: RunId) -> Result<RunView, Problem> {
        let row = self.visible_run(actor, id).await?;
        let entries = self.journal_of(&row).await?;
        let undone_by = self.undone_by(&row).await?;
        let awaits = if row.state.is_end() { Vec::new() } else { self.awaited_by(&row).await? };
        apart(move || {
            let mut view = RunView::of(&row, view::steps(entries.into_iter().map(|(_, entry)| entry)))?;
            view.undone_by = undone_by;
            view.awaits = awaits;
            Ok(view)
        })
        .await
    }

    /// The approvals that a run waits for.
    async fn awaited_by(&self, row: &RunRow) -> Result<Vec<ApprovalNotice>, Problem> {
        let now = self.inner.clock.now();
        let query = ApprovalQuery {
            now,
            before: None,
            state: Some(ApprovalState::Pending),
            run_id: Some(row.id),
            token_id: None,
            limit: RUN_APPROVALS_WAITING_MAX,
        };
        let rows = self.inner.store.list_approvals(row.environment_id, &query).await.map_err(storage_problem)?;
        Ok(rows.iter().rev().map(|row| crate::approvals::notice_of(row, now)).collect())
    }

    /// One run without its steps.
    pub async fn get_run_summary(&self, actor: &Arc<Actor>, id: RunId) -> Result<RunSummary, Problem> {
        Ok(RunSummary::of(&self.visible_head(actor, id).await?))
    }

    /// One run with the whole of what came of it, and without its steps.
    pub async fn get_run_report(&self, actor: &Arc<Actor>, id: RunId) -> Result<RunReportView, Problem> {
        let row = self.visible_run(actor, id).await?;
        apart(move || RunReportView::of(&row)).await
    }

    /// The whole of a run: what was run, with what, the journal, and what came of it.
    pub async fn export_run(&self, actor: &Arc<Actor>, id: RunId) -> Result<RunExport, Problem> {
        let row = self.visible_run(actor, id).await?;
        let entries = self.journal_of(&row).await?;
        let undone_by = self.undone_by(&row).await?;
        apart(move || {
            let mut export = RunExport::of(&row, entries)?;
            export.run.undone_by = undone_by;
            Ok(export)
        })
        .await
    }

    /// The run that undoes this one.
    async fn undone_by(&self, row: &RunRow) -> Result<Option<RunId>, Problem> {
        self.inner.store.find_undo(row.environment_id, row.id).await.map_err(storage_problem)
    }

    /// Asks to stop a run: it makes no further call. Stopping twice is stopping once.
    pub async fn cancel_run(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: RunId,
    ) -> Result<RunSummary, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Agent], "stop runs")?;
        self.visible_head(actor, id).await?;
        let now = self.inner.clock.now();
        let audit = self.change(actor, request_id, "run.cancel").session(session(id)).target(id).row();
        let row = self.inner.store.cancel_run(actor.environment_id, id, now, &audit).await.map_err(storage_problem)?;
        let row = row.ok_or_else(|| no_such_run(id))?;
        if row.cancel_requested_at != Some(now) {
            let record = self.change(actor, request_id, "run.cancel").session(session(id)).target(id);
            let recorded = self.inner.audit.commit(record.outcome(Outcome::Unchanged).row()).await;
            recorded.map_err(|_| crate::not_recorded())?;
        }
        self.inner.runs.held.cancel(id);
        self.inner.runs.work.notify_one();
        Ok(RunSummary::of(&row))
    }

    /// What happened in a run after the entry `after`; waits up to `patience` for something to happen. A run that has ended is
    /// told with its last entries.
    pub async fn run_events(
        &self,
        actor: &Arc<Actor>,
        id: RunId,
        after: u32,
        patience: std::time::Duration,
        deltas: &mut DeltaWatch,
    ) -> Result<RunEvents, Problem> {
        let until = tokio::time::Instant::now() + patience;
        let mut changed = self.inner.runs.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let row = self.visible_head(actor, id).await?;
            let entries = self.entries_after(&row, after).await?;
            let last = entries.last().map_or(after, |(number, _)| *number);
            let end = (row.state.is_end() && last >= row.entries).then(|| RunSummary::of(&row));
            if !entries.is_empty() || end.is_some() || self.inner.runs.stopping.is_cancelled() {
                let entries = entries.into_iter().map(|(number, entry)| ExportedEntry { number, entry }).collect();
                return Ok(RunEvents { entries, end, deltas: deltas.held() });
            }
            tokio::select! {
                _ = changed.changed() => {}
                deltas = deltas.next() => return Ok(RunEvents { entries: Vec::new(), end: None, deltas }),
                () = self.inner.runs.stopping.cancelled() => {}
                // Another replica may work on it.
                () = tokio::time::sleep(crate::limits::RUN_POLL_EVERY) => {}
                () = tokio::time::sleep_until(until) => {
                    return Ok(RunEvents { entries: Vec::new(), end: None, deltas: Vec::new() });
                }
            }
        }
    }

    /// Watches what the model of a run says, from now on, as far as this process asks it. Give it to [`Gateway::run_events`],
    /// which looks whether the caller may see the run.
    pub fn watch_deltas(&self, id: RunId) -> DeltaWatch {
        self.inner.runs.deltas.watch(id)
    }

    /// Whether workers and watchers are asked to stop.
    pub fn runs_are_stopping(&self) -> bool {
        self.inner.runs.stopping.is_cancelled()
    }

    pub(crate) async fn visible_run(&self, actor: &Actor, id: RunId) -> Result<RunRow, Problem> {
        let row = self.inner.store.find_run(actor.environment_id, id).await.map_err(storage_problem)?;
        row.filter(|row| sees_all(actor) || row.token_id == actor.token_id).ok_or_else(|| no_such_run(id))
    }

    /// The same without what can be large: what is run, with what, and what came of it.
    async fn visible_head(&self, actor: &Actor, id: RunId) -> Result<RunRow, Problem> {
        let row = self.inner.store.find_run_head(actor.environment_id, id).await.map_err(storage_problem)?;
        row.filter(|row| sees_all(actor) || row.token_id == actor.token_id).ok_or_else(|| no_such_run(id))
    }

    async fn entries_after(&self, row: &RunRow, after: u32) -> Result<Vec<(u32, machine::Entry)>, Problem> {
        let rows = self.inner.store.list_run_entries(row.environment_id, row.id, after, RUN_ENTRIES_PAGE).await;
        rows.map_err(storage_problem)?.into_iter().map(|entry| read_entry(&entry)).collect()
    }

    pub(crate) async fn journal_of(&self, row: &RunRow) -> Result<Vec<(u32, machine::Entry)>, Problem> {
        let mut entries = Vec::new();
        loop {
            let page = self.entries_after(row, entries.last().map_or(0, |(number, _)| *number)).await?;
            if page.is_empty() {
                return Ok(entries);
            }
            entries.extend(page);
        }
    }
}

fn read_entry(row: &RunEntryRow) -> Result<(u32, machine::Entry), Problem> {
    match serde_json::from_str(&row.entry) {
        Ok(entry) => Ok((row.number, entry)),
        Err(error) => {
            tracing::error!(%error, number = row.number, "an entry of a journal cannot be read");
            Err(Problem::gateway(Code::Internal, "The journal of this run cannot be read."))
        }
    }
}

/// Does what may take long for a large run on a thread of its own.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Problem::gateway(Code::Unavailable, "The gateway is shutting down.")),
    }
}

/// Whether the actor sees the runs of others. A journal shows what was read from any account, so a narrowed token does not.
pub(crate) fn sees_all(actor: &Actor) -> bool {
    matches!(actor.role, Role::Admin | Role::Auditor) && !rights::is_narrowed(&actor.narrowing)
}

fn no_such_run(id: RunId) -> Problem {
    Problem::caller(Code::NotFound, format!("There is no run {id}.")).with_hint("List the runs with GET /run.")
}
