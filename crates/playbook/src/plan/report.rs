//! What a run of a plan reports.

use serde_json::{Map, Value, json};

use super::row::{Ended, Ending};
use super::state::PlanState;
use quartermaster_types::run::{Report, Table};

const COLUMNS: [&str; 9] = ["row", "method", "who", "id", "change", "outcome", "detail", "at", "request_id"];

impl PlanState {
    pub(super) fn report(&self) -> Report {
        Report { text: self.text(), members: self.members(), table: Some(self.table()) }
    }

    fn count(&self, ending: Ending) -> usize {
        self.ended.iter().filter(|ended| ended.ending == ending).count()
    }

    fn text(&self) -> String {
        let label = &self.work.integration.label;
        let worked = self.count(Ending::WorkedAfterAll);
        let done = self.count(Ending::Done) + worked;
        let of = self.work.steps.iter().filter(|step| !step.is_done).count();
        let changes = if of == 1 { "change" } else { "changes" };
        let mut text = match &self.work.undoes {
            Some(run) => format!("{done} of {of} {changes} of the run {run} undone in {label}."),
            None => format!("{done} of {of} planned {changes} made in {label}."),
        };
        let mut add = |count: usize, one: &str, many: &str| {
            if count > 0 {
                text.push_str(&format!(" {count} {}.", if count == 1 { one } else { many }));
            }
        };
        add(
            worked,
            "of them got no answer, and was found done by a read",
            "of them got no answer, and were found done by a read",
        );
        add(self.count(Ending::Unchanged), "was as asked already", "were as asked already");
        add(
            self.count(Ending::ChangedSince),
            "was changed by somebody since the plan was made, and was left alone",
            "were changed by somebody since the plan was made, and were left alone",
        );
        add(self.count(Ending::Failed), "failed", "failed");
        add(self.count(Ending::NotReached), "was not reached", "were not reached");
        add(self.work.left_out.len(), "was left out of the plan", "were left out of the plan");
        let waits = self.shared.waits;
        if waits.count > 0 {
            let times = if waits.count == 1 { "once".to_owned() } else { format!("{} times", waits.count) };
            text.push_str(&format!(" Rate limits were waited out {times}, {} s in all.", waits.seconds));
        }
        text
    }

    fn members(&self) -> Map<String, Value> {
        let work = &self.work;
        let members = json!({
            "kind": if work.undoes.is_some() { "undo" } else { "plan" },
            "plan": self.input.plan,
            "hash": self.input.hash,
            "undoes": work.undoes,
            "integration": work.integration.name,
            "label": work.integration.label,
            "account": work.account.id,
            "tenant_id": work.account.tenant_id,
            "session": self.input.run.session,
            "started_at": self.input.run.started_at,
            "finished_at": self.shared.now,
            "stopped": self.stopped.as_ref().map(|(_, problem)| problem.body().detail.clone()),
            "counts": {
                "rows": work.steps.len() + work.left_out.len(),
                "done": self.count(Ending::Done) + self.count(Ending::WorkedAfterAll),
                "worked_after_all": self.count(Ending::WorkedAfterAll),
                "unchanged": self.count(Ending::Unchanged),
                "changed_since": self.count(Ending::ChangedSince),
                "failed": self.count(Ending::Failed),
                "not_reached": self.count(Ending::NotReached),
                "left_out": work.left_out.len(),
            },
            "waits": self.shared.waits,
        });
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    fn table(&self) -> Table {
        let mut rows: Vec<(u32, Vec<Value>)> = Vec::with_capacity(self.work.steps.len() + self.work.left_out.len());
        for (step, ended) in self.work.steps.iter().zip(&self.ended) {
            let Ended { ending, detail, at, request_id, .. } = ended;
            let cells = vec![
                json!(step.number),
                json!(step.full_name()),
                json!(step.who),
                json!(step.id),
                json!(step.change()),
                json!(ending.as_str()),
                json!(detail),
                json!(at),
                json!(request_id),
            ];
            rows.push((step.number, cells));
        }
        for row in &self.work.left_out {
            let cells = vec![
                json!(row.number),
                json!(row.method),
                json!(row.who),
                Value::Null,
                json!(""),
                json!("left_out"),
                json!(format!("{}: {}", row.code, row.detail)),
                Value::Null,
                Value::Null,
            ];
            rows.push((row.number, cells));
        }
        rows.sort_by_key(|(number, _)| *number);
        Table { columns: COLUMNS.map(str::to_owned).to_vec(), rows: rows.into_iter().map(|(_, cells)| cells).collect() }
    }
}
