//! A call that is waited for, over rate limits and passing faults.

use quartermaster_types::run::{Call, Entry, Mismatch, Wake};
use quartermaster_types::{Code, Problem, Timestamp};
use serde_json::{Map, Value};

use super::Shared;
use crate::limits::{RATE_LIMITED_MAX, READ_ATTEMPTS_MAX};

/// Seconds to wait after a rate limit that does not tell how long.
const RETRY_AFTER_DEFAULT_SECONDS: u64 = 5;

/// A call and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) call: Call,
    /// The key without the number of the attempt.
    base: String,
    /// How often it was asked for, under a key of its own each time.
    pub(crate) asked: u32,
    rate_limited: u32,
    failed: u32,
    is_read: bool,
    pause: Option<Wake>,
    /// Whether it was begun at least once.
    pub(crate) is_begun: bool,
    pub(crate) ended: Option<Result<Answer, Problem>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) result: Value,
    pub(crate) request_id: Option<String>,
}

/// What a call is made of, without its key.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) account: Option<String>,
    pub(crate) target: (String, String),
    pub(crate) arguments: Map<String, Value>,
    pub(crate) expect: Option<Map<String, Value>>,
    pub(crate) dry_run: bool,
    pub(crate) is_read: bool,
}

impl Pending {
    /// A call under `base`, which was asked for `asked_before` times.
    pub(crate) fn new(base: String, asked_before: u32, request: Request) -> Self {
        Self::after(None, base, asked_before, request)
    }

    /// The same. While a rate limit holds its account it is waited for, instead of being refused as well.
    pub(crate) fn gated(base: String, asked_before: u32, request: Request, shared: &Shared) -> Self {
        let gate = shared.gate(request.account.as_ref()).filter(|_| !request.dry_run);
        Self::after(gate, base, asked_before, request)
    }

    fn after(gate: Option<Timestamp>, base: String, asked_before: u32, request: Request) -> Self {
        let call = Call {
            key: String::new(),
            account: request.account,
            resource: request.target.0,
            method: request.target.1,
            arguments: request.arguments,
            expect: request.expect,
            dry_run: request.dry_run,
        };
        let is_read = request.is_read;
        let mut pending = Self {
            call,
            base,
            asked: asked_before,
            rate_limited: 0,
            failed: 0,
            is_read,
            pause: None,
            is_begun: false,
            ended: None,
        };
        match gate {
            Some(until) => {
                let key = format!("{}/hold{}", pending.base, pending.asked + 1);
                pending.pause = Some(Wake { key, until, pause: true });
            }
            None => pending.ask(),
        }
        pending
    }

    /// Asks for it (again), under a new key: an attempt that failed has an answer stored under its own.
    pub(crate) fn ask(&mut self) {
        self.asked += 1;
        self.pause = None;
        self.ended = None;
        self.call.key = if self.asked == 1 { self.base.clone() } else { format!("{}~{}", self.base, self.asked) };
    }

    pub(crate) fn has_key(&self, key: &str) -> bool {
        match &self.pause {
            _ if self.ended.is_some() => false,
            Some(wake) => wake.key == key,
            None => self.call.key == key,
        }
    }

    pub(crate) fn gather(&self, calls: &mut Vec<Call>, waits: &mut Vec<Wake>) {
        match &self.pause {
            _ if self.ended.is_some() => {}
            Some(wake) => waits.push(wake.clone()),
            None => calls.push(self.call.clone()),
        }
    }

    /// Takes an entry that has its key; true when something changed.
    pub(crate) fn apply(&mut self, entry: &Entry, shared: &mut Shared) -> Result<bool, Mismatch> {
        let key = || entry.key().to_owned();
        match (entry, &self.pause) {
            (Entry::Woken { at, .. }, Some(wake)) if *at < wake.until => return Err(Mismatch::TooEarly { key: key() }),
            (Entry::Woken { .. }, Some(_)) => self.ask(),
            (Entry::Begun { call, .. }, None) if *call == self.call => {
                self.is_begun = true;
                return Ok(false);
            }
            (Entry::Begun { .. }, None) => return Err(Mismatch::OtherCall { key: key() }),
            (Entry::Finished { result, request_id, .. }, None) => {
                self.ended = Some(Ok(Answer { result: result.clone(), request_id: request_id.clone() }));
            }
            (Entry::Failed { problem, at, .. }, None) => self.failed(problem.clone(), *at, shared),
            _ => return Err(Mismatch::Unexpected { key: key() }),
        }
        Ok(true)
    }

    fn failed(&mut self, problem: Problem, at: Timestamp, shared: &mut Shared) {
        let body = problem.body();
        let pause = match body.code {
            Code::RateLimited if body.retryable && self.rate_limited < RATE_LIMITED_MAX => {
                self.rate_limited += 1;
                Some(body.retry_after_seconds.unwrap_or(RETRY_AFTER_DEFAULT_SECONDS).max(1))
            }
            // Nothing was done, and a read can be made again without harm.
            Code::UpstreamUnavailable | Code::UpstreamTimeout | Code::Unavailable
                if self.is_read && body.retryable && self.failed + 1 < READ_ATTEMPTS_MAX =>
            {
                self.failed += 1;
                Some(body.retry_after_seconds.unwrap_or(1 << self.failed).max(1))
            }
            _ => None,
        };
        let Some(seconds) = pause else {
            self.ended = Some(Err(problem));
            return;
        };
        let account = (body.code == Code::RateLimited).then_some(&self.call.account);
        let until = match shared.wait(account, at, seconds) {
            Ok(until) => until,
            Err(waited) => {
                let limit = shared.patience_seconds;
                let detail = format!(
                    "{} Waiting was given up: {waited} s were waited, another {seconds} s are asked for, {limit} s are allowed.",
                    body.detail
                );
                let mut problem = problem;
                problem.body_mut().detail = detail;
                self.ended = Some(Err(problem));
                return;
            }
        };
        self.pause = Some(Wake { key: format!("{}/pause", self.call.key), until, pause: true });
    }
}
