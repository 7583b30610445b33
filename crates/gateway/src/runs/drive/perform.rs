//! One call of a run, through the same pipeline as every other call.

use std::sync::Arc;

use quartermaster_store_model::RunRow;
use quartermaster_types::{AccountId, Code, Origin, Problem, RequestId, Timestamp};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::super::ground::Grounds;
use super::super::machine::{Call, Reply};
use crate::limits::{
    IDEMPOTENCY_IN_FLIGHT_MAX, IDEMPOTENCY_KEPT_FOR, IDEMPOTENCY_KEY_MAX_CHARACTERS, RUN_IN_FLIGHT_RETRY_EVERY,
    RUN_LEASE,
};
use crate::{Actor, Arguments, CallRequest, Door, Gateway, Target};

/// A call that has come to its end.
pub(super) struct Performed {
    pub(super) key: String,
    pub(super) ending: Ending,
}

/// What came of it.
pub(super) enum Ending {
    Answered {
        result: Value,
        request_id: RequestId,
        grounds: Option<Grounds>,
    },
    /// A model answered.
    Replied(Reply),
    Failed(Problem),
    /// The run is to stop, and nobody knows yet what came of the call.
    Halted,
    /// The run makes no further call: its token cannot be used any more, or somebody has switched off what it works with.
    NoRights(Problem),
}

/// What a call needs besides itself.
pub(super) struct Task {
    pub(super) gateway: Gateway,
    pub(super) run: Arc<RunRow>,
    pub(super) session: String,
    /// When another worker began it, which did not come to its end.
    pub(super) cut_off: Option<Timestamp>,
    /// When this worker claimed the run: no worker from before may go on.
    pub(super) claimed_at: Timestamp,
    pub(super) cancel: CancellationToken,
}

impl Task {
    /// Makes the call. One that another worker began gets that worker's answer from its idempotency key; while it may still be
    /// under way there, it is waited for.
    pub(super) async fn perform(self, call: Call) -> Performed {
        let key = call.key.clone();
        let began = self.gateway.inner.clock.now();
        let in_flight_until = began.plus_ms(IDEMPOTENCY_IN_FLIGHT_MAX.as_millis() as i64);
        if self.cut_off.is_some_and(|at| began.ms_since(at) > IDEMPOTENCY_KEPT_FOR.as_millis() as i64) {
            return Performed { key, ending: Ending::Failed(unknown()) };
        }
        let ending = loop {
            match self.once(&call).await {
                Ending::Failed(problem) if self.cut_off.is_some() && is_in_flight(&problem) => {
                    if self.gateway.inner.clock.now() > in_flight_until {
                        break Ending::Failed(unknown());
                    }
                }
                ending => break ending,
            }
            tokio::select! {
                () = tokio::time::sleep(RUN_IN_FLIGHT_RETRY_EVERY) => {}
                () = self.cancel.cancelled() => break Ending::Halted,
                () = self.gateway.inner.runs.stopping.cancelled() => break Ending::Halted,
            }
        };
        Performed { key, ending }
    }

    async fn once(&self, call: &Call) -> Ending {
        let actor = match self.gateway.actor_of(self.run.environment_id, self.run.token_id).await {
            Ok(Some(actor)) => actor,
            Ok(None) => return Ending::NoRights(no_rights()),
            Err(problem) => return Ending::Failed(problem),
        };
        let request_id = self.gateway.request_id();
        match self.answer(&actor, request_id, call).await {
            Ok((result, grounds)) => Ending::Answered { result, request_id, grounds },
            Err(problem) if problem.code() == Code::SwitchedOff => Ending::NoRights(problem.with_instance(request_id)),
            Err(problem) => Ending::Failed(problem.with_instance(request_id)),
        }
    }

    async fn answer(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        call: &Call,
    ) -> Result<(Value, Option<Grounds>), Problem> {
        let request = self.request(request_id, call)?;
        let account = request.account;
        if call.dry_run {
            let rehearsal = self.gateway.dry_run(actor, request).await?;
            return serde_json::to_value(&rehearsal).map(|value| (value, None)).map_err(|_| unreadable());
        }
        let answer = self.gateway.call(actor, request).await.map_err(|failed| failed.problem)?;
        let replayed = answer.replayed;
        let mut result: Value = serde_json::from_slice(&answer.body.concat()).map_err(|_| unreadable())?;
        // The worker before may have made it so: who did is not known.
        if self.cut_off.is_some() && !replayed && result["changed"] == false {
            result["changed"] = Value::Null;
        }
        let entry = self.gateway.account(actor, account).await;
        let grounds = entry.ok().and_then(|entry| Grounds::of(&entry, &call.resource, &call.method, &result));
        Ok((result, grounds))
    }

    /// Claims of this step's key from before this moment are those of workers that lost the run. The lease had run out by then;
    /// what they sent has had as long again to arrive.
    fn takes_over(&self) -> Option<Timestamp> {
        let before = self.gateway.inner.clock.now().plus_ms(-(RUN_LEASE.as_millis() as i64));
        self.cut_off.map(|_| before.min(self.claimed_at))
    }

    fn request(&self, request_id: RequestId, call: &Call) -> Result<CallRequest, Problem> {
        let account = match &call.account {
            Some(text) => text.parse::<AccountId>().ok(),
            None => self.run.account_id,
        };
        let account = account.ok_or_else(|| {
            Problem::caller(Code::InvalidArgument, "The call names no integrated account.")
                .with_error("/account", "the UUID of an integrated account is expected")
        })?;
        Ok(CallRequest {
            request_id,
            door: Door::Tool,
            account,
            target: Target::Method { resource: call.resource.clone(), method: call.method.clone() },
            arguments: Arguments::Json(call.arguments.clone()),
            session: Some(self.session.clone()),
            wait: None,
            idempotency_key: Some(idempotency_key(&self.session, &call.key)),
            takes_over: self.takes_over(),
            expect: call.expect.clone(),
        })
    }
}

/// The key under which a step's write is made once, whichever worker makes it.
pub(super) fn idempotency_key(session: &str, key: &str) -> String {
    let text = format!("{session}:{key}");
    if text.len() <= IDEMPOTENCY_KEY_MAX_CHARACTERS && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text;
    }
    let digest = quartermaster_vault::sha256(&[key.as_bytes()]);
    digest.iter().fold(format!("{session}:#"), |text, byte| text + &format!("{byte:02x}"))
}

/// Our own 409: another request under the key has no answer yet.
fn is_in_flight(problem: &Problem) -> bool {
    problem.code() == Code::Conflict && problem.body().origin == Origin::Caller
}

fn unknown() -> Problem {
    Problem::gateway(Code::Internal, "The call was cut off, and whether it was done is not known.")
        .with_hint("Read the record before writing again: the change may have happened.")
}

fn unreadable() -> Problem {
    Problem::gateway(Code::Internal, "The answer of the call cannot be read.")
}

pub(super) fn no_rights() -> Problem {
    Problem::gateway(
        Code::Unauthenticated,
        "The API token that started this run has expired or was revoked, so the run makes no further call.",
    )
    .with_hint("Start it again with a valid token; what is done already is found so.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_one_key_that_fits() {
        let session = "run:01890000-0000-7000-8000-000000000000";
        let room = IDEMPOTENCY_KEY_MAX_CHARACTERS - session.len() - 1;
        assert_eq!(idempotency_key(session, "people/1/suspend"), format!("{session}:people/1/suspend"));
        assert!(idempotency_key(session, &"k".repeat(room)).ends_with("kk"), "at the limit it is kept");
        let (past, other) =
            (idempotency_key(session, &"k".repeat(room + 1)), idempotency_key(session, &"k".repeat(room + 2)));
        assert!(past.len() <= IDEMPOTENCY_KEY_MAX_CHARACTERS && past.contains(":#"));
        assert_ne!(past, other);
        assert_ne!(idempotency_key(session, "a b"), idempotency_key(session, "a c"));
        assert!(idempotency_key(session, "é").bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
