//! How many calls an account's vendor still takes, shared by all who call it.
//!
//! Learned from what the vendor tells with its answers, and from nothing else: of a vendor that tells nothing, nothing is known and no
//! call is held back. A spent budget refuses a call before it is sent, with the vendor's own reset. Nothing is retried and
//! nothing queues, with one exception: when a window has started anew, one call finds out what it allows, and calls that come meanwhile
//! wait for its answer.

mod permit;
mod share;
mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use quartermaster_types::{AccountId, Clock, RateLimits, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use permit::Pass;
pub(crate) use permit::Permit;
use share::Shares;
pub use window::{BUDGET_POLICY, Window, Windows};
use window::{Outcome, Room, Sent};

use crate::limits::{BUDGET_HOLD_MAX, BUDGET_RESERVATION_MAX_MS, BUDGET_RESERVATIONS_MAX, BUDGETS_MAX};

/// Calls that are set aside for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Who may use them; as in [`crate::Call::holder`].
    pub holder: u64,
    /// How many are left of them.
    pub calls: u64,
    /// Until when nobody else gets them.
    pub until: Timestamp,
}

/// What is known of an account's budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetState {
    /// The vendor's windows.
    pub windows: Windows,
    /// Calls that are set aside.
    pub reservations: Vec<Reservation>,
    /// Which process wrote this, so that it does not take itself for another one.
    #[serde(default)]
    pub written_by: u64,
}

impl BudgetState {
    /// Calls that are set aside at a time.
    pub fn reserved(&self, now: Timestamp) -> u64 {
        self.reservations.iter().filter(|one| now < one.until).map(|one| one.calls).sum()
    }

    /// Calls that are set aside for others than `holder`: at most half of a window, so that whoever asks is served at all.
    fn set_aside(&self, holder: u64, capacity: Option<u64>, now: Timestamp) -> u64 {
        let others = self.reservations.iter().filter(|one| one.holder != holder && now < one.until);
        others.map(|one| one.calls).sum::<u64>().min(capacity.unwrap_or(u64::MAX) / 2)
    }

    fn own(&mut self, holder: u64, now: Timestamp) -> Option<&mut Reservation> {
        self.reservations.iter_mut().find(|one| one.holder == holder && now < one.until)
    }
}

/// Who wants to make which calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) holder: u64,
    /// The method's hash.
    pub(crate) method: u64,
    /// How many, all or none.
    pub(crate) calls: u64,
}

#[derive(Default)]
struct State {
    known: BudgetState,
    shares: Shares,
    /// A call is under way that finds out what a new window allows.
    probing: bool,
    /// Changed since it was last asked for; see [`Budgets::take_changed`].
    changed: bool,
    /// What other replicas were told last, and whether they should be told more; see [`Budgets::take_news`].
    told: Vec<(Timestamp, u32)>,
    has_news: bool,
}

/// One account's budget.
pub(crate) struct Budget {
    state: Mutex<State>,
    settled: Notify,
    /// Told when other replicas should hear of something.
    news: Arc<Notify>,
}

enum Decision {
    Go(Permit),
    SentAway(RateLimits),
    Hold,
}

impl Budget {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets calls go, or says when to come back. `patience`: how long the caller can wait at all.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        ask: Ask,
        clock: &Clock,
        patience: Duration,
    ) -> Result<Permit, RateLimits> {
        let deadline = Instant::now() + BUDGET_HOLD_MAX.min(patience);
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            settled.as_mut().enable();
            match self.decide(ask, clock, Instant::now() >= deadline) {
                Decision::Go(permit) => return Ok(permit),
                Decision::SentAway(limits) => return Err(limits),
                Decision::Hold => {}
            }
            let _ = tokio::time::timeout_at(deadline, settled).await;
        }
    }

    fn decide(self: &Arc<Self>, ask: Ask, clock: &Clock, held_long: bool) -> Decision {
        let now = clock.now();
        let mut state = self.lock();
        let state = &mut *state;
        state.shares.ask(ask.holder, now);
        let mask = state.known.windows.mask(ask.method);
        let capacity = state.known.windows.capacity(mask);
        let calls = ask.calls.min(capacity.unwrap_or(u64::MAX)).max(1);
        let mut probe = false;
        match state.known.windows.room(mask, now) {
            Room::Unknown => {}
            Room::Anew if state.probing && !held_long => return Decision::Hold,
            Room::Anew => probe = !std::mem::replace(&mut state.probing, true),
            Room::Spent(until) => {
                state.shares.sent_away(ask.holder, until);
                return Decision::SentAway(state.known.windows.refusal(mask, until));
            }
            Room::Left(left) => {
                let free = left.saturating_sub(state.known.set_aside(ask.holder, capacity, now));
                let own = state.known.own(ask.holder, now).filter(|own| own.calls >= calls && left >= calls);
                if let Some(own) = own {
                    own.calls -= calls;
                } else if let Err(lapse) = state.shares.may_take(ask.holder, calls, free, now) {
                    let reset = state.known.windows.tightest(mask).map_or(now, |window| window.reset_at);
                    let mut refusal = state.known.windows.refusal(mask, reset);
                    // Calls that are kept for others come free earlier than the window starts anew, when these do not come.
                    refusal.retry_at = lapse.filter(|lapse| *lapse < reset);
                    state.shares.sent_away(ask.holder, refusal.retry_at.unwrap_or(reset));
                    return Decision::SentAway(refusal);
                }
            }
        }
        let sent = state.known.windows.take(mask, calls);
        state.shares.took(ask.holder, calls);
        Decision::Go(Permit::new(Arc::clone(self), clock.clone(), ask, sent, calls, probe))
    }

    /// One of the calls that were let go has come to its end.
    /// True when other replicas should hear of it.
    fn settle(&self, holder: u64, sent: Sent, outcome: &Outcome<'_>, now: Timestamp) -> bool {
        let mut state = self.lock();
        if state.known.windows.settle(sent, outcome, now) {
            state.shares.start_anew(holder, now);
        }
        state.shares.ended(holder, 1, 0);
        state.probing &= !outcome.probe;
        state.known.reservations.retain(|one| one.calls > 0 && now < one.until);
        state.changed = true;
        let is_news = !state.has_news && state.known.windows.is_news(&state.told);
        state.has_news |= is_news;
        drop(state);
        self.settled.notify_waiters();
        is_news
    }

    /// Calls that were let go were not made.
    fn give_back(&self, holder: u64, sent: Sent, calls: u64, probe: bool) {
        let mut state = self.lock();
        state.known.windows.give_back(sent, calls);
        state.shares.ended(holder, calls, calls);
        state.probing &= !probe;
        drop(state);
        self.settled.notify_waiters();
    }
}

/// The budgets of all accounts whose vendors tell something.
#[derive(Default)]
pub(crate) struct Budgets {
    accounts: RwLock<HashMap<AccountId, Arc<Budget>, foldhash::fast::RandomState>>,
    news: Arc<Notify>,
}

impl Budgets {
    /// The budget of an account, when something is known of it.
    pub(crate) fn find(&self, account: AccountId) -> Option<Arc<Budget>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).get(&account).cloned()
    }

    /// The same; begun when there is none.
    fn begin(&self, account: AccountId, now: Timestamp) -> Arc<Budget> {
        if let Some(found) = self.find(account) {
            return found;
        }
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= BUDGETS_MAX && !accounts.contains_key(&account) {
            accounts.retain(|_, budget| budget.lock().known.windows.all().iter().any(|window| now < window.reset_at));
            if accounts.len() >= BUDGETS_MAX
                && let Some(victim) = accounts.keys().next().copied()
            {
                accounts.remove(&victim);
            }
        }
        let begun =
            || Arc::new(Budget { state: Mutex::default(), settled: Notify::new(), news: Arc::clone(&self.news) });
        Arc::clone(accounts.entry(account).or_insert_with(begun))
    }

    /// Takes in what an answer told that nobody had to be let go for: the first one, or one outside the budget.
    pub(crate) fn learn(&self, account: AccountId, method: u64, limits: &RateLimits, limited: bool, now: Timestamp) {
        if !limits.windows.iter().any(|window| window.reset_at.is_some()) {
            return;
        }
        let outcome = Outcome { method, limits: Some(limits), limited, probe: false };
        let budget = self.begin(account, now);
        if budget.settle(0, Sent { told: 0, mask: 0 }, &outcome, now) {
            budget.news.notify_one();
        }
    }

    /// What is known of an account; `None`: nothing.
    pub(crate) fn state(&self, account: AccountId) -> Option<BudgetState> {
        self.find(account).map(|budget| budget.lock().known.clone())
    }

    /// How many of those who share an account want calls now.
    pub(crate) fn sharing(&self, account: AccountId, now: Timestamp) -> usize {
        self.find(account).map_or(0, |budget| budget.lock().shares.active(now))
    }

    /// Takes in what was known before a restart, unless something is known already. What was under way then has ended.
    pub(crate) fn restore(&self, account: AccountId, mut state: BudgetState, now: Timestamp) {
        let budget = self.begin(account, now);
        let mut present = budget.lock();
        if present.known == BudgetState::default() {
            state.windows.nothing_is_under_way();
            present.known = state;
        }
    }

    /// Sets calls aside; false when there are too many reservations, or it would last too long.
    pub(crate) fn reserve(&self, account: AccountId, reservation: Reservation, now: Timestamp) -> bool {
        if reservation.until.ms_since(now) > BUDGET_RESERVATION_MAX_MS {
            return false;
        }
        let budget = self.begin(account, now);
        let mut state = budget.lock();
        let kept = &mut state.known.reservations;
        kept.retain(|one| one.holder != reservation.holder && one.calls > 0 && now < one.until);
        if kept.len() >= BUDGET_RESERVATIONS_MAX {
            return false;
        }
        if reservation.calls > 0 {
            kept.push(reservation);
        }
        state.changed = true;
        true
    }

    /// The accounts of which something changed since this was last asked, with what is known now.
    pub(crate) fn take_changed(&self) -> Vec<(AccountId, BudgetState)> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let changed = accounts.iter().filter_map(|(account, budget)| {
            let mut state = budget.lock();
            std::mem::take(&mut state.changed).then(|| (*account, state.known.clone()))
        });
        changed.collect()
    }

    /// The accounts of which other replicas should hear something new, with what is known now; waits until there is one.
    pub(crate) async fn take_news(&self) -> Vec<(AccountId, BudgetState)> {
        loop {
            self.news.notified().await;
            let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
            let news = accounts.iter().filter_map(|(account, budget)| {
                let mut state = budget.lock();
                if !std::mem::take(&mut state.has_news) {
                    return None;
                }
                state.told = state.known.windows.as_news();
                Some((*account, state.known.clone()))
            });
            let news: Vec<_> = news.collect();
            if !news.is_empty() {
                return news;
            }
        }
    }

    /// Takes in what another replica knows.
    pub(crate) fn merge(&self, account: AccountId, others: &BudgetState, now: Timestamp) {
        let budget = self.begin(account, now);
        let mut state = budget.lock();
        state.known.windows.merge(&others.windows, now);
        for other in others.reservations.iter().filter(|other| now < other.until) {
            let kept = &mut state.known.reservations;
            if kept.len() < BUDGET_RESERVATIONS_MAX && kept.iter().all(|own| own.holder != other.holder) {
                kept.push(other.clone());
            }
        }
        state.told = state.known.windows.as_news();
        drop(state);
        budget.settled.notify_waiters();
    }

    /// Forgets an account.
    pub(crate) fn forget(&self, account: AccountId) {
        self.accounts.write().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }

    /// Accounts of which something is known.
    pub(crate) fn len(&self) -> usize {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests;
