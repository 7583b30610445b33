//! Steps.

use quartermaster_definition::notation::{Node, Report, Rule, did_you_mean, duration_seconds};

use super::names::Names;
use super::values::{code, condition, method, named, path, texts, value};
use crate::limits::{COLUMNS_MAX, CONCURRENCY_DEFAULT, FOR_EACH_DEPTH_MAX};
use crate::model::{CallStep, Confirm, FindStep, ForEach, ReportStep, Sought, Step, TableStep, Turn, Verb};
use crate::value::Expression;

/// The steps of a list. Steps that could not be built are left out; then there was an error.
pub(super) fn list(node: &Node, names: &Names<'_>, report: &mut Report<'_>) -> Vec<Step> {
    let names = names.with_steps(node);
    node.items().iter().filter_map(|step| build(step, node, &names, report)).collect()
}

fn build(node: &Node, list: &Node, names: &Names<'_>, report: &mut Report<'_>) -> Option<Step> {
    let when = condition(node.get("when"), names, report);
    let on_error = turn(node.get("on_error"), Turn::Stop, list, names, report);
    let verb = verb(node, list, names, report);
    Some(Step { name: node.get("name")?.text()?.to_owned(), when, on_error, verb: verb? })
}

fn verb(node: &Node, list: &Node, names: &Names<'_>, report: &mut Report<'_>) -> Option<Verb> {
    if let Some(call) = node.get("call") {
        return Some(Verb::Call(Box::new(call_step(call, names, report)?)));
    }
    if let Some(find) = node.get("find") {
        return Some(Verb::Find(Box::new(find_step(find, list, names, report))));
    }
    if let Some(check) = node.get("check") {
        let then = turn(check.get("then"), Turn::Continue, list, names, report);
        let otherwise = turn(check.get("else"), Turn::Continue, list, names, report);
        let condition = condition(check.get("if"), names, report)?;
        return Some(Verb::Check { condition, then, otherwise });
    }
    if let Some(set) = node.get("set") {
        return Some(Verb::Set(named(Some(set), names, report)));
    }
    if let Some(count) = node.get("count") {
        let rows = path(count.get("in"), names, report);
        let inside = names.with_row();
        let groups = count.get("groups").map_or(&[][..], Node::entries);
        let groups =
            groups.iter().filter_map(|(key, node)| Some((key.text.clone(), condition(Some(node), &inside, report)?)));
        return Some(Verb::Count { rows, groups: groups.collect() });
    }
    if let Some(each) = node.get("for_each") {
        return for_each(each, names, report);
    }
    if let Some(wait) = node.get("wait") {
        return match wait.get("until") {
            Some(until) => Some(Verb::WaitUntil(value(until, names, report))),
            None => duration_seconds(wait).map(|seconds| Verb::WaitFor { seconds }),
        };
    }
    if let Some(expect) = node.get("expect") {
        let otherwise = text(expect.get("otherwise"), names, report);
        let that = condition(expect.get("that"), names, report)?;
        return Some(Verb::Expect { that, otherwise, code: code(expect.get("code")) });
    }
    let report_node = node.get("report")?;
    Some(Verb::Report(Box::new(report_step(report_node, names, report))))
}

fn text(node: Option<&Node>, names: &Names<'_>, report: &mut Report<'_>) -> Expression {
    node.map_or(Expression::Literal("".into()), |node| value(node, names, report))
}

fn call_step(node: &Node, names: &Names<'_>, report: &mut Report<'_>) -> Option<CallStep> {
    let target = if node.text().is_some() { Some(node) } else { node.get("method") };
    let confirm = match node.get("confirm") {
        Some(confirm) => Some(Confirm {
            method: method(confirm.get("method"), report),
            with: named(confirm.get("with"), names, report),
            that: condition(confirm.get("that"), &names.with_answer(), report)?,
        }),
        None => None,
    };
    Some(CallStep {
        method: method(target, report),
        with: named(node.get("with"), names, report),
        account: node.get("account").map(|account| value(account, names, report)),
        expect: named(node.get("expect"), names, report),
        dry_run: node.get("dry_run").and_then(Node::boolean).unwrap_or(false),
        keep: texts(node.get("keep")),
        confirm,
    })
}

fn find_step(node: &Node, list: &Node, names: &Names<'_>, report: &mut Report<'_>) -> FindStep {
    let target = method(node.get("list"), report);
    let pointer = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    let misplaced: &[&str] = if node.get("where").is_some() { &["value", "at"] } else { &["missing", "ambiguous"] };
    for (key, entry) in node.entries().iter().filter(|(key, _)| misplaced.contains(&key.text.as_str())) {
        let other = if node.get("where").is_some() { "rows" } else { "where" };
        report.error_at_key(key, entry, Rule::Misplaced, format!("`{}` goes with `{other}`", key.text), None);
    }
    let what = match node.get("where") {
        Some(filters) => {
            if filters.entries().is_empty() {
                report.error(filters, Rule::WrongValue, "without a filter nothing says which record is meant");
            }
            Sought::One {
                filters: named(Some(filters), names, report),
                missing: turn(node.get("missing"), Turn::Stop, list, names, report),
                ambiguous: turn(node.get("ambiguous"), Turn::Stop, list, names, report),
            }
        }
        None => {
            if node.get("rows").is_some() && node.get("value").is_none() {
                let help = "it is what is looked for, from `row`, such as `'{{ row.email }}'`";
                report.error_with_help(node, Rule::MissingKey, "`value` is missing here", help);
            }
            if node.get("at").is_none() && !target.is_lifecycle() {
                let help = "it is where the value stands in a record, such as `/email`";
                report.error_with_help(node, Rule::MissingKey, "`at` is missing here", help);
            }
            Sought::Rows {
                rows: path(node.get("rows"), names, report),
                value: text(node.get("value"), &names.with_row(), report),
                at: pointer("at"),
            }
        }
    };
    FindStep {
        list: target,
        account: node.get("account").map(|account| value(account, names, report)),
        id: pointer("id").unwrap_or_else(|| "/id".to_owned()),
        keep: texts(node.get("keep")),
        what,
    }
}

fn for_each(node: &Node, names: &Names<'_>, report: &mut Report<'_>) -> Option<Verb> {
    if names.rows >= FOR_EACH_DEPTH_MAX {
        let message = format!("`for_each` nests at most {FOR_EACH_DEPTH_MAX} deep");
        report.error(node, Rule::Misplaced, message);
        return None;
    }
    let rows = path(node.get("in"), names, report);
    let inside = names.with_row();
    let when = condition(node.get("when"), &inside, report);
    let steps = node.get("steps").map(|steps| list(steps, &inside, report)).unwrap_or_default();
    let collected = node.get("steps").map_or_else(|| inside.clone(), |steps| inside.with_steps(steps));
    for (key, entry) in node.get("collect").map_or(&[][..], Node::entries) {
        if matches!(key.text.as_str(), "outcome" | "error" | "at") {
            report.error_at_key(key, entry, Rule::BadName, format!("every row has `{}` already", key.text), None);
        }
    }
    Some(Verb::ForEach(Box::new(ForEach {
        rows,
        when,
        concurrency: node
            .get("concurrency")
            .map_or(Expression::Literal(CONCURRENCY_DEFAULT.into()), |concurrency| value(concurrency, names, report)),
        stop_on_row_error: node.get("on_row_error").and_then(Node::text) == Some("stop"),
        steps,
        collect: named(node.get("collect"), &collected, report),
    })))
}

fn report_step(node: &Node, names: &Names<'_>, report: &mut Report<'_>) -> ReportStep {
    let table = node.get("table").map(|table| {
        let columns = table.get("columns");
        if let Some(node) = columns.filter(|columns| columns.entries().len() > COLUMNS_MAX) {
            report.error(node, Rule::Limit, format!("a table has at most {COLUMNS_MAX} columns"));
        }
        TableStep { rows: path(table.get("in"), names, report), columns: named(columns, &names.with_row(), report) }
    });
    ReportStep {
        text: text(node.get("text"), names, report),
        members: named(node.get("members"), names, report),
        table,
        complete: condition(node.get("complete"), names, report),
    }
}

fn turn(node: Option<&Node>, default: Turn, list: &Node, names: &Names<'_>, report: &mut Report<'_>) -> Turn {
    let Some(node) = node else { return default };
    if let Some(fail) = node.get("fail") {
        return Turn::Fail { text: value(fail, names, report), code: code(node.get("code")) };
    }
    if let Some((code, entry)) = node.entries().iter().find(|(key, _)| key.text == "code") {
        report.error_at_key(code, entry, Rule::Misplaced, "`code` goes with `fail`", None);
    }
    if let Some((target, name)) = node.get("go_to").and_then(|target| Some((target, target.text()?))) {
        let known = || list.items().iter().filter_map(|step| step.get("name")?.text());
        return match known().position(|known| known == name) {
            Some(place) => Turn::GoTo(place),
            None => {
                let known: Vec<&str> = known().collect();
                let help = did_you_mean(name, known.iter().copied());
                let message = format!("there is no step `{name}` in this list");
                report.error_within(target, 0..name.len(), Rule::WrongValue, message, help);
                Turn::Stop
            }
        };
    }
    match node.text() {
        Some("continue") => Turn::Continue,
        Some("end") => Turn::End,
        _ => Turn::Stop,
    }
}
