//! Where problems are noted while a tree is looked at.

use std::ops::Range;

use crate::diagnostics::{Diagnostic, Diagnostics, Level, Rule};
use crate::shape::suggest;
use crate::tree::{Key, Node};

/// Notes problems with their places.
pub struct Report<'a> {
    root: &'a Node,
    diagnostics: &'a mut Diagnostics,
    over_limit: bool,
}

impl<'a> Report<'a> {
    /// Problems of the tree below `root` go into `diagnostics`.
    pub fn new(root: &'a Node, diagnostics: &'a mut Diagnostics) -> Self {
        Self { root, diagnostics, over_limit: false }
    }

    /// Whether there is any error so far.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.has_errors()
    }

    /// Whether something is so large that it must not be looked at further.
    pub fn is_over_limit(&self) -> bool {
        self.over_limit
    }

    /// An error at a value.
    pub fn error(&mut self, node: &Node, rule: Rule, message: impl Into<String>) {
        self.note(Level::Error, node, node.span.clone(), rule, message.into(), None);
    }

    /// An error at a value, with advice.
    pub fn error_with_help(&mut self, node: &Node, rule: Rule, message: impl Into<String>, help: impl Into<String>) {
        self.note(Level::Error, node, node.span.clone(), rule, message.into(), Some(help.into()));
    }

    /// An error at the key of a value.
    pub fn error_at_key(
        &mut self,
        key: &Key,
        node: &Node,
        rule: Rule,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.note(Level::Error, node, key.span.clone(), rule, message.into(), help);
    }

    /// An error at a part of a text, given as a byte range in the text's value.
    pub fn error_within(
        &mut self,
        node: &Node,
        part: Range<usize>,
        rule: Rule,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let span = match (&node.span, node.text()) {
            (Some(span), Some(text)) => Some(self.diagnostics.source().part_of(span, text, part)),
            (span, _) => span.clone(),
        };
        self.note(Level::Error, node, span, rule, message.into(), help);
    }

    /// A warning at a value.
    pub fn warning(&mut self, node: &Node, rule: Rule, message: impl Into<String>, help: impl Into<String>) {
        self.note(Level::Warning, node, node.span.clone(), rule, message.into(), Some(help.into()));
    }

    /// A warning at the key of a value.
    pub fn warning_at_key(
        &mut self,
        key: &Key,
        node: &Node,
        rule: Rule,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.note(Level::Warning, node, key.span.clone(), rule, message.into(), Some(help.into()));
    }

    fn note(
        &mut self,
        level: Level,
        node: &Node,
        span: Option<Range<usize>>,
        rule: Rule,
        message: String,
        help: Option<String>,
    ) {
        self.over_limit |= rule == Rule::Limit;
        // A place is looked for by walking the tree, which thousands of problems are not worth.
        if self.diagnostics.only_count(level) {
            return;
        }
        let pointer = self.root.pointer_to(node).unwrap_or_default();
        let location = span.and_then(|span| self.diagnostics.locate(first_line(&self.diagnostics.source().text, span)));
        self.diagnostics.push(Diagnostic { level, rule, message, help, pointer, location, layer: None });
    }
}

/// A span that covers many lines is cut to its first, so that an excerpt stays short.
fn first_line(text: &str, span: Range<usize>) -> Range<usize> {
    match text.get(span.clone()).and_then(|covered| covered.find('\n')) {
        Some(length) => span.start..span.start + length,
        None => span,
    }
}

/// "did you mean `x`?", or what there is.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    /// The longest list of names that helps anybody.
    const LISTED_MAX: usize = 40;
    if let Some(name) = suggest(given, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let names: Vec<String> = known.into_iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("there {} {}", if names.len() == 1 { "is" } else { "are" }, names.join(", ")))
}
