//! From a tree to a trigger. The shape was checked before, so a value of a wrong type is skipped here without a word.

mod run;
mod verify;

use quartermaster_definition::notation::{Node, Report, Rule, duration_seconds};
use quartermaster_expr::Program;

use crate::language::{SCHEDULE_VARIABLES, VARIABLES};
use crate::limits::{DEDUPE_DEFAULT_SECONDS, DEDUPE_MAX_SECONDS, RUNS_PER_HOUR_DEFAULT, TRIGGER_NAME_MAX};
use crate::model::{Challenge, Missed, Overlap, Source, Trigger, Webhook};
use crate::schedule::Schedule;

/// Builds the trigger; `None` when there were errors.
pub(crate) fn build(tree: &Node, report: &mut Report<'_>) -> Option<Trigger> {
    let name = tree.get("name").map(|node| name(node, report));
    let source = source(tree, report);
    let run = tree.get("run").and_then(|node| run::build(tree, node, report));
    check_variables(tree, report);
    let trigger = Trigger {
        name: name??,
        description: tree.get("description").and_then(Node::text).map(|text| text.trim_end().to_owned()),
        source: source?,
        dedupe_seconds: within(tree.get("dedupe_for"), DEDUPE_DEFAULT_SECONDS, DEDUPE_MAX_SECONDS, report),
        runs_per_hour: tree.at(&["limits", "runs_per_hour"]).and_then(Node::integer).unwrap_or(RUNS_PER_HOUR_DEFAULT),
        run: run?,
        when: tree.get("when").and_then(program),
        for_each: tree.get("for_each").and_then(program),
        input: mapped(tree).filter_map(|(name, node)| Some((name.to_owned(), program(node)?))).collect(),
        dedupe_key: tree.get("dedupe_key").and_then(program),
    };
    (!report.has_errors()).then_some(trigger)
}

/// The inputs that expressions give.
fn mapped(tree: &Node) -> impl Iterator<Item = (&str, &Node)> {
    tree.get("input").map(Node::entries).unwrap_or_default().iter().map(|(key, node)| (key.text.as_str(), node))
}

/// An expression, which the check of the shape has compiled before; so this one comes from the cache of programs.
fn program(node: &Node) -> Option<Program> {
    Program::compile(node.text()?, VARIABLES).ok()
}

fn name(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let name = node.text()?;
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > TRIGGER_NAME_MAX || !name.bytes().all(legal) {
        let message =
            format!("a trigger's name has lower-case letters, digits, `-` and `_`, at most {TRIGGER_NAME_MAX}");
        report.error(node, Rule::BadName, message);
    }
    Some(name.to_owned())
}

/// A duration, the one that is taken when it is left out, and the longest.
fn within(node: Option<&Node>, default: u64, most: u64, report: &mut Report<'_>) -> u64 {
    let Some(node) = node else { return default };
    let seconds = duration_seconds(node).unwrap_or(default);
    if seconds > most {
        report.error(node, Rule::WrongValue, format!("at most {most} seconds may stand here, and there are {seconds}"));
    }
    seconds
}

fn source(tree: &Node, report: &mut Report<'_>) -> Option<Source> {
    if let Some(node) = tree.get("webhook") {
        return webhook(node, report).map(Source::Webhook);
    }
    schedule(tree.get("schedule")?, report).map(Source::Schedule)
}

fn webhook(node: &Node, report: &mut Report<'_>) -> Option<Webhook> {
    let id_header = node.at(&["id", "header"]).and_then(Node::text).map(str::to_ascii_lowercase);
    let verify = verify::build(node.get("verify")?, id_header.is_some(), report);
    let challenge = node.get("challenge").and_then(|node| {
        Some(Challenge {
            when: program(node.get("when")?)?,
            answer: program(node.get("answer")?)?,
            unsigned: node.get("unsigned").and_then(Node::boolean).unwrap_or(false),
        })
    });
    Some(Webhook { verify: verify?, id_header, challenge })
}

fn schedule(node: &Node, report: &mut Report<'_>) -> Option<Schedule> {
    let pattern = node.get("cron").and_then(|node| match Schedule::pattern(node.text()?) {
        Ok(cron) => Some(cron),
        Err(message) => {
            let help = "five fields are expected: minute, hour, day of month, month, day of week; `0 7 * * MON-FRI` is seven in the \
                        morning on working days";
            report.error_with_help(node, Rule::WrongValue, message, help);
            None
        }
    });
    let name = node.get("time_zone").and_then(Node::text).unwrap_or("UTC");
    let zone = Schedule::zone(name);
    if zone.is_none() {
        let node = node.get("time_zone").unwrap_or(node);
        let help =
            "names of the IANA database are known, in their exact spelling: `Europe/Berlin`, `America/New_York`, `UTC`";
        report.error_with_help(node, Rule::WrongValue, "there is no such time zone", help);
    }
    let missed = match node.get("missed").and_then(Node::text) {
        Some("skip") => Missed::Skip,
        _ => Missed::Start,
    };
    let overlap = match node.get("overlap").and_then(Node::text) {
        Some("queue") => Overlap::Queue,
        _ => Overlap::Skip,
    };
    Some(Schedule::new(pattern?, zone?, name.to_owned(), missed, overlap))
}

/// Notes variables that have no value here: `item` without `for_each`, and what only a delivery has in a schedule.
fn check_variables(tree: &Node, report: &mut Report<'_>) {
    let scheduled = tree.get("schedule").is_some();
    let each = tree.get("for_each").is_some();
    let whole = ["for_each"].into_iter().filter_map(|key| Some((tree.get(key)?, false)));
    let per_item =
        ["when", "dedupe_key"].into_iter().filter_map(|key| tree.get(key)).chain(mapped(tree).map(|(_, node)| node));
    let challenge =
        ["when", "answer"].into_iter().filter_map(|key| Some((tree.at(&["webhook", "challenge", key])?, false)));
    for (node, has_item) in whole.chain(per_item.map(|node| (node, each))).chain(challenge) {
        let Some(program) = program(node) else { continue };
        if program.uses("item") && !has_item {
            let message = "`item` has no value here";
            report.error_with_help(
                node,
                Rule::UnknownVariable,
                message,
                "it is an item of the list that `for_each` gives",
            );
        }
        let foreign =
            VARIABLES.iter().find(|name| program.uses(name) && !SCHEDULE_VARIABLES.contains(name) && **name != "item");
        if let Some(name) = foreign.filter(|_| scheduled) {
            let help = "a schedule has only `trigger`: `id`, `name`, `at`, `scheduled_for`";
            report.error_with_help(node, Rule::UnknownVariable, format!("a schedule has no `{name}`"), help);
        }
    }
}
