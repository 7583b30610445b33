//! `qm token` and `qm environment`.

use quartermaster_client::{NewToken, Token};
use quartermaster_types::Clock;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::arguments::{EnvironmentCommand, TokenCommand, TokenCreate};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Format, Rows, show};

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
        expires_at: arguments.expires_in.map(ends),
    };
    let created = connect::client(&arguments.gateway)?.create_token(&token).await?;
    let view = &created.view;
    let ends = view.expires_at.map_or_else(|| "does not end".to_owned(), |at| format!("ends {at}"));
    output::note(&format!(
        "made the {} token {} ({}), which {ends}; its text is shown this once",
        view.role, view.name, view.id
    ));
    print_secret(arguments.output.output, created.token.expose_secret(), &view.id.to_string())
}

/// `qm environment`.
pub(crate) async fn environment(command: &EnvironmentCommand) -> Result<Exit, Failure> {
    let EnvironmentCommand::Create { name, output, gateway } = command;
    let created = connect::client(gateway)?.create_environment(name).await?;
    output::note(&format!("made the environment {name} ({}); its first admin token is shown this once", created.id));
    print_secret(output.output, created.token.expose_secret(), &created.id.to_string())?;
    Ok(Exit::Ok)
}

/// The text alone for people and scripts; with its id in the structured forms.
fn print_secret(format: Format, token: &str, id: &str) -> Result<(), Failure> {
    match format {
        Format::Table => output::data(&format!("{token}\n")),
        _ => show(format, &json!({"id": id, "token": token}), || {
            Rows::new(["id", "token"], [[id.to_owned(), token.to_owned()]])
        }),
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
                token.role.clone(),
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
