//! A small machine for tests of what drives machines: rounds of calls and waits, written as JSON.
//!
//! `{"name": "x", "rounds": [[{"key": "find", "method": "users.list", "arguments": {…}}], [{"key": "pause",
//! "wait_seconds": 5}], …]}`. A round is over when everything in it is; what failed ends the run unless the step is `"lenient"`. An
//! argument `{"$from": "find", "at": "/result/0/id"}` stands for what an earlier answer has there.

use std::collections::BTreeMap;

use quartermaster_gateway::runs::machine::{
    Action, Call, Completion, Entry, Kind, Machine, Mismatch, Prepared, Report, Start, Wake,
};
use quartermaster_types::{Code, Problem, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The kind of these machines. It stands in for playbooks where a test drives the gateway directly.
pub struct ScriptKind(pub &'static str);

#[derive(Deserialize)]
struct Script {
    name: String,
    rounds: Vec<Vec<Step>>,
}

#[derive(Deserialize)]
struct Step {
    key: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    arguments: Map<String, Value>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    dry_run: bool,
    wait_seconds: Option<i64>,
    #[serde(default)]
    lenient: bool,
}

struct ScriptMachine {
    script: Script,
    started_at: Timestamp,
    now: Timestamp,
    answers: BTreeMap<String, Value>,
    failed: Option<(String, Problem)>,
}

impl Kind for ScriptKind {
    fn name(&self) -> &'static str {
        self.0
    }

    fn prepare(&self, start: &Start<'_>) -> Result<Prepared, Problem> {
        let script = parse(start.definition)?;
        let input = json!({"given": start.input, "started_at": start.at});
        Ok(Prepared { name: script.name, definition: start.definition.to_owned(), input })
    }

    fn load(&self, definition: &str, input: &Value) -> Result<Box<dyn Machine>, Problem> {
        let started_at = input["started_at"].as_str().and_then(Timestamp::parse_rfc3339).unwrap_or_default();
        let script = parse(definition)?;
        Ok(Box::new(ScriptMachine { script, started_at, now: started_at, answers: BTreeMap::new(), failed: None }))
    }
}

fn parse(text: &str) -> Result<Script, Problem> {
    serde_json::from_str(text).map_err(|error| {
        Problem::caller(Code::InvalidArgument, "The script cannot be read.").with_error("", error.to_string())
    })
}

impl ScriptMachine {
    fn call(&self, step: &Step) -> Call {
        let (resource, method) = step.method.split_once('.').unwrap_or_default();
        let arguments = step.arguments.iter().map(|(name, value)| (name.clone(), self.value(value))).collect();
        Call {
            key: step.key.clone(),
            account: step.account.clone(),
            resource: resource.to_owned(),
            method: method.to_owned(),
            arguments,
            expect: None,
            dry_run: step.dry_run,
        }
    }

    fn value(&self, value: &Value) -> Value {
        let (Some(from), Some(at)) = (value["$from"].as_str(), value["at"].as_str()) else { return value.clone() };
        self.answers.get(from).and_then(|answer| answer.pointer(at)).cloned().unwrap_or_default()
    }

    fn step(&self, key: &str) -> Result<&Step, Mismatch> {
        let step = self.script.rounds.iter().flatten().find(|step| step.key == key);
        step.ok_or_else(|| Mismatch(format!("there is no step {key:?}")))
    }
}

impl Machine for ScriptMachine {
    fn next(&self) -> Action {
        let answered: Vec<Value> =
            self.script.rounds.iter().flatten().filter_map(|step| self.answers.get(&step.key)).cloned().collect();
        let report = || Report {
            text: format!("{} of {} steps.", self.answers.len(), self.script.rounds.iter().flatten().count()),
            members: Map::from_iter([("answers".to_owned(), Value::Array(answered.clone()))]),
            table: None,
        };
        if let Some((step, problem)) = &self.failed {
            return Action::Failed { step: Some(step.clone()), problem: problem.clone(), report: Some(report()) };
        }
        let open =
            self.script.rounds.iter().find(|round| round.iter().any(|step| !self.answers.contains_key(&step.key)));
        let Some(round) = open else {
            return Action::Done { outcome: Completion::Complete, report: Some(report()) };
        };
        let (mut calls, mut waits) = (Vec::new(), Vec::new());
        for step in round.iter().filter(|step| !self.answers.contains_key(&step.key)) {
            match step.wait_seconds {
                Some(seconds) => {
                    let until = self.now.plus_ms(seconds * 1000);
                    waits.push(Wake { key: step.key.clone(), until, pause: false });
                }
                None => calls.push(self.call(step)),
            }
        }
        Action::Proceed { calls, waits, asks: Vec::new() }
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Mismatch> {
        if entry.at() < self.started_at {
            return Err(Mismatch("an entry is older than the run".to_owned()));
        }
        let mut ends = true;
        match entry {
            Entry::Begun { call, .. } => {
                ends = false;
                if self.call(self.step(&call.key)?) != *call {
                    return Err(Mismatch(format!("the call {:?} is another one", call.key)));
                }
            }
            Entry::Finished { key, result, .. } => {
                self.step(key)?;
                self.answers.insert(key.clone(), result.clone());
            }
            Entry::Failed { key, problem, .. } => {
                if self.step(key)?.lenient {
                    self.answers.insert(key.clone(), json!({"problem": problem.code()}));
                } else {
                    self.failed = Some((key.clone(), problem.clone()));
                }
            }
            Entry::Asked { .. } | Entry::Answered { .. } => {
                return Err(Mismatch("a script asks no model".to_owned()));
            }
            Entry::Woken { key, .. } => {
                self.step(key)?;
                self.answers.insert(key.clone(), json!("woken"));
            }
        }
        // Waits count from the last end, so that asking twice gives the same.
        if ends {
            self.now = entry.at();
        }
        Ok(())
    }

    fn reduce(&self, _key: &str, result: Value) -> Value {
        result
    }
}
