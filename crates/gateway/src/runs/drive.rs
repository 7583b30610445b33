//! One run in the hands of a worker: from its claim until it ends, waits, or is handed back.

mod apart;
mod asking;
mod parked;
mod perform;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use quartermaster_store_model::{Outcome, RunEntryRow, RunLease, RunRow, RunState, StoreError};
use quartermaster_types::{ApprovalId, Code, Problem, Timestamp};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::ground::Grounds;
use super::machine::{Action, Ask, Call, Entry, Machine, Wake};
use super::view::{DecidedBy, RunOutcome};
use crate::Gateway;
use crate::limits::{RUN_CALLS_AT_ONCE_MAX, RUN_ENTRIES_PAGE, RUN_LEASE, RUN_RENEW_EVERY};
pub(super) use apart::Parked;
use parked::{Awaited, awaited};
use perform::{Ending, Performed};

/// Why a run is not gone on with.
enum Halt {
    /// The lease is lost, or the store does not answer: what happens next is another worker's business.
    Lost,
    /// The gateway cannot go on with it.
    Fault(Problem),
}

/// What a worker leaves of a run.
enum Conclusion {
    Ended(RunState, RunOutcome),
    Back(RunState, Timestamp),
    /// Given back until then, or until one of these approvals is decided.
    Waits(Timestamp, Vec<ApprovalId>),
}

struct Drive {
    gateway: Gateway,
    run: Arc<RunRow>,
    session: String,
    lease: RunLease,
    /// Set by somebody who wants the run stopped.
    cancel: CancellationToken,
    /// The number of the last entry.
    last: u32,
    /// Away only while it works on a thread of its own.
    machine: Option<Box<dyn Machine>>,
    in_flight: FuturesUnordered<BoxFuture<'static, Performed>>,
    /// Calls that this worker makes.
    under_way: Vec<String>,
    /// Calls that another worker began and that have no end, with when they were begun.
    cut_off: HashMap<String, Timestamp>,
    /// Calls that wait for an approval.
    parked: Awaited,
    renew: Interval,
    claimed_at: Timestamp,
}

/// Works on a claimed run. Never fails: what it cannot end or hand back is claimed again when the lease has run out.
pub(super) async fn drive(gateway: Gateway, run: RunRow, cancel: CancellationToken) {
    let run = Arc::new(run);
    let lease = RunLease { environment_id: run.environment_id, id: run.id, fence: run.fence };
    let worked = AssertUnwindSafe(work(gateway.clone(), Arc::clone(&run), cancel)).catch_unwind().await;
    let conclusion = match worked {
        Ok(Ok(conclusion)) => conclusion,
        Ok(Err(Halt::Fault(problem))) => given_up(problem),
        Ok(Err(Halt::Lost)) => {
            tracing::info!(run = %run.id, fence = run.fence, "a run is left to another worker");
            return;
        }
        // The panic hook has written the text down. A run that makes a worker panic would do so for ever.
        Err(_) => given_up(Problem::gateway(Code::Internal, "The run failed inside the gateway.")),
    };
    let concluded = match conclusion {
        Conclusion::Ended(state, outcome) => gateway.end_run(&run, &lease, state, outcome).await,
        Conclusion::Back(state, due_at) => gateway.inner.store.release_run(&lease, state, due_at).await,
        Conclusion::Waits(due_at, approvals) => {
            match gateway.inner.store.release_run(&lease, RunState::Waiting, due_at).await {
                Ok(()) => gateway.wake_if_decided(&run, &approvals).await,
                Err(error) => Err(error),
            }
        }
    };
    if let Err(error) = concluded {
        tracing::warn!(run = %run.id, %error, "a run could not be given back");
    }
    gateway.inner.runs.has_changed();
    gateway.inner.runs.work.notify_one();
}

/// The end of a run that the gateway cannot go on with.
fn given_up(problem: Problem) -> Conclusion {
    let action = Action::Failed { step: None, problem, report: None };
    Conclusion::Ended(RunState::Failed, RunOutcome { decided_by: DecidedBy::Gateway, action: Some(action) })
}

async fn work(gateway: Gateway, run: Arc<RunRow>, cancel: CancellationToken) -> Result<Conclusion, Halt> {
    let mut drive = Drive::load(gateway, run, cancel).await?;
    match drive.go_on().await {
        Ok(Conclusion::Back(RunState::Waiting, until)) => {
            drive.park(until);
            Ok(Conclusion::Back(RunState::Waiting, until))
        }
        Err(Halt::Fault(problem)) => {
            drive.wind_down().await?;
            Err(Halt::Fault(problem))
        }
        other => other,
    }
}

impl Drive {
    /// Reads the journal and brings the machine, and the ledger of what the run has read, to where it ends.
    async fn load(gateway: Gateway, run: Arc<RunRow>, cancel: CancellationToken) -> Result<Self, Halt> {
        let parked = gateway.inner.runs.parked.take(run.id, run.entries);
        let is_parked = parked.is_some();
        let machine = match parked {
            Some(machine) => machine,
            None => apart::load(&gateway, &run).await?,
        };
        let mut renew = tokio::time::interval(RUN_RENEW_EVERY);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drive = Self {
            session: super::session(run.id),
            lease: RunLease { environment_id: run.environment_id, id: run.id, fence: run.fence },
            cancel,
            last: if is_parked { run.entries } else { 0 },
            machine: Some(machine),
            in_flight: FuturesUnordered::new(),
            under_way: Vec::new(),
            cut_off: HashMap::new(),
            parked: Awaited::default(),
            renew,
            claimed_at: gateway.inner.clock.now(),
            gateway,
            run,
        };
        let granted = drive.with_machine(|machine| machine.grounds()).await?;
        drive.gateway.remember_granted(&drive.run, &drive.session, &granted);
        drive.catch_up().await?;
        let parked = Awaited::find(&drive.gateway, &drive.run, &drive.session, &mut drive.cut_off).await;
        drive.parked = parked.map_err(|error| drive.lost(&error))?;
        Ok(drive)
    }

    async fn catch_up(&mut self) -> Result<(), Halt> {
        loop {
            let store = &self.gateway.inner.store;
            let page = store.list_run_entries(self.run.environment_id, self.run.id, self.last, RUN_ENTRIES_PAGE).await;
            let page = page.map_err(|error| self.lost(&error))?;
            if page.is_empty() {
                return Ok(());
            }
            let mut entries = Vec::with_capacity(page.len());
            for row in page {
                let (number, entry) = super::read_entry(&row).map_err(Halt::Fault)?;
                self.gateway.remember_grounds(&self.run, &self.session, &row);
                match &entry {
                    Entry::Begun { call, at } => {
                        self.cut_off.insert(call.key.clone(), *at);
                    }
                    Entry::Finished { key, .. } | Entry::Failed { key, .. } => {
                        self.cut_off.remove(key);
                    }
                    Entry::Asked { .. } | Entry::Answered { .. } | Entry::Woken { .. } => {}
                }
                entries.push(entry);
                self.last = number;
            }
            self.tell(entries).await?;
        }
    }

    async fn go_on(&mut self) -> Result<Conclusion, Halt> {
        loop {
            if self.cancel.is_cancelled() {
                self.wind_down().await?;
                let action = self.with_machine(|machine| machine.stopped()).await?;
                let outcome = RunOutcome { decided_by: DecidedBy::Caller, action };
                return Ok(Conclusion::Ended(RunState::Cancelled, outcome));
            }
            if self.gateway.inner.runs.stopping.is_cancelled() {
                self.wind_down().await?;
                return Ok(Conclusion::Back(RunState::Queued, self.now()));
            }
            let (calls, waits, asks) = match self.with_machine(|machine| machine.next()).await? {
                Action::Proceed { calls, waits, asks } => (calls, waits, asks),
                action => {
                    let state = if matches!(action, Action::Done { .. }) { RunState::Done } else { RunState::Failed };
                    let outcome = RunOutcome { decided_by: DecidedBy::Machine, action: Some(action) };
                    return Ok(Conclusion::Ended(state, outcome));
                }
            };
            self.parked.let_go(self.now());
            self.begin(calls).await?;
            self.ask(asks).await?;
            if self.wake(&waits).await? {
                continue;
            }
            let until = waits.iter().map(|wait| wait.until).chain(self.parked.until()).min();
            if self.in_flight.is_empty() {
                return match until {
                    Some(until) => Ok(Conclusion::Waits(until, self.parked.approvals())),
                    None => Err(Halt::Fault(stuck())),
                };
            }
            self.wait(until).await?;
        }
    }

    /// Waits until a call has ended, a wait is over, or somebody wants the run to stop.
    async fn wait(&mut self, until: Option<Timestamp>) -> Result<(), Halt> {
        let nap = until.map_or(RUN_LEASE, |until| {
            Duration::from_millis(u64::try_from(until.ms_since(self.now())).unwrap_or(0)).min(RUN_LEASE)
        });
        tokio::select! {
            Some(performed) = self.in_flight.next() => self.settle(performed).await,
            _ = self.renew.tick() => self.hold().await,
            () = self.cancel.cancelled() => Ok(()),
            () = self.gateway.inner.runs.stopping.cancelled() => Ok(()),
            () = tokio::time::sleep(nap) => Ok(()),
        }
    }

    /// Lets the calls that are under way come to their end, and journals it. No further call is begun.
    async fn wind_down(&mut self) -> Result<(), Halt> {
        while !self.in_flight.is_empty() {
            tokio::select! {
                Some(performed) = self.in_flight.next() => match self.settle(performed).await {
                    // It ends as it is.
                    Ok(()) | Err(Halt::Fault(_)) => {}
                    Err(Halt::Lost) => return Err(Halt::Lost),
                },
                _ = self.renew.tick() => self.hold().await?,
            }
        }
        Ok(())
    }

    /// Begins the calls that are not under way yet, as many as may be made at once.
    async fn begin(&mut self, calls: Vec<Call>) -> Result<(), Halt> {
        let room = RUN_CALLS_AT_ONCE_MAX.saturating_sub(self.in_flight.len());
        let is_new = |call: &Call| !self.under_way.contains(&call.key) && !self.parked.has(&call.key);
        let new: Vec<Call> = calls.into_iter().filter(is_new).take(room).collect();
        if new.is_empty() || self.parked.is_full() {
            return Ok(());
        }
        let at = self.now();
        self.journal(new.iter().map(|call| (Entry::Begun { call: call.clone(), at }, None)).collect()).await?;
        for call in new {
            self.under_way.push(call.key.clone());
            let cut_off = self.cut_off.remove(&call.key);
            let task = perform::Task {
                gateway: self.gateway.clone(),
                run: Arc::clone(&self.run),
                session: self.session.clone(),
                cut_off,
                claimed_at: self.claimed_at,
                cancel: self.cancel.clone(),
            };
            self.in_flight.push(task.perform(call).boxed());
        }
        Ok(())
    }

    /// Asks the models that are not being asked yet.
    async fn ask(&mut self, asks: Vec<Ask>) -> Result<(), Halt> {
        for ask in asks {
            if self.under_way.contains(&ask.key) {
                continue;
            }
            let of = ask.key.clone();
            let prompt = self.with_machine(move |machine| machine.prompt(&of)).await?;
            let prompt = prompt.ok_or_else(|| Halt::Fault(unreadable()))?;
            let at = self.now();
            self.journal(vec![(Entry::Asked { ask: ask.clone(), at }, None)]).await?;
            self.under_way.push(ask.key.clone());
            let (gateway, run, cancel) = (self.gateway.clone(), Arc::clone(&self.run), self.cancel.clone());
            self.in_flight.push(asking::Asking { gateway, run, cancel }.perform(ask, prompt).boxed());
        }
        Ok(())
    }

    /// Journals the waits that are over; whether there were any.
    async fn wake(&mut self, waits: &[Wake]) -> Result<bool, Halt> {
        let at = self.now();
        let over = waits.iter().filter(|wait| wait.until <= at);
        let entries: Vec<_> = over.map(|wait| (Entry::Woken { key: wait.key.clone(), at }, None)).collect();
        let any = !entries.is_empty();
        self.journal(entries).await.map(|()| any)
    }

    /// Journals what came of a call.
    async fn settle(&mut self, Performed { key, ending }: Performed) -> Result<(), Halt> {
        self.under_way.retain(|known| *known != key);
        let at = self.now();
        let entry = match ending {
            Ending::Answered { result, request_id, grounds } => {
                let of = key.clone();
                let result = self.with_machine(move |machine| machine.reduce(&of, result)).await?;
                (Entry::Finished { key, at, result, request_id: Some(request_id.to_string()) }, grounds)
            }
            Ending::Replied(reply) => (Entry::Answered { key, at, reply }, None),
            Ending::Failed(problem) => match awaited(&problem) {
                // The machine is not told: the same call is made again once there is a decision.
                Some(notice) => {
                    self.parked.insert(key, notice);
                    return Ok(());
                }
                None => (Entry::Failed { key, at, problem }, None),
            },
            Ending::Halted => return Ok(()),
            Ending::NoRights(problem) => return Err(Halt::Fault(problem)),
        };
        self.journal(vec![entry]).await
    }

    /// Writes entries into the journal, and tells them the machine.
    async fn journal(&mut self, entries: Vec<(Entry, Option<Grounds>)>) -> Result<(), Halt> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(entries.len());
        for (number, (entry, grounds)) in (self.last + 1..).zip(&entries) {
            let text = serde_json::to_string(entry).map_err(|_| Halt::Fault(unreadable()))?;
            let grounds = grounds.as_ref().and_then(Grounds::text);
            rows.push(RunEntryRow { number, at: entry.at(), entry: text, grounds });
        }
        match self.gateway.inner.store.append_run_entries(&self.lease, &rows).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => return Err(Halt::Fault(full())),
            Err(error) => return Err(self.lost(&error)),
        }
        self.last += rows.len() as u32;
        self.gateway.inner.runs.has_changed();
        self.tell(entries.into_iter().map(|(entry, _)| entry).collect()).await
    }

    /// Tells the machine what the journal has.
    async fn tell(&mut self, entries: Vec<Entry>) -> Result<(), Halt> {
        let told = self.with_machine(move |machine| entries.iter().try_for_each(|entry| machine.apply(entry))).await?;
        told.map_err(|mismatch| {
            tracing::error!(run = %self.run.id, %mismatch, "a journal is not that of its run");
            Halt::Fault(Problem::gateway(Code::Internal, format!("The journal is not that of this run: {mismatch}.")))
        })
    }

    /// Holds the lease for longer.
    async fn hold(&mut self) -> Result<(), Halt> {
        let until = self.now().plus_ms(RUN_LEASE.as_millis() as i64);
        match self.gateway.inner.store.renew_run(&self.lease, until).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => {
                self.cancel.cancel();
                Ok(())
            }
            Err(error) => Err(self.lost(&error)),
        }
    }

    fn now(&self) -> Timestamp {
        self.gateway.inner.clock.now()
    }

    fn lost(&self, error: &StoreError) -> Halt {
        if !matches!(error, StoreError::Stale) {
            tracing::error!(run = %self.run.id, %error, "a run cannot be journaled");
        }
        Halt::Lost
    }
}

impl Gateway {
    async fn end_run(
        &self,
        run: &RunRow,
        lease: &RunLease,
        state: RunState,
        outcome: RunOutcome,
    ) -> Result<(), StoreError> {
        let failed = match &outcome.action {
            Some(Action::Failed { problem, .. }) if state == RunState::Failed => Some(problem.code()),
            _ => None,
        };
        let how = if failed.is_some() { Outcome::Failed } else { Outcome::Ok };
        let audit = self
            .change_by(run.environment_id, run.token_id, self.request_id(), "run.end")
            .session(super::session(run.id))
            .target(run.id)
            .after(&serde_json::json!({"state": state, "decided_by": outcome.decided_by}))
            .outcome(how)
            .code(failed);
        let audit = audit.row();
        let text = apart::text(outcome).await?;
        self.inner.store.finish_run(lease, state, &text, self.inner.clock.now(), &audit).await?;
        self.close_approvals(run).await
    }
}

fn unreadable() -> Problem {
    Problem::gateway(Code::Internal, "The stored run cannot be read or written.")
}

fn stuck() -> Problem {
    Problem::gateway(Code::Internal, "The run asks for nothing and has not ended.")
}

fn full() -> Problem {
    let most = quartermaster_store_model::RUN_ENTRIES_MAX;
    Problem::gateway(Code::BlastRadiusExceeded, format!("The journal of a run holds at most {most} entries."))
        .with_hint("Divide the work into several runs.")
}
