//! How each dialect of pagination asks for a page, and where it tells the next one.

use http::HeaderMap;
use quartermaster_definition::plan::{PageStyle, Pagination};
use quartermaster_types::{Code, Problem};
use serde_json::Value;

use super::page::Page;
use crate::request::{Draft, escape};
use crate::run::Run;
use quartermaster_definition::plan::Auth;

/// The request for one page: size and cursor where this dialect wants them.
pub(super) fn page_request(
    run: &mut Run<'_>,
    base: &Draft,
    pagination: &Pagination,
    cursor: Option<&str>,
    size: u32,
) -> Result<Draft, Problem> {
    let mut draft = base.clone();
    if let (PageStyle::NextUrl { .. } | PageStyle::LinkHeader, Some(url)) = (&pagination.style, cursor) {
        run.targets()?.check(url)?;
        url.clone_into(&mut draft.url);
        return Ok(draft);
    }
    match pagination.size_parameter.as_deref().filter(|_| pagination.style != PageStyle::None) {
        Some(pointer) if pointer.starts_with('/') => set_body(&mut draft, pointer, Value::from(size))?,
        Some(parameter) => draft.add_query(parameter, &size.to_string()),
        None => {}
    }
    match (&pagination.style, cursor) {
        (
            PageStyle::CursorQuery { send, .. } | PageStyle::CursorHeader { send, .. } | PageStyle::LastId { send },
            Some(cursor),
        ) => draft.add_query(send, cursor),
        (PageStyle::CursorBody { send, .. } | PageStyle::Perpetual { send, .. }, Some(cursor)) => {
            set_body(&mut draft, send, Value::from(cursor))?;
        }
        (PageStyle::PageNumber { send, first, .. } | PageStyle::Offset { send, first, .. }, cursor) => {
            draft.add_query(send, &number(cursor, *first).to_string());
        }
        _ => {}
    }
    Ok(draft)
}

fn set_body(draft: &mut Draft, pointer: &str, value: Value) -> Result<(), Problem> {
    draft.body.set(pointer, value).map_err(|reason| {
        Problem::gateway(Code::Internal, format!("a page parameter cannot stand at {pointer}: {reason}"))
    })
}

fn number(cursor: Option<&str>, first: u64) -> u64 {
    cursor.and_then(|text| text.parse().ok()).unwrap_or(first)
}

/// Which of [`pointers`] is which.
pub(super) const CURSOR: usize = 0;
/// See [`CURSOR`].
pub(super) const HAS_MORE: usize = 1;
/// See [`CURSOR`].
pub(super) const TOTAL: usize = 2;

/// Finds nothing: it is neither empty nor begins with a slash.
const NOWHERE: &str = "-";

/// The pointers into a page's body that [`next`] needs.
pub(super) fn pointers(pagination: &Pagination) -> [&str; 3] {
    let (cursor, total) = match &pagination.style {
        PageStyle::CursorQuery { read, .. }
        | PageStyle::CursorBody { read, .. }
        | PageStyle::NextUrl { read }
        | PageStyle::Perpetual { read, .. } => (Some(read.as_str()), None),
        PageStyle::PageNumber { total_pages: total, .. } | PageStyle::Offset { total, .. } => (None, total.as_deref()),
        _ => (None, None),
    };
    [cursor.unwrap_or(NOWHERE), pagination.has_more.as_deref().unwrap_or(NOWHERE), total.unwrap_or(NOWHERE)]
}

/// The cursor of the page after this one; `None` at the end. `url` is where this page came from.
pub(super) fn next(
    pagination: &Pagination,
    page: &Page,
    headers: &HeaderMap,
    url: &str,
    cursor: Option<&str>,
    size: u32,
) -> Option<String> {
    let more = page.has_more();
    if more == Some(false) {
        return None;
    }
    let count = page.count() as u64;
    let next = match &pagination.style {
        PageStyle::None => None,
        PageStyle::CursorQuery { .. } | PageStyle::CursorBody { .. } => page.cursor(),
        PageStyle::Perpetual { .. } => page.cursor().filter(|_| more == Some(true)),
        PageStyle::CursorHeader { read, .. } => {
            headers.get(read.as_str()).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        }
        PageStyle::NextUrl { .. } => page.cursor().map(|next| resolve(url, &next)),
        PageStyle::LinkHeader => link_next(headers).map(|next| resolve(url, &next)),
        PageStyle::PageNumber { first, .. } => {
            let present = number(cursor, *first);
            let ends = match page.total() {
                // A number of records is never less than the number of pages, so that this never stops too early.
                Some(total) => present.saturating_sub(*first) + 1 >= total || count == 0,
                None => count == 0 || (count < u64::from(size) && more.is_none()),
            };
            (!ends).then(|| (present + 1).to_string())
        }
        PageStyle::Offset { first, .. } => {
            let after = number(cursor, *first) + count;
            let ends = match page.total() {
                Some(total) => after.saturating_sub(*first) >= total || count == 0,
                None => count == 0 || (count < u64::from(size) && more.is_none()),
            };
            (!ends).then(|| after.to_string())
        }
        PageStyle::LastId { .. } => {
            let ends = count == 0 || (count < u64::from(size) && more.is_none());
            if ends { None } else { page.last_id() }
        }
    };
    next.filter(|next| !next.trim().is_empty())
}

/// An absolute URL from one that may be relative to `base`. One that is neither is left as it is: it is refused when it is
/// to be followed, and does not pass for the end.
fn resolve(base: &str, next: &str) -> String {
    let next = next.trim();
    if next.is_empty() {
        return String::new();
    }
    let resolved = url::Url::parse(base).and_then(|base| base.join(next));
    resolved.map_or_else(|_| next.to_owned(), String::from)
}

/// The target of `rel=next` in the `link` headers (RFC 8288), whatever the spacing and quoting.
fn link_next(headers: &HeaderMap) -> Option<String> {
    headers.get_all(http::header::LINK).iter().filter_map(|value| value.to_str().ok()).find_map(link_next_in)
}

fn link_next_in(mut text: &str) -> Option<String> {
    loop {
        let start = text.find('<')?;
        let end = start + text[start..].find('>')?;
        let target = &text[start + 1..end];
        let rest = &text[end + 1..];
        let after = rest.find('<').unwrap_or(rest.len());
        if rest[..after].split([';', ',']).any(is_next) {
            return Some(target.to_owned());
        }
        text = &rest[after..];
    }
}

/// Whether a link parameter is `rel=next`, `rel="next"` or `rel="prev next"`.
fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("rel")
        && value.trim().trim_matches('"').split_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
}

/// A next-page URL without the account's API key, which some vendors repeat in it: it is added again when it is sent.
pub(super) fn without_key(auth: &Auth, url: String) -> String {
    let Auth::ApiKeyQuery { parameter, .. } = auth else { return url };
    let Some((path, query)) = url.split_once('?') else { return url };
    let name = escape(parameter);
    let kept: Vec<&str> = query.split('&').filter(|pair| pair.split('=').next() != Some(name.as_str())).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_headers_are_read_in_every_spelling() {
        for text in [
            r#"<https://h/2>; rel="next""#,
            "<https://h/2>;rel=next",
            r#"<https://h/1>; rel="first", <https://h/2>; title="a, b"; rel="last next""#,
            r#"<https://h/9>; rel="last",<https://h/2>;Rel=NEXT"#,
        ] {
            assert_eq!(link_next_in(text).as_deref(), Some("https://h/2"), "{text}");
        }
        for text in [r#"<https://h/2>; rel="prev""#, "", "<https://h/2", r#"<https://h/2>; rel="nextish""#] {
            assert_eq!(link_next_in(text), None, "{text}");
        }
    }

    #[test]
    fn next_urls_may_be_relative() {
        let base = "https://h:8/v1/users?page=1";
        assert_eq!(resolve(base, "?page=2"), "https://h:8/v1/users?page=2");
        assert_eq!(resolve(base, "/v1/users?page=2"), "https://h:8/v1/users?page=2");
        assert_eq!(resolve(base, "https://other/x"), "https://other/x");
        assert_eq!(resolve(base, " "), "");
        assert_eq!(resolve(base, "https://["), "https://[", "left for the check to refuse");
    }

    #[test]
    fn a_repeated_key_is_taken_out_of_a_next_url() {
        let auth = Auth::ApiKeyQuery {
            parameter: "api_key".to_owned(),
            value: quartermaster_expr::Template::parse("x").unwrap(),
        };
        assert_eq!(without_key(&auth, "https://h/p?a=1&api_key=s&b=2".to_owned()), "https://h/p?a=1&b=2");
        assert_eq!(without_key(&auth, "https://h/p?api_key=s".to_owned()), "https://h/p");
        assert_eq!(without_key(&Auth::None, "https://h/p?api_key=s".to_owned()), "https://h/p?api_key=s");
    }
}
