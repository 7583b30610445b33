//! The tools of a run: their names over all its accounts, which of them the model sees, and how it finds the others.

use std::collections::HashMap;
use std::sync::Arc;

use quartermaster_definition::tools::search::{Searched, rank};
use quartermaster_types::{Code, Problem};
use serde_json::{Value, json};

use crate::conversation::ToolSpec;
use crate::limits::{
    TOOL_NAME_MAX_BYTES, TOOLS_FOUND_MAX, TOOLS_NEAR_MAX, TOOLS_PRELOADED, TOOLS_SHOWN_MAX, TOOLS_UNSEARCHED_MAX,
};
use crate::setting::{Effect, Setting, Tool};

/// Ends the run in order.
pub(crate) const FINISH: &str = "finish_run";
/// Finds tools; there is one only when there are many.
pub(crate) const SEARCH: &str = "search_tools";

/// How like a name has to be to be offered for one that is not there.
const NEAR_ENOUGH: f64 = 0.6;

/// A tool of one account.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As the model sees it: unique in the run.
    pub(crate) name: String,
    /// The account's place in the setting.
    pub(crate) account: usize,
    pub(crate) tool: Tool,
}

/// The tools of a run.
#[derive(Clone, Debug)]
pub(crate) struct Toolbox {
    entries: Arc<Vec<Entry>>,
    names: Arc<HashMap<String, usize>>,
    /// Those that the model sees, in the order in which it came to see them.
    shown: Vec<usize>,
    handles: bool,
}

impl Toolbox {
    pub(crate) fn new(setting: &Setting) -> Self {
        let (mut entries, mut names) = (Vec::new(), HashMap::new());
        for (account, facts) in setting.accounts.iter().enumerate() {
            for tool in &facts.tools {
                let name = free_name(&names, &tool.name, account);
                names.insert(name.clone(), entries.len());
                entries.push(Entry { name, account, tool: tool.clone() });
            }
        }
        let mut toolbox =
            Self { entries: Arc::new(entries), names: Arc::new(names), shown: Vec::new(), handles: setting.handles };
        toolbox.shown = if toolbox.is_searched() {
            toolbox.rank(&setting.goal).into_iter().take(TOOLS_PRELOADED).collect()
        } else {
            (0..toolbox.entries.len()).collect()
        };
        toolbox
    }

    /// Whether there are so many tools that the model has to search.
    fn is_searched(&self) -> bool {
        self.entries.len() > TOOLS_UNSEARCHED_MAX
    }

    fn rank(&self, words: &str) -> Vec<usize> {
        let searched: Vec<Searched<'_>> = self
            .entries
            .iter()
            .map(|entry| Searched {
                name: &entry.name,
                title: &entry.tool.title,
                description: &entry.tool.description,
                input_schema: &entry.tool.input_schema,
            })
            .collect();
        rank(&searched, words)
    }

    /// A tool by its name.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        self.names.get(name).and_then(|place| self.entries.get(*place))
    }

    /// The tool that does this, as the model knows it.
    pub(crate) fn name_on(&self, account: usize, tool: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.account == account && entry.tool.name == tool).map(|entry| &*entry.name)
    }

    /// The tools that write.
    pub(crate) fn writing(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.tool.effect != Effect::Read)
    }

    /// The model has found this tool somehow: it sees it from now on.
    pub(crate) fn show(&mut self, name: &str) {
        if let Some(place) = self.names.get(name).copied().filter(|place| !self.shown.contains(place)) {
            self.shown.push(place);
            if self.shown.len() > TOOLS_SHOWN_MAX {
                self.shown.remove(0);
            }
        }
    }

    /// The best tools for these words; the model sees them from now on.
    pub(crate) fn search(&mut self, words: &str) -> Value {
        let found: Vec<usize> = self.rank(words).into_iter().take(TOOLS_FOUND_MAX).collect();
        let entries = Arc::clone(&self.entries);
        let told: Vec<Value> = found
            .iter()
            .filter_map(|place| entries.get(*place))
            .map(|entry| json!({"name": entry.name, "description": entry.tool.description}))
            .collect();
        entries
            .iter()
            .enumerate()
            .filter(|(place, _)| found.contains(place))
            .for_each(|(_, entry)| self.show(&entry.name));
        json!({"found": told, "of": self.entries.len()})
    }

    /// The refusal for a tool that is not there, with those that may be meant.
    pub(crate) fn unknown(&self, name: &str) -> Problem {
        let given: String = name.chars().take(80).collect();
        let mut near: Vec<(f64, &str)> = self
            .entries
            .iter()
            .map(|entry| (strsim::jaro_winkler(&given.to_lowercase(), &entry.name), &*entry.name))
            .filter(|(likeness, _)| *likeness >= NEAR_ENOUGH)
            .collect();
        near.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
        let mut names: Vec<&str> = near.into_iter().map(|(_, name)| name).take(TOOLS_NEAR_MAX).collect();
        if names.is_empty() {
            let places = self.rank(&given.replace('_', " ")).into_iter().take(TOOLS_NEAR_MAX);
            names = places.filter_map(|place| self.entries.get(place)).map(|entry| &*entry.name).collect();
        }
        if names.is_empty() {
            names = self.shown.iter().filter_map(|place| self.entries.get(*place)).map(|entry| &*entry.name).collect();
        }
        let more = if self.is_searched() { format!(" `{SEARCH}` finds others.") } else { String::new() };
        Problem::caller(Code::Unsupported, format!("There is no tool {given:?} in this run; nothing was done."))
            .with_hint(format!("Call one that there is, by its exact name: {}.{more}", names.join(", ")))
    }

    /// The tools as the model sees them now.
    pub(crate) fn specs(&self, setting: &Setting) -> Vec<ToolSpec> {
        let shown = self.shown.iter().filter_map(|place| self.entries.get(*place));
        let mut specs: Vec<ToolSpec> = shown.map(|entry| self.spec(entry, setting)).collect();
        if self.is_searched() {
            specs.push(search_spec(self.entries.len()));
        }
        specs.push(finish_spec());
        specs
    }

    fn spec(&self, entry: &Entry, setting: &Setting) -> ToolSpec {
        let account = &setting.accounts[entry.account];
        let place = if setting.accounts.len() == 1 {
            String::new()
        } else {
            format!("[Account a{}: {}] ", entry.account + 1, account.label)
        };
        ToolSpec {
            name: entry.name.clone(),
            description: format!("{place}{}", entry.tool.description),
            input_schema: self.schema(entry, setting),
        }
    }

    /// The schema of the arguments, with handles for ids where the run has them.
    pub(crate) fn schema(&self, entry: &Entry, setting: &Setting) -> Value {
        let mut schema = entry.tool.input_schema.clone();
        let resource = setting.accounts[entry.account].resources.get(&entry.tool.resource);
        if let (true, true, Some(resource)) = (self.handles, entry.tool.takes_id, resource)
            && let Some(id) = schema.pointer_mut("/properties/id")
        {
            let words = format!(
                "The handle of the {} as it stands in a result of this run, for instance {}:1. Never an e-mail address or a name.",
                resource.singular, resource.singular
            );
            *id = json!({"type": "string", "description": words});
        }
        schema
    }
}

fn free_name(names: &HashMap<String, usize>, name: &str, account: usize) -> String {
    let is_free = |name: &str| !names.contains_key(name) && name != FINISH && name != SEARCH;
    if is_free(name) {
        return name.to_owned();
    }
    let suffix = format!("_a{}", account + 1);
    let room = TOOL_NAME_MAX_BYTES - suffix.len();
    let end = (0..=room.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    let mut free = format!("{}{suffix}", &name[..end]);
    let mut count = 1;
    while !is_free(&free) {
        count += 1;
        let tail = format!("{suffix}_{count}");
        let room = (TOOL_NAME_MAX_BYTES - tail.len()).min(end);
        let end = (0..=room).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        free = format!("{}{tail}", &name[..end]);
    }
    free
}

fn search_spec(count: usize) -> ToolSpec {
    ToolSpec {
        name: SEARCH.to_owned(),
        description: format!(
            "Find tools by words. There are {count} tools and only some are shown; those that are found can be called after this."
        ),
        input_schema: json!({"type": "object", "required": ["query"], "properties": {
            "query": {"type": "string", "minLength": 1, "description": "What the tool should do, in a few words."}},
            "additionalProperties": false}),
    }
}

fn finish_spec() -> ToolSpec {
    ToolSpec {
        name: FINISH.to_owned(),
        description:
            "End the run. Call it alone, when the goal is reached or cannot be reached. What was really done is read \
                      from the journal; say nothing that did not happen."
                .to_owned(),
        input_schema: json!({"type": "object", "required": ["outcome", "summary"], "properties": {
            "outcome": {"enum": ["done", "partly_done", "not_done"], "description": "Whether the goal is reached."},
            "summary": {"type": "string", "minLength": 1,
                "description": "A few sentences for the person who asked: what was found, what was done, what was not and why."},
            "claims": {"type": "array", "description": "Each change that you made.",
                "items": {"type": "object", "required": ["tool", "record"], "properties": {
                    "tool": {"type": "string", "description": "The tool that made it."},
                    "record": {"type": "string", "description": "The id or handle of the record that was changed."}}}}},
            "additionalProperties": false}),
    }
}
