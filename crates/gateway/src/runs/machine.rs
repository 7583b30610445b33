//! What a run is: a machine that decides over its journal, and nothing else. It does no I/O, knows no clock and no
//! randomness: the same entries give the same actions, byte for byte.

use quartermaster_agent::Prompt;
use quartermaster_definition::Plan;
use quartermaster_model::ModelReference;
use quartermaster_store_model::Narrowing;
use quartermaster_types::{AccountId, Problem, RunId, Timestamp};
use serde_json::{Map, Value};

pub use quartermaster_types::run::{
    Action, Ask, Call, Entry, Outcome as Completion, Reply, Report, Table, Usage, Wake,
};

/// An entry's name: `begun`, `finished`, `asked`, `answered`, `failed`, `woken`.
pub fn name_of(entry: &Entry) -> &'static str {
    match entry {
        Entry::Begun { .. } => "begun",
        Entry::Finished { .. } => "finished",
        Entry::Asked { .. } => "asked",
        Entry::Answered { .. } => "answered",
        Entry::Failed { .. } => "failed",
        Entry::Woken { .. } => "woken",
    }
}

/// An entry that this machine cannot have: the journal is of another run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(pub String);

/// A run in the making.
#[derive(Debug)]
pub struct Start<'a> {
    /// The run's id.
    pub run: RunId,
    /// The session of its calls.
    pub session: &'a str,
    /// When it was started.
    pub at: Timestamp,
    /// The account that it works on.
    pub account: AccountFacts<'a>,
    /// Further accounts that [`Kind::needs`] names.
    pub others: &'a [AccountFacts<'a>],
    /// What the token may use.
    pub narrowing: &'a Narrowing,
    /// What is to be run, as the caller gave it: a name or a whole text.
    pub definition: &'a str,
    /// What it is started with.
    pub input: &'a Map<String, Value>,
    /// Seconds that rate limits and passing faults are waited out in all; the machine's own when it is `None`.
    pub patience_seconds: Option<u64>,
}

/// The account that a run works on.
#[derive(Debug)]
pub struct AccountFacts<'a> {
    /// Its id.
    pub id: AccountId,
    /// Its tenant.
    pub tenant_id: &'a str,
    /// Its plan.
    pub plan: &'a Plan,
}

/// What is stored of a run that can be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Its name for people.
    pub name: String,
    /// What is run, whole.
    pub definition: String,
    /// What it is started with, and whatever else the machine decides over.
    pub input: Value,
}

/// What a run needs besides its account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Further accounts that it works on.
    pub accounts: Vec<AccountId>,
    /// The model that it asks.
    pub model: Option<ModelReference>,
}

/// A kind of machine.
pub trait Kind: Send + Sync {
    /// `playbook`.
    fn name(&self) -> &'static str;
    /// What a run needs besides its account.
    fn needs(&self, _input: &Map<String, Value>) -> Result<Needs, Problem> {
        Ok(Needs::default())
    }
    /// Checks what is to be run; nothing was done yet. The problem names every wrong place.
    fn prepare(&self, start: &Start<'_>) -> Result<Prepared, Problem>;
    /// The machine of a run, before its first entry.
    fn load(&self, definition: &str, input: &Value) -> Result<Box<dyn Machine>, Problem>;
}

/// A machine over its journal.
pub trait Machine: Send {
    /// What the run needs next.
    fn next(&self) -> Action;
    /// How the run ends when it is stopped here: it makes no further call, and may report all the same. `None`: without a word.
    fn stopped(&self) -> Option<Action> {
        None
    }
    /// Tells the next entry.
    fn apply(&mut self, entry: &Entry) -> Result<(), Mismatch>;
    /// What the journal keeps of a call's result.
    fn reduce(&self, key: &str, result: Value) -> Value;
    /// Records that were read for the run before it began, (resource, id): it may write to them.
    fn grounds(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    /// The prompt of a question to a model that the run asks for now.
    fn prompt(&self, _key: &str) -> Option<Prompt> {
        None
    }
}
