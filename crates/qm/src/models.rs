//! Model connections that the server is started with: well-known providers whose key stands in the environment, and those
//! that `--models` describes.

use std::collections::BTreeSet;
use std::path::Path;

use quartermaster_model::{Connection, PRESETS, Settings, check_name, preset};
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::env;
use crate::failure::Failure;
use crate::secrets;

/// The connections, each name once; one that `--models` describes takes the place of a well-known one.
pub(crate) fn connections(described: Option<&str>) -> Result<Vec<Connection>, Failure> {
    let described = match described {
        Some(text) => read(text, &env::secret)?,
        None => Vec::new(),
    };
    let taken: BTreeSet<String> = described.iter().map(|connection| connection.name.clone()).collect();
    let known = PRESETS.iter().filter(|preset| !taken.contains(&preset.name)).filter_map(|preset| {
        let key = env::secret(preset.key_variable.as_deref()?)?;
        Some(Connection { name: preset.name.clone(), settings: preset.settings.clone(), key: Some(key) })
    });
    Ok(known.collect::<Vec<_>>().into_iter().chain(described).collect())
}

/// The connections in a file, or in the text itself when it is a JSON list. `key_of` reads a variable.
fn read(text: &str, key_of: &dyn Fn(&str) -> Option<SecretString>) -> Result<Vec<Connection>, Failure> {
    let text = if text.trim_start().starts_with('[') {
        text.to_owned()
    } else {
        secrets::read_file(Path::new(text), "the model connections")?
    };
    let wrong = |place: String, reason: &str| {
        Failure::usage(format!("--models: {place}{reason}")).hint(
            "It is a JSON list of objects, or a file with one: {\"name\": …, \"preset\" or \"wire\" and \"base_url\": …, \
             \"key_variable\": \"NAME\"}. Keys stand in the variables that it names, never in it. See docs/models.md.",
        )
    };
    let listed: Vec<Map<String, Value>> = serde_json::from_str(&text)
        .map_err(|error| wrong(String::new(), &format!("not a JSON list of objects (line {})", error.line())))?;
    let mut connections: Vec<Connection> = Vec::new();
    for (number, entry) in listed.into_iter().enumerate() {
        let connection = one(entry, key_of).map_err(|reason| wrong(format!("entry {number}: "), &reason))?;
        if connections.iter().any(|known| known.name == connection.name) {
            return Err(wrong(format!("entry {number}: "), &format!("the name {} stands twice", connection.name)));
        }
        connections.push(connection);
    }
    Ok(connections)
}

fn one(mut entry: Map<String, Value>, key_of: &dyn Fn(&str) -> Option<SecretString>) -> Result<Connection, String> {
    if entry.contains_key("key") {
        return Err("a key stands in a variable, which `key_variable` names; it does not stand here".to_owned());
    }
    let mut text = |name: &str| match entry.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is no text")),
    };
    let (name, base, variable) = (text("name")?, text("preset")?, text("key_variable")?);
    let base = base.map(|name| preset(&name).ok_or_else(|| format!("there is no preset {name:?}; {}", presets())));
    let base = base.transpose()?;
    let name = name.or_else(|| base.map(|base| base.name.clone())).ok_or("a name is missing")?;
    check_name(&name)?;
    let mut settings = match base {
        Some(base) => serde_json::to_value(&base.settings).unwrap_or_default(),
        None => Value::Object(Map::new()),
    };
    if base.is_some_and(|base| base.needs_base_url) && !entry.contains_key("base_url") {
        return Err(format!("{name} needs a base_url"));
    }
    for (name, value) in entry {
        settings[name] = value;
    }
    let settings: Settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
    settings.check().map_err(|errors| {
        let errors = errors.iter().map(|error| format!("{} {}", error.pointer.trim_start_matches('/'), error.detail));
        errors.collect::<Vec<_>>().join("; ")
    })?;
    let key = match variable.or_else(|| base.and_then(|base| base.key_variable.clone())) {
        None => None,
        Some(variable) => Some(key_of(&variable).ok_or_else(|| format!("the variable {variable} is not set"))?),
    };
    Ok(Connection { name, settings, key })
}

/// The names of the presets, for people.
pub(crate) fn presets() -> String {
    let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name.as_str()).collect();
    format!("there are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn keys(name: &str) -> Option<SecretString> {
        (name == "OUR_KEY").then(|| SecretString::from("sk-1"))
    }

    #[test]
    fn a_list_makes_connections_with_keys_from_variables() {
        let text = r#" [
            {"preset": "ollama", "model": "qwen3:8b"},
            {"name": "ours", "wire": "anthropic", "base_url": "https://models.example.com/v1", "key_variable": "OUR_KEY"},
            {"name": "azure-eu", "preset": "azure", "base_url": "https://eu.example.com/openai/v1", "key_variable": "OUR_KEY"}
        ]"#;
        let connections = read(text, &keys).unwrap();
        let names: Vec<&str> = connections.iter().map(|connection| connection.name.as_str()).collect();
        assert_eq!(names, ["ollama", "ours", "azure-eu"]);
        assert_eq!(connections[0].settings.model.as_deref(), Some("qwen3:8b"));
        assert!(connections[0].key.is_none());
        assert_eq!(connections[1].key.as_ref().unwrap().expose_secret(), "sk-1");
        assert!(!format!("{connections:?}").contains("sk-1"));
        assert_eq!(connections[2].settings.key_header(), quartermaster_model::KeyHeader::ApiKey);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_no_key() {
        for (text, words) in [
            ("[{}]", "entry 0: a name is missing"),
            (r#"[{"name": "a"}]"#, "entry 0: missing field `wire`"),
            (r#"[{"preset": "ollama"}, {"preset": "ollama"}]"#, "entry 1: the name ollama stands twice"),
            (r#"[{"preset": "nothing"}]"#, "there are openai, anthropic"),
            (r#"[{"preset": "azure", "key_variable": "OUR_KEY"}]"#, "azure needs a base_url"),
            (r#"[{"preset": "openai", "key": "hunter2"}]"#, "a key stands in a variable"),
            (r#"[{"preset": "openai", "key_variable": "NOT_SET"}]"#, "the variable NOT_SET is not set"),
            (r#"[{"preset": "ollama", "price": {"input": -1, "output": 1}}]"#, "price/input is -1"),
            (r#"[{"preset": "ollama", "temperature": 1}]"#, "unknown field `temperature`"),
            (r#"[{"name": "a""#, "not a JSON list of objects (line 1)"),
            ("/no/such/file", "/no/such/file"),
        ] {
            let failure = format!("{:?}", read(text, &keys).unwrap_err());
            assert!(failure.contains(words), "{words}: {failure}");
            assert!(!failure.contains("hunter2"));
        }
    }
}
