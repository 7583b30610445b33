//! `qm serve`.

use std::io::IsTerminal;

use quartermaster_egress::AllowedUpstreams;
use quartermaster_gateway::{Gateway, Options};
use quartermaster_types::Clock;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::arguments::{LogFormat, ServeArguments};
use crate::authorities;
use crate::env;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::output;
use crate::runtime::Workers;
use crate::watch::{Interrupts, end_at_once};

pub(crate) async fn run(arguments: &ServeArguments) -> Result<Exit, Failure> {
    start_log(&arguments.log.log, arguments.log.log_format)?;
    let allowed = arguments.allow_upstream.iter().map(String::as_str).filter(|value| !value.is_empty());
    let allowed = AllowedUpstreams::parse(allowed).map_err(Failure::usage)?;
    let authorities = authorities::read("upstream-ca", arguments.upstream_ca.as_deref())?;
    let models = crate::models::connections(arguments.models.as_deref())?;
    let names: Vec<&str> = models.iter().map(|connection| connection.name.as_str()).collect();
    if !names.is_empty() {
        tracing::info!(models = names.join(", "), "model connections of the server");
    }
    let folder = Folder::open(&arguments.data.data_dir, arguments.data.root_key_file.as_deref())?;
    let mut interrupts = Interrupts::listen()?;
    let root_key = folder.root_key()?;
    let listener = TcpListener::bind(arguments.listen).await;
    let listener = listener.map_err(Failure::listening(arguments.listen))?;
    let address = listener.local_addr().map_err(Failure::io("listening"))?;
    let gateway = Gateway::new(Options {
        store: folder.store().await?,
        root_key,
        clock: Clock::System,
        client: quartermaster_egress::Client::trusting(allowed, authorities),
        definitions: super::demo::definitions(),
        observer: None,
        runs: quartermaster_gateway::runs::kinds(),
        models,
    });
    let gateway = gateway.map_err(Failure::failed)?;
    let workers = Workers::start(arguments.workers)?;
    gateway.work_on_runs();
    let stopping = gateway.clone();
    output::data(&format!("listening on http://{address}\n"))?;
    tracing::info!(%address, data_dir = %arguments.data.data_dir.display(), "serving");
    let shutdown = quartermaster_api::serve(gateway.clone(), listener, workers.handles(), async move {
        interrupts.next().await;
        tracing::info!("stopping: calls in flight come to their end");
        stopping.stop_runs();
        tokio::spawn(async move {
            interrupts.next().await;
            end_at_once();
        });
    });
    let shutdown = shutdown.await;
    gateway.shutdown().await;
    drop(workers);
    drop(folder);
    tracing::info!(unfinished = shutdown.unfinished, "stopped");
    Ok(if shutdown.unfinished == 0 { Exit::Ok } else { Exit::Failed })
}

/// Starts the log on standard error.
pub(crate) fn start_log(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| Failure::usage(format!("--log {filter:?}: {error}")))?;
    let colours = std::io::stderr().is_terminal() && env::text(env::NO_COLOR).is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(colours).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
