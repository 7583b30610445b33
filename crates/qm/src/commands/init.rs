//! `qm init`.

use quartermaster_types::Clock;
use secrecy::ExposeSecret;

use crate::arguments::InitArguments;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::output;

pub(crate) async fn run(arguments: &InitArguments) -> Result<Exit, Failure> {
    let data = &arguments.data;
    let token = Folder::create(&data.data_dir, data.root_key_file.as_deref(), async |store, key| {
        quartermaster_gateway::initialise(store, key, &Clock::System).await.map_err(Failure::failed)
    });
    let token = token.await?;
    let key_file = data.root_key_file.clone().unwrap_or_else(|| data.data_dir.join("root.key"));
    output::note(&format!("made the data folder {}", data.data_dir.display()));
    output::note(&format!(
        "root key: {} (back it up apart from the data: without it no credential opens)",
        key_file.display()
    ));
    output::note("first admin token, shown this once:");
    output::secret(&format!("{}\n", token.expose_secret())).map_err(|lost| {
        lost.hint("The data folder is there, and nobody has its token. This makes another one:")
            .next(format!("qm token recover --revoke-others --data-dir {}", data.data_dir.display()))
    })?;
    Ok(Exit::Ok)
}
