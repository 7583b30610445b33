//! Runs the examples of the documents: what stands in a `console` block is executed and its output compared.
//!
//! In a block, `$ ` begins a command, `> ` goes on with it, everything else is expected output, in which `…` stands for any
//! text and a line of `…` alone for any lines. A command that must fail is followed by `[exit N]`. Blocks of one document
//! share one shell in an empty folder. `<!-- console … -->` is a block that readers do not see (setting the stage);
//! `<!-- not run: why -->` before a block leaves it out.
//!
//! Ports 8080 and 9401 of the documents become free ones, and `cargo run --release --` becomes the program that was built.

mod parse;
mod shell;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::run::{command, output, root, succeed};
use parse::Example;

/// Runs every document of the repository that has examples.
pub(crate) fn run() -> Result<()> {
    succeed(&mut command("cargo", &["build", "--quiet", "--package", "qm"]))?;
    let program = built_program()?;
    let listed = output(&mut command("git", &["ls-files", "--cached", "--others", "--exclude-standard", "*.md"]))?;
    let (mut examples_run, mut failures) = (0, Vec::new());
    for path in listed.lines() {
        let text = std::fs::read_to_string(root().join(path))?;
        let examples = parse::examples(path, &text)?;
        if examples.is_empty() {
            continue;
        }
        examples_run += examples.len();
        let found = run_document(path, &examples, &program)?;
        println!("{path}: {} commands, {} wrong", examples.len(), found.len());
        failures.extend(found);
    }
    for failure in &failures {
        println!("{failure}");
    }
    if examples_run == 0 {
        bail!("no document has an example: something is wrong with the search");
    }
    if !failures.is_empty() {
        bail!("{} of {examples_run} examples are not as the documents say", failures.len());
    }
    Ok(())
}

fn built_program() -> Result<PathBuf> {
    let metadata = output(&mut command("cargo", &["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let target = metadata["target_directory"].as_str().unwrap_or("target");
    Ok(PathBuf::from(target).join("debug/qm"))
}

fn run_document(path: &str, examples: &[Example], program: &std::path::Path) -> Result<Vec<String>> {
    let ports = shell::free_ports(2)?;
    let localise = |text: &str| {
        text.replace("cargo run --release --", "qm")
            .replace(":8080", &format!(":{}", ports[0]))
            .replace(":9401", &format!(":{}", ports[1]))
    };
    let commands: Vec<String> = examples.iter().map(|example| localise(&example.command)).collect();
    let results = shell::run(&commands, program)?;
    let mut failures = Vec::new();
    for (example, result) in examples.iter().zip(results) {
        let expected = localise(&example.expected);
        let place = format!("{path}:{}: $ {}", example.line, example.command);
        match result {
            None => failures.push(format!("{place}\n  was not reached")),
            Some((_, code)) if code != example.exit => {
                let (text, _) = result.unwrap_or_default();
                failures.push(format!("{place}\n  ended with {code}, not {}:\n{}", example.exit, indented(&text)));
            }
            Some((text, _)) if !example.hidden && !parse::matches(&expected, &text) => {
                failures.push(format!("{place}\n  expected:\n{}\n  got:\n{}", indented(&expected), indented(&text)));
            }
            Some(_) => {}
        }
    }
    Ok(failures)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
