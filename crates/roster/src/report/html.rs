//! The report as a page of HTML: no script, no other file, fit to be printed and mailed.

use askama::Template;

use super::{Action, Finding, Line, Mode, Report};
use crate::error::ReportError;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    figures: Vec<(&'static str, String)>,
    groups: Vec<Group<'a>>,
}

/// People of one kind, the kinds that want attention first.
struct Group<'a> {
    title: &'static str,
    class: &'static str,
    lines: Vec<&'a Line>,
}

pub(super) fn render(report: &Report) -> Result<String, ReportError> {
    let page = Page { report, figures: figures(report), groups: groups(report) };
    page.render().map_err(ReportError::render)
}

fn figures(report: &Report) -> Vec<(&'static str, String)> {
    let counts = &report.counts;
    let mut figures = vec![
        ("In the list", counts.people.to_string()),
        ("Active", counts.active.to_string()),
        ("Suspended", counts.suspended.to_string()),
        ("Unknown", counts.unknown.to_string()),
        ("Ambiguous", counts.ambiguous.to_string()),
        ("On several lines", counts.duplicated.to_string()),
        ("Bad lines", counts.bad_lines.to_string()),
    ];
    if report.mode == Mode::Suspend {
        figures.push(("Suspended by this run", counts.suspended_now.to_string()));
        figures.push(("Failed", counts.failed.to_string()));
    }
    figures.push(("People in the directory", counts.directory_people.to_string()));
    figures.push(("Waited for rate limits", format!("{} s", report.waits.seconds)));
    figures
}

fn groups(report: &Report) -> Vec<Group<'_>> {
    type Belongs = fn(&Line) -> bool;
    let kinds: [(&str, &str, Belongs); 8] = [
        ("Could not be suspended", "bad", |line| line.action == Action::Failed),
        ("Not reached before the run stopped", "bad", |line| line.action == Action::NotReached),
        ("Ambiguous: several people have the address", "bad", |line| line.finding == Finding::Ambiguous),
        ("Still active", "warn", |line| line.finding == Finding::Active && line.action == Action::None),
        ("Suspended by this run", "good", |line| matches!(line.action, Action::Suspended | Action::Unchanged)),
        ("In another state", "warn", |line| line.finding == Finding::OtherState),
        ("Suspended already", "good", |line| line.finding == Finding::Suspended && line.action == Action::None),
        ("Not in the directory", "plain", |line| line.finding == Finding::Unknown),
    ];
    kinds
        .into_iter()
        .map(|(title, class, belongs)| Group {
            title,
            class,
            lines: report.people.iter().filter(|line| belongs(line)).collect(),
        })
        .filter(|group| !group.lines.is_empty())
        .collect()
}

impl Line {
    fn name(&self) -> &str {
        self.display_name.as_deref().unwrap_or("")
    }

    fn id_text(&self) -> &str {
        self.id.as_deref().unwrap_or("")
    }

    fn states(&self) -> String {
        match (&self.state_before, &self.state_after) {
            (Some(before), Some(after)) if before != after => format!("{before} → {after}"),
            (Some(state), _) | (None, Some(state)) => state.clone(),
            (None, None) => String::new(),
        }
    }

    fn places(&self) -> String {
        let all = std::iter::once(&self.line).chain(&self.also_on_lines);
        all.map(u64::to_string).collect::<Vec<_>>().join(", ")
    }

    fn remark(&self) -> String {
        let at = self.at.map(|at| at.to_string());
        [at, self.detail.clone()].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}
