//! The table at the end.

/// Rows as they come in.
pub(super) struct Report {
    rows: Vec<[String; 4]>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row: what was measured, what came out, what is aimed at, the figures behind it.
    pub(super) fn row(&mut self, measure: &str, result: String, reach: &str, figures: String) {
        println!("{measure}: {result} (reach: {reach}) {figures}");
        self.rows.push([measure.to_owned(), result, reach.to_owned(), figures]);
    }

    /// Prints everything as a Markdown table.
    pub(super) fn print(&self) {
        println!("\n{}\n", machine());
        println!("| measure | result | reach | figures |\n| --- | --- | --- | --- |");
        for [measure, result, reach, figures] in &self.rows {
            println!("| {measure} | {result} | {reach} | {figures} |");
        }
    }
}

/// The middle value.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("Machine: {cores} cores,{}", model.trim_start_matches([' ', '\t', ':']).trim()).replace("cores,", "cores, ")
}
