//! Short handles: what a model sees and writes instead of ids. A handle stands for one record of one account that was read in
//! this run; there is none for anything else, so an id that a model makes up leads nowhere.

use std::collections::HashMap;

use indexmap::IndexMap;
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value};

use crate::limits::HANDLES_LISTED_MAX;
use crate::setting::{Resource, Tool};

/// An id shorter than this is only replaced where the whole text is the id: inside of others it may be anything.
const ID_IN_TEXT_MIN: usize = 8;

/// Which record is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    /// The account's place in the setting.
    pub(crate) account: usize,
    pub(crate) resource: String,
    pub(crate) id: String,
}

/// The handles of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handles {
    /// By handle: the record, and what people call it.
    known: IndexMap<String, (Record, String)>,
    by_record: HashMap<Record, usize>,
    /// By account and id, for references from other records.
    by_id: HashMap<(usize, String), usize>,
    counts: HashMap<String, usize>,
}

/// The id in a record: a text, or the digits of a number.
pub(crate) fn id_at(record: &Value, pointer: &str) -> Option<String> {
    match record.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

impl Handles {
    /// The handle of a record.
    pub(crate) fn of(&self, record: &Record) -> Option<&str> {
        self.by_record.get(record).and_then(|place| self.known.get_index(*place)).map(|(handle, _)| handle.as_str())
    }

    /// The record of a handle.
    pub(crate) fn record(&self, handle: &str) -> Option<&Record> {
        self.known.get(handle).map(|(record, _)| record)
    }

    /// Gives the record a handle unless it has one, and writes it wherever the record has its id. Ids of other records that are
    /// known become their handles too.
    pub(crate) fn hide(&mut self, account: usize, name: &str, resource: &Resource, value: &mut Value) {
        let own = id_at(value, &resource.id).map(|id| {
            let record = Record { account, resource: name.to_owned(), id: id.clone() };
            (id, self.name(record, resource, value))
        });
        if let (Some((_, handle)), Some(place)) = (&own, value.pointer_mut(&resource.id)) {
            *place = Value::String(handle.clone());
        }
        self.replace(account, own.as_ref(), value);
    }

    fn name(&mut self, record: Record, resource: &Resource, value: &Value) -> String {
        if let Some(handle) = self.of(&record) {
            return handle.to_owned();
        }
        let kind: String = resource
            .singular
            .chars()
            .map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' })
            .collect();
        let count = self.counts.entry(kind.clone()).or_default();
        *count += 1;
        let handle = format!("{kind}:{count}");
        let mut label = [&resource.email, &resource.display_name].into_iter().flatten();
        let label = label.find_map(|at| value.pointer(at)?.as_str()).unwrap_or_default();
        let place = self.known.len();
        self.by_record.insert(record.clone(), place);
        self.by_id.entry((record.account, record.id.clone())).or_insert(place);
        self.known.insert(handle.clone(), (record, label.to_owned()));
        handle
    }

    fn replace(&self, account: usize, own: Option<&(String, String)>, value: &mut Value) {
        match value {
            Value::String(text) => {
                let known = self.by_id.get(&(account, text.clone())).and_then(|place| self.known.get_index(*place));
                if let Some((handle, _)) = known {
                    handle.clone_into(text);
                } else if let Some((id, handle)) =
                    own.filter(|(id, _)| id.len() >= ID_IN_TEXT_MIN && text.contains(id.as_str()))
                {
                    *text = text.replace(id.as_str(), handle);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.replace(account, own, item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.replace(account, own, member)),
            _ => {}
        }
    }

    /// Writes the handle of this record wherever a text has its id.
    pub(crate) fn hide_in(&self, record: &Record, value: &mut Value) {
        let Some(handle) = self.of(record) else { return };
        self.replace(record.account, Some(&(record.id.clone(), handle.to_owned())), value);
    }

    /// Arguments with ids for handles. `id` has to be the handle of a record of the tool's own resource.
    pub(crate) fn resolve(
        &self,
        account: usize,
        tool: &Tool,
        mut arguments: Map<String, Value>,
    ) -> Result<Map<String, Value>, Problem> {
        if tool.takes_id
            && let Some(id) = arguments.get_mut("id")
        {
            let given = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            match self.record(&given) {
                Some(record) if record.account == account && record.resource == tool.resource => {
                    *id = Value::String(record.id.clone());
                }
                found => return Err(self.refusal(account, tool, &given, found.is_some())),
            }
        }
        for (name, value) in &mut arguments {
            if !(tool.takes_id && name == "id") {
                self.uncover(account, value);
            }
        }
        Ok(arguments)
    }

    fn uncover(&self, account: usize, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(record) = self.record(text).filter(|record| record.account == account) {
                    *text = record.id.clone();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.uncover(account, item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.uncover(account, member)),
            _ => {}
        }
    }

    fn refusal(&self, account: usize, tool: &Tool, given: &str, is_other: bool) -> Problem {
        let given: String = given.chars().take(80).collect();
        let what = if is_other {
            format!("{given:?} is the handle of another kind of record, or of another account.")
        } else if given.contains('@') {
            format!("{given:?} is an e-mail address, not a handle.")
        } else {
            format!("{given:?} is not the handle of anything that was read in this run.")
        };
        let mut listed: Vec<String> = self
            .known
            .iter()
            .rev()
            .filter(|(_, (record, _))| record.account == account && record.resource == tool.resource)
            .take(HANDLES_LISTED_MAX)
            .map(|(handle, (_, label))| if label.is_empty() { handle.clone() } else { format!("{handle} ({label})") })
            .collect();
        listed.reverse();
        let hint = match listed.len() {
            0 => "Find the record with a read first; the result has its handle at the place of the id.".to_owned(),
            _ => format!(
                "Handles of this run, the latest: {}. For any other record, find it with a read first.",
                listed.join(", ")
            ),
        };
        Problem::caller(Code::UngroundedId, format!("{what} Nothing was sent."))
            .with_hint(hint)
            .with_error("/id", "a handle from a result of this run is expected, exactly as it stands there")
    }

    /// A text for people: ids for handles.
    pub(crate) fn for_people(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut word = String::new();
        for character in text.chars().chain(std::iter::once('\0')) {
            if character.is_ascii_alphanumeric() || character == '_' || character == ':' {
                word.push(character);
                continue;
            }
            // A colon at the end belongs to the sentence.
            let name = word.trim_end_matches(':');
            match self.record(name) {
                Some(record) => {
                    shown.push_str(&record.id);
                    shown.push_str(&word[name.len()..]);
                }
                None => shown.push_str(&word),
            }
            word.clear();
            if character != '\0' {
                shown.push(character);
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::setting::Effect;

    fn users() -> Resource {
        Resource {
            singular: "user".to_owned(),
            id: "/id".to_owned(),
            state: Some("/state".to_owned()),
            email: Some("/email".to_owned()),
            display_name: None,
        }
    }

    fn suspend() -> Tool {
        Tool {
            name: "suspend".to_owned(),
            resource: "users".to_owned(),
            method: "suspend".to_owned(),
            title: String::new(),
            description: String::new(),
            effect: Effect::Destructive,
            takes_id: true,
            is_compared: true,
            input_schema: json!({}),
        }
    }

    fn arguments(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn ids_become_handles_and_come_back() {
        let mut handles = Handles::default();
        let mut one = json!({"id": "ABCDEFGHIJ", "email": "a@x.com", "path": "users/ABCDEFGHIJ", "peer": "KLMNOPQRST"});
        let mut two = json!({"id": "KLMNOPQRST", "email": "b@x.com", "manager": "ABCDEFGHIJ"});
        handles.hide(0, "users", &users(), &mut one);
        handles.hide(0, "users", &users(), &mut two);
        assert_eq!(one, json!({"id": "user:1", "email": "a@x.com", "path": "users/user:1", "peer": "KLMNOPQRST"}));
        assert_eq!(two, json!({"id": "user:2", "email": "b@x.com", "manager": "user:1"}));
        let resolved = handles.resolve(0, &suspend(), arguments(json!({"id": "user:1", "to": ["user:2"]}))).unwrap();
        assert_eq!(Value::Object(resolved), json!({"id": "ABCDEFGHIJ", "to": ["KLMNOPQRST"]}));
        assert_eq!(
            handles.for_people("user:1 and user:2: done, user:3 not."),
            "ABCDEFGHIJ and KLMNOPQRST: done, user:3 not."
        );
    }

    #[test]
    fn whatever_is_no_handle_of_this_resource_and_account_is_refused() {
        let mut handles = Handles::default();
        let mut record = json!({"id": 42, "email": "a@x.com"});
        handles.hide(0, "users", &users(), &mut record);
        assert_eq!(record["id"], "user:1");
        for given in ["42", "user:2", "a@x.com", "USER:1", " user:1", "user:01", ""] {
            let problem = handles.resolve(0, &suspend(), arguments(json!({"id": given}))).unwrap_err();
            assert_eq!(problem.code(), Code::UngroundedId, "{given}");
            assert!(problem.body().hint.as_ref().unwrap().contains("user:1 (a@x.com)"), "{problem:?}");
        }
        assert!(handles.resolve(1, &suspend(), arguments(json!({"id": "user:1"}))).is_err(), "another account");
        let groups = Tool { resource: "groups".to_owned(), ..suspend() };
        assert!(handles.resolve(0, &groups, arguments(json!({"id": "user:1"}))).is_err(), "another resource");
        assert!(handles.resolve(0, &suspend(), arguments(json!({"id": 42}))).is_err());
    }

    #[test]
    fn an_error_lists_the_latest_handles_up_to_the_limit() {
        let mut handles = Handles::default();
        for n in 0..=HANDLES_LISTED_MAX {
            handles.hide(0, "users", &users(), &mut json!({"id": format!("ID-{n}")}));
        }
        let problem = handles.resolve(0, &suspend(), arguments(json!({"id": "x"}))).unwrap_err();
        let hint = problem.body().hint.clone().unwrap();
        assert_eq!(hint.matches("user:").count(), HANDLES_LISTED_MAX, "{hint}");
        assert!(!hint.contains("user:1,") && hint.contains("user:2,"), "{hint}");
    }
}
