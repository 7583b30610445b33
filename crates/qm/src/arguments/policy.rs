//! `qm policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{AccountArguments, GatewayArguments, OutputArguments, name_value};

/// `qm policy …`.
#[derive(Subcommand, Debug)]
pub(crate) enum PolicyCommand {
    /// Print the policy in force, or one of its versions, as it was set
    Show {
        /// This version
        #[arg(value_name = "VERSION")]
        number: Option<i64>,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Set the policy: checked first, then in force at once
    #[command(after_help = "Example:\n  qm policy show > policy.yaml\n  qm policy check policy.yaml\n  \
                            qm policy set policy.yaml --if-version 3")]
    Set {
        /// File with the policy, `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Fail when the policy is not at this version any more (0: there is none yet)
        #[arg(long = "if-version", env = "QM_IF_VERSION", value_name = "N")]
        if_version: Option<i64>,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Check a file and print every problem with its line; needs no gateway
    Check {
        /// File with the policy, `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Run cases: facts of a call in, the expected decision out; nothing is called
    #[command(after_help = "Exit code 0 when all come out as expected, 1 when one does not.\n\n\
                            Example:\n  qm policy test cases.yaml --policy policy.yaml")]
    Test {
        /// File with `cases:`, `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Test this policy instead of the one in force
        #[arg(long, env = "QM_POLICY", value_name = "FILE")]
        policy: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Say how much of each limit under `blast_radius` has been used, and by whom
    BlastRadius {
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// List the versions, the newest first
    Versions {
        /// At most so many
        #[arg(long, env = "QM_LIMIT", default_value_t = 50, value_name = "N")]
        limit: usize,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Set the document of an earlier version again, as a new version
    Restore {
        /// The version
        #[arg(value_name = "VERSION")]
        number: i64,
        /// Fail when the policy is not at this version any more
        #[arg(long = "if-version", env = "QM_IF_VERSION", value_name = "N")]
        if_version: Option<i64>,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Say what the policy makes of a call, rule by rule; the call is not made
    Explain(PolicyExplain),
    /// Print the JSON Schema of the language, for editors
    Schema,
}

/// `qm policy explain`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit code 0 when the call is allowed, 4 when it is not. A rule that looks at `record` has the record read.\n\n\
                        Example:\n  qm policy explain TOOL id=ID --session offboarding-17"
)]
pub(crate) struct PolicyExplain {
    /// Name of the tool
    pub(crate) tool: String,
    /// Arguments, NAME=VALUE or NAME:=JSON
    #[arg(value_name = "NAME=VALUE", value_parser = name_value)]
    pub(crate) pairs: Vec<(String, String)>,
    /// The session of the call
    #[arg(long, env = "QM_SESSION", value_name = "TEXT")]
    pub(crate) session: Option<String>,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}
