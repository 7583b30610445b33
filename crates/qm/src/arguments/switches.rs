//! `qm switch`.

use clap::{Args, Subcommand, ValueEnum};

use super::{GatewayArguments, OutputArguments};

/// `qm switch …`.
#[derive(Subcommand, Debug)]
pub(crate) enum SwitchCommand {
    /// Switch something off: no call that concerns it is made any more, from this moment on
    #[command(
        after_help = "Runs that work with it make no further call and end as failed, with the reason. Doing it again changes the \
                            reason.\n\nExamples:\n  qm switch off environment --reason 'incident 4711'\n  \
                            qm switch off account ID --reason 'the vendor is down'\n  \
                            qm switch off tool TOOL --reason 'suspends the wrong people'"
    )]
    Off {
        #[command(flatten)]
        subject: SwitchArguments,
        /// Why, for whoever is refused
        #[arg(long, env = "QM_REASON", value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Switch something on again
    On {
        #[command(flatten)]
        subject: SwitchArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// List what is switched off, since when and why
    List {
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
}

/// What is switched.
#[derive(Args, Debug)]
pub(crate) struct SwitchArguments {
    /// What it is
    #[arg(value_enum)]
    pub(crate) kind: SwitchKind,
    /// Id of the account or token, name of the tool; not with `environment`
    #[arg(value_name = "ID or TOOL", required_if_eq_any([("kind", "account"), ("kind", "token"), ("kind", "tool")]))]
    pub(crate) subject: Option<String>,
}

/// What is switched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum SwitchKind {
    /// Every call of the environment.
    Environment,
    /// Every call on one account.
    Account,
    /// Every call with one token.
    Token,
    /// Every call of one tool.
    Tool,
}
