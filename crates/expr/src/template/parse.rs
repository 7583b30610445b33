//! From text to parts.

use super::{Part, TEMPLATE_MAX_BYTES, TEMPLATE_PARTS_MAX, TemplateError};

/// Splits a template into literal texts and placeholders.
pub(super) fn parse(source: &str) -> Result<Vec<Part>, TemplateError> {
    if source.len() > TEMPLATE_MAX_BYTES {
        let message = format!("a template has at most {TEMPLATE_MAX_BYTES} bytes, this one has {}", source.len());
        return Err(TemplateError { span: 0..source.len(), message });
    }
    let mut parts = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let open = source[at..].find("{{").map_or(source.len(), |offset| at + offset);
        if let Some(offset) = source[at..open].find("}}") {
            let start = at + offset;
            return Err(error(start, start + 2, "`}}` without `{{` before it"));
        }
        if open > at {
            parts.push(Part::Literal(at..open));
        }
        if open < source.len() {
            let (part, next) = placeholder(source, open)?;
            parts.push(part);
            at = next;
        } else {
            at = open;
        }
        if parts.len() > TEMPLATE_PARTS_MAX {
            return Err(error(open, source.len(), format!("a template has at most {TEMPLATE_PARTS_MAX} parts")));
        }
    }
    Ok(parts)
}

fn error(start: usize, end: usize, message: impl Into<String>) -> TemplateError {
    TemplateError { span: start..end, message: message.into() }
}

/// Reads the placeholder that begins at `open`; gives it and the position after it.
fn placeholder(source: &str, open: usize) -> Result<(Part, usize), TemplateError> {
    let inner = open + 2;
    let close = source[inner..].find("}}").map(|offset| inner + offset);
    let Some(close) = close else { return Err(error(open, source.len(), "`{{` is never closed by `}}`")) };
    let text = &source[inner..close];
    let path_text = text.trim();
    if path_text.is_empty() {
        return Err(error(open, close + 2, "an empty placeholder: name a value, such as `{{ connection.region }}`"));
    }
    if let Some(bar) = text.find('|') {
        let message = "templates have no filters; compute the value in a condition or send it mapped";
        return Err(error(inner + bar, close, message));
    }
    let start = inner + (text.len() - text.trim_start().len());
    let span = start..start + path_text.len();
    let mut path = Vec::new();
    let mut at = span.start;
    for name in path_text.split('.') {
        check_name(name, at)?;
        path.push(name.to_owned());
        at += name.len() + 1;
    }
    Ok((Part::Value { path, span }, close + 2))
}

fn check_name(name: &str, at: usize) -> Result<(), TemplateError> {
    if name.is_empty() {
        return Err(error(at, at, "a name is missing beside the dot"));
    }
    let wrong = name.char_indices().find(|(index, character)| {
        !(character.is_ascii_alphabetic() || *character == '_' || (*index > 0 && character.is_ascii_digit()))
    });
    match wrong {
        None => Ok(()),
        Some((index, character)) => {
            let message = format!("`{character}` cannot stand in a name; a placeholder is a dotted path of names");
            Err(error(at + index, at + index + character.len_utf8(), message))
        }
    }
}
