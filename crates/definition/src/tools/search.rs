//! Ranking of tools by words (BM25 over what a model reads of a tool). `cargo xtask eval` measures it.

use std::collections::HashMap;

use serde_json::Value;

use crate::plan::Method;

/// How soon a word that occurs again counts less.
const SATURATION: f64 = 1.2;

/// How much long texts are held back.
const LENGTH_WEIGHT: f64 = 0.5;

/// A word in the name counts for more than one in the description.
const NAME_WEIGHT: f64 = 3.0;
const TITLE_WEIGHT: f64 = 2.0;
const DESCRIPTION_WEIGHT: f64 = 1.0;
const ARGUMENT_WEIGHT: f64 = 0.5;

/// What a model reads of a tool.
#[derive(Clone, Copy, Debug)]
pub struct Searched<'a> {
    /// Name, words split by anything that is no letter or digit.
    pub name: &'a str,
    /// Title.
    pub title: &'a str,
    /// Description.
    pub description: &'a str,
    /// JSON Schema of the arguments: names, descriptions and listed values of its properties count.
    pub input_schema: &'a Value,
}

impl<'a> From<&'a Method> for Searched<'a> {
    fn from(method: &'a Method) -> Self {
        Self {
            name: &method.tool_name,
            title: &method.title,
            description: method.description.as_deref().unwrap_or_default(),
            input_schema: &method.input_schema,
        }
    }
}

/// The places of those tools in which a word of `words` occurs, the best first; equals keep their order.
pub fn rank(tools: &[Searched<'_>], words: &str) -> Vec<usize> {
    let documents: Vec<HashMap<String, f64>> = tools.iter().map(weights).collect();
    let lengths: Vec<f64> = documents.iter().map(|document| document.values().sum()).collect();
    let average = (lengths.iter().sum::<f64>() / lengths.len().max(1) as f64).max(1.0);
    let mut scores = vec![0.0; tools.len()];
    for word in tokens(words) {
        let holders = documents.iter().filter(|document| document.contains_key(&word)).count() as f64;
        let rarity = (1.0 + (documents.len() as f64 - holders + 0.5) / (holders + 0.5)).ln();
        for (index, document) in documents.iter().enumerate() {
            let weight = document.get(&word).copied().unwrap_or_default();
            let length = 1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * lengths[index] / average;
            scores[index] += rarity * weight * (SATURATION + 1.0) / (weight + SATURATION * length);
        }
    }
    let mut ranked: Vec<(usize, f64)> = scores.into_iter().enumerate().filter(|(_, score)| *score > 0.0).collect();
    ranked.sort_by(|one, other| other.1.total_cmp(&one.1));
    ranked.into_iter().map(|(index, _)| index).collect()
}

/// How much each word of a tool weighs.
fn weights(tool: &Searched<'_>) -> HashMap<String, f64> {
    let mut weights = HashMap::new();
    let mut add = |text: &str, weight: f64| {
        for token in tokens(text) {
            *weights.entry(token).or_default() += weight;
        }
    };
    add(tool.name, NAME_WEIGHT);
    add(tool.title, TITLE_WEIGHT);
    add(tool.description, DESCRIPTION_WEIGHT);
    for (name, schema) in tool.input_schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        add(name, ARGUMENT_WEIGHT);
        add(schema.get("description").and_then(Value::as_str).unwrap_or_default(), ARGUMENT_WEIGHT);
        for value in schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            add(value, ARGUMENT_WEIGHT);
        }
    }
    weights
}

/// Lower-case words without a plural `s`.
fn tokens(text: &str) -> impl Iterator<Item = String> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()).map(|word| {
        let word = word.to_lowercase();
        match word.strip_suffix('s') {
            Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
            _ => word,
        }
    })
}
