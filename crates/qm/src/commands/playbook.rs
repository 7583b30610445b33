//! `qm playbook`.

mod run;

pub(crate) use run::ended;

use std::path::Path;

use quartermaster_definition::Plan;
use quartermaster_playbook::{load, shipped};
use serde_json::{Value, json};

use super::checked::{self, Checked};
use crate::arguments::PlaybookCommand;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Rows, show};

/// The commands that need no gateway; `None` for the others.
pub(crate) fn local(command: &PlaybookCommand) -> Option<Result<Exit, Failure>> {
    if matches!(command, PlaybookCommand::Run(_)) { None } else { Some(on_files(command)) }
}

/// The commands that talk to a gateway.
pub(crate) async fn run(command: &PlaybookCommand) -> Result<Exit, Failure> {
    match command {
        PlaybookCommand::Run(arguments) => run::run(arguments).await,
        local => on_files(local),
    }
}

fn on_files(command: &PlaybookCommand) -> Result<Exit, Failure> {
    match command {
        PlaybookCommand::Run(_) => Err(Failure::failed("a run needs a gateway")),
        PlaybookCommand::List { output } => {
            let all: Vec<Value> = shipped::all().iter().filter_map(summary).collect();
            show(output.output, &all, || {
                let text = |one: &Value, member: &str| one[member].as_str().unwrap_or_default().to_owned();
                Rows::new(
                    ["name", "inputs", "description"],
                    all.iter().map(|one| [text(one, "name"), inputs(one), text(one, "description")]),
                )
            })?;
            Ok(Exit::Ok)
        }
        PlaybookCommand::Show { name } => {
            let Some(playbook) = shipped::find(name) else {
                return Err(Failure::new(Exit::NotFound, format!("no playbook {name:?} ships with this program"))
                    .next("qm playbook list"));
            };
            output::data(playbook.text)?;
            Ok(Exit::Ok)
        }
        PlaybookCommand::Check { files, integration, output } => {
            let plan = integration.as_deref().map(plan).transpose()?;
            let checked: Result<Vec<Checked>, Failure> =
                files.iter().map(|file| check_file(file, plan.as_ref())).collect();
            checked::tell(&checked?, output)
        }
        PlaybookCommand::Schema => {
            output::data(&output::json(&quartermaster_playbook::schema())?)?;
            Ok(Exit::Ok)
        }
    }
}

/// A playbook that ships, for lists.
fn summary(one: &shipped::Shipped) -> Option<Value> {
    let playbook = load(one.file, one.text.as_bytes()).0?;
    Some(json!({
        "name": playbook.name(),
        "description": playbook.description(),
        "input_schema": playbook.input_schema(),
    }))
}

/// The names of the inputs, with a star behind those that must be given.
fn inputs(one: &Value) -> String {
    let required: Vec<&str> =
        one["input_schema"]["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let names = one["input_schema"]["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| if required.contains(&name.as_str()) { format!("{name}*") } else { name.clone() });
    names.collect::<Vec<_>>().join(" ")
}

/// The compiled definition of an integration that ships.
fn plan(name: &str) -> Result<Plan, Failure> {
    let integration = quartermaster_integrations::find(name).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("no integration {name:?} ships with this program"))
            .next("qm definition show")
    })?;
    let (definition, problems) = quartermaster_definition::load(integration.file, integration.definition);
    let plan = definition.and_then(|definition| definition.compile().ok());
    plan.ok_or_else(|| Failure::failed(problems.to_string()))
}

fn check_file(path: &Path, plan: Option<&Plan>) -> Result<Checked, Failure> {
    let (playbook, problems) = load(&path.display().to_string(), &checked::read(path)?);
    let against = playbook.as_ref().zip(plan).map(|(playbook, plan)| playbook.check_against(plan));
    Ok(Checked::new(path, against.as_ref().filter(|against| !against.is_empty()).unwrap_or(&problems)))
}
