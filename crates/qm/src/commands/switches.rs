//! `qm switch`.

use quartermaster_client::{Switch, SwitchSubject};

use crate::arguments::{SwitchArguments, SwitchCommand, SwitchKind};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Rows, show};

pub(crate) async fn run(command: &SwitchCommand) -> Result<Exit, Failure> {
    match command {
        SwitchCommand::Off { subject, reason, output, gateway } => {
            let subject = subject_of(subject)?;
            let switch = connect::client(gateway)?.switch_off(&subject, reason).await?;
            for warning in &switch.warnings {
                output::note(&format!("warning: {}", warning.detail));
            }
            show(output.output, &switch, || table(std::slice::from_ref(&switch)))?;
        }
        SwitchCommand::On { subject, gateway } => {
            let subject = subject_of(subject)?;
            connect::client(gateway)?.switch_on(&subject).await?;
            output::note("it is on again");
        }
        SwitchCommand::List { output, gateway } => {
            let switches = connect::client(gateway)?.switches().await?;
            show(output.output, &switches, || table(&switches))?;
        }
    }
    Ok(Exit::Ok)
}

fn subject_of(arguments: &SwitchArguments) -> Result<SwitchSubject, Failure> {
    let text = arguments.subject.as_deref().unwrap_or_default();
    let wrong = |what: &str| Failure::usage(format!("{text:?} is not the id of {what}, which is a UUID"));
    Ok(match arguments.kind {
        SwitchKind::Environment if text.is_empty() => SwitchSubject::Environment,
        SwitchKind::Environment => {
            return Err(Failure::usage("`environment` is the environment of the token: nothing stands after it"));
        }
        SwitchKind::Account => SwitchSubject::Account(text.parse().map_err(|_| wrong("an integrated account"))?),
        SwitchKind::Token => SwitchSubject::Token(text.parse().map_err(|_| wrong("a token"))?),
        SwitchKind::Tool => SwitchSubject::Tool(text.to_owned()),
    })
}

fn table(switches: &[Switch]) -> Rows {
    Rows::new(
        ["kind", "subject", "since", "reason"],
        switches.iter().map(|switch| {
            [
                switch.kind.clone(),
                switch.subject.clone().unwrap_or_default(),
                switch.created_at.to_string(),
                switch.reason.clone(),
            ]
        }),
    )
}
