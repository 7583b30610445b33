//! The names of all environment variables that the program reads, and the one place that reads those without a flag.
//!
//! Every flag `--some-name` is also `QM_SOME_NAME`; a test holds that. What is secret has a variable and no flag, because
//! the arguments of a process can be read by others.

use std::ffi::{OsStr, OsString};

use secrecy::SecretString;

/// The API token that the commands send.
pub(crate) const TOKEN: &str = "QM_TOKEN";
/// `postgres://…`: keep the rows there instead of in the data folder. Holds a password, so it is not a flag.
pub(crate) const DATABASE_URL: &str = "QM_DATABASE_URL";
/// Credentials for `account create` and `account update`, a JSON object of texts.
pub(crate) const CREDENTIALS: &str = "QM_CREDENTIALS";
/// Prefix of one credential: `QM_CREDENTIAL_CLIENT_SECRET`.
pub(crate) const CREDENTIAL_PREFIX: &str = "QM_CREDENTIAL_";
/// The key of a model connection, for `model add`.
pub(crate) const MODEL_KEY: &str = "QM_MODEL_KEY";
/// Secrets for `trigger create` and `trigger update`, a JSON object of texts.
pub(crate) const SECRETS: &str = "QM_SECRETS";
/// Any value: no colours (<https://no-color.org>).
pub(crate) const NO_COLOR: &str = "NO_COLOR";

/// Variables that have no flag, with what they are for: what `docs/cli.md` has to list.
#[cfg(test)]
pub(crate) const WITHOUT_FLAG: &[(&str, &str)] = &[
    (TOKEN, "API token of the commands that talk to a gateway (or --token-file)"),
    (DATABASE_URL, "postgres://…: rows are kept there instead of in the data folder (init, serve)"),
    (CREDENTIALS, "credentials of an account, a JSON object (account create, account update)"),
    ("QM_CREDENTIAL_<NAME>", "one credential, for instance QM_CREDENTIAL_CLIENT_SECRET"),
    (MODEL_KEY, "key of a model connection (model add)"),
    ("OPENAI_API_KEY", "makes the model connection `openai`, which every environment has (serve)"),
    ("ANTHROPIC_API_KEY", "makes the model connection `anthropic`, which every environment has (serve)"),
    (SECRETS, "secrets of a trigger, a JSON object (trigger create, trigger update)"),
    (NO_COLOR, "any value: no colours"),
];

/// A secret variable; empty counts as absent.
pub(crate) fn secret(name: &str) -> Option<SecretString> {
    text(name).map(SecretString::from)
}

/// Whether a variable is set to nothing, as scripts and container definitions do with what they do not use.
pub(crate) fn is_empty(name: &OsStr) -> bool {
    read(name).is_some_and(|value| value.is_empty())
}

/// A variable's text; empty or not UTF-8 counts as absent.
pub(crate) fn text(name: &str) -> Option<String> {
    read(name)?.into_string().ok().filter(|value| !value.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "this is the place where configuration is read")]
fn read(name: impl AsRef<OsStr>) -> Option<OsString> {
    std::env::var_os(name)
}
