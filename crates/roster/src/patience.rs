//! Waiting out rate limits as they are told, for all tasks of a playbook together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quartermaster_client::ClientError;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::AgentError;
use crate::event::{Event, Progress, Stop, WaitSource};

/// The longest wait without headers; the steps before it are 1, 2, 4, 8, 16, 32 s.
const BACKOFF_MAX_SECONDS: u64 = 60;

/// How often a read that failed for a passing reason is tried again.
const READ_RETRIES_MAX: u32 = 4;

/// How often one call may be refused by a rate limit before it counts as hopeless, whatever time that takes.
const REFUSALS_MAX: u32 = 1_000;

/// How long, and how often, was waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Times that a rate limit made the work stand still.
    pub count: u32,
    /// Seconds that it stood still, in all.
    pub seconds: u64,
}

/// One gate for all calls of a playbook: a rate limit that one call meets holds all of them.
#[derive(Clone, Debug)]
pub struct Patience {
    limit: Duration,
    /// How long a second is: tests make it shorter.
    second: Duration,
    progress: Progress,
    gate: Arc<Mutex<Gate>>,
}

#[derive(Debug, Default)]
struct Gate {
    opens_at: Option<Instant>,
    waited: Duration,
    count: u32,
}

impl Patience {
    /// Waits at most `limit` in all.
    pub fn new(limit: Duration, progress: Progress) -> Self {
        Self { limit, second: Duration::from_secs(1), progress, gate: Arc::default() }
    }

    /// What was waited so far.
    pub fn waits(&self) -> Waits {
        let gate = self.gate();
        Waits { count: gate.count, seconds: self.seconds(gate.waited) }
    }

    /// Runs a read: waits out rate limits, and tries again a few times after faults that pass.
    pub(crate) async fn read<T>(
        &self,
        operation: &'static str,
        stop: &Stop,
        mut call: impl AsyncFnMut() -> Result<T, ClientError>,
    ) -> Result<T, AgentError> {
        let mut faults = 0;
        loop {
            match self.limited(stop, &mut call).await? {
                Ok(value) => return Ok(value),
                Err(error) if faults < READ_RETRIES_MAX && passes(&error) => {
                    let seconds: u32 = 1 << faults;
                    faults += 1;
                    self.progress.tell(Event::TryingAgain { seconds: u64::from(seconds), reason: error.to_string() });
                    self.pause_seconds(seconds, stop).await?;
                }
                Err(error) => return Err(AgentError::call(operation)(error)),
            }
        }
    }

    /// Waits for something other than a rate limit.
    pub(crate) async fn pause_seconds(&self, seconds: u32, stop: &Stop) -> Result<(), AgentError> {
        pause(self.second * seconds, stop).await
    }

    /// Runs a call once for real: it is repeated only while a rate limit refuses it, which means that nothing was done.
    pub(crate) async fn limited<T>(
        &self,
        stop: &Stop,
        mut call: impl AsyncFnMut() -> Result<T, ClientError>,
    ) -> Result<Result<T, ClientError>, AgentError> {
        for refusals in 0..REFUSALS_MAX {
            self.opened(stop).await?;
            match call().await {
                Err(error) if error.is_rate_limited() => self.hold(&error, refusals)?,
                other => return Ok(other),
            }
        }
        self.opened(stop).await?;
        Ok(call().await)
    }

    /// Resolves when the gate is open.
    async fn opened(&self, stop: &Stop) -> Result<(), AgentError> {
        loop {
            if stop.is_set() {
                return Err(AgentError::Interrupted);
            }
            let now = Instant::now();
            let opens_at = self.gate().opens_at;
            match opens_at {
                Some(at) if at > now => pause(at - now, stop).await?,
                _ => return Ok(()),
            }
        }
    }

    /// Closes the gate for as long as the answer says; `refusals`: how often this very call was refused before.
    pub(crate) fn hold(&self, error: &ClientError, refusals: u32) -> Result<(), AgentError> {
        let (seconds, told_by) = match error.wait_seconds() {
            // Zero is said in the last moment of a window; asking again at once would be a tight loop.
            Some(seconds) => (seconds.max(1), WaitSource::Headers),
            None => ((1_u64 << refusals.min(6)).min(BACKOFF_MAX_SECONDS), WaitSource::Backoff),
        };
        let now = Instant::now();
        let mut gate = self.gate();
        let from = gate.opens_at.map_or(now, |at| at.max(now));
        let until = now + self.second * u32::try_from(seconds).unwrap_or(u32::MAX);
        if until <= from {
            return Ok(());
        }
        let added = until - from;
        if gate.waited + added > self.limit {
            return Err(AgentError::OutOfPatience {
                waited_seconds: self.seconds(gate.waited),
                needed_seconds: seconds,
                limit_seconds: self.seconds(self.limit),
            });
        }
        // Several tasks are refused at nearly the same time; that is one wait, told once.
        let is_new = gate.opens_at.is_none_or(|at| at <= now);
        gate.count += u32::from(is_new);
        gate.waited += added;
        gate.opens_at = Some(until);
        drop(gate);
        if is_new || added >= self.second {
            self.progress.tell(Event::Waiting { seconds, told_by });
        }
        Ok(())
    }

    /// To the nearest one: tasks that are refused some milliseconds later make a wait that much longer.
    fn seconds(&self, duration: Duration) -> u64 {
        let second = self.second.as_micros().max(1);
        ((duration.as_micros() + second / 2) / second) as u64
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the same read may well succeed in a moment.
fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Problem { problem, .. } => {
            problem.body().retryable || problem.code() == quartermaster_types::Code::UpstreamInvalid
        }
        ClientError::NoAnswer { .. } => true,
        _ => false,
    }
}

async fn pause(duration: Duration, stop: &Stop) -> Result<(), AgentError> {
    let mut stop = stop.clone();
    tokio::select! {
        () = tokio::time::sleep(duration) => Ok(()),
        () = stop.wait() => Err(AgentError::Interrupted),
    }
}

#[cfg(test)]
mod tests;
