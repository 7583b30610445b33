//! `qm runs …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use quartermaster_types::RunId;

use super::{GatewayArguments, OutputArguments, duration, id};

/// `qm runs …`.
#[derive(Subcommand, Debug)]
pub(crate) enum RunsCommand {
    /// List runs, newest first
    List(RunsList),
    /// Show a run with its steps
    Show {
        #[command(flatten)]
        run: RunArgument,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Watch a run until it ends: each step on a line, then what came of it
    Watch {
        #[command(flatten)]
        run: RunArgument,
        /// How often to look
        #[arg(long, env = "QM_EVERY", value_parser = duration, default_value = "1s", value_name = "TIME")]
        every: Duration,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Stop a run: it makes no further call
    Cancel {
        #[command(flatten)]
        run: RunArgument,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Write a run with its whole journal to standard output
    Export {
        #[command(flatten)]
        run: RunArgument,
        /// Form: all of it for a replay, or a page for people that needs no other file
        #[arg(long, env = "QM_FORMAT", value_enum, default_value_t = ExportFormat::Json)]
        format: ExportFormat,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Decide a run again over its journal, without any upstream, and compare byte for byte
    #[command(after_help = "Exit code 0: every decision is the same; 1: the first difference is on standard error.\n\
                            Examples:\n  qm runs replay 0193…\n  qm runs replay --file run.json")]
    Replay(RunsReplay),
}

/// `qm runs list`.
#[derive(Args, Debug)]
pub(crate) struct RunsList {
    /// Only in this state: queued, running, waiting, done, failed, cancelled
    #[arg(long, env = "QM_STATE", value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Only of this name, for instance offboard
    #[arg(long, env = "QM_NAME", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// At most so many
    #[arg(long, env = "QM_LIMIT", default_value_t = 50, value_name = "N")]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// Which run.
#[derive(Args, Debug)]
pub(crate) struct RunArgument {
    /// Id of the run
    #[arg(value_parser = id::<RunId>, value_name = "RUN")]
    pub(crate) id: RunId,
}

/// `qm runs replay`.
#[derive(Args, Debug)]
pub(crate) struct RunsReplay {
    /// Id of the run
    #[arg(value_parser = id::<RunId>, value_name = "RUN", required_unless_present = "file", conflicts_with = "file")]
    pub(crate) id: Option<RunId>,
    /// A run that was exported, instead of one of the gateway
    #[arg(long, env = "QM_FILE", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// The form of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Everything, for a replay.
    Json,
    /// A page for people.
    Html,
}
