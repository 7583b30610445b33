//! `qm trigger`.

use std::collections::BTreeMap;

use quartermaster_client::{NewTrigger, TestDelivery, Trigger, TriggerChange, TriggerDelivery};
use quartermaster_trigger::{load, schema};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::checked::{self, Checked};
use crate::arguments::{SecretArguments, TriggerCommand, TriggerCreate, TriggerTest, TriggerUpdate};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Format, Rows, show};
use crate::secrets::{parse, read_file};
use crate::{connect, env};

/// What does not need a gateway.
pub(crate) fn local(command: &TriggerCommand) -> Option<Result<Exit, Failure>> {
    match command {
        TriggerCommand::Check { files, output } => {
            let checked: Result<Vec<Checked>, Failure> = files
                .iter()
                .map(|file| {
                    let (_, problems) = load(&file.display().to_string(), &checked::read(file)?);
                    Ok(Checked::new(file, &problems))
                })
                .collect();
            Some(checked.and_then(|checked| checked::tell(&checked, output)))
        }
        TriggerCommand::Schema => {
            Some(output::json(&schema()).and_then(|schema| output::data(&schema)).map(|()| Exit::Ok))
        }
        _ => None,
    }
}

pub(crate) async fn run(command: &TriggerCommand) -> Result<Exit, Failure> {
    match command {
        TriggerCommand::Create(arguments) => create(arguments).await?,
        TriggerCommand::Update(arguments) => update(arguments).await?,
        TriggerCommand::Test(arguments) => return test(arguments).await,
        TriggerCommand::List { limit, output, gateway } => {
            let triggers = connect::client(gateway)?.triggers(*limit).await?;
            show(output.output, &triggers, || table(&triggers))?;
        }
        TriggerCommand::Show { trigger, output, gateway } => {
            let trigger = connect::client(gateway)?.trigger(trigger.id).await?;
            if output.output == Format::Table {
                output::data(trigger.document.trim_end())?;
            } else {
                show(output.output, &trigger, || table(std::slice::from_ref(&trigger)))?;
            }
        }
        TriggerCommand::Enable { trigger, gateway } => {
            let change = TriggerChange { enabled: Some(true), ..TriggerChange::default() };
            let changed = connect::client(gateway)?.update_trigger(trigger.id, None, &change).await?;
            output::note(&format!("the trigger {} is switched on", changed.name));
        }
        TriggerCommand::Disable { trigger, gateway } => {
            let change = TriggerChange { enabled: Some(false), ..TriggerChange::default() };
            let changed = connect::client(gateway)?.update_trigger(trigger.id, None, &change).await?;
            output::note(&format!("the trigger {} is switched off: it starts nothing", changed.name));
        }
        TriggerCommand::Delete { trigger, gateway } => {
            connect::client(gateway)?.delete_trigger(trigger.id).await?;
            output::note(&format!("deleted the trigger {} with its secrets and its list of deliveries", trigger.id));
        }
        TriggerCommand::Deliveries { trigger, limit, output, gateway } => {
            let deliveries = connect::client(gateway)?.trigger_deliveries(trigger.id, *limit).await?;
            show(output.output, &deliveries, || delivery_table(&deliveries))?;
        }
        TriggerCommand::Check { .. } | TriggerCommand::Schema => {}
    }
    Ok(Exit::Ok)
}

async fn create(arguments: &TriggerCreate) -> Result<(), Failure> {
    let client = connect::client(&arguments.gateway)?;
    let new = NewTrigger {
        document: read_file(&arguments.file, "the trigger")?,
        token: arguments.token,
        enabled: !arguments.disabled,
        secrets: secrets(&arguments.secrets)?,
    };
    let made = client.create_trigger(&new).await?;
    if let Some(secret) = &made.secret {
        output::note(&format!("its secret, shown this once: {}", secret.expose_secret()));
    }
    if let Some(hook) = &made.trigger.hook {
        output::note(&format!("the other system calls POST {}{hook}", client.base_url()));
    }
    show(arguments.output.output, &made.trigger, || table(std::slice::from_ref(&made.trigger)))
}

async fn update(arguments: &TriggerUpdate) -> Result<(), Failure> {
    let change = TriggerChange {
        document: arguments.file.as_ref().map(|file| read_file(file, "the trigger")).transpose()?,
        token: arguments.token,
        enabled: None,
        secrets: secrets(&arguments.secrets)?,
        keep_previous_secret: arguments.keep_previous_secret,
    };
    if change.document.is_none() && change.token.is_none() && change.secrets.is_none() {
        return Err(Failure::usage("nothing is to be changed").next("qm trigger update --help"));
    }
    let client = connect::client(&arguments.gateway)?;
    let changed = client.update_trigger(arguments.trigger.id, arguments.if_version, &change).await?;
    show(arguments.output.output, &changed, || table(std::slice::from_ref(&changed)))
}

/// The secrets that were given; `None` when there are none.
fn secrets(arguments: &SecretArguments) -> Result<Option<BTreeMap<String, SecretString>>, Failure> {
    match (&arguments.secrets_file, env::text(env::SECRETS)) {
        (Some(file), _) => parse(&read_file(file, "the secrets")?).map(Some),
        (None, Some(text)) => parse(&text).map(Some),
        (None, None) => Ok(None),
    }
}

async fn test(arguments: &TriggerTest) -> Result<Exit, Failure> {
    let mut headers = arguments.headers.clone();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    let delivery = TestDelivery {
        headers,
        query: arguments.query.clone(),
        body: arguments.body.as_ref().map(|file| read_file(file, "the body")).transpose()?.unwrap_or_default(),
        verified: arguments.verified,
    };
    let tested = connect::client(&arguments.gateway)?.test_trigger(arguments.trigger.id, &delivery).await?;
    show(arguments.output.output, &tested, || test_table(&tested))?;
    let outcome = tested.get("outcome").and_then(Value::as_str).unwrap_or_default();
    if arguments.output.output == Format::Table {
        output::note(&format!("it would count as {outcome}; nothing was started"));
    }
    Ok(if matches!(outcome, "started" | "answered") { Exit::Ok } else { Exit::Failed })
}

fn test_table(tested: &Value) -> Rows {
    let list = |name: &str| tested.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let steps = list("steps").into_iter().map(|step| {
        let ok = if step.get("ok") == Some(&Value::Bool(true)) { "ok" } else { "no" };
        [text(&step, "step"), ok.to_owned(), text(&step, "detail")]
    });
    let items = list("items").into_iter().enumerate().map(|(number, item)| {
        let input = item.get("input").filter(|input| !input.is_null()).map(ToString::to_string);
        let detail = item.get("detail").and_then(Value::as_str).map(str::to_owned);
        [format!("item {}", number + 1), text(&item, "outcome"), detail.or(input).unwrap_or_default()]
    });
    let next = list("next")
        .into_iter()
        .map(|at| ["next".to_owned(), String::new(), at.as_str().unwrap_or_default().to_owned()]);
    Rows::new(["step", "outcome", "detail"], steps.chain(items).chain(next).collect::<Vec<_>>())
}

fn table(triggers: &[Trigger]) -> Rows {
    Rows::new(
        ["id", "name", "kind", "state", "version", "next_at", "hook"],
        triggers.iter().map(|trigger| {
            [
                trigger.id.to_string(),
                trigger.name.clone(),
                trigger.kind.clone(),
                if trigger.enabled { "on" } else { "off" }.to_owned(),
                trigger.version.to_string(),
                trigger.next_at.map(|at| at.to_string()).unwrap_or_default(),
                trigger.hook.clone().unwrap_or_default(),
            ]
        }),
    )
}

fn delivery_table(deliveries: &[TriggerDelivery]) -> Rows {
    Rows::new(
        ["at", "outcome", "detail"],
        deliveries.iter().map(|one| [one.at.to_string(), one.outcome.clone(), one.detail.clone()]),
    )
}
