//! How pages follow each other.

use crate::diagnostics::Rule;
use crate::plan::{PageStyle, Pagination};
use crate::report::Report;
use crate::tree::Node;

/// The size of a page where the definition tells none.
const PAGE_SIZE_DEFAULT: u32 = 100;

/// One answer.
pub(super) fn none() -> Pagination {
    Pagination {
        style: PageStyle::None,
        size_parameter: None,
        size_default: PAGE_SIZE_DEFAULT,
        size_max: PAGE_SIZE_DEFAULT,
        has_more: None,
    }
}

/// Reads a `pagination` value.
pub(super) fn build(node: &Node, report: &mut Report<'_>) -> Pagination {
    let Some(style) = style(node, report) else { return none() };
    let size = node.get("size");
    let number = |key: &str| {
        let number = size.and_then(|size| size.get(key)).and_then(Node::integer);
        number.and_then(|number| u32::try_from(number).ok()).unwrap_or(PAGE_SIZE_DEFAULT)
    };
    let (size_default, size_max) = (number("default"), number("max"));
    if let Some(size) = size
        && size_default > size_max
    {
        report.error(size, Rule::WrongValue, "`default` is larger than `max`");
    }
    Pagination {
        style,
        size_parameter: size.and_then(|size| size.get("send")).and_then(Node::text).map(str::to_owned),
        size_default,
        size_max,
        has_more: node.get("has_more").and_then(Node::text).map(str::to_owned),
    }
}

fn style(node: &Node, report: &mut Report<'_>) -> Option<PageStyle> {
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    if let Some(cursor) = node.get("cursor") {
        return cursor_style(cursor, report);
    }
    if let Some(next) = node.get("next_url") {
        return Some(PageStyle::NextUrl { read: text(next, "read")? });
    }
    if node.get("link_header").is_some() {
        return Some(PageStyle::LinkHeader);
    }
    if let Some(page) = node.get("page") {
        let first = page.get("first").and_then(Node::integer).unwrap_or(1);
        return Some(PageStyle::PageNumber {
            send: text(page, "send")?,
            first,
            total_pages: text(page, "total_pages"),
        });
    }
    if let Some(offset) = node.get("offset") {
        let first = offset.get("first").and_then(Node::integer).unwrap_or(0);
        return Some(PageStyle::Offset { send: text(offset, "send")?, first, total: text(offset, "total") });
    }
    if let Some(last) = node.get("last_id") {
        return Some(PageStyle::LastId { send: text(last, "send")? });
    }
    let perpetual = node.get("perpetual")?;
    if node.get("has_more").is_none() {
        let help = "the cursor is always there, so only `has_more` can say when to stop";
        report.error_with_help(node, Rule::MissingKey, "`has_more` is missing here", help);
    }
    Some(PageStyle::Perpetual { send: text(perpetual, "send")?, read: text(perpetual, "read")? })
}

fn cursor_style(cursor: &Node, report: &mut Report<'_>) -> Option<PageStyle> {
    let send = cursor.get("send")?.text()?.to_owned();
    let in_body = send.starts_with('/');
    if let Some(read) = cursor.get("read_header").and_then(Node::text) {
        if in_body {
            let message = "a cursor from a header is sent as a query parameter, not in the body";
            report.error(cursor, Rule::ConflictingKeys, message);
        }
        return Some(PageStyle::CursorHeader { send, read: read.to_ascii_lowercase() });
    }
    let read = cursor.get("read")?.text()?.to_owned();
    Some(if in_body { PageStyle::CursorBody { send, read } } else { PageStyle::CursorQuery { send, read } })
}

/// Whether a request body is needed to ask for a page.
pub(super) fn needs_body(pagination: &Pagination) -> bool {
    matches!(pagination.style, PageStyle::CursorBody { .. } | PageStyle::Perpetual { .. })
        || pagination.size_parameter.as_deref().is_some_and(|parameter| parameter.starts_with('/'))
}
