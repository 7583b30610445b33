//! Which tools are asked for: by method, by tag, by words.

use quartermaster_types::FieldError;

use super::search::{self, Searched};
use crate::plan::{Method, MethodKind, Plan};

/// The names in a `methods` filter that stand for several methods.
pub const METHOD_GROUPS: [&str; 3] = ["read", "write", "custom"];

/// Longest `search`, in bytes.
pub const SEARCH_MAX_BYTES: usize = 500;

/// Most known values that an error lists.
const LISTED_VALUES_MAX: usize = 40;

/// Longest excerpt of a refused value, in characters.
const GIVEN_MAX_CHARS: usize = 60;

/// Values closer than this (Jaro-Winkler) are offered as what was meant.
const SIMILAR_ENOUGH: f64 = 0.8;

/// Whether `wanted` (`read`, `write`, `custom` or an exact name) means this method.
pub fn method_matches(wanted: &str, kind: MethodKind, name: &str) -> bool {
    match wanted {
        "read" => matches!(kind, MethodKind::List | MethodKind::Get),
        "write" => matches!(kind, MethodKind::Create | MethodKind::Update | MethodKind::Delete),
        "custom" => kind == MethodKind::Custom,
        exact => exact == name,
    }
}

/// Which tools are asked for. Empty lists do not narrow; both given: both must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolFilter {
    /// `read`, `write`, `custom` or exact method names; any of them.
    pub methods: Vec<String>,
    /// Any of these tags.
    pub tags: Vec<String>,
    /// Words to rank by; tools in which none of them occurs are left out.
    pub search: Option<String>,
    /// At most so many; from 1.
    pub limit: Option<u32>,
}

impl ToolFilter {
    /// Whether methods and tags let this method through.
    pub fn lets_through(&self, method: &Method) -> bool {
        let by_method = self.methods.is_empty()
            || self.methods.iter().any(|wanted| method_matches(wanted, method.kind, &method.name));
        let by_tag = self.tags.is_empty() || self.tags.iter().any(|tag| method.tags.contains(tag));
        by_method && by_tag
    }

    /// The methods of the plan that are asked for: in the order of the definition, or the best first when `search` is given.
    ///
    /// A method or tag that the plan does not have is an error that names those that it has.
    pub fn select<'plan>(&self, plan: &'plan Plan) -> Result<Vec<&'plan Method>, FieldError> {
        self.select_from(plan, |_| true)
    }

    /// The same among those methods that `may_use` lets through; `limit` counts only these.
    pub fn select_from<'plan>(
        &self,
        plan: &'plan Plan,
        may_use: impl Fn(&Method) -> bool,
    ) -> Result<Vec<&'plan Method>, FieldError> {
        self.check(plan)?;
        let candidates = plan.methods().filter(|method| self.lets_through(method) && may_use(method));
        let mut methods: Vec<&Method> = candidates.collect();
        if let Some(words) = &self.search {
            let searched: Vec<Searched<'_>> = methods.iter().copied().map(Searched::from).collect();
            methods = search::rank(&searched, words).into_iter().map(|place| methods[place]).collect();
        }
        if let Some(limit) = self.limit {
            methods.truncate(limit as usize);
        }
        Ok(methods)
    }

    fn check(&self, plan: &Plan) -> Result<(), FieldError> {
        if self.limit == Some(0) {
            return Err(FieldError {
                pointer: "/limit".into(),
                detail: "got 0; expected an integer of at least 1".into(),
            });
        }
        if let Some(words) = self.search.as_ref().filter(|words| words.len() > SEARCH_MAX_BYTES) {
            let detail = format!("{} bytes are too long; expected at most {SEARCH_MAX_BYTES}", words.len());
            return Err(FieldError { pointer: "/search".into(), detail });
        }
        let mut names: Vec<&str> = METHOD_GROUPS.to_vec();
        names.extend(plan.methods().map(|method| method.name.as_str()));
        known("methods", "method", &self.methods, names)?;
        known("tags", "tag", &self.tags, plan.methods().flat_map(|method| &method.tags).map(String::as_str).collect())
    }
}

fn known(parameter: &str, kind: &str, given: &[String], mut values: Vec<&str>) -> Result<(), FieldError> {
    match given.iter().find(|value| !values.contains(&value.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let mut seen = std::collections::HashSet::new();
            values.retain(|value| seen.insert(*value));
            Err(refused(parameter, kind, unknown, &values))
        }
    }
}

/// Refuses a value, with the one that was probably meant and all that there are.
pub(crate) fn refused(parameter: &str, kind: &str, given: &str, values: &[&str]) -> FieldError {
    let close = values
        .iter()
        .map(|value| (strsim::jaro_winkler(given, value), *value))
        .filter(|(score, _)| *score >= SIMILAR_ENOUGH)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let meant = close.map_or_else(|| ".".to_owned(), |(_, value)| format!("; did you mean `{value}`?"));
    let listed: Vec<String> = values.iter().take(LISTED_VALUES_MAX).map(|value| format!("`{value}`")).collect();
    let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
    let more = if values.len() > LISTED_VALUES_MAX { " and more" } else { "" };
    let given: String = given.chars().take(GIVEN_MAX_CHARS).collect();
    FieldError {
        pointer: format!("/{parameter}"),
        detail: format!("there is no {kind} {given:?}{meant} There are: {listed}{more}"),
    }
}
