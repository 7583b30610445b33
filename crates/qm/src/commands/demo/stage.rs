//! What the demo runs on: a simulator, a gateway over a temporary folder, its API on a free port.

use std::sync::Arc;

use quartermaster_client::Client;
use quartermaster_egress::AllowedUpstreams;
use quartermaster_gateway::{Gateway, Options};
use quartermaster_simulator::{Config, Running};
use quartermaster_store::Store;
use quartermaster_types::Clock;
use quartermaster_vault::RootKey;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::screen::Screen;
use super::script::Script;
use crate::failure::Failure;

pub(super) struct Stage {
    pub(super) simulator: Running,
    pub(super) client: Client,
    token: SecretString,
    gateway: Gateway,
    stop: oneshot::Sender<()>,
    served: JoinHandle<quartermaster_api::Shutdown>,
    folder: TempDir,
}

impl Stage {
    pub(super) async fn start(script: &Script, screen: &Screen) -> Result<Self, Failure> {
        let config = Config { users: script.story.people, ..Config::default() };
        let simulator = quartermaster_simulator::start(config).await.map_err(Failure::io("starting the simulator"))?;
        let folder = tempfile::tempdir().map_err(Failure::io("making a temporary folder"))?;
        let key: [u8; 32] = quartermaster_vault::random_bytes().map_err(|error| Failure::failed(error.to_string()))?;
        let root_key = || RootKey::from_bytes(&key).map_err(|error| Failure::failed(error.to_string()));
        let store = Store::create_sqlite(&folder.path().join("quartermaster.sqlite")).await;
        let store = store.map_err(|error| Failure::failed(error.to_string()))?;
        let token = quartermaster_gateway::initialise(&store, &root_key()?, &Clock::System).await;
        let token = token.map_err(Failure::failed)?;
        let allowed = AllowedUpstreams::parse([simulator.address().to_string().as_str()]).map_err(Failure::failed)?;
        let watcher = screen.clone();
        let gateway = Gateway::new(Options {
            store,
            root_key: root_key()?,
            clock: Clock::System,
            client: quartermaster_egress::Client::new(allowed),
            definitions: super::definitions(),
            observer: Some(Arc::new(move |exchange| watcher.exchange(exchange))),
            runs: quartermaster_gateway::runs::kinds(),
            models: Vec::new(),
        });
        let gateway = gateway.map_err(Failure::failed)?;
        gateway.work_on_runs();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Failure::io("listening"))?;
        let address = listener.local_addr().map_err(Failure::io("listening"))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(quartermaster_api::serve(gateway.clone(), listener, Vec::new(), async {
            // A sender that is gone means the same as one that sent.
            let _ = stopped.await;
        }));
        let client = Client::new(&format!("http://{address}"), Some(token.clone()))?;
        Ok(Self { simulator, client, token, gateway, stop, served, folder })
    }

    pub(super) fn url(&self) -> &str {
        self.client.base_url()
    }

    /// The text of the admin token: shown in the `curl` lines, and worth nothing once the demo has ended.
    pub(super) fn token(&self) -> &str {
        self.token.expose_secret()
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Lets calls in flight end, and takes the folder away.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.served.await;
        self.gateway.shutdown().await;
        drop(self.folder);
    }
}
