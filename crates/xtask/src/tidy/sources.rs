//! Rules on files: length of files and functions, vendors' names, leftovers.

use std::path::Path;

use anyhow::Result;
use regex::Regex;

use crate::run::{command, output, root};

/// The most lines of a Rust file.
const FILE_LINES_MAX: usize = 800;
/// The most lines of a function.
const FUNCTION_LINES_MAX: usize = 120;
/// Vendors whose names must not stand in the product's code: they are data.
const VENDORS: &str = r"(?i)\b(1password|onepassword|okta|entra|bamboohr|hibob|workday|slack|github|gitlab|atlassian|zendesk|jumpcloud|onelogin|auth0)\b";
/// Crates whose business is vendors.
const VENDOR_CRATES: &[&str] = &["crates/simulator/", "crates/testkit/", "crates/safety/", "crates/xtask/"];
/// What must not stand in any tracked text: machine paths, and words of a tool that wrote something.
const FORBIDDEN: &[(&str, &str)] = &[
    (r"/root/|/work/(main|wt|shared)|/home/[a-z]+/", "a path of somebody's machine"),
    (r"(?i)\bas an ai\b|\bassistant:\b|generated with|co-authored-by", "a trace of the tool that wrote it"),
    (r"<<<<<<<|>>>>>>>", "a conflict marker"),
];

/// Adds a finding for every place that breaks a rule.
pub(super) fn check(findings: &mut Vec<String>) -> Result<()> {
    let listed = output(&mut command("git", &["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    let vendors = Regex::new(VENDORS)?;
    let forbidden: Vec<(Regex, &str)> =
        FORBIDDEN.iter().map(|(pattern, what)| Ok((Regex::new(pattern)?, *what))).collect::<Result<_>>()?;
    for path in listed.lines() {
        let Ok(text) = std::fs::read_to_string(root().join(path)) else { continue };
        check_text(path, &text, &forbidden, findings);
        if Path::new(path).extension().is_some_and(|extension| extension == "rs") {
            check_rust(path, &text, &vendors, findings);
        }
    }
    Ok(())
}

fn check_text(path: &str, text: &str, forbidden: &[(Regex, &str)], findings: &mut Vec<String>) {
    let own_rules = path == "crates/xtask/src/tidy/sources.rs";
    for (number, line) in text.lines().enumerate() {
        if !own_rules && let Some((_, what)) = forbidden.iter().find(|(pattern, _)| pattern.is_match(line)) {
            findings.push(format!("{path}:{}: {what}", number + 1));
        }
    }
    let is_source = [".rs", ".toml", ".md", ".yaml", ".sql"].iter().any(|ending| path.ends_with(ending));
    if is_source && !text.is_empty() && !text.ends_with('\n') {
        findings.push(format!("{path}: the last line has no line break"));
    }
}

fn check_rust(path: &str, text: &str, vendors: &Regex, findings: &mut Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() > FILE_LINES_MAX {
        findings.push(format!("{path}: {} lines; split it ({FILE_LINES_MAX} at most)", lines.len()));
    }
    for (start, length) in long_functions(&lines) {
        findings.push(format!("{path}:{start}: a function of {length} lines; split it ({FUNCTION_LINES_MAX} at most)"));
    }
    let is_test = path.contains("/tests/") || path.ends_with("tests.rs") || path.contains("/examples/");
    if is_test || VENDOR_CRATES.iter().any(|folder| path.starts_with(folder)) {
        return;
    }
    for (number, line) in lines.iter().enumerate() {
        if line.trim() == "#[cfg(test)]" {
            break;
        }
        if line.trim().is_empty() && lines.get(number + 1).is_some_and(|next| next.trim() == "todo!()") {
            findings.push(format!("{path}:{}: unfinished", number + 2));
        }
        let code = line.split("//").next().unwrap_or_default();
        if vendors.is_match(code) {
            findings.push(format!("{path}:{}: a vendor's name in code; vendors are data (integrations/)", number + 1));
        }
    }
}

/// Functions over the limit: (first line, lines). Relies on rustfmt: a body ends at a brace with the indent of its `fn`.
fn long_functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "async fn ", "pub async fn "]
            .iter()
            .any(|opening| code.starts_with(opening))
            || code.starts_with("pub(crate) async fn ")
            || code.starts_with("pub(super) async fn ");
        if !is_function {
            continue;
        }
        let indent = line.len() - code.len();
        let end = format!("{}}}", " ".repeat(indent));
        if let Some(length) = lines[start..].iter().position(|line| *line == end)
            && length + 1 > FUNCTION_LINES_MAX
        {
            found.push((start + 1, length + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_at_the_limit_is_fine_and_one_line_more_is_not() {
        let function = |lines: usize| {
            let mut text = vec!["    fn f() {"];
            text.extend(std::iter::repeat_n("        x();", lines - 2));
            text.push("    }");
            text
        };
        assert!(long_functions(&function(FUNCTION_LINES_MAX)).is_empty());
        assert_eq!(long_functions(&function(FUNCTION_LINES_MAX + 1)), vec![(1, FUNCTION_LINES_MAX + 1)]);
    }

    #[test]
    fn vendors_in_code_are_found_and_in_comments_or_tests_are_not() {
        let check = |path: &str, text: &str| {
            let mut findings = Vec::new();
            check_rust(path, text, &Regex::new(VENDORS).expect("a pattern"), &mut findings);
            findings.len()
        };
        assert_eq!(check("crates/engine/src/lib.rs", "let name = \"1password\";\n"), 1);
        assert_eq!(check("crates/engine/src/lib.rs", "// as 1password does\n#[cfg(test)]\nlet x = \"okta\";\n"), 0);
        assert_eq!(check("crates/engine/tests/it/main.rs", "let x = \"okta\";\n"), 0);
        assert_eq!(check("crates/simulator/src/lib.rs", "let x = \"okta\";\n"), 0);
    }
}
