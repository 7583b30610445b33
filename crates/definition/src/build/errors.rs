//! Rate limits and errors.

use quartermaster_expr::Program;
use quartermaster_types::Code;

use super::Context;
use super::links::named_call;
use super::variables::Roots;
use crate::plan::{ERROR_VARIABLES, ErrorRules, Explanation, RateKind, RateLimitRules, RateSource};
use crate::report::Report;
use crate::shape::duration_seconds;
use crate::tree::Node;

pub(super) fn rate_limits(root: &Node) -> RateLimitRules {
    let Some(node) = root.get("rate_limits") else {
        return RateLimitRules { heuristics: true, ..RateLimitRules::default() };
    };
    RateLimitRules {
        sources: node.get("sources").map_or(&[][..], Node::items).iter().filter_map(source).collect(),
        heuristics: node.get("heuristics").and_then(Node::boolean).unwrap_or(true),
        unbudgeted: !node.get("budget").and_then(Node::boolean).unwrap_or(true),
        limited_when: programs(node.get("limited_when")),
    }
}

fn source(node: &Node) -> Option<RateSource> {
    match node.text() {
        Some("trio") => return Some(RateSource::Trio),
        Some("structured") => return Some(RateSource::Structured),
        Some("retry_after") => return Some(RateSource::RetryAfter),
        Some(_) => return None,
        None => {}
    }
    let headers = node.get("headers")?;
    let lower = |node: &Node| node.text().map(str::to_ascii_lowercase);
    let time = |key: &str| {
        let node = headers.get(key)?;
        Some((node.get("header").and_then(lower)?, rate_kind(node.get("kind")?.text()?)?))
    };
    Some(RateSource::Headers {
        limit: headers.get("limit").and_then(lower),
        remaining: headers.get("remaining").and_then(lower),
        reset: time("reset"),
        retry_after: time("retry_after"),
        window_seconds: headers.get("window").and_then(duration_seconds),
        name: headers.get("name").and_then(Node::text).map(str::to_owned),
    })
}

fn rate_kind(name: &str) -> Option<RateKind> {
    Some(match name {
        "delta_seconds" => RateKind::DeltaSeconds,
        "delta_milliseconds" => RateKind::DeltaMilliseconds,
        "epoch_seconds" => RateKind::EpochSeconds,
        "epoch_milliseconds" => RateKind::EpochMilliseconds,
        "iso" => RateKind::Iso,
        "http_date" => RateKind::HttpDate,
        _ => return None,
    })
}

pub(super) fn error_rules(context: &Context<'_>, report: &mut Report<'_>) -> ErrorRules {
    let Some(node) = context.root.get("errors") else { return ErrorRules::default() };
    let texts = |key: &str| {
        let items = node.get(key).map_or(&[][..], Node::items);
        items.iter().filter_map(Node::text).map(str::to_owned).collect::<Vec<_>>()
    };
    // A hint is rendered for the call that failed, so it may use whatever argument some method has.
    let arguments = all_argument_names(context.root);
    let explanations = node.get("explain").map_or(&[][..], Node::items);
    ErrorRules {
        message: texts("message"),
        code: texts("code"),
        failed_when: programs(node.get("failed_when")),
        explain: explanations.iter().filter_map(|node| explanation(node, context, &arguments, report)).collect(),
    }
}

fn explanation(
    node: &Node,
    context: &Context<'_>,
    arguments: &[String],
    report: &mut Report<'_>,
) -> Option<Explanation> {
    let hint = node.get("hint").and_then(|hint| context.variables.template(hint, Roots::CONNECTION, arguments, report));
    let code = node.get("code").and_then(Node::text);
    Some(Explanation {
        when: program(node.get("when")?)?,
        code: code.and_then(|name| Code::ALL.iter().copied().find(|code| code.as_str() == name)),
        hint,
        next: node.get("next").and_then(named_call),
        retryable: node.get("retryable").and_then(Node::boolean),
    })
}

fn all_argument_names(root: &Node) -> Vec<String> {
    let resources = root.get("resources").map_or(&[][..], Node::entries);
    let methods = resources.iter().flat_map(|(_, resource)| resource.get("methods").map_or(&[][..], Node::entries));
    let arguments = methods.flat_map(|(_, method)| method.get("arguments").map_or(&[][..], Node::entries));
    std::iter::once("id".to_owned()).chain(arguments.map(|(key, _)| key.text.clone())).collect()
}

fn programs(node: Option<&Node>) -> Vec<Program> {
    node.map_or(&[][..], Node::items).iter().filter_map(program).collect()
}

/// Compiles a condition; one that does not compile was noted before.
fn program(node: &Node) -> Option<Program> {
    Program::compile(node.text()?, ERROR_VARIABLES).ok()
}
