//! What an upstream's refusal, or its silence, means to the caller: status first, refined by the definition.

mod excerpt;
mod facts;
mod network;
mod picked;
mod token;

use http::{HeaderMap, StatusCode, header};
use quartermaster_definition::plan::{Explanation, NamedCall};
use quartermaster_egress::Response;
use quartermaster_expr::Program;
use quartermaster_types::{Code, Problem};

pub(crate) use excerpt::looks_like_html;
pub(crate) use network::{network, unusable};
pub(crate) use token::{token_network, token_rate_limited, token_refused};

use crate::limits::CONDITION_VALUES_MAX;
use crate::request::Values;
use crate::run::{Purpose, Run};
use facts::Facts;

/// The problem of an answer that means "rate limited", however the upstream says it.
///
/// 429 and 529 always do; 503 does with `retry-after`; 403 does when its own headers say that nothing is left; everything
/// else as the definition's `limited_when` declares.
pub(crate) fn rate_limited(run: &mut Run<'_>, response: &Response, purpose: Purpose<'_>) -> Option<Problem> {
    let limited = plainly_limited(run, response) || {
        let rules = &run.call.plan.rate_limits.limited_when;
        !rules.is_empty() && {
            let facts = Facts::for_conditions(run, response, purpose, rules.iter());
            !facts.too_large && rules.iter().any(|rule| rule.holds(&facts.variables()).unwrap_or(false))
        }
    };
    limited.then(|| limited_problem(run, response, purpose))
}

/// Whether status and headers alone say so.
pub(crate) fn plainly_limited(run: &Run<'_>, response: &Response) -> bool {
    match response.status.as_u16() {
        429 | 529 => true,
        503 => response.headers.contains_key(header::RETRY_AFTER),
        403 => run.limits.remaining == Some(0),
        _ => false,
    }
}

/// The problem of a call that the account's budget does not let go. Its limits stand in the run.
pub(crate) fn budget_spent(run: &Run<'_>) -> Problem {
    let seconds = run.limits.retry_after_seconds(run.engine.inner.clock.now()).unwrap_or(1);
    let label = &run.call.plan.label;
    Problem::gateway(
        Code::RateLimited,
        format!("The calls that {label} takes at present are used up or belong to others who share this account; nothing was sent."),
    )
    .with_hint(format!("Wait {seconds} s, then make the same call again: {label} told when it takes calls again."))
    .with_retry(true, Some(seconds))
}

fn limited_problem(run: &mut Run<'_>, response: &Response, purpose: Purpose<'_>) -> Problem {
    let facts = Facts::for_problem(run, response, purpose, std::iter::empty());
    let detail = detail(run, response.status, purpose, &facts.message_text());
    let seconds = run.limits.retry_after_seconds(run.engine.inner.clock.now());
    let hint = seconds.map_or_else(
        || "The vendor did not say how long to wait. Wait a minute, then make the same call again, and call less often.".to_owned(),
        |seconds| format!("Wait {seconds} s, then make the same call again."),
    );
    let problem = Problem::upstream(Code::RateLimited, detail).with_hint(hint).with_retry(true, seconds);
    excerpt::attach(run, problem, response, &facts)
}

/// The problem of an answer that is not a success: by its status, or because the definition's `failed_when` says so.
pub(crate) fn failed(run: &mut Run<'_>, response: &Response, purpose: Purpose<'_>) -> Option<Problem> {
    if response.status.is_success() {
        let rules = &run.call.plan.errors.failed_when;
        if rules.is_empty() {
            return None;
        }
        let facts = Facts::for_conditions(run, response, purpose, rules.iter());
        if facts.too_large {
            return Some(too_large(run, response, purpose, &facts));
        }
        // A condition that cannot be evaluated counts as a failure: an answer that is not as declared is not a success.
        if !rules.iter().any(|rule: &Program| rule.holds(&facts.variables()).unwrap_or(true)) {
            return None;
        }
    }
    Some(refused(run, response, purpose))
}

/// The problem of a success that is too large to be judged by the definition's conditions.
fn too_large(run: &mut Run<'_>, response: &Response, purpose: Purpose<'_>, facts: &Facts) -> Problem {
    let detail = format!(
        "{}, and what the definition's `failed_when` looks at has more than {CONDITION_VALUES_MAX} values in it",
        detail(run, response.status, purpose, "")
    );
    let mut problem = Problem::upstream(Code::ResponseTooLarge, detail).with_retry(false, None);
    if purpose.read {
        problem = problem.with_hint(
            "Ask for less: a smaller `limit`, or a filter. Whoever wrote the definition: conditions over single members of the body read only these.",
        );
    } else {
        problem = network::may_have_happened(run, problem, purpose);
    }
    excerpt::attach(run, problem, response, facts)
}

/// The problem of an answer that refuses the call.
fn refused(run: &mut Run<'_>, response: &Response, purpose: Purpose<'_>) -> Problem {
    let call = run.call;
    let explain_when = call.plan.errors.explain.iter().map(|explanation| &explanation.when);
    let facts = Facts::for_problem(run, response, purpose, explain_when);
    let code = code_of(response.status);
    let mut text = detail(run, response.status, purpose, &facts.message_text());
    if response.status.is_redirection() {
        text.push_str(&redirect(&response.headers));
    } else if facts.message_text().is_empty() && looks_like_html(response) {
        text.push_str(" with an HTML page");
    }
    let mut problem = Problem::upstream(code, text);
    let server_fault = response.status.is_server_error() || response.status == StatusCode::REQUEST_TIMEOUT;
    if server_fault {
        let seconds = run.limits.retry_at.and(run.limits.retry_after_seconds(run.engine.inner.clock.now()));
        problem = problem.with_retry(purpose.read, seconds);
    }
    if code == Code::AccountNeedsReauth {
        problem = problem.with_hint(
            "A person has to renew the credentials of this integrated account; calling again does not help.",
        );
    }
    let explanation = run
        .call
        .plan
        .errors
        .explain
        .iter()
        .find(|explanation| explanation.when.holds(&facts.variables()).unwrap_or(false));
    match explanation {
        Some(explanation) => {
            problem = explain(run, problem, explanation);
            if server_fault && !purpose.read && explanation.retryable.is_none() {
                problem = problem.with_retry(false, None);
            }
        }
        None if server_fault && !purpose.read => problem = network::may_have_happened(run, problem, purpose),
        None => {}
    }
    excerpt::attach(run, problem, response, &facts)
}

/// The code that a status gives.
fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        401 => Code::AccountNeedsReauth,
        403 => Code::PermissionDenied,
        404 | 410 => Code::NotFound,
        408 => Code::UpstreamTimeout,
        409 => Code::Conflict,
        412 => Code::PreconditionFailed,
        300..=399 => Code::UpstreamInvalid,
        500..=599 => Code::UpstreamUnavailable,
        _ => Code::UpstreamRejected,
    }
}

/// `Vendor answered 404 for users.get IR7V…: its own words`.
fn detail(run: &Run<'_>, status: StatusCode, purpose: Purpose<'_>, message: &str) -> String {
    let mut text = format!("{} answered {} for {}", run.call.plan.label, status.as_u16(), target(run, purpose));
    if !message.is_empty() {
        text.push_str(": ");
        text.push_str(message);
    }
    text
}

/// The method and the id that it was for.
pub(crate) fn target(run: &Run<'_>, purpose: Purpose<'_>) -> String {
    let id = run.call.arguments.get("id").and_then(|id| id.as_str());
    match (purpose.method, id) {
        (Some(method), Some(id)) if method.takes_id => {
            format!("{} {}", method.full_name(), id.chars().take(64).collect::<String>())
        }
        _ => purpose.name(),
    }
}

fn redirect(headers: &HeaderMap) -> String {
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let host = location.and_then(|text| text.parse::<http::Uri>().ok()).and_then(|url| url.host().map(str::to_owned));
    match (location, host) {
        (_, Some(host)) => format!(" with a redirect to {host}, which is not followed"),
        (Some(_), None) => " with a redirect on the same host, which is not followed".to_owned(),
        (None, None) => " with a redirect to nowhere".to_owned(),
    }
}

/// Refines a problem by what the definition knows of it.
fn explain(run: &Run<'_>, problem: Problem, explanation: &Explanation) -> Problem {
    let mut refined = match explanation.code {
        Some(code) if code != problem.code() => Problem::upstream(code, problem.body().detail.clone()),
        _ => problem,
    };
    let values = Values { connection: run.call.connection, arguments: run.call.arguments };
    let hint = explanation
        .hint
        .as_ref()
        .and_then(|hint| values.scope(|scope| hint.render(scope, quartermaster_expr::Place::Plain)).ok());
    if let Some(hint) = hint {
        refined = refined.with_hint(hint);
    }
    if let Some(retryable) = explanation.retryable {
        let after = refined.body().retry_after_seconds;
        refined = refined.with_retry(retryable, after);
    }
    match &explanation.next {
        Some(next) => with_next(run, refined, next),
        None => refined,
    }
}

/// Adds a call by its tool name.
pub(crate) fn with_next(run: &Run<'_>, problem: Problem, next: &NamedCall) -> Problem {
    match run.call.plan.method(&next.resource, &next.method) {
        Some(method) => problem.with_next_call(method.tool_name.clone(), next.arguments.clone()),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_code() {
        let expected = [
            (302, Code::UpstreamInvalid),
            (400, Code::UpstreamRejected),
            (401, Code::AccountNeedsReauth),
            (403, Code::PermissionDenied),
            (404, Code::NotFound),
            (408, Code::UpstreamTimeout),
            (409, Code::Conflict),
            (410, Code::NotFound),
            (412, Code::PreconditionFailed),
            (418, Code::UpstreamRejected),
            (422, Code::UpstreamRejected),
            (500, Code::UpstreamUnavailable),
            (503, Code::UpstreamUnavailable),
        ];
        for (status, code) in expected {
            assert_eq!(code_of(StatusCode::from_u16(status).unwrap()), code, "{status}");
        }
    }

    #[test]
    fn a_redirect_names_its_host() {
        let mut headers = HeaderMap::new();
        assert!(redirect(&headers).contains("nowhere"));
        headers.insert(header::LOCATION, "https://evil.example/x?token=1".parse().unwrap());
        assert_eq!(redirect(&headers), " with a redirect to evil.example, which is not followed");
        headers.insert(header::LOCATION, "/elsewhere".parse().unwrap());
        assert!(redirect(&headers).contains("same host"));
    }
}
