//! `qm audit-log …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quartermaster_audit_chain::PublicKey;
use quartermaster_types::Timestamp;

use super::{AccountArguments, GatewayArguments, OutputArguments};

/// `qm audit-log`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Newest first. Examples:\n  qm audit-log --action users.suspend --limit 20\n  \
                  qm audit-log --request 01933c5e-… --output json\n  qm audit-log verify\n  \
                  qm audit-log export > log.jsonl && qm audit-log verify log.jsonl"
)]
pub(crate) struct AuditLogArguments {
    #[command(subcommand)]
    pub(crate) command: Option<AuditLogCommand>,
    #[command(flatten)]
    pub(crate) list: AuditListArguments,
}

/// Which records are shown.
#[derive(Args, Debug)]
pub(crate) struct AuditListArguments {
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    /// Only this action, for instance users.suspend or account.create
    #[arg(long, env = "QM_ACTION", value_name = "NAME")]
    pub(crate) action: Option<String>,
    /// Only of this request
    #[arg(long, env = "QM_REQUEST", value_name = "ID")]
    pub(crate) request: Option<String>,
    /// At most so many
    #[arg(long, env = "QM_LIMIT", default_value_t = 50, value_name = "N")]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// What is done with the whole log.
#[derive(Subcommand, Debug)]
pub(crate) enum AuditLogCommand {
    /// Check that no record was changed, removed, added or moved
    Verify(AuditVerifyArguments),
    /// Write out the whole log, with its checkpoints
    Export(AuditExportArguments),
    /// Show the public key that checkpoints are signed with
    Key {
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Drop old records; what is left still verifies
    Prune {
        /// Drop the records from before this time: 2026-01-01T00:00:00Z
        #[arg(long, env = "QM_BEFORE", value_parser = time, value_name = "TIME")]
        before: Timestamp,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
}

/// `qm audit-log verify`.
#[derive(Args, Debug)]
#[command(after_help = "Without FILE the log of the gateway is read; with it, nothing but the file is needed.\n\
                        Exit codes: 0 everything holds, 8 something was changed, others: it could not be read.\n\
                        Examples:\n  qm audit-log verify\n  qm audit-log verify log.jsonl --key 3b6a…\n  \
                        qm audit-log verify --kept last-month.jsonl")]
pub(crate) struct AuditVerifyArguments {
    /// An exported log (JSON Lines), `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The public key that checkpoints must be signed with, as `qm audit-log key` shows it
    #[arg(long, env = "QM_KEY", value_name = "KEY")]
    pub(crate) key: Option<PublicKey>,
    /// An earlier export of the same log: its last checkpoint must still be in it
    #[arg(long, env = "QM_KEPT", value_name = "FILE")]
    pub(crate) kept: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// `qm audit-log export`.
#[derive(Args, Debug)]
pub(crate) struct AuditExportArguments {
    /// Form: jsonl can be verified, csv is for spreadsheets and has the records only
    #[arg(long, env = "QM_FORMAT", value_enum, default_value_t = AuditExportFormat::Jsonl, value_name = "FORM")]
    pub(crate) format: AuditExportFormat,
    /// Write to this new file instead of standard output
    #[arg(long, env = "QM_TO", value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// A form of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum AuditExportFormat {
    /// JSON Lines.
    Jsonl,
    /// RFC 4180, with a header.
    Csv,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "write a time like 2026-01-01T00:00:00Z".to_owned())
}
