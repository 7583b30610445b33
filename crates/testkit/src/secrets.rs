//! The secrets that a test knows of, and the answers in which they must not stand.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Values that must not show, with what they are, and everything that was answered. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    values: Vec<(String, String)>,
    answers: Vec<(String, Vec<u8>)>,
}

impl Secrets {
    /// From now on `value` must not show; nor its base64 form.
    pub fn add(&self, what: &str, value: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values.push((what.to_owned(), value.to_owned()));
        known.values.push((format!("{what}, base64"), STANDARD.encode(value)));
    }

    /// Keeps an answer, to be looked through at the end.
    pub(crate) fn answered(&self, request: String, answer: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).answers.push((request, answer));
    }

    /// Where secrets show, in the answers and in `logs`; empty when nowhere.
    pub fn found(&self, logs: &str) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for (what, value) in &known.values {
            if let Some(line) = logs.lines().find(|line| line.contains(value.as_str())) {
                found.push(format!("{what} in the log: {}", line.replace(value.as_str(), "[here]")));
            }
            for (request, answer) in &known.answers {
                if answer.windows(value.len()).any(|window| window == value.as_bytes()) {
                    found.push(format!("{what} in the answer to {request}"));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_wherever_they_show() {
        let secrets = Secrets::default();
        secrets.add("password", "hunter2");
        assert!(secrets.found("all is well").is_empty());
        assert_eq!(secrets.found("a\nlogin hunter2\n"), ["password in the log: login [here]"]);
        assert_eq!(secrets.found("aHVudGVyMg==").len(), 1);
        secrets.answered("GET /x".to_owned(), b"{\"a\":\"hunter2\"}".to_vec());
        assert_eq!(secrets.found(""), ["password in the answer to GET /x"]);
    }
}
