//! Scheduled times: each is taken by one replica, which starts the run and moves the schedule on in one transaction.

use std::time::Duration;

use quartermaster_store_model::{Accepted, DeliveryOutcome, ScheduleStep, StoreError, TriggerRow};
use quartermaster_trigger::{Facts, Missed, Overlap, Schedule, Source, Trigger};
use quartermaster_types::{Problem, Timestamp};

use super::accept::{Draft, Occasion, line, nothing};
use super::loaded;
use crate::limits::{
    SCHEDULE_BROKEN_RETRY, SCHEDULE_GRACE, SCHEDULE_POLL_EVERY, SCHEDULE_QUEUED_LOOK_EVERY, SCHEDULES_AT_ONCE_MAX,
};
use crate::{Gateway, storage_problem};

impl Gateway {
    /// Starts what is scheduled, for as long as it is polled.
    pub(crate) async fn keep_schedules(&self) {
        loop {
            let nap = match self.take_due().await {
                Ok(nap) => nap,
                Err(error) => {
                    tracing::error!(%error, "schedules cannot be looked for");
                    SCHEDULE_POLL_EVERY
                }
            };
            tokio::select! {
                () = self.inner.triggers.changed.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }

    /// Starts what is due; how long to sleep then. Another replica may make a schedule at any time, and tells nobody here.
    async fn take_due(&self) -> Result<Duration, StoreError> {
        let now = self.inner.clock.now();
        match self.inner.store.next_trigger_due().await? {
            None => return Ok(SCHEDULE_POLL_EVERY),
            Some(due) if due > now => {
                let ahead = Duration::from_millis(due.ms_since(now).unsigned_abs());
                return Ok(ahead.min(SCHEDULE_POLL_EVERY));
            }
            Some(_) => {}
        }
        for row in self.inner.store.due_triggers(now, SCHEDULES_AT_ONCE_MAX).await? {
            if let Err(problem) = self.take_time(&row, now).await {
                tracing::error!(trigger = %row.id, %problem, "a schedule could not start its run");
                self.look_later(&row, now, SCHEDULE_BROKEN_RETRY).await?;
            }
        }
        Ok(Duration::ZERO)
    }

    async fn look_later(&self, row: &TriggerRow, now: Timestamp, wait: Duration) -> Result<(), StoreError> {
        let Some(expected) = row.next_at else { return Ok(()) };
        let due_at = now.plus_ms(wait.as_millis() as i64);
        self.inner.store.postpone_trigger(row.environment_id, row.id, expected, due_at).await.map(|_| ())
    }

    async fn take_time(&self, row: &TriggerRow, now: Timestamp) -> Result<(), Problem> {
        let Some(expected) = row.next_at else { return Ok(()) };
        let trigger = loaded(row);
        let Some((trigger, schedule)) = trigger.as_ref().and_then(|trigger| Some((trigger, schedule_of(trigger)?)))
        else {
            return self.look_later(row, now, SCHEDULE_BROKEN_RETRY).await.map_err(storage_problem);
        };
        // Several may have gone by: the last of them stands for all.
        let scheduled_for = schedule.last_until(expected, now).unwrap_or(expected);
        let step = ScheduleStep { expected, next_at: schedule.next_after(now) };
        let late_ms = now.ms_since(scheduled_for);
        if schedule.missed == Missed::Skip && late_ms > SCHEDULE_GRACE.as_millis() as i64 {
            let detail = format!("skipped: {scheduled_for} went by while nothing was running");
            return self.skip(row, step, now, detail, DeliveryOutcome::Skipped).await;
        }
        let running = self.inner.store.trigger_is_running(row.environment_id, row.id).await.map_err(storage_problem)?;
        match schedule.overlap {
            Overlap::Queue if running => {
                return self.look_later(row, now, SCHEDULE_QUEUED_LOOK_EVERY).await.map_err(storage_problem);
            }
            Overlap::Skip if running => {
                let detail = format!("skipped: the run before was still going at {scheduled_for}");
                return self.skip(row, step, now, detail, DeliveryOutcome::Skipped).await;
            }
            _ => {}
        }
        let Some(actor) = self.actor_of(row.environment_id, row.token_id).await? else {
            let detail = "failed: the token whose rights the runs have was revoked, or has expired".to_owned();
            return self.skip(row, step, now, detail, DeliveryOutcome::Failed).await;
        };
        let facts = Facts::of_schedule((row.id, &row.name), scheduled_for, now);
        let occasion = Occasion { row, trigger, actor: &actor, door: "schedule", replay: None, schedule: Some(step) };
        // One that is stale was taken by another replica, or changed: it is looked at anew.
        self.deliver(&occasion, &facts, self.time_draft(now)).await.map(|_| ())
    }

    /// Moves a schedule on without a start, and says why.
    async fn skip(
        &self,
        row: &TriggerRow,
        step: ScheduleStep,
        now: Timestamp,
        detail: String,
        outcome: DeliveryOutcome,
    ) -> Result<(), Problem> {
        let line = line(row, self.time_draft(now), outcome, detail);
        let accepted = self.inner.store.accept_delivery(&nothing(row, now, step), |_| line).await;
        if accepted.map_err(storage_problem)? != Accepted::Stale {
            self.inner.metrics.delivery(outcome);
        }
        Ok(())
    }

    fn time_draft(&self, at: Timestamp) -> Draft {
        Draft {
            id: self.inner.ids.next(),
            request_id: self.request_id(),
            at,
            digest: quartermaster_vault::sha256_of(b""),
            body_bytes: 0,
            payload: None,
        }
    }
}

fn schedule_of(trigger: &Trigger) -> Option<&Schedule> {
    match &trigger.source {
        Source::Schedule(schedule) => Some(schedule),
        Source::Webhook(_) => None,
    }
}
