//! Protected records: nothing is taken away from them, from whichever door, whoever asks.

use quartermaster_definition::plan::Effect;
use quartermaster_definition::policy::{Matchers, Policy, PolicyRule, Protected, Verdict};
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value};

use crate::policy::{PolicyFacts, concerns, cut, holds};

/// What is known of the record that a call would change, besides its members.
#[derive(Clone, Copy, Debug)]
pub struct RecordFacts<'a> {
    /// The record, read afresh.
    pub record: &'a Value,
    /// Its ids: the one that the call names, and the one that the record has.
    pub ids: [Option<&'a str>; 2],
    /// Its e-mail address.
    pub email: EmailFact<'a>,
    /// Whether it is the connection's own principal.
    pub is_principal: Known,
    /// The address of the person behind the token.
    pub actor_email: Option<&'a str>,
}

/// Where an e-mail address should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmailFact<'a> {
    /// The definition does not say that such records have one.
    None,
    /// It says where, and nothing is there, or something that is no text.
    Missing,
    /// It is this one; `None` for null.
    Is(Option<&'a str>),
}

/// What can be known of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// It is so.
    Yes,
    /// It is not.
    No,
    /// It should be known here, and cannot be told.
    Unclear,
}

/// What one entry has to do with a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Touch {
    /// The record is none of its own.
    No,
    /// It is: by its `email`, its `id`, as `self`, or because of `when`.
    Yes(&'static str),
    /// Whether it is cannot be told, and why; then it counts as one.
    Unclear(String),
    /// The call does not say which record it touches, and no rule lets it through.
    Anybody,
}

impl Touch {
    const fn denies(&self) -> bool {
        !matches!(self, Self::No)
    }
}

/// What the protected entries say of a call.
#[derive(Clone, Debug, Default)]
pub struct ProtectedDecision<'p> {
    /// The entries that are about the call, in the order of the document; nothing after the one that denies.
    pub looked_at: Vec<(&'p Protected, Touch)>,
    /// The rule that lets a call through which names no record.
    pub let_through_by: Option<&'p PolicyRule>,
}

/// Whether an entry is about this call, so that its record has to be read.
pub fn needs_record(policy: &Policy, facts: &PolicyFacts<'_>) -> bool {
    policy.protected.iter().any(|entry| concerns(&entry.concerns, facts))
}

/// Decides over a call that names a record.
pub fn decide_protected<'p>(
    policy: &'p Policy,
    facts: &PolicyFacts<'_>,
    record: &RecordFacts<'_>,
) -> ProtectedDecision<'p> {
    let mut decision = ProtectedDecision::default();
    for entry in policy.protected.iter().filter(|entry| concerns(&entry.concerns, facts)) {
        let touch = touch(entry, facts, record);
        let denies = touch.denies();
        decision.looked_at.push((entry, touch));
        if denies {
            break;
        }
    }
    decision
}

/// Decides over a call that names no record: a raw call, or a method without an id. It could touch anybody, so it is denied when it
/// changes something, unless a rule that allows is about such calls by name (`doors`, `tools` or `methods`) and holds.
pub fn decide_without_record<'p>(policy: &'p Policy, facts: &PolicyFacts<'_>) -> ProtectedDecision<'p> {
    if facts.effect == Effect::Read {
        return ProtectedDecision::default();
    }
    let is_about = |entry: &&Protected| match facts.method {
        Some(_) => concerns(&entry.concerns, facts),
        None => concerns(&anywhere(&entry.concerns), facts),
    };
    let Some(entry) = policy.protected.iter().find(is_about) else { return ProtectedDecision::default() };
    let allows = |rule: &&PolicyRule| {
        let by_name = match facts.method {
            Some(_) => rule.concerns.tools.is_some() || rule.concerns.methods.is_some(),
            None => rule.concerns.doors.is_some(),
        };
        rule.verdict == Verdict::Allow && by_name && concerns(&rule.concerns, facts) && holds(rule, facts)
    };
    let let_through_by = policy.rules.iter().find(allows);
    let touch = if let_through_by.is_some() { Touch::No } else { Touch::Anybody };
    ProtectedDecision { looked_at: vec![(entry, touch)], let_through_by }
}

/// The same matchers for a raw call, of which neither method nor record is known: it can do what any method does.
fn anywhere(matchers: &Matchers) -> Matchers {
    Matchers { tools: None, methods: None, effects: None, doors: None, ..matchers.clone() }
}

fn touch(entry: &Protected, facts: &PolicyFacts<'_>, record: &RecordFacts<'_>) -> Touch {
    let is_one = |email: &str| entry.emails.contains(&email.to_lowercase());
    if record.ids.into_iter().flatten().any(|id| entry.ids.contains(id)) {
        return Touch::Yes("id");
    }
    let actor = record.actor_email.filter(|_| entry.is_self);
    if let EmailFact::Is(Some(email)) = record.email {
        if is_one(email) {
            return Touch::Yes("email");
        }
        if actor.is_some_and(|actor| actor.to_lowercase() == email.to_lowercase()) {
            return Touch::Yes("self");
        }
    }
    if entry.is_self && record.is_principal == Known::Yes {
        return Touch::Yes("self");
    }
    let needs_email = !entry.emails.is_empty() || actor.is_some();
    if needs_email && record.email == EmailFact::Missing {
        return Touch::Unclear("the record has no e-mail address where the definition says that it stands".to_owned());
    }
    if entry.is_self && record.is_principal == Known::Unclear {
        return Touch::Unclear("whether the record is the connection's own cannot be told".to_owned());
    }
    match entry.when.as_ref().map(|when| crate::policy::evaluate(when, facts, record.record)) {
        None | Some(Ok(false)) => Touch::No,
        Some(Ok(true)) => Touch::Yes("when"),
        Some(Err(why)) => Touch::Unclear(format!("its condition cannot be evaluated: {}", cut(&why))),
    }
}

impl ProtectedDecision<'_> {
    /// The entry that denies, and why.
    pub fn denied_by(&self) -> Option<(&Protected, &Touch)> {
        self.looked_at.last().filter(|(_, touch)| touch.denies()).map(|(entry, touch)| (*entry, touch))
    }

    /// `[{"entry", "touched", "by", "failure"}]`, and `let_through_by` in the one that a rule overrides; `None` when no entry was about
    /// the call.
    pub fn why(&self) -> Option<Value> {
        if self.looked_at.is_empty() {
            return None;
        }
        let entries = self.looked_at.iter().map(|(entry, touch)| {
            let mut told = Map::new();
            told.insert("entry".to_owned(), entry.name.as_str().into());
            told.insert("touched".to_owned(), touch.denies().into());
            match touch {
                Touch::No => {}
                Touch::Yes(by) => {
                    told.insert("by".to_owned(), (*by).into());
                }
                Touch::Unclear(why) => {
                    told.insert("failure".to_owned(), why.as_str().into());
                }
                Touch::Anybody => {
                    told.insert("by".to_owned(), "no_record".into());
                }
            }
            if let Some(rule) = self.let_through_by {
                told.insert("let_through_by".to_owned(), rule.name.as_str().into());
            }
            Value::Object(told)
        });
        Some(entries.collect())
    }

    /// What the caller is told; `None` when nothing denies.
    pub fn problem(&self, facts: &PolicyFacts<'_>, policy_version: i64) -> Option<Problem> {
        let (entry, touch) = self.denied_by()?;
        let called = facts.method.map_or("A raw call", |method| method.tool);
        let (name, because) = (&entry.name, &entry.because);
        let policy = format!("this environment's policy (version {policy_version})");
        let detail = match touch {
            Touch::Unclear(why) => format!(
                "{called} is denied: whether the record is protected by the entry `{name}` of {policy} cannot be told ({why}), and \
                 then it counts as protected. The entry says: {because}"
            ),
            Touch::Anybody => format!(
                "{called} is denied: it does not say which record it touches, and the entry `{name}` of {policy} protects some: \
                 {because}"
            ),
            Touch::Yes(_) | Touch::No => {
                format!("{called} is denied: the record is protected by the entry `{name}` of {policy}: {because}")
            }
        };
        let hint = match touch {
            Touch::Anybody => {
                "Use the tool that names the record. An admin can let such calls through with a rule that allows them by name \
                 (`match: {doors: [custom]}`)."
            }
            _ => {
                "Do not try again, and do not look for another way: whoever asks, this record is not touched. Report it with the name of \
                 the entry; an admin can change the policy."
            }
        };
        Some(Problem::gateway(Code::DeniedByPolicy, detail).with_hint(hint))
    }
}

#[cfg(test)]
mod tests;
