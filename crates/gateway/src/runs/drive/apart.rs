//! Machines of large runs: what they decide may take long, and is done away from the threads that serve; and machines of runs
//! that wait, kept so that they need not be brought again to where the journal ends.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use quartermaster_store_model::{RunRow, StoreError};
use quartermaster_types::{RunId, Timestamp};
use serde_json::Value;

use super::super::machine::Machine;
use super::super::view::RunOutcome;
use super::{Drive, Halt, unreadable};
use crate::Gateway;
use crate::limits::{RUN_INLINE_INPUT_MAX_BYTES, RUN_PARKED_FOR_MAX, RUNS_PARKED_MAX};

/// The machine of a run, before its first entry.
pub(super) async fn load(gateway: &Gateway, run: &RunRow) -> Result<Box<dyn Machine>, Halt> {
    let kind = std::sync::Arc::clone(gateway.inner.runs.kind(&run.kind).map_err(Halt::Fault)?);
    let (definition, input) = (run.definition.clone(), run.input.clone());
    let work = move || {
        let input: Value = serde_json::from_str(&input).map_err(|_| unreadable())?;
        kind.load(&definition, &input)
    };
    if run.input.len() <= RUN_INLINE_INPUT_MAX_BYTES {
        return work().map_err(Halt::Fault);
    }
    super::super::apart(work).await.map_err(Halt::Fault)
}

/// What came of a run as a text; the report of a large one has many rows.
pub(super) async fn text(outcome: RunOutcome) -> Result<String, StoreError> {
    const OPERATION: &str = "writing what came of a run";
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Database { operation: OPERATION, source };
    let text = tokio::task::spawn_blocking(move || serde_json::to_string(&outcome)).await;
    text.map_err(|error| failed(error.into()))?.map_err(|error| failed(error.into()))
}

impl Drive {
    /// Asks the machine something, or tells it. That of a large run works on a thread of its own, while the lease is held.
    pub(super) async fn with_machine<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Machine) -> T + Send + 'static,
    ) -> Result<T, Halt> {
        let Some(mut machine) = self.machine.take() else { return Err(Halt::Fault(unreadable())) };
        if self.run.input.len() <= RUN_INLINE_INPUT_MAX_BYTES {
            let done = work(machine.as_mut());
            self.machine = Some(machine);
            return Ok(done);
        }
        let mut working = tokio::task::spawn_blocking(move || {
            let done = work(machine.as_mut());
            (machine, done)
        });
        loop {
            tokio::select! {
                worked = &mut working => match worked {
                    Ok((machine, done)) => {
                        self.machine = Some(machine);
                        return Ok(done);
                    }
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    // The runtime ends; another process goes on.
                    Err(_) => return Err(Halt::Lost),
                },
                _ = self.renew.tick() => self.hold().await?,
            }
        }
    }

    /// Keeps the machine of a run that waits until then, when that is soon.
    pub(super) fn park(&mut self, until: Timestamp) {
        let soon = until.ms_since(self.now()) <= RUN_PARKED_FOR_MAX.as_millis() as i64;
        if let Some(machine) = self.machine.take().filter(|_| soon) {
            self.gateway.inner.runs.parked.put(self.run.id, self.last, until, machine);
        }
    }
}

/// Machines of runs that wait.
#[derive(Default)]
pub(in super::super) struct Parked(Mutex<VecDeque<Waiting>>);

struct Waiting {
    run: RunId,
    entries: u32,
    until: Timestamp,
    machine: Box<dyn Machine>,
}

impl Parked {
    /// The machine of this run, when it stands where a journal of so many entries ends.
    pub(super) fn take(&self, run: RunId, entries: u32) -> Option<Box<dyn Machine>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = waiting.iter().position(|one| one.run == run)?;
        waiting.remove(place).filter(|one| one.entries == entries).map(|one| one.machine)
    }

    /// Keeps one; those go that another process must have taken over, and the longest kept when there are too many.
    fn put(&self, run: RunId, entries: u32, until: Timestamp, machine: Box<dyn Machine>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| one.run != run && until.ms_since(one.until) <= RUN_PARKED_FOR_MAX.as_millis() as i64);
        if waiting.len() >= RUNS_PARKED_MAX {
            waiting.pop_front();
        }
        waiting.push_back(Waiting { run, entries, until, machine });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::machine::{Action, Entry, Mismatch};

    struct Nothing;

    impl Machine for Nothing {
        fn next(&self) -> Action {
            Action::Proceed { calls: Vec::new(), waits: Vec::new(), asks: Vec::new() }
        }

        fn apply(&mut self, _entry: &Entry) -> Result<(), Mismatch> {
            Ok(())
        }

        fn reduce(&self, _key: &str, result: Value) -> Value {
            result
        }
    }

    fn run(number: u128) -> RunId {
        RunId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn so_many_machines_are_kept_and_each_for_its_own_journal() {
        let parked = Parked::default();
        let at = Timestamp::from_unix_ms(1_000_000);
        for number in 0..RUNS_PARKED_MAX as u128 {
            parked.put(run(number), 5, at, Box::new(Nothing));
        }
        parked.put(run(1), 6, at, Box::new(Nothing));
        assert!(parked.take(run(0), 5).is_some(), "at the limit all are there");
        parked.put(run(0), 5, at, Box::new(Nothing));
        parked.put(run(99), 5, at, Box::new(Nothing));
        assert!(parked.take(run(2), 5).is_none(), "one past it the longest kept has gone");
        assert!(parked.take(run(1), 5).is_none(), "the journal has gone on");
        assert!(parked.take(run(1), 6).is_none(), "and what is of no use is not kept");
        let later = at.plus_ms(RUN_PARKED_FOR_MAX.as_millis() as i64 + 1);
        parked.put(run(100), 1, later, Box::new(Nothing));
        assert!(parked.take(run(99), 5).is_none(), "somebody else has it by now");
        assert!(parked.take(run(100), 1).is_some());
    }
}
