//! The command line. Each flag has its variable in the environment; `env` has the names of those without a flag.

mod agent;
mod approvals;
mod audit_log;
mod gateway;
mod local;
mod model;
mod plans;
mod playbooks;
mod policy;
mod runs;
mod switches;
mod trigger;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{FalseyValueParser, Resettable};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use quartermaster_types::AccountId;

pub(crate) use agent::AgentArguments;
pub(crate) use approvals::{ApprovalCommand, ApprovalList, ApprovalWatch};
pub(crate) use audit_log::{
    AuditExportArguments, AuditExportFormat, AuditListArguments, AuditLogArguments, AuditLogCommand,
    AuditVerifyArguments,
};
pub(crate) use gateway::{
    AccountCommand, AccountCreate, AccountUpdate, CallArguments, CredentialArguments, EnvironmentCommand, TokenCommand,
    TokenCreate, ToolsArguments,
};
pub(crate) use local::{
    DataArguments, DefinitionCommand, DemoArguments, InitArguments, LogFormat, PlaybookCommand, ServeArguments,
    SimulateArguments, SimulateCommand,
};
pub(crate) use model::{ModelAdd, ModelCommand, SimulateModelArguments};
pub(crate) use plans::{ExecutionArguments, PlanCommand, PlanMake, UndoArguments};
pub(crate) use playbooks::{AuditArguments, OffboardArguments, PlaybookRun, ReportFormat};
pub(crate) use policy::{PolicyCommand, PolicyExplain};

pub(crate) use runs::{ExportFormat, RunsCommand, RunsList, RunsReplay};
pub(crate) use switches::{SwitchArguments, SwitchCommand, SwitchKind};
pub(crate) use trigger::{SecretArguments, TriggerCommand, TriggerCreate, TriggerTest, TriggerUpdate};

use crate::env;
use crate::output::Format;

/// The tool layer between AI agents and your company's SaaS.
#[derive(Parser, Debug)]
#[command(
    name = "qm",
    version,
    propagate_version = true,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "See it work in a minute, with nothing but this program:  qm demo\n\
                  The same flags can be set in the environment: --data-dir is QM_DATA_DIR, and so on.\n\
                  More: docs/cli.md"
)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// What the command line and the environment say; ends the program with an explanation when they cannot be used.
    pub(crate) fn read() -> Self {
        let mut command = without(Self::command(), &env::is_empty);
        let matches = command.get_matches_mut();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

/// The command without the variables that are `absent`: an empty one counts as not set, for every flag alike.
fn without(command: clap::Command, absent: &dyn Fn(&OsStr) -> bool) -> clap::Command {
    let command = command.mut_args(|argument| match argument.get_env() {
        Some(name) if absent(name) => argument.env(Resettable::Reset),
        _ => argument,
    });
    command.mut_subcommands(|inner| without(inner, absent))
}

/// The commands, in the order in which one meets them.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Watch it work: a simulated vendor, the gateway, two jobs, in ten seconds
    Demo(DemoArguments),
    /// Make a data folder, and print the first admin token
    Init(InitArguments),
    /// Run the gateway
    Serve(ServeArguments),
    /// Run a stand-in for a vendor
    Simulate(SimulateArguments),
    /// List the tools of an account, in any provider's shape
    Tools(ToolsArguments),
    /// Call a tool
    Call(CallArguments),
    /// Connect and manage integrated accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Make and revoke API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make environments
    #[command(subcommand)]
    Environment(EnvironmentCommand),
    /// Connect language models: where they are served, and with which key
    #[command(subcommand)]
    Model(ModelCommand),
    /// Say what may not be done: rules with conditions, their tests, their versions
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Switch off at once what must not go on: the environment, an account, a token, a tool
    #[command(subcommand)]
    Switch(SwitchCommand),
    /// Decide what waits for a person: list, show, approve, deny
    #[command(subcommand)]
    Approval(ApprovalCommand),
    /// Check and show definitions of integrations
    #[command(subcommand)]
    Definition(DefinitionCommand),
    /// List, show, check and run playbooks: work that needs no model
    #[command(subcommand)]
    Playbook(PlaybookCommand),
    /// Suspend one person, found by exact e-mail address, and prove it
    Offboard(OffboardArguments),
    /// Compare a list of people with the directory; suspend those who still have access
    Audit(AuditArguments),
    /// Let a language model work towards a goal, with the tools of an account
    Agent(AgentArguments),
    /// Start runs by themselves: on a webhook of another system, or on a schedule
    #[command(subcommand)]
    Trigger(TriggerCommand),
    /// Rehearse writes, look at what they would change, and do exactly that
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Watch, stop, export and replay runs
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Take back what a run changed, last first
    Undo(UndoArguments),
    /// Show what was done, and prove that the log of it holds
    AuditLog(AuditLogArguments),
    /// Print shell completions
    #[command(after_help = "Examples:\n  qm completions bash > ~/.local/share/bash-completion/completions/qm\n  \
                            qm completions zsh > ~/.zfunc/_qm")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Which gateway, and with which token.
#[derive(Args, Debug)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct GatewayArguments {
    /// Address of the gateway
    #[arg(long, env = "QM_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(crate) url: String,
    /// File with the API token, `-` for standard input; without it the token is taken from QM_TOKEN
    #[arg(long, env = "QM_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Trust the certificate authorities in this file (PEM) too, beside the system's: for a gateway behind a company's own
    #[arg(long, env = "QM_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

/// Which account.
#[derive(Args, Debug)]
pub(crate) struct AccountArguments {
    /// Id of the integrated account; may be left out when the environment has only one
    #[arg(long, short = 'a', env = "QM_ACCOUNT", value_parser = id::<AccountId>, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
}

/// How to print.
#[derive(Args, Debug)]
pub(crate) struct OutputArguments {
    /// Form of the output
    #[arg(long, short = 'o', env = "QM_OUTPUT", value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

/// A switch that the environment can set too: empty, `0`, `false`, `no` and `off` mean off.
fn switch() -> FalseyValueParser {
    FalseyValueParser::new()
}

/// An id as the lists print it.
fn id<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| {
        "not an id, which is a UUID: `qm account list`, `qm token list`, `qm plan list`, `qm runs list`, `qm trigger list` and `qm approval list` \
         show those that there are"
            .to_owned()
    })
}

/// Where to listen: the address of an interface, not a name that could mean several.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, for instance 127.0.0.1:8080 or [::1]:8080".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 30s, 10m or 1h"))
}

fn name_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// The longest life of a token that ends; one that is to live longer is made without an end.
const LIFETIME_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// How long a token lives.
fn lifetime(text: &str) -> Result<Duration, String> {
    let lasts = duration(text)?;
    if lasts.is_zero() {
        return Err("a token has to live for some time, for instance 12h or 90d".to_owned());
    }
    if lasts > LIFETIME_MAX {
        return Err("that is more than 100 years; leave the flag out for a token that does not end".to_owned());
    }
    Ok(lasts)
}

/// Connection fields in one value: `NAME=VALUE`, whatever the value has in it, or a JSON object of several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConnectionFields(pub(crate) Vec<(String, String)>);

fn connection_fields(text: &str) -> Result<ConnectionFields, String> {
    if !text.trim_start().starts_with('{') {
        return name_value(text).map(|pair| ConnectionFields(vec![pair]));
    }
    let fields: std::collections::BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|error| format!("write NAME=VALUE, or a JSON object of texts: {error}"))?;
    Ok(ConnectionFields(fields.into_iter().collect()))
}

/// Members that a record is expected to have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected(pub(crate) serde_json::Map<String, serde_json::Value>);

/// `NAME=TEXT`, `NAME:=JSON`, or a JSON object of several.
fn expected(text: &str) -> Result<Expected, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map(Expected).map_err(|error| format!("this is no JSON object: {error}"));
    }
    let (name, value) = name_value(text)?;
    let (name, value) = match name.strip_suffix(':') {
        None => (name, value.into()),
        Some(name) => {
            let value = serde_json::from_str(&value).map_err(|error| format!("{name}:= wants JSON: {error}"))?;
            (name.to_owned(), value)
        }
    };
    Ok(Expected(serde_json::Map::from_iter([(name, value)])))
}

#[cfg(test)]
mod tests;
