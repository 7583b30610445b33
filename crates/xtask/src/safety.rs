//! `cargo xtask safety`: adversarial trajectories through the gateway and through a naive tool server; the table of
//! `docs/safety.md`.

use std::fs;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::run::{command, root, succeed};

/// Options of `cargo xtask safety`.
#[derive(Args)]
pub(crate) struct Options {
    /// Only trajectories with one of these words in their names, told one by one; the page stays as it is.
    words: Vec<String>,
    /// Fail when the page has another table, and leave it alone.
    #[arg(long, conflicts_with = "words")]
    check: bool,
}

const PAGE: &str = "docs/safety.md";
const BEGIN: &str = "<!-- table -->\n";
const END: &str = "<!-- end of the table -->";

/// Runs the suite; fails when anything was written to a wrong target.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut suite =
        command("cargo", &["run", "--quiet", "--package", "quartermaster-safety", "--example", "safety", "--"]);
    suite.args(&options.words);
    if !options.words.is_empty() {
        return succeed(&mut suite);
    }
    let ran = suite.stderr(std::process::Stdio::inherit()).output().context("the suite cannot be started")?;
    let table = String::from_utf8(ran.stdout).context("the table is text")?;
    print!("{table}");
    if !ran.status.success() {
        bail!("something was written to a wrong target, or a refusal did not say what to do");
    }
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("{PAGE} cannot be read"))?;
    let renewed = with_table(&page, &table)?;
    if renewed == page {
        return Ok(());
    }
    if options.check {
        bail!("{PAGE} has another table: `cargo xtask safety` renews it");
    }
    fs::write(&path, renewed).with_context(|| format!("{PAGE} cannot be written"))
}

fn with_table(page: &str, table: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("{PAGE} has no line {BEGIN:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{PAGE} has no line {END:?}"))?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_is_renewed() {
        let page = format!("before\n{BEGIN}\n| old |\n\n{END}\nafter\n");
        let renewed = with_table(&page, "| new |\n").unwrap();
        assert_eq!(renewed, format!("before\n{BEGIN}\n| new |\n\n{END}\nafter\n"));
        assert_eq!(with_table(&renewed, "| new |\n").unwrap(), renewed);
        assert!(with_table("nothing", "").is_err());
    }
}
