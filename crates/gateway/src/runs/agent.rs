//! Agents as machines of runs.

use quartermaster_agent::limits::{ACCOUNTS_MAX, GOAL_MAX_BYTES, TOOLS_MAX};
use quartermaster_agent::{Account, Limits, Prompt, Setting, State, Targets};
use quartermaster_definition::tools::{METHOD_GROUPS, ToolFilter};
use quartermaster_definition::{Method, Plan};
use quartermaster_model::ModelReference;
use quartermaster_types::{AccountId, Code, FieldError, Problem};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::machine::{AccountFacts, Action, Entry, Kind, Machine, Mismatch, Needs, Prepared, Start};
use crate::rights;

/// The longest name of a run, in characters of its goal.
const NAME_CHARACTERS: usize = 60;

/// Runs of a language model towards a goal.
pub struct AgentKind;

/// What an agent is started with besides its goal and its account.
struct Given {
    /// Which model.
    model: ModelReference,
    /// Further accounts.
    accounts: Vec<AccountId>,
    /// `read`, `write`, `custom` or names of methods.
    methods: Vec<String>,
    tags: Vec<String>,
    limits: Limits,
    /// Whom it may change; those whom the goal names when it is `None`.
    targets: Option<Targets>,
    handles: bool,
    dry_run: bool,
}

/// The members of [`Given`].
const MEMBERS: [&str; 8] = ["model", "accounts", "methods", "tags", "limits", "targets", "handles", "dry_run"];

/// The word for a run that is bound to nobody.
const ANYBODY: &str = "any";

/// What is stored with a run.
#[derive(Serialize, Deserialize)]
struct Stored {
    setting: Setting,
}

impl Kind for AgentKind {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn needs(&self, input: &Map<String, Value>) -> Result<Needs, Problem> {
        let given = given(input)?;
        if given.accounts.len() >= ACCOUNTS_MAX {
            let detail = format!("at most {ACCOUNTS_MAX} accounts are taken");
            return Err(refused(vec![("/agent/accounts".to_owned(), detail)]));
        }
        Ok(Needs { accounts: given.accounts, model: Some(given.model) })
    }

    fn prepare(&self, start: &Start<'_>) -> Result<Prepared, Problem> {
        let given = given(start.input)?;
        let goal = start.definition.trim();
        let mut mistakes = Vec::new();
        if goal.is_empty() || goal.len() > GOAL_MAX_BYTES {
            let detail = format!("a text of 1 to {GOAL_MAX_BYTES} bytes is expected, got {}", goal.len());
            mistakes.push(("/agent/goal".to_owned(), detail));
        }
        let wrong = given.limits.mistakes().into_iter();
        mistakes.extend(wrong.map(|error| (format!("/agent/limits{}", error.pointer), error.detail)));
        let all: Vec<&AccountFacts<'_>> = std::iter::once(&start.account).chain(start.others).collect();
        let twice = all.iter().enumerate().any(|(place, one)| all[..place].iter().any(|other| other.id == one.id));
        if twice {
            mistakes.push(("/agent/accounts".to_owned(), "an account stands here twice".to_owned()));
        }
        let plans: Vec<&Plan> = all.iter().map(|account| account.plan).collect();
        mistakes.extend(unknown(&plans, &given.methods, &given.tags));
        crate::invalid("The run cannot be started.", mistakes)?;
        let filter = ToolFilter { methods: given.methods, tags: given.tags, ..ToolFilter::default() };
        let may_use = |method: &Method| filter.lets_through(method) && rights::allows_method(start.narrowing, method);
        let accounts: Vec<Account> = all
            .iter()
            .map(|account| Account::of(account.plan, account.id.to_string(), account.tenant_id.to_owned(), may_use))
            .collect();
        let tools: usize = accounts.iter().map(|account| account.tools.len()).sum();
        if tools == 0 || tools > TOOLS_MAX {
            let detail = format!("{tools} tools are left; 1 to {TOOLS_MAX} are needed");
            return Err(refused(vec![("/agent/methods".to_owned(), detail)]));
        }
        let mut limits = given.limits;
        if let Some(seconds) = start.patience_seconds {
            limits.wait_seconds = seconds;
        }
        let setting = Setting {
            run: start.run.to_string(),
            session: start.session.to_owned(),
            started_at: start.at,
            goal: goal.to_owned(),
            model: given.model.to_string(),
            accounts,
            limits,
            targets: given.targets.unwrap_or_else(|| Targets::named_in(goal)),
            handles: given.handles,
            dry_run: given.dry_run,
        };
        let input = serde_json::to_value(Stored { setting }).map_err(|_| unreadable())?;
        Ok(Prepared { name: name(goal), definition: goal.to_owned(), input })
    }

    fn load(&self, definition: &str, input: &Value) -> Result<Box<dyn Machine>, Problem> {
        let stored = Stored::deserialize(input).map_err(|_| unreadable())?;
        if stored.setting.goal != definition {
            return Err(Problem::caller(
                Code::InvalidArgument,
                "The goal of the run is not the one that it began with.",
            ));
        }
        Ok(Box::new(State::new(stored.setting)))
    }
}

impl Machine for State {
    fn next(&self) -> Action {
        Self::next(self)
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Mismatch> {
        Self::apply(self, entry).map_err(|mismatch| Mismatch(mismatch.to_string()))
    }

    fn reduce(&self, key: &str, result: Value) -> Value {
        Self::reduce(self, key, result)
    }

    fn prompt(&self, key: &str) -> Option<Prompt> {
        Self::prompt(self, key)
    }
}

fn given(input: &Map<String, Value>) -> Result<Given, Problem> {
    let mut mistakes = Vec::new();
    let given = Given {
        model: member(input, "model", &mut mistakes)
            .unwrap_or(ModelReference { connection: String::new(), model: None }),
        accounts: member(input, "accounts", &mut mistakes).unwrap_or_default(),
        methods: member(input, "methods", &mut mistakes).unwrap_or_default(),
        tags: member(input, "tags", &mut mistakes).unwrap_or_default(),
        limits: member(input, "limits", &mut mistakes).unwrap_or_default(),
        targets: targets(input, &mut mistakes),
        handles: member(input, "handles", &mut mistakes).unwrap_or(true),
        dry_run: member(input, "dry_run", &mut mistakes).unwrap_or_default(),
    };
    if input.get("model").is_none_or(Value::is_null) {
        mistakes.push(("/agent/model".to_owned(), "NAME of a model connection is required, or NAME/MODEL".to_owned()));
    }
    for name in input.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let pointer = format!("/agent/{}", name.replace('~', "~0").replace('/', "~1"));
        mistakes.push((pointer, format!("there is no such member; there are: goal, {}", MEMBERS.join(", "))));
    }
    crate::invalid("The run cannot be started.", mistakes)?;
    Ok(given)
}

fn targets(input: &Map<String, Value>, mistakes: &mut Vec<(String, String)>) -> Option<Targets> {
    let given = input.get("targets").filter(|value| !value.is_null())?;
    if given == ANYBODY {
        return Some(Targets::Anybody);
    }
    let Ok(named) = Vec::<String>::deserialize(given) else {
        let detail =
            format!("a list of e-mail addresses and domains (`@company.com`) is expected, or the word `{ANYBODY}`");
        mistakes.push(("/agent/targets".to_owned(), detail));
        return None;
    };
    let wrong = Targets::mistakes(&named).into_iter();
    mistakes.extend(wrong.map(|(place, detail)| (format!("/agent/targets/{place}"), detail)));
    Some(Targets::Only(named))
}

fn member<T: DeserializeOwned>(
    input: &Map<String, Value>,
    name: &str,
    mistakes: &mut Vec<(String, String)>,
) -> Option<T> {
    let value = input.get(name).filter(|value| !value.is_null())?;
    match T::deserialize(value) {
        Ok(member) => Some(member),
        Err(error) => {
            mistakes.push((format!("/agent/{name}"), error.to_string()));
            None
        }
    }
}

fn refused(mistakes: Vec<(String, String)>) -> Problem {
    crate::mistaken("The run cannot be started.", mistakes)
}

/// Names of methods and tags that none of the accounts has.
fn unknown(plans: &[&Plan], methods: &[String], tags: &[String]) -> Vec<(String, String)> {
    let nowhere = |filter: &ToolFilter| -> Option<FieldError> {
        let mut errors = plans.iter().map(|plan| filter.select(plan).err());
        let first = errors.next()?;
        if errors.all(|error| error.is_some()) { first } else { None }
    };
    let named = methods.iter().filter(|name| !METHOD_GROUPS.contains(&name.as_str()));
    let of_methods = named.map(|name| ToolFilter { methods: vec![name.clone()], ..ToolFilter::default() });
    let of_tags = tags.iter().map(|tag| ToolFilter { tags: vec![tag.clone()], ..ToolFilter::default() });
    let filters: Vec<ToolFilter> = of_methods.chain(of_tags).collect();
    let errors = filters.iter().filter_map(nowhere);
    errors.map(|error| (format!("/agent{}", error.pointer), error.detail)).collect()
}

/// The first line of the goal, shortened.
fn name(goal: &str) -> String {
    let line: String = goal.lines().next().unwrap_or_default().chars().filter(|one| !one.is_control()).collect();
    match line.char_indices().nth(NAME_CHARACTERS) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

fn unreadable() -> Problem {
    Problem::gateway(Code::Internal, "The stored run cannot be read or written.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_the_first_line_of_its_goal() {
        assert_eq!(name("Offboard a.miller@company.com\nplease"), "Offboard a.miller@company.com");
        let at = "x".repeat(NAME_CHARACTERS);
        assert_eq!(name(&at), at);
        assert_eq!(name(&format!("{at}y")), format!("{at}…"));
        assert!(name(&"ü\u{1b}".repeat(1000)).len() < crate::limits::RUN_NAME_MAX_BYTES);
    }
}
