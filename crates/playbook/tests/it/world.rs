//! A directory in memory that answers a run's calls as the tool door does, and a driver that keeps the journal.

use std::collections::HashMap;
use std::sync::Arc;

use quartermaster_playbook::plan::PlanState;
use quartermaster_playbook::{
    AccountFacts, Action, Call, Entry, IntegrationFacts, LifecycleFacts, Mismatch, Playbook, RunFacts, Setting, State,
    load, shipped,
};
use quartermaster_types::{Code, Origin, Problem, Timestamp};
use serde_json::{Map, Value, json};

pub(crate) const START: Timestamp = Timestamp::from_unix_ms(1_780_000_000_000);

pub(crate) fn playbook(text: &str) -> Arc<Playbook> {
    let (playbook, problems) = load("playbook.yaml", text.as_bytes());
    assert!(problems.is_empty(), "{problems}");
    Arc::new(playbook.expect("a playbook without problems loads"))
}

pub(crate) fn built_in(name: &str) -> Arc<Playbook> {
    playbook(shipped::find(name).expect("it ships").text)
}

pub(crate) fn setting() -> Setting {
    Setting {
        run: RunFacts { id: "run-1".to_owned(), session: "run:run-1".to_owned(), started_at: START },
        account: AccountFacts { id: "account-1".to_owned(), tenant_id: "tenant-1".to_owned() },
        integration: IntegrationFacts { name: "acme".to_owned(), label: "Acme".to_owned() },
        lifecycle: Some(LifecycleFacts {
            resource: "users".to_owned(),
            suspend: "suspend".to_owned(),
            reactivate: Some("reactivate".to_owned()),
            find_by_email: "email".to_owned(),
            id: "/id".to_owned(),
            email: "/mail".to_owned(),
            display_name: Some("/name".to_owned()),
            state: "/state".to_owned(),
            active: "ACTIVE".to_owned(),
            suspended: "SUSPENDED".to_owned(),
        }),
    }
}

pub(crate) fn state(playbook: &Arc<Playbook>, input: Value) -> State {
    State::new(Arc::clone(playbook), setting(), &object(input)).expect("the input is one that it takes")
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

/// What is driven by a journal: a playbook, or a plan.
pub(crate) trait Machine {
    fn next(&self) -> Action;
    fn apply(&mut self, entry: &Entry) -> Result<(), Mismatch>;
    fn reduce(&self, key: &str, answer: Value) -> Value;
}

macro_rules! machine {
    ($($state:ty),+) => {$(
        impl Machine for $state {
            fn next(&self) -> Action {
                Self::next(self)
            }

            fn apply(&mut self, entry: &Entry) -> Result<(), Mismatch> {
                Self::apply(self, entry)
            }

            fn reduce(&self, key: &str, answer: Value) -> Value {
                Self::reduce(self, key, answer)
            }
        }
    )+};
}

machine![State, PlanState];

/// What goes wrong once, by the key of the call.
pub(crate) type Faults = HashMap<String, Fault>;

#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing is done.
    Refused(Problem),
    /// It is done, and the answer is lost.
    Lost,
}

pub(crate) fn rate_limited(seconds: u64) -> Fault {
    let problem = Problem::new(Code::RateLimited, Origin::Upstream, "too many calls");
    Fault::Refused(problem.with_retry(true, Some(seconds)))
}

pub(crate) struct World {
    pub(crate) people: Vec<Value>,
    pub(crate) faults: Faults,
    pub(crate) calls: Vec<String>,
    pub(crate) page: usize,
    /// How often each person was written to.
    pub(crate) writes: HashMap<String, usize>,
    /// The once-only rule: answers of writes by key.
    stored: HashMap<String, Value>,
    places: HashMap<String, usize>,
    now: Timestamp,
}

pub(crate) fn person(id: &str, mail: &str, state: &str) -> Value {
    json!({"id": id, "mail": mail, "name": format!("Name of {id}"), "state": state})
}

impl World {
    pub(crate) fn new(people: Vec<Value>) -> Self {
        let places = people.iter().enumerate().map(|(place, one)| (one["id"].as_str().unwrap().to_owned(), place));
        Self {
            places: places.collect(),
            people,
            faults: Faults::new(),
            calls: Vec::new(),
            page: 2,
            writes: HashMap::new(),
            stored: HashMap::new(),
            now: START,
        }
    }

    pub(crate) fn with_fault(mut self, key: &str, fault: Fault) -> Self {
        self.faults.insert(key.to_owned(), fault);
        self
    }

    fn tick(&mut self) -> Timestamp {
        self.now = self.now.plus_ms(10);
        self.now
    }

    pub(crate) fn state_of(&self, id: &str) -> &str {
        self.people.iter().find(|person| person["id"] == id).expect("there is such a person")["state"].as_str().unwrap()
    }

    fn answer(&mut self, call: &Call) -> Result<Value, Problem> {
        self.calls.push(format!("{} {}.{}", call.key, call.resource, call.method));
        let fault = self.faults.remove(&call.key);
        if let Some(Fault::Refused(problem)) = fault {
            return Err(problem);
        }
        if let Some(stored) = self.stored.get(&call.key) {
            return Ok(stored.clone());
        }
        let answer = self.carry_out(call)?;
        match fault {
            Some(Fault::Lost) => Err(Problem::upstream(Code::UpstreamTimeout, "no answer came in time")),
            _ => Ok(answer),
        }
    }

    fn carry_out(&mut self, call: &Call) -> Result<Value, Problem> {
        if call.dry_run {
            return Ok(json!({"dry_run": true, "method": format!("{}.{}", call.resource, call.method)}));
        }
        if call.method == "list" {
            let size = self.page;
            let start = call.arguments.get("next_cursor").map_or(0, |at| at.as_str().unwrap().parse().unwrap());
            let page: Vec<&Value> = self.people.iter().skip(start).take(size).collect();
            let scanned = page.len();
            let wanted = call.arguments.get("email").and_then(Value::as_str).map(str::to_lowercase);
            let result: Vec<&Value> = page
                .into_iter()
                .filter(|one| wanted.as_deref().is_none_or(|mail| one["mail"].as_str().unwrap().to_lowercase() == mail))
                .collect();
            let next = (start + size < self.people.len()).then(|| (start + size).to_string());
            return Ok(
                json!({"result": result, "next_cursor": next, "scanned": scanned, "is_partial": next.is_some()}),
            );
        }
        let id = call.arguments["id"].as_str().expect("an id");
        let place = self.places.get(id).copied();
        let Some(person) = place.and_then(|place| self.people.get_mut(place)) else {
            return Err(Problem::upstream(Code::NotFound, format!("no user {id}")));
        };
        let to = match call.method.as_str() {
            "suspend" => "SUSPENDED",
            "reactivate" => "ACTIVE",
            _ => return Ok(json!({"result": person})),
        };
        let changed = person["state"] != to;
        let expected = |name: &str, found: &Value| {
            let expected = call.expect.as_ref().and_then(|expect| expect.get(name));
            expected.is_none_or(|expected| expected == found)
        };
        if !expected("email", &person["mail"]) || (changed && !expected("state", &person["state"])) {
            return Err(Problem::gateway(Code::PreconditionFailed, "the record is not what `expect` says"));
        }
        person["state"] = json!(to);
        let answer = json!({"result": person, "changed": changed});
        *self.writes.entry(id.to_owned()).or_default() += 1;
        self.stored.insert(call.key.clone(), answer.clone());
        Ok(answer)
    }

    /// Runs to the end; gives the journal. The last of several open calls is answered first, so that rows come in disorder.
    pub(crate) fn run(&mut self, state: &mut impl Machine) -> Vec<Entry> {
        self.run_some(state, usize::MAX)
    }

    /// The same, for at most so many entries: a worker that is killed right after one.
    pub(crate) fn run_some(&mut self, state: &mut impl Machine, entries_max: usize) -> Vec<Entry> {
        let mut journal = Vec::new();
        for _ in 0..1_000_000 {
            if journal.len() >= entries_max {
                return journal;
            }
            let Action::Proceed { calls, waits, .. } = state.next() else { return journal };
            assert!(!calls.is_empty() || !waits.is_empty(), "a run that goes on waits for something");
            let entry = match (calls.last(), waits.first()) {
                (Some(call), _) => {
                    let at = self.tick();
                    let begun = Entry::Begun { call: call.clone(), at };
                    state.apply(&begun).expect("the call was asked for");
                    journal.push(begun);
                    if journal.len() >= entries_max {
                        // Killed while the call was under way: it may have been done.
                        let _lost = self.answer(call);
                        return journal;
                    }
                    let answer = self.answer(call);
                    let at = self.tick();
                    match answer {
                        Ok(answer) => {
                            let result = state.reduce(&call.key, answer);
                            let request_id = Some(format!("request-{}", self.calls.len()));
                            Entry::Finished { key: call.key.clone(), at, result, request_id }
                        }
                        Err(problem) => Entry::Failed { key: call.key.clone(), at, problem },
                    }
                }
                (None, Some(wait)) => {
                    self.now = self.now.max(wait.until);
                    Entry::Woken { key: wait.key.clone(), at: self.tick() }
                }
                (None, None) => unreachable!(),
            };
            state.apply(&entry).expect("the run waits for it");
            journal.push(entry);
        }
        panic!("the run does not end");
    }
}

/// The text of the report, or the problem's.
pub(crate) fn said(action: &Action) -> String {
    match action {
        Action::Done { report, .. } => report.as_ref().expect("a report").text.clone(),
        Action::Failed { problem, .. } => problem.to_string(),
        Action::Proceed { .. } => panic!("the run is not at its end"),
    }
}
