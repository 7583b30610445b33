//! How a call proves who it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use quartermaster_definition::plan::Auth;
use quartermaster_expr::{Place, Root, Scope, Template};
use quartermaster_types::{Code, Problem};
use quartermaster_vault::Secrets;
use serde_json::{Map, Value};

use crate::request::{escape, push_query, render_problem};
use crate::run::{Run, target_of};

/// What stands in the place of a secret wherever people look.
pub(crate) const MASK: &str = "[secret]";

/// A credential, ready to be put on a request. `Debug` shows no secret: header values are marked sensitive.
#[derive(Clone)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// A header.
    Header(HeaderName, HeaderValue),
    /// A query parameter: escaped name, escaped value.
    Query(String, String),
}

impl Credential {
    /// A header; the value is marked so that nothing prints it.
    pub(crate) fn header(name: &str, value: &str) -> Result<Self, Problem> {
        let unusable = || {
            Problem::gateway(
                Code::AccountNeedsReauth,
                "a credential of this account has characters that a header cannot carry",
            )
            .with_hint("Enter the credentials again, without line breaks.")
        };
        let name = HeaderName::try_from(name).map_err(|_| {
            Problem::gateway(Code::Internal, "the definition names an authentication header that is none")
        })?;
        let mut value = HeaderValue::try_from(value).map_err(|_| unusable())?;
        value.set_sensitive(true);
        Ok(Self::Header(name, value))
    }

    /// Puts it on a request.
    pub(crate) fn apply(&self, url: &mut String, headers: &mut HeaderMap) {
        match self {
            Self::None => {}
            Self::Header(name, value) => {
                headers.insert(name.clone(), value.clone());
            }
            Self::Query(name, value) => push_query(url, name, value),
        }
    }

    /// The secret text, for the scrubber: an access token or a key without its scheme.
    pub(crate) fn secret_text(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Header(_, value) => value.to_str().ok().map(|text| text.rsplit(' ').next().unwrap_or(text)),
            Self::Query(_, value) => Some(value),
        }
    }

    /// Path and query of `url` with this credential masked.
    pub(crate) fn mask(&self, url: &http::Uri) -> String {
        let target = target_of(url);
        match self {
            Self::Query(name, value) => target.replace(&format!("{name}={value}"), &format!("{name}={MASK}")),
            _ => target,
        }
    }
}

/// The credential of every kind but OAuth, rendered from the account's secrets.
pub(crate) fn fixed(run: &mut Run<'_>, auth: &Auth) -> Result<Credential, Problem> {
    if matches!(auth, Auth::None | Auth::ClientCredentials(_)) {
        return Ok(Credential::None);
    }
    let connection = run.call.connection;
    let base = run.targets()?.base.clone();
    let secrets = run.secrets()?;
    credential(auth, |template, place| render(template, place, connection, &base, secrets))
}

/// The same with a way to render: previews mask every secret.
pub(crate) fn credential(
    auth: &Auth,
    render: impl Fn(&Template, Place) -> Result<String, Problem>,
) -> Result<Credential, Problem> {
    match auth {
        Auth::None | Auth::ClientCredentials(_) => Ok(Credential::None),
        Auth::Bearer { token } => {
            Credential::header("authorization", &format!("Bearer {}", render(token, Place::Header)?))
        }
        Auth::ApiKeyHeader { header, value } => Credential::header(header, &render(value, Place::Header)?),
        Auth::ApiKeyQuery { parameter, value } => {
            Ok(Credential::Query(escape(parameter), escape(&render(value, Place::Plain)?)))
        }
        Auth::Basic { username, password } => {
            let pair = format!("{}:{}", render(username, Place::Plain)?, render(password, Place::Plain)?);
            Credential::header("authorization", &format!("Basic {}", STANDARD.encode(pair)))
        }
    }
}

/// Renders a template that may use `credentials`, `connection` and `base_url`.
pub(crate) fn render(
    template: &Template,
    place: Place,
    connection: &Map<String, Value>,
    base_url: &str,
    secrets: &Secrets,
) -> Result<String, Problem> {
    let look_up = |name: &str| secrets.expose(name);
    let roots = [
        ("credentials", Root::Lookup(&look_up)),
        ("connection", Root::Object(connection)),
        ("base_url", Root::Text(base_url)),
    ];
    let nothing = Map::new();
    template
        .render(&Scope { roots: &roots, arguments: &nothing }, place)
        .map_err(|error| render_problem(&error, &nothing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_query_is_masked_for_observers() {
        let credential = Credential::Query("key".to_owned(), "abc%20def".to_owned());
        let mut url = "https://h/p?x=1".to_owned();
        credential.apply(&mut url, &mut HeaderMap::new());
        assert_eq!(url, "https://h/p?x=1&key=abc%20def");
        assert_eq!(credential.mask(&url.parse().unwrap()), "/p?x=1&key=[secret]");
    }

    #[test]
    fn a_credential_cannot_inject_a_header_and_is_never_printed() {
        assert!(Credential::header("authorization", "Bearer a\r\nx-evil: 1").is_err());
        let Credential::Header(_, value) = Credential::header("x-api-key", "hunter2hunter2").unwrap() else {
            panic!("a header")
        };
        assert!(!format!("{value:?}").contains("hunter2"));
    }
}
