//! The rate budget of an account: what its vendor still takes, as callers see it, set aside for plans, and kept over a restart.
//!
//! The engine learns it and holds calls to it.

use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use quartermaster_engine::Engine;
use quartermaster_engine::budget::{BudgetState, Reservation, Window};
use quartermaster_store_model::{RateBudgetRow, StoreError};
use quartermaster_types::{AccountId, Code, EnvironmentId, Problem, Timestamp, TokenId};

use crate::accounts::AccountEntry;
use crate::limits::{BUDGETS_KEEP_EVERY, BUDGETS_KEPT_AT_ONCE_MAX, BUDGETS_KEPT_WINDOW_MIN, BUDGETS_TELL_TRIES_MAX};
use crate::{Actor, Gateway, Inner};

/// What is known of the calls that an account's vendor still takes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BudgetView {
    /// Whether the vendor told anything. Of one that tells nothing, nothing is known, and no call is held back.
    pub known: bool,
    /// Whether calls are held to it: `rate_limits: {budget: false}` in the definition, or an override of it, says no.
    pub enforced: bool,
    /// Calls in the window that is closest to being spent.
    pub limit: Option<u64>,
    /// Calls left in it, those that are under way counted as made.
    pub remaining: Option<u64>,
    /// When it starts anew.
    pub reset_at: Option<Timestamp>,
    /// Its length in seconds.
    pub window_seconds: Option<u64>,
    /// Calls that are set aside for plans.
    pub reserved: u64,
    /// Sessions, runs and tokens that share it at present.
    pub sharing: u64,
    /// Every window that the vendor told of.
    pub windows: Vec<BudgetWindow>,
}

/// One window of a vendor.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BudgetWindow {
    /// The vendor's name for it.
    pub name: Option<String>,
    /// Calls in it.
    pub limit: Option<u64>,
    /// Calls left in it; the whole limit once it has started anew.
    pub remaining: Option<u64>,
    /// When it starts anew; `null` when it has, and the vendor has said nothing since.
    pub reset_at: Option<Timestamp>,
    /// Its length in seconds.
    pub window_seconds: Option<u64>,
}

/// Who makes a call, of those who share an account's budget: the session, else the token. The same on every replica.
pub(crate) fn holder(token: TokenId, session: Option<&str>) -> u64 {
    let hasher = foldhash::quality::FixedState::default();
    match session {
        Some(session) => hasher.hash_one(("session", session)),
        None => hasher.hash_one(("token", token.0.as_bytes())),
    }
}

impl Gateway {
    /// What is known of the calls that the account's vendor still takes.
    pub async fn budget(&self, actor: &Arc<Actor>, account: AccountId) -> Result<BudgetView, Problem> {
        let entry = self.account(actor, account).await?;
        Ok(self.budget_view(&entry))
    }

    fn budget_view(&self, entry: &AccountEntry) -> BudgetView {
        let now = self.inner.clock.now();
        let state = self.inner.engine.budget(entry.id);
        let state = state.unwrap_or_default();
        let windows: Vec<BudgetWindow> = state.windows.all().iter().map(|window| window_view(window, now)).collect();
        let tightest = windows.iter().min_by_key(|window| window.remaining.unwrap_or(u64::MAX));
        BudgetView {
            known: !windows.is_empty(),
            enforced: !entry.plan.plan.rate_limits.unbudgeted,
            limit: tightest.and_then(|window| window.limit),
            remaining: tightest.and_then(|window| window.remaining),
            reset_at: tightest.and_then(|window| window.reset_at),
            window_seconds: tightest.and_then(|window| window.window_seconds),
            reserved: state.reserved(now),
            sharing: self.inner.engine.sharing(entry.id) as u64,
            windows,
        }
    }

    /// Sets calls of an account aside for a session until then, instead of those that it had set aside; 0 gives them back. They are used
    /// up by the session's own calls. At most half of a window is kept from others. 409 when too many have something set aside.
    pub async fn reserve(
        &self,
        actor: &Arc<Actor>,
        account: AccountId,
        calls: u64,
        session: &str,
        until: Timestamp,
    ) -> Result<BudgetView, Problem> {
        let entry = self.account(actor, account).await?;
        let reservation = Reservation { holder: holder(actor.token_id, Some(session)), calls, until };
        if !self.inner.engine.reserve(account, reservation) {
            let detail =
                "No calls can be set aside: too many others have some on this account, or it would be for too long.";
            return Err(Problem::gateway(Code::Conflict, detail)
                .with_hint(
                    "Go on without: calls are shared fairly all the same. Or set them aside when others are done.",
                )
                .with_retry(true, None));
        }
        Ok(self.budget_view(&entry))
    }

    /// Takes in what was known of an account before a restart. What cannot be read is learned again.
    pub(crate) async fn restore_budget(&self, entry: &AccountEntry) {
        if self.inner.engine.budget(entry.id).is_some() {
            return;
        }
        match self.inner.store.find_rate_budget(entry.environment_id(), entry.id).await {
            Ok(Some(row)) => match serde_json::from_str(&row.state) {
                Ok(state) => self.inner.engine.restore_budget(entry.id, state),
                Err(error) => tracing::warn!(account = %entry.id, %error, "a stored rate budget cannot be read"),
            },
            Ok(None) => {}
            Err(error) => tracing::warn!(account = %entry.id, %error, "a rate budget cannot be read"),
        }
    }

    /// Writes what changed and is still true after a restart.
    pub(crate) async fn keep_budgets(&self) {
        let least = self.inner.clock.now().plus_ms(BUDGETS_KEPT_WINDOW_MIN.as_millis() as i64);
        let changed = self.inner.engine.changed_budgets().into_iter();
        let lasting = changed.filter(|(_, state)| {
            !state.reservations.is_empty() || state.windows.all().iter().any(|window| window.reset_at > least)
        });
        for (account, state) in lasting.take(BUDGETS_KEPT_AT_ONCE_MAX) {
            let Some(entry) = self.inner.accounts.get(&account) else { continue };
            self.keep_budget(entry.environment_id(), account, &state).await;
        }
    }

    /// Puts what is known here in the place of what is stored, with what other replicas stored meanwhile taken in.
    async fn keep_budget(&self, environment_id: EnvironmentId, account_id: AccountId, state: &BudgetState) {
        for _ in 0..BUDGETS_TELL_TRIES_MAX {
            match self.try_keep_budget(environment_id, account_id, state).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(account = %account_id, %error, "a rate budget cannot be kept");
                    return;
                }
            }
        }
    }

    async fn try_keep_budget(
        &self,
        environment_id: EnvironmentId,
        account_id: AccountId,
        state: &BudgetState,
    ) -> Result<bool, StoreError> {
        let store = &self.inner.store;
        let present = store.find_rate_budget(environment_id, account_id).await?;
        let version = present.as_ref().map_or(1, |row| row.version + 1);
        let mut state = state.clone();
        let others = present.and_then(|row| serde_json::from_str::<BudgetState>(&row.state).ok());
        if let Some(others) = others.filter(|others| others.written_by != self.inner.replica) {
            state.windows.merge(&others.windows, self.inner.clock.now());
        }
        state.written_by = self.inner.replica;
        let Ok(text) = serde_json::to_string(&state) else { return Ok(true) };
        store.put_rate_budget(&RateBudgetRow { environment_id, account_id, version, state: text }).await
    }

    /// Another replica told what it knows of an account: taken in, where the account is used here.
    pub(crate) fn hear_budget(&self, environment: EnvironmentId, account: AccountId) {
        let is_used = self.inner.accounts.get(&account).is_some_and(|entry| entry.environment_id() == environment);
        if !is_used {
            return;
        }
        let gateway = self.clone();
        tokio::spawn(async move {
            match gateway.inner.store.find_rate_budget(environment, account).await {
                Ok(Some(row)) => match serde_json::from_str::<BudgetState>(&row.state) {
                    Ok(state) if state.written_by == gateway.inner.replica => {}
                    Ok(state) => gateway.inner.engine.merge_budget(account, &state),
                    Err(error) => tracing::warn!(%account, %error, "a stored rate budget cannot be read"),
                },
                Ok(None) => {}
                Err(error) => tracing::warn!(%account, %error, "a rate budget cannot be read"),
            }
        });
    }
}

/// Tells other replicas of what is new in the rate budgets, for as long as the gateway lives.
pub(crate) async fn tell(inner: Weak<Inner>, engine: Engine) {
    loop {
        let news = tokio::select! {
            news = engine.budget_news() => news,
            () = tokio::time::sleep(BUDGETS_KEEP_EVERY) => Vec::new(),
        };
        let Some(inner) = inner.upgrade() else { return };
        let gateway = Gateway { inner };
        for (account, state) in news {
            let Some(entry) = gateway.inner.accounts.get(&account) else { continue };
            gateway.keep_budget(entry.environment_id(), account, &state).await;
        }
    }
}

fn window_view(window: &Window, now: Timestamp) -> BudgetWindow {
    let is_over = window.reset_at <= now;
    BudgetWindow {
        name: window.name.clone(),
        limit: window.limit,
        remaining: if is_over { window.limit } else { Some(window.left()) },
        reset_at: (!is_over).then_some(window.reset_at),
        window_seconds: window.window_seconds,
    }
}

/// Writes what is known of rate limits, now and then, for as long as the gateway lives.
pub(crate) async fn keep(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(BUDGETS_KEEP_EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        Gateway { inner }.keep_budgets().await;
    }
}
