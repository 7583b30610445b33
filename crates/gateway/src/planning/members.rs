//! Which members of a record a plan is about: what it compares, and what is different afterwards.

use quartermaster_definition::plan::ArgumentPlace;
use quartermaster_definition::{Method, MethodKind, Plan};
use quartermaster_guard::expect;
use quartermaster_playbook::plan::Member;
use serde_json::{Map, Value};

use crate::limits::{EXPECT_MAX_BYTES, EXPECT_MEMBERS_MAX};

/// The member with its value in the record; null when it is not there.
fn member(record: &Value, name: impl Into<String>, at: &str) -> Member {
    let value = record.pointer(at).cloned().unwrap_or_default();
    Member { name: name.into(), at: at.to_owned(), value }
}

/// What the method makes of the record, as far as the definition says: the state that it leads to, or the members that its
/// arguments replace.
pub(super) fn after(method: &Method, arguments: &Map<String, Value>, record: &Value) -> Vec<Member> {
    if let Some(transition) = &method.transition {
        let value = Value::String(transition.to.clone());
        return vec![Member { name: "state".to_owned(), at: transition.at.clone(), value }];
    }
    if method.kind == MethodKind::Create {
        return Vec::new();
    }
    let mut members = Vec::new();
    for argument in &method.arguments {
        let (ArgumentPlace::Body(at), Some(given)) = (&argument.place, arguments.get(&argument.name)) else { continue };
        // Only what the record really has there: a body need not look like the record.
        if record.pointer(at).is_some() {
            let sent = argument.values.iter().find(|(value, _)| value == given).map(|(_, sent)| sent);
            let value = sent.unwrap_or(given).clone();
            members.push(Member { name: at.clone(), at: at.clone(), value });
        }
    }
    members
}

/// What is compared before the record is written: who it is, what state it is in, what is to be replaced, and what the caller
/// expects. Of a record of which nothing of that is known, everything.
pub(super) fn before(
    plan: &Plan,
    method: &Method,
    record: &Value,
    after: &[Member],
    expect: &Map<String, Value>,
) -> Vec<Member> {
    let is_of_people = plan.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.resource == method.resource);
    let has_state = plan.resources.get(&method.resource).is_some_and(|rule| rule.state.is_some());
    let known = [("email", is_of_people), ("state", has_state)];
    let known = known.into_iter().filter_map(|(name, is_known)| is_known.then_some(name));
    let named = known.chain(expect.keys().map(String::as_str));
    let mut members: Vec<Member> = Vec::new();
    for name in named {
        let at = expect::pointer(plan, method, name);
        if members.iter().all(|known| known.at != at) {
            members.push(member(record, name, &at));
        }
    }
    for more in after {
        if members.iter().all(|known| known.at != more.at) {
            members.push(member(record, more.name.clone(), &more.at));
        }
    }
    // A record that does not have a member cannot be recognised by it.
    members.retain(|member| !member.value.is_null() || after.iter().any(|after| after.at == member.at));
    if members.is_empty()
        && let Value::Object(all) = record
    {
        members.extend(all.keys().map(|name| {
            let at = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            member(record, at.clone(), &at)
        }));
    }
    members
}

/// Whether a write cannot expect all of these, so that they are compared after a read of their own.
pub(super) fn need_a_look(members: &[Member]) -> bool {
    let bytes = Value::Object(by_name(members)).to_string().len();
    members.len() > EXPECT_MEMBERS_MAX || bytes > EXPECT_MAX_BYTES || members.iter().any(|one| one.value.is_null())
}

/// The record for people: an e-mail address, else a name, else its id.
pub(super) fn who(plan: &Plan, resource: &str, record: &Value) -> Option<String> {
    let lifecycle = plan.lifecycle.as_ref().filter(|lifecycle| lifecycle.resource == resource)?;
    let text = |at: &str| record.pointer(at).and_then(Value::as_str).filter(|text| !text.is_empty());
    let found = text(&lifecycle.email).or_else(|| lifecycle.display_name.as_deref().and_then(text))?;
    Some(found.to_owned())
}

/// Members by name.
pub(super) fn by_name(members: &[Member]) -> Map<String, Value> {
    members.iter().map(|member| (member.name.clone(), member.value.clone())).collect()
}
