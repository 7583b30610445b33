//! Problems of a definition: all at once, each with its place, an excerpt and advice.

mod render;
mod rule;

use std::fmt;
use std::ops::Range;

use serde_json::{Value, json};

use crate::overrides::Layer;
use crate::source::Source;
pub use rule::Rule;

/// The most problems that are kept; of the rest only the number is told.
pub const DIAGNOSTICS_MAX: usize = 100;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// The definition cannot be used.
    Error,
    /// It can be used; something is most likely not as it was meant.
    Warning,
}

/// Where in a text it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Byte range in the text.
    pub span: Range<usize>,
}

/// One problem.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// Which rule was broken.
    pub rule: Rule,
    /// What is wrong.
    pub message: String,
    /// What to do, when more can be said.
    pub help: Option<String>,
    /// Where in the definition, JSON Pointer.
    pub pointer: String,
    /// Where in the text; `None` for values without one (overrides).
    pub location: Option<Location>,
    /// The layer that the value came from, when there were overrides.
    pub layer: Option<Layer>,
}

/// All problems of one definition.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    source: Source,
    items: Vec<Diagnostic>,
    /// Errors among all problems, kept or not.
    errors: usize,
    left_out: usize,
}

impl Diagnostics {
    /// No problem yet.
    pub fn new(source: Source) -> Self {
        Self { source, items: Vec::new(), errors: 0, left_out: 0 }
    }

    /// The text that they are of.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Adds a problem; the same problem in the same place is kept once.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.items.contains(&diagnostic) {
            return;
        }
        self.errors += usize::from(diagnostic.level == Level::Error);
        if self.items.len() < DIAGNOSTICS_MAX {
            self.items.push(diagnostic);
        } else {
            self.left_out += 1;
        }
    }

    /// Counts a problem for which there is no room any more; false while there is room.
    pub(crate) fn only_count(&mut self, level: Level) -> bool {
        if self.items.len() < DIAGNOSTICS_MAX {
            return false;
        }
        self.errors += usize::from(level == Level::Error);
        self.left_out += 1;
        true
    }

    /// Where in the text a byte range is; `None` when there is no text.
    pub fn locate(&self, span: Range<usize>) -> Option<Location> {
        if self.source.text.is_empty() {
            return None;
        }
        let (line, column) = self.source.position(span.start);
        Some(Location { line, column, span })
    }

    /// Sorts by place in the text; problems without a place keep their order at the end.
    pub fn sort(&mut self) {
        self.items.sort_by_key(|item| item.location.as_ref().map_or(usize::MAX, |location| location.span.start));
    }

    pub(crate) fn items_mut(&mut self) -> &mut [Diagnostic] {
        &mut self.items
    }

    /// True when there is not even a warning.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// True when the definition cannot be used.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The problems, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter()
    }

    /// How many problems over [`DIAGNOSTICS_MAX`] were not kept.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// For people: every problem with an excerpt of the text, and a summary line. `coloured` adds ANSI escapes.
    pub fn render(&self, coloured: bool) -> String {
        render::render(self, coloured)
    }

    /// For programs: `{"file", "errors", "warnings", "left_out", "problems": [{"level", "rule", "message", "help", "pointer",
    /// "line", "column", "layer"}]}`.
    pub fn to_json(&self) -> Value {
        let problems: Vec<Value> = self.items.iter().map(Diagnostic::to_json).collect();
        let warnings = self.items.iter().filter(|item| item.level == Level::Warning).count();
        json!({"file": *self.source.file, "errors": self.errors, "warnings": warnings, "left_out": self.left_out,
               "problems": problems})
    }
}

impl Diagnostic {
    fn to_json(&self) -> Value {
        json!({
            "level": match self.level { Level::Error => "error", Level::Warning => "warning" },
            "rule": self.rule.as_str(),
            "message": self.message,
            "help": self.help,
            "pointer": self.pointer,
            "line": self.location.as_ref().map(|location| location.line),
            "column": self.location.as_ref().map(|location| location.column),
            "layer": self.layer.map(Layer::as_str),
        })
    }
}

/// The same as [`Diagnostics::render`] without colours.
impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
