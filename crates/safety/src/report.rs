//! The table.

use std::collections::BTreeMap;

use crate::guarded::Through;
use crate::naive::Naive;
use crate::trajectory::{Class, Trajectory};

/// A class of trajectories in numbers.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Trajectories.
    pub trajectories: usize,
    /// Runs through the gateway: each trajectory with handles and with the vendor's ids.
    pub runs: usize,
    /// Wrong-target writes behind the naive server, and trajectories with any.
    pub naive_wrong: usize,
    /// See `naive_wrong`.
    pub naive_harmful: usize,
    /// Wrong-target writes behind the gateway.
    pub wrong: usize,
    /// Calls that the model was refused.
    pub refusals: usize,
    /// Those without advice.
    pub unexplained: usize,
    /// Runs whose work can be done, and in how many it was.
    pub possible: usize,
    /// See `possible`.
    pub done: usize,
}

/// All classes.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: BTreeMap<Class, Row>,
}

impl Table {
    /// Counts a trajectory.
    pub fn add(&mut self, trajectory: &Trajectory, naive: &Naive, through: &[Through]) {
        let row = self.rows.entry(trajectory.class).or_default();
        row.trajectories += 1;
        row.naive_wrong += naive.writes.wrong.len();
        row.naive_harmful += usize::from(!naive.writes.wrong.is_empty());
        for through in through {
            row.runs += 1;
            row.wrong += through.writes.wrong.len();
            row.refusals += through.refusals.len();
            row.unexplained += through.unexplained.len();
            if !trajectory.suspended.is_empty() {
                row.possible += 1;
                row.done += usize::from(through.is_done);
            }
        }
    }

    /// Everything in one row.
    pub fn total(&self) -> Row {
        self.rows.values().fold(Row::default(), |sum, row| Row {
            trajectories: sum.trajectories + row.trajectories,
            runs: sum.runs + row.runs,
            naive_wrong: sum.naive_wrong + row.naive_wrong,
            naive_harmful: sum.naive_harmful + row.naive_harmful,
            wrong: sum.wrong + row.wrong,
            refusals: sum.refusals + row.refusals,
            unexplained: sum.unexplained + row.unexplained,
            possible: sum.possible + row.possible,
            done: sum.done + row.done,
        })
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = "| the model | trajectories | naive server: with wrong-target writes | wrong-target writes | \
                        Quartermaster: wrong-target writes | refused calls, all explained | work done where it can be |\n\
                        | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
        for class in Class::ALL {
            if let Some(row) = self.rows.get(&class) {
                text.push_str(&line(class.title(), row));
            }
        }
        text.push_str(&line("**all**", &self.total()));
        text
    }
}

fn line(title: &str, row: &Row) -> String {
    let work = if row.possible == 0 { "–".to_owned() } else { format!("{} of {}", row.done, row.possible) };
    // How many calls a faulty vendor makes fail differs from run to run, so faults are not counted here.
    let refusals = if title == Class::Fault.title() { "–".to_owned() } else { row.refusals.to_string() };
    format!(
        "| {title} | {} | {} | {} | {} | {refusals} | {work} |\n",
        row.trajectories, row.naive_harmful, row.naive_wrong, row.wrong
    )
}
