//! `qm offboard`: a run of the playbook of that name, watched to its end.

use quartermaster_client::{NewRun, Run};
use quartermaster_roster::offboard::{Offboarding, PLAYBOOK};
use quartermaster_roster::{Ending, Telling, roster};
use quartermaster_types::{AccountId, Code};
use serde_json::{Map, json};

use crate::arguments::OffboardArguments;
use crate::commands::plan;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Format, Rows, note, show};
use crate::style::{GOOD, STRONG};
use crate::watched::{self, Watched};

pub(crate) async fn run(arguments: &OffboardArguments) -> Result<Exit, Failure> {
    let email = arguments.email.trim();
    if !roster::is_email(email) {
        return Err(Failure::usage(format!("{email:?} is not an e-mail address")));
    }
    let client = connect::client(&arguments.gateway)?;
    let account = connect::account(&client, &arguments.account).await?;
    if arguments.plan {
        return plan::suspensions(&client, account, &[email], arguments.output.output).await;
    }
    let new = new_run(account, email, arguments.dry_run, arguments.patience.max_wait.as_secs());
    let run = match watched::run(&client, &new, arguments.detach.detach, telling).await? {
        Watched::Ended(run) => run,
        Watched::Left(exit) => return Ok(exit),
    };
    match done(&run)? {
        Some(done) => {
            match arguments.output.output {
                Format::Table => output::styled(&ticket(&done))?,
                format => show(format, &done, || rows(&done))?,
            }
            Ok(Exit::Ok)
        }
        None => {
            let id = run.summary.id;
            note(&format!("the run {id} was stopped; `qm runs show {id}` tells what was done"));
            Ok(Exit::Interrupted)
        }
    }
}

/// The run that offboards one person.
pub(crate) fn new_run(account: AccountId, email: &str, dry_run: bool, patience_seconds: u64) -> NewRun {
    let input = Map::from_iter([("email".to_owned(), json!(email)), ("dry_run".to_owned(), json!(dry_run))]);
    NewRun { playbook: PLAYBOOK.to_owned(), account, input, patience_seconds: Some(patience_seconds) }
}

/// What is told of the steps of a run of this playbook.
pub(crate) fn telling(run: &Run) -> Telling {
    let state_at = run.input.pointer("/setting/lifecycle/state").and_then(|at| at.as_str()).unwrap_or_default();
    Telling::Person { state_at: state_at.to_owned() }
}

/// What a run of this playbook did; `None` when it was stopped.
pub(crate) fn done(run: &Run) -> Result<Option<Offboarding>, Failure> {
    match Ending::of(run)? {
        Ending::Done { report: Some(report), .. } => Ok(Some(Offboarding::of(run, &report)?)),
        Ending::Done { report: None, .. } => Err(Failure::failed("the run reports nothing")),
        Ending::Stopped { .. } => Ok(None),
        Ending::Failed { problem, .. } => {
            let mut failure = Failure::of_run(&problem, run.summary.id);
            Err(match problem.code() {
                Code::NotFound => failure.hint_instead_of_advice(
                    &problem,
                    "Only exact e-mail addresses count. Is it spelt as in the directory?",
                ),
                Code::Conflict => {
                    failure.exit = Exit::NotFound;
                    failure.hint_instead_of_advice(
                        &problem,
                        "Which of them is meant cannot be told, so nobody was touched. Look at each, then suspend the \
                         right one by id.",
                    )
                }
                Code::RateLimited => failure.hint("Try again later, or allow more with --max-wait."),
                _ => failure,
            })
        }
    }
}

/// The summary for a ticket: readable with and without colour.
pub(crate) fn ticket(done: &Offboarding) -> String {
    let mut text = format!("{GOOD}✓{GOOD:#} {STRONG}{}{STRONG:#}\n", crate::failure::printable(&done.text));
    for (name, value) in fields(done) {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<12} {}\n", crate::failure::printable(&value)));
        }
    }
    if let Some(plan) = &done.plan {
        text.push_str("  Would send:\n");
        for line in output::json(plan).unwrap_or_default().lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

fn fields(done: &Offboarding) -> Vec<(&'static str, String)> {
    let state = if done.state_before == done.state_after {
        done.state_after.clone()
    } else {
        format!("{} → {}", done.state_before, done.state_after)
    };
    let waited = if done.waits.count > 0 { format!("{} s", done.waits.seconds) } else { String::new() };
    vec![
        ("E-mail", done.email.clone()),
        ("Name", done.display_name.clone().unwrap_or_default()),
        ("Id", done.id.clone()),
        ("State", state),
        ("Where", format!("{}, tenant {}", done.label, done.tenant_id)),
        ("When", done.at.to_string()),
        ("Request", done.request_id.clone().unwrap_or_default()),
        ("Run", done.run.to_string()),
        ("Waited", waited),
    ]
}

fn rows(done: &Offboarding) -> Rows {
    Rows::new(
        ["email", "id", "display_name", "state_before", "state_after", "changed", "dry_run", "at", "request_id", "run"],
        [[
            done.email.clone(),
            done.id.clone(),
            done.display_name.clone().unwrap_or_default(),
            done.state_before.clone(),
            done.state_after.clone(),
            done.changed.to_string(),
            done.dry_run.to_string(),
            done.at.to_string(),
            done.request_id.clone().unwrap_or_default(),
            done.run.to_string(),
        ]],
    )
}
