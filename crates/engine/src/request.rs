//! Builds a request from a method and its arguments: every value is escaped for the place where it stands.

mod body;
mod problem;
mod target;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quartermaster_definition::Method;
use quartermaster_definition::plan::{Argument, ArgumentPlace, BodyRule};
use quartermaster_expr::{Place, Root, Scope};
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value};

pub(crate) use body::Body;
pub(crate) use problem::render_problem;
pub(crate) use target::{Targets, has_dot_segment};

use crate::limits::URL_MAX_BYTES;

/// Everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Headers that belong to the connection or to the client, which no definition or argument may set.
const RESERVED_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "accept-encoding",
    "upgrade",
    "te",
    "trailer",
    "expect",
];

/// A request before authentication. Page parameters are added to a copy of it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// HTTP method.
    pub(crate) method: http::Method,
    /// Absolute URL with query.
    pub(crate) url: String,
    /// Headers, without authentication.
    pub(crate) headers: HeaderMap,
    /// Body.
    pub(crate) body: Body,
}

/// The values that a call's templates may use.
pub(crate) struct Values<'a> {
    /// The connection object.
    pub(crate) connection: &'a Map<String, Value>,
    /// The call's arguments.
    pub(crate) arguments: &'a Map<String, Value>,
}

impl Values<'_> {
    /// Runs `body` with the scope over these values.
    pub(crate) fn scope<T>(&self, body: impl FnOnce(&Scope<'_>) -> T) -> T {
        let roots = [("connection", Root::Object(self.connection))];
        body(&Scope { roots: &roots, arguments: self.arguments })
    }
}

impl Draft {
    /// The request of `method`, without page parameters.
    pub(crate) fn new(
        targets: &Targets,
        common_headers: &[(String, quartermaster_expr::Template)],
        method: &Method,
        values: &Values<'_>,
    ) -> Result<Self, Problem> {
        refuse_empty(method, values.arguments)?;
        let verb = http::Method::from_bytes(method.http_method.as_bytes())
            .map_err(|_| Problem::gateway(Code::Internal, "the definition names an HTTP method that is none"))?;
        let mut draft =
            Self { method: verb, url: String::with_capacity(160), headers: HeaderMap::new(), body: Body::None };
        values
            .scope(|scope| method.path.render(scope, Place::PathSegment))
            .map_err(|error| render_problem(&error, values.arguments))
            .and_then(|path| targets.join(&mut draft.url, &path))?;
        for (name, template) in &method.query {
            let name = escape(name);
            let value = values
                .scope(|scope| template.render(scope, Place::Query))
                .map_err(|error| render_problem(&error, values.arguments))?;
            push_query(&mut draft.url, &name, &value);
        }
        for (name, template) in common_headers.iter().chain(&method.headers) {
            let value = values
                .scope(|scope| template.render(scope, Place::Header))
                .map_err(|error| render_problem(&error, values.arguments))?;
            draft.set_header(name, &value)?;
        }
        draft.body = match method.body {
            BodyRule::None => Body::None,
            BodyRule::Json => Body::Json(method.fixed_body.clone().unwrap_or_else(|| Value::Object(Map::new()))),
            BodyRule::Form => Body::Form(Vec::new()),
        };
        for argument in &method.arguments {
            if let Some(value) = values.arguments.get(&argument.name).filter(|value| !value.is_null()) {
                draft.place(argument, value)?;
            }
        }
        draft.finish_headers();
        targets.check(&draft.url)?;
        Ok(draft)
    }

    /// Puts one argument where it belongs.
    fn place(&mut self, argument: &Argument, value: &Value) -> Result<(), Problem> {
        let value = sent(argument, value)?;
        match &argument.place {
            ArgumentPlace::Template | ArgumentPlace::ListOption | ArgumentPlace::LocalFilter => {}
            ArgumentPlace::Query(name) => match value {
                Value::Array(items) => items.iter().for_each(|item| self.add_query(name, &plain(item))),
                single => self.add_query(name, &plain(single)),
            },
            ArgumentPlace::Header(name) => {
                let text = plain(value);
                self.set_header(name, &text)
                    .map_err(|_| invalid(&argument.name, "has characters that a header cannot carry"))?;
            }
            ArgumentPlace::Body(pointer) => self.body.set(pointer, value.clone()).map_err(|reason| {
                Problem::gateway(
                    Code::Internal,
                    format!("argument {} cannot stand at {pointer}: {reason}", argument.name),
                )
            })?,
        }
        Ok(())
    }

    /// Adds a query parameter, escaped.
    pub(crate) fn add_query(&mut self, name: &str, value: &str) {
        push_query(&mut self.url, &escape(name), &escape(value));
    }

    /// Sets a header; refuses values with control characters and names that are the client's own.
    fn set_header(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let refused = |what: &str| Problem::gateway(Code::Internal, format!("the header {name:?} {what}"));
        let name_parsed = HeaderName::try_from(name).map_err(|_| refused("is not a header name"))?;
        if RESERVED_HEADERS.contains(&name_parsed.as_str()) {
            return Err(refused("is the client's own and cannot be set by a definition"));
        }
        let value = HeaderValue::try_from(value).map_err(|_| refused("has a value that a header cannot carry"))?;
        self.headers.insert(name_parsed, value);
        Ok(())
    }

    /// `accept`, and `content-type` where there is a body.
    fn finish_headers(&mut self) {
        if !self.headers.contains_key(http::header::ACCEPT) {
            self.headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        }
        if let Some(kind) = self.body.content_type()
            && !self.headers.contains_key(http::header::CONTENT_TYPE)
        {
            self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
    }
}

/// An argument that a template uses must not be empty: an empty id would turn `/users/{{ id }}` into `/users/`.
fn refuse_empty(method: &Method, arguments: &Map<String, Value>) -> Result<(), Problem> {
    let empty = |argument: &&Argument| {
        argument.place == ArgumentPlace::Template && arguments.get(&argument.name).and_then(Value::as_str) == Some("")
    };
    method.arguments.iter().find(empty).map_or(Ok(()), |argument| Err(invalid(&argument.name, "must not be empty")))
}

/// What is sent for the argument's value: the value itself, unless the definition maps it to another.
fn sent<'a>(argument: &'a Argument, value: &'a Value) -> Result<&'a Value, Problem> {
    if argument.values.is_empty() {
        return Ok(value);
    }
    let found = argument.values.iter().find(|(from, _)| from == value);
    found.map(|(_, to)| to).ok_or_else(|| {
        let known: Vec<String> = argument.values.iter().map(|(from, _)| plain(from)).collect();
        invalid(&argument.name, &format!("is not one of {}", known.join(", ")))
    })
}

/// An argument that cannot be sent.
pub(crate) fn invalid(argument: &str, detail: &str) -> Problem {
    Problem::caller(Code::InvalidArgument, format!("the argument `{argument}` {detail}"))
        .with_error(format!("/{argument}"), detail)
}

/// The text of a scalar as a query, a form or a header carries it; objects and arrays as JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Percent-encodes everything but unreserved characters.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Appends an escaped query parameter.
pub(crate) fn push_query(url: &mut String, name: &str, value: &str) {
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(name);
    url.push('=');
    url.push_str(value);
}

/// The URL as the client takes it.
pub(crate) fn parse_url(url: String) -> Result<http::Uri, Problem> {
    let length = url.len();
    if length > URL_MAX_BYTES {
        let detail = format!("the request's URL would have {length} bytes; at most {URL_MAX_BYTES} are sent");
        return Err(Problem::caller(Code::InvalidArgument, detail).with_hint("Give fewer or shorter arguments."));
    }
    http::Uri::try_from(url)
        .map_err(|_| Problem::gateway(Code::Internal, "the definition and the arguments do not make a valid URL"))
}
