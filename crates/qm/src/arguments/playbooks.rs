//! `qm offboard`, `qm audit` and `qm playbook run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{AccountArguments, GatewayArguments, OutputArguments, duration, name_value, switch};
use crate::exit;

/// What `qm offboard` does, with examples.
const OFFBOARD: &str = "Finds the person by exact e-mail address, reads the state, suspends, reads back, and prints a summary\n\
for the ticket. Somebody who is suspended already is a success. Nobody, or more than one person, with\n\
that address is an error, and nothing is changed. The work is a run of the playbook `offboard` in the\n\
gateway: it goes on when this program or the gateway dies.\n\n\
Examples:\n  qm offboard a.miller@company.com --dry-run\n  qm offboard a.miller@company.com --output json";

/// What `qm playbook run` does, with examples.
const PLAYBOOK_RUN: &str = "Starts the playbook in the gateway and watches it to its end. `qm playbook list` tells what each one takes.\n\n\
Examples:\n  qm playbook run offboard --input email=a.miller@company.com\n  \
                               qm playbook run audit --input-file rows=leavers.csv --input suspend=true -o json\n  \
                               qm playbook run mine.yaml --input id=ID --detach";

/// What `qm audit` does, with examples.
const AUDIT: &str = "Reads the whole directory once and says who of the list is active, suspended or unknown, who stands in\n\
the list more than once, and which lines are bad. With --suspend, those who are active are suspended.\n\
The work is a run of the playbook `audit` in the gateway: it goes on when this program or the gateway\n\
dies, and nobody is suspended twice.\n\n\
Examples:\n  qm audit leavers.csv\n  qm audit leavers.csv --suspend --report report.html\n  \
                        qm audit leavers.csv --output html > report.html\n  \
                        grep -v contractor all.csv | qm audit - --column 3 --output json";

/// `qm offboard`.
#[derive(Args, Debug)]
#[command(after_help = OFFBOARD, after_long_help = format!("{OFFBOARD}\n\n{}", exit::TABLE))]
pub(crate) struct OffboardArguments {
    /// The person's e-mail address
    pub(crate) email: String,
    /// Show what would be done; change nothing
    #[arg(long, env = "QM_DRY_RUN", value_parser = switch())]
    pub(crate) dry_run: bool,
    /// Make a plan of it, which somebody can look at and execute (`qm plan execute`); change nothing
    #[arg(long, env = "QM_PLAN", value_parser = switch(), conflicts_with_all = ["dry_run", "detach"])]
    pub(crate) plan: bool,
    #[command(flatten)]
    pub(crate) patience: PatienceArguments,
    #[command(flatten)]
    pub(crate) detach: DetachArguments,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// How long to wait for rate limits.
#[derive(Args, Debug)]
pub(crate) struct PatienceArguments {
    /// Wait for rate limits, as long as the vendor asks, but no longer than this in all
    #[arg(long, env = "QM_MAX_WAIT", default_value = "30m", value_parser = duration, value_name = "TIME")]
    pub(crate) max_wait: Duration,
}

/// Whether the run is watched.
#[derive(Args, Debug)]
pub(crate) struct DetachArguments {
    /// Start the run, print its id, and leave it to the gateway
    #[arg(long, env = "QM_DETACH", value_parser = switch())]
    pub(crate) detach: bool,
}

/// `qm playbook run`.
#[derive(Args, Debug)]
#[command(after_help = PLAYBOOK_RUN, after_long_help = format!("{PLAYBOOK_RUN}\n\n{}", exit::TABLE))]
pub(crate) struct PlaybookRun {
    /// Name of a playbook that ships with the gateway, or a file with one
    pub(crate) playbook: String,
    /// An input; its schema says whether VALUE is a text, a number or true/false. NAME:=VALUE takes VALUE as JSON. May be given
    /// more than once
    #[arg(long, short = 'i', env = "QM_INPUT", value_parser = name_value, value_name = "NAME=VALUE")]
    pub(crate) input: Vec<(String, String)>,
    /// An input from a file: a .json file whole, a .csv file as one object a line by the names of its header
    #[arg(long, env = "QM_INPUT_FILE", value_parser = name_value, value_name = "NAME=FILE")]
    pub(crate) input_file: Vec<(String, String)>,
    /// Wait for rate limits, as long as the vendor asks, but no longer than this in all; the playbook's own patience without it
    #[arg(long, env = "QM_MAX_WAIT", value_parser = duration, value_name = "TIME")]
    pub(crate) max_wait: Option<Duration>,
    #[command(flatten)]
    pub(crate) detach: DetachArguments,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// `qm audit`.
#[derive(Args, Debug)]
#[command(after_help = AUDIT, after_long_help = format!("{AUDIT}\n\n{}", exit::TABLE))]
pub(crate) struct AuditArguments {
    /// The list: CSV with any of , ; tab | between columns, a header or none; `-` for standard input
    pub(crate) file: PathBuf,
    /// Suspend those who are active
    #[arg(long, env = "QM_SUSPEND", value_parser = switch())]
    pub(crate) suspend: bool,
    /// The column with the e-mail addresses: its name in the header, or its number from 1
    #[arg(long, env = "QM_COLUMN", value_name = "NAME|NUMBER")]
    pub(crate) column: Option<String>,
    /// People who are suspended at the same time
    #[arg(long, env = "QM_CONCURRENCY", default_value_t = quartermaster_roster::audit::CONCURRENCY_DEFAULT,
          value_parser = clap::value_parser!(u16).range(1..=i64::from(quartermaster_roster::audit::CONCURRENCY_MAX)), value_name = "N")]
    pub(crate) concurrency: u16,
    /// Write the report to this file too, in the form that its ending says (.html, .json, .yaml, .csv, .txt); may be given
    /// more than once
    #[arg(long, env = "QM_REPORT", value_delimiter = ',', value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,
    /// Form of the output
    #[arg(long, short = 'o', env = "QM_OUTPUT", value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
    #[command(flatten)]
    pub(crate) patience: PatienceArguments,
    #[command(flatten)]
    pub(crate) detach: DetachArguments,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// A form of the audit's report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    Table,
    /// One JSON object.
    Json,
    /// One YAML document.
    Yaml,
    /// One line a person.
    Csv,
    /// A page that needs no other file and no network.
    Html,
}
