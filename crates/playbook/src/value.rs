//! Values with templates and CEL in them, and where they look their variables up.

use std::cell::RefCell;
use std::collections::HashMap;

use quartermaster_expr::{Members, Place, Program, Scope as TemplateScope, Template};
use serde_json::{Map, Value};

use crate::language::VARIABLES;
use crate::limits::REMEMBERED_MAX;

/// A value that is computed when a step is taken.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    /// Without anything to compute.
    Literal(Value),
    /// `'{{ steps.person.record.id }}'` alone: the value itself, whatever its type.
    Reference(Vec<String>),
    /// A text with placeholders.
    Text(Template),
    /// `{cel: …}`.
    Cel(Program),
    /// A list with something to compute in it.
    List(Vec<Expression>),
    /// A mapping with something to compute in it.
    Map(Vec<(String, Expression)>),
}

/// The results and row of one list of steps, inside those of the lists around it.
#[derive(Clone, Copy)]
pub(crate) struct Level<'a> {
    pub(crate) steps: &'a Map<String, Value>,
    pub(crate) row: Option<&'a Value>,
    pub(crate) around: Option<&'a Level<'a>>,
}

/// All variables.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// `input`, `integration`, `account`, `lifecycle`, `run`.
    pub(crate) globals: &'a Map<String, Value>,
    pub(crate) level: Level<'a>,
    /// What a confirming read gave.
    pub(crate) answer: Option<&'a Value>,
    pub(crate) memory: &'a Memory,
}

/// What programs gave for which variables. They are functions of these, and over many rows the same few values come again and
/// again: a hundred thousand rows have a handful of outcomes.
#[derive(Default)]
pub(crate) struct Memory(RefCell<HashMap<(usize, String), Value>>);

impl Memory {
    /// What the program gives; computed only when these variables are new.
    fn get(&self, program: &Program, variables: &[(&'static str, Value)]) -> Result<Value, String> {
        let borrowed: Vec<(&str, &Value)> = variables.iter().map(|(name, value)| (*name, value)).collect();
        let compute = || program.evaluate(&borrowed).map_err(|error| error.to_string());
        let Ok(text) = serde_json::to_string(&borrowed) else { return compute() };
        let key = (std::ptr::from_ref(program) as usize, text);
        if let Some(known) = self.0.borrow().get(&key) {
            return Ok(known.clone());
        }
        let value = compute()?;
        let mut remembered = self.0.borrow_mut();
        if remembered.len() < REMEMBERED_MAX {
            remembered.insert(key, value.clone());
        }
        Ok(value)
    }
}

impl<'a> Level<'a> {
    fn step(&self, name: &str) -> Option<&'a Value> {
        self.steps.get(name).or_else(|| self.around.and_then(|around| around.step(name)))
    }

    /// The innermost row, or the one `skip` rows further out.
    fn row(&self, skip: usize) -> Option<&'a Value> {
        match (self.row, skip) {
            (Some(row), 0) => Some(row),
            (Some(_), _) => self.around?.row(skip - 1),
            (None, _) => self.around?.row(skip),
        }
    }

    fn step_names(&self, names: &mut Vec<&'a str>) {
        names.extend(self.steps.keys().map(String::as_str));
        if let Some(around) = self.around {
            around.step_names(names);
        }
    }
}

impl<'a> Scope<'a> {
    /// The same with another row, innermost.
    pub(crate) fn at_row<T>(&self, row: &Value, work: impl FnOnce(&Scope<'_>) -> T) -> T {
        let none = Map::new();
        let level = Level { steps: &none, row: Some(row), around: Some(&self.level) };
        work(&Scope { level, ..*self })
    }

    fn root(&self, name: &str) -> Option<&'a Value> {
        match name {
            "row" => self.level.row(0),
            "outer" => self.level.row(1),
            "answer" => self.answer,
            _ => self.globals.get(name),
        }
    }

    /// The value at a dotted path; a number steps into a list.
    pub(crate) fn find(&self, path: &[String]) -> Option<&'a Value> {
        let (first, rest) = path.split_first()?;
        let (start, rest) = if first == "steps" {
            let (name, rest) = rest.split_first()?;
            (self.level.step(name)?, rest)
        } else {
            (self.root(first)?, rest)
        };
        rest.iter().try_fold(start, |value, name| match value {
            Value::Object(members) => members.get(name),
            _ => None,
        })
    }

    /// The list at a dotted path.
    pub(crate) fn rows(&self, path: &[String]) -> Result<&'a [Value], String> {
        match self.find(path) {
            Some(Value::Array(rows)) => Ok(rows),
            Some(_) => Err(format!("`{}` is not a list", path.join("."))),
            None => Err(format!("`{}` has no value", path.join("."))),
        }
    }

    /// Only what the program looks at is copied.
    fn variables(&self, program: &Program) -> Vec<(&'static str, Value)> {
        let used = VARIABLES.iter().filter_map(|name| Some((*name, program.members(name)?)));
        let value = |(name, members): (&'static str, &Members)| {
            if name == "steps" {
                let mut names = Vec::new();
                self.level.step_names(&mut names);
                names.retain(|step| members.is_whole() || members.member(step).is_some());
                let picked = names.into_iter().rev().filter_map(|step| {
                    let value = self.level.step(step)?;
                    Some((step.to_owned(), members.member(step).map_or_else(|| value.clone(), |of| pick(value, of))))
                });
                return Some((name, Value::Object(picked.collect())));
            }
            Some((name, pick(self.root(name)?, members)))
        };
        used.filter_map(value).collect()
    }

    pub(crate) fn holds(&self, program: &Program) -> Result<bool, String> {
        let variables = self.variables(program);
        // Its own words for what is no truth value.
        let as_it_is = || {
            let borrowed: Vec<(&str, &Value)> = variables.iter().map(|(name, value)| (*name, value)).collect();
            program.holds(&borrowed).map_err(|error| error.to_string())
        };
        match self.memory.get(program, &variables) {
            Ok(Value::Bool(holds)) => Ok(holds),
            _ => as_it_is(),
        }
    }

    fn compute(&self, program: &Program) -> Result<Value, String> {
        self.memory.get(program, &self.variables(program))
    }

    fn render(&self, template: &Template) -> Result<String, String> {
        // A tree with only what the template uses; what is missing stays missing.
        let mut arguments = Map::new();
        for (path, _) in template.paths() {
            if let Some(value) = self.find(&path) {
                put(&mut arguments, &path, value);
            }
        }
        let scope = TemplateScope { roots: &[], arguments: &arguments };
        template.render(&scope, Place::Plain).map_err(|error| error.to_string())
    }
}

fn pick(value: &Value, members: &Members) -> Value {
    match value {
        Value::Object(entries) if !members.is_whole() => Value::Object(
            entries
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), pick(value, members.member(name)?))))
                .collect(),
        ),
        _ => value.clone(),
    }
}

fn put(into: &mut Map<String, Value>, path: &[String], value: &Value) {
    match path {
        [] => {}
        [last] => {
            // Only what a text can hold is looked at; a list or mapping is refused whatever is in it.
            let value = match value {
                Value::Array(_) => Value::Array(Vec::new()),
                Value::Object(_) if into.contains_key(last) => return,
                Value::Object(_) => Value::Object(Map::new()),
                scalar => scalar.clone(),
            };
            into.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let below = into.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}

impl Expression {
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, String> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Reference(path) => {
                let value = scope.find(path).filter(|value| !value.is_null());
                value.cloned().ok_or_else(|| format!("`{}` has no value", path.join(".")))
            }
            Self::Text(template) => scope.render(template).map(Value::String),
            Self::Cel(program) => scope.compute(program),
            Self::List(items) => {
                items.iter().map(|item| item.evaluate(scope)).collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Map(entries) => evaluate_all(entries, scope).map(Value::Object),
        }
    }

    /// The value as a text.
    pub(crate) fn text(&self, scope: &Scope<'_>) -> Result<String, String> {
        match self.evaluate(scope)? {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(value) => Ok(value.to_string()),
            Value::Null => Err("a text is needed, and this gives nothing".to_owned()),
            Value::Array(_) => Err("a text is needed, and this gives a list".to_owned()),
            Value::Object(_) => Err("a text is needed, and this gives an object".to_owned()),
        }
    }

    /// The value, null where there is none.
    pub(crate) fn or_null(&self, scope: &Scope<'_>) -> Value {
        match self {
            Self::Map(entries) => Value::Object(all_or_null(entries, scope)),
            Self::List(items) => Value::Array(items.iter().map(|item| item.or_null(scope)).collect()),
            single => single.evaluate(scope).unwrap_or(Value::Null),
        }
    }
}

pub(crate) fn evaluate_all(entries: &[(String, Expression)], scope: &Scope<'_>) -> Result<Map<String, Value>, String> {
    entries.iter().map(|(name, value)| Ok((name.clone(), value.evaluate(scope)?))).collect()
}

pub(crate) fn all_or_null(entries: &[(String, Expression)], scope: &Scope<'_>) -> Map<String, Value> {
    entries.iter().map(|(name, value)| (name.clone(), value.or_null(scope))).collect()
}
