//! `qm demo`.
use crate::arguments::DemoArguments;
use crate::exit::Exit;
use crate::failure::Failure;

/// The definitions that ship with the program, by name.
pub(crate) fn definitions() -> Vec<(String, String)> {
    quartermaster_integrations::all().iter().map(|one| (one.name.to_owned(), one.definition.to_owned())).collect()
}

pub(crate) async fn run(_arguments: &DemoArguments) -> Result<Exit, Failure> {
    Err(Failure::failed("soon"))
}
