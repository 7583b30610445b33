//! `qm simulate`.

use quartermaster_simulator::{Config, model};

use crate::arguments::{SimulateArguments, SimulateCommand, SimulateModelArguments};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::secrets::read_file;
use crate::watch::Interrupts;

pub(crate) async fn run(arguments: &SimulateArguments) -> Result<Exit, Failure> {
    if let Some(SimulateCommand::Model(arguments)) = &arguments.other {
        return scripted_model(arguments).await;
    }
    let mut interrupts = Interrupts::listen()?;
    // One simulator so far; the argument's parser has refused all other names.
    let config = Config {
        listen: arguments.listen,
        users: arguments.users,
        seed: arguments.seed,
        rate_limit: arguments.rate_limit,
        rate_headers: arguments.rate_headers,
        error_shape: arguments.error_shape,
        latency: arguments.latency,
        faults: arguments.faults,
        twins: arguments.twins,
        end_of_list: arguments.end_of_list,
        obfuscation: arguments.obfuscation,
        require_user_agent: arguments.require_user_agent,
        provisioning: arguments.provisioning,
        token_lifetime_seconds: arguments.token_lifetime.as_secs(),
        ..Config::default()
    };
    let running = quartermaster_simulator::start(config).await;
    let running = running.map_err(Failure::listening(arguments.listen))?;
    output::data(&format!(
        "listening on {}\nclient_id={}\nclient_secret={}\naccount_id={}\n",
        running.base_url(),
        running.client_id(),
        running.client_secret(),
        running.account_id()
    ))?;
    tokio::select! {
        () = interrupts.next() => {}
        () = running.stopped() => {}
    }
    Ok(Exit::Ok)
}

/// A stand-in for a server of language models.
async fn scripted_model(arguments: &SimulateModelArguments) -> Result<Exit, Failure> {
    let mut interrupts = Interrupts::listen()?;
    let text = read_file(&arguments.script, "the script")?;
    let value: serde_json::Value = serde_saphyr::from_str(&text)
        .map_err(|error| Failure::usage(format!("the script is neither YAML nor JSON: {error}")))?;
    let script = model::Script::from_value(value).map_err(|error| Failure::usage(error.to_string()))?;
    let config = model::Config {
        listen: arguments.listen,
        wire: arguments.wire,
        models: arguments.serves.clone(),
        ..model::Config::new(script)
    };
    let running = model::start(config).await.map_err(Failure::listening(arguments.listen))?;
    output::data(&format!("listening on http://{}\nbase_url={}\n", running.address(), running.base_url()))?;
    tokio::select! {
        () = interrupts.next() => {}
        () = running.stopped() => {}
    }
    Ok(Exit::Ok)
}
