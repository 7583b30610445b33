//! A directory in memory that answers as the tool door does, a scripted model, and a driver that keeps the journal.

use std::collections::{HashMap, HashSet};

use quartermaster_agent::{Account, Limits, Message, Prompt, Setting, State, Targets};
use quartermaster_definition::{Plan, load};
use quartermaster_types::run::{Action, AskedCall, Call, Entry, Outcome, Reply, Report, Stop, Usage};
use quartermaster_types::{Code, Origin, Problem, Timestamp};
use serde_json::{Value, json};

pub(crate) const START: Timestamp = Timestamp::from_unix_ms(1_780_000_000_000);
pub(crate) const LIST: &str = "list_all_1_password_users";
pub(crate) const GET: &str = "get_single_1_password_user_by_id";
pub(crate) const SUSPEND: &str = "1_password_users_suspend";
pub(crate) const MILLER: &str = "a.miller@company.com";

pub(crate) fn plan() -> Plan {
    let text = quartermaster_integrations::find("1password").unwrap().definition;
    let (definition, problems) = load("definition.yaml", text);
    let definition = definition.unwrap_or_else(|| panic!("{problems}"));
    definition.compile().unwrap()
}

pub(crate) fn setting(goal: &str) -> Setting {
    Setting {
        run: "run-1".to_owned(),
        session: "run:run-1".to_owned(),
        started_at: START,
        goal: goal.to_owned(),
        model: "scripted".to_owned(),
        accounts: vec![Account::of(&plan(), "account-1".to_owned(), "tenant-1".to_owned(), |_| true)],
        limits: Limits::default(),
        targets: Targets::Anybody,
        handles: true,
        dry_run: false,
    }
}

/// What the scripted model does with a prompt.
pub(crate) type Turn = Box<dyn FnMut(&Prompt) -> Result<Reply, Problem>>;

pub(crate) fn reply(text: &str, calls: &[(&str, Value)]) -> Reply {
    let calls: Vec<AskedCall> = (1..)
        .zip(calls)
        .map(|(n, (name, arguments))| AskedCall {
            id: format!("c{n}"),
            name: (*name).to_owned(),
            arguments: arguments.clone(),
        })
        .collect();
    let stop = if calls.is_empty() { Stop::End } else { Stop::ToolCalls };
    let usage = Usage { input_tokens: 100, output_tokens: 10, cached_tokens: 0, cost_micros: Some(50) };
    Reply { text: text.to_owned(), calls, opaque: None, stop, usage }
}

/// A turn that does not look at the prompt.
pub(crate) fn calls(calls: &[(&str, Value)]) -> Turn {
    let reply = reply("", calls);
    Box::new(move |_| Ok(reply.clone()))
}

pub(crate) fn says(text: &str) -> Turn {
    let reply = reply(text, &[]);
    Box::new(move |_| Ok(reply.clone()))
}

pub(crate) fn fails(problem: Problem) -> Turn {
    Box::new(move |_| Err(problem.clone()))
}

pub(crate) fn finishes(outcome: &str, summary: &str) -> Turn {
    calls(&[("finish_run", json!({"outcome": outcome, "summary": summary}))])
}

/// Calls a tool with the value that the last result has at a pointer as `id`.
pub(crate) fn acts(tool: &'static str, pointer: &'static str) -> Turn {
    Box::new(move |prompt| {
        let id = last(prompt).pointer(pointer).unwrap_or_else(|| panic!("{pointer}: {}", last(prompt))).clone();
        Ok(reply("", &[(tool, json!({"id": id}))]))
    })
}

/// The last results of a prompt, as JSON.
pub(crate) fn results(prompt: &Prompt) -> Vec<Value> {
    let found = prompt.messages.iter().rev().find_map(|message| match message {
        Message::Results { results } => Some(results),
        _ => None,
    });
    found.expect("there are results").iter().map(|result| serde_json::from_str(&result.content).unwrap()).collect()
}

pub(crate) fn last(prompt: &Prompt) -> Value {
    results(prompt).pop().unwrap()
}

/// What goes wrong once, by the key of the call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing is done.
    Refused(Problem),
    /// It is done, and the answer is lost.
    Lost,
}

pub(crate) fn rate_limited(seconds: u64) -> Problem {
    Problem::new(Code::RateLimited, Origin::Upstream, "too many calls").with_retry(true, Some(seconds))
}

/// A run in a world.
pub(crate) struct World {
    pub(crate) people: Vec<Value>,
    pub(crate) faults: HashMap<String, Fault>,
    /// Calls that were made, `turn-1/call-1 users.list`.
    pub(crate) made: Vec<String>,
    /// Writes by id.
    pub(crate) writes: Vec<String>,
    read: HashSet<String>,
    pub(crate) now: Timestamp,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) waits: Vec<u64>,
    /// How long one call or question takes.
    pub(crate) pace_ms: i64,
}

pub(crate) fn person(n: usize, email: &str, name: &str) -> Value {
    json!({"id": id(n), "email": email, "display_name": name, "state": "ACTIVE"})
}

/// The id of the n-th person: 26 characters.
pub(crate) fn id(n: usize) -> String {
    let digits: String = format!("{n:05}").bytes().map(|digit| char::from(digit - b'0' + b'A')).collect();
    format!("{}{digits}", "QRSTUVWXYZ234567QRSTU")
}

impl World {
    pub(crate) fn new(people: usize) -> Self {
        let mut all: Vec<Value> =
            (1..=people).map(|n| person(n, &format!("p{n}@company.com"), &format!("Person {n}"))).collect();
        all.insert(people / 2, person(0, MILLER, "Anna Miller"));
        Self {
            people: all,
            faults: HashMap::new(),
            made: Vec::new(),
            writes: Vec::new(),
            read: HashSet::new(),
            now: START,
            prompts: Vec::new(),
            waits: Vec::new(),
            pace_ms: 10,
        }
    }

    pub(crate) fn state_of(&self, id: &str) -> &str {
        self.people.iter().find(|person| person["id"] == id).unwrap()["state"].as_str().unwrap()
    }

    fn tick(&mut self) -> Timestamp {
        self.now = self.now.plus_ms(self.pace_ms);
        self.now
    }

    /// What the tool door answers.
    pub(crate) fn tool(&mut self, call: &Call) -> Result<Value, Problem> {
        self.answer(call)
    }

    fn answer(&mut self, call: &Call) -> Result<Value, Problem> {
        self.made.push(format!("{} {}.{}", call.key, call.resource, call.method));
        let fault = self.faults.remove(&call.key);
        if let Some(Fault::Refused(problem)) = fault {
            return Err(problem);
        }
        let answer = self.really(call);
        match fault {
            Some(Fault::Lost) => Err(Problem::upstream(Code::UpstreamTimeout, "no answer came in time")),
            _ => answer,
        }
    }

    fn really(&mut self, call: &Call) -> Result<Value, Problem> {
        let id = match call.arguments.get("id") {
            Some(Value::String(id)) => Some(id.clone()),
            Some(other) => return Err(Problem::caller(Code::InvalidArgument, format!("{other} is no id."))),
            None => None,
        };
        if let Some(id) = &id {
            if id.contains('@') {
                return Err(Problem::caller(Code::InvalidArgument, format!("{id} is an e-mail address, not an id.")));
            }
            if call.method != "get" && !self.read.contains(id) {
                return Err(Problem::gateway(Code::UngroundedId, format!("{id} was not read in this session.")));
            }
        }
        if call.dry_run {
            return Ok(
                json!({"dry_run": true, "method": "users.suspend", "decision": {"allowed": true}, "request": {"method": "POST"}}),
            );
        }
        match call.method.as_str() {
            "list" => {
                let email = call.arguments.get("email");
                let found: Vec<Value> = self
                    .people
                    .iter()
                    .filter(|one| email.is_none_or(|email| one["email"] == *email))
                    .cloned()
                    .collect();
                self.read.extend(found.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)));
                Ok(json!({"result_count": found.len(), "result": found, "next_cursor": null, "prev_cursor": null}))
            }
            "get" => {
                let id = id.unwrap();
                let found = self.people.iter().find(|one| one["id"] == id.as_str()).cloned();
                self.read.insert(id.clone());
                let missing = || Problem::upstream(Code::NotFound, format!("there is no user {id}"));
                found.map(|record| json!({"result": record})).ok_or_else(missing)
            }
            "suspend" | "reactivate" => {
                let id = id.unwrap();
                let person = self.people.iter_mut().find(|one| one["id"] == id.as_str());
                let person =
                    person.ok_or_else(|| Problem::upstream(Code::NotFound, format!("there is no user {id}")))?;
                let state = if call.method == "suspend" { "SUSPENDED" } else { "ACTIVE" };
                let changed = person["state"] != state;
                person["state"] = json!(state);
                let record = person.clone();
                self.writes.push(id);
                Ok(json!({"result": record, "changed": changed}))
            }
            other => panic!("no such method: {other}"),
        }
    }

    /// Runs to the end, and gives the journal. Of calls that may be made together, the last is answered first.
    pub(crate) fn run(&mut self, setting: Setting, mut model: Vec<Turn>) -> (State, Vec<Entry>) {
        let mut state = State::new(setting);
        let mut journal = Vec::new();
        let mut turns = model.iter_mut();
        let mut again: Option<&mut Turn> = None;
        for _ in 0..20_000 {
            let Action::Proceed { calls, waits, asks } = state.next() else { return (state, journal) };
            assert!(!calls.is_empty() || !waits.is_empty() || !asks.is_empty(), "the run is stuck");
            let mut tell = |state: &mut State, entry: Entry| {
                state.apply(&entry).unwrap();
                journal.push(entry);
            };
            for ask in asks {
                tell(&mut state, Entry::Asked { ask: ask.clone(), at: self.tick() });
                let prompt = state.prompt(&ask.key).expect("the prompt of the question");
                assert_eq!(prompt.digest(), ask.prompt);
                let turn = turns.next();
                // The last turn is taken again and again.
                let turn = turn.or(again.take()).expect("the script has turns");
                let replied = turn(&prompt);
                again = Some(turn);
                self.prompts.push(prompt);
                let (key, at) = (ask.key, self.tick());
                tell(
                    &mut state,
                    match replied {
                        Ok(reply) => Entry::Answered { key, at, reply },
                        Err(problem) => Entry::Failed { key, at, problem },
                    },
                );
            }
            for call in &calls {
                tell(&mut state, Entry::Begun { call: call.clone(), at: self.tick() });
            }
            for call in calls.iter().rev() {
                let answer = self.answer(call);
                let (key, at) = (call.key.clone(), self.tick());
                let request_id = Some(format!("request {}", self.made.len()));
                let answer = answer.map(|result| state.reduce(&key, result));
                let entry = match answer {
                    Ok(result) => Entry::Finished { key, at, result, request_id },
                    Err(problem) => Entry::Failed { key, at, problem },
                };
                tell(&mut state, entry);
            }
            if calls.is_empty()
                && let Some(wake) = waits.first()
            {
                self.waits.push(wake.until.ms_since(self.now).unsigned_abs().div_ceil(1000));
                self.now = self.now.max(wake.until);
                tell(&mut state, Entry::Woken { key: wake.key.clone(), at: self.now });
            }
        }
        panic!("the run does not end: {:?}", state.next());
    }
}

pub(crate) fn done(state: &State) -> (Outcome, Report) {
    match state.next() {
        Action::Done { outcome, report } => (outcome, report.expect("there is a report")),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn failed(state: &State) -> (Problem, Report) {
    match state.next() {
        Action::Failed { problem, report, .. } => (problem, report.expect("there is a report")),
        other => panic!("{other:?}"),
    }
}

/// The model of an offboarding as it should be.
pub(crate) fn offboards(email: &str) -> Vec<Turn> {
    vec![
        calls(&[(LIST, json!({"email": email}))]),
        acts(SUSPEND, "/data/result/0/id"),
        Box::new(|prompt| {
            let record = &last(prompt)["data"]["result"];
            let summary =
                format!("Suspended {} ({}).", record["email"].as_str().unwrap(), record["id"].as_str().unwrap());
            let claims = json!([{"tool": SUSPEND, "record": record["id"]}]);
            Ok(reply("", &[("finish_run", json!({"outcome": "done", "summary": summary, "claims": claims}))]))
        }),
    ]
}
