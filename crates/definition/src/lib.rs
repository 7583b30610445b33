//! The definition language: model, loading with diagnostics, lint, JSON Schema, overrides, compiled [`plan`]s, and the
//! projection of methods to [`tools`].
//!
//! No network and no files: callers hand in texts and get values back.

pub mod plan;
pub mod tools;
pub mod validate;

pub use plan::{Method, MethodKind, Plan};
