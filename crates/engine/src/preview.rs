//! What a call would send, with every secret masked.

use http::HeaderMap;
use quartermaster_definition::plan::Auth;
use quartermaster_expr::{Place, Root, Scope, Template};
use quartermaster_types::Problem;
use serde_json::{Map, Value};

use crate::auth::{Credential, MASK, credential};
use crate::call::Preview;
use crate::list;
use crate::request::{Body, parse_url, render_problem};
use crate::run::Run;

/// The method's own request; for a list, the first page's.
pub(crate) fn preview(run: &mut Run<'_>) -> Result<Preview, Problem> {
    let call = run.call;
    let draft =
        if call.method.gives_many { list::first_request(run)? } else { run.draft(call.method, call.arguments)? };
    let base = run.targets()?.base.clone();
    let masked = masked(&call.plan.auth, call.connection, &base)?;
    let mut url = draft.url;
    let mut shown = HeaderMap::new();
    masked.apply(&mut url, &mut shown);
    parse_url(url.replace(MASK, "secret"))?;
    let headers = draft.headers.iter().chain(shown.iter());
    let headers = headers
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let body = match draft.body {
        Body::None => None,
        Body::Json(value) => Some(value),
        form => Some(Value::String(String::from_utf8_lossy(&form.bytes()).into_owned())),
    };
    Ok(Preview { method: draft.method.to_string(), url, headers, body })
}

/// The credential with the mask in place of every secret.
fn masked(auth: &Auth, connection: &Map<String, Value>, base: &str) -> Result<Credential, Problem> {
    match auth {
        Auth::ClientCredentials(_) => Credential::header("authorization", &format!("Bearer {MASK}")),
        Auth::Basic { .. } => Credential::header("authorization", &format!("Basic {MASK}")),
        Auth::ApiKeyQuery { parameter, .. } => {
            Ok(Credential::Query(crate::request::escape(parameter), MASK.to_owned()))
        }
        other => credential(other, |template, place| render_masked(template, place, connection, base)),
    }
}

fn render_masked(
    template: &Template,
    place: Place,
    connection: &Map<String, Value>,
    base: &str,
) -> Result<String, Problem> {
    let look_up = |_: &str| Some(MASK);
    let roots = [
        ("credentials", Root::Lookup(&look_up)),
        ("connection", Root::Object(connection)),
        ("base_url", Root::Text(base)),
    ];
    let nothing = Map::new();
    template
        .render(&Scope { roots: &roots, arguments: &nothing }, place)
        .map_err(|error| render_problem(&error, &nothing))
}
