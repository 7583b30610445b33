//! `qm approval …`.

use std::time::Duration;

use clap::{Args, Subcommand};
use quartermaster_types::{ApprovalId, ApprovalState, RunId};

use super::{GatewayArguments, OutputArguments, duration, id};

/// `qm approval …`.
#[derive(Subcommand, Debug)]
pub(crate) enum ApprovalCommand {
    /// List approvals, newest first
    List(ApprovalList),
    /// Show an approval: its card row by row, who has said what
    Show {
        #[command(flatten)]
        approval: ApprovalArgument,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Say yes, to all rows of the card or to all but some
    #[command(
        after_help = "Whoever asked cannot decide, and no token with the role agent can. An approver has one vote.\n\n\
                            Examples:\n  qm approval approve 0193…\n  qm approval approve 0193… --veto 3,7 --reason 'these two are on leave'"
    )]
    Approve {
        #[command(flatten)]
        approval: ApprovalArgument,
        /// Rows that are not to be done
        #[arg(long, env = "QM_VETO", value_delimiter = ',', value_name = "ROW,…")]
        veto: Vec<u32>,
        /// Why
        #[arg(long, env = "QM_REASON", value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Say no to all of it: one no is enough
    Deny {
        #[command(flatten)]
        approval: ApprovalArgument,
        /// Why; whoever asked is told
        #[arg(long, env = "QM_REASON", value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Print the cards that wait, and new ones as they come, until it is interrupted
    #[command(
        after_help = "With -o json each card is one line.\n\nExample:\n  qm approval watch -o json | while read -r card; do …; done"
    )]
    Watch(ApprovalWatch),
}

/// `qm approval list`.
#[derive(Args, Debug)]
pub(crate) struct ApprovalList {
    /// Only in this state: pending, approved, denied, expired, used
    #[arg(long, env = "QM_STATE", value_parser = state, value_name = "STATE")]
    pub(crate) state: Option<ApprovalState>,
    /// Only of this run
    #[arg(long, env = "QM_RUN", value_parser = id::<RunId>, value_name = "RUN")]
    pub(crate) run: Option<RunId>,
    /// At most so many
    #[arg(long, env = "QM_LIMIT", default_value_t = 50, value_name = "N")]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// `qm approval watch`.
#[derive(Args, Debug)]
pub(crate) struct ApprovalWatch {
    /// How often to look
    #[arg(long, env = "QM_EVERY", value_parser = duration, default_value = "2s", value_name = "TIME")]
    pub(crate) every: Duration,
    /// Stop after so many cards
    #[arg(long, env = "QM_STOP_AFTER", value_name = "N")]
    pub(crate) stop_after: Option<usize>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// Which approval.
#[derive(Args, Debug)]
pub(crate) struct ApprovalArgument {
    /// Id of the approval
    #[arg(value_parser = id::<ApprovalId>, value_name = "APPROVAL")]
    pub(crate) id: ApprovalId,
}

fn state(text: &str) -> Result<ApprovalState, String> {
    ApprovalState::from_name(text).ok_or_else(|| "write pending, approved, denied, expired or used".to_owned())
}
