//! From a delivery to the runs that it starts.

use quartermaster_expr::{Members, Program};
use quartermaster_types::{Timestamp, TriggerId};
use quartermaster_vault::sha256;
use serde_json::{Map, Value, json};

use crate::delivery::Delivery;
use crate::limits::{CHALLENGE_ANSWER_MAX_BYTES, DEDUPE_KEY_MAX_BYTES, DELIVERY_ITEMS_MAX};
use crate::model::{Source, Trigger, Webhook};

/// What expressions are evaluated over.
#[derive(Clone, Debug)]
pub struct Facts {
    payload: Value,
    headers: Value,
    query: Value,
    trigger: Value,
    /// What two deliveries of the same event have in common where the trigger does not say.
    event: String,
}

/// One run that a delivery asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it is started with.
    pub input: Map<String, Value>,
    /// The same for the same event, and for no other.
    pub dedupe: [u8; 32],
    /// The text behind that.
    pub dedupe_key: String,
}

/// What becomes of one item of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Considered {
    /// A run is started, unless one was for the same event.
    Start(Item),
    /// The condition does not hold.
    Ignored,
    /// An expression failed: which one, and why.
    Failed(String),
}

impl Facts {
    /// Those of a delivery to a webhook. Headers and parameters that hold secrets or signatures are left out.
    pub fn of_delivery(
        webhook: &Webhook,
        trigger: (TriggerId, &str),
        delivery: &Delivery<'_>,
        payload: Value,
        at: Timestamp,
    ) -> Self {
        let (hidden_headers, hidden_parameter) = webhook.hidden();
        let headers = delivery.headers.iter().filter(|(name, _)| !hidden_headers.contains(&name.as_str()));
        let query = delivery.query.iter().filter(|(name, _)| Some(name.as_str()) != hidden_parameter);
        let id = webhook.id_header.as_deref();
        let id = id.and_then(|name| delivery.headers.iter().find(|(given, _)| given == name));
        Self {
            payload,
            headers: object(headers),
            query: object(query),
            trigger: json!({"id": trigger.0, "name": trigger.1, "at": at, "scheduled_for": null}),
            event: match id {
                Some((_, id)) => format!("id {id}"),
                None => format!("body {}", hex(&quartermaster_vault::sha256_of(delivery.body))),
            },
        }
    }

    /// Those of a scheduled time.
    pub fn of_schedule(trigger: (TriggerId, &str), scheduled_for: Timestamp, at: Timestamp) -> Self {
        Self {
            payload: Value::Null,
            headers: json!({}),
            query: json!({}),
            trigger: json!({"id": trigger.0, "name": trigger.1, "at": at, "scheduled_for": scheduled_for}),
            event: format!("time {scheduled_for}"),
        }
    }

    /// The payload.
    pub fn payload(&self) -> &Value {
        &self.payload
    }

    fn evaluate(&self, program: &Program, item: &Value) -> Result<Value, String> {
        let values = self.values(program, item);
        program.evaluate(&variables(&values)).map_err(|error| error.to_string())
    }

    fn holds(&self, program: &Program, item: &Value) -> Result<bool, String> {
        let values = self.values(program, item);
        program.holds(&variables(&values)).map_err(|error| error.to_string())
    }

    /// The variables that an expression uses, with the members that it looks at: what else a sender puts into a delivery, however
    /// long, is no reason to fail.
    fn values<'p>(&self, program: &'p Program, item: &Value) -> Vec<(&'p str, Value)> {
        let all = [
            ("payload", &self.payload),
            ("headers", &self.headers),
            ("query", &self.query),
            ("trigger", &self.trigger),
            ("item", item),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, picked(value, program.members(name)?)))).collect()
    }
}

fn variables<'a>(values: &'a [(&'a str, Value)]) -> Vec<(&'a str, &'a Value)> {
    values.iter().map(|(name, value)| (*name, value)).collect()
}

/// A value with nothing but the members that are looked at.
fn picked(value: &Value, members: &Members) -> Value {
    match value {
        _ if members.is_whole() => value.clone(),
        Value::Object(object) => Value::Object(
            members
                .names()
                .filter_map(|name| Some((name.to_owned(), picked(object.get(name)?, members.member(name)?))))
                .collect(),
        ),
        Value::Array(_) => Value::Array(Vec::new()),
        other => other.clone(),
    }
}

impl Webhook {
    /// The answer to the sender's question whether somebody is here, when the delivery is one. `unsigned`: it was not verified,
    /// so only a trigger that says so answers. A text is sent as it is, anything else as JSON.
    pub fn challenge(&self, facts: &Facts, unsigned: bool) -> Option<Result<Value, String>> {
        let challenge = self.challenge.as_ref().filter(|challenge| !unsigned || challenge.unsigned)?;
        // What is no question at all lacks the members that the condition looks at.
        if !facts.holds(&challenge.when, &Value::Null).unwrap_or(false) {
            return None;
        }
        Some(facts.evaluate(&challenge.answer, &Value::Null).and_then(|answer| {
            let bytes = answer.as_str().map_or_else(|| answer.to_string().len(), str::len);
            if bytes > CHALLENGE_ANSWER_MAX_BYTES {
                return Err(format!("the answer has {bytes} bytes; at most {CHALLENGE_ANSWER_MAX_BYTES} are sent"));
            }
            Ok(answer)
        }))
    }

    /// Whether a delivery may be answered as a question before it is verified.
    pub fn answers_unsigned(&self) -> bool {
        self.challenge.as_ref().is_some_and(|challenge| challenge.unsigned)
    }
}

impl Trigger {
    /// The webhook, when it is one.
    pub fn webhook(&self) -> Option<&Webhook> {
        match &self.source {
            Source::Webhook(webhook) => Some(webhook),
            Source::Schedule(_) => None,
        }
    }

    /// The runs that a delivery asks for; the message says which expression failed for all of it.
    pub fn consider(&self, facts: &Facts) -> Result<Vec<Considered>, String> {
        let Some(list) = &self.for_each else { return Ok(vec![self.consider_item(facts, &Value::Null, None)]) };
        let listed = facts.evaluate(list, &Value::Null).map_err(|error| format!("for_each: {error}"))?;
        let Value::Array(items) = listed else { return Err("for_each: gives no list".to_owned()) };
        if items.len() > DELIVERY_ITEMS_MAX {
            let count = items.len();
            return Err(format!("for_each: {count} items are more than {DELIVERY_ITEMS_MAX}; nothing was started"));
        }
        Ok(items.iter().enumerate().map(|(number, item)| self.consider_item(facts, item, Some(number))).collect())
    }

    fn consider_item(&self, facts: &Facts, item: &Value, number: Option<usize>) -> Considered {
        match self.item(facts, item, number) {
            Ok(Some(item)) => Considered::Start(item),
            Ok(None) => Considered::Ignored,
            Err(error) => Considered::Failed(error),
        }
    }

    fn item(&self, facts: &Facts, item: &Value, number: Option<usize>) -> Result<Option<Item>, String> {
        if let Some(when) = &self.when
            && !facts.holds(when, item).map_err(|error| format!("when: {error}"))?
        {
            return Ok(None);
        }
        let mut input = self.run.input.clone();
        for (name, program) in &self.input {
            let value = facts.evaluate(program, item).map_err(|error| format!("input.{name}: {error}"))?;
            input.insert(name.clone(), value);
        }
        let (kind, dedupe_key) = match &self.dedupe_key {
            None => (
                &b"event"[..],
                number.map_or_else(|| facts.event.clone(), |number| format!("{} item {number}", facts.event)),
            ),
            Some(program) => (&b"key"[..], key(facts, program, item)?),
        };
        Ok(Some(Item { input, dedupe: sha256(&[kind, dedupe_key.as_bytes()]), dedupe_key }))
    }
}

/// The text that a declared key gives.
fn key(facts: &Facts, program: &Program, item: &Value) -> Result<String, String> {
    let key = match facts.evaluate(program, item).map_err(|error| format!("dedupe_key: {error}"))? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err("dedupe_key: gives neither a text nor a number".to_owned());
        }
    };
    if key.is_empty() || key.len() > DEDUPE_KEY_MAX_BYTES {
        return Err(format!("dedupe_key: a text of 1 to {DEDUPE_KEY_MAX_BYTES} bytes is expected"));
    }
    Ok(key)
}

/// Names with their values; of several values the last, as most programs have it.
fn object<'a>(pairs: impl Iterator<Item = &'a (String, String)>) -> Value {
    Value::Object(pairs.map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
