//! What would come of a delivery: every step, and nothing started or written down.

use std::sync::Arc;

use quartermaster_store_model::{DeliveryOutcome, TriggerRow};
use quartermaster_trigger::{Considered, Delivery, Facts, Item, Schedule, Source, Trigger, Webhook, payload};
use quartermaster_types::{Problem, RunId, Timestamp, TriggerId};
use serde::Serialize;
use serde_json::{Map, Value};

use super::accept::{new_run, told};
use super::hook::content_type;
use super::loaded;
use crate::limits::SCHEDULE_TIMES_SHOWN;
use crate::{Actor, Gateway, rights, storage_problem};

/// A delivery that is only looked at.
#[derive(Clone, Debug, Default)]
pub struct TestDelivery {
    /// Headers; names in any case.
    pub headers: Vec<(String, String)>,
    /// Parameters of the query.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// Whether it counts as verified, so that conditions and expressions can be tried without a signature.
    pub verified: bool,
}

/// What would come of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TriggerTest {
    /// What the whole would count as.
    pub outcome: Option<DeliveryOutcome>,
    /// Every step, in order, up to the first that fails.
    pub steps: Vec<TestStep>,
    /// What would become of each item.
    pub items: Vec<TestedItem>,
    /// For schedules: the next times.
    pub next: Vec<Timestamp>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestStep {
    /// `verify`, `replay`, `payload`, `challenge`, `enabled`, `token`, `map`.
    pub step: &'static str,
    /// Whether it goes on.
    pub ok: bool,
    /// In words.
    pub detail: String,
}

/// What would become of one item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestedItem {
    /// `started`, `duplicate`, `ignored` or `failed`.
    pub outcome: DeliveryOutcome,
    /// What the run would be started with.
    pub input: Option<Map<String, Value>>,
    /// By what the event is recognised.
    pub dedupe_key: Option<String>,
    /// The run that was started for this event before.
    pub duplicate_of: Option<RunId>,
    /// Why it would fail.
    pub detail: Option<String>,
}

impl TriggerTest {
    /// Notes a step; whether to go on.
    fn note(&mut self, step: &'static str, result: Result<String, String>, otherwise: DeliveryOutcome) -> bool {
        let ok = result.is_ok();
        let (Ok(detail) | Err(detail)) = result;
        self.steps.push(TestStep { step, ok, detail });
        if !ok {
            self.outcome = Some(otherwise);
        }
        ok
    }
}

impl Gateway {
    /// Looks at a delivery, or at the next time of a schedule, and tells every step (full admin). Nothing is started or written down.
    pub async fn test_trigger(
        &self,
        actor: &Arc<Actor>,
        id: TriggerId,
        mut delivery: TestDelivery,
    ) -> Result<TriggerTest, Problem> {
        rights::require_full_admin(actor, "test triggers")?;
        let row = self.trigger_row(actor, id).await?;
        let mut test = TriggerTest::default();
        let Some(trigger) = loaded(&row) else {
            test.note("load", Err("the stored trigger does not load any more".to_owned()), DeliveryOutcome::Failed);
            return Ok(test);
        };
        delivery.headers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        let facts = match &trigger.source {
            Source::Schedule(schedule) => self.test_schedule(&row, schedule, &mut test),
            Source::Webhook(webhook) => self.test_webhook(&row, webhook, &delivery, &mut test).await?,
        };
        if let Some(facts) = facts {
            self.test_start(&row, &trigger, &facts, &mut test).await?;
        }
        Ok(test)
    }

    fn test_schedule(&self, row: &TriggerRow, schedule: &Schedule, test: &mut TriggerTest) -> Option<Facts> {
        let now = self.inner.clock.now();
        let mut last = now;
        for _ in 0..SCHEDULE_TIMES_SHOWN {
            let Some(next) = schedule.next_after(last) else { break };
            test.next.push(next);
            last = next;
        }
        let next = *test.next.first()?;
        Some(Facts::of_schedule((row.id, &row.name), next, next))
    }

    /// The facts, when the delivery would get so far.
    async fn test_webhook(
        &self,
        row: &TriggerRow,
        webhook: &Webhook,
        given: &TestDelivery,
        test: &mut TriggerTest,
    ) -> Result<Option<Facts>, Problem> {
        let at = self.inner.clock.now();
        let delivery = Delivery { headers: &given.headers, query: &given.query, body: given.body.as_bytes() };
        if given.verified {
            test.note("verify", Ok("taken as verified, as was asked".to_owned()), DeliveryOutcome::Refused);
        } else {
            let secrets = self.trigger_secrets(row).await?;
            let verified = webhook.verify(&delivery, &secrets, at);
            let told = match &verified {
                Ok(_) => Ok("it comes from who it says".to_owned()),
                Err(refusal) => Err(format!("{}: {refusal}", refusal.reason.as_str())),
            };
            if !test.note("verify", told, DeliveryOutcome::Refused) {
                return Ok(None);
            }
            if let Some((signature, _)) = verified.ok().and_then(|verified| verified.replay) {
                let known = self.inner.store.knows_signature(row.environment_id, row.id, &signature).await;
                let told = if known.map_err(storage_problem)? {
                    Err("the very same delivery came before".to_owned())
                } else {
                    Ok("it did not come before".to_owned())
                };
                if !test.note("replay", told, DeliveryOutcome::Refused) {
                    return Ok(None);
                }
            }
        }
        let read = payload(content_type(&given.headers), given.body.as_bytes());
        let told = read.as_ref().map(|_| "the body can be read".to_owned()).map_err(ToString::to_string);
        if !test.note("payload", told, DeliveryOutcome::Failed) {
            return Ok(None);
        }
        let payload = read.unwrap_or_default();
        let facts = Facts::of_delivery(webhook, (row.id, &row.name), &delivery, payload, at);
        if let Some(answer) = webhook.challenge(&facts, false) {
            let told = answer.map(|answer| format!("answered with {answer}"));
            if test.note("challenge", told, DeliveryOutcome::Failed) {
                test.outcome = Some(DeliveryOutcome::Answered);
            }
            return Ok(None);
        }
        Ok(Some(facts))
    }

    async fn test_start(
        &self,
        row: &TriggerRow,
        trigger: &Trigger,
        facts: &Facts,
        test: &mut TriggerTest,
    ) -> Result<(), Problem> {
        let told = if row.enabled { Ok("it is switched on".to_owned()) } else { Err("it is switched off".to_owned()) };
        if !test.note("enabled", told, DeliveryOutcome::Refused) {
            return Ok(());
        }
        let actor = self.actor_of(row.environment_id, row.token_id).await?;
        let told = match &actor {
            Some(actor) => Ok(format!("runs work with the rights of the token {}", actor.token_id)),
            None => Err("the token was revoked, or has expired".to_owned()),
        };
        let (true, Some(actor)) = (test.note("token", told, DeliveryOutcome::Failed), actor) else { return Ok(()) };
        let considered = match trigger.consider(facts) {
            Ok(considered) => considered,
            Err(detail) => {
                test.note("map", Err(detail), DeliveryOutcome::Failed);
                return Ok(());
            }
        };
        let count = considered.len();
        test.note("map", Ok(format!("{count} item{}", if count == 1 { "" } else { "s" })), DeliveryOutcome::Failed);
        for one in considered {
            test.items.push(match one {
                Considered::Ignored => item(DeliveryOutcome::Ignored),
                Considered::Failed(detail) => TestedItem { detail: Some(detail), ..item(DeliveryOutcome::Failed) },
                Considered::Start(one) => self.test_item(row, trigger, &actor, one).await?,
            });
        }
        let first = |outcome| test.items.iter().any(|item| item.outcome == outcome).then_some(outcome);
        let weight =
            [DeliveryOutcome::Started, DeliveryOutcome::Failed, DeliveryOutcome::Duplicate, DeliveryOutcome::Ignored];
        test.outcome = Some(weight.into_iter().find_map(first).unwrap_or(DeliveryOutcome::Ignored));
        Ok(())
    }

    async fn test_item(
        &self,
        row: &TriggerRow,
        trigger: &Trigger,
        actor: &Arc<Actor>,
        one: Item,
    ) -> Result<TestedItem, Problem> {
        let now = self.inner.clock.now();
        let known = self.inner.store.find_trigger_event(row.environment_id, row.id, &one.dedupe, now).await;
        let duplicate_of = known.map_err(storage_problem)?;
        let prepared = self.prepare_run(actor, self.inner.ids.next(), new_run(trigger, &one)).await;
        let (outcome, detail) = match prepared {
            Err(problem) if problem.status() >= 500 => return Err(problem),
            Err(problem) => (DeliveryOutcome::Failed, Some(told(&problem))),
            Ok(_) if duplicate_of.is_some() => (DeliveryOutcome::Duplicate, None),
            Ok(_) => (DeliveryOutcome::Started, None),
        };
        Ok(TestedItem {
            input: Some(one.input),
            dedupe_key: Some(one.dedupe_key),
            duplicate_of,
            detail,
            ..item(outcome)
        })
    }
}

fn item(outcome: DeliveryOutcome) -> TestedItem {
    TestedItem { outcome, input: None, dedupe_key: None, duplicate_of: None, detail: None }
}
