//! From a verified delivery, or a scheduled time, to runs: one way for both.

use std::sync::Arc;

use quartermaster_store_model::{
    Acceptance, Accepted, DeliveryOutcome, DeliveryRow, ScheduleStep, Started, TriggerRow, TriggerStart,
};
use quartermaster_trigger::{Considered, Facts, Item, Trigger};
use quartermaster_types::{DeliveryId, Problem, RequestId, RunId, Timestamp};
use serde::Serialize;

use crate::runs::NewRun;
use crate::{Actor, Gateway, storage_problem};

/// What is known of a delivery before anything came of it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) id: DeliveryId,
    pub(super) request_id: RequestId,
    pub(super) at: Timestamp,
    pub(super) digest: [u8; 32],
    pub(super) body_bytes: u32,
    pub(super) payload: Option<String>,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ItemOutcome {
    pub(super) outcome: DeliveryOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_id: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dedupe_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
}

/// An item on its way: something came of it already, or the store is still to say.
enum Prepared {
    Over(ItemOutcome),
    Start { dedupe_key: String },
}

/// What came of a delivery.
pub(super) enum Delivered {
    /// Each item; the delivery is written down.
    Done(Vec<ItemOutcome>),
    /// It came before.
    Replayed,
    /// The trigger is another one by now, or another replica took the scheduled time.
    Stale,
}

/// What a delivery is about.
pub(super) struct Occasion<'a> {
    pub(super) row: &'a TriggerRow,
    pub(super) trigger: &'a Trigger,
    pub(super) actor: &'a Arc<Actor>,
    /// `hook` or `schedule`.
    pub(super) door: &'static str,
    pub(super) replay: Option<([u8; 32], Timestamp)>,
    pub(super) schedule: Option<ScheduleStep>,
}

impl Gateway {
    /// Starts the runs that the facts ask for: each event once. All of it and the line in the list of deliveries stand or fall
    /// together.
    pub(super) async fn deliver(
        &self,
        occasion: &Occasion<'_>,
        facts: &Facts,
        draft: Draft,
    ) -> Result<Delivered, Problem> {
        let considered = match occasion.trigger.consider(facts) {
            Ok(considered) => considered,
            Err(detail) => vec![Considered::Failed(detail)],
        };
        let mut prepared = Vec::with_capacity(considered.len());
        let mut starts = Vec::new();
        for one in considered {
            prepared.push(match one {
                Considered::Ignored => Prepared::Over(ended(DeliveryOutcome::Ignored, None, None)),
                Considered::Failed(detail) => Prepared::Over(ended(DeliveryOutcome::Failed, None, Some(detail))),
                Considered::Start(item) => self.prepare_start(occasion, item, &draft, &mut starts).await?,
            });
        }
        let acceptance = Acceptance {
            environment_id: occasion.row.environment_id,
            trigger_id: occasion.row.id,
            version: occasion.row.version,
            now: draft.at,
            replay: occasion.replay,
            starts,
            runs_per_hour: u32::try_from(occasion.trigger.runs_per_hour).unwrap_or(u32::MAX),
            schedule: occasion.schedule,
        };
        let mut outcomes = Vec::new();
        let accepted = self
            .inner
            .store
            .accept_delivery(&acceptance, |started| {
                outcomes = settle(prepared, started);
                delivery(occasion.row, draft, &outcomes)
            })
            .await;
        Ok(match accepted.map_err(storage_problem)? {
            Accepted::Replayed => Delivered::Replayed,
            Accepted::Stale => Delivered::Stale,
            Accepted::Done(_) => {
                for one in &outcomes {
                    self.inner.metrics.delivery(one.outcome);
                }
                self.wake_workers();
                Delivered::Done(outcomes)
            }
        })
    }

    /// Checks a run whole. What cannot be started is told with its reason; only a fault of the gateway stops the delivery.
    async fn prepare_start(
        &self,
        occasion: &Occasion<'_>,
        item: Item,
        draft: &Draft,
        starts: &mut Vec<TriggerStart>,
    ) -> Result<Prepared, Problem> {
        let run = match self.prepare_run(occasion.actor, self.inner.ids.next(), new_run(occasion.trigger, &item)).await
        {
            Ok(run) => run,
            Err(problem) if problem.status() >= 500 => return Err(problem),
            Err(problem) => {
                let detail = told(&problem);
                return Ok(Prepared::Over(ended(DeliveryOutcome::Failed, Some(item.dedupe_key), Some(detail))));
            }
        };
        let by = serde_json::json!({
            "trigger_id": occasion.row.id,
            "trigger": occasion.row.name,
            "delivery_id": draft.id,
        });
        let audit = self.run_started(&run, draft.request_id).door(occasion.door).arguments(&by).row();
        let until =
            draft.at.plus_ms(i64::try_from(occasion.trigger.dedupe_seconds).unwrap_or(i64::MAX / 1_000) * 1_000);
        starts.push(TriggerStart { run, audit, event: item.dedupe, until });
        Ok(Prepared::Start { dedupe_key: item.dedupe_key })
    }

    /// Writes down a delivery that starts nothing.
    pub(super) async fn note_delivery(&self, row: &TriggerRow, draft: Draft, outcome: DeliveryOutcome, detail: String) {
        self.inner.metrics.delivery(outcome);
        let row = line(row, draft, outcome, detail);
        if let Err(error) = self.inner.store.insert_delivery(&row).await {
            tracing::warn!(%error, trigger = %row.trigger_id, "a delivery could not be written down");
        }
    }
}

/// The run of an item.
pub(super) fn new_run(trigger: &Trigger, item: &Item) -> NewRun {
    NewRun {
        kind: trigger.run.kind.to_owned(),
        definition: trigger.run.definition.clone(),
        account: trigger.run.account,
        input: item.input.clone(),
        patience_seconds: trigger.run.patience_seconds,
    }
}

/// A problem in one line.
pub(super) fn told(problem: &Problem) -> String {
    let body = problem.body();
    body.errors.iter().fold(body.detail.clone(), |text, error| format!("{text} {}: {}.", error.pointer, error.detail))
}

/// The line of a delivery without items.
pub(super) fn line(row: &TriggerRow, draft: Draft, outcome: DeliveryOutcome, detail: String) -> DeliveryRow {
    DeliveryRow { detail, outcome, ..delivery(row, draft, &[]) }
}

/// A step of a schedule that starts nothing.
pub(super) fn nothing(row: &TriggerRow, now: Timestamp, step: ScheduleStep) -> Acceptance {
    Acceptance {
        environment_id: row.environment_id,
        trigger_id: row.id,
        version: row.version,
        now,
        replay: None,
        starts: Vec::new(),
        runs_per_hour: 0,
        schedule: Some(step),
    }
}

fn ended(outcome: DeliveryOutcome, dedupe_key: Option<String>, detail: Option<String>) -> ItemOutcome {
    ItemOutcome { outcome, run_id: None, dedupe_key, detail }
}

/// Each item in its order, with what the store says of those that it was asked about.
fn settle(prepared: Vec<Prepared>, started: &[Started]) -> Vec<ItemOutcome> {
    let mut started = started.iter();
    let settled = prepared.into_iter().map(|one| match one {
        Prepared::Over(outcome) => outcome,
        Prepared::Start { dedupe_key } => {
            let (outcome, run_id) = match started.next() {
                Some(Started::New(run)) => (DeliveryOutcome::Started, Some(*run)),
                Some(Started::Duplicate(run)) => (DeliveryOutcome::Duplicate, Some(*run)),
                Some(Started::Limited) | None => (DeliveryOutcome::Limited, None),
            };
            ItemOutcome { outcome, run_id, dedupe_key: Some(dedupe_key), detail: None }
        }
    });
    settled.collect()
}

/// What a delivery with several items counts as: the first of these that one of them is.
const WEIGHT: [DeliveryOutcome; 5] = [
    DeliveryOutcome::Limited,
    DeliveryOutcome::Started,
    DeliveryOutcome::Failed,
    DeliveryOutcome::Duplicate,
    DeliveryOutcome::Ignored,
];

fn delivery(row: &TriggerRow, draft: Draft, items: &[ItemOutcome]) -> DeliveryRow {
    let outcome = WEIGHT.into_iter().find(|outcome| items.iter().any(|item| item.outcome == *outcome));
    DeliveryRow {
        id: draft.id,
        environment_id: row.environment_id,
        trigger_id: row.id,
        at: draft.at,
        request_id: draft.request_id,
        outcome: outcome.unwrap_or(DeliveryOutcome::Ignored),
        detail: in_words(items),
        items: serde_json::to_string(items).unwrap_or_else(|_| "[]".to_owned()),
        digest: draft.digest,
        body_bytes: draft.body_bytes,
        payload: draft.payload,
    }
}

fn in_words(items: &[ItemOutcome]) -> String {
    match items {
        [] => "no item: nothing is to be done".to_owned(),
        [one] => match (one.outcome, one.run_id) {
            (DeliveryOutcome::Started, Some(run)) => format!("started the run {run}"),
            (DeliveryOutcome::Duplicate, Some(run)) => format!("duplicate: the run {run} was started for this event"),
            (DeliveryOutcome::Ignored, _) => "ignored: the condition does not hold".to_owned(),
            (DeliveryOutcome::Limited, _) => {
                "limited: the trigger has started as many runs as it may in an hour".to_owned()
            }
            (outcome, _) => format!("{}: {}", outcome.as_str(), one.detail.as_deref().unwrap_or_default()),
        },
        several => {
            let count = |outcome| several.iter().filter(|item| item.outcome == outcome).count();
            let counts = WEIGHT.map(|outcome| (count(outcome), outcome.as_str()));
            let counts: Vec<String> =
                counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
            format!("{} items: {}", several.len(), counts.join(", "))
        }
    }
}
