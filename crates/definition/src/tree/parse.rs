//! From YAML to a tree, within budgets and without recursion.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use super::{DEFINITION_DEPTH_MAX, DEFINITION_MAX_BYTES, DEFINITION_VALUES_MAX, Data, Key, Node, scalar};
use crate::diagnostics::{Diagnostic, Diagnostics, Level, Rule};

/// Parses one YAML document. `None` when there is no tree to look at; the problems tell why.
pub(crate) fn parse(text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    if text.len() > DEFINITION_MAX_BYTES {
        let message = format!(
            "a {} has at most {DEFINITION_MAX_BYTES} bytes, this one has {}",
            diagnostics.source().noun,
            text.len()
        );
        diagnostics.push(problem(diagnostics, Rule::Limit, 0..0, message));
        return None;
    }
    let mut composer = Composer {
        diagnostics,
        open: Vec::new(),
        anchors: HashMap::new(),
        values: 0,
        root: None,
        has_document: false,
        text_length: text.len(),
    };
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => composer.event(event, composer.range(&span)),
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0);
                Err((Rule::Syntax, at..at, format!("this is not YAML: {}", error.info())))
            }
        };
        if let Err((rule, span, message)) = step {
            let problem = problem(composer.diagnostics, rule, span, message);
            composer.diagnostics.push(problem);
            return None;
        }
    }
    composer.root
}

type Failure = (Rule, Range<usize>, String);

struct Composer<'d> {
    diagnostics: &'d mut Diagnostics,
    open: Vec<Open>,
    /// Finished nodes by anchor, with the number of values in them.
    anchors: HashMap<usize, (Node, usize, usize)>,
    values: usize,
    root: Option<Node>,
    has_document: bool,
    text_length: usize,
}

/// A list or mapping that is not finished.
struct Open {
    anchor: usize,
    start: usize,
    values_before: usize,
    /// Depth of the deepest value inside, itself included.
    height: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, key: Option<Key>, seen: HashSet<String> },
}

impl Composer<'_> {
    fn range(&self, span: &Span) -> Range<usize> {
        span.byte_range().map_or(0..0, |range| range.start.min(self.text_length)..range.end.min(self.text_length))
    }

    fn event(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), Failure> {
        match event {
            Event::DocumentStart(..) if self.has_document => {
                let noun = self.diagnostics.source().noun;
                Err((Rule::Syntax, span, format!("a {noun} is one YAML document, and here a second one begins")))
            }
            Event::DocumentStart(..) => {
                self.has_document = true;
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span)?;
                self.count(1, &span)?;
                let data = match style {
                    ScalarStyle::Plain => scalar::resolve(&text),
                    _ => Data::Text(text.into_owned()),
                };
                self.finish(Node { span: Some(span), data }, anchor, 1, 1)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span)?;
                self.begin(anchor, &span, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span)?;
                self.begin(anchor, &span, Content::Map { entries: Vec::new(), key: None, seen: HashSet::new() })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&span),
            Event::Alias(anchor) => self.alias(anchor, span),
            _ => Ok(()),
        }
    }

    fn refuse_tag(&self, has_tag: bool, span: &Range<usize>) -> Result<(), Failure> {
        if has_tag {
            let noun = self.diagnostics.source().noun;
            return Err((Rule::Syntax, span.clone(), format!("{noun}s have no YAML tags (`!name`); leave it out")));
        }
        Ok(())
    }

    /// Counts values against the budget.
    fn count(&mut self, values: usize, span: &Range<usize>) -> Result<(), Failure> {
        self.values += values;
        if self.values > DEFINITION_VALUES_MAX {
            let noun = self.diagnostics.source().noun;
            let message =
                format!("a {noun} has at most {DEFINITION_VALUES_MAX} values, those that aliases repeat included");
            return Err((Rule::Limit, span.clone(), message));
        }
        Ok(())
    }

    fn begin(&mut self, anchor: usize, span: &Range<usize>, content: Content) -> Result<(), Failure> {
        if self.open.len() >= DEFINITION_DEPTH_MAX {
            return Err((Rule::Limit, span.clone(), format!("values nest at most {DEFINITION_DEPTH_MAX} deep")));
        }
        if let Some(Content::Map { key: None, .. }) = self.open.last().map(|open| &open.content) {
            return Err((Rule::Syntax, span.clone(), "a key must be a text, not a list or mapping".to_owned()));
        }
        let values_before = self.values;
        self.count(1, span)?;
        self.open.push(Open { anchor, start: span.start, values_before, height: 1, content });
        Ok(())
    }

    fn end(&mut self, span: &Range<usize>) -> Result<(), Failure> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let data = match open.content {
            Content::List(items) => Data::List(items),
            Content::Map { entries, .. } => Data::Map(entries),
        };
        let values = self.values - open.values_before;
        let node = Node { span: Some(open.start..span.end.max(open.start)), data };
        self.finish(node, open.anchor, values, open.height)
    }

    fn alias(&mut self, anchor: usize, span: Range<usize>) -> Result<(), Failure> {
        if self.open.iter().any(|open| open.anchor == anchor) {
            return Err((Rule::Limit, span, "an alias inside the value that it repeats would never end".to_owned()));
        }
        let Some((values, height)) = self.anchors.get(&anchor).map(|(_, values, height)| (*values, *height)) else {
            return Err((Rule::Syntax, span, "there is no anchor of this name before the alias".to_owned()));
        };
        // Counted before it is copied, so that a bomb is refused while it is small.
        self.count(values, &span)?;
        if self.open.len() + height > DEFINITION_DEPTH_MAX {
            return Err((
                Rule::Limit,
                span,
                format!("values nest at most {DEFINITION_DEPTH_MAX} deep, aliases followed"),
            ));
        }
        match self.anchors.get(&anchor).map(|(node, ..)| node.clone()) {
            Some(node) => self.finish(node, 0, values, height),
            None => Ok(()),
        }
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, values: usize, height: usize) -> Result<(), Failure> {
        if anchor != 0 {
            self.count(values, &node.span.clone().unwrap_or(0..0))?;
            self.anchors.insert(anchor, (node.clone(), values, height));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.height = open.height.max(height + 1);
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, key, seen } => match key.take() {
                None => *key = Some(key_of(node)?),
                Some(key) if !seen.insert(key.text.clone()) => {
                    let span = key.span.clone().unwrap_or(0..0);
                    let message = format!("`{}` stands here a second time", key.text);
                    let problem = problem(self.diagnostics, Rule::DuplicateKey, span, message);
                    self.diagnostics.push(problem);
                }
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }
}

fn key_of(node: Node) -> Result<Key, Failure> {
    let span = node.span.clone();
    match node.scalar_text() {
        Some(text) => Ok(Key { text, span }),
        None => Err((Rule::Syntax, span.unwrap_or(0..0), format!("a key must be a text, not {}", node.kind()))),
    }
}

fn problem(diagnostics: &Diagnostics, rule: Rule, span: Range<usize>, message: String) -> Diagnostic {
    let location = diagnostics.locate(span);
    Diagnostic { level: Level::Error, rule, message, help: None, pointer: String::new(), location, layer: None }
}
