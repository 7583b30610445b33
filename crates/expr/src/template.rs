//! `{{ dotted.path }}` templates.
use serde_json::{Map, Value};
use std::ops::Range;

/// Where a rendered value will stand; decides how it is escaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Inside a URL path segment: everything but unreserved characters is percent-encoded, `/` and `.`-only segments too.
    PathSegment,
    /// A query name or value.
    Query,
    /// A header value: control characters are an error.
    Header,
    /// Part of a base URL (scheme, host, port, path prefix): only characters that a host or path prefix may have.
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

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
}

impl Template {
    /// Parses `source`; see [`TemplateError`].
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        Ok(Self { source: source.to_owned() })
    }

    /// The source text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The dotted paths that it uses, with their byte spans in the source.
    pub fn paths(&self) -> Vec<(Vec<String>, Range<usize>)> {
        Vec::new()
    }

    /// Renders it; literal text is copied as it is, values are escaped for `place`.
    pub fn render(&self, scope: &Scope<'_>, place: Place) -> Result<String, RenderError> {
        let mut out = String::new();
        self.render_into(&mut out, scope, place)?;
        Ok(out)
    }

    /// Like [`Self::render`], appending to `out`.
    pub fn render_into(&self, out: &mut String, scope: &Scope<'_>, place: Place) -> Result<(), RenderError> {
        let _ = (scope, place);
        out.push_str(&self.source);
        Ok(())
    }
}
