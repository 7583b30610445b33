//! `{{ paths }}` in the texts of a script.
//!
//! A path begins with a root: `last` (the last result of a tool), `results` (all of them), `tool NAME` (the last result of
//! that tool), `goal` (the first words of the user), `said` (the last message as text) or `turn`. Then come steps: `.name`,
//! `.0`, `[name=value]` (the first of a list whose member is that text), and each of them with two dots or `..[…]` for the
//! first one anywhere below. At the end may stand filters: `| one_off` changes the last character, `| upper`, `| lower`,
//! `| json`. A text that is one template and nothing else keeps the type of what is there.

use serde_json::{Map, Value};

use super::conversation::Conversation;

/// How deep `..` looks.
const DEPTH_MAX: usize = 64;

#[derive(Debug, PartialEq)]
struct Path<'a> {
    root: Root<'a>,
    steps: Vec<Step<'a>>,
    filters: Vec<Filter>,
}

#[derive(Debug, PartialEq)]
enum Root<'a> {
    Last,
    Results,
    Tool(&'a str),
    Goal,
    Said,
    Turn,
}

#[derive(Debug, PartialEq)]
struct Step<'a> {
    anywhere: bool,
    to: To<'a>,
}

#[derive(Debug, PartialEq)]
enum To<'a> {
    Member(&'a str),
    Where(&'a str, &'a str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Filter {
    OneOff,
    Upper,
    Lower,
    Json,
}

/// Whether every template in a text can be read.
pub(super) fn check(text: &str) -> Result<(), String> {
    parts(text)?.into_iter().try_for_each(|part| match part {
        Part::Path(path) => parse(path).map(|_| ()),
        Part::Text(_) => Ok(()),
    })
}

/// The same for every text in a value.
pub(super) fn check_value(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) => check(text),
        Value::Array(items) => items.iter().try_for_each(check_value),
        Value::Object(members) => members.values().try_for_each(check_value),
        _ => Ok(()),
    }
}

/// A text with its templates filled in.
pub(super) fn fill(text: &str, conversation: &Conversation) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    for part in parts(text)? {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Path(path) => match found(path, conversation)? {
                Value::String(text) => filled.push_str(&text),
                other => filled.push_str(&other.to_string()),
            },
        }
    }
    Ok(filled)
}

/// A value with the templates in its texts filled in.
pub(super) fn fill_value(value: &Value, conversation: &Conversation) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => match parts(text)?.as_slice() {
            [Part::Path(path)] => found(path, conversation)?,
            _ => Value::String(fill(text, conversation)?),
        },
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill_value(item, conversation)).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), fill_value(value, conversation)?)));
            Value::Object(members.collect::<Result<Map<_, _>, String>>()?)
        }
        other => other.clone(),
    })
}

/// What stands at a path, if there is anything.
pub(super) fn look_up(path: &str, conversation: &Conversation) -> Option<Value> {
    found(path, conversation).ok()
}

fn found(path: &str, conversation: &Conversation) -> Result<Value, String> {
    let parsed = parse(path)?;
    let nothing = || format!("there is nothing at `{}`", path.trim());
    let mut value = match parsed.root {
        Root::Last => conversation.results.last().map(|result| result.content.clone()).ok_or_else(nothing)?,
        Root::Results => conversation.results.iter().map(|result| result.content.clone()).collect(),
        Root::Tool(name) => {
            let result = conversation.results.iter().rev().find(|result| result.tool == name).ok_or_else(nothing)?;
            result.content.clone()
        }
        Root::Goal => Value::String(conversation.goal.clone()),
        Root::Said => Value::String(conversation.last_text.clone()),
        Root::Turn => Value::from(conversation.turn),
    };
    for step in &parsed.steps {
        let next = if step.anywhere { anywhere(&value, &step.to, 0) } else { at(&value, &step.to) };
        value = next.cloned().ok_or_else(nothing)?;
    }
    Ok(parsed.filters.iter().fold(value, |value, filter| filter.apply(value)))
}

fn at<'v>(value: &'v Value, to: &To<'_>) -> Option<&'v Value> {
    match (value, to) {
        (Value::Object(members), To::Member(name)) => members.get(*name),
        (Value::Array(items), To::Member(name)) => items.get(name.parse::<usize>().ok()?),
        (Value::Array(items), To::Where(name, wanted)) => items.iter().find(|item| is(item, name, wanted)),
        _ => None,
    }
}

fn is(item: &Value, name: &str, wanted: &str) -> bool {
    match item.get(name) {
        Some(Value::String(text)) => text == wanted,
        // Numbers and booleans by their text.
        Some(other) => serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| *other == wanted),
        None => false,
    }
}

fn anywhere<'v>(value: &'v Value, to: &To<'_>, depth: usize) -> Option<&'v Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    let here = match (value, to) {
        (Value::Object(_), To::Where(name, wanted)) => is(value, name, wanted).then_some(value),
        (Value::Object(members), To::Member(name)) => members.get(*name),
        _ => None,
    };
    let below = || match value {
        Value::Object(members) => members.values().find_map(|value| anywhere(value, to, depth + 1)),
        Value::Array(items) => items.iter().find_map(|value| anywhere(value, to, depth + 1)),
        _ => None,
    };
    here.or_else(below)
}

impl Filter {
    fn apply(self, value: Value) -> Value {
        let text = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Value::String(match self {
            Self::OneOff => one_off(&text),
            Self::Upper => text.to_uppercase(),
            Self::Lower => text.to_lowercase(),
            Self::Json => value.to_string(),
        })
    }
}

/// The same but for its last character, which stays a letter or a digit where it was one.
fn one_off(text: &str) -> String {
    let Some(last) = text.chars().last() else { return "x".to_owned() };
    let other = match last {
        '9' => '0',
        'Z' => 'A',
        'z' => 'a',
        letter if letter.is_ascii_alphanumeric() => char::from(letter as u8 + 1),
        _ => 'x',
    };
    let kept = &text[..text.len() - last.len_utf8()];
    format!("{kept}{other}")
}

enum Part<'a> {
    Text(&'a str),
    Path(&'a str),
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (path, after) = after.split_once("}}").ok_or_else(|| format!("a template without an end in {text:?}"))?;
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Path(path));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

fn parse(path: &str) -> Result<Path<'_>, String> {
    let mut pieces = path.split('|').map(str::trim);
    let place = pieces.next().unwrap_or_default();
    let filters = pieces.map(|name| match name {
        "one_off" => Ok(Filter::OneOff),
        "upper" => Ok(Filter::Upper),
        "lower" => Ok(Filter::Lower),
        "json" => Ok(Filter::Json),
        other => Err(format!("there is no filter {other:?}; there are one_off, upper, lower, json")),
    });
    let filters = filters.collect::<Result<_, _>>()?;
    let (root, rest) = root(place)?;
    Ok(Path { root, steps: steps(rest)?, filters })
}

fn root(place: &str) -> Result<(Root<'_>, &str), String> {
    if let Some(rest) = place.strip_prefix("tool ") {
        let rest = rest.trim_start();
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        return Ok((Root::Tool(rest[..end].trim()), &rest[end..]));
    }
    let end = place.find(['.', '[']).unwrap_or(place.len());
    let root = match &place[..end] {
        "last" => Root::Last,
        "results" => Root::Results,
        "goal" => Root::Goal,
        "said" => Root::Said,
        "turn" => Root::Turn,
        other => {
            return Err(format!(
                "a path cannot begin with {other:?}; it begins with last, results, tool NAME, goal, said or turn"
            ));
        }
    };
    Ok((root, &place[end..]))
}

fn steps(mut rest: &str) -> Result<Vec<Step<'_>>, String> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (anywhere, after) = match (rest.strip_prefix(".."), rest.strip_prefix('.')) {
            (Some(after), _) => (true, after),
            (None, Some(after)) => (false, after),
            (None, None) => (false, rest),
        };
        let to;
        (to, rest) = if let Some(inside) = after.strip_prefix('[') {
            let (condition, rest) = inside.split_once(']').ok_or("a `[` without its `]`")?;
            let (name, value) = condition.split_once('=').ok_or("inside `[…]` stands name=value")?;
            (To::Where(name.trim(), value.trim()), rest)
        } else {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return Err("a step without a name".to_owned());
            }
            (To::Member(&after[..end]), &after[end..])
        };
        steps.push(Step { anywhere, to });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::conversation::ToolResult;
    use super::*;

    fn conversation() -> Conversation {
        let list = json!({"data": {"result": [
            {"id": "AB1", "email": "a@b.example", "n": 1},
            {"id": "AB9", "email": "c@d.example", "n": 2},
        ]}});
        Conversation {
            turn: 3,
            goal: "suspend c@d.example".to_owned(),
            last_text: "words".to_owned(),
            tools: vec!["list".to_owned()],
            results: vec![
                ToolResult::new("list".to_owned(), &format!("What follows is data.\n{list}\nThat was it.")),
                ToolResult::new("get".to_owned(), "no such user"),
            ],
        }
    }

    #[test]
    fn paths_find_what_is_there() {
        let conversation = conversation();
        for (text, expected) in [
            ("{{ tool list.data.result.0.id }}", json!("AB1")),
            ("{{ tool list.data.result[email=c@d.example].id }}", json!("AB9")),
            ("{{ tool list..[email=c@d.example].n }}", json!(2)),
            ("{{ tool list..id | one_off }}", json!("AB2")),
            ("{{ results.0..[n=2].id|one_off|lower }}", json!("ab0")),
            ("{{last}}", json!("no such user")),
            ("{{ turn }}", json!(3)),
            ("{{ goal }} / {{ said | upper }} / {{ turn }}", json!("suspend c@d.example / WORDS / 3")),
            ("{{ results.0.data.result.0 | json }}", json!(r#"{"id":"AB1","email":"a@b.example","n":1}"#)),
            ("plain", json!("plain")),
        ] {
            check(text).unwrap();
            assert_eq!(fill_value(&json!(text), &conversation), Ok(expected), "{text}");
        }
        let nested = fill_value(&json!({"a": ["{{ turn }}", {"b": "x{{ turn }}"}]}), &conversation);
        assert_eq!(nested, Ok(json!({"a": [3, {"b": "x3"}]})));
    }

    #[test]
    fn what_is_not_there_is_said() {
        let conversation = conversation();
        for text in ["{{ last.id }}", "{{ tool none }}", "{{ tool list.data.result.7 }}", "{{ results..[email=x].id }}"]
        {
            check(text).unwrap();
            assert!(fill(text, &conversation).unwrap_err().starts_with("there is nothing at"), "{text}");
        }
    }

    #[test]
    fn bad_templates_are_found_before_they_are_used() {
        for text in
            ["{{ last", "{{ first.id }}", "{{ last.x[a=b }}", "{{ last[a] }}", "{{ last. }}", "{{ last | reverse }}"]
        {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_off_is_another_text_of_the_same_kind() {
        for text in ["A", "z", "Z", "9", "0", "IR7V", "é", ""] {
            let other = one_off(text);
            assert_ne!(other, text);
            assert_eq!(other.chars().count(), text.chars().count().max(1));
        }
    }
}
