//! From the entries of a run's journal to what a person wants to see of them.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::event::{Event, Progress, WaitSource};

/// Seconds that a run waits after a rate limit that does not say how long.
const UNTOLD_SECONDS: u64 = 5;

/// What the keys of the calls begin with that suspend people of a list.
const SUSPENSIONS: &str = "suspensions/";

/// Codes after which a read tells what came of a write.
const SETTLED_BY_A_READ: &[&str] = &[
    "upstream_invalid",
    "upstream_unavailable",
    "upstream_timeout",
    "response_too_large",
    "internal",
    "ungrounded_id",
    "conflict",
];

/// What is told of the steps of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Each call as it ends.
    Calls,
    /// The steps of the playbook `offboard`, in words.
    Person {
        /// Where the state stands in a record, JSON Pointer.
        state_at: String,
    },
    /// What a model says, and its calls with what came of them.
    Agent,
    /// The steps of the playbook `audit`: how far the directory is read, and each person as they are done.
    List {
        /// The addresses of the rows, in their order.
        emails: Vec<String>,
        /// The state that means "has access".
        active: String,
        /// Whether people are suspended.
        suspend: bool,
    },
}

/// Tells what happens in a run.
#[derive(Debug)]
pub struct Narrator {
    progress: Progress,
    telling: Telling,
    /// Methods by the keys of calls that were begun.
    methods: HashMap<String, String>,
    pages: u32,
    people: u64,
    /// Rows of a list with the one record that was found; `None` when there are several.
    found: HashMap<u64, Option<(String, bool)>>,
    is_suspending: bool,
    /// A wait that was not told yet.
    wait: Option<(u64, WaitSource)>,
    /// Until when the last told wait lasts.
    told_until: Option<Instant>,
    /// The question of which pieces of the answer were told.
    said: Option<String>,
}

impl Narrator {
    /// Tells `progress`.
    pub fn new(progress: Progress, telling: Telling) -> Self {
        Self {
            progress,
            telling,
            methods: HashMap::new(),
            pages: 0,
            people: 0,
            found: HashMap::new(),
            is_suspending: false,
            wait: None,
            told_until: None,
            said: None,
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        self.progress.tell(event);
    }

    /// Takes the next entry. Entries of kinds that came with a later gateway are passed over.
    pub(crate) fn entry(&mut self, entry: &Value) {
        self.tell_wait();
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        match text("entry") {
            "begun" => {
                let call = &entry["call"];
                let text = |name: &str| call[name].as_str().unwrap_or_default();
                self.methods.insert(text("key").to_owned(), format!("{}.{}", text("resource"), text("method")));
                self.suspending(text("key"));
            }
            "asked" => {
                let ask = &entry["ask"];
                let text = |name: &str| ask[name].as_str().unwrap_or_default();
                self.methods.insert(text("key").to_owned(), format!("the model {}", text("model")));
            }
            "answered" => self.answered(text("key"), &entry["reply"]),
            "finished" => self.finished(text("key"), &entry["result"]),
            "failed" => self.failed(text("key"), &entry["problem"]),
            _ => {}
        }
    }

    /// Tells the wait that the last entry leads to, unless one is told that lasts as long: calls that are refused together
    /// wait together.
    pub(crate) fn tell_wait(&mut self) {
        let Some((seconds, told_by)) = self.wait.take() else { return };
        let (now, lasts) = (Instant::now(), Duration::from_secs(seconds));
        if self.told_until.is_some_and(|until| until + Duration::from_secs(1) > now + lasts) {
            return;
        }
        self.told_until = Some(now + lasts);
        self.tell(Event::Waiting { seconds, told_by });
    }

    /// Takes a piece of what a model says at this moment.
    pub(crate) fn delta(&mut self, delta: &Value) {
        self.tell_wait();
        let (Some(key), Some(text)) = (delta["key"].as_str(), delta["text"].as_str()) else { return };
        if self.telling == Telling::Agent {
            self.said = Some(key.to_owned());
            self.tell(Event::Saying { text: text.to_owned() });
        }
    }

    /// A model's whole answer: its text unless it was told in pieces.
    fn answered(&mut self, key: &str, reply: &Value) {
        self.methods.remove(key);
        if self.telling != Telling::Agent {
            return;
        }
        let text = reply["text"].as_str().unwrap_or_default();
        if self.said.take().as_deref() == Some(key) {
            self.tell(Event::Said);
        } else if !text.is_empty() {
            self.tell(Event::Saying { text: text.to_owned() });
            self.tell(Event::Said);
        }
    }

    fn finished(&mut self, key: &str, result: &Value) {
        let method = self.methods.remove(key);
        if result["reduced"] == true {
            return self.page(result);
        }
        match &self.telling {
            Telling::Calls => {
                let unchanged = if result["changed"] == false { ", which changed nothing" } else { "" };
                let method = method.unwrap_or_default();
                self.tell(Event::Step { what: format!("{key}: {method}{unchanged}") });
            }
            Telling::Agent => {
                let what = match (&result["result"], &result["changed"], &result["dry_run"]) {
                    (_, _, Value::Bool(true)) => "rehearsed, nothing was sent".to_owned(),
                    (_, Value::Bool(true), _) => "done".to_owned(),
                    (_, Value::Bool(false), _) => "already as asked".to_owned(),
                    (Value::Array(records), _, _) => {
                        let more =
                            result["left_out"].as_u64().map(|more| format!(" and {more} more")).unwrap_or_default();
                        format!("{}{more} found", records.len())
                    }
                    _ => "read".to_owned(),
                };
                self.tell(Event::Step { what: format!("{}: {what}", method.unwrap_or_default()) });
            }
            Telling::Person { state_at } => {
                let record = result.get("result").unwrap_or(result);
                let state = record.pointer(state_at).map(scalar).unwrap_or_default();
                let what = match base(key) {
                    "before" => format!("its state is {state}"),
                    "suspend" if result["changed"] == false => "it had been suspended meanwhile".to_owned(),
                    "suspend" => "suspended".to_owned(),
                    "after" => format!("read back: its state is {state}"),
                    _ => return,
                };
                self.tell(Event::Step { what });
            }
            Telling::List { .. } => {
                let unchanged = result["changed"] == false;
                let outcome = if unchanged { "was suspended meanwhile" } else { "suspended now" };
                // A read that follows tells what is not known yet.
                if method.is_some_and(|method| method.rsplit_once('.').is_some_and(|(_, method)| method != "get")) {
                    self.person(key, outcome, true);
                }
            }
        }
    }

    /// Tells how many people there are to suspend, before the first.
    fn suspending(&mut self, key: &str) {
        let Telling::List { suspend: true, .. } = &self.telling else { return };
        if self.is_suspending || !key.starts_with(SUSPENSIONS) {
            return;
        }
        self.is_suspending = true;
        let total = self.found.values().flatten().filter(|(_, is_active)| *is_active).count();
        self.tell(Event::Suspending { total });
    }

    /// Tells that a person of a list is done.
    fn person(&self, key: &str, outcome: &str, ok: bool) {
        let Telling::List { emails, .. } = &self.telling else { return };
        let index = key.strip_prefix(SUSPENSIONS).and_then(|rest| rest.split('/').next()?.parse::<usize>().ok());
        let Some(email) = index.and_then(|index| emails.get(index)) else { return };
        self.tell(Event::PersonDone { email: email.clone(), outcome: outcome.to_owned(), ok });
    }

    /// A page of a search, or of the whole directory.
    fn page(&mut self, page: &Value) {
        let number = |name: &str| page[name].as_u64();
        self.pages += 1;
        self.people += number("scanned").or_else(|| number("count")).unwrap_or(0);
        self.tell(Event::PageRead { pages: self.pages, people: self.people });
        if let Telling::List { active, .. } = &self.telling {
            for found in page["records"].as_array().into_iter().flatten() {
                let Some(slot) = found["slot"].as_u64() else { continue };
                let id = found["id"].as_str().unwrap_or_default();
                let is_active = found["record"]["state"] == active.as_str();
                let known = self.found.entry(slot).or_insert_with(|| Some((id.to_owned(), is_active)));
                if known.as_ref().is_some_and(|(known, _)| known != id) {
                    *known = None;
                }
            }
        }
        if let Telling::Person { .. } = &self.telling {
            for found in page["records"].as_array().into_iter().flatten() {
                let text = |name: &str| found["record"][name].as_str().unwrap_or_default();
                self.tell(Event::Step { what: format!("found {} with the id {}", text("email"), text("id")) });
            }
        }
    }

    fn failed(&mut self, key: &str, problem: &Value) {
        let method = self.methods.remove(key).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or_default();
        let told = problem["retry_after_seconds"].as_u64();
        let is_of_person = matches!(self.telling, Telling::List { .. }) && key.starts_with(SUSPENSIONS);
        match (problem["code"].as_str().unwrap_or_default(), problem["retryable"].as_bool()) {
            ("rate_limited", Some(true)) => {
                let told_by = if told.is_some() { WaitSource::Headers } else { WaitSource::Backoff };
                self.wait = Some((told.unwrap_or(UNTOLD_SECONDS).max(1), told_by));
            }
            // Those that leave open what came of a write are followed by a read, which tells.
            (code, _) if is_of_person && SETTLED_BY_A_READ.contains(&code) && !key.contains("/confirm") => {}
            _ if is_of_person => self.person(key, detail, false),
            (_, Some(true)) => self.tell(Event::CallFailed { method, reason: detail.to_owned() }),
            _ if matches!(self.telling, Telling::Calls | Telling::Agent) => {
                self.tell(Event::CallFailed { method, reason: detail.to_owned() });
            }
            // It is the run's own end, and told with that.
            _ => {}
        }
    }
}

/// A key without the number of the attempt: `suspend~2` is the second of `suspend`.
fn base(key: &str) -> &str {
    key.split_once('~').map_or(key, |(base, _)| base)
}

/// A text, number or truth value as a text.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
