//! One row of a plan: what its record is like, what it will do, and whether it can be undone.

use std::collections::HashMap;

use quartermaster_definition::plan::Effect;
use quartermaster_definition::{Method, MethodKind, Plan};
use quartermaster_playbook::plan::{Member, PlannedStep};
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value};

use super::make::Draft;
use super::view::{Difference, Forecast, PlanRowView, Undoable};
use super::{find, members};
use crate::accounts::AccountEntry;
use crate::call::{Prepared, Rehearsal, Target};
use crate::policy::read_of;

/// Resource and id.
pub(super) type RecordKey = (String, String);

/// The record that a call names.
pub(super) fn record_key(prepared: &Prepared) -> Option<RecordKey> {
    Some((prepared.method().resource.clone(), prepared.id()?.to_owned()))
}

/// Records as they will be when a row's turn comes: what rows before it do is done already.
pub(super) struct Overlay(HashMap<RecordKey, Result<Value, Problem>>);

impl Overlay {
    pub(super) fn new(records: HashMap<RecordKey, Result<Value, Problem>>) -> Self {
        Self(records)
    }

    fn apply(&mut self, key: &RecordKey, after: &[Member], removes: bool) {
        let Some(record) = self.0.get_mut(key) else { return };
        if removes {
            *record = Err(Problem::upstream(Code::NotFound, "A row before this one removes the record."));
        }
        for member in after {
            if let Ok(record) = record
                && let Some(place) = record.pointer_mut(&member.at)
            {
                *place = member.value.clone();
            }
        }
    }
}

/// A refusal that an approval would lift.
pub(super) fn waits_for_approval(problem: &Problem) -> bool {
    problem.code() == Code::ApprovalRequired
}

/// Whether a record of a list tells its state, so that it need not be read once more.
pub(super) fn tells_state(prepared: &Prepared, record: &Value) -> bool {
    let rule = prepared.entry.plan.plan.resources.get(&prepared.method().resource);
    rule.and_then(|rule| rule.state.as_ref()).is_none_or(|state| record.pointer(&state.at).is_some())
}

/// A row, and what of it is to be done.
pub(super) fn build(
    number: u32,
    draft: &Draft,
    rehearsal: Result<Rehearsal, Problem>,
    account: &AccountEntry,
    overlay: &mut Overlay,
) -> (PlanRowView, Option<PlannedStep>) {
    let mut row = bare(number, draft, account);
    let Rehearsal { prepared, guarded, request } = match rehearsal {
        Ok(rehearsal) => rehearsal,
        Err(problem) => {
            let names_nobody = draft.email.is_some() && matches!(problem.code(), Code::NotFound | Code::Conflict);
            row.forecast = if names_nobody { Forecast::Unresolved } else { Forecast::Refused };
            row.problem = Some(problem);
            return (row, None);
        }
    };
    let (plan, method) = (&*prepared.entry.plan.plan, prepared.method());
    row.arguments.clone_from(&prepared.arguments);
    row.id = prepared.id().map(str::to_owned);
    row.policy = guarded.why;
    row.request = request;
    if let Some(id) = &row.id
        && row.who.is_empty()
    {
        row.who.clone_from(id);
    }
    if method.effect == Effect::Read {
        let detail = format!("{} reads; a plan holds writes.", method.full_name());
        return (refused(row, Problem::caller(Code::InvalidArgument, detail)), None);
    }
    match guarded.result {
        Err(failed) if waits_for_approval(&failed.problem) => row.needs_approval = true,
        Err(failed) => return (refused(row, failed.problem), None),
        Ok(()) => {}
    }
    let key = record_key(&prepared);
    let record = match key.as_ref().and_then(|key| overlay.0.get(key)) {
        None => None,
        Some(Ok(record)) => Some(record.clone()),
        Some(Err(problem)) => {
            let gone = problem.code() == Code::NotFound;
            let problem = problem.clone();
            let mut row = refused(row, problem);
            if gone {
                row.forecast = Forecast::Unresolved;
            }
            return (row, None);
        }
    };
    let (row, step) = about(row, draft, &prepared, plan, method, record.as_ref());
    if let (Some(step), Some(key)) = (&step, &key)
        && !step.is_done
    {
        overlay.apply(key, &step.after, step.removes);
    }
    (row, step)
}

/// A row of which only what was asked is known.
fn bare(number: u32, draft: &Draft, account: &AccountEntry) -> PlanRowView {
    let plan = &account.plan.plan;
    let method = match &draft.target {
        Target::Tool(name) => plan.tool(name),
        Target::Method { resource, method } => plan.method(resource, method),
    };
    let named = match &draft.target {
        Target::Tool(name) => name.clone(),
        Target::Method { resource, method } => format!("{resource}.{method}"),
    };
    let id = draft.arguments.get("id").and_then(Value::as_str).map(str::to_owned);
    PlanRowView {
        number,
        method: method.map_or(named, Method::full_name),
        tool: method.map(|method| method.tool_name.clone()),
        effect: method.map(|method| effect(method.effect).to_owned()),
        who: draft.email.clone().or_else(|| id.clone()).unwrap_or_default(),
        id,
        arguments: draft.arguments.clone(),
        find: draft.email.as_ref().map(|email| Map::from_iter([("email".to_owned(), Value::String(email.clone()))])),
        forecast: Forecast::Refused,
        before: None,
        after: None,
        diff: Vec::new(),
        undoable: None,
        needs_approval: false,
        policy: None,
        request: None,
        problem: None,
        note: draft.note.clone(),
    }
}

const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Write => "write",
        Effect::Destructive => "destructive",
    }
}

fn refused(mut row: PlanRowView, problem: Problem) -> PlanRowView {
    row.forecast = Forecast::Refused;
    row.problem = Some(problem);
    row
}

/// The row with its record, or without one where the method takes none.
fn about(
    mut row: PlanRowView,
    draft: &Draft,
    prepared: &Prepared,
    plan: &Plan,
    method: &Method,
    record: Option<&Value>,
) -> (PlanRowView, Option<PlannedStep>) {
    let nothing = Value::Null;
    let seen = record.unwrap_or(&nothing);
    let after = members::after(method, &prepared.arguments, seen);
    let before = record.map(|record| members::before(plan, method, record, &after, &draft.expect));
    if let Some(who) = record.and_then(|record| members::who(plan, &method.resource, record)) {
        row.who = who;
    }
    row.before = before.as_deref().map(members::by_name);
    if let Some(problem) = touched_since(draft, method, record, &row.who) {
        return (refused(row, problem), None);
    }
    let before = before.unwrap_or_default();
    let is_done = record.is_some() && !after.is_empty() && after.iter().all(|member| member.is_in(seen));
    let removes = method.kind == MethodKind::Delete;
    row.forecast = if is_done { Forecast::Unchanged } else { Forecast::Changes };
    row.after = (!removes).then(|| after_by_name(record, &before, &after, &prepared.arguments));
    row.diff = differences(record, &after, removes);
    row.undoable = (!is_done).then(|| Undoable::of(plan, method));
    let step = PlannedStep {
        number: row.number,
        resource: method.resource.clone(),
        method: method.name.clone(),
        arguments: prepared.arguments.clone(),
        id: row.id.clone(),
        who: row.who.clone(),
        read: record.and_then(|_| read_of(prepared)).map(|reader| reader.name.clone()),
        looks: is_done || members::need_a_look(&before),
        before,
        after,
        removes,
        is_done,
    };
    (row, Some(step))
}

/// What the record is like afterwards: what was compared, with what changes over it; of a new record, its arguments.
fn after_by_name(
    record: Option<&Value>,
    before: &[Member],
    after: &[Member],
    arguments: &Map<String, Value>,
) -> Map<String, Value> {
    if record.is_none() {
        return arguments.clone();
    }
    let mut all = members::by_name(before);
    all.extend(members::by_name(after));
    all
}

fn differences(record: Option<&Value>, after: &[Member], removes: bool) -> Vec<Difference> {
    let Some(record) = record else { return Vec::new() };
    if removes {
        return Vec::new();
    }
    let different = after.iter().filter(|member| !member.is_in(record));
    different
        .map(|member| Difference {
            member: member.name.clone(),
            before: record.pointer(&member.at).cloned().unwrap_or_default(),
            after: member.value.clone(),
        })
        .collect()
}

/// Somebody changed the record after the run that is undone: neither as the run left it, nor back already.
fn touched_since(draft: &Draft, method: &Method, record: Option<&Value>, who: &str) -> Option<Problem> {
    let left_in = draft.vouched.as_ref()?.left_in.as_deref()?;
    let transition = method.transition.as_ref()?;
    let state = find::text_at(record?, &transition.at)?;
    if state == left_in || state == transition.to {
        return None;
    }
    let detail = format!("{who} is in the state {state}, and the run left it {left_in}: somebody changed it since.");
    Some(Problem::gateway(Code::PreconditionFailed, detail).with_hint("Read the record and decide about it by itself."))
}
