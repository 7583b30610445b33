//! The audit: a list of people against a directory in one pass; those still active are suspended when asked.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use quartermaster_types::{AccountId, Timestamp};
use sha2::{Digest, Sha256};

use crate::directory::{self, Directory};
use crate::error::AgentError;
use crate::event::Event;
use crate::journal::{Journal, JournalError, Known};
use crate::person::email_key;
use crate::report::{Action, Counts, Finding, Line, Mode, Report, StopReason};
use crate::roster::{Entry, Roster};
use crate::session::Session;
use crate::suspend::suspend;

/// How many people are suspended at the same time unless said otherwise.
pub const CONCURRENCY_DEFAULT: usize = 4;

/// The most people that are suspended at the same time.
pub const CONCURRENCY_MAX: usize = 32;

/// What to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// Name of the list, for the report.
    pub source: String,
    /// The people.
    pub roster: Roster,
    /// Suspend those who are active; `None`: only report.
    pub suspend: Option<Writes>,
}

/// How to write.
#[derive(Clone, Debug)]
pub struct Writes {
    /// People at the same time, 1 to [`CONCURRENCY_MAX`].
    pub concurrency: usize,
    /// The journal's file.
    pub journal: PathBuf,
    /// What the journal is of: [`work_hash`] of the list and the account.
    pub work: String,
}

/// Names a piece of work: a hash of the list's bytes and the account, 64 hex digits.
pub fn work_hash(list: &[u8], account: AccountId) -> String {
    let mut context = Sha256::new();
    context.update(account.to_string().as_bytes());
    context.update(b"\0");
    context.update(list);
    context.finalize().iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
}

/// Runs the audit to its end, or to where it was stopped: then the report says so and tells what was done.
///
/// # Errors
/// When the directory cannot be read (nobody was changed then), or when the journal cannot be used before the first write.
pub async fn run(session: &Session, job: Job) -> Result<Report, AgentError> {
    let journal = match &job.suspend {
        Some(writes) => Some(Journal::open(&writes.journal, &writes.work, session.clock.now())?),
        None => None,
    };
    let started_at = journal.as_ref().map_or_else(|| session.clock.now(), Journal::started_at);
    let resumed = journal.as_ref().is_some_and(Journal::resumed);
    let keys: Vec<String> = job.roster.entries.iter().map(|entry| email_key(&entry.email)).collect();
    let wanted: HashSet<&str> = keys.iter().map(String::as_str).collect();
    let directory = directory::read(session, &wanted).await?;
    let mut lines: Vec<Line> =
        job.roster.entries.iter().zip(&keys).map(|(entry, key)| line(session, &directory, entry, key)).collect();
    let mut stopped = None;
    if let (Some(writes), Some(journal)) = (&job.suspend, journal) {
        stopped = write(session, writes, journal, &mut lines).await;
    }
    let counts = Counts::of(&job.roster, &lines, directory.people, directory.pages);
    Ok(Report {
        kind: "audit",
        integration: session.integration.name.clone(),
        label: session.integration.label.clone(),
        account: session.account.id,
        tenant_id: session.account.tenant_id.clone(),
        source: job.source,
        mode: if job.suspend.is_some() { Mode::Suspend } else { Mode::Report },
        session: session.name.clone(),
        started_at,
        finished_at: session.clock.now(),
        resumed,
        stopped,
        counts,
        waits: session.patience.waits(),
        people: lines,
        bad_lines: job.roster.bad_lines,
        notes: job.roster.notes,
    })
}

/// One person of the list as the directory shows them.
fn line(session: &Session, directory: &Directory, entry: &Entry, key: &str) -> Line {
    let found = directory.found.get(key).map_or(&[][..], Vec::as_slice);
    let (finding, person) = match found {
        [] => (Finding::Unknown, None),
        [person] if person.state == session.lifecycle.active => (Finding::Active, Some(person)),
        [person] if person.state == session.lifecycle.suspended => (Finding::Suspended, Some(person)),
        [person] => (Finding::OtherState, Some(person)),
        _ => (Finding::Ambiguous, None),
    };
    let detail = (finding == Finding::Ambiguous).then(|| {
        let people: Vec<String> = found.iter().map(|person| format!("{} {}", person.id, person.state)).collect();
        format!("{} people have this address: {}; none was touched", found.len(), people.join(", "))
    });
    Line {
        line: entry.line,
        email: entry.email.clone(),
        finding,
        id: person.map(|person| person.id.clone()),
        display_name: person.and_then(|person| person.display_name.clone()),
        state_before: person.map(|person| person.state.clone()),
        action: Action::None,
        state_after: None,
        at: None,
        detail,
        also_on_lines: entry.also_on_lines.clone(),
    }
}

/// What the tasks that write share.
struct Writer<'a> {
    session: &'a Session,
    journal: Mutex<Journal>,
    halted: Mutex<Option<StopReason>>,
}

/// Suspends everybody who is active and has not been suspended by this run before.
async fn write(session: &Session, writes: &Writes, journal: Journal, lines: &mut [Line]) -> Option<StopReason> {
    for line in lines.iter_mut() {
        remember(line, &journal);
    }
    let todo: Vec<&mut Line> =
        lines.iter_mut().filter(|line| line.finding == Finding::Active && line.action == Action::None).collect();
    if !todo.is_empty() {
        session.progress.tell(Event::Suspending { total: todo.len() });
    }
    let writer = Writer { session, journal: Mutex::new(journal), halted: Mutex::new(None) };
    let concurrency = writes.concurrency.clamp(1, CONCURRENCY_MAX);
    let tasks = futures_util::stream::iter(todo).map(|line| writer.one(line));
    tasks.buffer_unordered(concurrency).for_each(|()| std::future::ready(())).await;
    let halted = writer.halted().take();
    let failed = lines.iter().any(|line| matches!(line.action, Action::Failed | Action::NotReached));
    if halted.is_none() && !failed {
        let finished = writer.journal().finish(session.clock.now());
        return finished.err().map(|error| StopReason::Journal(error.to_string()));
    }
    halted
}

/// Applies what the journal knows of a person from before an interrupt.
fn remember(line: &mut Line, journal: &Journal) {
    let Some(known) = line.id.as_deref().and_then(|id| journal.known(id)) else { return };
    let done_at = |at: Timestamp| format!("suspended at {at}, before the interrupt");
    match (line.finding, known) {
        (Finding::Suspended, Known::Done(at)) => {
            line.action = Action::Suspended;
            line.state_after.clone_from(&line.state_before);
            line.at = Some(at);
            line.detail = Some(done_at(at));
        }
        (Finding::Suspended, Known::Begun) => {
            line.action = Action::Suspended;
            line.state_after.clone_from(&line.state_before);
            line.detail = Some("begun before the interrupt; the directory shows that it took effect".to_owned());
        }
        (Finding::Active, Known::Done(at)) => {
            line.action = Action::ActiveAgain;
            line.detail = Some(format!("{}, and made active again by somebody since; left alone", done_at(at)));
        }
        _ => {}
    }
}

impl Writer<'_> {
    async fn one(&self, line: &mut Line) {
        line.action = Action::NotReached;
        if self.session.stop.is_set() {
            self.halt(StopReason::Interrupted);
        }
        let Some(id) = line.id.clone() else { return };
        if self.halted().is_some() {
            return;
        }
        let now = self.session.clock.now();
        let begun = self.journal().begin(&id, &line.email, now);
        if let Err(error) = begun {
            return self.halt(StopReason::Journal(error.to_string()));
        }
        let key = self.journal().key(&id);
        let result = suspend(self.session, &id, &key).await;
        let at = self.session.clock.now();
        let noted = match result {
            Ok(suspension) => {
                line.action = if suspension.changed == Some(false) { Action::Unchanged } else { Action::Suspended };
                line.state_after = Some(suspension.state);
                line.at = Some(at);
                line.detail = suspension.request_id.map(|request| format!("request {request}"));
                self.journal().done(&id, suspension.changed, at)
            }
            Err(error) => self.not_done(line, &id, error, at),
        };
        let ok = matches!(line.action, Action::Suspended | Action::Unchanged);
        let outcome = if ok { line.action.words().to_owned() } else { line.detail.clone().unwrap_or_default() };
        if line.action != Action::NotReached {
            self.session.progress.tell(Event::PersonDone { email: line.email.clone(), outcome, ok });
        }
        if let Err(error) = noted {
            self.halt(StopReason::Journal(error.to_string()));
        }
    }

    fn not_done(&self, line: &mut Line, id: &str, error: AgentError, at: Timestamp) -> Result<(), JournalError> {
        match error {
            // Nothing was sent for this person, or it was refused: the next run takes it up again.
            AgentError::Interrupted => {
                self.halt(StopReason::Interrupted);
                Ok(())
            }
            AgentError::OutOfPatience { .. } => {
                line.detail = Some(error.to_string());
                self.halt(StopReason::RateLimited(error.to_string()));
                Ok(())
            }
            error => {
                line.action = Action::Failed;
                line.at = Some(at);
                line.detail = Some(error.to_string());
                self.journal().failed(id, error.to_string(), at)
            }
        }
    }

    fn halt(&self, reason: StopReason) {
        self.halted().get_or_insert(reason);
    }

    fn halted(&self) -> MutexGuard<'_, Option<StopReason>> {
        self.halted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn of(roster: &Roster, lines: &[Line], directory_people: u64, directory_pages: u32) -> Self {
        let found = |finding| lines.iter().filter(|line| line.finding == finding).count();
        let acted = |action| lines.iter().filter(|line| line.action == action).count();
        Self {
            rows: roster.rows,
            people: lines.len(),
            duplicated: lines.iter().filter(|line| !line.also_on_lines.is_empty()).count(),
            bad_lines: roster.unused_rows(),
            active: found(Finding::Active),
            suspended: found(Finding::Suspended),
            other_state: found(Finding::OtherState),
            unknown: found(Finding::Unknown),
            ambiguous: found(Finding::Ambiguous),
            suspended_now: acted(Action::Suspended),
            unchanged: acted(Action::Unchanged),
            failed: acted(Action::Failed),
            not_reached: acted(Action::NotReached),
            directory_people,
            directory_pages,
        }
    }
}
