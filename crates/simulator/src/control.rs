//! The hand of a test on a running simulator.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::config::{ErrorShape, RateHeaders, RateLimit};
use crate::onepassword::Account;
use crate::people::{Person, State};

/// The most requests that are written down.
pub(crate) const SEEN_MAX: usize = 100_000;

/// How often each operation was asked for, whatever the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Token requests.
    pub token: u64,
    /// Revocations.
    pub revoke: u64,
    /// Lists.
    pub list: u64,
    /// Gets.
    pub get: u64,
    /// Suspensions.
    pub suspend: u64,
    /// Reactivations.
    pub reactivate: u64,
    /// Anything else.
    pub other: u64,
    /// Requests that were answered with 429.
    pub limited: u64,
}

impl Counts {
    /// Requests of every kind.
    pub fn total(&self) -> u64 {
        self.token + self.revoke + self.list + self.get + self.suspend + self.reactivate + self.other
    }
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// Path and query, raw.
    pub path_and_query: String,
    /// Status of the answer; 0 when a fault ate it.
    pub status: u16,
}

/// A handle on a running simulator; clones share it.
#[derive(Clone, Debug)]
pub struct Control {
    pub(crate) account: Arc<Account>,
}

impl Control {
    /// How often each operation was asked for.
    pub fn counts(&self) -> Counts {
        let counters = &self.account.counters;
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            token: read(&counters.token),
            revoke: read(&counters.revoke),
            list: read(&counters.list),
            get: read(&counters.get),
            suspend: read(&counters.suspend),
            reactivate: read(&counters.reactivate),
            other: read(&counters.other),
            limited: read(&counters.limited),
        }
    }

    /// The requests so far, when [`crate::Config::record`] is on; at most 100,000.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.account.seen).clone()
    }

    /// Moves the simulator's clock forward (tokens expire, rate windows end).
    pub fn advance(&self, by: Duration) {
        self.account.clock.advance_ms(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Makes every access token invalid at once.
    pub fn revoke_all_tokens(&self) {
        self.account.tokens.clear();
    }

    /// Everybody in the directory, hidden people too.
    pub fn people(&self) -> Vec<Person> {
        self.account.directory().people().to_vec()
    }

    /// The first person with exactly this e-mail address.
    pub fn find(&self, email: &str) -> Option<Person> {
        self.account.directory().people().iter().find(|person| person.email == email).cloned()
    }

    /// Changes somebody's state behind everybody's back. False when there is no such id.
    pub fn set_state(&self, id: &str, state: State) -> bool {
        let mut directory = self.account.directory_mut();
        directory.place(id).map(|place| directory.set_state(place, state)).is_some()
    }

    /// Changes somebody's name. False when there is no such id.
    pub fn set_display_name(&self, id: &str, name: &str) -> bool {
        let mut directory = self.account.directory_mut();
        directory.place(id).map(|place| directory.set_display_name(place, name)).is_some()
    }

    /// Another probability of faults.
    pub fn set_faults(&self, probability: f64) {
        self.account.faults.set(probability);
    }

    /// The next writes, so many of them, are done, and their answers are lost: the connection breaks instead.
    pub fn lose_answers(&self, writes: u64) {
        self.account.lost_answers.store(writes, Ordering::Relaxed);
    }

    /// Another rate limit.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        self.account.settings_mut().rate_limit = limit;
    }

    /// Another way to tell limits.
    pub fn set_rate_headers(&self, headers: RateHeaders) {
        self.account.settings_mut().rate_headers = headers;
    }

    /// Another shape of errors.
    pub fn set_error_shape(&self, shape: ErrorShape) {
        self.account.settings_mut().error_shape = shape;
    }

    /// Another wait before each answer.
    pub fn set_latency(&self, latency: Duration) {
        self.account.settings_mut().latency = latency;
    }

    /// Turns automated provisioning on or off.
    pub fn set_provisioning(&self, on: bool) {
        self.account.settings_mut().provisioning = on;
    }

    /// What the OAuth application may do from now on.
    pub fn set_permissions(&self, permissions: Option<Vec<crate::Operation>>) {
        self.account.settings_mut().permissions = permissions;
    }
}

pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
