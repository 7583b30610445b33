//! `cargo xtask eval`: how well the search for tools finds the right one, on public data that is fetched and not kept here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::install::{self, PIP};
use crate::run::{command, output, succeed};

/// The package with the Berkeley function-calling data (Apache-2.0).
const PACKAGE: &str = "bfcl-eval";
/// Its version: another one may have other questions.
const VERSION: &str = "2026.3.23";
/// The set that counts, and what has to be reached on it.
const SET: &str = "multiple";
/// See [`SET`].
const REACH: f64 = 0.90;
/// A harder set, of questions that people asked; shown only.
const SHOWN_SET: &str = "live_multiple";

/// Options of `cargo xtask eval`.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of the unpacked package; without it the package is fetched with pip.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// Prints recall at 5 over both sets; fails when the first is below what has to be reached.
pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.data {
        Some(folder) => measure(folder),
        None => {
            let folder = std::env::temp_dir().join(format!("qm-eval-{}", std::process::id()));
            let outcome = fetch(&folder).and_then(|()| measure(&folder));
            let _ = std::fs::remove_dir_all(&folder);
            outcome
        }
    }
}

fn fetch(folder: &Path) -> Result<()> {
    install::ensure(&[PIP])?;
    println!("fetching {PACKAGE} {VERSION}");
    let shown = folder.to_string_lossy();
    let package = format!("{PACKAGE}=={VERSION}");
    succeed(&mut command(
        "python3",
        &["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", &shown, &package],
    ))?;
    let wheel = std::fs::read_dir(folder)?.next().context("pip fetched nothing")??.path();
    succeed(&mut command("python3", &["-m", "zipfile", "-e", &wheel.to_string_lossy(), &shown]))
}

fn measure(folder: &Path) -> Result<()> {
    println!("| set | questions | tools | recall at 5 | reach |\n| --- | --- | --- | --- | --- |");
    let reached = row(folder, SET, &format!("{REACH:.2}"))?;
    row(folder, SHOWN_SET, "")?;
    if reached < REACH {
        bail!("recall at 5 is {reached:.3} on `{SET}`; {REACH:.2} has to be reached");
    }
    Ok(())
}

/// One set; its recall at 5.
fn row(folder: &Path, set: &str, reach: &str) -> Result<f64> {
    let data = folder.join("bfcl_eval/data");
    let file = format!("BFCL_v4_{set}.json");
    let (questions, answers) = (data.join(&file), data.join("possible_answer").join(&file));
    let mut measured = command("cargo", &["run", "--quiet", "--package", "quartermaster-definition"]);
    measured.args(["--example", "search_recall", "--"]).arg(questions).arg(answers);
    let measured: Value = serde_json::from_str(&output(&mut measured)?)?;
    let recall = measured["recall_at_5"].as_f64().context("a recall")?;
    println!("| {set} | {} | {} | {recall:.3} | {reach} |", measured["questions"], measured["tools"]);
    Ok(recall)
}
