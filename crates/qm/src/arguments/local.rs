//! Commands that need no running gateway.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use quartermaster_simulator::{EndOfList, ErrorShape, Obfuscation, RateHeaders, RateLimit};

use super::playbooks::PlaybookRun;
use super::{OutputArguments, address, duration, switch};

/// `qm demo`.
#[derive(Args, Debug)]
#[command(after_help = "Needs no network, no account and no data folder: everything runs on loopback ports and in a\n\
                        temporary folder that is removed at the end.")]
pub(crate) struct DemoArguments {
    /// End after the story instead of serving on
    #[arg(long, env = "QM_EXIT", value_parser = switch())]
    pub(crate) exit: bool,
    /// Which integration's demo
    #[arg(long, env = "QM_INTEGRATION", value_name = "NAME")]
    pub(crate) integration: Option<String>,
}

/// Where the data is.
#[derive(Args, Debug)]
pub(crate) struct DataArguments {
    /// Folder with the database, the root key and the lock
    #[arg(long, env = "QM_DATA_DIR", default_value = "qm-data", value_name = "FOLDER")]
    pub(crate) data_dir: PathBuf,
    /// Keep the root key in this file instead of in the data folder; an existing one is used
    #[arg(long, env = "QM_ROOT_KEY_FILE", value_name = "FILE")]
    pub(crate) root_key_file: Option<PathBuf>,
}

/// `qm init`.
#[derive(Args, Debug)]
#[command(after_help = "The first admin token is the only line on standard output, and is shown this once:\n  \
                        export QM_TOKEN=$(qm init --data-dir ./data)\n\n\
                        A folder that was made before is left as it is, and the command fails.\n\
                        With QM_DATABASE_URL=postgres://… the rows are kept there.")]
pub(crate) struct InitArguments {
    #[command(flatten)]
    pub(crate) data: DataArguments,
}

/// `qm serve`.
#[derive(Args, Debug)]
#[command(
    after_help = "Prints `listening on http://ADDRESS` on standard output once it serves. SIGTERM and SIGINT let the\n\
                        calls in flight finish (30 s at most); a second one ends at once.\n\n\
                        Examples:\n  qm serve --data-dir ./data\n  \
                        qm serve --data-dir ./data --listen 127.0.0.1:0 --allow-upstream 127.0.0.1:9000"
)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) data: DataArguments,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "QM_LISTEN", value_parser = address, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// Let calls reach this loopback or private address; may be given more than once
    #[arg(long, env = "QM_ALLOW_UPSTREAM", value_delimiter = ',', value_name = "HOST:PORT")]
    pub(crate) allow_upstream: Vec<String>,
    /// Trust the certificate authorities in this file (PEM) too, beside the system's: for upstreams behind a company's own
    #[arg(long, env = "QM_UPSTREAM_CA", value_name = "FILE")]
    pub(crate) upstream_ca: Option<PathBuf>,
    /// Connections to language models that every environment has: a file with a JSON list, or the list itself; keys stand in
    /// variables that it names. OPENAI_API_KEY and ANTHROPIC_API_KEY make one each without it
    #[arg(long, env = "QM_MODELS", value_name = "FILE")]
    pub(crate) models: Option<String>,
    /// Threads that serve; by default the number of processors, 4 at most
    #[arg(long, env = "QM_WORKERS", value_parser = clap::value_parser!(u16).range(1..=256), value_name = "N")]
    pub(crate) workers: Option<u16>,
    #[command(flatten)]
    pub(crate) log: LogArguments,
}

/// How to log.
#[derive(Args, Debug)]
pub(crate) struct LogArguments {
    /// What to log to standard error: `info`, `debug`, or a filter such as `warn,quartermaster_api=debug`
    #[arg(long, env = "QM_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
    /// Form of the log
    #[arg(long, env = "QM_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// A form of log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `qm simulate`.
#[derive(Args, Debug)]
#[command(
    after_help = "Prints `listening on http://ADDRESS`, `client_id=…`, `client_secret=…` and `account_id=…`, one a\n\
                        line, and runs until it is interrupted.\n\n\
                        Examples:\n  qm simulate VENDOR --listen 127.0.0.1:9000\n  \
                        qm simulate VENDOR --rate-limit 5/10s --rate-headers trio --faults 0.02"
)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SimulateArguments {
    /// A stand-in for something else than a vendor
    #[command(subcommand)]
    pub(crate) other: Option<SimulateCommand>,
    /// Which vendor
    #[arg(required = true, value_parser = clap::builder::PossibleValuesParser::new(quartermaster_simulator::SIMULATORS))]
    pub(crate) vendor: Option<String>,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "QM_LISTEN", value_parser = address, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// People in the directory
    #[arg(long, env = "QM_USERS", default_value_t = 1200, value_parser = users, value_name = "N")]
    pub(crate) users: usize,
    /// Seed of names, ids and faults: the same seed gives the same people
    #[arg(long, env = "QM_SEED", default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Requests in a window, for instance 600/60s; no limit by default
    #[arg(long, env = "QM_RATE_LIMIT", value_name = "N/WINDOW")]
    pub(crate) rate_limit: Option<RateLimit>,
    /// How limits are told: none, retry-after, trio or structured
    #[arg(long, env = "QM_RATE_HEADERS", default_value = "none", value_name = "FORM")]
    pub(crate) rate_headers: RateHeaders,
    /// Shape of error bodies: status, error, plain or empty
    #[arg(long, env = "QM_ERROR_SHAPE", default_value = "status", value_name = "SHAPE")]
    pub(crate) error_shape: ErrorShape,
    /// Wait before each answer
    #[arg(long, env = "QM_LATENCY", default_value = "0", value_parser = duration, value_name = "TIME")]
    pub(crate) latency: Duration,
    /// Probability of a fault in an answer (dropped, reset, slow, 500, malformed), 0 to 1
    #[arg(long, env = "QM_FAULTS", default_value_t = 0.0, value_parser = probability, value_name = "P")]
    pub(crate) faults: f64,
    /// Pairs of people who share an e-mail address
    #[arg(long, env = "QM_TWINS", default_value_t = 0, value_parser = users, value_name = "N")]
    pub(crate) twins: usize,
    /// How the last page says so: absent, null or empty
    #[arg(long, env = "QM_END_OF_LIST", default_value = "absent", value_name = "FORM")]
    pub(crate) end_of_list: EndOfList,
    /// What is answered for things that may not be seen: not-found or forbidden
    #[arg(long, env = "QM_OBFUSCATION", default_value = "not-found", value_name = "FORM")]
    pub(crate) obfuscation: Obfuscation,
    /// Refuse requests without User-Agent
    #[arg(long, env = "QM_REQUIRE_USER_AGENT", value_parser = switch())]
    pub(crate) require_user_agent: bool,
    /// Turn automated provisioning on, so that people cannot be changed here
    #[arg(long, env = "QM_PROVISIONING", value_parser = switch())]
    pub(crate) provisioning: bool,
    /// Lifetime of access tokens
    #[arg(long, env = "QM_TOKEN_LIFETIME", default_value = "900s", value_parser = duration, value_name = "TIME")]
    pub(crate) token_lifetime: Duration,
}

/// `qm simulate …`.
#[derive(Subcommand, Debug)]
pub(crate) enum SimulateCommand {
    /// Run a stand-in for a server of language models, which answers from a script
    Model(super::SimulateModelArguments),
}

fn users(text: &str) -> Result<usize, String> {
    let most = quartermaster_simulator::USERS_MAX;
    text.parse().ok().filter(|users| *users <= most).ok_or_else(|| format!("write a number up to {most}"))
}

fn probability(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "write a number from 0 to 1".to_owned())
}

/// `qm definition …`.
#[derive(Subcommand, Debug)]
pub(crate) enum DefinitionCommand {
    /// Check definition files and print every problem at once
    #[command(
        after_help = "Folders are searched for definition.yaml files. Exit code 0 when all are right, 1 when one is not.\n\n\
                            Examples:\n  qm definition check integrations\n  qm definition check my-vendor.yaml --output json"
    )]
    Check {
        /// Files or folders
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Print the JSON Schema of the language, for editors
    #[command(
        after_help = "In an editor with the YAML language server, put this in the first line of a definition:\n  \
                            # yaml-language-server: $schema=definition.schema.json"
    )]
    Schema,
    /// Print a definition that ships with the program; without a name, list them
    Show {
        /// Name of the integration
        name: Option<String>,
    },
}

/// `qm playbook …`.
#[derive(Subcommand, Debug)]
pub(crate) enum PlaybookCommand {
    /// List the playbooks that ship with the program
    #[command(after_help = "An input with a star must be given.")]
    List {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Print a playbook that ships with the program
    #[command(
        after_help = "Example, a playbook of your own from one that ships:\n  qm playbook show offboard > mine.yaml"
    )]
    Show {
        /// Name of the playbook
        name: String,
    },
    /// Run a playbook in the gateway
    Run(Box<PlaybookRun>),
    /// Check playbook files and print every problem at once
    #[command(after_help = "Exit code 0 when all are right, 1 when one is not.\n\n\
                            Examples:\n  qm playbook check mine.yaml\n  qm playbook check mine.yaml --integration NAME")]
    Check {
        /// Files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Check calls and arguments against this integration too
        #[arg(long, env = "QM_INTEGRATION", value_name = "NAME")]
        integration: Option<String>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Print the JSON Schema of the language, for editors
    #[command(after_help = "In an editor with the YAML language server, put this in the first line of a playbook:\n  \
                            # yaml-language-server: $schema=playbook.schema.json")]
    Schema,
}
