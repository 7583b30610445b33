//! From arguments to a client and an account.

use std::path::Path;

use quartermaster_client::{Account, Client};
use quartermaster_types::AccountId;
use secrecy::SecretString;

use crate::arguments::{AccountArguments, GatewayArguments};
use crate::authorities;
use crate::env;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::secrets;

/// How many accounts an error lists.
const LISTED_MAX: usize = 10;

/// A client with the token of the environment or the file.
pub(crate) fn client(gateway: &GatewayArguments) -> Result<Client, Failure> {
    let token = match &gateway.token_file {
        Some(file) => Some(token_of_file(file)?),
        None => env::secret(env::TOKEN),
    };
    let Some(token) = token else {
        return Err(Failure::new(Exit::Refused, "there is no API token").hint(
            "Set QM_TOKEN, or give --token-file. `qm init` printed the first token; `qm token create` makes others.",
        ));
    };
    let authorities = authorities::read("ca", gateway.ca.as_deref())?;
    Ok(Client::trusting(&gateway.url, Some(token), authorities)?)
}

fn token_of_file(file: &Path) -> Result<SecretString, Failure> {
    let text = secrets::read_file(file, "the token")?;
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::usage(format!("{} has no token in it", file.display())));
    }
    Ok(SecretString::from(token.to_owned()))
}

/// The account that was named, or the only one that there is.
pub(crate) async fn account(client: &Client, arguments: &AccountArguments) -> Result<AccountId, Failure> {
    if let Some(id) = arguments.account {
        return Ok(id);
    }
    let accounts = client.accounts(None, LISTED_MAX + 1).await?;
    match accounts.as_slice() {
        [only] => Ok(only.id),
        [] => Err(Failure::new(Exit::NotFound, "no account is connected yet").next("qm account create --help")),
        several => {
            let failure = Failure::usage("there is more than one account: say which with --account (QM_ACCOUNT)");
            Err(several.iter().take(LISTED_MAX).fold(failure, |failure, account| {
                failure.next(format!("--account {}  ({})", account.id, describe(account)))
            }))
        }
    }
}

/// `vendor of acme`.
fn describe(account: &Account) -> String {
    format!("{} of {}", account.integration, account.tenant_id)
}
