//! Programs that were compiled before. Parsing takes about a millisecond, which would be paid for every condition of every
//! definition with every account's override.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::Program;

/// The most programs that are kept. When there are more, all are forgotten; those in use live on in their plans.
pub(super) const PROGRAMS_CACHED_MAX: usize = 256;

type Programs = HashMap<String, Vec<(Vec<String>, Program)>>;

static PROGRAMS: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);

#[derive(Default)]
pub(super) struct Cache {
    programs: Programs,
    count: usize,
}

impl Cache {
    pub(super) fn get(&self, source: &str, variables: &[&str]) -> Option<Program> {
        let compiled = self.programs.get(source)?;
        compiled.iter().find(|(names, _)| names == variables).map(|(_, program)| program.clone())
    }

    pub(super) fn put(&mut self, variables: &[&str], program: &Program) {
        if self.count >= PROGRAMS_CACHED_MAX {
            *self = Self::default();
        }
        self.count += 1;
        let names = variables.iter().map(|&name| name.to_owned()).collect();
        self.programs.entry(program.source().to_owned()).or_default().push((names, program.clone()));
    }
}

/// The program that `source` gave before with these variables.
pub(super) fn get(source: &str, variables: &[&str]) -> Option<Program> {
    PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner).get(source, variables)
}

/// Keeps a program.
pub(super) fn put(variables: &[&str], program: &Program) {
    PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner).put(variables, program);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_source_with_the_same_variables_is_compiled_once() {
        let compile = |variables: &[&str]| Program::compile("a == 1", variables).expect("it compiles");
        let one = compile(&["a"]);
        assert!(std::sync::Arc::ptr_eq(&one.inner, &compile(&["a"]).inner));
        assert!(!std::sync::Arc::ptr_eq(&one.inner, &compile(&["a", "b"]).inner));
        assert!(Program::compile("a == 1", &["b"]).is_err(), "another set of variables is checked anew");
    }

    #[test]
    fn a_full_cache_is_emptied_and_goes_on() {
        let program = Program::compile("1 == 1", &[]).expect("it compiles");
        let mut cache = Cache::default();
        for number in 0..PROGRAMS_CACHED_MAX {
            cache.put(&[number.to_string().as_str()], &program);
        }
        assert!(cache.get("1 == 1", &["0"]).is_some());
        cache.put(&["new"], &program);
        assert!(cache.get("1 == 1", &["0"]).is_none());
        assert!(cache.get("1 == 1", &["new"]).is_some());
        assert_eq!(cache.count, 1);
    }
}
