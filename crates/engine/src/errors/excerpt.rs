//! What of an upstream's answer a problem repeats: without secrets, and cut.

use http::header;
use quartermaster_egress::Response;
use quartermaster_types::{Problem, UpstreamExcerpt};

use super::facts::Facts;
use crate::limits::{ERROR_PARSE_MAX_BYTES, TOKEN_MAX_BYTES};
use crate::run::Run;

/// Adds the excerpt.
pub(super) fn attach(run: &mut Run<'_>, problem: Problem, response: &Response, facts: &Facts) -> Problem {
    problem.with_upstream(excerpt(run, response, facts.vendor_code()))
}

/// The start of the body, scrubbed.
pub(super) fn excerpt(run: &mut Run<'_>, response: &Response, code: Option<String>) -> UpstreamExcerpt {
    let scrubber = run.scrubber();
    let read = response.body.len().min(ERROR_PARSE_MAX_BYTES);
    let mut text = scrubber.scrub(&String::from_utf8_lossy(&response.body[..read]));
    if read < response.body.len() {
        // A secret that the cut went through is not recognised any more, so that what may be one is dropped.
        let whole = text.len().saturating_sub(3 * TOKEN_MAX_BYTES);
        cut(&mut text, whole);
    }
    cut(&mut text, UpstreamExcerpt::BODY_MAX_BYTES);
    let code = code.map(|code| scrubber.scrub(&code));
    UpstreamExcerpt { status: response.status.as_u16(), code, body: text }
}

/// Cuts a text to at most `length` bytes, at a character's border.
fn cut(text: &mut String, length: usize) {
    text.truncate(text.floor_char_boundary(length));
}

/// Whether the body is a page for browsers.
pub(crate) fn looks_like_html(response: &Response) -> bool {
    let declared = response.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    declared.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
        || response.body.trim_ascii_start().starts_with(b"<")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_falls_on_a_character() {
        let mut text = "aé".repeat(10);
        cut(&mut text, 2);
        assert_eq!(text, "a");
        let mut short = "abc".to_owned();
        cut(&mut short, 3);
        assert_eq!(short, "abc");
        cut(&mut short, 2);
        assert_eq!(short, "ab");
    }
}
