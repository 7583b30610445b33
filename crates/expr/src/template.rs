//! `{{ dotted.path }}` templates.
//!
//! There are no filters and no logic on purpose: what must be computed is a CEL expression. `{{` always begins a
//! placeholder; a single brace is literal text.

mod escape;
mod parse;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde_json::{Map, Value};

/// The longest template, in bytes.
pub const TEMPLATE_MAX_BYTES: usize = 8 * 1024;
/// The most parts (literal texts and placeholders) of a template.
pub const TEMPLATE_PARTS_MAX: usize = 64;
/// The longest text that rendering one template may give, in bytes.
pub const RENDERED_MAX_BYTES: usize = 64 * 1024;

/// Where a rendered value will stand; decides how it is escaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Inside a URL path segment: everything but unreserved characters is percent-encoded; an empty value, `.` and `..`
    /// are refused, and so are control characters.
    PathSegment,
    /// A query name or value: everything but unreserved characters is percent-encoded.
    Query,
    /// A header value: control characters and what is not ASCII are refused.
    Header,
    /// Part of a base URL (scheme, host, port, path prefix): only letters, digits and `. - _ : /`, and no `..`.
    BaseUrl,
    /// As it is (JSON and form bodies are escaped by their serialisers).
    Plain,
}

/// One named source of values.
#[derive(Clone, Copy)]
pub enum Root<'a> {
    /// `{{ connection.region }}`: an object.
    Object(&'a Map<String, Value>),
    /// `{{ base_url }}`: a plain text.
    Text(&'a str),
    /// `{{ credentials.api_key }}`: texts looked up by name, so that a caller can keep them in a secret type.
    Lookup(&'a dyn Fn(&str) -> Option<&'a str>),
}

/// The values that a template may use. A bare name (`{{ id }}`) is looked up in `arguments`, unless a root has that name.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Named roots.
    pub roots: &'a [(&'a str, Root<'a>)],
    /// The call's arguments.
    pub arguments: &'a Map<String, Value>,
}

/// A template that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Byte range in the source.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
}

/// A template that cannot be rendered: a value is missing, or must not stand in that place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// No value under this path. Never an empty string.
    #[error("`{path}` has no value")]
    Missing {
        /// The dotted path.
        path: String,
    },
    /// The value is not one that this place can hold (an object, a line break in a header, `..` as a path segment).
    #[error("the value of `{path}` {reason}")]
    Unsuitable {
        /// The dotted path.
        path: String,
        /// Why not; never the value itself, which may be secret.
        reason: &'static str,
    },
}

/// A parsed template. Cloning is cheap enough for set-up code; calls borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Text that is copied.
    Literal(Range<usize>),
    /// A placeholder: the segments of its path, and the span of the path in the source.
    Value { path: Vec<String>, span: Range<usize> },
}

/// A value that can be put into a text.
enum Found<'a> {
    Text(&'a str),
    Number(&'a serde_json::Number),
    Boolean(bool),
}

impl Template {
    /// Parses `source`; see [`TemplateError`].
    ///
    /// A path is one or more names (`[A-Za-z_][A-Za-z0-9_]*`) joined by dots. At most [`TEMPLATE_MAX_BYTES`] and
    /// [`TEMPLATE_PARTS_MAX`].
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        parse::parse(source).map(|parts| Self { source: source.to_owned(), parts })
    }

    /// The source text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The dotted paths that it uses, with their byte spans in the source.
    pub fn paths(&self) -> Vec<(Vec<String>, Range<usize>)> {
        let used = self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Value { path, span } => Some((path.clone(), span.clone())),
        });
        used.collect()
    }

    /// The text when there is no placeholder in it.
    pub fn as_literal(&self) -> Option<&str> {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_))).then_some(self.source.as_str())
    }

    /// Renders it; literal text is copied as it is, values are escaped for `place`.
    pub fn render(&self, scope: &Scope<'_>, place: Place) -> Result<String, RenderError> {
        let mut out = String::with_capacity(self.source.len() + 32);
        self.render_into(&mut out, scope, place)?;
        Ok(out)
    }

    /// Like [`Self::render`], appending to `out`. What this template adds is bounded by [`RENDERED_MAX_BYTES`]; after an
    /// error `out` holds an unfinished text.
    pub fn render_into(&self, out: &mut String, scope: &Scope<'_>, place: Place) -> Result<(), RenderError> {
        let start = out.len();
        for part in &self.parts {
            match part {
                Part::Literal(span) => out.push_str(&self.source[span.clone()]),
                Part::Value { path, .. } => {
                    let room = RENDERED_MAX_BYTES.saturating_sub(out.len() - start);
                    let found = look_up(scope, path)?;
                    put(out, &found, place, room)
                        .map_err(|reason| RenderError::Unsuitable { path: path.join("."), reason })?;
                }
            }
        }
        Ok(())
    }
}

/// Appends a value in its place's form, at most `room` bytes of it.
fn put(out: &mut String, found: &Found<'_>, place: Place, room: usize) -> Result<(), &'static str> {
    match found {
        Found::Text(text) => escape::append(out, text, place, room),
        Found::Number(number) => escape::append(out, &number.to_string(), place, room),
        Found::Boolean(value) => escape::append(out, if *value { "true" } else { "false" }, place, room),
    }
}

fn look_up<'a>(scope: &Scope<'a>, path: &[String]) -> Result<Found<'a>, RenderError> {
    let missing = || RenderError::Missing { path: path.join(".") };
    let Some((first, rest)) = path.split_first() else { return Err(missing()) };
    match scope.roots.iter().find(|(name, _)| name == first) {
        Some((_, Root::Text(text))) if rest.is_empty() => Ok(Found::Text(text)),
        Some((_, Root::Text(_))) => Err(missing()),
        Some((_, Root::Lookup(look_up))) => match rest {
            [name] => look_up(name).map(Found::Text).ok_or_else(missing),
            _ => Err(missing()),
        },
        Some((_, Root::Object(object))) => walk(object, rest, path),
        None => walk(scope.arguments, path, path),
    }
}

/// Follows `rest` down from `object`; `path` is the whole path, for errors.
fn walk<'a>(object: &'a Map<String, Value>, rest: &[String], path: &[String]) -> Result<Found<'a>, RenderError> {
    let missing = || RenderError::Missing { path: path.join(".") };
    let unsuitable = |reason| RenderError::Unsuitable { path: path.join("."), reason };
    let Some((first, rest)) = rest.split_first() else { return Err(unsuitable("is an object, not a text")) };
    let mut value = object.get(first).ok_or_else(missing)?;
    for name in rest {
        value = value.get(name).ok_or_else(missing)?;
    }
    match value {
        Value::Null => Err(missing()),
        Value::Bool(value) => Ok(Found::Boolean(*value)),
        Value::Number(number) => Ok(Found::Number(number)),
        Value::String(text) => Ok(Found::Text(text)),
        Value::Array(_) => Err(unsuitable("is a list, not a text")),
        Value::Object(_) => Err(unsuitable("is an object, not a text")),
    }
}
