//! Lists, parameters and dictionaries in header values. A field with anything malformed in it is ignored as a whole, as
//! the drafts want it.

use quartermaster_types::Timestamp;

use super::POLICIES_MAX;
use super::gauge::{Gauge, policy_name, window};

/// Largest integer of a structured field.
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// A count of requests: digits, nothing else (a fraction of zeros is let pass).
pub(super) fn count(text: &str) -> Option<u64> {
    let text = text.trim();
    let text = text
        .split_once('.')
        .filter(|(_, zeros)| zeros.bytes().all(|digit| digit == b'0'))
        .map_or(text, |(whole, _)| whole);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= INTEGER_MAX)
}

/// Splits at a separator outside quotes; `None` when a quote is not closed or there are too many parts.
fn split(text: &str, is_separator: impl Fn(u8) -> bool) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if !quoted && is_separator(byte) => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    (!quoted && parts.len() <= POLICIES_MAX).then_some(parts)
}

/// A list member: what it says, and its parameters with lower-case keys.
struct Member<'t> {
    item: &'t str,
    parameters: Vec<(String, &'t str)>,
}

impl<'t> Member<'t> {
    fn get(&self, key: &str) -> Option<&'t str> {
        self.parameters.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The item as a name: a string or a token.
    fn name(&self) -> Option<String> {
        policy_name(unquoted(self.item))
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn members(text: &str) -> Option<Vec<Member<'_>>> {
    split(text, |byte| byte == b',')?
        .into_iter()
        .map(|member| {
            let mut parts = split(member, |byte| byte == b';')?.into_iter();
            let item = parts.next().filter(|item| !item.is_empty())?;
            let parameters = parts.map(|part| {
                let (key, value) = part.split_once('=').unwrap_or((part, "?1"));
                (!key.trim().is_empty()).then(|| (key.trim().to_ascii_lowercase(), value.trim()))
            });
            Some(Member { item, parameters: parameters.collect::<Option<_>>()? })
        })
        .collect()
}

/// A parameter that is there and is no number.
struct Malformed;

/// An optional parameter that must be a number when it is there.
fn parameter(member: &Member<'_>, key: &str) -> Result<Option<u64>, Malformed> {
    member.get(key).map(|value| count(value).ok_or(Malformed)).transpose()
}

/// A reset; malformed when it is no number. One that is out of range is only dropped.
fn parameter_reset(
    value: Option<&str>,
    reset: impl Fn(&str) -> Option<Timestamp>,
) -> Result<Option<Timestamp>, Malformed> {
    let Some(text) = value else { return Ok(None) };
    let moment = reset(text);
    if moment.is_none() && count(text).is_none() { Err(Malformed) } else { Ok(moment) }
}

/// `100, 100;w=10, 5000;w=3600`: numbers with windows.
pub(super) fn quotas(text: &str) -> Option<Vec<Gauge>> {
    members(text)?.iter().map(quota).collect()
}

fn quota(member: &Member<'_>) -> Option<Gauge> {
    let window_seconds = parameter(member, "w").ok()?.and_then(window);
    Some(Gauge { limit: Some(count(member.item)?), window_seconds, ..Gauge::default() })
}

/// `ratelimit-policy` of any draft: `100;w=60` or `"burst";q=100;w=60`. Policies that count something else than requests
/// are left out.
pub(super) fn policies(text: &str) -> Option<Vec<Gauge>> {
    let mut policies = Vec::new();
    for member in members(text)? {
        if count(member.item).is_some() {
            policies.push(quota(&member)?);
            continue;
        }
        let limit = count(member.get("q")?)?;
        let window_seconds = parameter(&member, "w").ok()?.and_then(window);
        if member.get("qu").is_none_or(|unit| unquoted(unit) == "requests") {
            policies.push(Gauge { name: member.name(), limit: Some(limit), window_seconds, ..Gauge::default() });
        }
    }
    Some(policies)
}

/// `ratelimit` of draft 07 (`limit=100, remaining=50, reset=5`, with semicolons too) or of draft 08 and later
/// (`"default";r=50;t=30`, several items).
pub(super) fn states(text: &str, reset: impl Fn(&str) -> Option<Timestamp>) -> Option<Vec<Gauge>> {
    let is_list = text.trim_start().starts_with('"') || !text.split([',', ';']).next()?.contains('=');
    if !is_list {
        return Some(vec![dictionary(text, reset)?]);
    }
    members(text)?
        .iter()
        .map(|member| {
            let remaining = count(member.get("r")?)?;
            let reset_at = parameter_reset(member.get("t"), &reset).ok()?;
            Some(Gauge {
                name: Some(member.name()?),
                limit: parameter(member, "q").ok()?,
                remaining: Some(remaining),
                reset_at,
                window_seconds: parameter(member, "w").ok()?.and_then(window),
            })
        })
        .collect()
}

/// `limit=100, remaining=50, reset=5` and its relatives: `total=100; remaining=98; resets=30`. Other keys are passed over.
pub(super) fn dictionary(text: &str, reset: impl Fn(&str) -> Option<Timestamp>) -> Option<Gauge> {
    let mut gauge = Gauge::default();
    for part in split(text, |byte| matches!(byte, b',' | b';'))?.into_iter().filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=')?;
        match key.trim().to_ascii_lowercase().as_str() {
            "limit" | "total" => gauge.limit = Some(count(value)?),
            "remaining" => gauge.remaining = Some(count(value)?),
            "reset" | "resets" => gauge.reset_at = parameter_reset(Some(value.trim()), &reset).ok()?,
            "w" => gauge.window_seconds = window(count(value)?),
            _ => {}
        }
    }
    gauge.says_something().then_some(gauge)
}

/// States with what their policies add, then the policies of which no state is told. When there are states, those alone
/// are candidates for being spent, since a policy without a state tells nothing of what is left.
pub(super) fn merged(states: Vec<Gauge>, policies: Vec<Gauge>) -> Vec<Gauge> {
    let mut rest = policies;
    let mut merged = Vec::with_capacity(states.len() + rest.len());
    let is_only = states.len() == 1 && rest.len() == 1;
    for mut state in states {
        let same = |policy: &Gauge| match (&state.name, &policy.name) {
            (Some(state), Some(policy)) => state == policy,
            _ => is_only || (state.limit.is_some() && state.limit == policy.limit),
        };
        if let Some(position) = rest.iter().position(same) {
            let policy = rest.remove(position);
            state.limit = state.limit.or(policy.limit);
            state.window_seconds = state.window_seconds.or(policy.window_seconds);
            state.name = state.name.or(policy.name);
        }
        merged.push(state);
    }
    merged.append(&mut rest);
    merged
}

/// A limit header and a remaining header that may both hold lists of the same length (several windows); else the first
/// member of the limit counts, and members with windows after it are policies.
pub(super) fn paired(limit: Option<&str>, remaining: Option<&str>) -> Vec<Gauge> {
    let limits = limit.and_then(quotas).unwrap_or_default();
    let remainders: Option<Vec<u64>> = remaining.and_then(|text| text.split(',').map(count).collect());
    let remainders = remainders.filter(|list| list.len() <= POLICIES_MAX).unwrap_or_default();
    if limits.len() == remainders.len() {
        let pair = |(limit, remaining)| Gauge { remaining: Some(remaining), ..limit };
        return limits.into_iter().zip(remainders).map(pair).collect();
    }
    let remaining = if remainders.len() == 1 { remainders.first().copied() } else { None };
    let mut limits = limits.into_iter();
    let first = limits.next().unwrap_or_default();
    let mut gauges = vec![Gauge { remaining, ..first }];
    // `100, 100;w=10`: the second member is the policy behind the first.
    for policy in limits {
        if policy.limit == gauges[0].limit && gauges[0].window_seconds.is_none() {
            gauges[0].window_seconds = policy.window_seconds;
        } else {
            gauges.push(policy);
        }
    }
    gauges.retain(Gauge::says_something);
    gauges
}
