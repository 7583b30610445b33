//! Templates (`{{ connection.region }}`) and CEL expressions: compiled once, with spans and limits.
//!
//! No I/O. Who escapes what is decided here ([`Place`]), where values come from is decided by the caller ([`Scope`]).

mod cel;
mod template;

pub use cel::{
    COMPREHENSION_DEPTH_MAX, EvaluationError, LIST_MAX, Members, PROGRAM_BRACKETS_MAX, PROGRAM_DEPTH_MAX,
    PROGRAM_MAX_BYTES, PROGRAM_OPERATORS_MAX, Program, SyntaxError, TEXT_MAX_BYTES, VALUES_MAX,
};
pub use template::{
    Place, RENDERED_MAX_BYTES, RenderError, Root, Scope, TEMPLATE_MAX_BYTES, TEMPLATE_PARTS_MAX, Template,
    TemplateError,
};
