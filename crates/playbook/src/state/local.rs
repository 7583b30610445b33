//! Steps that need nothing from outside.

use quartermaster_types::run::{Report, Table, Wake};
use quartermaster_types::{Code, Problem, Timestamp};
use serde_json::{Map, Value, json};

use super::frame::Done;
use super::{Shared, broken};
use crate::limits::{ROWS_MAX, WAIT_MAX_SECONDS};
use crate::model::{ReportStep, TableStep, Verb};
use crate::value::{Scope, all_or_null, evaluate_all};

pub(super) fn take(verb: &Verb, scope: &Scope<'_>, shared: &mut Shared) -> Done {
    let taken = match verb {
        Verb::Check { condition, then, otherwise } => match scope.holds(condition) {
            Ok(holds) => {
                let turn = Some(if holds { then } else { otherwise }.clone());
                let value = Map::from_iter([("outcome".to_owned(), json!("ok")), ("holds".to_owned(), json!(holds))]);
                return Done { value, turn, problem: None };
            }
            Err(message) => Err(broken("`check`", &message)),
        },
        Verb::Set(values) => {
            evaluate_all(values, scope).map(Value::Object).map_err(|message| broken("`set`", &message))
        }
        Verb::Count { rows, groups } => count(rows, groups, scope).map_err(|message| broken("`count`", &message)),
        Verb::Expect { that, otherwise, code } => match scope.holds(that) {
            Ok(true) => Ok(json!({"outcome": "ok"})),
            Ok(false) => {
                let text = otherwise.text(scope);
                Err(text.map_or_else(|message| broken("`otherwise`", &message), |text| Problem::caller(*code, text)))
            }
            Err(message) => Err(broken("`expect`", &message)),
        },
        Verb::Report(step) => {
            report(step, scope).map_err(|message| broken("`report`", &message)).map(|(report, complete)| {
                shared.report = Some(report);
                shared.is_partial |= !complete;
                json!({"outcome": "ok"})
            })
        }
        Verb::Call(_) | Verb::Find(_) | Verb::ForEach(_) | Verb::WaitFor { .. } | Verb::WaitUntil(_) => {
            Err(Problem::gateway(Code::Internal, "this step is no local one"))
        }
    };
    taken.map_or_else(Done::failed, Done::ok)
}

fn count(
    rows: &[String],
    groups: &[(String, quartermaster_expr::Program)],
    scope: &Scope<'_>,
) -> Result<Value, String> {
    let rows = bounded(scope.rows(rows)?)?;
    let mut counts = vec![0_u64; groups.len()];
    for row in rows {
        scope.at_row(row, |scope| -> Result<(), String> {
            for ((_, condition), count) in groups.iter().zip(&mut counts) {
                *count += u64::from(scope.holds(condition)?);
            }
            Ok(())
        })?;
    }
    let mut value: Map<String, Value> = Map::from_iter([("all".to_owned(), json!(rows.len()))]);
    value.extend(groups.iter().zip(counts).map(|((name, _), count)| (name.clone(), json!(count))));
    Ok(Value::Object(value))
}

/// Refuses a list that is too long.
pub(super) fn bounded(rows: &[Value]) -> Result<&[Value], String> {
    if rows.len() > ROWS_MAX {
        return Err(format!("at most {ROWS_MAX} rows can be worked on, and there are {}", rows.len()));
    }
    Ok(rows)
}

fn report(step: &ReportStep, scope: &Scope<'_>) -> Result<(Report, bool), String> {
    let complete = step.complete.as_ref().map_or(Ok(true), |complete| scope.holds(complete))?;
    let table = match &step.table {
        None => None,
        Some(TableStep { rows, columns }) => {
            let rows = bounded(scope.rows(rows)?)?;
            let row = |row: &Value| {
                scope.at_row(row, |scope| columns.iter().map(|(_, value)| value.or_null(scope)).collect::<Vec<Value>>())
            };
            let rows = rows.iter().map(row).collect();
            Some(Table { columns: columns.iter().map(|(name, _)| name.clone()).collect(), rows })
        }
    };
    Ok((Report { text: step.text.text(scope)?, members: all_or_null(&step.members, scope), table }, complete))
}

/// What is waited for; `None` when its time has passed.
pub(super) fn wait(verb: &Verb, key: String, scope: &Scope<'_>, now: Timestamp) -> Result<Option<Wake>, Problem> {
    let until = match verb {
        Verb::WaitFor { seconds } => now.plus_ms(i64::try_from(*seconds).unwrap_or(WAIT_MAX_SECONDS) * 1000),
        Verb::WaitUntil(until) => {
            let text = until.text(scope).map_err(|message| broken("`wait`", &message))?;
            let until = Timestamp::parse_rfc3339(&text);
            until.ok_or_else(|| broken("`wait`", &format!("{text:?} is not a time such as 2026-11-23T13:30:00Z")))?
        }
        _ => return Ok(None),
    };
    if until.ms_since(now) > WAIT_MAX_SECONDS * 1000 {
        return Err(broken("`wait`", &format!("{until} is more than a year away")));
    }
    Ok((until > now).then_some(Wake { key, until, pause: false }))
}
