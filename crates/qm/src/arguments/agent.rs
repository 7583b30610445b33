//! `qm agent`.

use std::time::Duration;

use clap::Args;
use quartermaster_types::AccountId;

use super::playbooks::DetachArguments;
use super::{GatewayArguments, OutputArguments, duration, id, switch};
use crate::exit;

/// What `qm agent` does, with examples.
const AGENT: &str = "A language model works towards the goal with the tools of the account, as a run in the gateway: what it says\n\
and what it calls is shown as it comes, and what was done is told at the end from the journal, not from\n\
the model's words. It changes only people whose addresses stand in the goal, or who are given by\n\
--target. Every call goes through the same checks as anybody's: ids that were not read in this run,\n\
what the policy denies, and calls that go round in circles are refused, whatever the model says.\n\n\
Examples:\n  qm agent \"Suspend a.miller@company.com\" --model openai/MODEL --dry-run\n  \
                      qm agent \"Who of @external-agency.com is still active?\" --model local --methods read\n  \
                      qm agent \"Suspend everybody of the agency\" --model local --target @external-agency.com\n  \
                      qm agent \"Offboard a.miller@company.com everywhere\" --model anthropic/MODEL -a ID -a ID -o json";

/// `qm agent`.
#[derive(Args, Debug)]
#[command(after_help = AGENT, after_long_help = format!("{AGENT}\n\n{}", exit::TABLE))]
pub(crate) struct AgentArguments {
    /// What is to be reached, in your words
    pub(crate) goal: String,
    /// The model: the name of a model connection, or NAME/MODEL
    #[arg(long, short = 'm', env = "QM_MODEL", value_name = "NAME[/MODEL]")]
    pub(crate) model: String,
    /// Id of an integrated account; may be given more than once, and left out when the environment has only one
    #[arg(long, short = 'a', env = "QM_ACCOUNT", value_delimiter = ',', value_parser = id::<AccountId>, value_name = "ID")]
    pub(crate) account: Vec<AccountId>,
    /// Only these methods are tools: read, write, custom, or names; may be given more than once
    #[arg(long, env = "QM_METHODS", value_delimiter = ',', value_name = "METHOD")]
    pub(crate) methods: Vec<String>,
    /// Only methods with one of these tags are tools
    #[arg(long, env = "QM_TAGS", value_delimiter = ',', value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Who may be changed: an e-mail address, @DOMAIN for a whole domain, or `any`; may be given more than once. Without it the
    /// people whose addresses stand in the goal
    #[arg(long, env = "QM_TARGET", value_delimiter = ',', value_name = "EMAIL")]
    pub(crate) target: Vec<String>,
    /// Check writes and show what would be sent; change nothing
    #[arg(long, env = "QM_DRY_RUN", value_parser = switch())]
    pub(crate) dry_run: bool,
    /// Show the model ids instead of short handles such as user:3
    #[arg(long, env = "QM_RAW_IDS", value_parser = switch())]
    pub(crate) raw_ids: bool,
    /// Turns of the model
    #[arg(long, env = "QM_MAX_ITERATIONS", value_name = "N")]
    pub(crate) max_iterations: Option<u32>,
    /// Calls of tools
    #[arg(long, env = "QM_MAX_CALLS", value_name = "N")]
    pub(crate) max_calls: Option<u32>,
    /// Tokens in and out, over the whole run
    #[arg(long, env = "QM_MAX_TOKENS", value_name = "N")]
    pub(crate) max_tokens: Option<u64>,
    /// Time from the start of the run
    #[arg(long, env = "QM_MAX_TIME", value_parser = duration, value_name = "TIME")]
    pub(crate) max_time: Option<Duration>,
    /// Money, in the currency of the model's prices
    #[arg(long, env = "QM_MAX_COST", value_name = "AMOUNT")]
    pub(crate) max_cost: Option<f64>,
    /// Wait for rate limits, as long as is asked, but no longer than this in all
    #[arg(long, env = "QM_MAX_WAIT", value_parser = duration, value_name = "TIME")]
    pub(crate) max_wait: Option<Duration>,
    #[command(flatten)]
    pub(crate) detach: DetachArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}
