//! Values that have no parts.

use quartermaster_expr::{Program, Template};
use quartermaster_types::Code;

use super::check::wrong_type;
use super::{Shape, one_of, suggest};
use crate::build::schema_value;
use crate::diagnostics::Rule;
use crate::report::{Report, did_you_mean};
use crate::tree::{Data, Node};

/// The longest name of an argument, resource, method or field.
pub(crate) const NAME_MAX: usize = 64;
/// The longest duration, in seconds: a year.
const DURATION_SECONDS_MAX: u64 = 366 * 24 * 3600;
/// The memory that one compiled pattern may take, in bytes.
pub(crate) const PATTERN_SIZE_MAX: usize = 256 * 1024;

/// Notes what is wrong with a value that has no parts.
pub(super) fn check(node: &Node, shape: &Shape, report: &mut Report<'_>) {
    match (shape, &node.data) {
        (Shape::Scalar, Data::Null | Data::Boolean(_) | Data::Number(_) | Data::Text(_))
        | (Shape::ScalarTemplate, Data::Boolean(_) | Data::Number(_))
        | (Shape::Boolean, Data::Boolean(_))
        | (Shape::Number, Data::Number(_)) => {}
        (Shape::Integer { min, max }, Data::Number(number)) => {
            if !number.as_u64().is_some_and(|value| (*min..=*max).contains(&value)) {
                report.error(node, Rule::WrongValue, format!("expected {}, found {number}", shape.wanted()));
            }
        }
        (Shape::Duration, Data::Number(_) | Data::Text(_)) => {
            if duration_seconds(node).is_none() {
                let message = format!("expected {}, from one second to a year", shape.wanted());
                report.error(node, Rule::WrongValue, message);
            }
        }
        (Shape::Schema, Data::Map(_)) => schema_value::check(node, report),
        (_, Data::Text(text)) => check_text(node, shape, text, report),
        _ => wrong_type(node, shape, report),
    }
}

fn check_text(node: &Node, shape: &Shape, text: &str, report: &mut Report<'_>) {
    match shape {
        Shape::Text if text.trim().is_empty() => report.error(node, Rule::WrongValue, "this text must not be empty"),
        Shape::Text => {}
        Shape::Template | Shape::ScalarTemplate => {
            if let Err(error) = Template::parse(text) {
                report.error_within(node, error.span, Rule::BadTemplate, error.message, None);
            }
        }
        Shape::Expression(variables) => {
            if let Err(error) = Program::compile(text, variables) {
                report.error_within(node, error.span, Rule::BadExpression, error.message, None);
            }
        }
        Shape::Pointer => {
            if let Err(message) = pointer(text) {
                report.error(node, Rule::BadPointer, message);
            }
        }
        Shape::Pattern => {
            if let Err(message) = pattern(text) {
                report.error(node, Rule::BadPattern, message);
            }
        }
        Shape::Header => {
            if let Err(message) = header_name(text) {
                report.error(node, Rule::BadHeader, message);
            }
        }
        Shape::IntegrationName => {
            if let Err(message) = integration_name(text) {
                report.error(node, Rule::BadName, message);
            }
        }
        Shape::MethodName => {
            if text.split_once('.').is_none_or(|(resource, method)| resource.is_empty() || method.is_empty()) {
                report.error(node, Rule::UnknownMethod, format!("expected {}", shape.wanted()));
            }
        }
        Shape::Choice(names) => {
            if !names.contains(&text) {
                let help = suggest(text, names.iter().copied()).map(|name| format!("did you mean `{name}`?"));
                report.error_within(node, 0..text.len(), Rule::WrongValue, format!("expected {}", one_of(names)), help);
            }
        }
        Shape::Code => {
            if !Code::ALL.iter().any(|code| code.as_str() == text) {
                let help = did_you_mean(text, Code::ALL.iter().map(|code| code.as_str()));
                let message = format!("there is no problem code `{text}`");
                report.error_within(node, 0..text.len(), Rule::WrongValue, message, help);
            }
        }
        _ => wrong_type(node, shape, report),
    }
}

/// `900s`, `15m`, `1h`, `2d` or a number of seconds; `None` when it is none of these or out of bounds.
pub fn duration_seconds(node: &Node) -> Option<u64> {
    let seconds = match &node.data {
        Data::Number(number) => number.as_u64()?,
        Data::Text(text) => {
            let digits = text.find(|character: char| !character.is_ascii_digit())?;
            let factor = match &text[digits..] {
                "s" => 1,
                "m" => 60,
                "h" => 3600,
                "d" => 24 * 3600,
                _ => return None,
            };
            text[..digits].parse::<u64>().ok()?.checked_mul(factor)?
        }
        _ => return None,
    };
    (1..=DURATION_SECONDS_MAX).contains(&seconds).then_some(seconds)
}

/// A name that goes into tool names and arguments.
pub fn snake_case(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(legal) && name.len() <= NAME_MAX {
        Ok(())
    } else {
        Err(format!(
            "`{}` is not snake_case: lower-case letters, digits and underscores, a letter first, at most {NAME_MAX}",
            name.escape_debug()
        ))
    }
}

fn integration_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    if name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(legal)
        && name.len() <= NAME_MAX
    {
        Ok(())
    } else {
        Err(format!("an integration's name has lower-case letters, digits, `-` and `_`, at most {NAME_MAX}"))
    }
}

/// A header name as HTTP has it, and not one that frames the message or that the gateway sets itself.
pub(super) fn header_name(name: &str) -> Result<(), String> {
    const OURS: &[&str] = &[
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(token) {
        return Err(format!("`{}` is not a header name", name.escape_debug()));
    }
    if OURS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("the header `{name}` is the HTTP client's own and cannot be declared"));
    }
    Ok(())
}

fn pointer(text: &str) -> Result<(), String> {
    if !text.is_empty() && !text.starts_with('/') {
        return Err(format!("a JSON Pointer is empty or begins with `/`; did you mean `/{text}`?"));
    }
    let tildes_are_escapes =
        text.match_indices('~').all(|(at, _)| matches!(text.as_bytes().get(at + 1), Some(b'0' | b'1')));
    if !tildes_are_escapes {
        return Err("in a JSON Pointer `~` is written `~0` and `/` in a name `~1`".to_owned());
    }
    Ok(())
}

fn pattern(text: &str) -> Result<(), String> {
    match regex::RegexBuilder::new(text).size_limit(PATTERN_SIZE_MAX).build() {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or("it does not compile").trim_start_matches("error: ");
            Err(format!("not a regular expression: {reason}"))
        }
    }
}
