//! The step `find`: one record, or one for each of many rows, in one pass over a whole list.

use std::collections::HashMap;

use quartermaster_types::run::{Entry, Mismatch};
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value, json};

use super::calling::{keep, no_such_member};
use super::frame::Done;
use super::pending::{Pending, Request};
use super::person::{self, fold};
use super::{Shared, broken, resolve};
use crate::limits::{PAGES_MAX, ROWS_MAX};
use crate::model::{FindStep, Sought, Turn};
use crate::setting::Setting;
use crate::value::{Scope, evaluate_all};

/// Records on one page of a search, which finds none, one, or an ambiguity.
const PAGE_OF_ONE: u64 = 100;
/// Records on one page of a pass over everything: what the gateway gives at most.
const PAGE_OF_ALL: u64 = 1000;
/// The most ids that a problem about several records lists.
const IDS_TOLD_MAX: usize = 20;

/// A search under way.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    base: String,
    pub(crate) pending: Pending,
    request: Request,
    pages: u32,
    scanned: u64,
    cursor: Option<String>,
    wanted: Wanted,
    /// For each key that is looked for, the records, each with its id once.
    found: Vec<Vec<(String, Value)>>,
    failure: Option<Problem>,
    is_over: bool,
}

/// What is looked for, as keys.
#[derive(Clone, Debug)]
enum Wanted {
    /// What the list's filter gives; with the folded e-mail address that a person must have besides.
    One { email: Option<String> },
    /// Slots by folded key.
    Rows { slots: HashMap<String, usize>, rows: Vec<Row> },
}

/// One row's key.
#[derive(Clone, Debug)]
enum Row {
    Slot(usize),
    /// The same key as an earlier row.
    Duplicate {
        of: usize,
    },
    Invalid,
}

impl Finding {
    pub(crate) fn begin(
        step: &FindStep,
        key: String,
        scope: &Scope<'_>,
        setting: &Setting,
        shared: &Shared,
    ) -> Result<Self, Problem> {
        let wrong = |message: String| broken("`find`", &message);
        let target = resolve(&step.list, setting)?;
        let (mut arguments, wanted, slots) = match &step.what {
            Sought::One { filters, .. } => {
                let given = evaluate_all(filters, scope).map_err(wrong)?;
                let lifecycle = setting.lifecycle.as_ref().filter(|_| step.list.is_lifecycle());
                let email = lifecycle.and(given.get("email")).and_then(Value::as_str).map(fold);
                let name = |name: String| match lifecycle {
                    Some(lifecycle) if name == "email" => lifecycle.find_by_email.clone(),
                    _ => name,
                };
                let arguments = given.into_iter().map(|(given, value)| (name(given), value)).collect();
                (arguments, Wanted::One { email }, 1)
            }
            Sought::Rows { rows, value, .. } => {
                let rows = scope.rows(rows).map_err(wrong)?;
                if rows.len() > ROWS_MAX {
                    let there_are = rows.len();
                    return Err(wrong(format!("at most {ROWS_MAX} rows can be looked for, and there are {there_are}")));
                }
                let keys = rows.iter().map(|row| scope.at_row(row, |scope| value.text(scope)).ok());
                let (wanted, slots) = slots(keys);
                (Map::new(), wanted, slots)
            }
        };
        let limit = if matches!(wanted, Wanted::One { .. }) { PAGE_OF_ONE } else { PAGE_OF_ALL };
        arguments.insert("limit".to_owned(), json!(limit));
        let account = step.account.as_ref().map(|account| account.text(scope)).transpose().map_err(wrong)?;
        let request = Request { account, target, arguments, expect: None, dry_run: false, is_read: true };
        let pending = Pending::gated(format!("{key}/page-1"), 0, request.clone(), shared);
        let found = vec![Vec::new(); slots];
        // Nobody to look for: nothing is read.
        let is_over = slots == 0;
        Ok(Self {
            base: key,
            pending,
            request,
            pages: 0,
            scanned: 0,
            cursor: None,
            wanted,
            found,
            failure: None,
            is_over,
        })
    }

    /// What of a page is looked at: records that are looked for, and how the page ends.
    pub(crate) fn reduce(&self, step: &FindStep, answer: Value, setting: &Setting) -> Value {
        if answer.get("reduced").is_some() {
            return answer;
        }
        let records = answer.get("result").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut kept = Vec::new();
        let mut bad = None;
        for record in records {
            match self.wanted_record(step, record, setting) {
                Ok(Some(found)) => kept.push(found),
                Ok(None) => {}
                Err(pointer) => bad = bad.or(Some(pointer)),
            }
        }
        let mut reduced = Map::new();
        reduced.insert("reduced".to_owned(), json!(true));
        reduced.insert("count".to_owned(), json!(records.len()));
        for name in ["scanned", "next_cursor", "is_partial", "stopped_because"] {
            if let Some(member) = answer.get(name).filter(|member| !member.is_null()) {
                reduced.insert(name.to_owned(), member.clone());
            }
        }
        reduced.insert("records".to_owned(), Value::Array(kept));
        if let Some(pointer) = bad {
            reduced.insert("bad".to_owned(), json!(pointer));
        }
        Value::Object(reduced)
    }

    /// `{slot, id, record}` of a record that is looked for; the error is the pointer that leads nowhere.
    fn wanted_record(&self, step: &FindStep, record: &Value, setting: &Setting) -> Result<Option<Value>, String> {
        let lifecycle = setting.lifecycle.as_ref().filter(|_| step.list.is_lifecycle());
        let key_at = match &step.what {
            Sought::Rows { at: Some(at), .. } => Some(at),
            _ => lifecycle.map(|lifecycle| &lifecycle.email),
        };
        let key = key_at.and_then(|at| person::text(record, at)).map(|key| fold(&key));
        let slot = match &self.wanted {
            Wanted::One { email: None } => Some(0),
            Wanted::One { email } => (key == *email).then_some(0),
            Wanted::Rows { slots, .. } => key.and_then(|key| slots.get(&key).copied()),
        };
        let Some(slot) = slot else { return Ok(None) };
        let (id, record) = match lifecycle {
            Some(lifecycle) => {
                let person = person::read(record, lifecycle)?;
                (person["id"].clone(), person)
            }
            None => {
                let id = person::text(record, &step.id).ok_or_else(|| step.id.clone())?;
                let mut record = record.clone();
                if !step.keep.is_empty() {
                    keep(&mut record, &step.keep);
                }
                (json!(id), record)
            }
        };
        Ok(Some(json!({"slot": slot, "id": id, "record": record})))
    }

    /// Takes an entry that has the key of the page; true when something changed.
    pub(crate) fn apply(
        &mut self,
        entry: &Entry,
        step: &FindStep,
        setting: &Setting,
        shared: &mut Shared,
    ) -> Result<bool, Mismatch> {
        let changed = self.pending.apply(entry, shared)?;
        match self.pending.ended.take() {
            None => {}
            Some(Err(problem)) => {
                self.failure = Some(problem);
                self.is_over = true;
            }
            Some(Ok(answer)) => {
                let page = self.reduce(step, answer.result, setting);
                self.take_page(&page, shared);
            }
        }
        Ok(changed)
    }

    fn take_page(&mut self, page: &Value, shared: &Shared) {
        self.pages += 1;
        let number = |name: &str| page.get(name).and_then(Value::as_u64);
        self.scanned += number("scanned").or_else(|| number("count")).unwrap_or(0);
        if let Some(pointer) = page.get("bad").and_then(Value::as_str) {
            return self.fail(no_such_member(pointer));
        }
        for found in page.get("records").and_then(Value::as_array).into_iter().flatten() {
            let (Some(slot), Some(id)) = (found["slot"].as_u64(), found["id"].as_str()) else { continue };
            let Some(records) = self.found.get_mut(slot as usize) else { continue };
            // A list that changes while it is read can give one record on two pages.
            if records.iter().all(|(known, _)| known != id) {
                records.push((id.to_owned(), found["record"].clone()));
            }
        }
        let Some(next) = page.get("next_cursor").and_then(Value::as_str) else {
            if page.get("is_partial").and_then(Value::as_bool) == Some(true) {
                let reason = page.get("stopped_because").and_then(Value::as_str);
                return self.incomplete(reason.unwrap_or("the gateway did not say why"));
            }
            self.is_over = true;
            return;
        };
        if self.cursor.as_deref() == Some(next) {
            return self.incomplete("the same cursor came twice");
        }
        if self.pages >= PAGES_MAX {
            return self.incomplete("too many pages");
        }
        self.cursor = Some(next.to_owned());
        let mut request = self.request.clone();
        request.arguments.insert("next_cursor".to_owned(), json!(next));
        self.pending = Pending::gated(format!("{}/page-{}", self.base, self.pages + 1), 0, request, shared);
    }

    /// Nothing can be said of records that were not seen.
    fn incomplete(&mut self, reason: &str) {
        let detail = format!("the list could not be read to its end ({reason}); {} records were read", self.scanned);
        self.fail(Problem::upstream(Code::UpstreamInvalid, detail));
    }

    pub(crate) fn fail(&mut self, problem: Problem) {
        self.failure = Some(problem);
        self.is_over = true;
    }

    /// What came of it; `None` while there is more to read.
    pub(crate) fn go_on(&mut self, step: &FindStep, scope: &Scope<'_>) -> Option<Done> {
        if !self.is_over {
            return None;
        }
        if let Some(problem) = self.failure.take() {
            let value = Map::from_iter([("scanned".to_owned(), json!(self.scanned))]);
            return Some(Done { value, turn: None, problem: Some(problem) });
        }
        Some(match &step.what {
            Sought::One { .. } => self.one(step),
            Sought::Rows { rows, .. } => match scope.rows(rows) {
                Ok(rows) => self.rows(rows),
                Err(message) => Done::failed(broken("`find`", &message)),
            },
        })
    }

    fn one(&self, step: &FindStep) -> Done {
        let found = self.found.first().map_or(&[][..], Vec::as_slice);
        let Sought::One { missing, ambiguous, .. } = &step.what else { return Done::ok(json!({})) };
        let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
        let what = format!("{}.{}", self.request.target.0, self.request.target.1);
        let (outcome, turn, problem) = match found.len() {
            1 => ("found", None, None),
            0 => {
                let detail = format!("nothing in {what} is as asked ({} records were looked at)", self.scanned);
                ("missing", Some(missing.clone()), Some(Problem::caller(Code::NotFound, detail)))
            }
            several => {
                let told: Vec<&str> = ids.iter().copied().take(IDS_TOLD_MAX).collect();
                let detail = format!("{several} records in {what} are as asked: {}", told.join(", "));
                ("ambiguous", Some(ambiguous.clone()), Some(Problem::caller(Code::Conflict, detail)))
            }
        };
        let record = if let [(_, record)] = found { record.clone() } else { Value::Null };
        let value = Map::from_iter([
            ("outcome".to_owned(), json!(outcome)),
            ("record".to_owned(), record),
            ("count".to_owned(), json!(found.len())),
            ("ids".to_owned(), json!(ids)),
            ("ids_text".to_owned(), json!(ids.join(", "))),
            ("scanned".to_owned(), json!(self.scanned)),
            ("pages".to_owned(), json!(self.pages)),
        ]);
        // An outcome that the playbook goes on with is no error.
        let problem = problem.filter(|_| matches!(turn, Some(Turn::Stop)));
        let turn = turn.filter(|_| problem.is_none());
        Done { value, turn, problem }
    }

    fn rows(&self, given: &[Value]) -> Done {
        let Wanted::Rows { rows, .. } = &self.wanted else { return Done::ok(json!({})) };
        let mut counts = Map::new();
        for name in ["found", "missing", "ambiguous", "duplicate", "invalid"] {
            counts.insert(name.to_owned(), json!(0));
        }
        let mut repeated: HashMap<usize, u64> = HashMap::new();
        for row in rows {
            if let Row::Duplicate { of } = row {
                *repeated.entry(*of).or_default() += 1;
            }
        }
        let mut values = Vec::with_capacity(rows.len());
        for (index, (row, given)) in rows.iter().zip(given).enumerate() {
            let mut value = Map::from_iter([("row".to_owned(), given.clone())]);
            value.insert("repeated".to_owned(), json!(repeated.get(&index).copied().unwrap_or(0)));
            let outcome = match row {
                Row::Invalid => "invalid",
                Row::Duplicate { of } => {
                    value.insert("of".to_owned(), json!(of));
                    "duplicate"
                }
                Row::Slot(slot) => match self.found.get(*slot).map_or(&[][..], Vec::as_slice) {
                    [] => "missing",
                    [(_, record)] => {
                        value.insert("record".to_owned(), record.clone());
                        "found"
                    }
                    several => {
                        let records: Vec<&Value> =
                            several.iter().take(IDS_TOLD_MAX).map(|(_, record)| record).collect();
                        value.insert("records".to_owned(), json!(records));
                        let ids: Vec<&str> = several.iter().take(IDS_TOLD_MAX).map(|(id, _)| id.as_str()).collect();
                        value.insert("count".to_owned(), json!(several.len()));
                        value.insert("ids_text".to_owned(), json!(ids.join(", ")));
                        "ambiguous"
                    }
                },
            };
            value.insert("outcome".to_owned(), json!(outcome));
            counts[outcome] = json!(counts[outcome].as_u64().unwrap_or(0) + 1);
            values.push(Value::Object(value));
        }
        Done::ok(json!({
            "outcome": "ok", "rows": values, "counts": counts, "scanned": self.scanned, "pages": self.pages,
        }))
    }
}

/// One slot for each different key, in the order of the rows.
fn slots(keys: impl Iterator<Item = Option<String>>) -> (Wanted, usize) {
    let mut slots: HashMap<String, usize> = HashMap::new();
    let mut first_rows: Vec<usize> = Vec::new();
    let mut rows = Vec::new();
    for (index, key) in keys.enumerate() {
        let row = match key.map(|key| fold(&key)).filter(|key| !key.is_empty()) {
            None => Row::Invalid,
            Some(key) => match slots.get(&key) {
                Some(slot) => Row::Duplicate { of: first_rows[*slot] },
                None => {
                    slots.insert(key, first_rows.len());
                    first_rows.push(index);
                    Row::Slot(first_rows.len() - 1)
                }
            },
        };
        rows.push(row);
    }
    (Wanted::Rows { slots, rows }, first_rows.len())
}
