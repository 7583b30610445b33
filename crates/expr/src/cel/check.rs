//! What an expression uses, checked when it is compiled, and errors in words.

use std::collections::BTreeMap;
use std::ops::Range;

use cel::common::ast::operators::INDEX;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::{ExecutionError, ParseErrors};

use super::members::Members;
use super::{COMPREHENSION_DEPTH_MAX, PROGRAM_BRACKETS_MAX, PROGRAM_DEPTH_MAX, PROGRAM_OPERATORS_MAX, SyntaxError};

/// Names of types, which stand in an expression like variables (`type(x) == string`).
const TYPES: &[&str] = &["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];
/// Functions of the standard library by the names that people write.
const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];

/// What an expression uses.
pub(super) struct Used {
    /// Variables, and what of them.
    pub(super) variables: BTreeMap<String, Members>,
    /// How deep comprehensions nest.
    pub(super) comprehension_depth: usize,
}

/// Refuses what could nest so deep that the recursive parser runs out of stack. What stands in texts is counted as well:
/// telling texts apart is the parser's work, which comes later.
pub(super) fn check_size(source: &str) -> Result<(), SyntaxError> {
    let (mut brackets, mut operators) = (0, 0);
    for (at, byte) in source.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_punctuation() && *byte != b'_') {
        operators += 1;
        brackets += usize::from(matches!(byte, b'(' | b'[' | b'{'));
        let message = if brackets > PROGRAM_BRACKETS_MAX {
            format!("an expression has at most {PROGRAM_BRACKETS_MAX} opening brackets")
        } else if operators > PROGRAM_OPERATORS_MAX {
            format!("an expression has at most {PROGRAM_OPERATORS_MAX} operators, dots, commas, quotes and brackets")
        } else {
            continue;
        };
        return Err(SyntaxError { span: at..at + 1, message });
    }
    Ok(())
}

/// Refuses unknown variables and functions and comprehensions that nest too deep.
pub(super) fn check(source: &str, program: &cel::Program, variables: &[&str]) -> Result<Used, SyntaxError> {
    let mut walk = Walk {
        source,
        program,
        declared: variables,
        bound: Vec::new(),
        used: BTreeMap::new(),
        within_path: false,
        depth: 0,
        deepest: 0,
        nesting: 0,
    };
    walk.expression(program.expression())?;
    Ok(Used { variables: walk.used, comprehension_depth: walk.deepest })
}

struct Walk<'a> {
    source: &'a str,
    program: &'a cel::Program,
    declared: &'a [&'a str],
    /// Variables of the comprehensions around the present place.
    bound: Vec<&'a str>,
    used: BTreeMap<String, Members>,
    /// Whether the present place is inside of a path (`body.error.code`) that was noted as one.
    within_path: bool,
    depth: usize,
    deepest: usize,
    /// How many expressions the present one is inside of.
    nesting: usize,
}

impl<'a> Walk<'a> {
    fn expression(&mut self, expression: &'a IdedExpr) -> Result<(), SyntaxError> {
        self.nesting += 1;
        if self.nesting > PROGRAM_DEPTH_MAX {
            let message = format!("an expression nests at most {PROGRAM_DEPTH_MAX} deep; split the condition");
            return Err(self.error(expression, message));
        }
        let result = self.parts(expression);
        self.nesting -= 1;
        result
    }

    fn parts(&mut self, expression: &'a IdedExpr) -> Result<(), SyntaxError> {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.identifier(expression, name),
            Expr::Select(select) => self.step(expression, &select.operand),
            Expr::Call(call) => {
                if let Some((operand, _)) = named_index(call) {
                    return self.step(expression, operand);
                }
                self.function(expression, &call.func_name)?;
                call.target.iter().try_for_each(|target| self.expression(target))?;
                call.args.iter().try_for_each(|argument| self.expression(argument))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.expression(element)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(_) => Err(self.error(expression, "messages with fields cannot be made here; write a map")),
            Expr::Comprehension(comprehension) => {
                self.expression(&comprehension.iter_range)?;
                self.expression(&comprehension.accu_init)?;
                self.depth += 1;
                self.deepest = self.deepest.max(self.depth);
                if self.depth > COMPREHENSION_DEPTH_MAX {
                    let message =
                        format!("comprehensions (`exists`, `map`, …) nest at most {COMPREHENSION_DEPTH_MAX} deep");
                    return Err(self.error(expression, message));
                }
                let outer = self.bound.len();
                self.bound.push(&comprehension.iter_var);
                self.bound.push(&comprehension.accu_var);
                self.bound.extend(comprehension.iter_var2.as_deref());
                for inner in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
                    self.expression(inner)?;
                }
                self.bound.truncate(outer);
                self.depth -= 1;
                Ok(())
            }
        }
    }

    /// A member of something. When that is a path from a variable, only what stands at its end is looked at.
    fn step(&mut self, expression: &'a IdedExpr, operand: &'a IdedExpr) -> Result<(), SyntaxError> {
        let outer = self.within_path;
        if !outer && let Some((name, path)) = path(expression) {
            if self.declared.contains(&name) && !self.bound.contains(&name) {
                self.used.entry(name.to_owned()).or_default().add(path);
            }
            self.within_path = true;
        }
        let result = self.expression(operand);
        self.within_path = outer;
        result
    }

    fn entry(&mut self, entry: &'a EntryExpr) -> Result<(), SyntaxError> {
        match entry {
            EntryExpr::StructField(field) => self.expression(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.expression(&entry.key)?;
                self.expression(&entry.value)
            }
        }
    }

    fn identifier(&mut self, expression: &IdedExpr, name: &str) -> Result<(), SyntaxError> {
        if self.bound.contains(&name) || TYPES.contains(&name) {
            return Ok(());
        }
        if self.declared.contains(&name) {
            if !self.within_path {
                self.used.entry(name.to_owned()).or_default().add([]);
            }
            return Ok(());
        }
        let known = self.declared.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Err(self.error(expression, format!("there is no variable `{name}` here; there are {known}")))
    }

    fn function(&self, expression: &IdedExpr, name: &str) -> Result<(), SyntaxError> {
        // Operators have names that nobody can write (`_==_`, `!_`, `@in`).
        let operator = name.contains(['_', '@']) && name != "null_type";
        if operator || FUNCTIONS.contains(&name) {
            return Ok(());
        }
        Err(self.error(expression, format!("there is no function `{name}`; there are {}", FUNCTIONS.join(", "))))
    }

    fn error(&self, expression: &IdedExpr, message: impl Into<String>) -> SyntaxError {
        let whole = 0..self.source.len();
        let span = self.program.source_info().offset_for(expression.id).map_or(whole, |(start, stop)| {
            let (start, stop) = (start as usize, stop as usize);
            range_within(self.source, start, stop.max(start) + 1)
        });
        SyntaxError { span, message: message.into() }
    }
}

/// `operand['name']`.
fn named_index(call: &CallExpr) -> Option<(&IdedExpr, &str)> {
    match (call.func_name.as_str(), &call.target, call.args.as_slice()) {
        (INDEX, None, [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }]) => {
            Some((operand, name.inner()))
        }
        _ => None,
    }
}

/// The variable and the names behind it of `variable.a['b'].c`; `None` when anything else is in it.
fn path(expression: &IdedExpr) -> Option<(&str, Vec<&str>)> {
    let mut names = Vec::new();
    let mut place = expression;
    loop {
        place = match &place.expr {
            Expr::Ident(variable) => {
                names.reverse();
                return Some((variable, names));
            }
            Expr::Select(select) => {
                names.push(select.field.as_str());
                &select.operand
            }
            Expr::Call(call) => {
                let (operand, name) = named_index(call)?;
                names.push(name);
                operand
            }
            _ => return None,
        };
    }
}

/// A parser's errors as one: the first, with its place.
pub(super) fn syntax_error(source: &str, errors: &ParseErrors) -> SyntaxError {
    let Some(first) = errors.errors.first() else {
        return SyntaxError { span: 0..source.len(), message: "not a CEL expression".to_owned() };
    };
    let (line, column) = (usize::try_from(first.pos.0).unwrap_or(0), usize::try_from(first.pos.1).unwrap_or(0));
    let line_start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let start = line_start + column.saturating_sub(1);
    SyntaxError {
        span: range_within(source, start, start + 1),
        message: format!("this is not CEL: {}", first.msg.replace("Syntax error: ", "")),
    }
}

/// The range cut to the text and widened to character borders.
fn range_within(source: &str, start: usize, end: usize) -> Range<usize> {
    let mut start = start.min(source.len());
    let mut end = end.clamp(start, source.len());
    while !source.is_char_boundary(start) {
        start -= 1;
    }
    while !source.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// An evaluation's error without the values in it, which may be secret.
pub(super) fn explain(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(name) => format!("there is no member `{name}`"),
        ExecutionError::UndeclaredReference(name) => format!("`{name}` was not given"),
        ExecutionError::NoSuchOverload(overload) => overload.to_string(),
        ExecutionError::UnexpectedType { got, want } => format!("expected a value of type {want}, got {got}"),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("expected {expected} arguments, got {actual}")
        }
        ExecutionError::FunctionError { function, .. } => format!("`{function}` failed"),
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("a {} cannot be compared with a {}", left.type_of(), right.type_of())
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number grew too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "an index is past the end of its list".to_owned(),
        _ => "a value is not of the type that the expression needs".to_owned(),
    }
}
