//! No answer, or one that cannot be used.

use quartermaster_definition::plan::NamedCall;
use quartermaster_egress::{EgressError, Response, TlsFault};
use quartermaster_types::{Code, Problem};
use serde_json::Map;

use super::{excerpt, looks_like_html, target, with_next};
use crate::run::{Purpose, Run};

/// The problem of an exchange without an answer.
pub(crate) fn network(run: &mut Run<'_>, error: &EgressError, purpose: Purpose<'_>) -> Problem {
    let (code, sent) = code_of(error);
    let detail = format!("no answer for {}: {error}", target(run, purpose));
    if let EgressError::Tls { fault, .. } = error {
        return tls(detail, fault, if purpose.read { "" } else { "Nothing was sent, so that nothing was changed. " });
    }
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

/// The problem of a vendor with whom TLS cannot be established: somebody has to change something first. `before` begins
/// the hint.
pub(super) fn tls(detail: String, fault: &TlsFault, before: &str) -> Problem {
    let problem = match fault {
        TlsFault::NoAuthorities => Problem::gateway(Code::UpstreamUnavailable, detail),
        _ => Problem::upstream(Code::UpstreamUnavailable, detail),
    };
    problem
        .with_hint(format!("{before}{} Trying again before that does not help.", tls_advice(fault)))
        .with_retry(false, None)
}

/// What to do about it, and who.
fn tls_advice(fault: &TlsFault) -> &'static str {
    match fault {
        TlsFault::UnknownIssuer => {
            "If this upstream or a proxy before it uses a company's own certificate authority, the gateway's operator \
             has to give that authority's certificate with `--upstream-ca FILE`. If it should not, somebody may be \
             standing in between: report it."
        }
        TlsFault::Expired(_) | TlsFault::NotYetValid(_) => {
            "Whoever runs the upstream has to renew its certificate, unless the clock of the gateway's machine is wrong."
        }
        TlsFault::WrongName { .. } => {
            "Either `base_url` names another host than is meant, or whoever runs the upstream has to put the right \
             certificate there."
        }
        TlsFault::AuthorityAsServer => {
            "Whoever runs the upstream has to give it a certificate of its own, issued by that authority and not \
             marked as one (CA:FALSE)."
        }
        TlsFault::NoCommonVersion => "Whoever runs the upstream has to switch TLS 1.2 or 1.3 on.",
        TlsFault::NotTls => {
            "`base_url` has the wrong port or scheme, or a proxy answers in the upstream's place: the gateway's \
             operator has to correct it."
        }
        TlsFault::NoAuthorities => {
            "The gateway's operator has to install root certificates (`ca-certificates` on Debian), or give some with \
             `--upstream-ca FILE`."
        }
        TlsFault::BadCertificate(_) | TlsFault::Refused(_) | TlsFault::Other(_) => {
            "Whoever runs the upstream has to look at its TLS settings, with these words."
        }
    }
}

/// Code of a network error, and whether the request may have reached the upstream.
pub(super) fn code_of(error: &EgressError) -> (Code, bool) {
    match error {
        EgressError::Forbidden { .. } => (Code::UpstreamForbidden, false),
        EgressError::Unresolved { .. } | EgressError::Connect { .. } | EgressError::Tls { .. } => {
            (Code::UpstreamUnavailable, false)
        }
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
    if purpose.read {
        return problem.with_hint(
            "Nothing was changed. Ask once more; when the answer stays like this, a person has to look at the vendor or at the \
             integration's definition.",
        );
    }
    may_have_happened(run, problem, purpose)
}

#[cfg(test)]
mod tests {
    use quartermaster_types::{Origin, Timestamp};

    use super::*;

    #[test]
    fn every_fault_of_tls_says_who_has_to_do_what() {
        let words = || "words".to_owned();
        for (fault, origin, who) in [
            (TlsFault::UnknownIssuer, Origin::Upstream, "--upstream-ca"),
            (TlsFault::Expired(Timestamp::from_unix_ms(0)), Origin::Upstream, "renew"),
            (TlsFault::NotYetValid(Timestamp::from_unix_ms(0)), Origin::Upstream, "clock"),
            (TlsFault::WrongName { presented: words() }, Origin::Upstream, "base_url"),
            (TlsFault::AuthorityAsServer, Origin::Upstream, "certificate of its own"),
            (TlsFault::BadCertificate(words()), Origin::Upstream, "runs the upstream"),
            (TlsFault::NoCommonVersion, Origin::Upstream, "TLS 1.2 or 1.3"),
            (TlsFault::Refused(words()), Origin::Upstream, "runs the upstream"),
            (TlsFault::NotTls, Origin::Upstream, "port or scheme"),
            (TlsFault::NoAuthorities, Origin::Gateway, "ca-certificates"),
            (TlsFault::Other(words()), Origin::Upstream, "runs the upstream"),
        ] {
            let problem = tls(fault.to_string(), &fault, "");
            let body = problem.body();
            assert_eq!((body.code, body.origin), (Code::UpstreamUnavailable, origin), "{fault:?}");
            assert!(!body.retryable && body.retry_after_seconds.is_none(), "{fault:?}");
            assert!(body.hint.as_deref().unwrap().contains(who), "{fault:?}: {:?}", body.hint);
        }
    }
}
