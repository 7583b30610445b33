//! Errors for people: what went wrong, what to do, which call helps, where to read on. Never a secret.

use std::fmt;
use std::net::SocketAddr;

use quartermaster_client::ClientError;
use quartermaster_roster::{ReportError, UnreadableEnding};
use quartermaster_types::{Code, Origin, Problem, RunId};

use crate::exit::Exit;

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Boxed, because results are common and failures are not.
    parts: Box<Parts>,
}

#[derive(Debug, Default)]
struct Parts {
    what: String,
    details: Vec<String>,
    hint: Option<String>,
    next: Vec<String>,
    docs: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, parts: Box::new(Parts { what: what.into(), ..Parts::default() }) }
    }

    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.parts.hint = Some(hint.into());
        self
    }

    pub(crate) fn next(mut self, command: impl Into<String>) -> Self {
        self.parts.next.push(command.into());
        self
    }

    /// Says what was being done, before an error of the system.
    pub(crate) fn io(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::failed(format!("{what}: {error}"))
    }

    /// Gives the calls to try the flags that the failed one had, so that they work on the same account and session.
    pub(crate) fn with_flags(mut self, flags: &[(&str, String)]) -> Self {
        for next in &mut self.parts.next {
            for (flag, value) in flags {
                next.push_str(&format!(" --{flag} {}", quoted(value)));
            }
        }
        self
    }

    /// An address cannot be listened on.
    pub(crate) fn listening(address: SocketAddr) -> impl FnOnce(std::io::Error) -> Self {
        move |error| {
            let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
            let failure = Self::io(format!("listening on {address}"))(error);
            if !in_use {
                return failure;
            }
            failure
                .hint("Another process listens there. Take another port with --listen (QM_LISTEN); 0 takes a free one.")
        }
    }

    /// A run that could not go on.
    pub(crate) fn of_run(problem: &Problem, run: RunId) -> Self {
        Self::of_problem(problem).next(format!("qm runs show {run}"))
    }

    /// The same with a hint, unless the problem brought one of its own.
    pub(crate) fn hint_instead_of_advice(self, problem: &Problem, hint: &str) -> Self {
        if problem.body().hint.is_some() { self } else { self.hint(hint) }
    }

    fn of_problem(problem: &Problem) -> Self {
        let body = problem.body();
        let mut failure = Self::new(exit_of(problem), body.detail.clone());
        failure.parts.details =
            body.errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
        // The sentence may say them already.
        failure.parts.details.retain(|detail| !body.detail.contains(detail));
        if let Some(upstream) = &body.upstream {
            let excerpt: String = upstream.body.chars().filter(|letter| !letter.is_control()).take(300).collect();
            failure
                .parts
                .details
                .push(format!("the vendor answered {} {excerpt}", upstream.status).trim_end().to_owned());
        }
        if let Some(instance) = &body.instance {
            failure.parts.details.push(format!("request {instance}"));
        }
        failure.parts.hint.clone_from(&body.hint);
        if failure.parts.hint.is_none() {
            failure.parts.hint = Some(body.code.advice().to_owned());
        }
        failure.parts.next = body
            .next_calls
            .iter()
            .map(|call| {
                let arguments: String = call
                    .arguments
                    .iter()
                    .map(|(name, value)| format!(" {}", argument(name, value)))
                    .collect::<Vec<_>>()
                    .concat();
                format!("qm call {}{arguments}", call.tool)
            })
            .collect();
        failure.parts.docs = Some(format!("docs/problems.md#{}", body.code.as_str().replace('_', "-")));
        failure
    }
}

/// `name=value` as `qm call` takes it, quoted for a shell where needed.
fn argument(name: &str, value: &serde_json::Value) -> String {
    let text = match value {
        serde_json::Value::String(text) => format!("{name}={text}"),
        other => format!("{name}:={other}"),
    };
    quoted(&text)
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "=:._@-+/".contains(letter);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn exit_of(problem: &Problem) -> Exit {
    match problem.code() {
        Code::NotFound => Exit::NotFound,
        Code::RateLimited => Exit::RateLimited,
        Code::UpstreamInvalid
        | Code::UpstreamUnavailable
        | Code::UpstreamTimeout
        | Code::ResponseTooLarge
        | Code::Unavailable
        | Code::ModelUnauthenticated
        | Code::ModelUnavailable
        | Code::ModelInvalid
        | Code::AccountNeedsReauth => Exit::Unreachable,
        Code::PermissionDenied if problem.body().origin == Origin::Upstream => Exit::Refused,
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::UngroundedId
        | Code::ApprovalRequired
        | Code::DeniedByPolicy
        | Code::BlastRadiusExceeded
        | Code::LoopDetected
        | Code::AccountBlocked
        | Code::SwitchedOff
        | Code::SandboxWrite
        | Code::PreconditionFailed
        | Code::UpstreamForbidden => Exit::Refused,
        _ => Exit::Failed,
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Problem { problem, .. } => {
                let mut failure = Self::of_problem(problem);
                if let Some(seconds) = error.wait_seconds().filter(|_| problem.code() == Code::RateLimited) {
                    failure.parts.details.push(format!("try again in {seconds} s"));
                }
                failure
            }
            ClientError::Unreachable { reason, .. } if reason.contains("does not trust") => {
                Self::new(Exit::Unreachable, error.to_string()).hint(
                    "If the gateway stands behind a company's own certificate authority, give that authority's \
                     certificate with --ca FILE (QM_CA). If it should not, somebody may be standing in between.",
                )
            }
            ClientError::Unreachable { .. } => Self::new(Exit::Unreachable, error.to_string())
                .hint("Is the gateway running? `qm serve` starts it; --url (or QM_URL) says where it is."),
            _ if speaks_tls(&error) => Self::new(Exit::Unreachable, error.to_string())
                .hint("What answers there may want TLS: begin --url (QM_URL) with https://, not http://."),
            ClientError::NoAnswer { .. } => Self::new(Exit::Unreachable, error.to_string())
                .hint("The request may have been carried out. Read the state before sending a write again."),
            ClientError::NotOurs { .. } => Self::new(Exit::Unreachable, error.to_string())
                .hint("Is --url (or QM_URL) the address of a Quartermaster gateway?"),
            ClientError::BadRequest(_) => Self::usage(error.to_string()),
        }
    }
}

/// Whether the answer to plain HTTP looks like that of a port for TLS: an alert instead of HTTP, or the words of a web server.
fn speaks_tls(error: &ClientError) -> bool {
    match error {
        ClientError::NoAnswer { url, reason } => url.starts_with("http://") && reason.contains("not valid HTTP"),
        ClientError::NotOurs { url, status: 400, excerpt } => {
            url.starts_with("http://") && ["HTTPS", "TLS"].iter().any(|word| excerpt.contains(word))
        }
        _ => false,
    }
}

impl From<UnreadableEnding> for Failure {
    fn from(error: UnreadableEnding) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        Self::failed(error.to_string())
    }
}

impl Failure {
    /// The lines for standard error, styled.
    pub(crate) fn render(&self) -> String {
        let (red, bold, dim) = (crate::style::BAD, crate::style::STRONG, crate::style::DIM);
        let mut text = format!("{red}error:{red:#} {bold}{}{bold:#}\n", printable(&self.parts.what));
        for detail in &self.parts.details {
            text.push_str(&format!("       {}\n", printable(detail)));
        }
        if let Some(hint) = &self.parts.hint {
            text.push_str(&format!(" hint: {}\n", printable(hint)));
        }
        for next in &self.parts.next {
            text.push_str(&format!("  try: {}\n", printable(next)));
        }
        if let Some(docs) = &self.parts.docs {
            text.push_str(&format!("{dim} docs: {docs}{dim:#}\n"));
        }
        text
    }
}

/// Without control characters, so that a vendor's text cannot move the cursor or colour the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() && letter != '\n' { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use quartermaster_client::RateHeaders;
    use serde_json::{Map, json};

    use super::*;

    fn plain(failure: &Failure) -> String {
        anstream::adapter::strip_str(&failure.render()).to_string()
    }

    #[test]
    fn a_problem_is_told_with_hint_call_and_docs() {
        let mut arguments = Map::new();
        arguments.insert("email".to_owned(), json!("a b@x.com"));
        arguments.insert("limit".to_owned(), json!(5));
        let problem = Problem::upstream(Code::NotFound, "The vendor answered 404.")
            .with_hint("Find the person first.")
            .with_next_call("list_people", arguments)
            .with_instance("0190");
        let failure = Failure::from(ClientError::Problem { problem, rate: RateHeaders::default() });
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(
            plain(&failure),
            "error: The vendor answered 404.\n       request 0190\n hint: Find the person first.\n  \
             try: qm call list_people 'email=a b@x.com' limit:=5\n docs: docs/problems.md#not-found\n"
        );
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        let problem = Problem::caller(Code::InvalidArgument, "It was not called: /n: got 5.")
            .with_error("/n", "got 5")
            .with_error("/m", "is missing");
        let text = plain(&Failure::from(ClientError::Problem { problem, rate: RateHeaders::default() }));
        assert_eq!(text.matches("/n: got 5").count(), 1, "{text}");
        assert!(text.contains("       /m: is missing\n"), "{text}");
    }

    #[test]
    fn calls_to_try_keep_the_flags_of_the_one_that_failed() {
        let failure = Failure::failed("no").next("qm call LIST").next("qm call GET id=A");
        let failure = failure.with_flags(&[("account", "0190".to_owned()), ("session", "it's".to_owned())]);
        let text = plain(&failure);
        assert!(text.contains(r"try: qm call LIST --account 0190 --session 'it'\''s'"), "{text}");
        assert!(text.contains("try: qm call GET id=A --account 0190 --session"), "{text}");
    }

    #[test]
    fn a_vendors_text_cannot_steer_the_terminal() {
        let failure = Failure::failed("bad \u{1b}[31mred\u{7}");
        assert!(!plain(&failure).contains('\u{7}'));
        assert!(plain(&failure).contains("[31mred"), "the letters stay, the escape does not");
    }

    #[test]
    fn every_code_has_an_exit_code() {
        for code in Code::ALL {
            assert_ne!(exit_of(&Problem::gateway(*code, "x")), Exit::Ok);
        }
        assert_eq!(exit_of(&Problem::gateway(Code::SandboxWrite, "x")), Exit::Refused);
        assert_eq!(exit_of(&Problem::upstream(Code::RateLimited, "x")), Exit::RateLimited);
    }
}
