//! `cargo xtask fuzz`: every target for a little while.

use anyhow::{Result, bail};
use clap::Args;

use crate::install::{self, Need};
use crate::run::{command, output, root, succeed};

/// What to fuzz.
#[derive(Args)]
pub(crate) struct Options {
    /// Only this target.
    target: Option<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Builds and runs the targets under `fuzz/`.
pub(crate) fn run(options: &Options) -> Result<()> {
    install::ensure(&[install::C_COMPILER, Need::Debian { package: "g++", gives: "c++" }, install::FUZZ])?;
    // libFuzzer's instrumentation needs flags that the stable compiler accepts only when told so.
    let fuzz = |arguments: &[&str]| {
        let mut command = command("cargo", &["fuzz"]);
        command.args(arguments).current_dir(root()).env("RUSTC_BOOTSTRAP", "1");
        command
    };
    let listed = output(&mut fuzz(&["list"]))?;
    let targets: Vec<&str> =
        listed.lines().filter(|name| options.target.as_deref().is_none_or(|wanted| wanted == *name)).collect();
    if targets.is_empty() {
        bail!("there is no such target; there are: {}", listed.split_whitespace().collect::<Vec<_>>().join(", "));
    }
    let limit = format!("-max_total_time={}", options.seconds);
    for target in targets {
        println!("== {target}: {} s", options.seconds);
        succeed(&mut fuzz(&[
            "run",
            "--sanitizer",
            "none",
            target,
            "--",
            &limit,
            "-rss_limit_mb=2048",
            "-verbosity=0",
        ]))?;
    }
    Ok(())
}
