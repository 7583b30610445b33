//! Commands that talk to a gateway.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use quartermaster_types::{AccountId, TokenId};

use super::{
    AccountArguments, ConnectionFields, DataArguments, Expected, GatewayArguments, OutputArguments, connection_fields,
    duration, expected, id, lifetime, name_value, switch,
};

/// `qm tools`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  qm tools\n  qm tools --methods read --output json\n  qm tools --format openai > tools.json\n  \
                        qm tools --search 'take access away' --limit 3"
)]
pub(crate) struct ToolsArguments {
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    /// Only these methods: names, or `read`, `write`, `custom`
    #[arg(long, env = "QM_METHODS", value_delimiter = ',', value_name = "NAMES")]
    pub(crate) methods: Vec<String>,
    /// Only tools with any of these tags
    #[arg(long, env = "QM_TAGS", value_delimiter = ',', value_name = "TAGS")]
    pub(crate) tags: Vec<String>,
    /// Rank by these words
    #[arg(long, env = "QM_SEARCH", value_name = "WORDS")]
    pub(crate) search: Option<String>,
    /// At most so many
    #[arg(long, env = "QM_LIMIT", value_name = "N")]
    pub(crate) limit: Option<u32>,
    /// A provider's exact wire shape, printed as JSON: openai, openai_strict, anthropic, gemini, mistral, bedrock, cohere, mcp
    #[arg(long, env = "QM_FORMAT", value_name = "PROVIDER")]
    pub(crate) format: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// `qm call`.
#[derive(Args, Debug)]
#[command(
    after_help = "Arguments are NAME=VALUE; the tool's schema says whether VALUE is a text, a number or true/false.\n\
                        NAME:=JSON gives any JSON. A write is accepted only for an id that was read in the same session;\n\
                        without --session the token is the session.\n\n\
                        Examples:\n  qm call TOOL email=a.miller@company.com\n  \
                        qm call TOOL id=ID --session offboarding-17 --dry-run\n  \
                        qm call TOOL id=ID --expect email=a.miller@company.com --expect state=ACTIVE\n  \
                        echo '{\"limit\":5}' | qm call TOOL --arguments -"
)]
pub(crate) struct CallArguments {
    /// Name of the tool
    pub(crate) tool: String,
    /// Arguments, NAME=VALUE or NAME:=JSON
    #[arg(value_name = "NAME=VALUE", value_parser = name_value)]
    pub(crate) pairs: Vec<(String, String)>,
    /// File with all arguments as a JSON object, `-` for standard input
    #[arg(long, env = "QM_ARGUMENTS", value_name = "FILE", conflicts_with = "pairs")]
    pub(crate) arguments: Option<PathBuf>,
    /// Show what would be sent and what the guards say; send nothing
    #[arg(long, env = "QM_DRY_RUN", value_parser = switch())]
    pub(crate) dry_run: bool,
    /// The session whose reads ground this write
    #[arg(long, env = "QM_SESSION", value_name = "TEXT")]
    pub(crate) session: Option<String>,
    /// Key under which a repeated write gives the first answer again
    #[arg(long, env = "QM_IDEMPOTENCY_KEY", value_name = "TEXT")]
    pub(crate) idempotency_key: Option<String>,
    /// What the record must be like right before this write, NAME=TEXT or NAME:=JSON; may be given more than once. A JSON object
    /// gives several at once
    #[arg(long, env = "QM_EXPECT", value_parser = expected, value_name = "NAME=TEXT")]
    pub(crate) expect: Vec<Expected>,
    /// Let the gateway wait out a rate limit of a read, so long at most
    #[arg(long, env = "QM_WAIT", value_parser = duration, value_name = "TIME")]
    pub(crate) wait: Option<std::time::Duration>,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// `qm account …`.
#[derive(Subcommand, Debug)]
pub(crate) enum AccountCommand {
    /// Connect an account; the credentials are tried first, and nothing is kept when they do not work
    Create(AccountCreate),
    /// List accounts
    List {
        /// Only of this integration
        #[arg(long, env = "QM_INTEGRATION", value_name = "NAME")]
        integration: Option<String>,
        /// At most so many
        #[arg(long, env = "QM_LIMIT", default_value_t = 1000, value_name = "N")]
        limit: usize,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Show one account
    Get {
        /// Id of the account
        #[arg(value_parser = id::<AccountId>)]
        id: AccountId,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Show how many calls the account's vendor still takes, and who shares them
    ///
    /// The gateway learns it from the vendor's own headers. Of a vendor that tells nothing, nothing is known, and no call is held back. When
    /// nothing is left, calls are refused before they are sent (429, `ratelimit-policy: "account-budget"`), with the vendor's own reset.
    Budget {
        /// Id of the account
        #[arg(value_parser = id::<AccountId>)]
        id: AccountId,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Change an account
    Update(AccountUpdate),
    /// Delete an account and its credentials
    Delete {
        /// Id of the account
        #[arg(value_parser = id::<AccountId>)]
        id: AccountId,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
}

/// Where credentials come from. Never from flags: those can be read by every process of the machine.
#[derive(Args, Debug)]
pub(crate) struct CredentialArguments {
    /// File with the credentials as a JSON object, `-` for standard input. Without it they are taken from QM_CREDENTIALS (a
    /// JSON object) and QM_CREDENTIAL_<NAME>, and asked for on a terminal
    #[arg(long, env = "QM_CREDENTIALS_FILE", value_name = "FILE")]
    pub(crate) credentials_file: Option<PathBuf>,
}

/// `qm account create`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
                        qm account create --integration NAME --tenant acme --connection account_id=ABCDEFGHIJKLMNOPQRSTUVWXYZ\n  \
                        qm account create --integration NAME --tenant acme --connection account_id=… --credentials-file - <<'EOF'\n  \
                        {\"client_id\": \"…\", \"client_secret\": \"…\"}\n  EOF")]
pub(crate) struct AccountCreate {
    /// Name of the integration
    #[arg(long, env = "QM_INTEGRATION", value_name = "NAME")]
    pub(crate) integration: String,
    /// Your own name for the tenant
    #[arg(long, env = "QM_TENANT", value_name = "NAME")]
    pub(crate) tenant: String,
    /// A connection field; may be given more than once. A JSON object gives several at once
    #[arg(long, short = 'c', env = "QM_CONNECTION", value_parser = connection_fields, value_name = "NAME=VALUE")]
    pub(crate) connection: Vec<ConnectionFields>,
    /// Override: a merge patch on the definition, JSON
    #[arg(long = "override", env = "QM_OVERRIDE", value_name = "JSON")]
    pub(crate) override_patch: Option<String>,
    /// Refuse every write on this account
    #[arg(long, env = "QM_SANDBOX", value_parser = switch())]
    pub(crate) sandbox: bool,
    #[command(flatten)]
    pub(crate) credentials: CredentialArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// `qm account update`.
#[derive(Args, Debug)]
#[command(after_help = "Only what is given changes. Examples:\n  qm account update ID --sandbox true\n  \
                        qm account update ID --renew-credentials")]
pub(crate) struct AccountUpdate {
    /// Id of the account
    #[arg(value_parser = id::<AccountId>)]
    pub(crate) id: AccountId,
    /// Your own name for the tenant
    #[arg(long, env = "QM_TENANT", value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// A connection field; may be given more than once. A JSON object gives several at once
    #[arg(long, short = 'c', env = "QM_CONNECTION", value_parser = connection_fields, value_name = "NAME=VALUE")]
    pub(crate) connection: Vec<ConnectionFields>,
    /// Override: a merge patch on the present override, JSON; `null` removes it
    #[arg(long = "override", env = "QM_OVERRIDE", value_name = "JSON")]
    pub(crate) override_patch: Option<String>,
    /// Whether every write is refused
    #[arg(long, env = "QM_SANDBOX", value_name = "true|false")]
    pub(crate) sandbox: Option<bool>,
    /// Whether every call is refused
    #[arg(long, env = "QM_BLOCKED", value_name = "true|false")]
    pub(crate) blocked: Option<bool>,
    /// Replace the credentials
    #[arg(long, env = "QM_RENEW_CREDENTIALS", value_parser = switch())]
    pub(crate) renew_credentials: bool,
    /// Fail when the account is not at this version any more
    #[arg(long = "if-version", env = "QM_IF_VERSION", value_name = "N")]
    pub(crate) if_version: Option<i64>,
    #[command(flatten)]
    pub(crate) credentials: CredentialArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// What a token may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Role {
    /// Everything in its environment.
    Admin,
    /// Read accounts, list and call tools.
    Agent,
    /// Read configuration and audit log.
    Auditor,
}

/// `qm token …`.
#[derive(Subcommand, Debug)]
pub(crate) enum TokenCommand {
    /// Make a token; its text is the only line on standard output, and is shown this once
    Create(TokenCreate),
    /// List tokens
    List {
        /// At most so many
        #[arg(long, env = "QM_LIMIT", default_value_t = 1000, value_name = "N")]
        limit: usize,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Revoke a token; it stops working at once
    Revoke {
        /// Id of the token
        #[arg(value_parser = id::<TokenId>)]
        id: TokenId,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Make an operator token on the data folder, with the gateway stopped: when the last one is lost
    #[command(after_help = "The token is the only line on standard output, and is shown this once.")]
    Recover {
        #[command(flatten)]
        data: DataArguments,
        /// Revoke all other operator tokens
        #[arg(long, env = "QM_REVOKE_OTHERS", value_parser = switch())]
        revoke_others: bool,
    },
}

/// `qm token create`.
#[derive(Args, Debug)]
#[command(after_help = "Example: a token for an agent that may only read one account:\n  \
                        qm token create --name reporting --role agent --accounts ID --methods read --expires-in 90d")]
pub(crate) struct TokenCreate {
    /// Name, to recognise it by
    #[arg(long, env = "QM_NAME", value_name = "NAME")]
    pub(crate) name: String,
    /// What it may do
    #[arg(long, env = "QM_ROLE", value_enum)]
    pub(crate) role: Role,
    /// Only on these accounts
    #[arg(long, env = "QM_ACCOUNTS", value_parser = id::<AccountId>, value_delimiter = ',', value_name = "IDS")]
    pub(crate) accounts: Vec<AccountId>,
    /// Only these tools
    #[arg(long, env = "QM_TOOLS", value_delimiter = ',', value_name = "NAMES")]
    pub(crate) tools: Vec<String>,
    /// Only these methods: names, or `read`, `write`, `custom`
    #[arg(long, env = "QM_METHODS", value_delimiter = ',', value_name = "NAMES")]
    pub(crate) methods: Vec<String>,
    /// Allow raw calls with the account's credentials
    #[arg(long, env = "QM_CUSTOM", value_parser = switch())]
    pub(crate) custom: bool,
    /// E-mail address of the person behind it: `self` in a policy protects them
    #[arg(long, env = "QM_EMAIL", value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// When it ends, from now: 12h, 90d
    #[arg(long, env = "QM_EXPIRES_IN", value_parser = lifetime, value_name = "TIME")]
    pub(crate) expires_in: Option<std::time::Duration>,
    /// Make an operator token: an admin token that makes environments and other operator tokens; takes one
    #[arg(long, env = "QM_OPERATOR", value_parser = switch())]
    pub(crate) operator: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// `qm environment …`.
#[derive(Subcommand, Debug)]
pub(crate) enum EnvironmentCommand {
    /// Make an environment; its first admin token is the only line on standard output, and is shown this once
    Create {
        /// Name, unique
        name: String,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
}
