//! Compiled plans: one per distinct definition with its overrides, shared by every account that has the same.

use std::sync::Arc;

use indexmap::IndexMap;
use quartermaster_definition::diagnostics::Level;
use quartermaster_definition::{Definition, Layer, Method, Plan, compile_with_overrides};
use quartermaster_types::{Code, FieldError, Problem};
use serde_json::Value;

use crate::cache::Cache;
use crate::limits::PLANS_CACHED_MAX;
use crate::metrics::{MethodMetrics, Metrics};

/// What identifies a plan. The patches stand here in full: a hash could be made to collide across environments.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PlanKey {
    pub(crate) integration: Arc<str>,
    /// Canonical JSON.
    pub(crate) environment_patch: Option<Arc<str>>,
    /// Canonical JSON.
    pub(crate) account_patch: Option<Arc<str>>,
}

/// A plan with what the gateway looks up for it once.
pub(crate) struct PlanEntry {
    pub(crate) plan: Arc<Plan>,
    /// Hash of `plan.version`, for keys.
    pub(crate) version: [u8; 32],
    /// By resource, then by method, in the order of the plan.
    metrics: Vec<Vec<MethodMetrics>>,
}

impl PlanEntry {
    /// The counters of the method at this place.
    pub(crate) fn metrics(&self, place: MethodPlace) -> &MethodMetrics {
        &self.metrics[place.resource][place.method]
    }

    /// The method at this place.
    pub(crate) fn method(&self, place: MethodPlace) -> &Method {
        &self.plan.resources[place.resource].methods[place.method]
    }

    /// Where a method stands.
    pub(crate) fn find(&self, resource: &str, method: &str) -> Option<MethodPlace> {
        let (place, _, found) = self.plan.resources.get_full(resource)?;
        Some(MethodPlace { resource: place, method: found.methods.get_index_of(method)? })
    }

    /// Where a tool stands, by name or alias; case does not matter.
    pub(crate) fn find_tool(&self, name: &str) -> Option<MethodPlace> {
        let names = &self.plan.tool_names;
        let (resource, method) = names.get(name).or_else(|| names.get(name.to_ascii_lowercase().as_str()))?;
        self.find(resource, method)
    }
}

/// Where a method stands in its plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MethodPlace {
    pub(crate) resource: usize,
    pub(crate) method: usize,
}

/// The definitions that this gateway knows, and their compiled plans.
pub(crate) struct Plans {
    definitions: IndexMap<Arc<str>, Loaded>,
    compiled: Cache<PlanKey, Arc<PlanEntry>>,
    metrics: Arc<Metrics>,
}

struct Loaded {
    definition: Definition,
    base: Arc<Plan>,
}

impl Plans {
    /// Loads and compiles the definitions; refuses with the diagnostics of all that are broken.
    pub(crate) fn new(texts: Vec<(String, String)>, metrics: Arc<Metrics>) -> Result<Self, String> {
        let mut definitions = IndexMap::new();
        let mut problems = Vec::new();
        for (name, text) in texts {
            match load(&name, &text) {
                Ok(loaded) => {
                    definitions.insert(Arc::from(loaded.base.name.as_str()), loaded);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        definitions.sort_keys();
        Ok(Self { definitions, compiled: Cache::new(PLANS_CACHED_MAX), metrics })
    }

    /// The integrations' names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.definitions.keys()
    }

    /// The shared form of an integration's name.
    pub(crate) fn name(&self, integration: &str) -> Option<Arc<str>> {
        self.definitions.get_key_value(integration).map(|(name, _)| Arc::clone(name))
    }

    /// How many plans are held.
    pub(crate) fn held(&self) -> usize {
        self.compiled.len()
    }

    /// The plan under a key; compiled when it is not held. `Err`: what does not fit, in words.
    pub(crate) fn get(&self, key: &PlanKey) -> Result<Arc<PlanEntry>, Vec<FieldError>> {
        if let Some(entry) = self.compiled.get(key) {
            return Ok(entry);
        }
        let Some(loaded) = self.definitions.get(&key.integration) else {
            let detail = format!("this gateway has no definition of {}", key.integration);
            return Err(vec![FieldError { pointer: String::new(), detail }]);
        };
        let ticket = self.compiled.ticket();
        let plan = compile(loaded, key.environment_patch.as_deref(), key.account_patch.as_deref())?;
        let entry = Arc::new(self.entry(&loaded.base, plan));
        self.compiled.insert(ticket, key.clone(), Arc::clone(&entry));
        Ok(entry)
    }

    fn entry(&self, base: &Plan, plan: Arc<Plan>) -> PlanEntry {
        let metrics = plan
            .resources
            .values()
            .map(|resource| {
                let methods = resource.methods.values();
                methods
                    .map(|method| {
                        // Methods that only an override knows share one label: overrides must not grow the metrics.
                        let known = base.method(&method.resource, &method.name).is_some();
                        let label = if known { method.full_name() } else { "other".to_owned() };
                        self.metrics.method(&plan.name, &label)
                    })
                    .collect()
            })
            .collect();
        PlanEntry { version: quartermaster_vault::sha256(&[plan.version.as_bytes()]), plan, metrics }
    }
}

/// JSON with the members of every object in order, so that equal values have equal texts.
pub(crate) fn canonical(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    sorted.to_string()
}

/// Adds what is wrong with an override to a problem.
pub(crate) fn with_override_errors(problem: Problem, errors: Vec<FieldError>) -> Problem {
    errors
        .into_iter()
        .fold(problem, |problem, error| problem.with_error(format!("/override{}", error.pointer), error.detail))
}

/// The problem with an override that does not compile.
pub(crate) fn override_problem(errors: Vec<FieldError>) -> Problem {
    let problem = Problem::caller(Code::InvalidArgument, "The override does not fit the definition.")
        .with_hint("An override is a JSON Merge Patch on the definition; it has to leave a definition that compiles.");
    with_override_errors(problem, errors)
}

fn load(name: &str, text: &str) -> Result<Loaded, String> {
    let (definition, diagnostics) =
        quartermaster_definition::load(&format!("integrations/{name}/definition.yaml"), text);
    let definition = definition.ok_or_else(|| diagnostics.to_string())?;
    let base = definition.compile().map_err(|diagnostics| diagnostics.to_string())?;
    Ok(Loaded { definition, base: Arc::new(base) })
}

/// The plan under the overrides; `Err`: places in the effective definition and what is wrong there.
fn compile(loaded: &Loaded, environment: Option<&str>, account: Option<&str>) -> Result<Arc<Plan>, Vec<FieldError>> {
    let environment = environment.map(parse).transpose()?;
    let account = account.map(parse).transpose()?;
    let mut layers = Vec::with_capacity(2);
    layers.extend(environment.as_ref().map(|patch| (Layer::Environment, patch)));
    layers.extend(account.as_ref().map(|patch| (Layer::Account, patch)));
    if layers.is_empty() {
        return Ok(Arc::clone(&loaded.base));
    }
    compile_with_overrides(&loaded.definition, &layers).map(Arc::new).map_err(|diagnostics| {
        diagnostics
            .iter()
            .filter(|found| found.level == Level::Error)
            .map(|found| {
                let help = found.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
                FieldError { pointer: found.pointer.clone(), detail: format!("{}{help}", found.message) }
            })
            .collect()
    })
}

fn parse(patch: &str) -> Result<Value, Vec<FieldError>> {
    serde_json::from_str(patch).map_err(|error| {
        vec![FieldError { pointer: String::new(), detail: format!("the stored override is not JSON: {error}") }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<(String, String)> {
        let text = include_str!("../../../integrations/1password/definition.yaml");
        vec![("1password".to_owned(), text.to_owned())]
    }

    fn plans() -> Plans {
        Plans::new(texts(), Arc::new(Metrics::new())).expect("the definitions compile")
    }

    fn key(environment: Option<&str>, account: Option<&str>) -> PlanKey {
        PlanKey {
            integration: Arc::from("1password"),
            environment_patch: environment.map(Arc::from),
            account_patch: account.map(Arc::from),
        }
    }

    #[test]
    fn equal_overrides_share_one_plan() {
        let plans = plans();
        let patch = r#"{"label":"One"}"#;
        let first = plans.get(&key(None, Some(patch))).expect("it compiles");
        let again = plans.get(&key(None, Some(patch))).expect("it compiles");
        let other = plans.get(&key(None, Some(r#"{"label":"Two"}"#))).expect("it compiles");
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!Arc::ptr_eq(&first, &other));
        assert_eq!((first.plan.label.as_str(), other.plan.label.as_str()), ("One", "Two"));
        assert_eq!(plans.held(), 2);
    }

    #[test]
    fn the_accounts_override_wins_over_the_environments() {
        let plans = plans();
        let both = plans.get(&key(Some(r#"{"label":"E","category":"x"}"#), Some(r#"{"label":"A"}"#)));
        let both = both.expect("it compiles");
        assert_eq!((both.plan.label.as_str(), both.plan.category.as_str()), ("A", "x"));
    }

    #[test]
    fn an_override_that_does_not_fit_is_refused_with_the_place_and_not_kept() {
        let plans = plans();
        let errors = plans.get(&key(None, Some(r#"{"no_such_key":1}"#))).err().expect("it is refused");
        assert!(errors.iter().any(|error| error.pointer.contains("no_such_key")), "{errors:?}");
        assert_eq!(plans.held(), 0);
    }

    #[test]
    fn a_broken_definition_is_refused_with_its_diagnostics() {
        let texts = vec![("broken".to_owned(), "name: broken\nlabbel: Broken\n".to_owned())];
        let message = Plans::new(texts, Arc::new(Metrics::new())).err().expect("it is refused");
        assert!(message.contains("labbel"), "{message}");
    }
}
