//! The pipeline: resolve → validate → guard → authorise upstream → execute → normalise → record.

mod arguments;
mod body;
mod custom;
mod expecting;
pub(crate) mod guarding;
mod idempotency;
mod prepare;
mod record;
mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quartermaster_definition::plan::Effect;
use quartermaster_engine::{Answer, Call, Failure, Preview};
use quartermaster_types::{AccountId, Code, Problem, RateLimits, RequestId, Timestamp};
use serde_json::{Map, Value, json};

use crate::approvals::{Asking, Taken};
use crate::limits::{CALL_DEADLINE, PREFER_WAIT_MAX};
use crate::planning::Undoable;
use crate::policy::Guarded;
use crate::{Actor, Gateway};
pub(crate) use guarding::reads_of;
use idempotency::{Claimed, nothing_happened};
pub(crate) use prepare::Prepared;
use record::Record;

pub(crate) use turns::Turns;

/// Through which door a call came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// `POST …/tools/{name}/call`.
    Tool,
    /// `/proxy/…`.
    Proxy,
    /// `/custom/…`.
    Custom,
}

impl Door {
    /// As it stands in audit records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Proxy => "proxy",
            Self::Custom => "custom",
        }
    }
}

/// Which method is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By tool name or alias.
    Tool(String),
    /// By resource and method name.
    Method {
        /// Resource.
        resource: String,
        /// Method.
        method: String,
    },
}

/// Arguments as they came.
#[derive(Clone, Debug)]
pub enum Arguments {
    /// A JSON object.
    Json(Map<String, Value>),
    /// Query parameters, all texts, to be converted as the schema wants; and a JSON body's members, and path parts.
    Parts {
        /// Query parameters.
        query: Vec<(String, String)>,
        /// Members of the JSON body.
        body: Map<String, Value>,
        /// `id` from the path, percent-decoded.
        id: Option<String>,
    },
}

/// One call.
#[derive(Clone, Debug)]
pub struct CallRequest {
    /// The request id.
    pub request_id: RequestId,
    /// The door.
    pub door: Door,
    /// The account.
    pub account: AccountId,
    /// The method.
    pub target: Target,
    /// Arguments.
    pub arguments: Arguments,
    /// `quartermaster-session`; at most 128 visible characters.
    pub session: Option<String>,
    /// `Prefer: wait=N`, capped by `PREFER_WAIT_MAX`.
    pub wait: Option<Duration>,
    /// `Idempotency-Key`, at most 255 visible ASCII characters; writes only.
    pub idempotency_key: Option<String>,
    /// The key is claimed again when the same call claimed it before this moment, has no answer and may be made twice: whoever
    /// made it then has lost the right to. Only runs can know that; others wait two minutes.
    pub takes_over: Option<Timestamp>,
    /// What the record must be like right before the write, see `quartermaster_guard::expect`; only with a write by id. At most
    /// [`EXPECT_MEMBERS_MAX`](crate::limits::EXPECT_MEMBERS_MAX) members.
    pub expect: Option<Map<String, Value>>,
}

/// What came of it: the body in pieces, ready to be sent one after the other.
///
/// Both doors answer the same shapes. A list: `{"result":[…],"next_cursor":…,"prev_cursor":null,"result_count":n}`,
/// with `scanned`, `is_partial` and `stopped_because` when a local filter or a bound was in force. Everything else:
/// `{"result":…}`, with `"changed":bool` for methods that bring a record into a state.
#[derive(Debug)]
pub struct CallAnswer {
    /// JSON, in pieces.
    pub body: Vec<Bytes>,
    /// Limits.
    pub rate_limits: RateLimits,
    /// Calls to the vendor that it took.
    pub upstream_calls: u32,
    /// True when this is the stored answer of an earlier call with the same idempotency key.
    pub replayed: bool,
}

/// A call that did not work, with the limits that came with it.
#[derive(Debug)]
pub struct CallProblem {
    /// The problem.
    pub problem: Problem,
    /// Limits.
    pub rate_limits: Box<RateLimits>,
}

impl From<Problem> for CallProblem {
    fn from(problem: Problem) -> Self {
        Self { problem, rate_limits: Box::default() }
    }
}

/// What `dry_run` answers.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DryRun {
    /// Always true.
    pub dry_run: bool,
    /// The method, `users.suspend`.
    pub method: String,
    /// What the guards say: `{"allowed":true}` or `{"allowed":false,"problem":{…}}`; with `policy`, the rules that were
    /// looked at and what decided, where the policy has a rule about the call; with `expect`, each member that was compared.
    pub decision: Value,
    /// Whether a write can be undone afterwards; `None` of a read.
    pub undoable: Option<Undoable>,
    /// The exact request; `None` when the guards refuse.
    pub request: Option<Preview>,
}

/// A call that was not made: what the guards say of it, and what would be sent.
pub(crate) struct Rehearsal {
    pub(crate) prepared: Prepared,
    pub(crate) guarded: Guarded,
    /// `None` when the guards refuse.
    pub(crate) request: Option<Preview>,
}

impl Gateway {
    /// The pipeline: resolve → validate → guard → authorise upstream → execute → normalise → record.
    ///
    /// A write that was begun is finished and recorded even when this future is dropped.
    pub async fn call(&self, actor: &Arc<Actor>, request: CallRequest) -> Result<CallAnswer, CallProblem> {
        let started = Instant::now();
        let mut record = Record::begin(self, actor, &request, started);
        let prepared = match self.prepare(actor, request, &mut record).await {
            Ok(prepared) => prepared,
            Err(problem) => {
                record.refused(&problem).await;
                return Err(problem.into());
            }
        };
        if prepared.method().effect == Effect::Read {
            let guarded = self.guard(actor, &prepared).await;
            let guarded = self.with_approval(actor, &prepared, guarded, Asking::Call).await;
            record.guarded(&prepared.entry, &guarded);
            return match guarded.result {
                Ok(()) => self.unless_in_vain(guarded.taken, self.read(actor, &prepared, record).await).await,
                Err(failed) => {
                    record.not_let_through(&failed.problem).await;
                    Err(failed)
                }
            };
        }
        let gateway = self.clone();
        let actor = Arc::clone(actor);
        let write = self.inner.writes.spawn(async move { gateway.write(&actor, &prepared, record).await });
        write.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a write panicked");
            Err(Problem::gateway(Code::Internal, "The call failed inside the gateway.").into())
        })
    }

    async fn read(&self, actor: &Actor, prepared: &Prepared, record: Record) -> Result<CallAnswer, CallProblem> {
        match self.execute(prepared, None).await {
            Ok(answer) => {
                self.remember(actor, prepared, &answer).await;
                if let Answer::List(list) = &answer {
                    self.learn_size(actor, prepared, list).await;
                }
                let calls = upstream_calls(&answer);
                let answer = self.answer(prepared, answer);
                record.done(calls).await;
                answer
            }
            Err(failure) => {
                record.failed(&failure.problem, failure.upstream_calls).await;
                Err(CallProblem { problem: failure.problem, rate_limits: Box::new(failure.rate_limits) })
            }
        }
    }

    async fn write(&self, actor: &Actor, prepared: &Prepared, mut record: Record) -> Result<CallAnswer, CallProblem> {
        let claimed = match self.claim(actor, prepared).await {
            Ok(claimed) => claimed,
            Err(problem) => {
                record.refused(&problem).await;
                return Err(problem.into());
            }
        };
        let claim = match claimed {
            Claimed::Replay(answer) => {
                record.replayed(answer.is_ok()).await;
                return answer;
            }
            Claimed::New(claim) => claim,
        };
        let obeys = match self.recall(actor, prepared).await {
            Ok(()) => self.obeys_rules(actor, prepared).await,
            Err(problem) => Err(problem),
        };
        let admitted = match obeys.and_then(|()| self.accepts_writes()) {
            Ok(()) => self.inner.turns.take(prepared).await,
            Err(problem) => Err(problem),
        };
        let turn = match admitted {
            Ok(turn) => turn,
            Err(problem) => {
                self.release(claim).await;
                record.refused(&problem).await;
                return Err(problem.into());
            }
        };
        // In turn, so that the record does not change between this look at it and the write.
        let mut guarded = self.ask_policy(actor, prepared).await;
        // Before an approval is taken, or anybody is asked for one.
        if (guarded.result.is_ok() || guarded.approval.is_some())
            && let Err(problem) = self.is_still_on(actor, prepared).await
        {
            (guarded.result, guarded.approval) = (Err(problem.into()), None);
        }
        let mut guarded = self.with_approval(actor, prepared, guarded, Asking::Call).await;
        // Last, so that only what is about to be sent is counted.
        let mut counted = None;
        if guarded.result.is_ok() {
            counted = self.count_change(actor, prepared, &mut guarded).await;
            if guarded.result.is_err()
                && let Some(taken) = guarded.taken.take()
            {
                self.give_back(taken).await;
            }
        }
        record.guarded(&prepared.entry, &guarded);
        if let Err(failed) = guarded.result {
            drop(turn);
            self.release(claim).await;
            record.not_let_through(&failed.problem).await;
            return Err(failed);
        }
        let executed = self.execute(prepared, guarded.before).await;
        drop(turn);
        self.settle_count(actor, counted, &executed).await;
        let is_accepted = executed.as_ref().is_err_and(|failure| failure.is_accepted);
        let (result, record) = match executed {
            Ok(answer) => {
                self.remember(actor, prepared, &answer).await;
                let record = record.written(&answer);
                (self.answer(prepared, answer), record)
            }
            Err(failure) => {
                let record = record.not_written(&failure);
                (Err(CallProblem { problem: failure.problem, rate_limits: Box::new(failure.rate_limits) }), record)
            }
        };
        self.settle(claim, &result, is_accepted).await;
        let result = self.unless_in_vain(guarded.taken.filter(|_| !is_accepted), result).await;
        match record.commit().await {
            Ok(()) => result,
            // The vendor's refusal is the better news; a change without a record must be told.
            Err(_) if result.is_err() => result,
            Err(_) => Err(crate::not_recorded().into()),
        }
    }

    /// Gives back the approval that a call took when the vendor did not even look at it.
    async fn unless_in_vain(
        &self,
        taken: Option<Taken>,
        result: Result<CallAnswer, CallProblem>,
    ) -> Result<CallAnswer, CallProblem> {
        if let (Some(taken), Err(failed)) = (taken, &result)
            && nothing_happened(&failed.problem)
        {
            self.give_back(taken).await;
        }
        result
    }

    /// Writes need an audit log that can be written.
    fn accepts_writes(&self) -> Result<(), Problem> {
        if self.inner.audit.healthy() {
            return Ok(());
        }
        Err(Problem::gateway(
            Code::Unavailable,
            "The audit log cannot be written at the moment, so writes are refused; nothing was sent. Reads go on.",
        )
        .with_hint("An operator has to look at the gateway's storage (a full disk, for instance)."))
    }

    /// Sends it. `before`: the record that the guards read, so that it is not read again.
    async fn execute(&self, prepared: &Prepared, before: Option<Bytes>) -> Result<Answer, Failure> {
        let nothing_sent = |problem| Failure {
            problem,
            rate_limits: RateLimits::default(),
            before: None,
            is_accepted: false,
            upstream_calls: 0,
        };
        let entry = &prepared.entry;
        let connection = entry.connection().map_err(nothing_sent)?;
        let credentials = || entry.credentials();
        let call = Call { before, ..engine_call(prepared, &connection, &credentials) };
        self.inner.engine.execute(call).await
    }

    /// The body, and the limits that came with it.
    fn answer(&self, prepared: &Prepared, answer: Answer) -> Result<CallAnswer, CallProblem> {
        match answer {
            Answer::List(mut list) => {
                let next = match &list.next {
                    Some(position) => Some(prepared.cursor.seal(
                        &self.inner.cursors,
                        prepared.method(),
                        position,
                        list.scanned.unwrap_or(list.count),
                    )?),
                    None => None,
                };
                let rate_limits = std::mem::take(&mut list.rate_limits);
                let upstream_calls = list.upstream_calls;
                let body = body::list(list, next.as_deref());
                Ok(CallAnswer { body, rate_limits, upstream_calls, replayed: false })
            }
            Answer::Single(single) => Ok(CallAnswer {
                body: body::single(single.body, single.changed),
                rate_limits: single.rate_limits,
                upstream_calls: single.upstream_calls,
                replayed: false,
            }),
        }
    }

    /// The same up to the guards. Nothing is sent, but for the read of a record that a rule of the policy or `expect` looks at.
    pub async fn dry_run(&self, actor: &Arc<Actor>, request: CallRequest) -> Result<DryRun, Problem> {
        let Rehearsal { prepared, guarded, request } = self.rehearse(actor, request).await?;
        let mut decision = json!({"allowed": guarded.result.is_ok()});
        if let Some(why) = guarded.why {
            decision["policy"] = why;
        }
        if let Some(compared) = guarded.compared {
            decision["expect"] = json!(compared);
        }
        if let Err(failed) = guarded.result {
            decision["problem"] = json!(failed.problem);
        }
        let method = prepared.method();
        let is_write = method.effect != Effect::Read;
        let undoable = is_write.then(|| Undoable::of(&prepared.entry.plan.plan, method));
        Ok(DryRun { dry_run: true, method: method.full_name(), decision, undoable, request })
    }

    /// A call up to the guards, with the request that would be sent.
    pub(crate) async fn rehearse(&self, actor: &Arc<Actor>, request: CallRequest) -> Result<Rehearsal, Problem> {
        let mut record = Record::begin(self, actor, &request, Instant::now());
        let prepared = self.prepare(actor, request, &mut record).await;
        record.forget();
        let prepared = prepared?;
        let guarded = self.guard(actor, &prepared).await;
        let mut guarded = self.with_approval(actor, &prepared, guarded, Asking::Rehearsal).await;
        if guarded.result.is_ok() && prepared.method().effect != Effect::Read {
            self.rehearse_count(actor, &prepared, &mut guarded).await;
        }
        let request = match &guarded.result {
            Ok(()) => {
                let entry = &prepared.entry;
                let connection = entry.connection()?;
                let credentials = || entry.credentials();
                Some(self.inner.engine.preview(&engine_call(&prepared, &connection, &credentials))?)
            }
            Err(_) => None,
        };
        Ok(Rehearsal { prepared, guarded, request })
    }
}

fn engine_call<'a>(
    prepared: &'a Prepared,
    connection: &'a Map<String, Value>,
    credentials: &'a (dyn Fn() -> Result<quartermaster_vault::Secrets, Problem> + Send + Sync),
) -> Call<'a> {
    let method = prepared.method();
    let wait = prepared.wait.filter(|_| method.effect == Effect::Read).map(|wait| wait.min(PREFER_WAIT_MAX));
    Call {
        account: prepared.entry.id,
        credential_version: prepared.entry.access_version,
        holder: Some(prepared.holder),
        pass: Some(&prepared.pass),
        then: 0,
        plan: &prepared.entry.plan.plan,
        method,
        connection,
        credentials,
        arguments: &prepared.arguments,
        list: prepared.list.clone(),
        deadline: CALL_DEADLINE + wait.unwrap_or_default(),
        before: None,
        wait,
    }
}

fn upstream_calls(answer: &Answer) -> u32 {
    match answer {
        Answer::List(list) => list.upstream_calls,
        Answer::Single(single) => single.upstream_calls,
    }
}
