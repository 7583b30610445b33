//! Every check that CI runs, and the chores of the house. `cargo xtask --help` lists them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "this is the console of the developers"
)]

mod bench;
mod documents;
mod eval;
mod fuzz;
mod install;
mod postgres;
mod run;
mod safety;
mod sqlx_prepare;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks and chores of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check: installs what is missing (Debian, root), says what, and stops at the first failure.
    Test(test::Options),
    /// Measure speed and memory against nginx, in one run; prints ratios and figures.
    Bench(bench::Options),
    /// Measure how well the search for tools finds the right one, on public data (fetched with pip).
    Eval(eval::Options),
    /// Run adversarial trajectories of agents through the gateway and through a naive tool server, and renew the table of
    /// docs/safety.md.
    Safety(safety::Options),
    /// The rules that no compiler checks: sizes, layers, names, manifests.
    Tidy,
    /// Fuzz the parsers; a few seconds each unless told otherwise.
    Fuzz(fuzz::Options),
    /// Renew the descriptions of the store's queries that builds check them against.
    SqlxPrepare(sqlx_prepare::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Eval(options) => eval::run(&options),
        Command::Safety(options) => safety::run(&options),
        Command::Tidy => tidy::run(),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::SqlxPrepare(options) => sqlx_prepare::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
