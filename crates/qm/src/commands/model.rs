//! `qm model`.

use std::io::{self, IsTerminal};

use quartermaster_client::ModelConnection;
use quartermaster_model::{Preset, preset};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::arguments::{ModelAdd, ModelCommand};
use crate::connect;
use crate::env;
use crate::exit::Exit;
use crate::failure::{Failure, printable};
use crate::models::presets;
use crate::output::{self, Rows, show};
use crate::secrets;

pub(crate) async fn run(command: &ModelCommand) -> Result<Exit, Failure> {
    match command {
        ModelCommand::Add(arguments) => add(arguments).await?,
        ModelCommand::List { output, gateway } => {
            let models = connect::client(gateway)?.models().await?;
            show(output.output, &models, || table(&models))?;
        }
        ModelCommand::Remove { name, gateway } => {
            connect::client(gateway)?.delete_model(name).await?;
            output::note(&format!("deleted the model connection {name} and its key"));
        }
        ModelCommand::Check { reference, output, gateway } => {
            let (name, model) = match reference.split_once('/') {
                Some((name, model)) => (name, Some(model)),
                None => (reference.as_str(), None),
            };
            let answer = connect::client(gateway)?.check_model(name, model).await?;
            show(output.output, &answer, || {
                let usage = format!("{} in, {} out", answer.usage.input_tokens, answer.usage.output_tokens);
                Rows::new(
                    ["connection", "model", "said", "tokens", "took"],
                    [[
                        answer.name.clone(),
                        answer.model.clone(),
                        printable(&answer.said),
                        usage,
                        format!("{} ms", answer.took_ms),
                    ]],
                )
            })?;
        }
    }
    Ok(Exit::Ok)
}

async fn add(arguments: &ModelAdd) -> Result<(), Failure> {
    let base = arguments
        .preset
        .as_deref()
        .map(|name| preset(name).ok_or_else(|| Failure::usage(format!("there is no preset {name:?}; {}", presets()))));
    let base = base.transpose()?;
    let name = arguments.name.clone().or_else(|| base.map(|base| base.name.clone()));
    let name = name.ok_or_else(|| Failure::usage("give the connection a --name, or take a --preset"))?;
    let settings = settings(arguments, base)?;
    let key = key(arguments, base, &name)?;
    let client = connect::client(&arguments.gateway)?;
    let made = client.create_model(&name, settings, key.as_ref()).await?;
    output::note(&format!(
        "made the model connection {}; `qm model check {}` asks whether it works",
        made.name, made.name
    ));
    show(arguments.output.output, &made, || table(std::slice::from_ref(&made)))
}

/// The preset's settings with what was said on top.
fn settings(arguments: &ModelAdd, base: Option<&Preset>) -> Result<Map<String, Value>, Failure> {
    let mut settings = match base.map(|base| serde_json::to_value(&base.settings)) {
        Some(Ok(Value::Object(settings))) => settings,
        _ => Map::new(),
    };
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            settings.insert(name.to_owned(), value);
        }
    };
    set("wire", arguments.wire.as_ref().map(|wire| json!(wire)));
    set("base_url", arguments.base_url.as_ref().map(|url| json!(url)));
    set("model", arguments.default_model.as_ref().map(|model| json!(model)));
    set("key_header", arguments.key_header.as_ref().map(|header| json!(header)));
    set("output_limit", arguments.output_limit.as_ref().map(|limit| json!(limit)));
    set("context_tokens", arguments.context_tokens.map(|tokens| json!(tokens)));
    if !arguments.query.is_empty() {
        let query: Map<String, Value> =
            arguments.query.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        set("query", Some(Value::Object(query)));
    }
    match (arguments.price_input, arguments.price_output) {
        (Some(input), Some(output)) => set("price", Some(json!({"input": input, "output": output}))),
        (None, None) => {}
        _ => return Err(Failure::usage("--price-input and --price-output go together")),
    }
    let needs_url = base.is_none_or(|base| base.needs_base_url) && arguments.base_url.is_none();
    if needs_url || !settings.contains_key("wire") {
        let missing = if needs_url { "--base-url" } else { "--wire" };
        return Err(Failure::usage(format!("{missing} is missing")).hint(format!(
            "Say where the models are served and how to speak there, or take a --preset; {}.",
            presets()
        )));
    }
    Ok(settings)
}

/// The key: from a file or standard input, from `QM_MODEL_KEY`, or asked for on the terminal.
fn key(arguments: &ModelAdd, base: Option<&Preset>, name: &str) -> Result<Option<SecretString>, Failure> {
    if arguments.no_key {
        return Ok(None);
    }
    if let Some(file) = &arguments.key_file {
        let text = secrets::read_file(file, "the key")?;
        return Ok(Some(SecretString::from(text.trim().to_owned())));
    }
    if let Some(key) = env::secret(env::MODEL_KEY) {
        return Ok(Some(key));
    }
    if base.is_some_and(|base| !base.needs_key) {
        return Ok(None);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage(format!("the key of {name} is missing")).hint(
            "Set QM_MODEL_KEY, give it with --key-file FILE (`-` for standard input), or say --no-key for a server that \
             wants none.",
        ));
    }
    secrets::ask_for(&format!("Key of {name}")).map(Some)
}

fn table(models: &[ModelConnection]) -> Rows {
    Rows::new(
        ["name", "source", "wire", "base_url", "model", "key"],
        models.iter().map(|model| {
            [
                model.name.clone(),
                model.source.clone(),
                model.wire.clone(),
                model.base_url.clone(),
                model.model.clone().unwrap_or_default(),
                if model.has_key { "yes" } else { "no" }.to_owned(),
            ]
        }),
    )
}
