//! Access tokens of the client credentials grant: kept until shortly before they expire, fetched once however many calls
//! of this process ask at the same time.

mod fetch;
mod kept;

pub(crate) use fetch::says_credentials_are_bad;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use quartermaster_definition::plan::ClientCredentials;
use quartermaster_types::{AccountId, Code, Problem, RateLimits};

use crate::auth::Credential;
use crate::run::Run;
use kept::{Kept, Token};

/// A credential and where it came from.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) credential: Credential,
    cached: bool,
}

impl Grant {
    /// A credential that no token endpoint gave.
    pub(crate) fn fixed(credential: Credential) -> Self {
        Self { credential, cached: false }
    }

    /// Whether a refusal may only mean that the token grew old: it was cached before this attempt.
    pub(crate) fn renewable(&self) -> bool {
        self.cached
    }

    fn of(token: &Token, cached: bool) -> Result<Self, Problem> {
        Ok(Self { credential: Credential::header("authorization", &token.bearer())?, cached })
    }
}

/// What a fetch came to, for everybody who waited for it.
type Outcome = Result<Token, (Problem, RateLimits)>;

/// One fetch in progress. Whoever holds the lock fetches; the others find the outcome.
type Flight = Arc<tokio::sync::Mutex<Option<Outcome>>>;

/// The access tokens of this process, and the fetches in progress.
pub(crate) struct Tokens {
    kept: Kept,
    flights: Mutex<HashMap<(AccountId, i64), Flight>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokens").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Keeps at most `most` tokens.
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: Kept::new(most), flights: Mutex::new(HashMap::new()) }
    }

    /// Forgets an account's token.
    pub(crate) fn forget(&self, account: AccountId) {
        self.kept.forget_where(account, |_| true);
    }

    /// Forgets an account's token if it still is the one that was refused; another call may have renewed it meanwhile.
    pub(crate) fn forget_if(&self, account: AccountId, refused: &Grant) {
        let refused = refused.credential.secret_text();
        self.kept.forget_where(account, |token| Some(token.text()) == refused);
    }

    fn join(&self, key: (AccountId, i64)) -> Flight {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
    }

    /// Ends a flight: who comes later starts another.
    fn land(&self, key: (AccountId, i64), flight: &Flight) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&key).is_some_and(|present| Arc::ptr_eq(present, flight)) {
            flights.remove(&key);
        }
    }
}

/// Takes the flight out of the table when its fetch ends, also when the fetching call is dropped halfway. The callers that
/// wait for it keep it alive, and the next of them fetches.
struct Landing<'a> {
    tokens: &'a Tokens,
    key: (AccountId, i64),
    flight: &'a Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.tokens.land(self.key, self.flight);
    }
}

/// A token for this call: cached, or fetched by this call, or by another that was fetching it already.
pub(crate) async fn grant(run: &mut Run<'_>, client: &ClientCredentials) -> Result<Grant, Problem> {
    let engine = run.engine;
    let tokens = &engine.inner.tokens;
    let key = (run.call.account, run.call.credential_version);
    if let Some(token) = tokens.kept.get(key.0, key.1, engine.inner.clock.now()) {
        return Grant::of(&token, true);
    }
    let flight = tokens.join(key);
    let Ok(mut outcome) = tokio::time::timeout(run.remaining(), flight.lock()).await else {
        return Err(Problem::upstream(
            Code::UpstreamTimeout,
            "no access token came in time; the call itself was not sent",
        ));
    };
    if let Some(outcome) = outcome.as_ref() {
        return settle(run, outcome.clone());
    }
    let landing = Landing { tokens, key, flight: &flight };
    if let Some(token) = tokens.kept.get(key.0, key.1, engine.inner.clock.now()) {
        return Grant::of(&token, false);
    }
    let fetched = fetch::fetch(run, client).await.map_err(|problem| (problem, run.limits.clone()));
    if let Ok(token) = &fetched {
        tokens.kept.keep(key.0, token, engine.inner.clock.now());
    }
    // A caller with more patience may succeed where this one ran out of time, so that outcome is not shared.
    if !matches!(&fetched, Err((problem, _)) if problem.code() == Code::UpstreamTimeout) {
        *outcome = Some(fetched.clone());
    }
    drop(landing);
    settle(run, fetched)
}

fn settle(run: &mut Run<'_>, outcome: Outcome) -> Result<Grant, Problem> {
    match outcome {
        Ok(token) => Grant::of(&token, false),
        Err((problem, limits)) => {
            run.limits = limits;
            Err(problem)
        }
    }
}
