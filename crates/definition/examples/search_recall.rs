//! How often the search for tools finds the right one: `search_recall QUESTIONS ANSWERS`, both JSON lines of the Berkeley
//! function-calling data. The tools of all questions stand in one pool. Prints questions, tools and recall at 5 as JSON.
//!
//! `cargo xtask eval` fetches the data and runs this.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::collections::{HashMap, HashSet};
use std::error::Error;

use quartermaster_definition::tools::search::{Searched, rank};
use serde_json::{Value, json};

/// The right tool has to be among so many.
const AT: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let [questions, answers] = files.as_slice() else { return Err("usage: search_recall QUESTIONS ANSWERS".into()) };
    let (questions, answers) = (lines(questions)?, lines(answers)?);
    let answers: HashMap<&str, &Value> =
        answers.iter().filter_map(|answer| Some((answer["id"].as_str()?, &answer["ground_truth"]))).collect();
    // The same tool stands with several questions; it counts once.
    let mut seen = HashSet::new();
    let pool: Vec<&Value> = questions.iter().flat_map(tools_of).filter(|tool| seen.insert(tool.to_string())).collect();
    let searched: Vec<Searched<'_>> = pool.iter().map(|tool| read(tool)).collect();
    let mut found = 0;
    for question in &questions {
        let wanted = question["id"].as_str().and_then(|id| answers.get(id)).ok_or("a question without an answer")?;
        let best = &rank(&searched, &words_of(question))[..];
        let best = &best[..best.len().min(AT)];
        // By name, as a call names it: the data describe many tools more than once, in slightly other words.
        let is_found = |name: &String| best.iter().any(|place| searched[*place].name == name);
        let calls = wanted.as_array().into_iter().flatten().filter_map(Value::as_object);
        found += usize::from(calls.flat_map(serde_json::Map::keys).all(is_found));
    }
    let recall = found as f64 / questions.len().max(1) as f64;
    println!("{}", json!({"questions": questions.len(), "tools": pool.len(), "recall_at_5": recall}));
    Ok(())
}

fn lines(path: &str) -> Result<Vec<Value>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn tools_of(question: &Value) -> impl Iterator<Item = &Value> {
    question["function"].as_array().into_iter().flatten()
}

/// What the person says, in all turns.
fn words_of(question: &Value) -> String {
    let turns = question["question"].as_array().into_iter().flatten();
    let messages = turns.flat_map(|turn| turn.as_array().into_iter().flatten());
    let said: Vec<&str> = messages
        .filter(|message| message["role"] == "user")
        .filter_map(|message| message["content"].as_str())
        .collect();
    said.join("\n")
}

fn read(tool: &Value) -> Searched<'_> {
    let text = |name: &str| tool[name].as_str().unwrap_or_default();
    Searched { name: text("name"), title: "", description: text("description"), input_schema: &tool["parameters"] }
}
