//! `qm tools` and `qm call`.

use quartermaster_client::{CallOptions, Client, ToolsQuery};
use quartermaster_types::AccountId;
use serde_json::{Map, Value};

use crate::arguments::{CallArguments, Expected, ToolsArguments};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Format, Rows, show};
use crate::secrets::read_file;

/// How much of a description a table shows.
const DESCRIPTION_MAX_CHARS: usize = 90;

pub(crate) async fn list(arguments: &ToolsArguments) -> Result<Exit, Failure> {
    let client = connect::client(&arguments.gateway)?;
    let account = connect::account(&client, &arguments.account).await?;
    let query = ToolsQuery {
        methods: arguments.methods.clone(),
        tags: arguments.tags.clone(),
        search: arguments.search.clone(),
        limit: arguments.limit,
        format: arguments.format.clone(),
    };
    let tools = client.tools(account, &query).await?.value;
    if arguments.format.is_some() {
        // A provider's shape is for the provider's API: JSON, whatever the form asked for.
        output::data(&output::json(&tools)?)?;
        return Ok(Exit::Ok);
    }
    let empty = Vec::new();
    let items = tools.get("result").and_then(Value::as_array).unwrap_or(&empty);
    for tool in items.iter().filter(|tool| text(tool, "/description").trim().is_empty()) {
        output::note(&format!(
            "warning: the tool {} has no description; agents will not know when to use it",
            text(tool, "/name")
        ));
    }
    show(arguments.output.output, &tools, || {
        let effect = |tool: &Value| {
            let is = |name: &str| tool.pointer(name).and_then(Value::as_bool).unwrap_or(false);
            match (is("/annotations/read_only"), is("/annotations/destructive")) {
                (true, _) => "read",
                (_, true) => "destructive",
                _ => "write",
            }
        };
        let row = |tool: &Value| {
            let required = tool.pointer("/required").and_then(Value::as_array);
            let required = required.map(|names| names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
            [
                text(tool, "/name").to_owned(),
                effect(tool).to_owned(),
                required.unwrap_or_default(),
                first_sentence(text(tool, "/description")),
            ]
        };
        Rows::new(["name", "effect", "required", "description"], items.iter().map(row))
    })?;
    Ok(Exit::Ok)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The first sentence of a description, cut to a table's width.
pub(crate) fn first_sentence(description: &str) -> String {
    let sentence = description.split_inclusive(". ").next().unwrap_or_default().trim();
    if sentence.chars().count() <= DESCRIPTION_MAX_CHARS {
        return sentence.to_owned();
    }
    sentence.chars().take(DESCRIPTION_MAX_CHARS - 1).chain(['…']).collect()
}

pub(crate) async fn call(arguments: &CallArguments) -> Result<Exit, Failure> {
    let client = connect::client(&arguments.gateway)?;
    let account = connect::account(&client, &arguments.account).await?;
    let given = match &arguments.arguments {
        Some(file) => object(&read_file(file, "the arguments")?)?,
        None => typed(&client, account, &arguments.tool, &arguments.pairs).await?,
    };
    let options = CallOptions {
        session: arguments.session.clone(),
        idempotency_key: arguments.idempotency_key.clone(),
        wait_seconds: arguments.wait.map(|wait| wait.as_secs()),
        expect: expected(&arguments.expect)?,
    };
    let answer = if arguments.dry_run {
        client.dry_run(account, &arguments.tool, given, &options).await
    } else {
        client.call_tool(account, &arguments.tool, given, &options).await
    };
    let answer = answer.map_err(|error| Failure::from(error).with_flags(&flags(arguments)))?;
    print(arguments.output.output, &answer.value)?;
    Ok(Exit::Ok)
}

/// Where a call takes place, when that was said: a read in another session would ground nothing.
fn flags(arguments: &CallArguments) -> Vec<(&'static str, String)> {
    let account = arguments.account.account.map(|id| ("account", id.to_string()));
    let session = arguments.session.clone().map(|session| ("session", session));
    account.into_iter().chain(session).collect()
}

/// What the record is expected to be; `None` when nothing is.
fn expected(given: &[Expected]) -> Result<Option<Map<String, Value>>, Failure> {
    let mut expect = Map::new();
    for (name, value) in given.iter().flat_map(|one| &one.0) {
        if expect.insert(name.clone(), value.clone()).is_some() {
            return Err(Failure::usage(format!("--expect names {name} more than once")));
        }
    }
    Ok((!expect.is_empty()).then_some(expect))
}

fn object(text: &str) -> Result<Map<String, Value>, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::usage(format!("the arguments are not a JSON object: {error}")))
}

/// Turns NAME=VALUE into what the tool's schema wants; a text that does not fit is sent as it is, and the gateway says what
/// is expected.
pub(crate) async fn typed(
    client: &Client,
    account: AccountId,
    tool: &str,
    pairs: &[(String, String)],
) -> Result<Map<String, Value>, Failure> {
    let mut arguments = Map::new();
    let mut schema = None;
    for (name, value) in pairs {
        if let Some(name) = name.strip_suffix(':') {
            let parsed = serde_json::from_str(value);
            let parsed = parsed.map_err(|error| Failure::usage(format!("{name}:= wants JSON: {error}")))?;
            arguments.insert(name.to_owned(), parsed);
            continue;
        }
        if schema.is_none() {
            schema = Some(input_schema(client, account, tool).await?);
        }
        let wanted = schema.as_ref().and_then(|schema| schema.pointer(&format!("/properties/{name}")));
        arguments.insert(name.clone(), convert(value, wanted));
    }
    Ok(arguments)
}

async fn input_schema(client: &Client, account: AccountId, tool: &str) -> Result<Value, Failure> {
    let tools = client.tools(account, &ToolsQuery::default()).await?.value;
    let found = tools.get("result").and_then(Value::as_array).into_iter().flatten();
    let found = found.into_iter().find(|known| text(known, "/name").eq_ignore_ascii_case(tool));
    Ok(found.and_then(|tool| tool.get("input_schema")).cloned().unwrap_or_default())
}

pub(crate) fn convert(value: &str, wanted: Option<&Value>) -> Value {
    let as_text = || Value::String(value.to_owned());
    let takes = |kind: &str| match wanted.and_then(|schema| schema.get("type")) {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => false,
    };
    if takes("string") {
        return as_text();
    }
    let parsed = serde_json::from_str::<Value>(value);
    match parsed {
        Ok(parsed) if (takes("integer") || takes("number")) && parsed.is_number() => parsed,
        Ok(parsed) if takes("boolean") && parsed.is_boolean() => parsed,
        Ok(parsed) if takes("array") && parsed.is_array() => parsed,
        Ok(parsed) if takes("object") && parsed.is_object() => parsed,
        _ if takes("array") => Value::Array(value.split(',').map(|item| Value::String(item.to_owned())).collect()),
        _ => as_text(),
    }
}

/// A list as a table of its records' members; anything else as JSON.
fn print(format: Format, answer: &Value) -> Result<(), Failure> {
    let records = match answer.get("result") {
        Some(Value::Array(records)) => records.clone(),
        Some(record @ Value::Object(_)) => vec![record.clone()],
        _ => Vec::new(),
    };
    if records.is_empty() && matches!(format, Format::Table | Format::Csv) {
        return output::data(&output::json(answer)?);
    }
    show(format, answer, || rows(&records))?;
    if format == Format::Table {
        remarks(answer);
    }
    Ok(())
}

/// What a table of records leaves out of the answer.
fn remarks(answer: &Value) {
    let (partial, changed) = (answer.get("is_partial"), answer.get("changed"));
    if let Some(changed) = changed {
        output::note(&format!("changed: {changed}"));
    }
    if partial == Some(&Value::Bool(true)) {
        output::note(&format!("this is not all: {}", text(answer, "/stopped_because").replace('_', " ")));
    }
    if let Some(cursor) = answer.get("next_cursor").and_then(Value::as_str) {
        output::note(&format!("there is more: next_cursor={cursor}"));
    }
}

fn rows(records: &[Value]) -> Rows {
    let mut names: Vec<&str> = Vec::new();
    for name in records.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let cell = |record: &Value, name: &str| match record.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    Rows {
        rows: records.iter().map(|record| names.iter().map(|name| cell(record, name)).collect()).collect(),
        header: names.into_iter().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_become_what_the_schema_wants() {
        for (value, schema, expected) in [
            ("5", json!({"type": "integer"}), json!(5)),
            ("5", json!({"type": "string"}), json!("5")),
            ("five", json!({"type": "integer"}), json!("five")),
            ("true", json!({"type": "boolean"}), json!(true)),
            ("a,b", json!({"type": "array"}), json!(["a", "b"])),
            ("[1]", json!({"type": ["array", "null"]}), json!([1])),
            ("x", Value::Null, json!("x")),
        ] {
            assert_eq!(convert(value, Some(&schema)), expected, "{value} {schema}");
        }
        assert_eq!(convert("5", None), json!("5"));
    }

    #[test]
    fn a_member_is_expected_once() {
        let one = |value: Value| Expected(value.as_object().unwrap().clone());
        let all = expected(&[one(json!({"email": "a@b.c", "n": 5})), one(json!({"state": "5"}))]).unwrap();
        assert_eq!(all.map(Value::Object), Some(json!({"email": "a@b.c", "n": 5, "state": "5"})));
        assert_eq!(expected(&[]).unwrap(), None);
        assert!(expected(&[one(json!({"a": "1"})), one(json!({"a": "2"}))]).is_err());
    }

    #[test]
    fn a_table_has_the_members_of_all_records() {
        let rows = rows(&[json!({"id": "A", "n": 1}), json!({"id": "B", "more": null, "list": [1]})]);
        assert_eq!(rows.header, ["id", "n", "more", "list"]);
        assert_eq!(rows.rows, [["A", "1", "", ""], ["B", "", "", "[1]"]]);
    }
}
