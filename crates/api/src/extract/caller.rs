//! Who calls.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use quartermaster_gateway::Actor;
use quartermaster_types::{Code, Problem, RequestId};

use crate::app::App;
use crate::failure::Failure;

/// The caller of an authenticated route, and the id of the request.
pub(crate) struct Caller {
    /// Who.
    pub(crate) actor: Arc<Actor>,
    /// The request.
    pub(crate) request_id: RequestId,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let bearer = bearer(&parts.headers)?;
        let actor = app.gateway().authenticate(bearer).await?;
        // `Api::handle` gives every request its id; a handler that is called in another way gets a fresh one.
        let request_id = parts.extensions.get().copied().unwrap_or_else(|| app.gateway().request_id());
        Ok(Self { actor, request_id })
    }
}

/// The token of the `authorization` header; `None` when there is no such header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let refuse = |detail: &str| {
        Problem::caller(Code::Unauthenticated, detail).with_hint("Send `authorization: Bearer <api token>`, once.")
    };
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refuse("There is more than one `authorization` header."));
    }
    let text = value.to_str().map_err(|_| refuse("The `authorization` header has characters that no token has."))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(refuse("The `authorization` header is not a bearer token.")),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(values: &[&str]) -> Result<Option<String>, Code> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        bearer(&headers).map(|token| token.map(str::to_owned)).map_err(|problem| {
            assert!(!format!("{problem:?}").contains("hunter2"), "a refusal never repeats what was sent");
            problem.code()
        })
    }

    #[test]
    fn only_one_bearer_token_is_taken() {
        assert_eq!(check(&[]), Ok(None));
        assert_eq!(check(&["Bearer hunter2"]), Ok(Some("hunter2".to_owned())));
        assert_eq!(check(&["bearer  hunter2 "]), Ok(Some("hunter2".to_owned())));
        assert_eq!(check(&["Basic hunter2"]), Err(Code::Unauthenticated));
        assert_eq!(check(&["hunter2"]), Err(Code::Unauthenticated));
        assert_eq!(check(&["Bearer hunter2", "Bearer hunter2"]), Err(Code::Unauthenticated));
    }
}
