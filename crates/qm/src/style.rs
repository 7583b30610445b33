//! The few colours. Everything reads the same without them.

use anstyle::{AnsiColor, Style};

/// What went wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What wants attention.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// Headings and names.
pub(crate) const STRONG: Style = Style::new().bold();
/// Asides.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Commands and calls.
pub(crate) const CALL: Style = AnsiColor::Cyan.on_default();
