//! The loop breaker: the same call that fails the same way is not sent for ever.

use std::collections::HashMap;

use quartermaster_types::{Code, Problem};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::limits::{FAILED_TURNS_MAX, LOOP_REFUSALS_MAX, SAME_FAILURE_MAX};

/// What failed so far, by call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    failures: HashMap<String, Failures>,
    /// How often calls were asked for that are not sent any more.
    refusals: u32,
    /// Turns in a row in which no call worked.
    failed_turns: u32,
}

#[derive(Clone, Debug)]
struct Failures {
    how: (Code, String),
    times: u32,
}

/// A call that is longer than this is remembered by its hash.
const CALL_KEPT_MAX_BYTES: usize = 256;

/// A call in one form, however the model ordered its arguments.
pub(crate) fn canonical(tool: &str, arguments: &Value) -> String {
    let mut text = String::from(tool);
    write(&mut text, arguments);
    if text.len() <= CALL_KEPT_MAX_BYTES {
        return text;
    }
    Sha256::digest(text.as_bytes()).iter().fold("#".to_owned(), |digest, byte| digest + &format!("{byte:02x}"))
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().filter(|(_, value)| !value.is_null()).collect();
            members.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in members {
                text.push_str(&Value::String(name.clone()).to_string());
                write(text, value);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(text, item);
                text.push(',');
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

impl Breaker {
    /// A refusal, if the call has failed so often that it is not sent any more.
    pub(crate) fn check(&mut self, call: &str) -> Option<Problem> {
        let failures = self.failures.get(call).filter(|failures| failures.times >= SAME_FAILURE_MAX)?;
        self.refusals += 1;
        let detail = format!(
            "This exact call has failed {} times with `{}`. It was not sent again, and will not be.",
            failures.times, failures.how.0
        );
        Some(Problem::gateway(Code::LoopDetected, detail).with_hint(
            "Do something else: read what is needed first, change the arguments as the earlier errors say, or end the run \
             and say what could not be done.",
        ))
    }

    /// Notes a failure; a sentence for the model when it was the last one that is let through.
    pub(crate) fn failed(&mut self, call: &str, problem: &Problem) -> Option<String> {
        let how = (problem.code(), problem.body().detail.clone());
        let failures = self.failures.entry(call.to_owned()).or_insert_with(|| Failures { how: how.clone(), times: 0 });
        if failures.how == how {
            failures.times += 1;
        } else {
            *failures = Failures { how, times: 1 };
        }
        (failures.times == SAME_FAILURE_MAX).then(|| {
            format!(
                "{}: this exact call has now failed {SAME_FAILURE_MAX} times in the same way. It will not be sent again. \
                 Do something else.",
                Code::LoopDetected
            )
        })
    }

    /// Notes that a call worked.
    pub(crate) fn worked(&mut self, call: &str) {
        self.failures.remove(call);
    }

    /// Notes a turn with calls; the problem that ends the run, when it goes round in circles.
    pub(crate) fn turn(&mut self, any_worked: bool) -> Option<Problem> {
        self.failed_turns = if any_worked { 0 } else { self.failed_turns + 1 };
        let detail = if self.refusals >= LOOP_REFUSALS_MAX {
            format!("The model went on asking for calls that had failed {SAME_FAILURE_MAX} times in the same way.")
        } else if self.failed_turns >= FAILED_TURNS_MAX {
            format!("No call worked in {FAILED_TURNS_MAX} turns of the model one after the other.")
        } else {
            return None;
        };
        Some(Problem::caller(Code::LoopDetected, detail).with_retry(false, None).with_hint(
            "What was done so far stands in the outcome. Say more exactly what is wanted, or take a more able model.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(detail: &str) -> Problem {
        Problem::caller(Code::InvalidArgument, detail)
    }

    #[test]
    fn the_order_of_arguments_and_nulls_do_not_make_another_call() {
        let one = canonical("t", &json!({"a": 1, "b": {"c": [1, "x"], "d": null}}));
        assert_eq!(one, canonical("t", &json!({"b": {"c": [1, "x"]}, "a": 1, "e": null})));
        for other in [json!({"a": "1", "b": {"c": [1, "x"]}}), json!({"a": 1, "b": {"c": ["x", 1]}})] {
            assert_ne!(one, canonical("t", &other));
        }
        assert_ne!(one, canonical("u", &json!({"a": 1, "b": {"c": [1, "x"]}})));
    }

    #[test]
    fn a_long_call_is_remembered_by_its_hash() {
        let of = |length: usize| canonical("t", &json!("x".repeat(length)));
        assert_eq!(of(CALL_KEPT_MAX_BYTES - 3).len(), CALL_KEPT_MAX_BYTES);
        assert_eq!((of(CALL_KEPT_MAX_BYTES - 2).len(), of(1_000_000).len()), (65, 65));
        assert_ne!(of(1_000_000), of(1_000_001));
    }

    #[test]
    fn three_failures_alike_are_told_and_the_fourth_is_not_sent() {
        let mut breaker = Breaker::default();
        for _ in 1..SAME_FAILURE_MAX {
            assert!(breaker.check("call").is_none());
            assert!(breaker.failed("call", &problem("no")).is_none());
        }
        assert!(breaker.check("call").is_none(), "the third is sent");
        assert!(breaker.failed("call", &problem("no")).unwrap().contains("loop_detected"));
        assert_eq!(breaker.check("call").unwrap().code(), Code::LoopDetected);
        assert!(breaker.check("another").is_none());
    }

    #[test]
    fn another_failure_or_a_success_begins_anew() {
        let mut breaker = Breaker::default();
        for detail in ["a", "a", "b", "b"] {
            assert!(breaker.failed("call", &problem(detail)).is_none());
        }
        breaker.worked("call");
        assert!(breaker.failed("call", &problem("b")).is_none());
        assert!(breaker.check("call").is_none());
    }

    #[test]
    fn who_goes_on_is_stopped() {
        let mut breaker = Breaker::default();
        (0..SAME_FAILURE_MAX).for_each(|_| drop(breaker.failed("call", &problem("no"))));
        for _ in 1..LOOP_REFUSALS_MAX {
            breaker.check("call");
            assert!(breaker.turn(true).is_none());
        }
        breaker.check("call");
        assert!(breaker.turn(true).is_some());

        let mut breaker = Breaker::default();
        for turn in 1..FAILED_TURNS_MAX {
            assert!(breaker.turn(false).is_none(), "{turn}");
        }
        assert!(breaker.clone().turn(true).is_none());
        assert_eq!(breaker.turn(false).unwrap().code(), Code::LoopDetected);
    }
}
