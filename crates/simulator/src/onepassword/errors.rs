//! Errors in the shapes that the service may use. Only the name `InvalidArgument` is documented; the rest follows the
//! gRPC status codes behind a JSON gateway that the naming implies.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::Reply;
use crate::config::ErrorShape;

/// gRPC status codes that occur here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Unauthenticated,
}

impl Status {
    /// Number, lower-case name, HTTP status.
    fn parts(self) -> (u16, &'static str, StatusCode) {
        match self {
            Self::InvalidArgument => (3, "invalid_argument", StatusCode::BAD_REQUEST),
            Self::NotFound => (5, "not_found", StatusCode::NOT_FOUND),
            Self::PermissionDenied => (7, "permission_denied", StatusCode::FORBIDDEN),
            Self::ResourceExhausted => (8, "resource_exhausted", StatusCode::TOO_MANY_REQUESTS),
            Self::FailedPrecondition => (9, "failed_precondition", StatusCode::BAD_REQUEST),
            Self::Unauthenticated => (16, "unauthenticated", StatusCode::UNAUTHORIZED),
        }
    }
}

/// A refusal on its way to become an answer.
#[derive(Debug)]
pub(super) struct Fail {
    status: StatusCode,
    kind: Kind,
    header: Option<(HeaderName, &'static str)>,
}

#[derive(Debug)]
enum Kind {
    Status(Status, &'static str),
    Oauth { error: &'static str, description: &'static str },
    Empty,
}

impl Fail {
    pub(super) fn status(status: Status, message: &'static str) -> Self {
        let header = (status == Status::Unauthenticated).then_some((header::WWW_AUTHENTICATE, "Bearer"));
        Self { status: status.parts().2, kind: Kind::Status(status, message), header }
    }

    /// An RFC 6749 section 5.2 error.
    pub(super) fn oauth(status: StatusCode, error: &'static str, description: &'static str) -> Self {
        let header = (status == StatusCode::UNAUTHORIZED).then_some((header::WWW_AUTHENTICATE, "Basic"));
        Self { status, kind: Kind::Oauth { error, description }, header }
    }

    /// A status with no body.
    pub(super) fn plain(status: StatusCode) -> Self {
        Self { status, kind: Kind::Empty, header: None }
    }

    pub(super) fn into_reply(self, shape: ErrorShape) -> Reply {
        let body = match self.kind {
            Kind::Empty => None,
            Kind::Oauth { error, description } => Some(json!({"error": error, "error_description": description})),
            Kind::Status(status, message) => shaped(shape, status, message),
        };
        let mut reply = Reply::json(self.status, body.map(|body| Bytes::from(body.to_string())).unwrap_or_default());
        if let Some((name, value)) = self.header {
            reply.headers.insert(name, HeaderValue::from_static(value));
        }
        reply
    }
}

fn shaped(shape: ErrorShape, status: Status, message: &str) -> Option<Value> {
    let (number, name, http) = status.parts();
    match shape {
        ErrorShape::Status => Some(json!({"code": number, "message": message, "details": []})),
        ErrorShape::Error => Some(json!({
            "error": {"code": http.as_u16(), "message": message, "status": name.to_uppercase()}
        })),
        ErrorShape::Plain => Some(json!({"code": name, "message": message})),
        ErrorShape::Empty => None,
    }
}
