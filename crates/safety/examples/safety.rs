//! Runs every trajectory and prints the table of `docs/safety.md`; fails when anything was written to a wrong target. With words
//! as arguments only the trajectories whose names have one of them, each with what came of it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::process::ExitCode;

use futures_util::StreamExt;
use quartermaster_safety::{Mode, Table, all, through_gateway, through_naive_server};

/// Trajectories at the same time.
const AT_ONCE: usize = 4;

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let chosen = all().into_iter().filter(|one| words.is_empty() || words.iter().any(|word| one.name.contains(word)));
    let ran = futures_util::stream::iter(chosen).map(|trajectory| async move {
        let naive = through_naive_server(&trajectory).await;
        let through =
            [through_gateway(&trajectory, Mode::Handles).await, through_gateway(&trajectory, Mode::Ids).await];
        (trajectory, naive, through)
    });
    let mut ran = ran.buffered(AT_ONCE);
    let mut table = Table::default();
    while let Some((trajectory, naive, through)) = ran.next().await {
        if words.is_empty() {
            eprint!(".");
        } else {
            eprintln!("{}\n  naive {naive:?}\n  {through:#?}", trajectory.name);
        }
        table.add(&trajectory, &naive, &through);
    }
    eprintln!();
    print!("{}", table.markdown());
    let total = table.total();
    if total.wrong == 0 && total.unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
