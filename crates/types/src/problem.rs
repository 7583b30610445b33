//! Problems: what went wrong, whose fault it is, what to do, and whether to try again (RFC 9457 plus our fields).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ApprovalNotice;

macro_rules! codes {
    ($($variant:ident = $name:literal, $status:literal, $title:literal, $advice:literal;)+) => {
        /// The closed list of problem codes. Each is served at `/problems/{code}` with what it means and what to do.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $(#[doc = $title] $variant,)+
        }

        impl Code {
            /// Every code, in the order in which the documentation lists them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The wire form, `not_found`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// A short title for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What it means and what to do about it: the text of its documentation page.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)+ }
            }
        }
    };
}

codes! {
    InvalidArgument = "invalid_argument", 400, "Invalid argument",
        "Something in the request is not as the method or route takes it. `errors` names each place by JSON Pointer and says what is expected. Correct the arguments and call again; the same call fails again.";
    Unauthenticated = "unauthenticated", 401, "No valid API token",
        "The gateway did not accept the API token: it is missing, mistyped, expired or revoked. Send `Authorization: Bearer <api token>`. This is never the vendor's 401: that is `account_needs_reauth`.";
    PermissionDenied = "permission_denied", 403, "Not permitted",
        "With `origin: gateway`, the token's role or its narrowing does not allow this. With `origin: upstream`, the vendor refused: the connection lacks a permission there, or the vendor hides that the thing exists. The hint says which permissions to look at.";
    NotFound = "not_found", 404, "Not found",
        "With `origin: caller`, no such route, account or tool is visible to this token. With `origin: upstream`, the vendor knows no such record, or hides it. Do not guess another id: find the record with the call in `next_calls` and take its exact id.";
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed",
        "The route exists, but not with this HTTP method. The `allow` header lists those that it has.";
    Conflict = "conflict", 409, "Conflict",
        "The request contradicts the present state: something with the same name exists, or the same idempotency key is still in flight. Read the present state, then decide.";
    AlreadyInState = "already_in_state", 409, "Already in that state",
        "The vendor refused because the record already is as asked, and the gateway could not confirm it by a read. Read the record; there is most likely nothing to do.";
    IdempotencyKeyReused = "idempotency_key_reused", 422, "Idempotency key used for another request",
        "The `Idempotency-Key` was used before, for a request with another method, path or payload. Use a fresh key for every new request, and the same key only to repeat the very same request.";
    PreconditionFailed = "precondition_failed", 412, "Precondition failed",
        "`If-Match` names a version that is no longer the present one; or the record is not what `expect` says (`errors` has each member, what was expected and what was found); or the vendor refuses the change in the record's present condition (for instance the last owner of an account). Nothing was changed. Read it again, then decide.";
    PayloadTooLarge = "payload_too_large", 413, "Payload too large",
        "The request body is over the limit named in `detail`. Send less.";
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type",
        "The body must be JSON: send `content-type: application/json`.";
    AccountRejected = "account_rejected", 422, "The vendor refused the connection",
        "The credentials or connection fields were tried against the vendor and refused; nothing was kept. `upstream` and `detail` say what the vendor answered. Correct them and create the account again.";
    RateLimited = "rate_limited", 429, "Rate limited",
        "The vendor (or, with `origin: gateway`, this gateway; with `origin: model`, the provider of the language model) asks for fewer calls. Wait `retry_after_seconds`, or until `ratelimit-reset` (delta seconds, not a date), then try again. The gateway did not retry.";
    UngroundedId = "ungrounded_id", 403, "This id was not read in this session",
        "Writes are accepted only for ids that a read in the same session returned. Find the record with the call in `next_calls`, take its exact id from the answer and call again. An id from memory, from a text or changed by one character is refused before anything is sent.";
    ApprovalRequired = "approval_required", 403, "Approval required",
        "A person has to approve this call first, and was asked; nothing was sent. `approval` names the card and how long it waits. Report that it waits. When `GET /approval/{id}` says `approved`, make the very same call again in the same session: it passes once. Calling before that does not speed it up.";
    DeniedByPolicy = "denied_by_policy", 403, "Denied by policy",
        "The environment's policy denies this call. The detail names the rule and its reason; `dry_run=true` shows every rule that was looked at. Do not ask again: report it with the name of the rule. An admin can change the policy (`qm policy`).";
    BlastRadiusExceeded = "blast_radius_exceeded", 403, "Too many changes",
        "A limit of the environment's policy has no room for another change; `detail` says which, what it allows and what was counted. Nothing was sent. Where there is a window, `retry_after_seconds` says when there is room again. Do not divide the work to get around it: report the name of the limit; an admin can raise it in the policy (`qm policy set`).";
    LoopDetected = "loop_detected", 429, "The same call keeps failing",
        "The same call failed in the same way several times. Change something before trying again, or give up and report.";
    AccountNeedsReauth = "account_needs_reauth", 424, "The account's credentials no longer work",
        "The vendor refused the stored credentials of this integrated account. A person has to renew them with `PATCH /integrated-account/{id}`; trying again does not help.";
    AccountBlocked = "account_blocked", 403, "The account is blocked",
        "Somebody blocked this integrated account (`qm account update --blocked`). Ask them before doing anything else.";
    SwitchedOff = "switched_off", 403, "Switched off",
        "An administrator has switched off this environment, account, token or tool; `detail` says which and why. Nothing was sent. Do not try again, and do not look for another way to do the same: report it. An admin switches it on again (`qm switch on`).";
    SandboxWrite = "sandbox_write", 403, "This account is a sandbox: writes are refused",
        "The integrated account was created with `sandbox: true`, so reads work and writes do not. Use another account to change something for real.";
    UpstreamInvalid = "upstream_invalid", 502, "The vendor's answer cannot be used",
        "The vendor answered with something that is not what its documentation says: HTML, a truncated body, a redirect elsewhere. A read may be tried again later. After a write, read the state before doing anything: the change may have happened.";
    UpstreamRejected = "upstream_rejected", 422, "The vendor rejected the request",
        "The vendor understood the request and refused it; its own words are in `detail`. The same call fails again.";
    UpstreamUnavailable = "upstream_unavailable", 503, "The vendor cannot be reached or is failing",
        "The connection failed or the vendor answered 5xx. A read may be tried again after a pause. After a write, read the state first: the change may have happened.";
    UpstreamTimeout = "upstream_timeout", 504, "The vendor did not answer in time",
        "No full answer came within the limit named in `detail`. A read may be tried again. After a write, read the state first: the change may have happened.";
    UpstreamForbidden = "upstream_forbidden", 502, "That upstream address is not allowed",
        "The address resolves to a loopback, private, link-local or metadata network, which the gateway refuses to reach, or to a host that the definition does not name. Start the gateway with `--allow-upstream HOST:PORT` if you mean it.";
    ResponseTooLarge = "response_too_large", 502, "The vendor's answer is too large",
        "The vendor's answer went over the size limit named in `detail`. Ask for less: a smaller `limit`, or a filter.";
    ModelUnauthenticated = "model_unauthenticated", 424, "The model's provider refused the key",
        "The provider of the language model did not accept the key of the model connection: it is missing, wrong, out of credit, or not allowed to use this model. A person has to renew it (`qm model`); trying again does not help.";
    ModelRejected = "model_rejected", 422, "The model's provider rejected the request",
        "The provider of the language model understood the request and refused it: the model's id is unknown there, the conversation is longer than the model can read, or a parameter is not taken. Its own words are in `detail`. The same request fails again.";
    ModelUnavailable = "model_unavailable", 503, "The model cannot be reached or is failing",
        "The server of the language model cannot be reached, is overloaded, failed or did not answer in time. Nothing was called for it. Try again after a pause, or name another model.";
    ModelInvalid = "model_invalid", 502, "The model's answer cannot be used",
        "The server of the language model answered with something that its wire format does not have: HTML, a stream that ends in the middle, an answer over the size limit. Look at the base URL and the wire format of the connection (`qm model check`); if they are right, try again.";
    Unsupported = "unsupported", 400, "Not supported by this integration",
        "The integration's definition does not have this resource or method. `GET /integrated-account/{id}/tools` lists those that it has.";
    Internal = "internal", 500, "Internal error",
        "A fault of the gateway; the log has the details under the request id in `instance`. After a write, read the state before doing anything.";
    Unavailable = "unavailable", 503, "The gateway cannot serve this now",
        "The gateway is shutting down, or its storage does not accept writes (a full disk, for instance). Nothing was done. Try again later.";
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whose fault it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The request was wrong.
    Caller,
    /// The gateway refused or failed.
    Gateway,
    /// The vendor refused or failed.
    Upstream,
    /// The provider of a language model refused or failed.
    Model,
}

/// A call that would help, ready to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextCall {
    /// The tool's name.
    pub tool: String,
    /// Its arguments; may be empty.
    pub arguments: Map<String, Value>,
}

/// One wrong place in the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON Pointer into the body, or `/{name}` for a query parameter or argument.
    pub pointer: String,
    /// What is wrong there and what is expected.
    pub detail: String,
}

/// What the vendor answered, scrubbed of secrets and cut to [`UpstreamExcerpt::BODY_MAX_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamExcerpt {
    /// The HTTP status.
    pub status: u16,
    /// The vendor's own error code, when it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The start of the body.
    pub body: String,
}

impl UpstreamExcerpt {
    /// How much of a vendor's body an excerpt keeps.
    pub const BODY_MAX_BYTES: usize = 2048;
}

/// One problem, boxed because answers are common and problems are not.
///
/// Build with [`Problem::new`] and the `with_` functions. The API adds `instance` (the request id).
#[derive(Clone, PartialEq)]
pub struct Problem(Box<Body>);

/// The fields of a [`Problem`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// `/problems/{code with dashes}`.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The code's title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The code.
    pub code: Code,
    /// Whose fault it is.
    pub origin: Origin,
    /// What happened, in one or two sentences.
    pub detail: String,
    /// The request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Calls that would help.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_calls: Vec<NextCall>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// How long to wait before it.
    pub retry_after_seconds: Option<u64>,
    /// What the vendor answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamExcerpt>,
    /// Wrong places in the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The approval that the call waits for, or that refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Box<ApprovalNotice>>,
}

impl Problem {
    /// A problem with the code's own status and title; retryable only where the code says so.
    pub fn new(code: Code, origin: Origin, detail: impl Into<String>) -> Self {
        let retryable = matches!(
            code,
            Code::RateLimited
                | Code::UpstreamUnavailable
                | Code::UpstreamTimeout
                | Code::ModelUnavailable
                | Code::ModelInvalid
                | Code::Unavailable
        );
        Self(Box::new(Body {
            type_uri: format!("/problems/{}", code.as_str().replace('_', "-")),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            origin,
            detail: detail.into(),
            instance: None,
            hint: None,
            next_calls: Vec::new(),
            retryable,
            retry_after_seconds: None,
            upstream: None,
            errors: Vec::new(),
            approval: None,
        }))
    }

    /// The caller's fault.
    pub fn caller(code: Code, detail: impl Into<String>) -> Self {
        Self::new(code, Origin::Caller, detail)
    }

    /// The gateway's refusal or fault.
    pub fn gateway(code: Code, detail: impl Into<String>) -> Self {
        Self::new(code, Origin::Gateway, detail)
    }

    /// The vendor's refusal or fault.
    pub fn upstream(code: Code, detail: impl Into<String>) -> Self {
        Self::new(code, Origin::Upstream, detail)
    }

    /// Says what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds a call that would help.
    pub fn with_next_call(mut self, tool: impl Into<String>, arguments: Map<String, Value>) -> Self {
        self.0.next_calls.push(NextCall { tool: tool.into(), arguments });
        self
    }

    /// Adds a wrong place.
    pub fn with_error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// Says whether, and after how long, the same call may succeed.
    pub fn with_retry(mut self, retryable: bool, after_seconds: Option<u64>) -> Self {
        self.0.retryable = retryable;
        self.0.retry_after_seconds = after_seconds;
        self
    }

    /// Adds what the vendor answered.
    pub fn with_upstream(mut self, upstream: UpstreamExcerpt) -> Self {
        self.0.upstream = Some(upstream);
        self
    }

    /// Names the approval that is asked for, or that refused.
    pub fn with_approval(mut self, approval: ApprovalNotice) -> Self {
        self.0.approval = Some(Box::new(approval));
        self
    }

    /// Names the request.
    pub fn with_instance(mut self, instance: impl fmt::Display) -> Self {
        self.0.instance = Some(instance.to_string());
        self
    }

    /// The fields.
    pub fn body(&self) -> &Body {
        &self.0
    }

    /// The fields, to be changed.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.0
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.0.code, self.0.detail)
    }
}

impl std::error::Error for Problem {}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Problem {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Body::deserialize(deserializer).map(|body| Self(Box::new(body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name_a_title_and_advice() {
        let mut names = std::collections::HashSet::new();
        for code in Code::ALL {
            assert!(names.insert(code.as_str()));
            assert_eq!(serde_json::to_value(code).expect("a code is a string"), code.as_str());
            assert!((400..600).contains(&code.status()));
            assert!(code.advice().len() > 40, "{code} needs advice worth reading");
        }
    }

    #[test]
    fn a_problem_survives_its_wire_form() {
        let problem = Problem::upstream(Code::NotFound, "no such user")
            .with_hint("list first")
            .with_next_call("list_all_x_users", Map::new())
            .with_error("/id", "not an id")
            .with_upstream(UpstreamExcerpt { status: 404, code: None, body: String::new() });
        let text = serde_json::to_string(&problem).expect("problems serialise");
        assert_eq!(serde_json::from_str::<Problem>(&text).expect("and come back"), problem);
        assert!(text.starts_with(r#"{"type":"/problems/not-found","title":"Not found","status":404"#));
    }
}
