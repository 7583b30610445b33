//! `qm`: commands, output and configuration. What the commands do is done elsewhere: by the gateway's crates for those that
//! serve, by `client` and `roster` for those that talk to a gateway.
#![allow(
    rustdoc::invalid_html_tags,
    reason = "the comments on arguments are the help that people read: `<NAME>` is meant"
)]

mod arguments;
mod authorities;
mod commands;
mod connect;
mod env;
mod exit;
mod failure;
mod folder;
mod models;
mod output;
mod runtime;
mod secrets;
mod style;
mod watch;
mod watched;

use std::process::ExitCode;

use crate::arguments::{Arguments, Command};
use crate::exit::Exit;
use crate::failure::Failure;

fn main() -> ExitCode {
    match run(Arguments::read().command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::note(failure.render().trim_end());
            failure.exit.into()
        }
    }
}

fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Demo(arguments) => runtime::serving()?.block_on(commands::demo::run(&arguments)),
        Command::Init(arguments) => runtime::talking()?.block_on(commands::init::run(&arguments)),
        Command::Serve(arguments) => runtime::talking()?.block_on(commands::serve::run(&arguments)),
        Command::Simulate(arguments) => runtime::serving()?.block_on(commands::simulate::run(&arguments)),
        Command::Tools(arguments) => runtime::talking()?.block_on(commands::tools::list(&arguments)),
        Command::Call(arguments) => runtime::talking()?.block_on(commands::tools::call(&arguments)),
        Command::Account(command) => runtime::talking()?.block_on(commands::account::run(&command)),
        Command::Token(command) => runtime::talking()?.block_on(commands::token::run(&command)),
        Command::Environment(command) => runtime::talking()?.block_on(commands::token::environment(&command)),
        Command::Model(command) => runtime::talking()?.block_on(commands::model::run(&command)),
        Command::Policy(command) => match commands::policy::local(&command) {
            Some(done) => done,
            None => runtime::talking()?.block_on(commands::policy::run(&command)),
        },
        Command::Switch(command) => runtime::talking()?.block_on(commands::switches::run(&command)),
        Command::Approval(command) => runtime::talking()?.block_on(commands::approval::run(&command)),
        Command::Definition(command) => commands::definition::run(&command),
        Command::Playbook(command) => match commands::playbook::local(&command) {
            Some(done) => done,
            None => runtime::talking()?.block_on(commands::playbook::run(&command)),
        },
        Command::Offboard(arguments) => runtime::talking()?.block_on(commands::offboard::run(&arguments)),
        Command::Audit(arguments) => runtime::talking()?.block_on(commands::audit::run(&arguments)),
        Command::Agent(arguments) => runtime::talking()?.block_on(commands::agent::run(&arguments)),
        Command::Plan(command) => runtime::talking()?.block_on(commands::plan::run(&command)),
        Command::Undo(arguments) => runtime::talking()?.block_on(commands::plan::undo(&arguments)),
        Command::Trigger(command) => match commands::trigger::local(&command) {
            Some(done) => done,
            None => runtime::talking()?.block_on(commands::trigger::run(&command)),
        },
        Command::Runs(command) => runtime::talking()?.block_on(commands::runs::run(&command)),
        Command::AuditLog(arguments) => runtime::talking()?.block_on(commands::audit_log::run(&arguments)),
        Command::Completions { shell } => commands::completions(shell),
    }
}
