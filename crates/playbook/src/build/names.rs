//! Which names templates and expressions may use where.

use quartermaster_definition::notation::{Node, Report, Rule, did_you_mean};
use quartermaster_expr::{Members, Program, Template};

use crate::language::VARIABLES;

/// Members of the variables that are facts.
const FACTS: &[(&str, &[&str])] = &[
    ("integration", &["name", "label"]),
    ("account", &["id", "tenant_id"]),
    (
        "lifecycle",
        &[
            "resource",
            "suspend",
            "reactivate",
            "find_by_email",
            "id",
            "email",
            "display_name",
            "state",
            "active",
            "suspended",
        ],
    ),
    ("run", &["id", "session", "started_at", "now", "waits"]),
];

/// The names that can be used in one place.
#[derive(Clone, Debug)]
pub(super) struct Names<'n> {
    inputs: Vec<&'n str>,
    /// Steps of this list and the lists around it.
    steps: Vec<&'n str>,
    /// How many rows this place is inside of.
    pub(super) rows: usize,
    /// Whether there is an answer to look at.
    answer: bool,
}

impl<'n> Names<'n> {
    pub(super) fn new(inputs: Option<&'n Node>) -> Self {
        let inputs = inputs.map_or(&[][..], Node::entries).iter().map(|(key, _)| key.text.as_str()).collect();
        Self { inputs, steps: Vec::new(), rows: 0, answer: false }
    }

    /// Inside a list of steps.
    pub(super) fn with_steps(&self, list: &'n Node) -> Self {
        let mut inside = self.clone();
        inside.steps.extend(list.items().iter().filter_map(|step| step.get("name")?.text()));
        inside
    }

    /// Where there is one more row.
    pub(super) fn with_row(&self) -> Self {
        Self { rows: self.rows + 1, ..self.clone() }
    }

    /// Where there is an answer.
    pub(super) fn with_answer(&self) -> Self {
        Self { answer: true, ..self.clone() }
    }

    pub(super) fn check_program(&self, node: &Node, program: &Program, report: &mut Report<'_>) {
        for variable in VARIABLES {
            let Some(members) = program.members(variable) else { continue };
            let within = |path: &str| program.source().find(path).map(|start| start..start + path.len());
            if matches!(*variable, "row" | "outer" | "answer") || members.is_whole() {
                self.check_path(node, variable, None, within(variable), report);
                continue;
            }
            for name in Members::names(members) {
                let span = within(&format!("{variable}.{name}"));
                self.check_path(node, variable, Some(name), span, report);
            }
        }
    }

    pub(super) fn check_template(&self, node: &Node, template: &Template, report: &mut Report<'_>) {
        for (path, span) in template.paths() {
            let second = path.get(1).map(String::as_str);
            self.check_path(node, path.first().map_or("", String::as_str), second, Some(span), report);
        }
    }

    pub(super) fn check_path(
        &self,
        node: &Node,
        first: &str,
        second: Option<&str>,
        span: Option<std::ops::Range<usize>>,
        report: &mut Report<'_>,
    ) {
        let mut wrong = |message: String, help: Option<String>| {
            let span = span.clone().unwrap_or(0..node.text().map_or(0, str::len));
            report.error_within(node, span, Rule::UnknownVariable, message, help);
        };
        let known: Vec<&str> = match first {
            "input" => self.inputs.clone(),
            "steps" => {
                if second.is_none() {
                    let help = Some("write `steps.` and the name of a step".to_owned());
                    return wrong("`steps` as a whole is not a value".to_owned(), help);
                }
                self.steps.clone()
            }
            "row" if self.rows >= 1 => return,
            "row" => return wrong("there is no `row` here".to_owned(), Some("rows are inside `for_each`".to_owned())),
            "outer" if self.rows >= 2 => return,
            "outer" => {
                let help = Some("it is the row of the `for_each` around the innermost one".to_owned());
                return wrong("there is no `outer` row here".to_owned(), help);
            }
            "answer" if self.answer => return,
            "answer" => {
                return wrong("there is no `answer` here".to_owned(), Some("it is in `confirm: that`".to_owned()));
            }
            _ => match FACTS.iter().find(|(name, _)| *name == first) {
                Some((_, members)) => members.to_vec(),
                None => {
                    let help = did_you_mean(first, VARIABLES.iter().copied());
                    return wrong(format!("there is no variable `{first}`"), help);
                }
            },
        };
        let Some(second) = second else { return };
        if !known.contains(&second) {
            let help = did_you_mean(second, known.iter().copied());
            let message = match first {
                "input" => format!("the playbook has no input `{second}`"),
                "steps" => format!("there is no step `{second}` that this place can see"),
                _ => format!("`{first}` has no member `{second}`"),
            };
            wrong(message, help);
        }
    }
}
