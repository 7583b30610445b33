//! Calls that were let go. Whatever happens to the caller, each of them is settled or given back.

use std::sync::{Arc, Mutex, PoisonError};

use quartermaster_types::{Clock, RateLimits};

use super::window::{Outcome, Sent};
use super::{Ask, Budget};

/// What was let go for several calls that belong together, passed from one to the next.
#[derive(Default)]
pub struct Pass(Mutex<Option<Permit>>);

impl std::fmt::Debug for Pass {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pass")
    }
}

impl Pass {
    pub(crate) fn take(&self) -> Option<Permit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn put(&self, permit: Option<Permit>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = permit.filter(Permit::has_left);
    }
}

/// Calls that may be made.
pub(crate) struct Permit {
    budget: Arc<Budget>,
    clock: Clock,
    ask: Ask,
    sent: Sent,
    /// Calls that were let go and not made yet.
    left: u64,
    /// One of them is being made.
    under_way: bool,
    probe: bool,
}

impl Permit {
    pub(super) fn new(budget: Arc<Budget>, clock: Clock, ask: Ask, sent: Sent, calls: u64, probe: bool) -> Self {
        Self { budget, clock, ask, sent, left: calls, under_way: false, probe }
    }

    /// Whether another call may be made.
    pub(crate) fn has_left(&self) -> bool {
        self.left > 0
    }

    /// A call is made now.
    pub(crate) fn begin(&mut self) {
        self.under_way = true;
    }

    /// It has come to its end. `limits`: what the answer told; `None` when there was none.
    pub(crate) fn settle(&mut self, method: u64, limits: Option<&RateLimits>, limited: bool) {
        self.under_way = false;
        self.left = self.left.saturating_sub(1);
        let outcome = Outcome { method, limits, limited, probe: std::mem::take(&mut self.probe) };
        if self.budget.settle(self.ask.holder, self.sent, &outcome, self.clock.now()) {
            self.budget.news.notify_one();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.under_way {
            // The caller went away; the vendor may have counted the call.
            self.settle(self.ask.method, None, false);
        }
        if self.left > 0 {
            self.budget.give_back(self.ask.holder, self.sent, self.left, self.probe);
        }
    }
}
