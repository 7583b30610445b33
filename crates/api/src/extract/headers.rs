//! Header values: checked, or refused by name.

use std::time::Duration;

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};
use quartermaster_gateway::runs::RUN_SESSION_PREFIX;
use quartermaster_types::{Code, FieldError, Problem};
use serde_json::{Map, Value};

use super::strict;
use crate::failure::Failure;

/// Characters of a `quartermaster-session`.
pub const SESSION_MAX_BYTES: usize = 128;
/// Characters of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_MAX_BYTES: usize = 255;

const SESSION: HeaderName = HeaderName::from_static("quartermaster-session");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const EXPECT: HeaderName = HeaderName::from_static("quartermaster-expect");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The headers of a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CallHeaders {
    /// `quartermaster-session`.
    pub(crate) session: Option<String>,
    /// `Prefer: wait=N`.
    pub(crate) wait: Option<Duration>,
    /// `Idempotency-Key`.
    pub(crate) idempotency_key: Option<String>,
    /// `quartermaster-expect`.
    pub(crate) expect: Option<Map<String, Value>>,
}

impl CallHeaders {
    /// Reads them.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        Ok(Self {
            session: session(headers)?,
            wait: wait(headers)?,
            idempotency_key: idempotency_key(headers)?,
            expect: expect(headers)?,
        })
    }
}

/// `quartermaster-session`: the caller's own name, never that of a run's session.
fn session(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let session = visible(headers, &SESSION, SESSION_MAX_BYTES)?;
    if session.as_ref().is_some_and(|name| name.starts_with(RUN_SESSION_PREFIX)) {
        let detail = format!("Must not begin with `{RUN_SESSION_PREFIX}`: such sessions are those of runs.");
        return Err(bad(&SESSION, &detail));
    }
    Ok(session)
}

/// `Idempotency-Key`.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    visible(headers, &IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_MAX_BYTES)
}

/// `quartermaster-expect`: a JSON object.
pub(crate) fn expect(headers: &HeaderMap) -> Result<Option<Map<String, Value>>, Failure> {
    let Some(text) = single(headers, &EXPECT)? else { return Ok(None) };
    match strict::object(text) {
        Ok((object, repeated)) if repeated.is_empty() => Ok(Some(object)),
        Ok(_) => Err(bad(&EXPECT, "Has a member more than once.")),
        Err(_) => Err(bad(
            &EXPECT,
            "Must be a JSON object, for instance {\"email\":\"a.miller@company.com\"}; characters beyond ASCII as \\u escapes.",
        )),
    }
}

/// The version that `If-Match` asks for; `None` without the header, or with `*`.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Failure> {
    let Some(value) = single(headers, &IF_MATCH)? else { return Ok(None) };
    let value = value.trim();
    if value == "*" {
        return Ok(None);
    }
    let tag = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if let Some(version) = tag.and_then(|tag| tag.parse().ok()) {
        return Ok(Some(version));
    }
    if tag.is_some_and(|tag| !tag.contains('"')) || value.starts_with("W/") {
        // Well-formed, but never a tag that was given out: it cannot match.
        return Err(Problem::caller(
            Code::PreconditionFailed,
            "`If-Match` is not the present version of this resource.",
        )
        .with_hint("Read the resource again and send its `etag` as it stands.")
        .into());
    }
    Err(bad(&IF_MATCH, "Must be one entity tag in quotes, as the `etag` header gave it, for instance \"3\"."))
}

/// Whether `If-None-Match` names `etag`.
pub(crate) fn matches_etag(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}

/// The entity tag of a version.
pub(crate) fn version_tag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The value of a header that may stand once, as text.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad(name, "May be sent once only."));
    }
    value.to_str().map(Some).map_err(|_| bad(name, "Must be visible ASCII characters."))
}

fn visible(headers: &HeaderMap, name: &HeaderName, max: usize) -> Result<Option<String>, Failure> {
    let Some(value) = single(headers, name)? else { return Ok(None) };
    if value.is_empty() || value.len() > max || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad(name, &format!("Must be 1 to {max} visible ASCII characters, without spaces.")));
    }
    Ok(Some(value.to_owned()))
}

/// `wait=N` among the preferences. Preferences that are not known are ignored (RFC 7240).
fn wait(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let mut found = None;
    for value in headers.get_all(&PREFER) {
        let text = HeaderValue::to_str(value).map_err(|_| bad(&PREFER, "Must be visible ASCII characters."))?;
        for preference in text.split(',') {
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, argument) = preference.split_once('=').unwrap_or((preference, ""));
            if !name.trim().eq_ignore_ascii_case("wait") || found.is_some() {
                continue;
            }
            let seconds = argument.trim().trim_matches('"').parse::<u32>();
            let seconds = seconds.map_err(|_| bad(&PREFER, "`wait` must be a whole number of seconds: `wait=10`."))?;
            found = Some(Duration::from_secs(u64::from(seconds)));
        }
    }
    Ok(found)
}

fn bad(name: &HeaderName, detail: &str) -> Failure {
    let error = FieldError { pointer: format!("/{name}"), detail: detail.to_owned() };
    Failure::invalid(format!("The header `{name}` cannot be used."), vec![error])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn code<T>(result: Result<T, Failure>) -> Option<Code> {
        result.err().map(|failure| failure.problem().code())
    }

    #[test]
    fn sessions_and_keys_are_taken_up_to_their_limits() {
        for (name, max) in
            [("quartermaster-session", SESSION_MAX_BYTES), ("idempotency-key", IDEMPOTENCY_KEY_MAX_BYTES)]
        {
            let at = "x".repeat(max);
            assert!(CallHeaders::of(&headers(&[(name, &at)])).is_ok());
            let past = "x".repeat(max + 1);
            for wrong in [past.as_str(), "", "a b", "a\tb"] {
                assert_eq!(
                    code(CallHeaders::of(&headers(&[(name, wrong)]))),
                    Some(Code::InvalidArgument),
                    "{name}: {wrong}"
                );
            }
            assert_eq!(code(CallHeaders::of(&headers(&[(name, "a"), (name, "b")]))), Some(Code::InvalidArgument));
        }
    }

    #[test]
    fn nobody_takes_the_session_of_a_run() {
        let of_a_run = headers(&[("quartermaster-session", "run:01890000-0000-7000-8000-000000000000")]);
        assert_eq!(code(CallHeaders::of(&of_a_run)), Some(Code::InvalidArgument));
        assert!(CallHeaders::of(&headers(&[("quartermaster-session", "running")])).is_ok());
    }

    #[test]
    fn what_is_expected_is_one_json_object() {
        let check = |values: &[(&'static str, &str)]| CallHeaders::of(&headers(values)).map(|found| found.expect);
        assert_eq!(check(&[]).unwrap(), None);
        let name = "quartermaster-expect";
        let expect = check(&[(name, r#"{"email": "a@b.c", "/n": null}"#)]).unwrap().unwrap();
        assert_eq!(Value::Object(expect), serde_json::json!({"email": "a@b.c", "/n": null}));
        for wrong in ["", "email=a@b.c", "[]", "null", "{", r#"{"a":1,"a":2}"#] {
            assert_eq!(code(check(&[(name, wrong)])), Some(Code::InvalidArgument), "{wrong}");
        }
        assert_eq!(code(check(&[(name, "{}"), (name, "{}")])), Some(Code::InvalidArgument));
    }

    #[test]
    fn wait_is_found_among_other_preferences() {
        let check = |values: &[(&'static str, &str)]| CallHeaders::of(&headers(values)).map(|found| found.wait);
        assert_eq!(check(&[]).unwrap(), None);
        assert_eq!(check(&[("prefer", "respond-async, wait=10")]).unwrap(), Some(Duration::from_secs(10)));
        assert_eq!(
            check(&[("prefer", "return=minimal"), ("prefer", "Wait=\"5\"; x=1")]).unwrap(),
            Some(Duration::from_secs(5))
        );
        for wrong in ["wait", "wait=", "wait=-1", "wait=1.5", "wait=99999999999"] {
            assert_eq!(code(check(&[("prefer", wrong)])), Some(Code::InvalidArgument), "{wrong}");
        }
    }

    #[test]
    fn if_match_takes_what_etag_gave() {
        assert_eq!(if_match(&headers(&[])).unwrap(), None);
        assert_eq!(if_match(&headers(&[("if-match", "*")])).unwrap(), None);
        assert_eq!(if_match(&headers(&[("if-match", &version_tag(7))])).unwrap(), Some(7));
        assert_eq!(code(if_match(&headers(&[("if-match", "\"abc\"")]))), Some(Code::PreconditionFailed));
        assert_eq!(code(if_match(&headers(&[("if-match", "W/\"7\"")]))), Some(Code::PreconditionFailed));
        assert_eq!(code(if_match(&headers(&[("if-match", "7")]))), Some(Code::InvalidArgument));
        assert_eq!(code(if_match(&headers(&[("if-match", "\"1\", \"2\"")]))), Some(Code::InvalidArgument));
    }

    #[test]
    fn if_none_match_compares_weakly_over_a_list() {
        let check = |value: &str| matches_etag(&headers(&[("if-none-match", value)]), "\"abc\"");
        assert!(check("\"abc\"") && check("W/\"abc\"") && check("\"x\", \"abc\"") && check("*"));
        assert!(!check("\"abd\"") && !check("abc"));
    }
}
