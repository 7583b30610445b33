//! `qm trigger`.

use std::path::PathBuf;

use clap::Subcommand;

use super::OutputArguments;

/// `qm trigger …`.
#[derive(Subcommand, Debug)]
pub(crate) enum TriggerCommand {
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
