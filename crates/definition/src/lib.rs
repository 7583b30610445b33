//! The definition language: model, loading with diagnostics, lint, JSON Schema, overrides, compiled [`plan`]s, and the
//! projection of methods to [`tools`]; and the language of [`policy`].
//!
//! No network and no files: callers hand in texts and get values back. [`load`] a text, [`Definition::compile`] it, or
//! [`compile_with_overrides`]; what is wrong comes as [`Diagnostics`], all at once.

mod build;
mod definition;
pub mod diagnostics;
mod language;
pub mod notation;
pub mod overrides;
pub mod plan;
pub mod policy;
mod report;
mod shape;
mod source;
pub mod tools;
mod tree;
pub mod validate;

pub use definition::{Definition, load, load_bytes, schema};
pub use diagnostics::{Diagnostic, Diagnostics, Rule};
pub use overrides::{Layer, Origin, compile_with_overrides, effective, explain};
pub use plan::{Method, MethodKind, Plan};
pub use policy::{Policy, load_policy, policy_schema};
pub use shape::ENTRIES_MAX as DEFINITION_ENTRIES_MAX;
pub use tree::{DEFINITION_DEPTH_MAX, DEFINITION_MAX_BYTES, DEFINITION_VALUES_MAX};
