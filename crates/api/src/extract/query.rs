//! Query parameters: each known by name, once, or refused.

use std::str::FromStr;

use http::Uri;
use percent_encoding::percent_decode;
use quartermaster_types::FieldError;

use super::{pointer, unknown};
use crate::failure::Failure;

/// The parameters of a request. Take those that are known, then [`Query::finish`] or [`Query::rest`]: everything wrong is
/// reported then, at once.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl Query {
    /// Reads the query of `uri`.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Failure> {
        let mut pairs = Vec::new();
        for part in uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) => pairs.push((name, value)),
                _ => return Err(Failure::invalid("The query is not UTF-8 after percent-decoding.", Vec::new())),
            }
        }
        Ok(Self { pairs, known: Vec::new(), errors: Vec::new() })
    }

    /// A text, when it is given; not empty.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let at = self.pairs.iter().position(|(given, _)| given == name)?;
        let (_, value) = self.pairs.remove(at);
        if self.pairs.iter().any(|(given, _)| given == name) {
            self.pairs.retain(|(given, _)| given != name);
            self.wrong(name, "Is given more than once.");
            return None;
        }
        if value.is_empty() {
            self.wrong(name, "Is empty; leave it out instead.");
            return None;
        }
        Some(value)
    }

    /// A value of another type, when it is given. `expected` completes “Must be …”.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let text = self.text(name)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.wrong(name, &format!("Must be {expected}."));
        }
        value
    }

    /// `true` or `false`; false when it is not given.
    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        self.parsed(name, "`true` or `false`").unwrap_or(false)
    }

    /// Comma-separated texts.
    pub(crate) fn list(&mut self, name: &'static str) -> Vec<String> {
        let Some(text) = self.text(name) else { return Vec::new() };
        text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    }

    /// The end: nothing may be left.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            let detail = unknown("query parameter", &name, &self.known);
            self.errors.push(FieldError { pointer: pointer(&name), detail });
        }
        self.rest().map(drop)
    }

    /// The end: what is left belongs to somebody else.
    pub(crate) fn rest(self) -> Result<Vec<(String, String)>, Failure> {
        if self.errors.is_empty() {
            return Ok(self.pairs);
        }
        Err(Failure::invalid("The query is not as this route takes it.", self.errors))
    }

    fn wrong(&mut self, name: &str, detail: &str) {
        self.errors.push(FieldError { pointer: pointer(name), detail: detail.to_owned() });
    }
}

/// `+` is a space in a query; everything else is percent-decoding, which must give UTF-8.
fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/x?{text}").parse().unwrap()).unwrap()
    }

    fn errors(result: Result<(), Failure>) -> Vec<(String, String)> {
        let Err(failure) = result else { return Vec::new() };
        failure.problem().body().errors.iter().map(|error| (error.pointer.clone(), error.detail.clone())).collect()
    }

    #[test]
    fn known_parameters_are_read() {
        let mut query = query("limit=5&methods=read,%20suspend&search=a+b%26c&dry_run=true");
        assert_eq!(query.parsed::<u32>("limit", "a number"), Some(5));
        assert_eq!(query.list("methods"), ["read", "suspend"]);
        assert_eq!(query.text("search").as_deref(), Some("a b&c"));
        assert!(query.flag("dry_run"));
        assert_eq!(query.text("format"), None);
        assert!(query.finish().is_ok());
    }

    #[test]
    fn everything_wrong_is_named_at_once_and_no_value_is_repeated() {
        let mut query = query("limit=hunter2&search=hunter2&search=hunter2&dry_run=&limitt=hunter2");
        query.parsed::<u32>("limit", "a number");
        query.text("search");
        query.flag("dry_run");
        let errors = errors(query.finish());
        let pointers: Vec<_> = errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/limit", "/search", "/dry_run", "/limitt"]);
        assert!(errors[3].1.contains("Did you mean `limit`?"));
        assert!(errors.iter().all(|(_, detail)| !detail.contains("hunter2")));
    }

    #[test]
    fn a_query_that_is_not_utf8_is_refused() {
        assert!(Query::of(&"/x?a=%ff".parse().unwrap()).is_err());
    }
}
