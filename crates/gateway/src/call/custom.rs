//! Raw calls with an account's authentication: for what a definition does not have yet.

use std::sync::Arc;
use std::time::Instant;

use quartermaster_definition::plan::Effect;
use quartermaster_engine::{Call, Failure, ListOptions, RawAnswer, RawRequest};
use quartermaster_guard::{Door as GuardDoor, decide};
use quartermaster_types::{AccountId, Code, Problem, RateLimits, RequestId};
use serde_json::{Map, Value};

use super::guarding::{actor_facts, verdict};
use super::record::Record;
use super::{Arguments, CallProblem, CallRequest, Door, Target};
use crate::accounts::AccountEntry;
use crate::limits::CALL_DEADLINE;
use crate::policy::{Counted, Guarded};
use crate::switches::Switches;
use crate::{Actor, Gateway};

impl Gateway {
    /// A raw call with the account's authentication; refused unless the token allows it; writes refused on a sandbox.
    ///
    /// Everything but GET and HEAD counts as a write. The audit record has method and path, never the body.
    pub async fn custom(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        account: AccountId,
        raw: RawRequest,
    ) -> Result<RawAnswer, CallProblem> {
        let mut record = Record::begin(self, actor, &as_call(request_id, account), Instant::now());
        let holder = crate::budget::holder(actor.token_id, None);
        let is_read = matches!(raw.method, http::Method::GET | http::Method::HEAD);
        record.action(format!("custom.{}", raw.method.as_str().to_ascii_lowercase()), path_of(&raw));
        let entry = match self.account(actor, account).await {
            Ok(entry) => entry,
            Err(problem) => {
                record.refused(&problem).await;
                return Err(problem.into());
            }
        };
        record.account(&entry);
        let (guarded, counted) = self.guard_custom(actor, &entry, &raw, is_read).await;
        record.guarded(&entry, &guarded);
        if let Err(failed) = guarded.result {
            record.refused(&failed.problem).await;
            return Err(failed);
        }
        if is_read {
            let result = self.raw(holder, &entry, raw).await;
            match &result {
                Ok(_) => record.done(1).await,
                Err(failure) => record.failed(&failure.problem, failure.upstream_calls).await,
            }
            return result.map_err(call_problem);
        }
        let (gateway, actor) = (self.clone(), Arc::clone(actor));
        let write = self.inner.writes.spawn(async move {
            let result = gateway.raw(holder, &entry, raw).await;
            gateway.settle_raw_count(&actor, counted, result.as_ref().map(|answer| answer.status)).await;
            let record = match &result {
                Ok(_) => record.sent(),
                Err(failure) => record.not_written(failure),
            };
            match record.commit().await {
                Err(_) if result.is_ok() => Err(crate::not_recorded().into()),
                _ => result.map_err(call_problem),
            }
        });
        write.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a raw write panicked");
            Err(Problem::gateway(Code::Internal, "The call failed inside the gateway.").into())
        })
    }

    async fn guard_custom(
        &self,
        actor: &Actor,
        entry: &AccountEntry,
        raw: &RawRequest,
        is_read: bool,
    ) -> (Guarded, Option<Counted>) {
        let effect = if is_read { Effect::Read } else { Effect::Destructive };
        let switches = match self.switches_in_force(actor.environment_id).await {
            Ok(switches) => switches,
            Err(problem) => return (problem.into(), None),
        };
        if let Err(problem) = obeys_rules(actor, entry, effect, &switches) {
            return (problem.into(), None);
        }
        let http_method = raw.method.as_str();
        let arguments = Map::from_iter([
            ("http_method".to_owned(), Value::from(http_method)),
            ("path".to_owned(), Value::from(path_of(raw))),
        ]);
        let name = format!("custom.{}", http_method.to_ascii_lowercase());
        let mut guarded = self.ask_policy_raw(actor, entry, &name, effect, &arguments).await;
        if guarded.result.is_ok() && !is_read {
            guarded.result = self.accepts_writes().map_err(Into::into);
        }
        let mut counted = None;
        if guarded.result.is_ok() && !is_read {
            counted = self.count_raw_change(actor, entry, &name, &arguments, &mut guarded).await;
        }
        (guarded, counted)
    }

    async fn raw(&self, holder: u64, entry: &AccountEntry, raw: RawRequest) -> Result<RawAnswer, Failure> {
        let nothing_sent = |problem| Failure {
            problem,
            rate_limits: RateLimits::default(),
            before: None,
            is_accepted: false,
            upstream_calls: 0,
        };
        let plan = &entry.plan.plan;
        let connection = entry.connection().map_err(nothing_sent)?;
        let credentials = || entry.credentials();
        // The engine authenticates by plan; a method is only what a call is made of.
        let Some(method) = plan.methods().next() else {
            return Err(nothing_sent(Problem::gateway(Code::Unsupported, "The definition has no methods.")));
        };
        let call = Call {
            account: entry.id,
            credential_version: entry.access_version,
            holder: Some(holder),
            pass: None,
            then: 0,
            plan,
            method,
            connection: &connection,
            credentials: &credentials,
            arguments: &Map::new(),
            list: ListOptions::default(),
            deadline: CALL_DEADLINE,
            before: None,
            wait: None,
        };
        self.inner.engine.raw(&call, raw).await
    }
}

fn obeys_rules(actor: &Actor, entry: &AccountEntry, effect: Effect, switches: &Switches) -> Result<(), Problem> {
    let mut facts = actor_facts(actor, GuardDoor::Custom, entry.id);
    facts.switched_off = switches.concerning(Some(entry.id), actor.token_id, &[]);
    facts.is_blocked = entry.blocked;
    facts.is_sandbox = entry.sandbox;
    facts.effect = effect;
    verdict(decide(&facts))
}

fn call_problem(failure: Failure) -> CallProblem {
    CallProblem { problem: failure.problem, rate_limits: Box::new(failure.rate_limits) }
}

/// The path without its query, which may hold anything.
fn path_of(raw: &RawRequest) -> String {
    raw.path_and_query.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn as_call(request_id: RequestId, account: AccountId) -> CallRequest {
    CallRequest {
        request_id,
        door: Door::Custom,
        account,
        target: Target::Tool(String::new()),
        arguments: Arguments::Json(Map::new()),
        session: None,
        wait: None,
        idempotency_key: None,
        takes_over: None,
        expect: None,
    }
}
