//! Which hosts calls can reach: only those that the definition names.
//!
//! A variable in a host is safe when it cannot make another host of it: one of a closed list of values, or a text without
//! `/` and `:` that is followed by a fixed domain. Everything else has to be said under `hosts`.

use quartermaster_expr::Template;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::Context;
use super::method::check_path_literals;
use super::variables::Roots;
use crate::diagnostics::Rule;
use crate::report::Report;
use crate::tree::Node;

/// A URL template in parts.
pub(super) struct Url<'a> {
    pub(super) scheme: &'a str,
    /// Host and port.
    pub(super) host: &'a str,
    pub(super) path: &'a str,
}

/// Splits `scheme://host/path`; placeholders have no slashes in them.
pub(super) fn split(text: &str) -> Option<Url<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some(Url { scheme, host, path })
}

/// Reads `base_url`.
pub(super) fn base_url(context: &Context<'_>, report: &mut Report<'_>) -> Option<Template> {
    let node = context.root.get("base_url")?;
    let template = context.variables.template(node, Roots::CONNECTION, &[], report)?;
    let Some(url) = split(template.source()) else {
        report.error(node, Rule::BadUrl, "a base URL begins with `https://`");
        return None;
    };
    check_scheme(node, &url, report);
    check_host_text(node, &url, report);
    check_path_literals(node, url.path, report);
    if url.path.ends_with('/') {
        report.error(node, Rule::BadUrl, "a base URL has no slash at its end: every path begins with one");
    }
    if !named(context, url.host) {
        check_variables(node, url.host, context, report);
    }
    Some(template)
}

/// Reads `hosts`.
pub(super) fn further(context: &Context<'_>, report: &mut Report<'_>) -> Vec<Template> {
    let mut hosts = Vec::new();
    for node in context.root.get("hosts").map_or(&[][..], Node::items) {
        let Some(template) = context.variables.template(node, Roots::CONNECTION, &[], report) else { continue };
        let host = template.source();
        if host.contains("://") || host.contains('/') {
            report.error(node, Rule::BadUrl, "a host is written without scheme and path: `auth.example.com`");
        } else {
            check_host_text(node, &Url { scheme: "", host, path: "" }, report);
            // A placeholder alone is the definition's word that people may name any host.
            let open = template.as_literal().is_none() && template.paths().len() == 1 && is_one_placeholder(host);
            if !open {
                check_variables(node, host, context, report);
            }
        }
        hosts.push(template);
    }
    hosts
}

/// Notes an absolute URL (a token endpoint, a path) on a host that is neither the base URL's nor under `hosts`.
pub(super) fn check_absolute(node: &Node, context: &Context<'_>, report: &mut Report<'_>) {
    let Some(text) = node.text() else { return };
    if let Some(rest) = text.strip_prefix("{{ base_url }}").or_else(|| text.strip_prefix("{{base_url}}")) {
        if !rest.is_empty() && !rest.starts_with('/') {
            report.error(node, Rule::UnknownHost, "after `{{ base_url }}` comes a path, which begins with `/`");
        }
        return check_path_literals(node, rest, report);
    }
    let Some(url) = split(text) else {
        let help = "write `{{ base_url }}/…`, or `https://…` with a host from `hosts`";
        return report.error_with_help(node, Rule::BadUrl, "this is not an absolute URL", help);
    };
    check_scheme(node, &url, report);
    check_host_text(node, &url, report);
    check_path_literals(node, url.path, report);
    let base = context.root.get("base_url").and_then(Node::text).and_then(split);
    if base.is_some_and(|base| same(base.host, url.host)) || named(context, url.host) {
        return;
    }
    let help = format!("add `{}` to `hosts`", url.host);
    report.error_with_help(
        node,
        Rule::UnknownHost,
        format!("the definition does not name the host `{}`", url.host),
        help,
    );
}

fn named(context: &Context<'_>, host: &str) -> bool {
    let hosts = context.root.get("hosts").map_or(&[][..], Node::items);
    hosts.iter().filter_map(Node::text).any(|other| same(other, host))
}

/// The same text; blanks inside placeholders and the case of letters do not matter.
fn same(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.replace(' ', "").to_ascii_lowercase();
    plain(one) == plain(other)
}

fn is_one_placeholder(host: &str) -> bool {
    host.starts_with("{{") && host.ends_with("}}") && host.matches("{{").count() == 1
}

fn check_scheme(node: &Node, url: &Url<'_>, report: &mut Report<'_>) {
    match url.scheme {
        "https" => {}
        "http" => {
            let name = url.host.split(':').next().unwrap_or_default();
            if !matches!(name, "127.0.0.1" | "localhost" | "[") {
                report.warning(
                    node,
                    Rule::PlainHttp,
                    "without TLS everybody on the way can read the credentials",
                    "write `https://`",
                );
            }
        }
        other => report.error(node, Rule::BadUrl, format!("`{other}` is not a scheme for calls; write `https://`")),
    }
}

fn check_host_text(node: &Node, url: &Url<'_>, report: &mut Report<'_>) {
    let pieces = pieces(url.host);
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    let literals_legal = pieces.iter().all(|piece| match piece {
        Piece::Literal(text) => text.bytes().all(legal) && !text.contains(".."),
        Piece::Placeholder(_) => true,
    });
    if url.host.is_empty() || !literals_legal {
        report.error(node, Rule::BadUrl, format!("`{}` is not a host", url.host.escape_debug()));
    }
}

enum Piece<'a> {
    Literal(&'a str),
    /// The name of a connection field; empty for anything else.
    Placeholder(&'a str),
}

fn pieces(host: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = host;
    while let Some(open) = rest.find("{{") {
        if open > 0 {
            pieces.push(Piece::Literal(&rest[..open]));
        }
        let Some(close) = rest[open..].find("}}") else { return pieces };
        let inner = rest[open + 2..open + close].trim();
        pieces.push(Piece::Placeholder(inner.strip_prefix("connection.").unwrap_or("")));
        rest = &rest[open + close + 2..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    pieces
}

/// Notes variables that could make another host of it.
fn check_variables(node: &Node, host: &str, context: &Context<'_>, report: &mut Report<'_>) {
    let pieces = pieces(host);
    for (index, piece) in pieces.iter().enumerate() {
        let Piece::Placeholder(name) = piece else { continue };
        let Some(field) = context.root.at(&["connection", "fields", name]) else { continue };
        let Err(why) = safe(field, &pieces[index + 1..], context) else { continue };
        let help = format!(
            "give `{name}` an `enum`, or a `pattern` without `/` and `:` and a fixed domain after it; or name `{host}` under `hosts`"
        );
        report.error_with_help(node, Rule::UnknownHost, format!("`connection.{name}` {why}"), help);
    }
}

/// Whether a field cannot change which domain the host belongs to; why it can otherwise.
fn safe(field: &Node, after: &[Piece<'_>], context: &Context<'_>) -> Result<(), &'static str> {
    if is_closed_list(field) {
        return Ok(());
    }
    let Some(pattern) = field.get("pattern").and_then(Node::text) else {
        return Err("can be any text, and so any host");
    };
    if regex_syntax::parse(pattern).is_err() {
        // Noted already.
        return Ok(());
    }
    if !keeps_to_a_label(pattern) {
        return Err("can have a `/` or `:` in it by its pattern, and so end the host early");
    }
    let mut domain = String::new();
    for piece in after {
        match piece {
            Piece::Literal(text) => {
                let (name, port) = text.split_once(':').map_or((*text, None), |(name, port)| (name, Some(port)));
                domain.push_str(name);
                if port.is_some() {
                    break;
                }
            }
            Piece::Placeholder(name) => match context.root.at(&["connection", "fields", name]) {
                Some(field) if is_closed_list(field) => domain.push('x'),
                _ => domain.clear(),
            },
        }
    }
    let is_port = after.is_empty() && is_digits(pattern);
    let is_label = domain.starts_with('.') && domain.matches('.').count() >= 2;
    if is_label || is_port {
        Ok(())
    } else {
        Err("is not followed by a fixed domain, so it can lead to anybody's host")
    }
}

fn is_closed_list(field: &Node) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let values = field.get("enum").map_or(&[][..], Node::items);
    !values.is_empty() && values.iter().all(|value| value.text().is_some_and(|text| text.bytes().all(legal)))
}

/// Whether every text that matches is free of `/` and `:` from its beginning to its end.
fn keeps_to_a_label(pattern: &str) -> bool {
    whole_match_of(pattern).is_some_and(|hir| !may_have(&hir, &['/', ':']))
}

/// Whether every text that matches is made of digits: a port.
fn is_digits(pattern: &str) -> bool {
    whole_match_of(pattern).is_some_and(|hir| {
        let others: Vec<char> = (0_u8..128).map(char::from).filter(|character| !character.is_ascii_digit()).collect();
        !may_have(&hir, &others)
    })
}

/// The pattern's syntax tree, when it matches whole texts only.
fn whole_match_of(pattern: &str) -> Option<Hir> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let properties = hir.properties();
    let anchored =
        properties.look_set_prefix().contains(Look::Start) && properties.look_set_suffix().contains(Look::End);
    anchored.then_some(hir)
}

/// Whether one of the characters can stand in a match.
fn may_have(hir: &Hir, characters: &[char]) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => text.contains(characters),
            Err(_) => true,
        },
        HirKind::Class(Class::Unicode(class)) => {
            let inside = |character: &char| class.iter().any(|range| (range.start()..=range.end()).contains(character));
            characters.iter().any(inside)
        }
        HirKind::Class(Class::Bytes(_)) => true,
        HirKind::Repetition(repetition) => may_have(&repetition.sub, characters),
        HirKind::Capture(capture) => may_have(&capture.sub, characters),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(|part| may_have(part, characters)),
    }
}
