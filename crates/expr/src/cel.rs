//! CEL conditions and expressions.
//!
//! CEL terminates by design, and a missing key is an error, so that a condition fails closed. What remains to be bounded is
//! the size of the source, of the values, and how deep comprehensions (`exists`, `map`, …) nest.

mod cache;
mod check;
mod convert;
mod members;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use cel::{Context, Env};
use serde_json::Value;

pub use members::Members;

/// The longest expression, in bytes.
pub const PROGRAM_MAX_BYTES: usize = 4 * 1024;
/// The most opening brackets in an expression, texts included: bounds how deep it nests, and so the parser's stack.
pub const PROGRAM_BRACKETS_MAX: usize = 32;
/// The most operators, dots, commas, quotes and brackets in an expression, texts included; bounds the same.
pub const PROGRAM_OPERATORS_MAX: usize = 256;
/// How deep an expression nests once it is parsed (`a + b + c` is three deep); bounds the stack of an evaluation.
pub const PROGRAM_DEPTH_MAX: usize = 48;
/// The longest text in a variable's value, in bytes.
pub const TEXT_MAX_BYTES: usize = 64 * 1024;
/// The most items of one list or members of one object, in the variables of an expression with a comprehension.
pub const LIST_MAX: usize = 1_000;
/// The most values (texts, numbers, lists, …) in all variables that an expression uses.
pub const VALUES_MAX: usize = 100_000;
/// How deep comprehensions nest: one inside another, and no further.
pub const COMPREHENSION_DEPTH_MAX: usize = 2;

/// The parser's stack; address space that is only touched as deep as an expression nests.
const COMPILE_STACK_BYTES: usize = 64 * 1024 * 1024;

/// The standard functions and macros, built once for all programs. Optional values are off: a missing key stays an error.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// An expression that does not parse or uses a variable that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// Byte range in the source.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
}

/// An expression that failed: a missing key, a wrong type, a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}`: {message}")]
pub struct EvaluationError {
    /// The source.
    pub expression: String,
    /// What went wrong.
    pub message: String,
}

/// A compiled expression. Cheap to clone, to share between threads and to evaluate.
#[derive(Clone, Debug)]
pub struct Program {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: String,
    program: cel::Program,
    /// The variables that it uses, and what of them.
    variables: BTreeMap<String, Members>,
    /// How deep its comprehensions nest.
    comprehension_depth: usize,
}

/// Runs the recursive parser with room enough for the deepest expression within limits: one bracket takes it through some
/// dozen frames, and the stack of a worker thread is for the caller to fill.
fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, SyntaxError> + Send) -> Result<T, SyntaxError> {
    let failed = |message: &str| SyntaxError { span: 0..0, message: message.to_owned() };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("expression".to_owned()).stack_size(COMPILE_STACK_BYTES);
        match thread.spawn_scoped(scope, work) {
            Ok(running) => running.join().unwrap_or_else(|_| Err(failed("the parser gave up on this expression"))),
            Err(_) => Err(failed("no thread could be started to parse this expression")),
        }
    })
}

impl Program {
    /// Compiles `source`; only the names in `variables` may be used, and only functions that exist.
    ///
    /// The same source gives the same program again without being parsed: a definition is compiled anew for every
    /// override, and its conditions seldom change.
    pub fn compile(source: &str, variables: &[&str]) -> Result<Self, SyntaxError> {
        if let Some(program) = cache::get(source, variables) {
            return Ok(program);
        }
        if source.len() > PROGRAM_MAX_BYTES {
            let message = format!("an expression has at most {PROGRAM_MAX_BYTES} bytes, this one has {}", source.len());
            return Err(SyntaxError { span: 0..source.len(), message });
        }
        check::check_size(source)?;
        let (program, used) = on_large_stack(|| {
            let program = ENVIRONMENT.compile(source).map_err(|errors| check::syntax_error(source, &errors))?;
            let used = check::check(source, &program, variables)?;
            Ok((program, used))
        })?;
        let inner = Inner {
            source: source.to_owned(),
            program,
            variables: used.variables,
            comprehension_depth: used.comprehension_depth,
        };
        let program = Self { inner: Arc::new(inner) };
        cache::put(variables, &program);
        Ok(program)
    }

    /// The source text.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// True when the expression uses this variable; lets a caller skip preparing costly ones (a parsed body).
    pub fn uses(&self, variable: &str) -> bool {
        self.inner.variables.contains_key(variable)
    }

    /// Which members of a variable the expression looks at; `None` when it does not use the variable.
    ///
    /// It gives the same with a value that has only these members, as long as that value is of the same type.
    pub fn members(&self, variable: &str) -> Option<&Members> {
        self.inner.variables.get(variable)
    }

    /// Evaluates to a JSON value. Only the variables that the expression uses are converted.
    pub fn evaluate(&self, variables: &[(&str, &Value)]) -> Result<Value, EvaluationError> {
        let result = self.run(variables)?;
        result.json().map_err(|_| self.error("the result cannot be put into JSON"))
    }

    /// Evaluates to a truth value; anything but a boolean is an error, so that a condition fails closed.
    pub fn holds(&self, variables: &[(&str, &Value)]) -> Result<bool, EvaluationError> {
        match self.run(variables)? {
            cel::Value::Bool(value) => Ok(value),
            other => Err(self.error(format!("gives a value of type {}, not true or false", other.type_of()))),
        }
    }

    fn run(&self, variables: &[(&str, &Value)]) -> Result<cel::Value, EvaluationError> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        let mut budget = convert::Budget::new(self.inner.comprehension_depth);
        for (name, value) in variables {
            if self.uses(name) {
                let value = budget.convert(value).map_err(|message| self.error(format!("`{name}` {message}")))?;
                context.add_variable_from_value(*name, value);
            }
        }
        self.inner.program.execute(&context).map_err(|error| self.error(check::explain(&error)))
    }

    fn error(&self, message: impl Into<String>) -> EvaluationError {
        EvaluationError { expression: self.inner.source.clone(), message: message.into() }
    }
}
