//! What came of a run, told from its journal: what was found, what was done, what was refused. What the model says about it
//! stands beside that, and what the journal does not bear out is marked.

use indexmap::IndexMap;
use quartermaster_types::run::{Report, Table, Usage, Waits};
use quartermaster_types::{Problem, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::handles::{Handles, Record, id_at};
use crate::limits::{CLAIMS_MAX, FOUND_LISTED_MAX};
use crate::setting::{Resource, Setting};
use crate::toolbox::{Entry, Toolbox};

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndedBy {
    /// The model called `finish_run`.
    FinishRun,
    /// The model said something and called nothing more.
    Reply,
    /// The model refused.
    Refusal,
    /// The model only talked, and never called a tool.
    OnlyTalk,
    /// The model said nothing at all, again and again.
    EmptyReplies,
    /// The limit of turns.
    Iterations,
    /// The limit of tokens.
    Tokens,
    /// The limit of time.
    Time,
    /// The limit of money.
    Cost,
    /// The limit of calls.
    Calls,
    /// The loop breaker.
    Loop,
    /// The model could not be asked.
    Fault,
}

/// What a model says that it did.
#[derive(Clone, Debug, Serialize)]
struct Claim {
    /// Its words, or the claim as it wrote it.
    said: Value,
    /// Whether the journal says so too.
    borne_out: bool,
}

/// A write that was asked for.
#[derive(Clone, Debug, Serialize)]
struct Write {
    key: String,
    tool: String,
    account: String,
    method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    /// The record as this run had read it.
    before: Value,
    /// The record as the answer has it.
    after: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Value>,
}

/// A call that was not made, or did not work.
#[derive(Clone, Debug, Serialize)]
struct Refused {
    key: String,
    tool: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    code: &'static str,
    detail: String,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// What a run has done so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// The records that were read, as they were read last.
    found: IndexMap<Record, Value>,
    done: Vec<Write>,
    unknown: Vec<Write>,
    rehearsed: Vec<Write>,
    refused: Vec<Refused>,
    pub(crate) iterations: u32,
    pub(crate) calls: u32,
    /// Calls that worked.
    pub(crate) worked: u32,
    pub(crate) usage: Usage,
}

/// What was asked for, as far as the outcome tells it.
pub(crate) struct Told<'a> {
    pub(crate) key: &'a str,
    pub(crate) tool: &'a str,
    pub(crate) id: Option<String>,
    pub(crate) at: Timestamp,
}

/// Whose a record is, as far as a run has seen it.
pub(crate) enum Whose<'a> {
    /// The run has not read it.
    Unseen,
    /// What it read had no e-mail address.
    WithoutAddress,
    /// Of the person with this address.
    Of(&'a str),
}

impl Tally {
    /// Notes a turn of the model.
    pub(crate) fn answered(&mut self, usage: &Usage) {
        self.iterations += 1;
        self.usage.input_tokens += usage.input_tokens;
        self.usage.output_tokens += usage.output_tokens;
        self.usage.cached_tokens += usage.cached_tokens;
        if let Some(cost) = usage.cost_micros {
            *self.usage.cost_micros.get_or_insert_default() += cost;
        }
    }

    /// Notes the records of a read.
    pub(crate) fn read(&mut self, account: usize, name: &str, resource: &Resource, answer: &Value) {
        for record in records(answer) {
            if let Some(id) = id_at(record, &resource.id) {
                let key = Record { account, resource: name.to_owned(), id };
                self.found.insert(key, told(record, resource));
            }
        }
    }

    /// What a record has to be like right before a write: whose it is and its state, as the run has seen them.
    pub(crate) fn expected(&self, record: &Record) -> Option<Map<String, Value>> {
        let mut seen = self.found.get(record)?.as_object()?.clone();
        seen.retain(|name, value| (name == "email" || name == "state") && !value.is_null());
        (!seen.is_empty()).then_some(seen)
    }

    /// What the run has seen of whose record it is.
    pub(crate) fn whose(&self, record: &Record) -> Whose<'_> {
        let Some(seen) = self.found.get(record) else { return Whose::Unseen };
        seen.get("email").and_then(Value::as_str).map_or(Whose::WithoutAddress, Whose::Of)
    }

    /// Notes a write that worked.
    pub(crate) fn wrote(
        &mut self,
        entry: &Entry,
        setting: &Setting,
        call: &Told<'_>,
        handles: &Handles,
        answer: &Value,
        request_id: Option<String>,
    ) {
        let mut write = self.write(entry, setting, call, handles);
        let resource = setting.accounts[entry.account].resources.get(&entry.tool.resource);
        if let (Some(record), Some(resource)) = (answer.get("result").filter(|result| result.is_object()), resource) {
            write.after = told(record, resource);
            write.id = write.id.or_else(|| id_at(record, &resource.id));
            if let Some(id) = &write.id {
                let key = Record { account: entry.account, resource: entry.tool.resource.clone(), id: id.clone() };
                write.handle = handles.of(&key).map(str::to_owned);
                self.found.insert(key, write.after.clone());
            }
        }
        write.changed = answer.get("changed").and_then(Value::as_bool);
        write.request_id = request_id;
        self.done.push(write);
    }

    /// Notes a write of which nobody knows whether it happened.
    pub(crate) fn left_open(
        &mut self,
        entry: &Entry,
        setting: &Setting,
        call: &Told<'_>,
        handles: &Handles,
        problem: &Problem,
    ) {
        let mut write = self.write(entry, setting, call, handles);
        write.problem = Some(json!({"code": problem.code(), "detail": problem.body().detail}));
        write.request_id.clone_from(&problem.body().instance);
        self.unknown.push(write);
    }

    /// Notes a write that would be sent.
    pub(crate) fn rehearsed(&mut self, entry: &Entry, setting: &Setting, call: &Told<'_>, handles: &Handles) {
        let write = self.write(entry, setting, call, handles);
        self.rehearsed.push(write);
    }

    fn write(&self, entry: &Entry, setting: &Setting, call: &Told<'_>, handles: &Handles) -> Write {
        let record =
            call.id.clone().map(|id| Record { account: entry.account, resource: entry.tool.resource.clone(), id });
        Write {
            key: call.key.to_owned(),
            tool: call.tool.to_owned(),
            account: setting.accounts[entry.account].id.clone(),
            method: format!("{}.{}", entry.tool.resource, entry.tool.method),
            handle: record.as_ref().and_then(|record| handles.of(record)).map(str::to_owned),
            before: record.as_ref().and_then(|record| self.found.get(record)).cloned().unwrap_or_default(),
            id: call.id.clone(),
            after: Value::Null,
            changed: None,
            at: call.at,
            request_id: None,
            problem: None,
        }
    }

    /// Notes a call that was refused or failed.
    pub(crate) fn refused(&mut self, call: &Told<'_>, problem: &Problem) {
        self.refused.push(Refused {
            key: call.key.to_owned(),
            tool: call.tool.to_owned(),
            id: call.id.clone(),
            code: problem.code().as_str(),
            detail: problem.body().detail.clone(),
            at: call.at,
            request_id: problem.body().instance.clone(),
        });
    }

    /// Whether a write's outcome is still not known. A later read shows the state, and yet nobody knows who made it so.
    pub(crate) fn has_open(&self) -> bool {
        !self.unknown.is_empty()
    }

    fn did(&self, matches: impl Fn(&Write) -> bool) -> bool {
        self.done.iter().any(matches)
    }
}

/// What a model says at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastWords {
    pub(crate) summary: String,
    /// `done`, `partly_done` or `not_done`, when it says so.
    pub(crate) outcome: Option<String>,
    /// Claims of changes, as it wrote them.
    pub(crate) claims: Vec<Value>,
}

/// The report, and whether the model's words hold.
pub(crate) struct Settled {
    pub(crate) report: Report,
    pub(crate) all_borne_out: bool,
}

/// The report of a run at its end.
pub(crate) fn settle(
    setting: &Setting,
    toolbox: &Toolbox,
    handles: &Handles,
    tally: &Tally,
    waits: Waits,
    ended_by: EndedBy,
    words: &LastWords,
) -> Settled {
    let mut claims: Vec<Claim> =
        words.claims.iter().take(CLAIMS_MAX).map(|said| claimed(said, toolbox, handles, tally)).collect();
    claims.extend(told_in_text(&words.summary, toolbox, handles, tally).into_iter().take(CLAIMS_MAX));
    let all_borne_out = claims.iter().all(|claim| claim.borne_out);
    let found: Vec<&Value> = tally.found.values().take(FOUND_LISTED_MAX).collect();
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("ended_by", json!(ended_by));
    put("said", json!({"outcome": words.outcome, "summary": handles.for_people(&words.summary)}));
    put("claims", json!(claims));
    put("found", json!({"records": tally.found.len(), "listed": found}));
    put("done", json!(tally.done));
    put("unknown", json!(tally.unknown));
    put("refused", json!(tally.refused));
    if setting.dry_run {
        put("rehearsed", json!(tally.rehearsed));
    }
    put("iterations", json!(tally.iterations));
    put("calls", json!(tally.calls));
    put("usage", json!(tally.usage));
    put("waits", json!(waits));
    put("session", json!(setting.session));
    let text = sentence(setting, handles, tally, ended_by, words, &claims);
    Settled { report: Report { text, members, table: table(tally) }, all_borne_out }
}

fn sentence(
    setting: &Setting,
    handles: &Handles,
    tally: &Tally,
    ended_by: EndedBy,
    words: &LastWords,
    claims: &[Claim],
) -> String {
    let mut text = handles.for_people(words.summary.trim());
    let why = match ended_by {
        EndedBy::FinishRun | EndedBy::Reply => None,
        EndedBy::Refusal => Some("The model refused to go on.".to_owned()),
        EndedBy::OnlyTalk => Some("The model called no tool.".to_owned()),
        EndedBy::EmptyReplies => Some("The model said nothing any more.".to_owned()),
        EndedBy::Iterations => Some(format!("The run ended at its limit of {} turns.", setting.limits.iterations)),
        EndedBy::Tokens => Some(format!("The run ended at its limit of {} tokens.", setting.limits.tokens)),
        EndedBy::Time => Some(format!("The run ended at its limit of {} seconds.", setting.limits.seconds)),
        EndedBy::Cost => Some("The run ended at its limit of money.".to_owned()),
        EndedBy::Calls => Some(format!("The run ended at its limit of {} calls.", setting.limits.calls)),
        EndedBy::Loop => Some("The run ended because it went round in circles.".to_owned()),
        EndedBy::Fault => Some("The model could not be asked any more.".to_owned()),
    };
    let changed = tally.done.iter().filter(|write| write.changed != Some(false)).count();
    let as_asked = tally.done.len() - changed;
    let mut facts = vec![if setting.dry_run {
        format!("a rehearsal, {} would be sent and nothing was changed", changes(tally.rehearsed.len()))
    } else {
        format!("{} made", changes(changed))
    }];
    if as_asked > 0 {
        facts.push(format!("{as_asked} already as asked"));
    }
    if !tally.unknown.is_empty() {
        facts.push(format!("{} of unknown outcome", tally.unknown.len()));
    }
    if !tally.refused.is_empty() {
        facts.push(format!("{} refused or failed", tally.refused.len()));
    }
    let facts = format!("Journal: {}.", facts.join(", "));
    let wrong = claims.iter().filter(|claim| !claim.borne_out).count();
    let warning = (wrong > 0).then(|| format!("NOT BORNE OUT by the journal: {wrong} of the model's claims."));
    for part in why.into_iter().chain([facts]).chain(warning) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&part);
    }
    text
}

fn changes(count: usize) -> String {
    if count == 1 { "1 change".to_owned() } else { format!("{count} changes") }
}

fn table(tally: &Tally) -> Option<Table> {
    let rows = |writes: &[Write], outcome: &str| -> Vec<Vec<Value>> {
        let row = |write: &Write| {
            let outcome = if write.changed == Some(false) { "already as asked" } else { outcome };
            vec![
                json!(write.id),
                json!(label(&write.after).or_else(|| label(&write.before))),
                json!(write.method),
                state(&write.before),
                state(&write.after),
                json!(outcome),
                json!(write.request_id),
            ]
        };
        writes.iter().map(row).collect()
    };
    let mut all = rows(&tally.done, "done");
    all.extend(rows(&tally.unknown, "unknown"));
    all.extend(rows(&tally.rehearsed, "rehearsed"));
    let columns = ["id", "who", "method", "before", "after", "outcome", "request_id"];
    (!all.is_empty()).then(|| Table { columns: columns.map(str::to_owned).to_vec(), rows: all })
}

fn label(told: &Value) -> Option<&str> {
    ["email", "display_name"].into_iter().find_map(|name| told.get(name)?.as_str())
}

fn state(told: &Value) -> Value {
    told.get("state").cloned().unwrap_or_default()
}

fn records(answer: &Value) -> &[Value] {
    match answer.get("result") {
        Some(Value::Array(records)) => records,
        Some(record) => std::slice::from_ref(record),
        None => &[],
    }
}

/// What the outcome tells of a record: the parts that the definition names.
fn told(record: &Value, resource: &Resource) -> Value {
    let mut told = Map::new();
    let parts = [
        ("id", Some(&resource.id)),
        ("email", resource.email.as_ref()),
        ("display_name", resource.display_name.as_ref()),
        ("state", resource.state.as_ref()),
    ];
    for (name, at) in parts {
        if let Some(value) =
            at.and_then(|at| record.pointer(at)).filter(|value| !value.is_object() && !value.is_array())
        {
            told.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(told)
}

/// A claim as the model wrote it: of a tool and a record.
fn claimed(said: &Value, toolbox: &Toolbox, handles: &Handles, tally: &Tally) -> Claim {
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
    let (tool, record) = (text("tool"), text("record"));
    let id = handles.record(record).map_or(record, |record| &record.id);
    let method = toolbox.find(tool).map(|entry| format!("{}.{}", entry.tool.resource, entry.tool.method));
    let by_tool = |write: &Write| write.tool == tool || method.as_ref() == Some(&write.method);
    let borne_out = !id.is_empty() && tally.did(|write| write.id.as_deref() == Some(id) && by_tool(write));
    Claim { said: said.clone(), borne_out }
}

/// Words that turn a sentence about a change into one that claims none.
const NO_CLAIM: [&str; 17] = [
    "not", "no", "never", "cannot", "can't", "couldn't", "didn't", "wasn't", "weren't", "unable", "failed", "refused",
    "already", "would", "nobody", "denied", "without",
];

/// Sentences that tell of a change in the past ("suspended"): borne out when the journal has such a change, of the records that
/// the sentence names where it names any. Only English, only verbs that are called as the method is.
fn told_in_text(summary: &str, toolbox: &Toolbox, handles: &Handles, tally: &Tally) -> Vec<Claim> {
    let mut methods: Vec<(String, String)> = toolbox
        .writing()
        .map(|entry| (past(&entry.tool.method), format!("{}.{}", entry.tool.resource, entry.tool.method)))
        .collect();
    methods.dedup();
    let mut claims = Vec::new();
    for sentence in summary.split_inclusive(['\n', '!', '?', ';']).flat_map(|part| part.split_inclusive(". ")) {
        let words: Vec<String> = sentence
            .split(|character: char| character.is_whitespace() || ",()\"`*".contains(character))
            .map(|word| word.trim_matches(|character: char| ".;!?'".contains(character)).to_lowercase())
            .collect();
        if words.iter().any(|word| NO_CLAIM.contains(&word.as_str())) {
            continue;
        }
        let told: Vec<&String> =
            methods.iter().filter(|(past, _)| words.contains(past)).map(|(_, method)| method).collect();
        if told.is_empty() {
            continue;
        }
        let named: Vec<&Record> = tally
            .found
            .iter()
            .filter(|(record, told)| {
                let names = [Some(record.id.as_str()), handles.of(record), told.get("email").and_then(Value::as_str)];
                names.into_iter().flatten().any(|name| words.contains(&name.to_lowercase()))
            })
            .map(|(record, _)| record)
            .collect();
        let made = |id: Option<&str>| {
            tally.did(|write| told.contains(&&write.method) && id.is_none_or(|id| write.id.as_deref() == Some(id)))
        };
        let borne_out = if named.is_empty() { made(None) } else { named.iter().all(|record| made(Some(&record.id))) };
        claims.push(Claim { said: json!(handles.for_people(sentence.trim())), borne_out });
    }
    claims
}

/// The past tense of a method's first word: `suspend` → `suspended`, `delete` → `deleted`.
fn past(method: &str) -> String {
    let verb = method.split('_').next().unwrap_or_default().to_lowercase();
    match verb.strip_suffix('e') {
        Some(stem) => format!("{stem}ed"),
        None => format!("{verb}ed"),
    }
}
