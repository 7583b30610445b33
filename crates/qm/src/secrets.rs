//! Secrets on their way in: from files, standard input, the environment, or a terminal that does not show them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use quartermaster_client::Integration;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::arguments::CredentialArguments;
use crate::env;
use crate::failure::Failure;

/// The largest file with arguments or secrets.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Reads a small text file; `-` is standard input.
pub(crate) fn read_file(file: &Path, what: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        io::stdin().lock().take(FILE_MAX_BYTES + 1).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text))
    };
    let read = read.map_err(Failure::io(format!("reading {what} from {}", file.display())))?;
    if read as u64 > FILE_MAX_BYTES {
        return Err(Failure::usage(format!("{what} in {} is larger than {FILE_MAX_BYTES} bytes", file.display())));
    }
    Ok(text)
}

/// The credentials that the integration asks for.
pub(crate) fn credentials(
    arguments: &CredentialArguments,
    integration: &Integration,
) -> Result<BTreeMap<String, SecretString>, Failure> {
    if let Some(file) = &arguments.credentials_file {
        return parse(&read_file(file, "the credentials")?);
    }
    let mut found = match env::text(env::CREDENTIALS) {
        Some(text) => parse(&text)?,
        None => BTreeMap::new(),
    };
    let schema = &integration.credentials_schema;
    let empty = Map::new();
    let fields = schema.pointer("/properties").and_then(Value::as_object).unwrap_or(&empty);
    for (name, field) in fields {
        if found.contains_key(name) {
            continue;
        }
        if let Some(value) = env::secret(&format!("{}{}", env::CREDENTIAL_PREFIX, name.to_uppercase())) {
            found.insert(name.clone(), value);
        } else if is_required(schema, name) {
            found.insert(name.clone(), ask(name, field)?);
        }
    }
    Ok(found)
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema.pointer("/required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|known| known == name))
}

/// Secrets from a JSON object of texts.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, SecretString>, Failure> {
    // The parser's own error could quote what it read.
    let wrong = || Failure::usage("the credentials are not a JSON object of texts, {\"name\": \"value\"}");
    let object: BTreeMap<String, String> = serde_json::from_str(text).map_err(|_| wrong())?;
    Ok(object.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect())
}

/// Asks on the terminal, without showing what is typed.
fn ask(name: &str, field: &Value) -> Result<SecretString, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let variable = format!("{}{}", env::CREDENTIAL_PREFIX, name.to_uppercase());
        return Err(Failure::usage(format!("the credential {name} is missing")).hint(format!(
            "Set {variable}, or give all of them with --credentials-file FILE (`-` for standard input)."
        )));
    }
    ask_for(field.get("title").and_then(Value::as_str).unwrap_or(name))
}

/// Asks for one secret on the terminal, without showing what is typed.
pub(crate) fn ask_for(label: &str) -> Result<SecretString, Failure> {
    let terminal = console::Term::stderr();
    let asked = terminal.write_str(&format!("{label}: ")).and_then(|()| terminal.read_secure_line());
    let value = asked.map_err(Failure::io(format!("reading {label}")))?;
    if value.trim().is_empty() {
        return Err(Failure::usage(format!("{label} is empty")));
    }
    Ok(SecretString::from(value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_credentials_are_never_quoted() {
        for text in ["hunter2", r#"{"a": "hunter2""#, r#"{"a": {"b": "hunter2"}}"#, r#"["hunter2"]"#] {
            let failure = parse(text).unwrap_err();
            assert!(!format!("{failure:?}").contains("hunter2"));
        }
        assert_eq!(parse(r#"{"a": "x"}"#).unwrap().len(), 1);
    }
}
