//! The record that a call names, as the guards see it: read afresh, at most once.

use bytes::Bytes;
use quartermaster_definition::{Method, MethodKind, Plan};
use quartermaster_engine::{Answer, Call, Failure, ListOptions, SingleAnswer};
use quartermaster_expr::{Place, Root, Scope};
use quartermaster_guard::protected::{EmailFact, Known, RecordFacts};
use quartermaster_types::{Code, Problem, RateLimits};
use serde_json::{Map, Value};

use crate::call::Prepared;
use crate::limits::CALL_DEADLINE;
use crate::{Actor, Gateway};

impl Gateway {
    /// The record that a call names, read just now with the method that reads it before the write, or else the resource's own
    /// get method; null where there is none.
    pub(crate) async fn fresh_record(&self, prepared: &Prepared) -> Result<ReadRecord, Failure> {
        let Some(read) = read_of(prepared) else { return Ok(ReadRecord::default()) };
        let failed = |problem| Failure {
            problem,
            rate_limits: RateLimits::default(),
            before: None,
            is_accepted: false,
            upstream_calls: 0,
        };
        let entry = &prepared.entry;
        let connection = entry.connection().map_err(failed)?;
        let credentials = || entry.credentials();
        let takes = |name: &String| read.arguments.iter().any(|argument| argument.name == *name);
        let arguments = prepared.arguments.iter().filter(|(name, _)| takes(name));
        let arguments: Map<String, Value> = arguments.map(|(name, value)| (name.clone(), value.clone())).collect();
        let call = Call {
            account: entry.id,
            credential_version: entry.access_version,
            holder: Some(prepared.holder),
            pass: Some(&prepared.pass),
            then: exchanges_of(prepared.method()),
            plan: &entry.plan.plan,
            method: read,
            connection: &connection,
            credentials: &credentials,
            arguments: &arguments,
            list: ListOptions::default(),
            deadline: CALL_DEADLINE,
            before: None,
            wait: None,
        };
        let Answer::Single(single) = self.inner.engine.execute(call).await? else { return Ok(ReadRecord::default()) };
        let SingleAnswer { body, rate_limits, upstream_calls, .. } = single;
        match serde_json::from_slice(&body) {
            Ok(record) => Ok(ReadRecord { record, body: Some(body), rate_limits, upstream_calls }),
            Err(_) => Err(Failure {
                problem: Problem::upstream(Code::UpstreamInvalid, "The record that the guards read is not JSON."),
                rate_limits,
                before: None,
                is_accepted: false,
                upstream_calls,
            }),
        }
    }
}

/// A record that was read for the guards.
#[derive(Default)]
pub(crate) struct ReadRecord {
    /// Null where there is none.
    pub(crate) record: Value,
    /// As it came; `None` where nothing was read.
    pub(crate) body: Option<Bytes>,
    pub(crate) rate_limits: RateLimits,
    pub(crate) upstream_calls: u32,
}

impl ReadRecord {
    /// Tells what is known of it.
    pub(super) fn with_facts<T>(
        &self,
        actor: &Actor,
        prepared: &Prepared,
        look: impl FnOnce(&RecordFacts<'_>) -> T,
    ) -> T {
        let (plan, method) = (&prepared.entry.plan.plan, prepared.method());
        let id_at = plan.resources.get(&method.resource).map_or("/id", |resource| resource.id.at.as_str());
        let own_id = self.record.pointer(id_at).map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        look(&RecordFacts {
            record: &self.record,
            ids: [prepared.id(), own_id.as_deref()],
            email: email_of(plan, method, &self.record),
            is_principal: is_principal(prepared, &self.record),
            actor_email: actor.email.as_deref(),
        })
    }
}

/// The e-mail address, where the definition places it; a member of that name where it says nothing of such records.
fn email_of<'r>(plan: &Plan, method: &Method, record: &'r Value) -> EmailFact<'r> {
    let lifecycle = plan.lifecycle.as_ref().filter(|lifecycle| lifecycle.resource == method.resource);
    let place = lifecycle.map_or("/email", |lifecycle| lifecycle.email.as_str());
    match record.pointer(place) {
        Some(Value::String(email)) => EmailFact::Is(Some(email)),
        Some(Value::Null) => EmailFact::Is(None),
        Some(_) => EmailFact::Missing,
        None if lifecycle.is_some() => EmailFact::Missing,
        None => EmailFact::None,
    }
}

/// Whether the record is the one that the connection itself works as.
fn is_principal(prepared: &Prepared, record: &Value) -> Known {
    let Some(principal) = &prepared.entry.plan.plan.principal else { return Known::No };
    if principal.resource != prepared.method().resource {
        return Known::No;
    }
    let Ok(connection) = prepared.entry.connection() else { return Known::Unclear };
    let nothing = Map::new();
    let roots = [("connection", Root::Object(&connection))];
    let expected = principal.equals.render(&Scope { roots: &roots, arguments: &nothing }, Place::Plain);
    match (expected, record.pointer(&principal.at)) {
        (Ok(expected), Some(Value::String(found))) if expected.to_lowercase() == found.to_lowercase() => Known::Yes,
        (Ok(_), Some(Value::String(_) | Value::Null)) => Known::No,
        _ => Known::Unclear,
    }
}

/// The method that reads the record, when the call names one.
pub(crate) fn read_of(prepared: &Prepared) -> Option<&Method> {
    prepared.id()?;
    reader_of(&prepared.entry.plan.plan, prepared.method())
}

/// The exchanges that a call takes when its record was read before.
fn exchanges_of(method: &Method) -> u64 {
    let reads_back = method.read_before.is_some() && method.transition.is_some();
    1 + u64::from(method.effect != quartermaster_definition::plan::Effect::Read && reads_back)
}

/// The method that reads the record of a method that takes an id.
pub(crate) fn reader_of<'p>(plan: &'p Plan, method: &Method) -> Option<&'p Method> {
    let methods = &plan.resources.get(&method.resource)?.methods;
    let before = method.read_before.as_ref().and_then(|name| methods.get(name));
    before.or_else(|| methods.values().find(|read| read.kind == MethodKind::Get && read.takes_id))
}
