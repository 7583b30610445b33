//! Faults by probability, from a seed.

use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What can go wrong with an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The connection is closed without an answer.
    Drop,
    /// The connection is reset.
    Reset,
    /// The body comes in drops.
    SlowBody,
    /// 500.
    InternalError,
    /// The body is cut in the middle, with a content-length that matches the cut.
    MalformedJson,
}

const ALL: [Fault; 5] = [Fault::Drop, Fault::Reset, Fault::SlowBody, Fault::InternalError, Fault::MalformedJson];

/// Throws the dice.
#[derive(Debug)]
pub(crate) struct Faults {
    state: Mutex<(f64, StdRng)>,
}

impl Faults {
    pub(crate) fn new(probability: f64, seed: u64) -> Self {
        Self { state: Mutex::new((probability.clamp(0.0, 1.0), StdRng::seed_from_u64(seed ^ 0xFA17))) }
    }

    /// Sets another probability.
    pub(crate) fn set(&self, probability: f64) {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0 = probability.clamp(0.0, 1.0);
    }

    /// The fault of the next answer, if any.
    pub(crate) fn next(&self) -> Option<Fault> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let probability = state.0;
        if probability <= 0.0 || !state.1.random_bool(probability) {
            return None;
        }
        Some(ALL[state.1.random_range(0..ALL.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults_and_every_kind_occurs() {
        let one: Vec<_> = {
            let faults = Faults::new(0.5, 3);
            (0..200).map(|_| faults.next()).collect()
        };
        let two: Vec<_> = {
            let faults = Faults::new(0.5, 3);
            (0..200).map(|_| faults.next()).collect()
        };
        assert_eq!(one, two);
        assert!(ALL.iter().all(|kind| one.contains(&Some(*kind))));
        let none = Faults::new(0.0, 3);
        assert!((0..200).all(|_| none.next().is_none()));
    }
}
