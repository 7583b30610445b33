//! What the guards cost.

use std::process::Command;

use anyhow::{Context, Result};

use super::report::Report;
use super::stage::Stage;
use crate::run::output;

/// A dry run with every guard on, in one process: more than the guards alone take.
pub(super) fn cost(stage: &Stage, report: &mut Report) -> Result<()> {
    let text = output(&mut Command::new(stage.artefacts().join("examples/guard_cost")))?;
    let nanoseconds = |name: &str| -> Result<f64> {
        let value = text.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        Ok(value.with_context(|| format!("no {name} in {text:?}"))?.parse()?)
    };
    let (all, none) = (nanoseconds("all")? / 1000.0, nanoseconds("none")? / 1000.0);
    report.row(
        "guards, with a policy of 20 rules: a whole dry run (resolve, validate, guards, request)",
        format!("{all:.1} µs"),
        "guards under 50 µs",
        format!("without a policy {none:.1} µs, so that 20 rules with conditions take {:.1} µs", all - none),
    );
    Ok(())
}
