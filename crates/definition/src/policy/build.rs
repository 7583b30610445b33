//! From a tree to a policy. The shape was checked before, so a value of a wrong type is skipped here without a word.

use std::collections::HashSet;
use std::str::FromStr;

use quartermaster_expr::Program;

use super::approval::terms;
use super::{
    BECAUSE_MAX_BYTES, Defaults, Matchers, POLICY_RULES_MAX, POLICY_VARIABLES, Policy, PolicyRule, Verdict,
    build_guards,
};
use crate::diagnostics::Rule;
use crate::plan::Effect;
use crate::report::Report;
use crate::tree::Node;

/// The longest name of a rule.
const NAME_MAX: usize = 64;

/// Builds the policy; `None` when there were errors.
pub(super) fn build(root: &Node, report: &mut Report<'_>) -> Option<Policy> {
    let default = defaults(root.get("default"));
    let nodes = root.get("rules").map(Node::items).unwrap_or_default();
    if let Some(past) = nodes.get(POLICY_RULES_MAX) {
        report.error(
            past,
            Rule::Limit,
            format!("a policy has at most {POLICY_RULES_MAX} rules, this one {}", nodes.len()),
        );
        return None;
    }
    let mut names = HashSet::new();
    let is_protecting = root.get("protected").is_some();
    let rules: Vec<PolicyRule> =
        nodes.iter().filter_map(|node| rule(node, default, is_protecting, &mut names, report)).collect();
    let protected = build_guards::protected(root, &mut names, report);
    let blast_radius = build_guards::blast_radius(root, &mut names, report);
    (!report.has_errors()).then_some(Policy { default, rules, protected, blast_radius })
}

fn defaults(node: Option<&Node>) -> Defaults {
    let Some(node) = node else { return Defaults::default() };
    if node.text().is_some() {
        let all = verdict(Some(node));
        return Defaults { read: all, write: all, destructive: all };
    }
    Defaults {
        read: verdict(node.get("read")),
        write: verdict(node.get("write")),
        destructive: verdict(node.get("destructive")),
    }
}

fn verdict(node: Option<&Node>) -> Verdict {
    match node.and_then(Node::text) {
        Some("deny") => Verdict::Deny,
        Some("require_approval") => Verdict::RequireApproval,
        _ => Verdict::Allow,
    }
}

fn rule<'n>(
    node: &'n Node,
    default: Defaults,
    is_protecting: bool,
    names: &mut HashSet<&'n str>,
    report: &mut Report<'_>,
) -> Option<PolicyRule> {
    let name_node = node.get("name")?;
    let name = name_node.text()?;
    check_name(name_node, name, names, report);
    let verdict = verdict(node.get("effect"));
    let because = text_of_because(node, report);
    if because.is_none() && verdict != Verdict::Allow {
        report.error_with_help(
            node,
            Rule::MissingKey,
            "`because` is missing here",
            "say why, and whom to ask: the caller of a call that is denied reads it, and whoever has to approve one",
        );
    }
    let concerns = node.get("match").map(|node| matchers(node, report)).unwrap_or_default();
    let when = node.get("when").and_then(condition);
    let approval = (verdict == Verdict::RequireApproval).then(|| terms(node.get("approval"), report));
    if let (None, Some(stray)) = (&approval, node.get("approval")) {
        let help = "write `effect: require_approval`, or take `approval` away";
        report.error_with_help(stray, Rule::WrongValue, "only a rule that requires an approval may have this", help);
    }
    // Beside protected records, a rule may let a raw call through that names none.
    let opens_raw = is_protecting && concerns.names_the_call();
    if verdict == Verdict::Allow && !opens_raw {
        warn_of_no_use(name_node, default, &concerns, report);
    }
    Some(PolicyRule { name: name.to_owned(), verdict, approval, concerns, when, because })
}

/// Why, for the caller.
pub(super) fn text_of_because(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let because = node.get("because")?;
    let text = because.text()?;
    if text.len() > BECAUSE_MAX_BYTES {
        let message = format!("at most {BECAUSE_MAX_BYTES} bytes may stand here, and there are {}", text.len());
        report.error(because, Rule::WrongValue, message);
    }
    Some(text.to_owned())
}

pub(super) fn check_name<'n>(node: &'n Node, name: &'n str, names: &mut HashSet<&'n str>, report: &mut Report<'_>) {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(legal) {
        let message = format!("a name has lower-case letters, digits, `-` and `_`, at most {NAME_MAX}");
        report.error(node, Rule::BadName, message);
    }
    if !names.insert(name) {
        report.error(node, Rule::DuplicateKey, format!("something with the name `{name}` stands above already"));
    }
}

/// The condition, which the check of the shape has compiled before; so this one comes from the cache of programs.
pub(super) fn condition(node: &Node) -> Option<Program> {
    Program::compile(node.text()?, POLICY_VARIABLES).ok()
}

pub(super) fn matchers(node: &Node, report: &mut Report<'_>) -> Matchers {
    Matchers {
        tools: patterns(node.get("tools"), report),
        methods: patterns(node.get("methods"), report),
        effects: node.get("effects").map(|list| list.items().iter().filter_map(effect).collect()),
        accounts: ids(node.get("accounts"), report),
        integrations: texts(node.get("integrations")),
        tenants: texts(node.get("tenants")),
        roles: texts(node.get("roles")),
        tokens: ids(node.get("tokens"), report),
        doors: texts(node.get("doors")),
    }
}

fn effect(node: &Node) -> Option<Effect> {
    match node.text()? {
        "read" => Some(Effect::Read),
        "write" => Some(Effect::Write),
        "destructive" => Some(Effect::Destructive),
        _ => None,
    }
}

pub(super) fn texts(list: Option<&Node>) -> Option<Vec<String>> {
    Some(list?.items().iter().filter_map(Node::text).map(str::to_owned).collect())
}

fn patterns(list: Option<&Node>, report: &mut Report<'_>) -> Option<Vec<String>> {
    for item in list?.items() {
        if item.text().is_some_and(|text| text.trim_end_matches('*').contains('*') || text.ends_with("**")) {
            report.error(item, Rule::WrongValue, "one `*` may stand here, at the end");
        }
    }
    texts(list)
}

pub(super) fn ids<Id: FromStr>(list: Option<&Node>, report: &mut Report<'_>) -> Option<Vec<Id>> {
    let mut ids = Vec::new();
    for item in list?.items() {
        match item.text().map(Id::from_str) {
            Some(Ok(id)) => ids.push(id),
            Some(Err(_)) => report.error(item, Rule::WrongValue, "expected an id (a UUID)"),
            None => {}
        }
    }
    Some(ids)
}

/// An exception to a default that allows anyway is most likely not what was meant.
fn warn_of_no_use(name: &Node, default: Defaults, concerns: &Matchers, report: &mut Report<'_>) {
    let all = [Effect::Read, Effect::Write, Effect::Destructive];
    let effects = concerns.effects.as_deref().unwrap_or(&all);
    if effects.iter().all(|effect| default.of(*effect) == Verdict::Allow) {
        report.warning(
            name,
            Rule::Unused,
            "this rule allows what the default allows anyway",
            "a rule that denies wins over it; set `default: deny`, or write the exception into the rule that denies",
        );
    }
}
