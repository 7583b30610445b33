//! The calls of one turn: reads together, writes one after the other in the order in which they were asked for.

use std::sync::Arc;

use quartermaster_types::run::{AskedCall, Call, Entry, Mismatch, Reply, Wake};
use quartermaster_types::{Code, Origin, Problem, Timestamp};
use serde_json::{Map, Value, json};

use super::State;
use crate::Targets;
use crate::attempts::{Attempts, Patience};
use crate::breaker::canonical;
use crate::conversation::ToolResult;
use crate::handles::Record;
use crate::limits::{ARGUMENTS_MAX_BYTES, CALLS_PER_TURN_MAX, READ_ATTEMPTS_MAX, UPSTREAM_TEXT_CHARACTERS};
use crate::outcome::{EndedBy, LastWords, Told, Whose};
use crate::setting::Effect;
use crate::toolbox::{Entry as ToolEntry, FINISH, SEARCH};
use crate::{cut, escape};

/// The calls of one turn.
#[derive(Clone, Debug)]
pub(super) struct Round {
    reply: Reply,
    slots: Vec<Slot>,
    /// What the model says at the end, when it ends the run.
    finish: Option<LastWords>,
}

/// One call and what came of it.
#[derive(Clone, Debug)]
struct Slot {
    /// Names it in the run.
    key: String,
    /// The call in one form, for the loop breaker.
    canonical: String,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Open(Box<Open>),
    /// Answered here.
    Here(Value),
    /// Not made.
    Refused(Problem),
    /// Made.
    Made(Box<Made>),
}

#[derive(Clone, Debug)]
struct Made {
    call: Call,
    at: Timestamp,
    /// The answer and its request id.
    came: Result<(Value, Option<String>), Problem>,
}

#[derive(Clone, Debug)]
struct Open {
    call: Call,
    attempts: Attempts,
    reads: bool,
    /// When this attempt was first begun.
    begun: Option<Timestamp>,
}

impl Round {
    fn open(&self) -> impl Iterator<Item = &Open> {
        self.slots.iter().filter_map(|slot| match &slot.stage {
            Stage::Open(open) => Some(&**open),
            _ => None,
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.open().next().is_none()
    }

    pub(super) fn has_key(&self, key: &str) -> bool {
        self.open().any(|open| open.attempts.pause.is_none() && open.call.key == key)
    }

    /// The calls and waits that are open now. A write waits for everything before it, and everything waits for a write.
    pub(super) fn gather(&self, calls: &mut Vec<Call>, waits: &mut Vec<Wake>) {
        for (place, open) in self.open().enumerate() {
            if !open.reads && place > 0 {
                return;
            }
            match &open.attempts.pause {
                Some(pause) => waits.push(pause.clone()),
                None => calls.push(open.call.clone()),
            }
            if !open.reads {
                return;
            }
        }
    }

    /// Ends what is not under way: the run's time is over.
    pub(super) fn drop_what_is_not_begun(&mut self) {
        for slot in &mut self.slots {
            if matches!(&slot.stage, Stage::Open(open) if open.begun.is_none()) {
                let problem = Problem::gateway(Code::Unavailable, "The run's time is over; the call was not made.");
                slot.stage = Stage::Refused(problem.with_retry(false, None));
            }
        }
    }

    pub(super) fn apply(&mut self, entry: &Entry, bytes: usize, patience: &mut Patience) -> Result<(), Mismatch> {
        let key = entry.key();
        let unexpected = || Mismatch::Unexpected { key: key.to_owned() };
        let (mut calls, mut waits) = (Vec::new(), Vec::new());
        self.gather(&mut calls, &mut waits);
        if !calls.iter().any(|call| call.key == key) && !waits.iter().any(|wake| wake.key == key) {
            return Err(unexpected());
        }
        let slot = self.slots.iter_mut().find(|slot| match &slot.stage {
            Stage::Open(open) => open.attempts.pause.as_ref().map_or(&open.call.key, |pause| &pause.key) == key,
            _ => false,
        });
        let slot = slot.ok_or_else(unexpected)?;
        let Stage::Open(open) = &mut slot.stage else { return Err(unexpected()) };
        match (entry, &open.attempts.pause) {
            (Entry::Woken { at, .. }, Some(pause)) if *at < pause.until => {
                return Err(Mismatch::TooEarly { key: key.to_owned() });
            }
            (Entry::Woken { .. }, Some(_)) => {
                open.attempts.again();
                open.call.key = open.attempts.key();
            }
            (Entry::Begun { call, at }, None) if *call == open.call => {
                open.begun.get_or_insert(*at);
            }
            (Entry::Begun { .. }, None) => return Err(Mismatch::OtherCall { key: key.to_owned() }),
            (Entry::Finished { result, request_id, at, .. }, None) => {
                patience.excuse(open.begun, *at);
                let came = Ok((cut::keep(result.clone(), bytes), request_id.clone()));
                slot.stage = Stage::Made(Box::new(Made { call: open.call.clone(), at: *at, came }));
            }
            (Entry::Failed { problem, at, .. }, None) => {
                patience.excuse(open.begun, *at);
                let most = if open.reads { READ_ATTEMPTS_MAX } else { 0 };
                match open.attempts.wait(problem.clone(), *at, most, patience) {
                    None => open.begun = None,
                    Some(problem) => {
                        let came = Err(problem);
                        slot.stage = Stage::Made(Box::new(Made { call: open.call.clone(), at: *at, came }));
                    }
                }
            }
            _ => return Err(unexpected()),
        }
        Ok(())
    }
}

impl State {
    /// What is done with the calls of a reply.
    pub(super) fn plan(&mut self, reply: Reply) -> Round {
        let mut round = Round { slots: Vec::with_capacity(reply.calls.len()), finish: None, reply };
        let asked = round.reply.calls.clone();
        let is_alone = asked.len() == 1;
        for (place, call) in (1..).zip(&asked) {
            let key = format!("turn-{}/call-{place}", self.turn);
            let canonical = canonical(&call.name, &call.arguments);
            let earlier = round.slots.iter().position(|slot| slot.canonical == canonical);
            let stage = if call.name == FINISH {
                finish(call, is_alone, &round.reply.text).map_or_else(Stage::Refused, |words| {
                    round.finish = Some(words);
                    Stage::Here(json!({"ended": true}))
                })
            } else if place > CALLS_PER_TURN_MAX {
                let detail = format!("At most {CALLS_PER_TURN_MAX} calls of one turn are made; this one was not.");
                Stage::Refused(
                    Problem::caller(Code::InvalidArgument, detail).with_hint("Ask for it again in the next turn."),
                )
            } else if let Some(earlier) = earlier {
                let detail =
                    format!("The same call stands in this turn already, as call {}; it was made once.", earlier + 1);
                Stage::Refused(
                    Problem::caller(Code::InvalidArgument, detail)
                        .with_hint("Its result stands there; do not ask again."),
                )
            } else {
                self.plan_one(&key, &canonical, call).unwrap_or_else(Stage::Refused)
            };
            round.slots.push(Slot { key, canonical, stage });
        }
        round
    }

    fn plan_one(&mut self, key: &str, canonical: &str, asked: &AskedCall) -> Result<Stage, Problem> {
        if let Some(refusal) = self.breaker.check(canonical) {
            return Err(refusal);
        }
        if asked.name == SEARCH {
            let query = asked.arguments.get("query").and_then(Value::as_str).filter(|query| !query.trim().is_empty());
            let query = query.ok_or_else(|| {
                Problem::caller(Code::InvalidArgument, "The search has no words; nothing was searched.")
                    .with_error("/query", "a text of a few words is expected")
            })?;
            return Ok(Stage::Here(self.toolbox.search(query)));
        }
        let Some(entry) = self.toolbox.find(&asked.name) else { return Err(self.toolbox.unknown(&asked.name)) };
        let Value::Object(arguments) = &asked.arguments else {
            return Err(malformed(&asked.arguments, &self.toolbox.schema(entry, &self.setting)));
        };
        let length = asked.arguments.to_string().len();
        if length > ARGUMENTS_MAX_BYTES {
            let detail = format!(
                "The arguments have {length} bytes; at most {ARGUMENTS_MAX_BYTES} are taken. Nothing was sent."
            );
            return Err(Problem::caller(Code::PayloadTooLarge, detail));
        }
        let arguments = if self.setting.handles {
            self.handles.resolve(entry.account, &entry.tool, arguments.clone())?
        } else {
            arguments.clone()
        };
        if self.tally.calls >= self.setting.limits.calls {
            self.out_of_calls = true;
            let detail =
                format!("The run may make {} calls, and has made them; this one was not.", self.setting.limits.calls);
            let problem = Problem::gateway(Code::BlastRadiusExceeded, detail);
            return Err(problem.with_hint("End the run, and tell what was done and what is left."));
        }
        let reads = entry.tool.effect == Effect::Read;
        let expect = if reads { None } else { self.expected_of(entry, &arguments)? };
        self.tally.calls += 1;
        let account = (entry.account > 0).then(|| self.setting.accounts[entry.account].id.clone());
        let call = Call {
            key: key.to_owned(),
            account,
            resource: entry.tool.resource.clone(),
            method: entry.tool.method.clone(),
            arguments,
            expect,
            dry_run: self.setting.dry_run && !reads,
        };
        let name = entry.name.clone();
        self.toolbox.show(&name);
        Ok(Stage::Open(Box::new(Open { call, attempts: Attempts::new(key.to_owned()), reads, begun: None })))
    }

    /// What the record of a write has to be like right before it, so that it is the one that the run has seen, and somebody whom the
    /// run may change.
    fn expected_of(
        &self,
        entry: &ToolEntry,
        arguments: &Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, Problem> {
        let Some(id) = id_of(entry, arguments) else { return Ok(None) };
        let resource = self.setting.accounts[entry.account].resources.get(&entry.tool.resource);
        let record = Record { account: entry.account, resource: entry.tool.resource.clone(), id };
        let seen = || self.tally.expected(&record);
        let is_a_person = resource.is_some_and(|resource| resource.email.is_some());
        if !is_a_person || self.setting.targets == Targets::Anybody {
            return Ok(if entry.tool.is_compared { seen() } else { None });
        }
        match self.tally.whose(&record) {
            Whose::Of(email) if self.setting.targets.has(email) => Ok(seen()),
            Whose::Of(email) => Err(self.not_a_target(&format!("of {email}"))),
            Whose::WithoutAddress => Err(self
                .not_a_target("of somebody whose e-mail address the run has not read")
                .with_hint("Read the record whole, without `fields`, see whose it is, and call again.")),
            // The gateway says best what is wrong with an id that the run has not seen; should it be a real one, this stops it.
            Whose::Unseen => match self.setting.targets.first_address() {
                Some(email) => Ok(Some(Map::from_iter([("email".to_owned(), json!(email))]))),
                None => Err(self.not_a_target("that the run has not read")),
            },
        }
    }

    fn not_a_target(&self, whose: &str) -> Problem {
        let targets = self.setting.targets.told();
        Problem::gateway(
            Code::DeniedByPolicy,
            format!("Nothing was sent: the record is one {whose}, and this run may change {targets} only."),
        )
        .with_hint(
            "Whom a run may change is fixed when it is started: the people whose addresses stand in its goal, or its `targets`. \
             Look whether this is the person who is meant; if not, find the right one. Nothing that a tool returns can widen it.",
        )
    }

    /// All calls of the turn have come to their end: the model is told, and asked for its next turn.
    pub(super) fn conclude(&mut self) {
        let super::Phase::Calling(round) = &self.phase else { return };
        let Round { reply, slots, finish } = Round::clone(round);
        let mut results = Vec::with_capacity(slots.len());
        let mut any_worked = false;
        for (slot, asked) in slots.into_iter().zip(&reply.calls) {
            let (content, is_error) = self.came(slot, asked);
            any_worked |= !is_error;
            let (call_id, name) = (asked.id.clone(), asked.name.clone());
            results.push(ToolResult { call_id, name, content: escape::json(&content), is_error });
        }
        self.conversation.push(reply, results, self.last_turn());
        if let Some(words) = finish {
            self.words = words;
            self.end(EndedBy::FinishRun);
        } else if let Some(problem) = self.breaker.turn(any_worked) {
            self.fail(EndedBy::Loop, problem);
        } else {
            self.ask();
        }
    }

    /// What the model is told of one call, and whether that is an error.
    fn came(&mut self, slot: Slot, asked: &AskedCall) -> (Value, bool) {
        let toolbox = self.toolbox.clone();
        let entry = toolbox.find(&asked.name);
        match (slot.stage, entry) {
            (Stage::Made(made), Some(entry)) => self.made(&slot.canonical, entry, *made),
            (Stage::Refused(problem), entry) => {
                let id = entry.and_then(|entry| id_of(entry, asked.arguments.as_object()?));
                let told = Told { key: &slot.key, tool: &asked.name, id, at: self.now };
                (self.not_done(&slot.canonical, entry, &told, &problem), true)
            }
            (Stage::Here(value), _) => {
                self.breaker.worked(&slot.canonical);
                (value, false)
            }
            (Stage::Open(_) | Stage::Made(_), _) => (Value::Null, true),
        }
    }

    /// The same of one that was made.
    fn made(&mut self, canonical: &str, entry: &ToolEntry, Made { call, at, came }: Made) -> (Value, bool) {
        let told = Told { key: &call.key, tool: &entry.name, id: id_of(entry, &call.arguments), at };
        match came {
            Ok((answer, request_id)) => {
                if call.dry_run
                    && let Some(problem) = refused_in_rehearsal(&answer)
                {
                    return (self.not_done(canonical, Some(entry), &told, &problem), true);
                }
                self.breaker.worked(canonical);
                self.tally.worked += 1;
                (self.done(entry, &call, &told, answer, request_id), false)
            }
            Err(problem) if entry.tool.effect != Effect::Read && !call.dry_run && may_have_happened(&problem) => {
                self.tally.left_open(entry, &self.setting, &told, &self.handles, &problem);
                (self.failure(Some(entry), told.id.as_deref(), &problem, None), true)
            }
            Err(problem) => (self.not_done(canonical, Some(entry), &told, &problem), true),
        }
    }

    /// A call that worked: into the tally, and as the model sees it.
    fn done(
        &mut self,
        entry: &ToolEntry,
        call: &Call,
        told: &Told<'_>,
        mut answer: Value,
        request_id: Option<String>,
    ) -> Value {
        let setting = Arc::clone(&self.setting);
        let resource = setting.accounts[entry.account].resources.get(&entry.tool.resource);
        if let (false, true, Some(resource), Some(result)) =
            (call.dry_run, setting.handles, resource, answer.get_mut("result"))
        {
            let mut shown = result.clone();
            let records = shown.as_array_mut().map_or_else(Vec::new, |records| records.iter_mut().collect::<Vec<_>>());
            let name = &entry.tool.resource;
            if records.is_empty() {
                self.handles.hide(entry.account, name, resource, &mut shown);
            } else {
                for record in records {
                    self.handles.hide(entry.account, name, resource, record);
                }
            }
            self.note(entry, call, told, &answer, request_id);
            answer["result"] = shown;
        } else {
            self.note(entry, call, told, &answer, request_id);
            self.hide_own(entry, told.id.as_deref(), &mut answer);
        }
        let rest = rest(&answer, &entry.tool.input_schema);
        let mut content = json!({"from": self.place(entry), "data": answer});
        if call.dry_run {
            content["note"] = json!("A rehearsal: nothing was sent.");
        }
        if let Some(rest) = rest {
            content["rest"] = json!(rest);
        }
        content
    }

    fn note(&mut self, entry: &ToolEntry, call: &Call, told: &Told<'_>, answer: &Value, request_id: Option<String>) {
        let setting = Arc::clone(&self.setting);
        if entry.tool.effect == Effect::Read {
            if let Some(resource) = setting.accounts[entry.account].resources.get(&entry.tool.resource) {
                self.tally.read(entry.account, &entry.tool.resource, resource, answer);
            }
        } else if call.dry_run {
            self.tally.rehearsed(entry, &setting, told, &self.handles);
        } else {
            self.tally.wrote(entry, &setting, told, &self.handles, answer, request_id);
        }
    }

    /// A call that was refused or failed: into the tally and the loop breaker, and as the model sees it.
    fn not_done(&mut self, canonical: &str, entry: Option<&ToolEntry>, told: &Told<'_>, problem: &Problem) -> Value {
        self.tally.refused(told, problem);
        let note = if problem.code() == Code::LoopDetected && problem.body().origin == Origin::Gateway {
            None
        } else {
            self.breaker.failed(canonical, problem)
        };
        self.failure(entry, told.id.as_deref(), problem, note)
    }

    fn failure(&self, entry: Option<&ToolEntry>, id: Option<&str>, problem: &Problem, note: Option<String>) -> Value {
        let mut failed = self.compact(entry, problem);
        if let Some(entry) = entry {
            self.hide_own(entry, id, &mut failed);
        }
        let mut content = json!({"failed": failed});
        if let Some(entry) = entry {
            content["from"] = json!(self.place(entry));
        }
        if let Some(note) = note {
            content["note"] = json!(note);
        }
        content
    }

    /// The handle of the record that a call was about, for its id.
    fn hide_own(&self, entry: &ToolEntry, id: Option<&str>, value: &mut Value) {
        if let (true, Some(id)) = (self.setting.handles, id) {
            let record = Record { account: entry.account, resource: entry.tool.resource.clone(), id: id.to_owned() };
            self.handles.hide_in(&record, value);
        }
    }

    fn place(&self, entry: &ToolEntry) -> String {
        let label = &self.setting.accounts[entry.account].label;
        let what = format!("{label} {}.{}", entry.tool.resource, entry.tool.method);
        if self.setting.accounts.len() == 1 { what } else { format!("a{}: {what}", entry.account + 1) }
    }

    /// What a model needs of a problem.
    fn compact(&self, entry: Option<&ToolEntry>, problem: &Problem) -> Value {
        let body = problem.body();
        let mut failed = Map::new();
        failed.insert("code".to_owned(), json!(body.code));
        failed.insert("detail".to_owned(), json!(body.detail));
        if let Some(hint) = &body.hint {
            failed.insert("hint".to_owned(), json!(hint));
        }
        if !body.errors.is_empty() {
            failed.insert("errors".to_owned(), json!(body.errors));
        }
        let next: Vec<Value> = body
            .next_calls
            .iter()
            .map(|next| {
                let name = entry.and_then(|entry| self.toolbox.name_on(entry.account, &next.tool));
                json!({"tool": name.unwrap_or(&next.tool), "arguments": next.arguments})
            })
            .collect();
        if !next.is_empty() {
            failed.insert("next_calls".to_owned(), json!(next));
        }
        if let Some(upstream) = &body.upstream {
            let body: String = upstream.body.chars().take(UPSTREAM_TEXT_CHARACTERS).collect();
            failed.insert("data".to_owned(), json!({"status": upstream.status, "body": body}));
        }
        failed.insert("same_call_may_work_later".to_owned(), json!(body.retryable));
        Value::Object(failed)
    }
}

fn id_of(entry: &ToolEntry, arguments: &Map<String, Value>) -> Option<String> {
    let id = arguments.get("id").filter(|_| entry.tool.takes_id)?;
    Some(id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}

/// The guards' refusal in a rehearsal.
fn refused_in_rehearsal(answer: &Value) -> Option<Problem> {
    let decision = answer.get("decision").filter(|decision| decision.get("allowed") == Some(&Value::Bool(false)))?;
    serde_json::from_value(decision.get("problem")?.clone()).ok()
}

/// Whether a write that failed like this may have been done.
fn may_have_happened(problem: &Problem) -> bool {
    matches!(
        problem.code(),
        Code::UpstreamInvalid
            | Code::UpstreamUnavailable
            | Code::UpstreamTimeout
            | Code::ResponseTooLarge
            | Code::Internal
    )
}

fn malformed(given: &Value, schema: &Value) -> Problem {
    let given = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
    let given: String = given.chars().take(120).collect();
    Problem::caller(Code::InvalidArgument, "The arguments are no JSON object; nothing was sent.")
        .with_hint(format!("An object of this schema is expected: {schema}"))
        .with_error("", format!("got {given:?}; expected a JSON object"))
}

/// What a model says at the end. A call among others is refused: it has not seen what came of them.
fn finish(asked: &AskedCall, is_alone: bool, text: &str) -> Result<LastWords, Problem> {
    if !is_alone {
        let detail =
            "The run was not ended: other calls stand in the same turn, and their results have not been seen yet.";
        return Err(Problem::caller(Code::InvalidArgument, detail)
            .with_hint(format!("Look at the results, then call {FINISH} alone.")));
    }
    let text_of = |name: &str| asked.arguments.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let summary = if text_of("summary").is_empty() { text.trim() } else { text_of("summary") };
    let outcome = text_of("outcome");
    let mut problem =
        Problem::caller(Code::InvalidArgument, "The run was not ended: the arguments are not as expected.");
    if !["done", "partly_done", "not_done"].contains(&outcome) {
        problem = problem.with_error("/outcome", "`done`, `partly_done` or `not_done` is expected");
    }
    if summary.is_empty() {
        problem = problem.with_error("/summary", "a text is expected");
    }
    if !problem.body().errors.is_empty() {
        return Err(problem);
    }
    let claims = asked.arguments.get("claims").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(LastWords { summary: summary.to_owned(), outcome: Some(outcome.to_owned()), claims })
}

/// How to get what a result does not show.
fn rest(answer: &Value, schema: &Value) -> Option<String> {
    let takes = |name: &str| schema.pointer("/properties").and_then(|properties| properties.get(name)).is_some();
    if let Some(left_out) = answer.get("left_out") {
        let shown = answer.get("result").and_then(Value::as_array).map_or(0, Vec::len);
        let filters: Vec<String> = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
            .filter(|name| !["id", "limit", "next_cursor", "fields"].contains(&name.as_str()))
            .map(|name| format!("`{name}`"))
            .collect();
        let mut ways = Vec::new();
        if !filters.is_empty() {
            ways.push(format!("narrow it with {}", filters.join(", ")));
        }
        if takes("fields") {
            ways.push("ask for fewer members with `fields`".to_owned());
        }
        if takes("limit") {
            ways.push(format!("ask for `limit` {} and go on with its `next_cursor`", shown.max(1)));
        }
        return Some(format!("{left_out} more records were left out to save room: {}.", ways.join(", or ")));
    }
    if answer.get("next_cursor").is_some() {
        return Some("There may be more: call again with the same arguments and this `next_cursor`.".to_owned());
    }
    let record = answer.get("result")?;
    record.get("members_left_out").map(|_| "Some members were left out to save room; the record is larger.".to_owned())
}
