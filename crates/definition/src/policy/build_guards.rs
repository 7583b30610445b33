//! From a tree to protected records and blast radii.

use std::collections::HashSet;

use super::Matchers;
use super::build::{check_name, condition, matchers, text_of_because, texts};
use super::protected::{
    BLAST_WINDOW_MAX_SECONDS, BlastLimit, POLICY_BLAST_MAX, POLICY_PROTECTED_MAX, Per, Protected, Room, SHARE_WHOLE,
};
use crate::diagnostics::Rule;
use crate::plan::Effect;
use crate::report::Report;
use crate::shape::duration_seconds;
use crate::tree::{Data, Node};

/// The entries under `protected`.
pub(super) fn protected<'n>(root: &'n Node, names: &mut HashSet<&'n str>, report: &mut Report<'_>) -> Vec<Protected> {
    let nodes = root.get("protected").map(Node::items).unwrap_or_default();
    at_most(nodes, POLICY_PROTECTED_MAX, "protected entries", report);
    nodes.iter().take(POLICY_PROTECTED_MAX).filter_map(|node| entry(node, names, report)).collect()
}

fn entry<'n>(node: &'n Node, names: &mut HashSet<&'n str>, report: &mut Report<'_>) -> Option<Protected> {
    let name_node = node.get("name")?;
    let name = name_node.text()?;
    check_name(name_node, name, names, report);
    // Longer lists are refused by the notation itself: `PROTECTED_NAMED_MAX`.
    let named = |key: &str| texts(node.get(key)).unwrap_or_default();
    let emails: Vec<String> = named("emails");
    for item in node.get("emails").map(Node::items).unwrap_or_default() {
        if item.text().is_some_and(|text| !text.contains('@')) {
            report.error(
                item,
                Rule::WrongValue,
                "expected a whole e-mail address; a condition under `when` can say more",
            );
        }
    }
    let ids: Vec<String> = named("ids");
    let is_self = node.get("self").and_then(Node::boolean).unwrap_or(false);
    let when = node.get("when").and_then(condition);
    if emails.is_empty() && ids.is_empty() && !is_self && node.get("when").is_none() {
        let help = "name `emails` or `ids`, say `self: true`, or give a condition under `when`";
        report.error_with_help(node, Rule::MissingKey, "this entry protects nothing", help);
    }
    Some(Protected {
        name: name.to_owned(),
        concerns: of_destructive(node, report),
        emails: emails.iter().map(|email| email.to_lowercase()).collect(),
        ids: ids.into_iter().collect(),
        is_self,
        when,
        because: text_of_because(node, report).unwrap_or_default(),
    })
}

/// The limits under `blast_radius`.
pub(super) fn blast_radius<'n>(
    root: &'n Node,
    names: &mut HashSet<&'n str>,
    report: &mut Report<'_>,
) -> Vec<BlastLimit> {
    let nodes = root.get("blast_radius").map(Node::items).unwrap_or_default();
    at_most(nodes, POLICY_BLAST_MAX, "limits", report);
    nodes.iter().take(POLICY_BLAST_MAX).filter_map(|node| limit(node, names, report)).collect()
}

fn limit<'n>(node: &'n Node, names: &mut HashSet<&'n str>, report: &mut Report<'_>) -> Option<BlastLimit> {
    let name_node = node.get("name")?;
    let name = name_node.text()?;
    check_name(name_node, name, names, report);
    let per = match node.get("per").and_then(Node::text)? {
        "run" => Per::Run,
        "session" => Per::Session,
        "token" => Per::Token,
        "account" => Per::Account,
        _ => Per::Environment,
    };
    let within_seconds = node.get("within").and_then(duration_seconds);
    if within_seconds.is_some_and(|seconds| seconds > BLAST_WINDOW_MAX_SECONDS) {
        let message = format!("a window is at most {BLAST_WINDOW_MAX_SECONDS} seconds long (30 days)");
        report.error(node.get("within")?, Rule::WrongValue, message);
    }
    if within_seconds.is_none() && !matches!(per, Per::Run | Per::Session) {
        let help = "say in which time, for instance `within: 1h`: without it, nothing would ever be allowed again";
        report.error_with_help(node, Rule::MissingKey, "`within` is missing here", help);
    }
    let room = match (node.get("max"), node.get("share")) {
        (Some(max), _) => Room::Max(max.integer()?),
        (None, Some(share)) => Room::Share(parts(share, report)?),
        (None, None) => return None,
    };
    for item in node.at(&["match", "effects"]).map(Node::items).unwrap_or_default() {
        if item.text() == Some("read") {
            report.error(item, Rule::WrongValue, "reads change nothing, so they are not counted");
        }
    }
    Some(BlastLimit {
        name: name.to_owned(),
        concerns: of_destructive(node, report),
        per,
        within_seconds,
        room,
        because: text_of_because(node, report),
    })
}

/// A share as parts of the whole.
fn parts(node: &Node, report: &mut Report<'_>) -> Option<u64> {
    let Data::Number(number) = &node.data else { return None };
    let share = number.as_f64()?;
    if !(share > 0.0 && share <= 1.0) {
        report.error(node, Rule::WrongValue, "a share is above 0 and at most 1: `0.05` is one in twenty");
        return None;
    }
    Some(((share * SHARE_WHOLE as f64).round() as u64).max(1))
}

/// Which calls it is about: destructive ones, unless it says something else.
fn of_destructive(node: &Node, report: &mut Report<'_>) -> Matchers {
    let mut concerns = node.get("match").map(|node| matchers(node, report)).unwrap_or_default();
    concerns.effects.get_or_insert_with(|| vec![Effect::Destructive]);
    concerns
}

fn at_most(nodes: &[Node], most: usize, what: &str, report: &mut Report<'_>) {
    if let Some(past) = nodes.get(most) {
        report.error(past, Rule::Limit, format!("at most {most} {what} may stand here, and there are {}", nodes.len()));
    }
}
