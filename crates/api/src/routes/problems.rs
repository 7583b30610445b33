//! The documentation page of each problem code.

use std::fmt::Write;

use axum::response::Response;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode, Uri};
use quartermaster_types::{Code, Problem};
use serde::Serialize;

use super::{fixed, json, put};
use crate::extract::{PathParts, Query};
use crate::failure::Failure;
use crate::schema;

/// What a page says.
#[derive(Serialize)]
struct Page {
    #[serde(rename = "type")]
    type_uri: String,
    code: Code,
    status: u16,
    title: &'static str,
    advice: &'static str,
}

impl Page {
    fn of(code: Code) -> Self {
        Self { type_uri: path(code), code, status: code.status(), title: code.title(), advice: code.advice() }
    }
}

/// List the problem codes
#[utoipa::path(get, path = "/problems", tag = "problems",
    responses((status = 200, description = "All of them.", content(
        (schema::ProblemPageList = "application/json"), (String = "text/html")))))]
pub(super) async fn list_problems(headers: HeaderMap, uri: Uri) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    if !wants_html(&headers) {
        let pages: Vec<_> = Code::ALL.iter().copied().map(Page::of).collect();
        return Ok(varied(json(StatusCode::OK, &serde_json::json!({ "result": pages }))?));
    }
    let mut items = String::new();
    for code in Code::ALL {
        let (path, title) = (path(*code), escaped(code.title()));
        _ = writeln!(items, "<li><a href=\"{path}\"><code>{code}</code></a> ({}) {title}</li>", code.status());
    }
    Ok(html("Problems", &format!("<h1>Problems</h1>\n<ul>\n{items}</ul>")))
}

/// What a problem code means, and what to do
///
/// The `type` of every problem points here. Dashes and underscores are both taken.
#[utoipa::path(get, path = "/problems/{code}", tag = "problems",
    params(("code" = String, Path, description = "A code, `not-found` or `not_found`.")),
    responses(
        (status = 200, description = "The page.", content((schema::ProblemPage = "application/json"), (String = "text/html"))),
        (status = 404, description = "`not_found`: there is no such code.")))]
pub(super) async fn get_problem(
    PathParts(name): PathParts<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let name = name.replace('-', "_");
    let Some(code) = Code::ALL.iter().copied().find(|code| code.as_str() == name) else {
        let problem = Problem::caller(Code::NotFound, "There is no such problem code.");
        return Err(problem.with_hint("All codes are listed at /problems.").into());
    };
    if !wants_html(&headers) {
        return Ok(varied(json(StatusCode::OK, &Page::of(code))?));
    }
    let (title, advice) = (escaped(code.title()), escaped(code.advice()));
    let body = format!(
        "<h1>{title}</h1>\n<p><code>{code}</code>, HTTP status {}</p>\n<p>{advice}</p>\n<p><a href=\"/problems\">All problems</a></p>",
        code.status()
    );
    Ok(html(code.title(), &body))
}

/// The documentation file of all problem codes.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Problems\n\nEvery answer that is not a success is `application/problem+json` (RFC 9457) with one of these codes. \
         The gateway serves each at `/problems/{code}`, and `type` in the problem points there. This file is written by a \
         test from the list in `crates/types/src/problem.rs`.\n\n| code | status | title |\n| --- | --- | --- |\n",
    );
    for code in Code::ALL {
        let anchor = path(*code).replace("/problems/", "#");
        _ = writeln!(text, "| [`{code}`]({anchor}) | {} | {} |", code.status(), code.title());
    }
    for code in Code::ALL {
        let heading = code.as_str().replace('_', "-");
        _ = write!(text, "\n## {heading}\n\n**{}** (HTTP {}). {}\n", code.title(), code.status(), code.advice());
    }
    text
}

fn path(code: Code) -> String {
    format!("/problems/{}", code.as_str().replace('_', "-"))
}

/// People's browsers name `text/html`; programs name JSON, anything, or nothing.
fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let html = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("text/html"));
        html && parts.all(|parameter| !matches!(parameter.replace(' ', "").as_str(), "q=0" | "q=0.0"))
    })
}

fn varied(mut response: Response) -> Response {
    put(&mut response, VARY, "accept");
    response
}

fn html(title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{}</title>\n<style>body{{font:1rem/1.6 system-ui,sans-serif;max-width:45rem;margin:3rem auto;padding:0 1rem}}\
         code{{background:#8882;padding:.1em .3em;border-radius:.2em}}:root{{color-scheme:light dark}}</style>\n{body}\n</html>\n",
        escaped(title)
    );
    let mut response = fixed("text/html; charset=utf-8", page);
    put(&mut response, CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'");
    put(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    varied(response)
}

/// Text for HTML, with `code` between back quotes.
fn escaped(text: &str) -> String {
    let safe = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut parts = safe.split('`');
    let mut written = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        written.push_str(if index % 2 == 0 { "<code>" } else { "</code>" });
        written.push_str(part);
    }
    written
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_documentation_file_is_the_list() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems.md");
        crate::document::compare_with_file(path, &markdown());
    }

    #[test]
    fn only_browsers_get_html() {
        let check = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(value));
            wants_html(&headers)
        };
        assert!(check("text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(!check("application/json") && !check("*/*") && !check("text/html;q=0, application/json"));
        assert!(!wants_html(&HeaderMap::new()));
    }

    #[test]
    fn text_is_escaped_and_code_is_marked() {
        assert_eq!(escaped("a `b<c>` & \"d\""), "a <code>b&lt;c&gt;</code> &amp; &quot;d&quot;");
    }
}
