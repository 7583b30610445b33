//! Which crate may use which: dependencies point one way, and each heavy library stays behind its crate.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run::{command, output};

/// Our crates, lowest first. A crate may use only crates that stand before it.
const ORDER: &[&str] = &[
    "quartermaster-types",
    "quartermaster-expr",
    "quartermaster-integrations",
    "quartermaster-definition",
    "quartermaster-playbook",
    "quartermaster-agent",
    "quartermaster-guard",
    "quartermaster-vault",
    "quartermaster-trigger",
    "quartermaster-audit-chain",
    "quartermaster-egress",
    "quartermaster-engine",
    "quartermaster-model",
    "quartermaster-store-model",
    "quartermaster-store-sqlite",
    "quartermaster-store-postgres",
    "quartermaster-store",
    "quartermaster-gateway",
    "quartermaster-api",
    "quartermaster-client",
    "quartermaster-roster",
    "quartermaster-simulator",
    "quartermaster-testkit",
    "quartermaster-safety",
    "qm",
    "xtask",
];

/// A library and the only crates that may name it (outside development dependencies).
const BEHIND: &[(&str, &[&str])] = &[
    ("sqlx", &["quartermaster-store-sqlite", "quartermaster-store-postgres"]),
    ("cel", &["quartermaster-expr"]),
    ("axum", &["quartermaster-api"]),
    ("utoipa", &["quartermaster-api"]),
    ("utoipa-axum", &["quartermaster-api"]),
    ("jsonschema", &["quartermaster-definition"]),
    ("serde-saphyr", &["quartermaster-definition", "qm"]),
    ("aws-lc-rs", &["quartermaster-vault"]),
    ("jsonwebtoken", &["quartermaster-trigger"]),
    ("croner", &["quartermaster-trigger"]),
    ("jiff", &["quartermaster-trigger"]),
    ("hyper-rustls", &["quartermaster-egress"]),
    ("rustls", &["quartermaster-egress"]),
    ("rustls-native-certs", &["quartermaster-egress"]),
    ("rig-core", &["quartermaster-model"]),
    ("clap", &["qm", "xtask"]),
    ("indicatif", &["qm"]),
    ("rand", &["quartermaster-simulator"]),
];

/// Pairs that must not depend on each other although the order would let them: (crate, must not use, why).
const APART: &[(&str, &str, &str)] = &[
    ("quartermaster-api", "quartermaster-store", "handlers go through the gateway"),
    ("quartermaster-api", "quartermaster-egress", "handlers go through the gateway"),
    ("quartermaster-client", "quartermaster-gateway", "a client knows only the HTTP contract"),
    ("quartermaster-roster", "quartermaster-gateway", "work goes through a door"),
    ("quartermaster-engine", "quartermaster-guard", "the engine knows no policy"),
    ("quartermaster-engine", "quartermaster-store", "the engine knows no storage"),
];

/// Adds a finding for every dependency that points the wrong way.
pub(super) fn check(findings: &mut Vec<String>) -> Result<()> {
    let text = output(&mut command("cargo", &["metadata", "--format-version", "1", "--no-deps", "--offline"]))
        .or_else(|_| output(&mut command("cargo", &["metadata", "--format-version", "1", "--no-deps"])))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is JSON")?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(rank) = ORDER.iter().position(|known| *known == name) else {
            findings.push(format!(
                "{name}: is not in the order of crates (crates/xtask/src/tidy/layers.rs): add it where it belongs"
            ));
            continue;
        };
        if package["publish"].as_array().is_none_or(|registries| !registries.is_empty())
            || package["license"] != "Apache-2.0"
        {
            findings.push(format!("{name}: the manifest must take `publish` and `license` from the workspace"));
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let other = dependency["name"].as_str().unwrap_or_default();
            let for_tests = dependency["kind"] == "dev";
            check_pair(name, rank, other, for_tests, findings);
        }
    }
    Ok(())
}

fn check_pair(name: &str, rank: usize, other: &str, for_tests: bool, findings: &mut Vec<String>) {
    if for_tests {
        return;
    }
    if ORDER.iter().position(|known| *known == other).is_some_and(|place| place >= rank) {
        findings.push(format!("{name} uses {other}: dependencies point downwards only (see ARCHITECTURE.md)"));
    }
    if let Some((_, allowed)) = BEHIND.iter().find(|(library, _)| *library == other)
        && !allowed.contains(&name)
    {
        findings.push(format!("{name} uses {other}: only {} may", allowed.join(", ")));
    }
    if let Some((_, _, why)) = APART.iter().find(|(user, used, _)| *user == name && *used == other) {
        findings.push(format!("{name} uses {other}: {why}"));
    }
    let is_ours = other.starts_with("quartermaster-");
    if name == "quartermaster-simulator" && is_ours {
        findings.push(format!("{name} uses {other}: a simulator shares no code with what it tests"));
    }
}
