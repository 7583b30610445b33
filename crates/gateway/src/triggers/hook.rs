//! Inbound webhooks. Whoever sends is a stranger until the delivery is verified; what was wrong with one that is not is told in
//! the list of deliveries, never to the sender.

use quartermaster_store_model::{DeliveryOutcome, TriggerRow};
use quartermaster_trigger::{Delivery, Facts, PayloadError, Reason, Trigger, Verified, Webhook, payload};
use quartermaster_types::{Code, DeliveryId, Problem, RequestId, RunId, Timestamp, TriggerId};
use quartermaster_vault::{Scrubber, Secrets};
use serde::Serialize;
use serde_json::Value;

use super::accept::{Delivered, Draft, ItemOutcome, Occasion};
use super::loaded;
use crate::limits::{DELIVERY_PAYLOAD_MAX_BYTES, HOOK_ATTEMPTS_MAX, HOOK_RETRY_AFTER};
use crate::{Gateway, storage_problem};

/// One inbound request.
#[derive(Clone, Debug)]
pub struct HookRequest {
    /// The request id.
    pub request_id: RequestId,
    /// Headers that are text, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Parameters of the query, decoded.
    pub query: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: bytes::Bytes,
}

/// What the sender is told.
#[derive(Clone, Debug, PartialEq)]
pub enum HookAnswer {
    /// The answer to a question whether somebody is here: a text as it is, anything else as JSON.
    Challenge(Value),
    /// It was taken.
    Accepted {
        /// The delivery, as in the list of deliveries.
        delivery_id: DeliveryId,
        /// What became of each item.
        runs: Vec<HookRun>,
    },
}

/// What became of one item of a delivery: one of the members says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HookRun {
    /// The run that was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// The run that was started for this event before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<RunId>,
    /// True when nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<bool>,
    /// Why no run could be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// A stored trigger with everything that a delivery is looked at with.
struct Hook {
    row: TriggerRow,
    trigger: Trigger,
    secrets: Secrets,
}

impl Hook {
    fn webhook(&self) -> Option<&Webhook> {
        self.trigger.webhook()
    }
}

impl Gateway {
    /// Takes a delivery: verified, filtered, mapped, and each event started once however many replicas are told of it.
    ///
    /// 401 for everything that is not verified, an unknown hook included, without a word on what was wrong.
    pub async fn receive_hook(&self, id: TriggerId, request: HookRequest) -> Result<HookAnswer, Problem> {
        for _ in 0..HOOK_ATTEMPTS_MAX {
            let Some(hook) = self.find_hook(id).await? else { return Err(not_accepted()) };
            let answered = self.answer_hook(&hook, &request).await?;
            if let Some(answer) = answered {
                return Ok(answer);
            }
        }
        Err(Problem::gateway(Code::Unavailable, "The hook is being changed; nothing was started.")
            .with_hint("Send the delivery again in a moment."))
    }

    async fn find_hook(&self, id: TriggerId) -> Result<Option<Hook>, Problem> {
        let Some(row) = self.inner.store.find_hook(id).await.map_err(storage_problem)? else { return Ok(None) };
        let Some(trigger) = loaded(&row) else { return Ok(None) };
        let secrets = self.trigger_secrets(&row).await?;
        let hook = Hook { row, trigger, secrets };
        Ok(hook.webhook().is_some().then_some(hook))
    }

    /// `None` when the trigger was changed meanwhile.
    async fn answer_hook(&self, hook: &Hook, request: &HookRequest) -> Result<Option<HookAnswer>, Problem> {
        let Some(webhook) = hook.webhook() else { return Err(not_accepted()) };
        let at = self.inner.clock.now();
        let delivery = Delivery { headers: &request.headers, query: &request.query, body: &request.body };
        let read = payload(content_type(&request.headers), &request.body);
        let name = (hook.row.id, hook.row.name.as_str());
        let facts = |payload: Value| Facts::of_delivery(webhook, name, &delivery, payload, at);
        if webhook.answers_unsigned() {
            // A question may come without a body.
            let facts = facts(read.clone().unwrap_or_default());
            if let Some(Ok(answer)) = webhook.challenge(&facts, true) {
                self.note_unverified(hook, request, at, DeliveryOutcome::Answered, "a question was answered").await;
                return Ok(Some(HookAnswer::Challenge(answer)));
            }
        }
        let verified = match webhook.verify(&delivery, &hook.secrets, at) {
            Ok(verified) => verified,
            Err(refusal) => {
                let detail = format!("refused: {}: {refusal}", refusal.reason.as_str());
                self.note_unverified(hook, request, at, DeliveryOutcome::Refused, &detail).await;
                return Err(not_accepted());
            }
        };
        let draft = self.draft(request, at, Some(&hook.secrets));
        let payload = match read {
            Ok(payload) => payload,
            Err(error) => {
                self.note_delivery(&hook.row, draft, DeliveryOutcome::Failed, format!("failed: {error}")).await;
                return Err(unreadable(&error));
            }
        };
        let facts = facts(payload);
        if let Some(answer) = webhook.challenge(&facts, false) {
            return self.answer_challenge(hook, draft, answer).await.map(Some);
        }
        self.start_verified(hook, verified, &facts, draft).await
    }

    async fn answer_challenge(
        &self,
        hook: &Hook,
        draft: Draft,
        answer: Result<Value, String>,
    ) -> Result<HookAnswer, Problem> {
        match answer {
            Ok(answer) => {
                let detail = "a question was answered".to_owned();
                self.note_delivery(&hook.row, draft, DeliveryOutcome::Answered, detail).await;
                Ok(HookAnswer::Challenge(answer))
            }
            Err(error) => {
                let detail = format!("failed: challenge: {error}");
                self.note_delivery(&hook.row, draft, DeliveryOutcome::Failed, detail.clone()).await;
                Err(Problem::caller(Code::InvalidArgument, format!("The question cannot be answered: {error}.")))
            }
        }
    }

    async fn start_verified(
        &self,
        hook: &Hook,
        verified: Verified,
        facts: &Facts,
        draft: Draft,
    ) -> Result<Option<HookAnswer>, Problem> {
        if !hook.row.enabled {
            let detail = "refused: the trigger is switched off".to_owned();
            self.note_delivery(&hook.row, draft, DeliveryOutcome::Refused, detail).await;
            return Err(idle("This hook is switched off; nothing was started."));
        }
        let Some(actor) = self.actor_of(hook.row.environment_id, hook.row.token_id).await? else {
            let detail = "failed: the token whose rights the runs have was revoked, or has expired".to_owned();
            self.note_delivery(&hook.row, draft, DeliveryOutcome::Failed, detail).await;
            return Err(idle(
                "The token with whose rights this hook works was revoked or has expired; nothing was started.",
            ));
        };
        let occasion = Occasion {
            row: &hook.row,
            trigger: &hook.trigger,
            actor: &actor,
            door: "hook",
            replay: verified.replay,
            schedule: None,
        };
        let delivery_id = draft.id;
        match self.deliver(&occasion, facts, draft.clone()).await? {
            Delivered::Stale => Ok(None),
            Delivered::Replayed => {
                let detail = format!("refused: {}: the very same delivery came before", Reason::Replayed.as_str());
                self.note_delivery(&hook.row, draft, DeliveryOutcome::Refused, detail).await;
                Err(not_accepted())
            }
            Delivered::Done(items) => answer(delivery_id, &items).map(Some),
        }
    }

    /// Writes down what a stranger sent, without the body, and not more of it than a trigger's share.
    async fn note_unverified(
        &self,
        hook: &Hook,
        request: &HookRequest,
        at: Timestamp,
        outcome: DeliveryOutcome,
        detail: &str,
    ) {
        if self.inner.triggers.refusals.admits(hook.row.id, at) {
            self.note_delivery(&hook.row, self.draft(request, at, None), outcome, detail.to_owned()).await;
        } else {
            self.inner.metrics.delivery(outcome);
        }
    }

    /// `secrets`: the body is kept, without them; `None`: it is not.
    fn draft(&self, request: &HookRequest, at: Timestamp, secrets: Option<&Secrets>) -> Draft {
        Draft {
            id: self.inner.ids.next(),
            request_id: request.request_id,
            at,
            digest: quartermaster_vault::sha256_of(&request.body),
            body_bytes: u32::try_from(request.body.len()).unwrap_or(u32::MAX),
            payload: secrets.map(|secrets| kept(&request.body, secrets)),
        }
    }
}

/// A body as it is kept: as text, without secrets, cut.
fn kept(body: &[u8], secrets: &Secrets) -> String {
    let mut text = Scrubber::new(secrets).scrub(&String::from_utf8_lossy(body));
    if text.len() > DELIVERY_PAYLOAD_MAX_BYTES {
        text.truncate(text.floor_char_boundary(DELIVERY_PAYLOAD_MAX_BYTES));
    }
    text
}

pub(super) fn content_type(headers: &[(String, String)]) -> Option<&str> {
    headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str())
}

/// What the sender is told of each item; a problem when nothing at all came of it.
fn answer(delivery_id: DeliveryId, items: &[ItemOutcome]) -> Result<HookAnswer, Problem> {
    if items.iter().any(|item| item.outcome == DeliveryOutcome::Limited) {
        let seconds = HOOK_RETRY_AFTER.as_secs();
        let detail = "This hook has started as many runs as it may in an hour; what was not started before has to be sent again.";
        return Err(Problem::gateway(Code::RateLimited, detail)
            .with_retry(true, Some(seconds))
            .with_hint("Send the same delivery again later: what was started is not started twice."));
    }
    if !items.is_empty() && items.iter().all(|item| item.outcome == DeliveryOutcome::Failed) {
        let problem = Problem::caller(Code::InvalidArgument, "No run could be started from this delivery.")
            .with_hint("The trigger's list of deliveries has it; `qm trigger test` shows every step.");
        return Err(items.iter().enumerate().fold(problem, |problem, (number, item)| {
            problem.with_error(format!("/{number}"), item.detail.clone().unwrap_or_default())
        }));
    }
    let runs = items.iter().map(|item| match item.outcome {
        DeliveryOutcome::Started => HookRun { run_id: item.run_id, ..HookRun::default() },
        DeliveryOutcome::Duplicate => HookRun { duplicate_of: item.run_id, ..HookRun::default() },
        DeliveryOutcome::Failed => HookRun { failed: item.detail.clone(), ..HookRun::default() },
        _ => HookRun { ignored: Some(true), ..HookRun::default() },
    });
    Ok(HookAnswer::Accepted { delivery_id, runs: runs.collect() })
}

/// The one answer to whatever is not verified.
fn not_accepted() -> Problem {
    Problem::caller(Code::Unauthenticated, "The delivery was not accepted.")
        .with_hint("Whoever runs the gateway finds the reason in the trigger's list of deliveries.")
}

fn idle(detail: &str) -> Problem {
    Problem::gateway(Code::PermissionDenied, detail).with_hint("Ask whoever runs the gateway, then send it again.")
}

fn unreadable(error: &PayloadError) -> Problem {
    match error {
        PayloadError::MediaType => {
            Problem::caller(Code::UnsupportedMediaType, format!("Nothing was started: {error}."))
                .with_hint("Send `application/json` or `application/x-www-form-urlencoded`.")
        }
        PayloadError::Malformed(_) => Problem::caller(Code::InvalidArgument, format!("Nothing was started: {error}.")),
    }
}
