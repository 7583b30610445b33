//! Problems as people read them.

use annotate_snippets::{AnnotationKind, Group, Level as SnippetLevel, Origin, Renderer, Snippet};

use super::{Diagnostic, Diagnostics, Level};

/// Renders all problems and a summary; empty when there are none.
pub(super) fn render(diagnostics: &Diagnostics, coloured: bool) -> String {
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for item in &diagnostics.items {
        out.push_str(&renderer.render(&[group(diagnostics, item)]));
        out.push_str("\n\n");
    }
    if !diagnostics.items.is_empty() {
        out.push_str(&summary(diagnostics));
        out.push('\n');
    }
    out
}

fn group<'a>(diagnostics: &'a Diagnostics, item: &'a Diagnostic) -> Group<'a> {
    let level = match item.level {
        Level::Error => SnippetLevel::ERROR,
        Level::Warning => SnippetLevel::WARNING,
    };
    let mut group =
        level.primary_title(item.message.as_str()).id(item.rule.as_str()).elements(Vec::<Origin<'_>>::new());
    match &item.location {
        Some(location) => {
            let snippet = Snippet::source(&*diagnostics.source.text)
                .path(&*diagnostics.source.file)
                .annotation(AnnotationKind::Primary.span(location.span.clone()));
            group = group.element(snippet);
        }
        None => {
            let layer = item.layer.map(|layer| format!(" ({})", layer.as_str())).unwrap_or_default();
            let whole = format!("the whole {}", diagnostics.source.noun);
            let pointer = if item.pointer.is_empty() { &whole } else { &item.pointer };
            group = group.element(Origin::path(format!("{}: {pointer}{layer}", diagnostics.source.file)));
        }
    }
    match &item.help {
        Some(help) => group.element(SnippetLevel::HELP.message(help.as_str())),
        None => group,
    }
}

fn summary(diagnostics: &Diagnostics) -> String {
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let warnings = diagnostics.items.iter().filter(|item| item.level == Level::Warning).count();
    let left_out = match diagnostics.left_out {
        0 => String::new(),
        number => format!("; {number} more not shown"),
    };
    format!(
        "{}: {}, {}{left_out}",
        diagnostics.source.file,
        count(diagnostics.errors, "error"),
        count(warnings, "warning")
    )
}
