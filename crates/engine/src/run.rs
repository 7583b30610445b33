//! One call in progress: sends its requests, counts them, remembers the limits, waits where it may.

use std::time::{Duration, Instant};

use bytes::Bytes;
use quartermaster_definition::Method;
use quartermaster_definition::plan::{Auth, Effect};
use quartermaster_egress::{EgressError, Limits, Request, Response};
use quartermaster_types::{Code, Problem, RateLimits};
use quartermaster_vault::{Scrubber, Secrets};
use serde_json::{Map, Value};

use crate::auth::Credential;
use crate::budget::{Ask, Pass, Permit};
use crate::call::{Call, Exchange, Failure};
use crate::limits::{BODY_MAX_BYTES, DECOMPRESSED_MAX_BYTES, WAIT_MIN};
use crate::request::{Draft, Targets, Values, parse_url};
use crate::token::Grant;
use crate::{Engine, errors, rate_limit};

/// One call in progress.
pub(crate) struct Run<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) call: &'a Call<'a>,
    targets: Option<Targets>,
    secrets: Option<Secrets>,
    /// The credential that was sent last; what comes back is scrubbed of it.
    sent: Option<Credential>,
    deadline: tokio::time::Instant,
    waited: Duration,
    /// Exchanges made.
    pub(crate) calls: u32,
    /// The last answer's limits.
    pub(crate) limits: RateLimits,
    /// The record before the write.
    pub(crate) before: Option<Bytes>,
    /// Whether the upstream accepted the write.
    pub(crate) is_accepted: bool,
    /// Calls that the account's budget let go and that were not made yet.
    pub(crate) permit: Option<Permit>,
    /// Something was changed already: what is left to do is done whatever the budget says.
    has_written: bool,
}

/// What a request is for: decides how failures are told and whether waiting is allowed.
#[derive(Clone, Copy)]
pub(crate) struct Purpose<'m> {
    /// The method; `None` for a raw call.
    pub(crate) method: Option<&'m Method>,
    /// Whether nothing is changed by it.
    pub(crate) read: bool,
}

impl<'m> Purpose<'m> {
    /// A call of `method`.
    pub(crate) fn of(method: &'m Method) -> Self {
        Self { method: Some(method), read: method.effect == Effect::Read }
    }

    /// `users.list`, or `custom`.
    pub(crate) fn name(&self) -> String {
        self.method.map_or_else(|| "custom".to_owned(), Method::full_name)
    }
}

impl<'a> Run<'a> {
    /// A call that has not begun.
    pub(crate) fn new(engine: &'a Engine, call: &'a Call<'a>) -> Self {
        Self {
            engine,
            call,
            targets: None,
            secrets: None,
            sent: None,
            deadline: tokio::time::Instant::now() + call.deadline,
            waited: Duration::ZERO,
            calls: 0,
            limits: RateLimits::default(),
            permit: call.pass.and_then(Pass::take),
            has_written: false,
            before: None,
            is_accepted: false,
        }
    }

    /// The failure that `problem` makes of this call.
    pub(crate) fn failure(self, problem: Problem) -> Failure {
        Failure {
            problem,
            rate_limits: self.limits,
            before: self.before,
            is_accepted: self.is_accepted,
            upstream_calls: self.calls,
        }
    }

    /// What is left of the caller's patience.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(tokio::time::Instant::now())
    }

    /// Where calls may go; rendered once.
    pub(crate) fn targets(&mut self) -> Result<&Targets, Problem> {
        if self.targets.is_none() {
            self.targets = Some(Targets::new(self.call.plan, self.call.connection)?);
        }
        self.targets.as_ref().ok_or_else(|| Problem::gateway(Code::Internal, "no target"))
    }

    /// The request of `method` with `arguments`, before authentication.
    pub(crate) fn draft(&mut self, method: &Method, arguments: &Map<String, Value>) -> Result<Draft, Problem> {
        let call = self.call;
        let values = Values { connection: call.connection, arguments };
        Draft::new(self.targets()?, &call.plan.headers, method, &values)
    }

    /// The account's credentials, opened at first need.
    pub(crate) fn secrets(&mut self) -> Result<&Secrets, Problem> {
        if self.secrets.is_none() {
            self.secrets = Some((self.call.credentials)()?);
        }
        self.secrets.as_ref().ok_or_else(|| Problem::gateway(Code::Internal, "no credentials"))
    }

    /// Knows every secret of this call: the credentials and the access token.
    pub(crate) fn scrubber(&mut self) -> Scrubber {
        let mut scrubber = self.secrets().map(Scrubber::new).unwrap_or_default();
        if let Some(token) = self.sent.as_ref().and_then(Credential::secret_text) {
            scrubber.add(token);
        }
        scrubber
    }

    /// The body without the credential that was sent, for paths that repeat what they got. Copied only when it is there.
    pub(crate) fn without_credential(&mut self, body: Bytes) -> Bytes {
        let secret = self.sent.as_ref().and_then(Credential::secret_text).unwrap_or_default();
        if secret.is_empty() || memchr::memmem::find(&body, secret.as_bytes()).is_none() {
            return body;
        }
        Bytes::from(self.scrubber().scrub(&String::from_utf8_lossy(&body)))
    }

    /// Sends a request with the account's authentication and gives the answer, whatever its status, except that a rate
    /// limit is a problem already. See [`Engine::execute`] for the two cases in which a request is sent again.
    pub(crate) async fn send(&mut self, draft: &Draft, purpose: Purpose<'_>) -> Result<Response, Problem> {
        loop {
            let problem = match self.send_authorised(draft, purpose).await {
                Ok(response) => match errors::rate_limited(self, &response, purpose) {
                    None => return Ok(response),
                    Some(problem) => problem,
                },
                Err(problem) => problem,
            };
            let pause = (problem.code() == Code::RateLimited && purpose.read).then(|| self.pause()).flatten();
            let Some(pause) = pause else { return Err(problem) };
            self.waited += pause;
            tokio::time::sleep(pause).await;
        }
    }

    /// The same, but a rate limit is an answer like others, once waiting for it was not asked for or did not help.
    pub(crate) async fn send_raw(&mut self, draft: &Draft, purpose: Purpose<'_>) -> Result<Response, Problem> {
        loop {
            let response = self.send_authorised(draft, purpose).await?;
            let limited = errors::rate_limited(self, &response, purpose).is_some();
            let Some(pause) = (limited && purpose.read).then(|| self.pause()).flatten() else { return Ok(response) };
            self.waited += pause;
            tokio::time::sleep(pause).await;
        }
    }

    /// How long a rate-limited read is held, if it may be: only as the upstream's own headers say, within the wait that
    /// the caller granted and before the deadline.
    fn pause(&self) -> Option<Duration> {
        let granted = self.call.wait?.checked_sub(self.waited)?;
        let seconds = self.limits.retry_after_seconds(self.engine.inner.clock.now())?;
        let pause = Duration::from_secs(seconds).max(WAIT_MIN);
        (pause <= granted && pause < self.remaining()).then_some(pause)
    }

    /// Sends a request; a 401 that came for a cached access token fetches a new one and sends it once more.
    async fn send_authorised(&mut self, draft: &Draft, purpose: Purpose<'_>) -> Result<Response, Problem> {
        let grant = self.authorise().await?;
        let response = self.send_with(draft, grant.credential.clone(), purpose).await?;
        if response.status != http::StatusCode::UNAUTHORIZED || !grant.renewable() {
            return Ok(response);
        }
        // The upstream did nothing but refuse the token, so that sending it again, also a write, does not do it twice.
        self.engine.inner.tokens.forget_if(self.call.account, &grant);
        let grant = self.authorise().await?;
        self.send_with(draft, grant.credential, purpose).await
    }

    /// Proof of who is calling: rendered from the credentials, or an access token.
    async fn authorise(&mut self) -> Result<Grant, Problem> {
        let plan = self.call.plan.clone();
        match &plan.auth {
            Auth::ClientCredentials(client) => crate::token::grant(self, client).await,
            fixed => {
                let credential = crate::auth::fixed(self, fixed)?;
                Ok(Grant::fixed(credential))
            }
        }
    }

    async fn send_with(
        &mut self,
        draft: &Draft,
        credential: Credential,
        purpose: Purpose<'_>,
    ) -> Result<Response, Problem> {
        let mut url = draft.url.clone();
        let mut headers = draft.headers.clone();
        credential.apply(&mut url, &mut headers);
        let request = Request { method: draft.method.clone(), url: parse_url(url)?, headers, body: draft.body.bytes() };
        self.let_go(purpose).await?;
        self.sent = Some(credential);
        let limits = Limits {
            total: self.remaining(),
            body_max_bytes: BODY_MAX_BYTES,
            decompressed_max_bytes: DECOMPRESSED_MAX_BYTES,
        };
        if let Some(permit) = &mut self.permit {
            permit.begin();
        }
        self.has_written |= !purpose.read;
        let outcome = self.exchange(request, limits, || purpose.name()).await;
        self.settle(outcome.as_ref().ok(), purpose);
        outcome.map_err(|error| errors::network(self, &error, purpose))
    }

    /// Asks the account's budget whether the next exchange may be made. A write asks for all that it takes at once: the read before it and
    /// the one after it, so that it is not refused half-way.
    async fn let_go(&mut self, purpose: Purpose<'_>) -> Result<(), Problem> {
        let call = self.call;
        let Some(holder) = call.holder.filter(|_| !call.plan.rate_limits.unbudgeted) else { return Ok(()) };
        let is_first = self.permit.is_none();
        if self.has_written || self.permit.as_ref().is_some_and(Permit::has_left) {
            return Ok(());
        }
        let Some(budget) = self.engine.inner.budgets.find(call.account) else { return Ok(()) };
        let calls = if is_first && purpose.method.is_some() { calls_of(call) + call.then } else { 1 };
        let ask = Ask { holder, method: hash_of(purpose), calls };
        match budget.admit(ask, &self.engine.inner.clock, self.remaining()).await {
            Ok(permit) => {
                self.permit = Some(permit);
                Ok(())
            }
            Err(limits) => {
                self.limits = limits;
                Err(errors::budget_spent(self))
            }
        }
    }

    /// Tells the account's budget what an exchange came to.
    fn settle(&mut self, response: Option<&Response>, purpose: Purpose<'_>) {
        if self.call.holder.is_none() {
            return;
        }
        let limited = response.is_some_and(|response| errors::plainly_limited(self, response));
        let limits = response.is_some().then_some(&self.limits);
        let method = hash_of(purpose);
        match &mut self.permit {
            Some(permit) if permit.has_left() => permit.settle(method, limits, limited),
            _ => {
                if let Some(limits) = limits {
                    let now = self.engine.inner.clock.now();
                    self.engine.inner.budgets.learn(self.call.account, method, limits, limited, now);
                }
            }
        }
    }

    /// One exchange: sent, counted, told to the observer; its limits are remembered.
    pub(crate) async fn exchange(
        &mut self,
        request: Request,
        limits: Limits,
        purpose: impl Fn() -> String,
    ) -> Result<Response, EgressError> {
        if limits.total.is_zero() {
            let host = request.url.host().unwrap_or_default().to_owned();
            return Err(EgressError::Timeout { host, limit_ms: self.call.deadline.as_millis() as u64, sent: false });
        }
        let watched = self.engine.inner.observer.as_ref().map(|observer| {
            let path = self.sent.as_ref().map_or_else(|| target_of(&request.url), |sent| sent.mask(&request.url));
            (observer.clone(), request.method.to_string(), path, Instant::now())
        });
        self.calls += 1;
        let outcome = self.engine.inner.client.send(request, limits).await;
        let now = self.engine.inner.clock.now();
        if let Some((observer, method, path, begun)) = watched {
            observer(&Exchange {
                account: self.call.account,
                purpose: purpose(),
                method,
                path,
                status: outcome.as_ref().ok().map(|response| response.status.as_u16()),
                duration_ms: begun.elapsed().as_millis() as u64,
                at: now,
            });
        }
        if let Ok(response) = &outcome {
            self.limits = rate_limit::read(&self.call.plan.rate_limits, &response.headers, now);
        }
        outcome
    }
}

/// The exchanges that a call takes, when all goes well; of a list, those for its first page.
fn calls_of(call: &Call<'_>) -> u64 {
    let method = call.method;
    if method.effect == Effect::Read {
        return 1;
    }
    let reads = method.read_before.is_some();
    1 + u64::from(reads && call.before.is_none()) + u64::from(reads && method.transition.is_some())
}

/// Which method an exchange is one of, for the budget: the same in every process.
fn hash_of(purpose: Purpose<'_>) -> u64 {
    use std::hash::BuildHasher;
    let hasher = foldhash::quality::FixedState::default();
    match purpose.method {
        Some(method) => hasher.hash_one((method.resource.as_str(), method.name.as_str())),
        None => hasher.hash_one("custom"),
    }
}

/// Path and query of a URL.
pub(crate) fn target_of(url: &http::Uri) -> String {
    url.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)
}
