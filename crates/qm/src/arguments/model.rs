//! `qm model`, and the stand-in for a server of models.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{GatewayArguments, OutputArguments, address, name_value, switch};

/// `qm model …`.
#[derive(Subcommand, Debug)]
pub(crate) enum ModelCommand {
    /// Make a connection to a server of language models; its key is sealed and never shown again
    Add(Box<ModelAdd>),
    /// List the connections: the environment's own, then those of the server
    List {
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Delete a connection and its key
    Remove {
        /// Name of the connection
        name: String,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Ask a model one short question, and show what came back; costs a few tokens
    Check {
        /// NAME of a connection, or NAME/MODEL
        reference: String,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        gateway: GatewayArguments,
    },
}

/// `qm model add`.
#[derive(Args, Debug)]
#[command(
    after_help = "The key is never an argument: it is taken from QM_MODEL_KEY, from --key-file (`-` for standard input), or\n\
                        asked for on the terminal.\n\n\
                        Examples:\n  qm model add --preset openai --default-model gpt-5.2\n  \
                        qm model add --preset ollama --default-model qwen3:8b\n  \
                        qm model add --name ours --wire openai --base-url https://models.example.com/v1 --key-file key.txt"
)]
pub(crate) struct ModelAdd {
    /// Name: the first part of NAME/MODEL; the preset's when left out
    #[arg(long, env = "QM_NAME", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A well-known server: openai, anthropic, azure, ollama, vllm or llama.cpp
    #[arg(long, env = "QM_PRESET", value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Wire format: openai or anthropic
    #[arg(long, env = "QM_WIRE", value_parser = ["openai", "anthropic"], value_name = "FORMAT")]
    pub(crate) wire: Option<String>,
    /// Everything before the format's own path, for instance `https://models.example.com/v1`
    #[arg(long, env = "QM_BASE_URL", value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// The model that NAME alone means
    #[arg(long, env = "QM_DEFAULT_MODEL", value_name = "MODEL")]
    pub(crate) default_model: Option<String>,
    /// Header that carries the key: bearer, api-key or x-api-key; the format's own when left out
    #[arg(long, env = "QM_KEY_HEADER", value_parser = ["bearer", "api-key", "x-api-key"], value_name = "HEADER")]
    pub(crate) key_header: Option<String>,
    /// A parameter in the query of every request, for instance api-version=2024-10-21; may be given more than once
    #[arg(long, env = "QM_QUERY", value_parser = name_value, value_delimiter = ',', value_name = "NAME=VALUE")]
    pub(crate) query: Vec<(String, String)>,
    /// How the limit of output tokens is called: max_tokens or max_completion_tokens
    #[arg(long, env = "QM_OUTPUT_LIMIT", value_parser = ["max_tokens", "max_completion_tokens"], value_name = "NAME")]
    pub(crate) output_limit: Option<String>,
    /// What a million tokens read cost, for limits of cost
    #[arg(long, env = "QM_PRICE_INPUT", value_name = "PRICE")]
    pub(crate) price_input: Option<f64>,
    /// What a million tokens written cost
    #[arg(long, env = "QM_PRICE_OUTPUT", value_name = "PRICE")]
    pub(crate) price_output: Option<f64>,
    /// Most tokens that a conversation and its answer may have together
    #[arg(long, env = "QM_CONTEXT_TOKENS", value_name = "N")]
    pub(crate) context_tokens: Option<u32>,
    /// File with the key, `-` for standard input
    #[arg(long, env = "QM_KEY_FILE", value_name = "FILE", conflicts_with = "no_key")]
    pub(crate) key_file: Option<PathBuf>,
    /// The server wants no key
    #[arg(long, env = "QM_NO_KEY", value_parser = switch())]
    pub(crate) no_key: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) gateway: GatewayArguments,
}

/// `qm simulate model`.
#[derive(Args, Debug)]
#[command(
    after_help = "Prints `listening on http://ADDRESS` and `base_url=…`, one a line, and runs until it is interrupted.\n\
                        The script is described in docs/models.md.\n\n\
                        Example:\n  qm simulate model --script script.yaml --listen 127.0.0.1:9500"
)]
pub(crate) struct SimulateModelArguments {
    /// File with the script, YAML or JSON; `-` for standard input
    #[arg(long, env = "QM_SCRIPT", value_name = "FILE")]
    pub(crate) script: PathBuf,
    /// The only wire format that it speaks: openai or anthropic; both when left out
    #[arg(long, env = "QM_WIRE", value_name = "FORMAT")]
    pub(crate) wire: Option<quartermaster_simulator::model::Wire>,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "QM_LISTEN", value_parser = address, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// Models that it has; any when left out
    #[arg(long, env = "QM_SERVES", value_delimiter = ',', value_name = "NAMES")]
    pub(crate) serves: Vec<String>,
}
