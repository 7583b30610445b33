//! Values that were given as an id and are none: why, and the call that finds the id.

use regex::Regex;
use serde_json::Value;

use super::words::excerpt;
use crate::plan::{IdRule, NamedCall, Resource};

/// Longest value, in bytes, that is put into the call that finds the record.
const FIND_VALUE_MAX_BYTES: usize = 256;

/// Why a value is not an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdMistakeKind {
    /// Nothing, or only spaces.
    Blank,
    /// An e-mail address, or anything else with an `@`.
    EmailAddress,
    /// The id with spaces, quotes or brackets around it.
    Wrapped,
    /// A name: words with spaces between.
    Name,
    /// Too short or too long.
    Length,
    /// A character that ids of this resource do not have.
    Alphabet,
    /// Anything else.
    Other,
}

/// A value that is not an id.
#[derive(Clone, Debug, PartialEq)]
pub struct IdMistake {
    /// Why not.
    pub kind: IdMistakeKind,
    /// Why not, in words, without a full stop.
    pub detail: String,
    /// What an id is and how to come by it.
    pub hint: String,
    /// The call that finds the record, filled in where the value is of use to it.
    pub find: Option<NamedCall>,
}

/// Whether `value` cannot be an id of `resource`, and why. `None`: it may be one.
///
/// Without a pattern only blank values, values with an `@` and values with spaces or control characters are refused.
pub fn id_mistake(resource: &Resource, value: &str) -> Option<IdMistake> {
    let rule = &resource.id;
    if rule.pattern.as_ref().is_some_and(|pattern| pattern.is_match(value)) && !value.trim().is_empty() {
        return None;
    }
    let (kind, detail) = diagnose(rule, value)?;
    let singular = &resource.singular;
    let rule_words = rule
        .description
        .clone()
        .unwrap_or_else(|| format!("Use the exact id that a read of {} returned.", resource.name));
    let hint = match &rule.find {
        Some(find) => format!(
            "{rule_words} Find the {singular} with {}.{} (see `next_calls`), take its exact id from the answer and call again. Do not guess an id.",
            find.resource, find.method
        ),
        None => format!("{rule_words} Read the {singular} first and take its exact id. Do not guess an id."),
    };
    let find = rule.find.as_ref().map(|find| fill_in(find, value.trim(), kind));
    Some(IdMistake { kind, detail, hint, find })
}

fn diagnose(rule: &IdRule, value: &str) -> Option<(IdMistakeKind, String)> {
    let trimmed = value.trim();
    if trimmed.is_empty() {
        return Some((IdMistakeKind::Blank, "the id is empty".to_owned()));
    }
    let shown = excerpt(value);
    if value.contains('@') {
        return Some((IdMistakeKind::EmailAddress, format!("{shown} is an e-mail address, not an id")));
    }
    let bare = trimmed.trim_matches(['"', '\'', '`', '<', '>', '{', '}', '[', ']', '(', ')']).trim();
    if bare != value && rule.pattern.as_ref().is_some_and(|pattern| pattern.is_match(bare)) {
        return Some((
            IdMistakeKind::Wrapped,
            format!("{shown} has something around the id: spaces, quotes or brackets"),
        ));
    }
    if trimmed.contains(char::is_whitespace) {
        return Some((IdMistakeKind::Name, format!("{shown} looks like a name, not an id")));
    }
    let Some(pattern) = &rule.pattern else {
        let control = value.chars().any(|character| character.is_control() || character.is_whitespace());
        return control.then(|| (IdMistakeKind::Alphabet, format!("{shown} holds spaces or control characters")));
    };
    Some(against_pattern(pattern, value, &shown))
}

/// Length and alphabet, told apart where the pattern is simple enough to say.
fn against_pattern(pattern: &Regex, value: &str, shown: &str) -> (IdMistakeKind, String) {
    let other = || (IdMistakeKind::Other, format!("{shown} does not look like an id (ids match {pattern})"));
    let Some((class, low, high)) = simple_pattern(pattern.as_str()) else { return other() };
    let Ok(alphabet) = Regex::new(&format!("^{class}$")) else { return other() };
    let length = value.chars().count();
    if length < low || length > high {
        let wanted = match (low, high) {
            (low, high) if low == high => format!("{low} characters"),
            (low, usize::MAX) => format!("at least {low} characters"),
            (low, high) => format!("{low} to {high} characters"),
        };
        return (IdMistakeKind::Length, format!("{shown} has {length} characters; an id has {wanted}"));
    }
    match value.chars().find(|character| !alphabet.is_match(character.encode_utf8(&mut [0; 4]))) {
        Some(character) => (
            IdMistakeKind::Alphabet,
            format!("{shown} holds {character:?}, which ids do not have (ids match {pattern})"),
        ),
        None => other(),
    }
}

/// Reads `^[class]{n}$`, `^[class]{n,m}$`, `^[class]+$` and the like.
fn simple_pattern(pattern: &str) -> Option<(&str, usize, usize)> {
    let body = pattern.strip_prefix('^')?.strip_suffix('$')?;
    let class_end = match body.as_bytes().first()? {
        b'[' => body.find(']')? + 1,
        b'\\' => 2,
        _ => return None,
    };
    let (class, repeat) = body.split_at_checked(class_end)?;
    match repeat {
        "+" => return Some((class, 1, usize::MAX)),
        "*" => return Some((class, 0, usize::MAX)),
        "" => return Some((class, 1, 1)),
        _ => {}
    }
    let counts = repeat.strip_prefix('{')?.strip_suffix('}')?;
    match counts.split_once(',') {
        None => counts.parse().ok().map(|count| (class, count, count)),
        Some((low, "")) => low.parse().ok().map(|low| (class, low, usize::MAX)),
        Some((low, high)) => Some((class, low.parse().ok()?, high.parse().ok()?)),
    }
}

/// The find call with `{value}` replaced. An argument that wants an e-mail address is left out for a value that is none:
/// it could find nothing.
fn fill_in(find: &NamedCall, value: &str, kind: IdMistakeKind) -> NamedCall {
    let is_email = kind == IdMistakeKind::EmailAddress;
    let arguments = find
        .arguments
        .iter()
        .filter(|(name, argument)| {
            let takes_value = argument.as_str().is_some_and(|text| text.contains("{value}"));
            let useful = kind != IdMistakeKind::Blank && value.len() <= FIND_VALUE_MAX_BYTES;
            !takes_value || (useful && (is_email || !name.contains("email")))
        })
        .map(|(name, argument)| {
            let filled = match argument {
                Value::String(text) => Value::String(text.replace("{value}", value)),
                other => other.clone(),
            };
            (name.clone(), filled)
        })
        .collect();
    NamedCall { resource: find.resource.clone(), method: find.method.clone(), arguments }
}
