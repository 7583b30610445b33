//! A playbook as the interpreter has it: everything parsed once, names resolved to places.

use quartermaster_expr::Program;
use quartermaster_types::Code;

use crate::value::Expression;

/// A method by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MethodName {
    /// `lifecycle.suspend`: whatever the integration calls it.
    Lifecycle(LifecycleMethod),
    /// `users.suspend`.
    Named { resource: String, method: String },
}

/// The methods of a lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LifecycleMethod {
    List,
    Get,
    Suspend,
    Reactivate,
}

impl LifecycleMethod {
    pub(crate) const ALL: &'static [(&'static str, Self)] = &[
        ("lifecycle.list", Self::List),
        ("lifecycle.get", Self::Get),
        ("lifecycle.suspend", Self::Suspend),
        ("lifecycle.reactivate", Self::Reactivate),
    ];
}

impl MethodName {
    /// Whether repeating it can do no harm: by the names that the definition language fixes.
    pub(crate) fn is_read(&self) -> bool {
        match self {
            Self::Lifecycle(method) => matches!(method, LifecycleMethod::List | LifecycleMethod::Get),
            Self::Named { method, .. } => matches!(method.as_str(), "list" | "get"),
        }
    }

    pub(crate) fn is_lifecycle(&self) -> bool {
        matches!(self, Self::Lifecycle(_))
    }
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) when: Option<Program>,
    pub(crate) on_error: Turn,
    pub(crate) verb: Verb,
}

/// What follows.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    Continue,
    Stop,
    End,
    /// The place of a step in the same list.
    GoTo(usize),
    Fail {
        text: Expression,
        code: Code,
    },
}

/// What a step does.
#[derive(Clone, Debug)]
pub(crate) enum Verb {
    Call(Box<CallStep>),
    Find(Box<FindStep>),
    Check { condition: Program, then: Turn, otherwise: Turn },
    Set(Vec<(String, Expression)>),
    Count { rows: Vec<String>, groups: Vec<(String, Program)> },
    ForEach(Box<ForEach>),
    WaitFor { seconds: u64 },
    WaitUntil(Expression),
    Expect { that: Program, otherwise: Expression, code: Code },
    Report(Box<ReportStep>),
}

#[derive(Clone, Debug)]
pub(crate) struct CallStep {
    pub(crate) method: MethodName,
    pub(crate) with: Vec<(String, Expression)>,
    pub(crate) account: Option<Expression>,
    pub(crate) expect: Vec<(String, Expression)>,
    pub(crate) dry_run: bool,
    pub(crate) keep: Vec<String>,
    pub(crate) confirm: Option<Confirm>,
}

#[derive(Clone, Debug)]
pub(crate) struct Confirm {
    pub(crate) method: MethodName,
    pub(crate) with: Vec<(String, Expression)>,
    pub(crate) that: Program,
}

#[derive(Clone, Debug)]
pub(crate) struct FindStep {
    pub(crate) list: MethodName,
    pub(crate) account: Option<Expression>,
    pub(crate) id: String,
    pub(crate) keep: Vec<String>,
    pub(crate) what: Sought,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub(crate) enum Sought {
    One { filters: Vec<(String, Expression)>, missing: Turn, ambiguous: Turn },
    Rows { rows: Vec<String>, value: Expression, at: Option<String> },
}

#[derive(Clone, Debug)]
pub(crate) struct ForEach {
    pub(crate) rows: Vec<String>,
    pub(crate) when: Option<Program>,
    pub(crate) concurrency: Expression,
    pub(crate) stop_on_row_error: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) collect: Vec<(String, Expression)>,
}

#[derive(Clone, Debug)]
pub(crate) struct ReportStep {
    pub(crate) text: Expression,
    pub(crate) members: Vec<(String, Expression)>,
    pub(crate) table: Option<TableStep>,
    pub(crate) complete: Option<Program>,
}

#[derive(Clone, Debug)]
pub(crate) struct TableStep {
    pub(crate) rows: Vec<String>,
    pub(crate) columns: Vec<(String, Expression)>,
}
