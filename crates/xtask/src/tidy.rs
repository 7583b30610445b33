//! The rules that no compiler checks. Every finding at once, each with its place and what to do.

mod layers;
mod sources;

use anyhow::{Result, bail};

/// Runs every rule.
pub(crate) fn run() -> Result<()> {
    let mut findings = Vec::new();
    sources::check(&mut findings)?;
    layers::check(&mut findings)?;
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        println!("{finding}");
    }
    bail!("{} tidy findings", findings.len());
}
