//! `qm token` and `qm environment`.

use quartermaster_client::{NewToken, Token};
use quartermaster_types::Clock;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::arguments::{DataArguments, EnvironmentCommand, TokenCommand, TokenCreate};
use crate::connect;
use crate::exit::Exit;
use crate::failure::{Failure, printable};
use crate::folder::Folder;
use crate::output::{self, Format, Rows, show};
use crate::style::WARN;

pub(crate) async fn run(command: &TokenCommand) -> Result<Exit, Failure> {
    match command {
        TokenCommand::Create(arguments) => create(arguments).await?,
        TokenCommand::List { limit, output, gateway } => {
            let tokens = connect::client(gateway)?.tokens(*limit).await?;
            show(output.output, &tokens, || table(&tokens))?;
        }
        TokenCommand::Revoke { id, gateway } => {
            connect::client(gateway)?.revoke_token(*id).await?;
            output::note(&format!("revoked the token {id}"));
        }
        TokenCommand::Recover { data, revoke_others } => recover(data, *revoke_others).await?,
    }
    Ok(Exit::Ok)
}

async fn create(arguments: &TokenCreate) -> Result<(), Failure> {
    let ends = |lasts: std::time::Duration| {
        let ms = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        Clock::System.now().plus_ms(ms).to_string()
    };
    let some = |names: &[String]| (!names.is_empty()).then(|| names.to_vec());
    let token = NewToken {
        name: arguments.name.clone(),
        role: format!("{:?}", arguments.role).to_lowercase(),
        accounts: (!arguments.accounts.is_empty()).then(|| arguments.accounts.clone()),
        tools: some(&arguments.tools),
        methods: some(&arguments.methods),
        custom: arguments.custom,
        email: arguments.email.clone(),
        expires_at: arguments.expires_in.map(ends),
        operator: arguments.operator,
    };
    let client = connect::client(&arguments.gateway)?;
    let created = client.create_token(&token).await?;
    for warning in &created.warnings {
        output::note(&format!("{WARN}warning:{WARN:#} {}: {}", warning.pointer, printable(&warning.detail)));
    }
    let view = &created.view;
    let ends = view.expires_at.map_or_else(|| "does not end".to_owned(), |at| format!("ends {at}"));
    output::note(&format!(
        "made the {} token {} ({}), which {ends}; its text is shown this once",
        view.role, view.name, view.id
    ));
    let Err(lost) = print_secret(arguments.output.output, created.token.expose_secret(), &view.id.to_string()) else {
        return Ok(());
    };
    Err(match client.revoke_token(view.id).await {
        Ok(()) => lost.hint(format!("Nobody has the token {}, so it was revoked again. Make another one.", view.id)),
        Err(error) => lost
            .hint(format!("Nobody has the token {}, and revoking it failed: {error}. Revoke it.", view.id))
            .next(format!("qm token revoke {}", view.id)),
    })
}

/// `qm token recover`.
async fn recover(data: &DataArguments, revoke_others: bool) -> Result<(), Failure> {
    let folder = Folder::open(&data.data_dir, data.root_key_file.as_deref())?;
    let store = folder.store().await?;
    let made = quartermaster_gateway::recover_operator(&store, &Clock::System, revoke_others).await;
    store.close().await;
    let (id, token, revoked) = made.map_err(Failure::failed)?;
    output::note(&format!("made the operator token {id}; its text is shown this once"));
    if revoke_others {
        output::note(&format!("revoked other operator tokens: {revoked}"));
    }
    output::secret(&format!("{}\n", token.expose_secret()))
        .map_err(|lost| lost.hint("Nobody has the token. Give the command again with --revoke-others."))
}

/// `qm environment`.
pub(crate) async fn environment(command: &EnvironmentCommand) -> Result<Exit, Failure> {
    let EnvironmentCommand::Create { name, output, gateway } = command;
    let created = connect::client(gateway)?.create_environment(name).await?;
    output::note(&format!("made the environment {name} ({}); its first admin token is shown this once", created.id));
    print_secret(output.output, created.token.expose_secret(), &created.id.to_string()).map_err(|lost| {
        lost.hint(format!(
            "The environment {name} is there, and nobody has a token for it. Make another one, with another name."
        ))
    })?;
    Ok(Exit::Ok)
}

/// The text alone for people and scripts; with its id in the structured forms.
fn print_secret(format: Format, token: &str, id: &str) -> Result<(), Failure> {
    match format {
        Format::Table => output::secret(&format!("{token}\n")),
        _ => output::secret(&output::text(format, &json!({"id": id, "token": token}), || {
            Rows::new(["id", "token"], [[id.to_owned(), token.to_owned()]])
        })?),
    }
}

fn table(tokens: &[Token]) -> Rows {
    let time = |at: Option<quartermaster_types::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    Rows::new(
        ["id", "name", "prefix", "role", "narrowed_to", "expires_at", "revoked_at"],
        tokens.iter().map(|token| {
            [
                token.id.to_string(),
                token.name.clone(),
                token.prefix.clone(),
                if token.operator { format!("{}, operator", token.role) } else { token.role.clone() },
                narrowing(token),
                time(token.expires_at),
                time(token.revoked_at),
            ]
        }),
    )
}

fn narrowing(token: &Token) -> String {
    let accounts = token.accounts.as_ref().map(|ids| format!("{} accounts", ids.len()));
    let tools = token.tools.as_ref().map(|names| format!("tools {}", names.join(" ")));
    let methods = token.methods.as_ref().map(|names| format!("methods {}", names.join(" ")));
    [accounts, tools, methods].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
