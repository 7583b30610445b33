//! `qm agent`: a run of a model towards a goal, watched to its end.

use quartermaster_client::NewAgent;
use quartermaster_roster::Telling;
use serde_json::{Map, Value, json};

use crate::arguments::{AccountArguments, AgentArguments};
use crate::commands::playbook;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::watched::{self, Watched};

pub(crate) async fn run(arguments: &AgentArguments) -> Result<Exit, Failure> {
    let client = connect::client(&arguments.gateway)?;
    let accounts = if arguments.account.is_empty() {
        vec![connect::account(&client, &AccountArguments { account: None }).await?]
    } else {
        arguments.account.clone()
    };
    let (goal, model) = (arguments.goal.clone(), arguments.model.clone());
    let new = NewAgent { goal, accounts, model, options: options(arguments) };
    match watched::run(&client, &new, arguments.detach.detach, |_| Telling::Agent).await? {
        Watched::Ended(run) => playbook::ended(&run, arguments.output.output),
        Watched::Left(exit) => Ok(exit),
    }
}

/// What was given besides; the rest has its default in the gateway.
fn options(arguments: &AgentArguments) -> Map<String, Value> {
    let limits = [
        ("iterations", arguments.max_iterations.map(|most| json!(most))),
        ("calls", arguments.max_calls.map(|most| json!(most))),
        ("tokens", arguments.max_tokens.map(|most| json!(most))),
        ("seconds", arguments.max_time.map(|most| json!(most.as_secs()))),
        ("cost", arguments.max_cost.map(|most| json!(most))),
        ("wait_seconds", arguments.max_wait.map(|most| json!(most.as_secs()))),
    ];
    let limits: Map<String, Value> =
        limits.into_iter().filter_map(|(name, most)| Some((name.to_owned(), most?))).collect();
    let mut options = Map::new();
    if !limits.is_empty() {
        options.insert("limits".to_owned(), Value::Object(limits));
    }
    for (name, list) in [("methods", &arguments.methods), ("tags", &arguments.tags)] {
        if !list.is_empty() {
            options.insert(name.to_owned(), json!(list));
        }
    }
    match arguments.target.as_slice() {
        [] => {}
        [one] if one == "any" => drop(options.insert("targets".to_owned(), json!(one))),
        several => drop(options.insert("targets".to_owned(), json!(several))),
    }
    if arguments.dry_run {
        options.insert("dry_run".to_owned(), json!(true));
    }
    if arguments.raw_ids {
        options.insert("handles".to_owned(), json!(false));
    }
    options
}
