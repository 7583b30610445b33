//! Blast radius: how many changes may be made, by whom and in which time. What is counted stands in the store; here is what a call
//! counts towards, and what a full limit means.

use quartermaster_definition::policy::{BlastLimit, Per, Policy, Room, SHARE_WHOLE};
use quartermaster_types::{AccountId, Code, NextCall, Problem, Timestamp, TokenId};
use serde_json::{Map, Value};

use crate::policy::{PolicyFacts, concerns};

/// What the names of runs' sessions begin with.
const RUN: &str = "run:";

/// One limit that a call counts towards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Towards<'p> {
    /// The limit.
    pub limit: &'p str,
    /// Whom it is counted for: `run:…`, `session:…`, `token:…`, `account:…`, `environment`; with a share, of which directory besides.
    pub subject: String,
    /// Changes after this moment count; `None`: all.
    pub since: Option<Timestamp>,
    /// So many may be made, this one included; `None`: a share of a directory whose size is not known.
    pub max: Option<u64>,
}

/// A limit that has no room for a call.
#[derive(Clone, Copy, Debug)]
pub struct Full<'p> {
    /// The limit.
    pub limit: &'p BlastLimit,
    /// What it allows; `None`: it cannot be told, as the size of the directory is not known.
    pub max: Option<u64>,
    /// How many were counted.
    pub used: u64,
    /// The change that has to leave the window before there is room.
    pub frees: Option<Timestamp>,
}

/// The limits that are about this call.
pub fn limits_of<'p>(policy: &'p Policy, facts: &PolicyFacts<'_>) -> Vec<&'p BlastLimit> {
    policy.blast_radius.iter().filter(|limit| concerns(&limit.concerns, facts)).collect()
}

/// What the call counts towards. `size`: how many records the account's directory has, where that is known.
pub fn towards<'p>(limit: &'p BlastLimit, facts: &PolicyFacts<'_>, size: Option<u64>) -> Towards<'p> {
    let whose = match limit.per {
        Per::Run | Per::Session => match facts.session {
            Some(run) if run.starts_with(RUN) => run.to_owned(),
            Some(session) => format!("session:{session}"),
            None => of_token(facts.token),
        },
        Per::Token => of_token(facts.token),
        Per::Account => of_account(facts.account),
        Per::Environment => "environment".to_owned(),
    };
    let (subject, max) = match limit.room {
        Room::Max(max) => (whose, Some(max)),
        // A share is one of this directory, whoever counts.
        Room::Share(parts) => {
            let resource = facts.method.map_or("", |method| method.resource);
            (format!("{whose} {} {resource}", of_account(facts.account)), size.map(|size| share_of(parts, size)))
        }
    };
    let since = limit.within_seconds.map(|seconds| facts.now.plus_ms(-(seconds as i64) * 1000));
    Towards { limit: &limit.name, subject, since, max }
}

/// A share of a directory, rounded up, at least one.
pub const fn share_of(parts: u64, size: u64) -> u64 {
    let share = (size as u128 * parts as u128).div_ceil(SHARE_WHOLE as u128) as u64;
    if share == 0 { 1 } else { share }
}

fn of_token(id: TokenId) -> String {
    format!("token:{id}")
}

fn of_account(id: AccountId) -> String {
    format!("account:{id}")
}

impl Full<'_> {
    /// What the caller is told. `called`: what was not done; `size_from`: the list that tells the size of the directory.
    pub fn problem(&self, called: &str, policy_version: i64, now: Timestamp, size_from: Option<NextCall>) -> Problem {
        let BlastLimit { name, per, within_seconds, because, .. } = self.limit;
        let policy = format!("this environment's policy (version {policy_version})");
        let because = because.as_ref().map(|because| format!(" {because}")).unwrap_or_default();
        let Some(max) = self.max else {
            let detail = format!(
                "{called} was not sent: the limit `{name}` of {policy} is a share of the directory, and how many records the directory \
                 has is not known.{because}"
            );
            let mut problem = Problem::gateway(Code::BlastRadiusExceeded, detail).with_hint(
                "Read the whole list once, without a filter of the vendor's and page by page until `next_cursor` is null; then call \
                 again.",
            );
            problem.body_mut().next_calls = size_from.into_iter().collect();
            return problem;
        };
        let window = within_seconds.map(|seconds| format!(" within {}", duration(seconds))).unwrap_or_default();
        let detail = format!(
            "{called} was not sent: the limit `{name}` of {policy} allows {max} changes per {}{window}, and {} have been counted.\
             {because}",
            per.as_str(),
            self.used
        );
        let freed = within_seconds.zip(self.frees).map(|(seconds, at)| at.plus_ms(seconds as i64 * 1000));
        let wait = freed.map(|at| (at.ms_since(now).max(0) as u64).div_ceil(1000).max(1));
        let hint = if wait.is_some() {
            "There is room again after `retry_after_seconds`. If this many changes are meant, report the name of the limit: an admin can \
             raise it in the policy (`qm policy show`, `qm policy set`)."
        } else {
            "It does not free up by waiting. If this many changes are meant, report the name of the limit: an admin can raise it in the \
             policy (`qm policy show`, `qm policy set`)."
        };
        Problem::gateway(Code::BlastRadiusExceeded, detail).with_hint(hint).with_retry(wait.is_some(), wait)
    }
}

/// One limit in an explanation: `{"limit", "per", "used", "max"}`; `used` before this call, `max` null where it is not known.
pub fn told(limit: &BlastLimit, used: u64, max: Option<u64>) -> Value {
    let mut told = Map::new();
    told.insert("limit".to_owned(), limit.name.as_str().into());
    told.insert("per".to_owned(), limit.per.as_str().into());
    told.insert("used".to_owned(), used.into());
    told.insert("max".to_owned(), max.into());
    Value::Object(told)
}

/// `90 s`, `15 min`, `1 h`, `2 d`: the largest unit that fits evenly.
fn duration(seconds: u64) -> String {
    let units = [(24 * 60 * 60, "d"), (60 * 60, "h"), (60, "min")];
    let fitting = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{seconds} s"), |(unit, name)| format!("{} {name}", seconds / unit))
}

#[cfg(test)]
mod tests;
