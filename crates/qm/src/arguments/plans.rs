//! `qm plan …` and `qm undo`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use quartermaster_types::{PlanId, RunId};

use super::{
    AccountArguments, Expected, GatewayArguments, OutputArguments, duration, expected, id, name_value, switch,
};

/// `qm plan …`.
#[derive(Subcommand, Debug)]
pub(crate) enum PlanCommand {
    /// Rehearse writes and show what each would change; nothing is changed
    #[command(after_help = "Either one method for several records, or a file with a JSON array of calls:\n  \
                      [{\"tool\": NAME, \"arguments\": {…}, \"find\": {\"email\": …}, \"expect\": {…}}, …]\n\n\
                      Examples:\n  qm plan make users.suspend --email a.miller@company.com --email f.tanaka@company.com\n  \
                      qm plan make 1_password_users_suspend --id ID --session offboarding-17\n  qm plan make --calls calls.json")]
    Make(PlanMake),
    /// List plans, newest first
    List {
        /// Only in this state: ready, executed, discarded
        #[arg(long, env = "QM_STATE", value_name = "STATE")]
        state: Option<String>,
        /// At most so many
        #[arg(long, env = "QM_LIMIT", default_value_t = 50, value_name = "N")]
        limit: usize,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Show a plan with its rows
    Show {
        #[command(flatten)]
        plan: PlanArgument,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Do exactly what a plan says, once, and show what came of each row
    #[command(
        after_help = "Without --hash the plan is shown first, and somebody has to say yes: on the terminal, or with --yes.\n\n\
                            Example:\n  qm plan execute 0193… --hash 9b1c…"
    )]
    Execute {
        #[command(flatten)]
        plan: PlanArgument,
        /// The plan's hash, as it was shown: what was looked at is what is done
        #[arg(long, env = "QM_HASH", value_name = "HASH")]
        hash: Option<String>,
        #[command(flatten)]
        execution: ExecutionArguments,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Decide against a plan: it cannot be executed any more
    Discard {
        #[command(flatten)]
        plan: PlanArgument,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
}

/// `qm plan make`.
#[derive(Args, Debug)]
pub(crate) struct PlanMake {
    /// The method for all records: a tool's name, or RESOURCE.METHOD
    #[arg(value_name = "METHOD", required_unless_present = "calls", conflicts_with = "calls")]
    pub(crate) method: Option<String>,
    /// A person by exact e-mail address; may be given more than once
    #[arg(long, env = "QM_EMAIL", value_delimiter = ',', value_name = "EMAIL", conflicts_with = "calls")]
    pub(crate) email: Vec<String>,
    /// A record by id, which was read in the session; may be given more than once
    #[arg(long, env = "QM_ID", value_delimiter = ',', value_name = "ID", conflicts_with = "calls")]
    pub(crate) id: Vec<String>,
    /// A further argument of every call, NAME=TEXT or NAME:=JSON
    #[arg(long, env = "QM_ARGUMENT", value_parser = name_value, value_name = "NAME=TEXT", conflicts_with = "calls")]
    pub(crate) argument: Vec<(String, String)>,
    /// What every record must be like, NAME=TEXT or NAME:=JSON
    #[arg(long, env = "QM_EXPECT", value_parser = expected, value_name = "NAME=TEXT", conflicts_with = "calls")]
    pub(crate) expect: Vec<Expected>,
    /// File with a JSON array of calls, `-` for standard input
    #[arg(long, env = "QM_CALLS", value_name = "FILE")]
    pub(crate) calls: Option<PathBuf>,
    /// Why, for whoever reads the plan
    #[arg(long, env = "QM_REASON", value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// How long it can be executed, a minute to a day
    #[arg(long, env = "QM_EXPIRES_IN", value_parser = duration, value_name = "TIME")]
    pub(crate) expires_in: Option<Duration>,
    /// The session in which ids were read
    #[arg(long, env = "QM_SESSION", value_name = "TEXT")]
    pub(crate) session: Option<String>,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// Which plan.
#[derive(Args, Debug)]
pub(crate) struct PlanArgument {
    /// Id of the plan
    #[arg(value_parser = id::<PlanId>, value_name = "PLAN")]
    pub(crate) id: PlanId,
}

/// How a plan is executed.
#[derive(Args, Debug)]
pub(crate) struct ExecutionArguments {
    /// Do it without asking
    #[arg(long, env = "QM_YES", value_parser = switch())]
    pub(crate) yes: bool,
    /// Leave out rows that cannot be done, instead of refusing the whole plan
    #[arg(long, env = "QM_SKIP_UNRESOLVED", value_parser = switch())]
    pub(crate) skip_unresolved: bool,
    /// Leave records alone that somebody changed since, and do the others, instead of stopping there
    #[arg(long, env = "QM_GO_ON", value_parser = switch())]
    pub(crate) go_on: bool,
}

/// `qm undo`.
#[derive(Args, Debug)]
#[command(
    after_help = "What was changed is taken back, last first, each only while its record is as the run left it. The undo is a run\n\
                  as well, and can be undone.\n\nExamples:\n  qm undo 0193… --dry-run\n  qm undo 0193… --yes"
)]
pub(crate) struct UndoArguments {
    /// Id of the run
    #[arg(value_parser = id::<RunId>, value_name = "RUN")]
    pub(crate) id: RunId,
    /// Show what would be taken back; change nothing and keep no plan
    #[arg(long, env = "QM_DRY_RUN", value_parser = switch())]
    pub(crate) dry_run: bool,
    /// Why, for whoever reads the plan
    #[arg(long, env = "QM_REASON", value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) execution: ExecutionArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}
