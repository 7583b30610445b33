//! `qm demo`: a simulator, the gateway and its API in one process, and a story told over HTTP.

mod screen;
mod script;
mod stage;
mod story;

use crate::arguments::DemoArguments;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::watch::Interrupts;

use self::screen::Screen;
use self::stage::Stage;

/// The definitions that ship with the program, by name.
pub(crate) fn definitions() -> Vec<(String, String)> {
    quartermaster_integrations::all().iter().map(|one| (one.name.to_owned(), one.definition.to_owned())).collect()
}

pub(crate) async fn run(arguments: &DemoArguments) -> Result<Exit, Failure> {
    let script = script::find(arguments.integration.as_deref())?;
    let mut interrupts = Interrupts::listen()?;
    let screen = Screen::new();
    let stage = Stage::start(&script, &screen).await?;
    let told = tokio::select! {
        told = story::tell(&script, &stage, &screen, !arguments.exit) => told,
        () = interrupts.next() => {
            stage.stop().await;
            return Ok(Exit::Interrupted);
        }
    };
    if let Err(failure) = told {
        stage.stop().await;
        return Err(failure);
    }
    if !arguments.exit {
        screen.line("");
        screen.line(&format!("Serving on {} until you press Ctrl-C.", stage.url()));
        interrupts.next().await;
    }
    stage.stop().await;
    Ok(Exit::Ok)
}
