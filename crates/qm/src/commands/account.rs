//! `qm account`.

use quartermaster_client::{Account, Budget, NewAccount};
use serde_json::{Map, Value, json};

use crate::arguments::{AccountCommand, AccountCreate, AccountUpdate, ConnectionFields};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Format, Rows, show};
use crate::secrets;

pub(crate) async fn run(command: &AccountCommand) -> Result<Exit, Failure> {
    match command {
        AccountCommand::Create(arguments) => create(arguments).await?,
        AccountCommand::Update(arguments) => update(arguments).await?,
        AccountCommand::List { integration, limit, output, gateway } => {
            let accounts = connect::client(gateway)?.accounts(integration.as_deref(), *limit).await?;
            show(output.output, &accounts, || table(&accounts))?;
        }
        AccountCommand::Get { id, output, gateway } => {
            let account = connect::client(gateway)?.account(*id).await?;
            print(output.output, &account)?;
        }
        AccountCommand::Budget { id, output, gateway } => {
            let budget = connect::client(gateway)?.budget(*id).await?;
            show(output.output, &budget, || windows(&budget))?;
            if !budget.known {
                output::note("the vendor has told nothing of its limits so far; no call is held back");
            } else if !budget.enforced {
                output::note("calls are not held to this: the definition, or an override of it, says `budget: false`");
            }
        }
        AccountCommand::Delete { id, gateway } => {
            connect::client(gateway)?.delete_account(*id).await?;
            output::note(&format!("deleted the account {id} and its credentials"));
        }
    }
    Ok(Exit::Ok)
}

async fn create(arguments: &AccountCreate) -> Result<(), Failure> {
    let client = connect::client(&arguments.gateway)?;
    let integration = client.integration(&arguments.integration).await?;
    let account = client
        .create_account(&NewAccount {
            integration: arguments.integration.clone(),
            tenant_id: arguments.tenant.clone(),
            connection: object(&arguments.connection),
            credentials: secrets::credentials(&arguments.credentials, &integration)?,
            override_patch: arguments.override_patch.as_deref().map(patch).transpose()?,
            sandbox: arguments.sandbox,
        })
        .await?;
    output::note(&format!(
        "connected {} of {}; the vendor accepted the credentials",
        integration.label, account.tenant_id
    ));
    print(arguments.output.output, &account)
}

async fn update(arguments: &AccountUpdate) -> Result<(), Failure> {
    let client = connect::client(&arguments.gateway)?;
    let mut change = Map::new();
    if let Some(tenant) = &arguments.tenant {
        change.insert("tenant_id".to_owned(), json!(tenant));
    }
    if !arguments.connection.is_empty() {
        change.insert("connection".to_owned(), Value::Object(object(&arguments.connection)));
    }
    if let Some(text) = &arguments.override_patch {
        change.insert("override".to_owned(), patch(text)?);
    }
    for (name, value) in [("sandbox", arguments.sandbox), ("blocked", arguments.blocked)] {
        if let Some(value) = value {
            change.insert(name.to_owned(), json!(value));
        }
    }
    let renew = arguments.renew_credentials || arguments.credentials.credentials_file.is_some();
    if change.is_empty() && !renew {
        return Err(Failure::usage("nothing is to be changed").next("qm account update --help"));
    }
    let mut credentials = None;
    if renew {
        let name = client.account(arguments.id).await?.integration;
        credentials = Some(secrets::credentials(&arguments.credentials, &client.integration(&name).await?)?);
    }
    let account = client.update_account(arguments.id, arguments.if_version, change, credentials.as_ref()).await?;
    print(arguments.output.output, &account)
}

fn object(given: &[ConnectionFields]) -> Map<String, Value> {
    given.iter().flat_map(|fields| &fields.0).map(|(name, value)| (name.clone(), json!(value))).collect()
}

fn patch(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::usage(format!("--override is not JSON: {error}")))
}

fn print(format: Format, account: &Account) -> Result<(), Failure> {
    show(format, account, || table(std::slice::from_ref(account)))
}

fn windows(budget: &Budget) -> Rows {
    let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    Rows::new(
        ["window", "limit", "remaining", "seconds", "reset_at", "reserved", "sharing"],
        budget.windows.iter().map(|window| {
            [
                window.name.clone().unwrap_or_else(|| "default".to_owned()),
                number(window.limit),
                number(window.remaining),
                number(window.window_seconds),
                window.reset_at.map(|at| at.to_string()).unwrap_or_default(),
                budget.reserved.to_string(),
                budget.sharing.to_string(),
            ]
        }),
    )
}

fn table(accounts: &[Account]) -> Rows {
    let state = |account: &Account| match (account.blocked, account.sandbox) {
        (true, _) => "blocked",
        (_, true) => "sandbox",
        _ => "live",
    };
    Rows::new(
        ["id", "integration", "tenant_id", "state", "version", "created_at"],
        accounts.iter().map(|account| {
            [
                account.id.to_string(),
                account.integration.clone(),
                account.tenant_id.clone(),
                state(account).to_owned(),
                account.version.to_string(),
                account.created_at.to_string(),
            ]
        }),
    )
}
