//! `qm trigger`.

use quartermaster_trigger::{load, schema};

use super::checked::{self, Checked};
use crate::arguments::TriggerCommand;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// What does not need a gateway.
pub(crate) fn run(command: &TriggerCommand) -> Result<Exit, Failure> {
    match command {
        TriggerCommand::Check { files, output } => {
            let checked: Result<Vec<Checked>, Failure> = files
                .iter()
                .map(|file| {
                    let (_, problems) = load(&file.display().to_string(), &checked::read(file)?);
                    Ok(Checked::new(file, &problems))
                })
                .collect();
            checked::tell(&checked?, output)
        }
        TriggerCommand::Schema => output::data(&output::json(&schema())?).map(|()| Exit::Ok),
    }
}
