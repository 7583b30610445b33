//! Runs a compiled method: builds the request, authenticates, walks pages, normalises rate limits, errors and results.
//!
//! No storage and no policy. What a vendor does differently stands in the plan (`quartermaster_definition::Plan`), never
//! here. One call is one [`run::Run`]: it knows the rendered base URL, counts the exchanges and remembers the limits of the
//! last answer; [`list`], [`single`] and [`raw`] drive it.

mod auth;
pub mod budget;
mod call;
mod errors;
pub mod json;
pub mod limits;
mod list;
mod preview;
pub mod rate_limit;
mod raw;
mod request;
mod run;
mod single;
mod token;

use std::fmt;
use std::sync::Arc;

use budget::{BudgetState, Budgets, Reservation};
use quartermaster_types::{AccountId, Clock, Problem};

pub use call::{
    AbsentFields, Answer, Call, Exchange, Failure, ListAnswer, ListOptions, Position, Preview, RawAnswer, RawRequest,
    SingleAnswer, StopReason,
};
use run::Run;
use token::Tokens;

/// Told of every exchange with an upstream.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// Runs calls. Holds the HTTP client and the access tokens. Cheap to clone; clones share both.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// What the clones of an engine share.
struct Inner {
    client: quartermaster_egress::Client,
    clock: Clock,
    observer: Option<Observer>,
    tokens: Tokens,
    budgets: Budgets,
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Engine").field("tokens", &self.inner.tokens).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine over `client`. `observer` is told of every exchange (must be quick).
    pub fn new(client: quartermaster_egress::Client, clock: Clock, observer: Option<Observer>) -> Self {
        Self {
            inner: Arc::new(Inner {
                client,
                clock,
                observer,
                tokens: Tokens::new(limits::TOKENS_MAX),
                budgets: Budgets::default(),
            }),
        }
    }

    /// Runs a call to its end.
    ///
    /// Nothing is retried, with two exceptions. A 401 that came for a cached access token fetches a token anew and sends
    /// the request once more, writes too: a 401 says that nothing was done. And a rate-limited **read** is held and sent
    /// again when the caller asked for it with [`Call::wait`].
    pub async fn execute(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let mut run = Run::new(self, &call);
        let outcome = if call.method.gives_many {
            list::walk(&mut run).await.map(Answer::List)
        } else {
            single::call(&mut run).await.map(Answer::Single)
        };
        if let Some(pass) = call.pass {
            pass.put(run.permit.take());
        }
        outcome.map_err(|problem| run.failure(problem))
    }

    /// The method's own request, with nothing sent (no token is fetched, and no record is read, either).
    pub fn preview(&self, call: &Call<'_>) -> Result<Preview, Problem> {
        preview::preview(&mut Run::new(self, call))
    }

    /// A raw call below the account's base URL with the account's authentication (`/custom`).
    ///
    /// Whatever status the upstream answers is the answer, 429 and 5xx too; a failure is one of the gateway's own or of
    /// the network's. [`Call::method`] and [`Call::arguments`] are not used.
    pub async fn raw(&self, call: &Call<'_>, request: RawRequest) -> Result<RawAnswer, Failure> {
        let mut run = Run::new(self, call);
        let outcome = raw::call(&mut run, request).await;
        outcome.map_err(|problem| run.failure(problem))
    }

    /// Forgets the cached access tokens of an account.
    pub fn forget(&self, account: AccountId) {
        self.inner.tokens.forget(account);
    }

    /// What is known of the calls that an account's vendor still takes; `None`: its answers told nothing.
    pub fn budget(&self, account: AccountId) -> Option<BudgetState> {
        self.inner.budgets.state(account)
    }

    /// How many sessions, runs and tokens want calls of an account at present.
    pub fn sharing(&self, account: AccountId) -> usize {
        self.inner.budgets.sharing(account, self.inner.clock.now())
    }

    /// Sets calls of an account aside for one holder, instead of those that it had set aside before; 0 gives them back. Nobody else
    /// gets them until they are used or their time is over, but never more than half of a window. False when there are
    /// [`limits::BUDGET_RESERVATIONS_MAX`] already, or it would last longer than [`limits::BUDGET_RESERVATION_MAX_MS`].
    pub fn reserve(&self, account: AccountId, reservation: Reservation) -> bool {
        self.inner.budgets.reserve(account, reservation, self.inner.clock.now())
    }

    /// Takes in what was known of an account before a restart, unless something is known already.
    pub fn restore_budget(&self, account: AccountId, state: BudgetState) {
        self.inner.budgets.restore(account, state, self.inner.clock.now());
    }

    /// The accounts of which something changed since this was last asked, with what is known of their budgets.
    pub fn changed_budgets(&self) -> Vec<(AccountId, BudgetState)> {
        self.inner.budgets.take_changed()
    }

    /// The budgets of which other replicas should hear something new: a window that started anew, or half of what was left that is gone.
    /// Waits until there is one.
    pub async fn budget_news(&self) -> Vec<(AccountId, BudgetState)> {
        self.inner.budgets.take_news().await
    }

    /// Takes in what another replica knows of an account.
    pub fn merge_budget(&self, account: AccountId, state: &BudgetState) {
        self.inner.budgets.merge(account, state, self.inner.clock.now());
    }

    /// Forgets what is known of an account's budget.
    pub fn forget_budget(&self, account: AccountId) {
        self.inner.budgets.forget(account);
    }

    /// How many accounts have a budget.
    pub fn budgets(&self) -> usize {
        self.inner.budgets.len()
    }
}
