//! `qm trigger`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quartermaster_types::{TokenId, TriggerId};

use super::{GatewayArguments, OutputArguments, id, name_value, switch};

/// `qm trigger …`.
#[derive(Subcommand, Debug)]
pub(crate) enum TriggerCommand {
    /// Make a trigger: checked first, then in force at once
    Create(TriggerCreate),
    /// List triggers
    List {
        /// At most so many
        #[arg(long, env = "QM_LIMIT", default_value_t = 1000, value_name = "N")]
        limit: usize,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Print a trigger's document; with `-o json` or `-o yaml` all of it
    Show {
        #[command(flatten)]
        trigger: TriggerArgument,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Change a trigger's document, rights or secrets
    Update(TriggerUpdate),
    /// Switch a trigger on; of a schedule, what went by meanwhile is not made up for
    Enable {
        #[command(flatten)]
        trigger: TriggerArgument,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Switch a trigger off: it starts nothing
    Disable {
        #[command(flatten)]
        trigger: TriggerArgument,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Delete a trigger with its secrets and its list of deliveries; the runs that it started stay
    Delete {
        #[command(flatten)]
        trigger: TriggerArgument,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Tell what would come of a delivery, step by step; nothing is started
    Test(TriggerTest),
    /// List what was delivered to a trigger, newest first, and what came of it
    Deliveries {
        #[command(flatten)]
        trigger: TriggerArgument,
        /// At most so many
        #[arg(long, env = "QM_LIMIT", default_value_t = 50, value_name = "N")]
        limit: usize,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Check trigger files and print every problem at once; needs no gateway
    #[command(
        after_help = "Exit code 0 when all are right, 1 when one is not.\n\nExample:\n  qm trigger check trigger.yaml"
    )]
    Check {
        /// Files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Print the JSON Schema of the language, for editors
    #[command(after_help = "In an editor with the YAML language server, put this in the first line of a trigger:\n  \
                            # yaml-language-server: $schema=trigger.schema.json")]
    Schema,
}

/// Which trigger.
#[derive(Args, Debug)]
pub(crate) struct TriggerArgument {
    /// Id of the trigger
    #[arg(value_parser = id::<TriggerId>, value_name = "TRIGGER")]
    pub(crate) id: TriggerId,
}

/// Where secrets come from. Never from flags: those can be read by every process of the machine.
#[derive(Args, Debug)]
pub(crate) struct SecretArguments {
    /// File with the secrets as a JSON object (`secret`, or `username` and `password`), `-` for standard input. Without it they
    /// are taken from QM_SECRETS (a JSON object)
    #[arg(long, env = "QM_SECRETS_FILE", value_name = "FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
}

/// `qm trigger create`.
#[derive(Args, Debug)]
#[command(
    after_help = "A webhook that needs one secret and is given none gets one, which is printed once, to standard error.\n\n\
                  Examples:\n  qm trigger create -f trigger.yaml\n  \
                  qm trigger create -f trigger.yaml --rights-of ID --secrets-file - <<'EOF'\n  {\"secret\": \"…\"}\n  EOF"
)]
pub(crate) struct TriggerCreate {
    /// File with the trigger, `-` for standard input
    #[arg(long, short = 'f', env = "QM_FILE", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Its runs work with the rights of this token; with those of the one that makes it when left out
    #[arg(long = "rights-of", env = "QM_RIGHTS_OF", value_parser = id::<TokenId>, value_name = "ID")]
    pub(crate) token: Option<TokenId>,
    /// Make it switched off
    #[arg(long, env = "QM_DISABLED", value_parser = switch())]
    pub(crate) disabled: bool,
    #[command(flatten)]
    pub(crate) secrets: SecretArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// `qm trigger update`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  qm trigger update ID -f trigger.yaml\n  \
                        echo '{\"secret\": \"…\"}' | qm trigger update ID --secrets-file - --keep-previous")]
pub(crate) struct TriggerUpdate {
    #[command(flatten)]
    pub(crate) trigger: TriggerArgument,
    /// File with the new document, `-` for standard input
    #[arg(long, short = 'f', env = "QM_FILE", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Its runs work with the rights of this token from now on
    #[arg(long = "rights-of", env = "QM_RIGHTS_OF", value_parser = id::<TokenId>, value_name = "ID")]
    pub(crate) token: Option<TokenId>,
    /// The secret so far goes on to verify deliveries beside the new one
    #[arg(long = "keep-previous", env = "QM_KEEP_PREVIOUS", value_parser = switch())]
    pub(crate) keep_previous_secret: bool,
    /// Fail when the trigger is not at this version any more
    #[arg(long = "if-version", env = "QM_IF_VERSION", value_name = "N")]
    pub(crate) if_version: Option<i64>,
    #[command(flatten)]
    pub(crate) secrets: SecretArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// `qm trigger test`.
#[derive(Args, Debug)]
#[command(after_help = "Exit code 0 when a run would be started, or a question answered, 1 when not.\n\n\
                        Examples:\n  qm trigger test ID --body event.json --verified\n  \
                        qm trigger test ID --body event.json --header X-Signature=…\n  qm trigger test ID   # a schedule: the next times")]
pub(crate) struct TriggerTest {
    #[command(flatten)]
    pub(crate) trigger: TriggerArgument,
    /// File with the body, `-` for standard input
    #[arg(long, env = "QM_BODY", value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
    /// A header; `content-type` is JSON when it is not among them
    #[arg(long = "header", env = "QM_HEADER", value_name = "NAME=VALUE", value_parser = name_value)]
    pub(crate) headers: Vec<(String, String)>,
    /// A parameter of the query
    #[arg(long = "query", env = "QM_QUERY", value_name = "NAME=VALUE", value_parser = name_value)]
    pub(crate) query: Vec<(String, String)>,
    /// Take it as verified: to try conditions and expressions without a signature
    #[arg(long, env = "QM_VERIFIED", value_parser = switch())]
    pub(crate) verified: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}
