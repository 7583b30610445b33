//! The names that templates may use.

use std::cell::RefCell;
use std::collections::HashSet;

use quartermaster_expr::Template;

use crate::diagnostics::Rule;
use crate::report::{Report, did_you_mean};
use crate::tree::Node;

/// What a template in some place may use besides arguments.
#[derive(Clone, Copy)]
pub(super) struct Roots {
    pub(super) connection: bool,
    pub(super) credentials: bool,
    pub(super) base_url: bool,
}

impl Roots {
    /// Only the connection.
    pub(super) const CONNECTION: Self = Self { connection: true, credentials: false, base_url: false };
    /// The connection and its secrets.
    pub(super) const CREDENTIALS: Self = Self { connection: true, credentials: true, base_url: false };
    /// The connection and the base URL.
    pub(super) const TOKEN_URL: Self = Self { connection: true, credentials: false, base_url: true };
}

/// Names of connection fields and credentials, and which of them were used.
pub(super) struct Variables {
    connection: Vec<String>,
    credentials: Vec<String>,
    used: RefCell<HashSet<(bool, String)>>,
}

/// The names that arguments cannot have, because a template would take them for a root.
pub(super) const ROOT_NAMES: &[&str] = &["connection", "credentials", "base_url"];

impl Variables {
    pub(super) fn of(root: &Node) -> Self {
        let names = |key: &str| {
            let entries = root.at(&["connection", key]).map_or(&[][..], Node::entries);
            entries.iter().map(|(key, _)| key.text.clone()).collect()
        };
        Self { connection: names("fields"), credentials: names("credentials"), used: RefCell::default() }
    }

    /// Parses a template and notes every name in it that is not there. `arguments` are the bare names that it may use.
    /// A template that does not parse was noted before.
    pub(super) fn template(
        &self,
        node: &Node,
        roots: Roots,
        arguments: &[String],
        report: &mut Report<'_>,
    ) -> Option<Template> {
        let template = Template::parse(node.text()?).ok()?;
        for (path, span) in template.paths() {
            if let Err((message, help)) = self.check(&path, roots, arguments) {
                report.error_within(node, span, Rule::UnknownVariable, message, help);
            }
        }
        Some(template)
    }

    /// Checks one path and remembers that it was used.
    fn check(&self, path: &[String], roots: Roots, arguments: &[String]) -> Result<(), (String, Option<String>)> {
        let whole = path.join(".");
        match (path[0].as_str(), &path[1..]) {
            ("connection", rest) => self.check_member(&whole, rest, roots.connection, false),
            ("credentials", rest) => self.check_member(&whole, rest, roots.credentials, true),
            ("base_url", rest) if roots.base_url => {
                if rest.is_empty() {
                    Ok(())
                } else {
                    Err((format!("`base_url` is a text, so `{whole}` is not there"), None))
                }
            }
            ("base_url", _) => Err(("`base_url` cannot be used here".to_owned(), None)),
            (name, _) if arguments.iter().any(|argument| argument == name) => Ok(()),
            (name, _) => {
                let help = did_you_mean(name, self.known(roots, arguments).iter().map(String::as_str));
                Err((format!("there is no value `{name}` here"), help))
            }
        }
    }

    fn check_member(
        &self,
        whole: &str,
        rest: &[String],
        allowed: bool,
        secret: bool,
    ) -> Result<(), (String, Option<String>)> {
        let (root, names) = if secret { ("credentials", &self.credentials) } else { ("connection", &self.connection) };
        if !allowed {
            let why = if secret { "; secrets only go where `auth` puts them" } else { "" };
            return Err((format!("`{root}` cannot be used here{why}"), None));
        }
        match rest {
            [name] if names.contains(name) => {
                self.used.borrow_mut().insert((secret, name.clone()));
                Ok(())
            }
            [name] => {
                let kind = if secret { "credential" } else { "connection field" };
                Err((format!("there is no {kind} `{name}`"), did_you_mean(name, names.iter().map(String::as_str))))
            }
            _ => Err((format!("`{whole}` is not a value; write `{root}.` and the name of a field"), None)),
        }
    }

    fn known(&self, roots: Roots, arguments: &[String]) -> Vec<String> {
        let mut known = arguments.to_vec();
        if roots.base_url {
            known.push("base_url".to_owned());
        }
        if roots.connection {
            known.extend(self.connection.iter().map(|name| format!("connection.{name}")));
        }
        if roots.credentials {
            known.extend(self.credentials.iter().map(|name| format!("credentials.{name}")));
        }
        known
    }

    /// Warns of fields that people would have to enter for nothing.
    pub(super) fn warn_unused(&self, root: &Node, report: &mut Report<'_>) {
        for (section, secret) in [("fields", false), ("credentials", true)] {
            for (key, node) in root.at(&["connection", section]).map_or(&[][..], Node::entries) {
                if !self.used.borrow().contains(&(secret, key.text.clone())) {
                    let message = format!("`{}` is asked for and never used", key.text);
                    report.warning_at_key(key, node, Rule::Unused, message, "use it in a template, or leave it out");
                }
            }
        }
    }
}
