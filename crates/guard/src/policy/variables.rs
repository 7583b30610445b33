//! The variables of conditions, made when a condition first asks for them.

use std::cell::OnceCell;

use quartermaster_definition::plan::Effect;
use quartermaster_expr::{EvaluationError, Program};
use quartermaster_types::Timestamp;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::PolicyFacts;

/// The values of `POLICY_VARIABLES` for one call.
pub(super) struct Variables<'a> {
    facts: &'a PolicyFacts<'a>,
    record: &'a Value,
    made: [OnceCell<Value>; NAMES.len()],
}

/// The variables that are made of facts.
const NAMES: [&str; 8] = ["tool", "method", "effect", "door", "arguments", "account", "actor", "time"];

impl<'a> Variables<'a> {
    pub(super) fn new(facts: &'a PolicyFacts<'a>, record: &'a Value) -> Self {
        Self { facts, record, made: Default::default() }
    }

    /// Whether a condition holds.
    pub(super) fn evaluate(&self, when: &Program) -> Result<bool, EvaluationError> {
        let mut variables = Vec::with_capacity(NAMES.len() + 1);
        for (place, name) in NAMES.iter().enumerate() {
            if when.uses(name) {
                variables.push((*name, self.made[place].get_or_init(|| make(self.facts, name))));
            }
        }
        variables.push(("record", self.record));
        when.holds(&variables)
    }
}

fn make(facts: &PolicyFacts<'_>, name: &str) -> Value {
    match name {
        "tool" => facts.method.map_or("", |method| method.tool).into(),
        "method" => facts.method_name.into(),
        "effect" => effect(facts.effect).into(),
        "door" => facts.door.as_str().into(),
        "arguments" => Value::Object(facts.arguments.clone()),
        "account" => json!({
            "id": facts.account,
            "integration": facts.integration,
            "tenant_id": facts.tenant_id,
            "sandbox": facts.is_sandbox,
        }),
        "actor" => json!({
            "token_id": facts.token,
            "name": facts.token_name,
            "email": facts.token_email,
            "role": facts.role.as_str(),
            "session": facts.session,
        }),
        _ => time(facts.now),
    }
}

/// An effect in the words of the language.
pub(super) const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Write => "write",
        Effect::Destructive => "destructive",
    }
}

/// The moment in UTC; null beyond the calendar, so that conditions on it fail.
fn time(now: Timestamp) -> Value {
    let Ok(moment) = OffsetDateTime::from_unix_timestamp(now.unix_seconds()) else { return Value::Null };
    let (year, month, day) = (moment.year(), u8::from(moment.month()), moment.day());
    json!({
        "at": now,
        "date": format!("{year:04}-{month:02}-{day:02}"),
        "year": year,
        "month": month,
        "day": day,
        "hour": moment.hour(),
        "minute": moment.minute(),
        "weekday": moment.weekday().number_from_monday(),
    })
}
