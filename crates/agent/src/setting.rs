//! What an agent run is started with: fixed when it begins and kept with it, so that a replay sees what the run saw.

use indexmap::IndexMap;
use quartermaster_definition::plan::{Effect as PlanEffect, Resource as PlanResource};
use quartermaster_definition::{Method, MethodKind, Plan};
use quartermaster_types::{FieldError, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Targets;
use crate::limits::{
    BYTES_PER_TOKEN, CALLS_DEFAULT, CALLS_MAX, CONTEXT_TOKENS_DEFAULT, CONTEXT_TOKENS_MAX, CONTEXT_TOKENS_MIN,
    COST_MAX, ITERATIONS_DEFAULT, ITERATIONS_MAX, OUTPUT_TOKENS_DEFAULT, OUTPUT_TOKENS_MAX, RESULT_TOKENS_DEFAULT,
    RESULT_TOKENS_MAX, RESULT_TOKENS_MIN, SECONDS_DEFAULT, SECONDS_MAX, TOKENS_DEFAULT, TOKENS_MAX,
    WAIT_SECONDS_DEFAULT,
};

/// An agent run before its first entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The run's id.
    pub run: String,
    /// The session of its calls.
    pub session: String,
    /// When it began.
    pub started_at: Timestamp,
    /// What the model is to reach, in the words of whoever asks.
    pub goal: String,
    /// Which model.
    pub model: String,
    /// Where it works; the run's own account first.
    pub accounts: Vec<Account>,
    /// How far it may go.
    pub limits: Limits,
    /// Whom it may change.
    pub targets: Targets,
    /// Whether the model sees short handles (`user:3`) instead of ids.
    pub handles: bool,
    /// Whether writes are only rehearsed.
    pub dry_run: bool,
}

/// An account with the tools that the run may use on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub tenant_id: String,
    /// The integration's name for people.
    pub label: String,
    /// Its resources by name.
    pub resources: IndexMap<String, Resource>,
    /// Its tools.
    pub tools: Vec<Tool>,
}

/// Where the parts of a resource's records stand, JSON Pointers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// What one is called, `user`.
    pub singular: String,
    /// The id.
    pub id: String,
    /// The state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// A tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name, as the tool door has it.
    pub name: String,
    /// Its resource.
    pub resource: String,
    /// Its method.
    pub method: String,
    /// Its title.
    pub title: String,
    /// What it does.
    pub description: String,
    /// What it changes.
    pub effect: Effect,
    /// Whether it takes the id of a record.
    pub takes_id: bool,
    /// Whether it takes something away, from a record that can be read by its id right before: then that read is compared with
    /// what the run has seen.
    #[serde(default)]
    pub is_compared: bool,
    /// Arguments.
    pub input_schema: Value,
}

/// What a tool changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing.
    Read,
    /// Something.
    Write,
    /// It takes something away from somebody.
    Destructive,
}

/// How far a run may go. What ends at one of them ends in order, with what was done so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Turns of the model.
    pub iterations: u32,
    /// Tokens in and out.
    pub tokens: u64,
    /// Seconds from its start.
    pub seconds: u64,
    /// Seconds in which rate limits and passing faults are waited out.
    pub wait_seconds: u64,
    /// Calls of tools.
    pub calls: u32,
    /// Money, in the currency of the model's prices; `None` for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Tokens of one answer of the model.
    pub output_tokens: u32,
    /// Tokens of one result that the model sees.
    pub result_tokens: u32,
    /// Tokens of one prompt.
    pub context_tokens: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            iterations: ITERATIONS_DEFAULT,
            tokens: TOKENS_DEFAULT,
            seconds: SECONDS_DEFAULT,
            wait_seconds: WAIT_SECONDS_DEFAULT,
            calls: CALLS_DEFAULT,
            cost: None,
            output_tokens: OUTPUT_TOKENS_DEFAULT,
            result_tokens: RESULT_TOKENS_DEFAULT,
            context_tokens: CONTEXT_TOKENS_DEFAULT,
        }
    }
}

impl Limits {
    /// Every limit that is out of its bounds.
    pub fn mistakes(&self) -> Vec<FieldError> {
        let bounds = [
            ("iterations", u64::from(self.iterations), 1, u64::from(ITERATIONS_MAX)),
            ("tokens", self.tokens, 1, TOKENS_MAX),
            ("seconds", self.seconds, 1, SECONDS_MAX),
            ("wait_seconds", self.wait_seconds, 0, SECONDS_MAX),
            ("calls", u64::from(self.calls), 1, u64::from(CALLS_MAX)),
            ("output_tokens", u64::from(self.output_tokens), 1, u64::from(OUTPUT_TOKENS_MAX)),
            ("result_tokens", self.result_tokens.into(), RESULT_TOKENS_MIN.into(), RESULT_TOKENS_MAX.into()),
            ("context_tokens", self.context_tokens.into(), CONTEXT_TOKENS_MIN.into(), CONTEXT_TOKENS_MAX.into()),
        ];
        let wrong = bounds.into_iter().filter(|(_, value, least, most)| value < least || value > most);
        let mut mistakes: Vec<FieldError> = wrong
            .map(|(name, value, least, most)| FieldError {
                pointer: format!("/{name}"),
                detail: format!("got {value}; expected {least} to {most}"),
            })
            .collect();
        if let Some(cost) = self.cost.filter(|cost| !(*cost > 0.0 && *cost <= COST_MAX)) {
            let detail = format!("got {cost}; expected more than 0 and at most {COST_MAX}");
            mistakes.push(FieldError { pointer: "/cost".to_owned(), detail });
        }
        mistakes
    }

    /// The same in millionths.
    pub(crate) fn cost_micros(&self) -> Option<u64> {
        self.cost.map(|cost| (cost * 1e6).round() as u64)
    }

    /// Bytes of one result.
    pub(crate) fn result_bytes(&self) -> usize {
        self.result_tokens as usize * BYTES_PER_TOKEN
    }

    /// Bytes of one prompt.
    pub(crate) fn context_bytes(&self) -> usize {
        self.context_tokens as usize * BYTES_PER_TOKEN
    }
}

impl Account {
    /// An account of this integration with those of its methods that `may_use` lets through.
    pub fn of(plan: &Plan, id: String, tenant_id: String, may_use: impl Fn(&Method) -> bool) -> Self {
        let tools = plan.methods().filter(|method| may_use(method)).map(|method| Tool::of(plan, method)).collect();
        let of_people = |name: &str| plan.lifecycle.as_ref().filter(|lifecycle| lifecycle.resource == name);
        let resources = plan.resources.values().map(|resource| {
            let people = of_people(&resource.name);
            let facts = Resource {
                singular: resource.singular.clone(),
                id: resource.id.at.clone(),
                state: resource.state.as_ref().map(|state| state.at.clone()),
                email: people.map(|lifecycle| lifecycle.email.clone()),
                display_name: people.and_then(|lifecycle| lifecycle.display_name.clone()),
            };
            (resource.name.clone(), facts)
        });
        Self { id, tenant_id, label: plan.label.clone(), resources: resources.collect(), tools }
    }
}

impl Tool {
    fn of(plan: &Plan, method: &Method) -> Self {
        let reads = |resource: &PlanResource| resource.methods.values().any(|method| method.kind == MethodKind::Get);
        Self {
            name: method.tool_name.clone(),
            resource: method.resource.clone(),
            method: method.name.clone(),
            title: method.title.clone(),
            description: method.description.clone().unwrap_or_default(),
            effect: match method.effect {
                PlanEffect::Read => Effect::Read,
                PlanEffect::Write => Effect::Write,
                PlanEffect::Destructive => Effect::Destructive,
            },
            takes_id: method.takes_id,
            is_compared: method.effect == PlanEffect::Destructive
                && method.takes_id
                && (method.read_before.is_some() || plan.resources.get(&method.resource).is_some_and(reads)),
            input_schema: method.input_schema.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_taken_at_their_bounds_and_refused_past_them() {
        assert_eq!(Limits::default().mistakes(), []);
        let least = Limits {
            iterations: 1,
            tokens: 1,
            seconds: 1,
            wait_seconds: 0,
            calls: 1,
            cost: Some(f64::MIN_POSITIVE),
            output_tokens: 1,
            result_tokens: RESULT_TOKENS_MIN,
            context_tokens: CONTEXT_TOKENS_MIN,
        };
        let most = Limits {
            iterations: ITERATIONS_MAX,
            tokens: TOKENS_MAX,
            seconds: SECONDS_MAX,
            wait_seconds: SECONDS_MAX,
            calls: CALLS_MAX,
            cost: Some(COST_MAX),
            output_tokens: OUTPUT_TOKENS_MAX,
            result_tokens: RESULT_TOKENS_MAX,
            context_tokens: CONTEXT_TOKENS_MAX,
        };
        assert_eq!((least.mistakes(), most.mistakes()), (vec![], vec![]));
        let past = Limits {
            iterations: 0,
            tokens: TOKENS_MAX + 1,
            seconds: 0,
            wait_seconds: SECONDS_MAX + 1,
            calls: CALLS_MAX + 1,
            cost: Some(f64::NAN),
            output_tokens: 0,
            result_tokens: RESULT_TOKENS_MIN - 1,
            context_tokens: CONTEXT_TOKENS_MAX + 1,
        };
        assert_eq!(past.mistakes().len(), 9, "{:?}", past.mistakes());
    }
}
