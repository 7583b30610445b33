//! One module a command.

pub(crate) mod account;
pub(crate) mod agent;
pub(crate) mod approval;
pub(crate) mod audit;
pub(crate) mod audit_log;
mod checked;
pub(crate) mod definition;
pub(crate) mod demo;
pub(crate) mod init;
pub(crate) mod model;
pub(crate) mod offboard;
pub(crate) mod plan;
pub(crate) mod playbook;
pub(crate) mod policy;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod switches;
pub(crate) mod token;
pub(crate) mod tools;
pub(crate) mod trigger;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::failure::Failure;

/// `qm completions`.
pub(crate) fn completions(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "qm", &mut script);
    crate::output::data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
