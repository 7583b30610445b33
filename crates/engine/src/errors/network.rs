//! No answer, or one that cannot be used.

use quartermaster_definition::plan::NamedCall;
use quartermaster_egress::{EgressError, Response};
use quartermaster_types::{Code, Problem};
use serde_json::Map;

use super::{excerpt, looks_like_html, target, with_next};
use crate::run::{Purpose, Run};

/// The problem of an exchange without an answer.
pub(crate) fn network(run: &mut Run<'_>, error: &EgressError, purpose: Purpose<'_>) -> Problem {
    let (code, sent) = code_of(error);
    let detail = format!("no answer for {}: {error}", target(run, purpose));
    let problem = match code {
        Code::UpstreamForbidden | Code::Internal => Problem::gateway(code, detail),
        _ => Problem::upstream(code, detail),
    };
    match (code, sent) {
        (Code::UpstreamForbidden, _) => {
            problem.with_hint("Start the gateway with `--allow-upstream HOST:PORT` if this address is meant.")
        }
        (Code::ResponseTooLarge, true) if purpose.read => {
            problem.with_hint("Ask for less: a smaller `limit`, or a filter.").with_retry(false, None)
        }
        (_, true) if !purpose.read => may_have_happened(run, problem, purpose),
        (_, false) if !purpose.read => {
            problem.with_hint("Nothing was sent, so that nothing was changed. Try again later.")
        }
        _ => problem,
    }
}

/// Code of a network error, and whether the request may have reached the upstream.
pub(super) fn code_of(error: &EgressError) -> (Code, bool) {
    match error {
        EgressError::Forbidden { .. } => (Code::UpstreamForbidden, false),
        EgressError::Unresolved { .. } | EgressError::Connect { .. } => (Code::UpstreamUnavailable, false),
        EgressError::Broken { .. } => (Code::UpstreamUnavailable, true),
        EgressError::Timeout { sent, .. } => (Code::UpstreamTimeout, *sent),
        EgressError::TooLarge { .. } => (Code::ResponseTooLarge, true),
        EgressError::BadEncoding { .. } => (Code::UpstreamInvalid, true),
        EgressError::BadUrl => (Code::Internal, false),
    }
}

/// After a write whose outcome is not known: not to be repeated blindly, and how to find out.
pub(super) fn may_have_happened(run: &Run<'_>, problem: Problem, purpose: Purpose<'_>) -> Problem {
    let problem = problem
        .with_hint(
            "The change may have happened or not. Read the record first, and repeat the call only if it did not.",
        )
        .with_retry(false, None);
    let Some(method) = purpose.method else { return problem };
    let read = method.read_before.clone().unwrap_or_else(|| "get".to_owned());
    let mut arguments = Map::new();
    if let Some(id) = run.call.arguments.get("id") {
        arguments.insert("id".to_owned(), id.clone());
    }
    with_next(run, problem, &NamedCall { resource: method.resource.clone(), method: read, arguments })
}

/// The problem of a successful answer whose body is not what it should be; `what` completes "answered with …".
pub(crate) fn unusable(run: &mut Run<'_>, response: &Response, purpose: Purpose<'_>, what: &str) -> Problem {
    let what = if looks_like_html(response) { "an HTML page instead of JSON" } else { what };
    let status = response.status.as_u16();
    let detail = format!("{} answered {status} for {} with {what}", run.call.plan.label, target(run, purpose));
    let problem = Problem::upstream(Code::UpstreamInvalid, detail).with_upstream(excerpt::excerpt(run, response, None));
    if purpose.read { problem } else { may_have_happened(run, problem, purpose) }
}
