//! People of a plan that are named by e-mail address: found by exact match, in one pass over the whole directory.

use std::collections::HashMap;
use std::sync::Arc;

use quartermaster_definition::MethodKind;
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::record::{Spent, pause};
use crate::accounts::AccountEntry;
use crate::limits::PLAN_PAGES_MAX;
use crate::{Actor, Arguments, CallRequest, Door, Gateway, Target};

/// Records on one page: what the gateway gives at most.
const PAGE: u64 = 1_000;
/// Ids that a problem about several people lists.
const IDS_TOLD_MAX: usize = 20;

/// The people of a directory that a plan names, by folded e-mail address.
pub(super) struct Found {
    people: HashMap<String, Vec<(String, Value)>>,
    scanned: usize,
    label: String,
}

/// How addresses are compared: without surrounding blanks, upper and lower case alike.
fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

impl Found {
    /// The one person with this address: id and record.
    pub(super) fn one(&self, email: &str) -> Result<(&str, &Value), Problem> {
        let people = self.people.get(&fold(email)).map(Vec::as_slice).unwrap_or_default();
        match people {
            [(id, record)] => Ok((id, record)),
            [] => {
                let scanned = self.scanned;
                let detail = format!(
                    "Nobody in {} has the e-mail address {email} ({scanned} people were looked at).",
                    self.label
                );
                Err(Problem::caller(Code::NotFound, detail)
                    .with_hint("Look for the person by name; do not guess another address."))
            }
            several => {
                let ids = crate::some_names(several.iter().map(|(id, _)| id.as_str()).take(IDS_TOLD_MAX));
                let count = several.len();
                let detail = format!("{count} people in {} have the e-mail address {email}: {ids}.", self.label);
                Err(Problem::caller(Code::Conflict, detail)
                    .with_hint("Read them, and plan the one that is meant by its id."))
            }
        }
    }
}

impl Gateway {
    /// One pass over the whole directory, through the tool door, in the plan's own session: what it finds is grounded there.
    pub(super) async fn find_people(
        &self,
        actor: &Arc<Actor>,
        entry: &AccountEntry,
        session: &str,
        emails: &[&str],
        deadline: Instant,
        spent: &mut Spent,
    ) -> Result<Found, Problem> {
        let plan = &entry.plan.plan;
        let unsupported = || {
            let detail =
                format!("The definition of {} does not say where people have their e-mail address.", plan.label);
            Problem::caller(Code::Unsupported, detail).with_hint("Plan the calls by id instead of `find`.")
        };
        let lifecycle = plan.lifecycle.as_ref().ok_or_else(unsupported)?;
        let resource = plan.resources.get(&lifecycle.resource).ok_or_else(unsupported)?;
        let list = resource.methods.values().find(|method| method.kind == MethodKind::List).ok_or_else(unsupported)?;
        let mut people: HashMap<String, Vec<(String, Value)>> =
            emails.iter().map(|email| (fold(email), Vec::new())).collect();
        let (mut scanned, mut cursor) = (0, None::<String>);
        for _ in 0..PLAN_PAGES_MAX {
            let mut arguments = Map::from_iter([("limit".to_owned(), json!(PAGE))]);
            if let Some(cursor) = cursor.take() {
                arguments.insert("next_cursor".to_owned(), Value::String(cursor));
            }
            let target = Target::Method { resource: list.resource.clone(), method: list.name.clone() };
            let page = self.page_for_plan(actor, entry, session, target, arguments, deadline, spent).await?;
            let records = page.get("result").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            scanned += records.len();
            for record in records {
                let email = record.pointer(&lifecycle.email).and_then(Value::as_str).map(fold);
                let Some(wanted) = email.and_then(|email| people.get_mut(&email)) else { continue };
                let id = text_at(record, &resource.id.at).ok_or_else(|| {
                    let detail = format!("The list of {} has a person without an id.", plan.label);
                    Problem::upstream(Code::UpstreamInvalid, detail)
                })?;
                if wanted.iter().all(|(known, _)| *known != id) {
                    wanted.push((id, record.clone()));
                }
            }
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(Found { people, scanned, label: plan.label.clone() }),
            }
        }
        Err(Problem::gateway(
            Code::Unsupported,
            format!("The directory has more than {PLAN_PAGES_MAX} pages of {PAGE} people, too many to look through for a plan."),
        )
        .with_hint("Plan the calls by id, or run a playbook."))
    }

    async fn page_for_plan(
        &self,
        actor: &Arc<Actor>,
        entry: &AccountEntry,
        session: &str,
        target: Target,
        arguments: Map<String, Value>,
        deadline: Instant,
        spent: &mut Spent,
    ) -> Result<Value, Problem> {
        loop {
            let started = Instant::now();
            let request = CallRequest {
                request_id: self.request_id(),
                door: Door::Tool,
                account: entry.id,
                target: target.clone(),
                arguments: Arguments::Json(arguments.clone()),
                session: Some(session.to_owned()),
                wait: None,
                idempotency_key: None,
                takes_over: None,
                expect: None,
            };
            let problem = match self.call(actor, request).await {
                Ok(answer) => {
                    spent.add(answer.upstream_calls, &answer.rate_limits, started.elapsed());
                    return serde_json::from_slice(&answer.body.concat())
                        .map_err(|_| Problem::gateway(Code::Internal, "A page of the directory cannot be read."));
                }
                Err(failed) => {
                    spent.add(1, &failed.rate_limits, started.elapsed());
                    failed.problem
                }
            };
            match pause(&problem, deadline) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(problem),
            }
        }
    }
}

/// The text or number at a pointer as a text.
pub(super) fn text_at(record: &Value, pointer: &str) -> Option<String> {
    match record.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
