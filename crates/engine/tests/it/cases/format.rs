//! The format of case files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quartermaster_engine::Position;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::upstream::Reply;

/// A folder below `integrations/`.
pub struct Integration {
    folder: PathBuf,
    pub definition_file: String,
    pub definition: String,
    exchanges: BTreeMap<String, Exchange>,
    /// File names and their cases.
    pub files: Vec<(String, Vec<Case>)>,
}

/// One file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "for people who read the file")]
    about: String,
    /// Members of `given` that all cases share.
    #[serde(default)]
    given: Map<String, Value>,
    cases: Vec<RawCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    #[serde(default)]
    given: Map<String, Value>,
    expect: Expect,
}

/// One case.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub given: Given,
    pub expect: Expect,
}

/// What the case starts from.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    pub call: String,
    pub connection: Map<String, Value>,
    pub credentials: BTreeMap<String, String>,
    pub arguments: Map<String, Value>,
    pub limit: Option<u32>,
    pub cursor: Option<Position>,
    pub fields: Option<Vec<String>>,
    /// Seconds of `Prefer: wait`.
    pub wait: Option<u64>,
    /// How often the call is made; only the last outcome is looked at, but all requests.
    pub times: Times,
    pub answers: Vec<OrName<Answer>>,
}

/// A number that is 1 unless said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Times(pub u32);

/// A thing, or the name of an exchange in `fixtures/exchanges.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OrName<T> {
    Name(String),
    Itself(T),
}

/// A request and its answer that many cases share.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    request: RequestExpected,
    answer: Answer,
}

/// What the upstream answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// JSON, or a text that is sent as it is.
    #[serde(default)]
    body: Option<Value>,
    /// A file below `fixtures/`, instead of `body`.
    #[serde(default)]
    file: Option<String>,
    /// Seconds by which the clock moves before this answer.
    #[serde(default)]
    pub later: i64,
    /// The connection breaks instead of an answer.
    #[serde(default)]
    broken: bool,
}

fn ok() -> u16 {
    200
}

/// What is to come of it. Members that are left out are not looked at, except that all requests are.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    #[serde(default)]
    pub requests: Vec<OrName<RequestExpected>>,
    pub preview: Option<PreviewExpected>,
    pub result: Option<ResultExpected>,
    pub problem: Option<ProblemExpected>,
    pub rate_limits: Option<RateLimitsExpected>,
}

/// One request: method, path and query exactly; the named headers (null: absent); the body exactly.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestExpected {
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    #[serde(default)]
    pub headers: BTreeMap<String, Option<String>>,
    /// JSON, or the text itself; left out: no body.
    #[serde(default)]
    pub body: Option<Value>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewExpected {
    pub method: String,
    pub url: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: Option<Value>,
}

/// What a call that works gives.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultExpected {
    // Of a list.
    pub records: Option<Vec<Value>>,
    pub ids: Option<Vec<String>>,
    pub scanned: Option<u64>,
    pub is_partial: Option<bool>,
    pub stopped_because: Option<String>,
    /// A position, true for any, false for none.
    pub next: Option<Value>,
    // Of a single value.
    pub body: Option<Value>,
    pub id: Option<String>,
    /// null: not known.
    #[expect(clippy::option_option, reason = "null and absent differ here")]
    #[serde(default, deserialize_with = "present")]
    pub changed: Option<Option<bool>>,
    #[expect(clippy::option_option, reason = "null and absent differ here")]
    #[serde(default, deserialize_with = "present")]
    pub before: Option<Option<Value>>,
}

/// Tells null from absent.
fn present<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A problem: `…_has` are texts that must occur.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ProblemExpected {
    pub code: Option<String>,
    pub origin: Option<String>,
    pub detail: Option<String>,
    pub detail_has: Vec<String>,
    pub hint_has: Vec<String>,
    pub next_calls: Option<Vec<String>>,
    pub retryable: Option<bool>,
    pub retry_after_seconds: Option<u64>,
    pub upstream_status: Option<u16>,
    pub upstream_code: Option<String>,
    pub before: Option<Value>,
}

/// Limits in seconds from now; those that are left out must be unknown.
#[derive(Clone, Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitsExpected {
    pub limit: Option<u64>,
    pub window_seconds: Option<u64>,
    pub remaining: Option<u64>,
    pub reset_seconds: Option<u64>,
    pub retry_after_seconds: Option<u64>,
}

impl Default for Times {
    fn default() -> Self {
        Self(1)
    }
}

impl Integration {
    /// Reads a folder.
    pub fn read(folder: &Path) -> Self {
        let definition = std::fs::read_to_string(folder.join("definition.yaml")).unwrap();
        let shared = folder.join("fixtures/exchanges.yaml");
        let exchanges = if shared.is_file() { parse(&shared) } else { BTreeMap::new() };
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder.join("cases")).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
        let files = files.iter().map(|file| (file.file_name().unwrap().to_string_lossy().into_owned(), cases(file)));
        Self {
            folder: folder.to_owned(),
            definition_file: folder.join("definition.yaml").display().to_string(),
            definition,
            exchanges,
            files: files.collect(),
        }
    }

    fn exchange(&self, name: &str) -> &Exchange {
        self.exchanges.get(name).unwrap_or_else(|| panic!("{name} is not in fixtures/exchanges.yaml"))
    }

    /// An answer, its file read.
    pub fn answer(&self, answer: &OrName<Answer>) -> Answer {
        let mut answer = match answer {
            OrName::Name(name) => self.exchange(name).answer.clone(),
            OrName::Itself(answer) => answer.clone(),
        };
        if let Some(file) = answer.file.take() {
            let text = std::fs::read_to_string(self.folder.join("fixtures").join(&file));
            answer.body = Some(Value::String(text.unwrap_or_else(|error| panic!("{file}: {error}"))));
        }
        answer
    }

    pub fn request(&self, request: &OrName<RequestExpected>) -> RequestExpected {
        match request {
            OrName::Name(name) => self.exchange(name).request.clone(),
            OrName::Itself(request) => request.clone(),
        }
    }
}

impl Answer {
    /// As the upstream sends it.
    pub fn reply(&self) -> Reply {
        if self.broken {
            return Reply::Close;
        }
        let text = match &self.body {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(json) => json.to_string(),
        };
        let reply = if text.is_empty() { Reply::empty(self.status) } else { Reply::json(self.status, &text) };
        self.headers.iter().fold(reply, |reply, (name, value)| reply.with(name, value))
    }
}

fn parse<T: serde::de::DeserializeOwned>(file: &Path) -> T {
    let text = std::fs::read_to_string(file).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The cases of a file, with what they share filled in.
fn cases(path: &Path) -> Vec<Case> {
    let file: File = parse(path);
    let complete = |case: RawCase| {
        let mut given = file.given.clone();
        given.extend(case.given);
        let given = serde_json::from_value(Value::Object(given))
            .unwrap_or_else(|error| panic!("{}: {}: given: {error}", path.display(), case.name));
        Case { name: case.name, given, expect: case.expect }
    };
    file.cases.into_iter().map(complete).collect()
}
