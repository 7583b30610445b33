//! Templates (`{{ connection.region }}`) and CEL expressions: compiled once, with spans and limits.
//!
//! No I/O. Who escapes what is decided here ([`Place`]), where values come from is decided by the caller ([`Scope`]).

mod cel;
mod template;

pub use cel::{EvaluationError, Program, SyntaxError};
pub use template::{Place, RenderError, Root, Scope, Template, TemplateError};
