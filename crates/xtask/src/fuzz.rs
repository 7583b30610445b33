//! `cargo xtask fuzz`: every target for a little while, or one input again.

use std::collections::BTreeSet;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::install::{self, Need};
use crate::run::{command, output, root, succeed};

/// What to fuzz.
#[derive(Args)]
pub(crate) struct Options {
    /// Only this target.
    target: Option<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Run the target on this file alone, once: what an earlier run found.
    #[arg(long, value_name = "FILE", requires = "target", conflicts_with = "seconds")]
    input: Option<PathBuf>,
}

/// What libFuzzer may take. An input that makes a target take more is a finding.
const MEMORY_MAX: &str = "-rss_limit_mb=2048";
/// How long one input may take, in seconds. One that takes longer is a finding.
const INPUT_TIMEOUT: &str = "-timeout=10";

/// Builds and runs the targets under `fuzz/`; all of them, also when one finds something.
pub(crate) fn run(options: &Options) -> Result<()> {
    install::ensure(&[install::C_COMPILER, Need::Debian { package: "g++", gives: "c++" }, install::FUZZ])?;
    let input = options.input.as_deref().map(|file| {
        std::path::absolute(file)
            .ok()
            .filter(|file| file.is_file())
            .with_context(|| format!("no file {}", file.display()))
    });
    let input = input.transpose()?;
    let listed = output(&mut fuzz(&["list"]))?;
    let targets: Vec<&str> =
        listed.lines().filter(|name| options.target.as_deref().is_none_or(|wanted| wanted == *name)).collect();
    if targets.is_empty() {
        bail!("there is no such target; there are: {}", listed.split_whitespace().collect::<Vec<_>>().join(", "));
    }
    let mut findings = Vec::new();
    for target in targets {
        // Built apart, so that a failure after this is the target's.
        succeed(&mut fuzz(&["build", "--sanitizer", "none", target]))?;
        if let Some(input) = &input {
            succeed(fuzz(&["run", "--sanitizer", "none", target]).arg(input).args(["--", MEMORY_MAX, INPUT_TIMEOUT]))?;
            println!("{target} takes {} as it should", input.display());
            continue;
        }
        println!("== {target}: {} s", options.seconds);
        findings.extend(explore(target, options.seconds)?);
    }
    report(&findings)
}

/// What a run found: the file, relative to the root.
struct Finding {
    target: String,
    file: String,
}

/// Lets a target run for a while, from what earlier runs kept and from the committed seeds, which stay as they are.
fn explore(target: &str, seconds: u64) -> Result<Vec<Finding>> {
    let folder = |kind: &str| root().join("fuzz").join(kind).join(target);
    let (corpus, seeds, artifacts) = (folder("corpus"), folder("seeds"), folder("artifacts"));
    std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    let before = files(&artifacts);
    let mut run = fuzz(&["run", "--sanitizer", "none", target]);
    // New inputs go into the first folder; the others are only read.
    run.arg(&corpus).args(seeds.is_dir().then_some(&seeds));
    run.args([
        "--",
        &format!("-max_total_time={seconds}"),
        MEMORY_MAX,
        INPUT_TIMEOUT,
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    let ended = succeed(&mut run);
    let found: Vec<Finding> = files(&artifacts)
        .difference(&before)
        .map(|(name, _)| Finding { target: target.to_owned(), file: format!("fuzz/artifacts/{target}/{name}") })
        .collect();
    match ended {
        Err(error) if found.is_empty() => {
            Err(error.context(format!("{target} failed and left no input in fuzz/artifacts/{target}")))
        }
        _ => Ok(found),
    }
}

fn report(findings: &[Finding]) -> Result<()> {
    if findings.is_empty() {
        println!("nothing found");
        return Ok(());
    }
    for Finding { target, file } in findings {
        println!("{target}: {file}\n  to repeat: cargo xtask fuzz {target} --input {file}");
    }
    bail!("{} found; fix what is at fault, and keep the input as a case in its crate's tests", findings.len())
}

/// The files in a folder and when they were written, since what is found again is written again. None without a folder.
fn files(folder: &Path) -> BTreeSet<(String, Option<SystemTime>)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let written = |entry: &DirEntry| entry.metadata().and_then(|found| found.modified()).ok();
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, written(&entry)))).collect()
}

/// `cargo fuzz` with these arguments.
fn fuzz(arguments: &[&str]) -> Command {
    let mut fuzz = command("cargo", &["fuzz"]);
    // libFuzzer's instrumentation needs flags that the stable compiler accepts only when told so.
    fuzz.args(arguments).env("RUSTC_BOOTSTRAP", "1");
    fuzz
}
