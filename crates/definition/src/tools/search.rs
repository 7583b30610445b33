//! Ranking of tools by words (BM25 over what a model reads of a tool).

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

/// The methods in which a word of `words` occurs, the best first; equals keep their order.
pub(super) fn rank<'plan>(methods: Vec<&'plan Method>, words: &str) -> Vec<&'plan Method> {
    let documents: Vec<HashMap<String, f64>> = methods.iter().map(|method| weights(method)).collect();
    let lengths: Vec<f64> = documents.iter().map(|document| document.values().sum()).collect();
    let average = (lengths.iter().sum::<f64>() / lengths.len().max(1) as f64).max(1.0);
    let mut scores = vec![0.0; methods.len()];
    for word in tokens(words) {
        let holders = documents.iter().filter(|document| document.contains_key(&word)).count() as f64;
        let rarity = (1.0 + (documents.len() as f64 - holders + 0.5) / (holders + 0.5)).ln();
        for (index, document) in documents.iter().enumerate() {
            let weight = document.get(&word).copied().unwrap_or_default();
            let length = 1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * lengths[index] / average;
            scores[index] += rarity * weight * (SATURATION + 1.0) / (weight + SATURATION * length);
        }
    }
    let mut ranked: Vec<(f64, &Method)> = scores.into_iter().zip(methods).filter(|(score, _)| *score > 0.0).collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
    ranked.into_iter().map(|(_, method)| method).collect()
}

/// How much each word of a tool weighs.
fn weights(method: &Method) -> HashMap<String, f64> {
    let mut weights = HashMap::new();
    let mut add = |text: &str, weight: f64| {
        for token in tokens(text) {
            *weights.entry(token).or_default() += weight;
        }
    };
    add(&method.tool_name, NAME_WEIGHT);
    add(&method.title, TITLE_WEIGHT);
    add(method.description.as_deref().unwrap_or_default(), DESCRIPTION_WEIGHT);
    for (name, schema) in method.input_schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        add(name, ARGUMENT_WEIGHT);
        add(schema.get("description").and_then(Value::as_str).unwrap_or_default(), ARGUMENT_WEIGHT);
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
