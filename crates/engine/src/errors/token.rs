//! Problems of the token endpoint. The call itself was not sent, so that a write did not happen.

use quartermaster_egress::{EgressError, Response};
use quartermaster_types::{Code, Problem};

use super::{excerpt, looks_like_html, network};
use crate::run::Run;
use crate::token::says_credentials_are_bad;

/// The token endpoint gave no answer. This says nothing about the credentials.
pub(crate) fn token_network(run: &Run<'_>, error: &EgressError) -> Problem {
    let (code, _) = network::code_of(error);
    let detail = format!("no access token from {}: {error}; the call itself was not sent", run.call.plan.label);
    if let EgressError::Tls { fault, .. } = error {
        return network::tls(detail, fault, "");
    }
    match code {
        Code::UpstreamForbidden => Problem::gateway(code, detail)
            .with_hint("Start the gateway with `--allow-upstream HOST:PORT` if this address is meant."),
        Code::UpstreamTimeout | Code::Internal => Problem::upstream(code, detail),
        _ => Problem::upstream(Code::UpstreamUnavailable, detail),
    }
}

/// The token endpoint's own rate limit is a rate limit.
pub(crate) fn token_rate_limited(run: &mut Run<'_>, response: &Response) -> Option<Problem> {
    if !matches!(response.status.as_u16(), 429 | 529) && !super::plainly_limited(run, response) {
        return None;
    }
    let seconds = run.limits.retry_after_seconds(run.engine.inner.clock.now());
    let detail = format!(
        "the token endpoint of {} answered {}; the call itself was not sent",
        run.call.plan.label,
        response.status.as_u16()
    );
    let problem = Problem::upstream(Code::RateLimited, detail)
        .with_hint("Wait, then make the same call again. Access tokens are kept, so that this is rare.")
        .with_retry(true, seconds)
        .with_upstream(excerpt::excerpt(run, response, None));
    Some(problem)
}

/// The token endpoint answered without a token: the credentials are bad, or it is broken.
pub(crate) fn token_refused(run: &mut Run<'_>, response: &Response, error: Option<&str>) -> Problem {
    let status = response.status;
    let named = error.map(|error| format!(" ({})", run.scrubber().scrub(error))).unwrap_or_default();
    let mut detail = format!("the token endpoint of {} answered {}{named}", run.call.plan.label, status.as_u16());
    let code = if status.is_server_error() {
        Code::UpstreamUnavailable
    } else if says_credentials_are_bad(response, error) {
        Code::AccountNeedsReauth
    } else if status.is_client_error() || error.is_some() {
        Code::UpstreamRejected
    } else {
        detail.push_str(match () {
            () if status.is_redirection() => " with a redirect, which is not followed",
            () if looks_like_html(response) => " with an HTML page instead of a token",
            () => " without a token",
        });
        Code::UpstreamInvalid
    };
    detail.push_str("; the call itself was not sent");
    let excerpt = excerpt::excerpt(run, response, error.map(str::to_owned));
    let problem = Problem::upstream(code, detail).with_upstream(excerpt);
    match code {
        Code::AccountNeedsReauth => problem.with_hint(
            "The vendor refused the client id or secret of this integrated account. A person has to renew the credentials; calling again does not help.",
        ),
        _ => problem,
    }
}
