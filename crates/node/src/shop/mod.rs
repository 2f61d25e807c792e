//! One running member: its store, its replica, its connections and its REST interface, wired up.
//!
//! ```text
//! peers ─ network ─→ inbox (checks signatures) ─→ driver (replica + store) ─→ network ─ peers
//!                              orders ─ REST interface ─↗        ↘ view ─→ REST interface
//! ```
//!
//! The driver's thread is the only one that steps the replica and writes the store; it commits what a
//! round of events persisted with one sync, and lets nothing leave before. The inbox's thread checks
//! what peers send, so that the driver never waits for signatures in bulk.

mod backend;
mod driver;
mod inbox;
mod view;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, thread::JoinHandle};

use anyhow::{Context as _, anyhow};
use api::{ApiConfig, EventFeed};
use network::{Config, Handle, Hello, NamedKey, Network};
use store::Store;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle as Task};
use types::{BlsAndEd25519, Genesis, IdentityPublicKey, Signatures};

use crate::keys::{MemberKeys, create_private_folder};
pub use view::{Happening, View};

/// What a shop is started with.
pub struct ShopConfig {
    /// The network, checked.
    pub genesis: Arc<Genesis>,
    /// Its keys.
    pub keys: MemberKeys,
    /// Its data folder.
    pub data: PathBuf,
    /// Where it listens for other members.
    pub p2p: Vec<SocketAddr>,
    /// Members to join through.
    pub bootstrap: Vec<SocketAddr>,
    /// Who may read along without being a member.
    pub observers: Vec<IdentityPublicKey>,
    /// Where the REST interface listens already.
    pub api: TcpListener,
    /// How the REST interface is guarded.
    pub api_config: ApiConfig,
    /// Is told what happens, on the driver's thread: it must not block for long.
    pub on_happening: Box<dyn Fn(&Happening) + Send>,
}

/// A running shop.
pub struct Shop {
    /// What it knows, as its REST interface shows it.
    pub view: Arc<View>,
    /// Where it listens for other members.
    pub p2p: Vec<SocketAddr>,
    network: Handle,
    driver: Option<JoinHandle<anyhow::Result<()>>>,
    inbox: Option<JoinHandle<()>>,
    api: Option<Task<Result<(), api::ServeError>>>,
    commands: driver::Commands,
    stop: watch::Sender<bool>,
    failed: watch::Receiver<Option<String>>,
}

impl Shop {
    /// Opens the data folder, recovers, and begins to listen and to talk.
    ///
    /// # Errors
    /// When the keys are no member's, the data folder is in use or damaged or of another network, or
    /// a port is taken.
    pub async fn start(config: ShopConfig) -> anyhow::Result<Self> {
        let ShopConfig {
            genesis,
            keys,
            data,
            p2p,
            bootstrap,
            observers,
            api,
            api_config,
            on_happening,
        } = config;
        let signatures: Arc<dyn Signatures> = Arc::new(BlsAndEd25519::new());
        let members = Arc::new(genesis.member_set());
        let identity = signatures.identity_public(&keys.identity);
        let index = members.index_of_identity(&identity).ok_or_else(|| {
            anyhow!(
                "the keys in {} belong to no member of the network {:?}; use the data folder whose card is in the genesis file",
                data.display(),
                genesis.network.as_str(),
            )
        })?;
        let me = members
            .get(index)
            .cloned()
            .context("an index names a member")?;
        let chain = genesis.chain_id();
        let folder = data.join("chain");
        // Customers' names are in it.
        create_private_folder(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let (store, recovered) =
            tokio::task::spawn_blocking(move || Store::open(&folder, &chain)).await??;

        let named = members.members().iter().map(|member| NamedKey {
            name: member.name.clone(),
            key: member.identity_key,
        });
        let (network, events) = Network::start(Config {
            identity: keys.identity.clone(),
            listen: p2p,
            bootstrap,
            members: named.collect(),
            observers,
            hello: Hello {
                chain,
                network: genesis.network.as_str().to_owned(),
                genesis: summary(&genesis),
                name: me.name.clone(),
            },
            addresses_file: Some(data.join("addresses")),
        })?;
        let listening = network.listening().await;

        let feed = EventFeed::new(api::time::now());
        let view = Arc::new(View::new(
            genesis.clone(),
            members.clone(),
            me,
            feed,
            store.reader(),
            network.clone(),
        ));
        let counted_to = view
            .reader
            .final_head()
            .map_or(types::Height::GENESIS, |(height, _)| height);
        let counting = view.clone();
        // Nobody waits for it: the counts appear when they are there.
        tokio::task::spawn_blocking(move || counting.count_wins(counted_to));
        let (commands, inputs) = driver::channel();
        let (failed_sender, failed) = watch::channel(None);
        let driver = driver::Driver {
            store,
            recovered,
            genesis: genesis.clone(),
            keys,
            signatures: signatures.clone(),
            network: network.clone(),
            view: view.clone(),
            on_happening,
        };
        let driver = driver::spawn(driver, inputs, failed_sender)?;
        let inbox = inbox::spawn(
            inbox::Inbox {
                events,
                commands: commands.clone(),
                signatures: signatures.clone(),
                genesis,
                members,
                view: view.clone(),
            },
            tokio::runtime::Handle::current(),
        )?;
        let backend = Arc::new(backend::NodeBackend::new(
            view.clone(),
            commands.clone(),
            signatures,
        ));
        let (stop, mut stopping) = watch::channel(false);
        let api = tokio::spawn(api::serve(api, backend, api_config, async move {
            // An error means that the shop is gone, and its interface goes with it.
            let _ = stopping.wait_for(|stop| *stop).await;
        }));
        Ok(Self {
            view,
            p2p: listening,
            network,
            driver: Some(driver),
            inbox: Some(inbox),
            api: Some(api),
            commands,
            stop,
            failed,
        })
    }

    /// Resolves when the shop cannot go on, with the reason.
    pub async fn failed(&mut self) -> anyhow::Error {
        let mut failed = self.failed.clone();
        let api = self.api.as_mut();
        tokio::select! {
            reason = failed.wait_for(Option::is_some) => match reason {
                Ok(reason) => anyhow!(reason.clone().unwrap_or_default()),
                Err(_) => anyhow!("the shop's main thread ended"),
            },
            ended = async { match api { Some(api) => api.await, None => std::future::pending().await } } => {
                self.api = None;
                match ended {
                    Ok(Ok(())) => anyhow!("the REST interface ended"),
                    Ok(Err(error)) => error.into(),
                    Err(error) => anyhow!("the REST interface stopped by a bug: {error}"),
                }
            }
            ended = self.network.ended() => match ended {
                Ok(()) => anyhow!("the network ended"),
                Err(error) => error.into(),
            },
        }
    }

    /// Stops taking requests, closes all connections, and lets the store finish.
    ///
    /// # Errors
    /// What a part of the shop ended with.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.view.stop();
        self.stop.send_replace(true);
        if let Some(api) = self.api.take() {
            api.await.context("the REST interface stopped by a bug")??;
        }
        let network = self.network.shutdown().await;
        self.commands.stop();
        let (driver, inbox) = (self.driver.take(), self.inbox.take());
        tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            if let Some(inbox) = inbox {
                inbox
                    .join()
                    .map_err(|_| anyhow!("the inbox stopped by a bug"))?;
            }
            match driver.map(JoinHandle::join) {
                Some(Ok(ended)) => ended,
                Some(Err(_)) => Err(anyhow!("the shop's main thread stopped by a bug")),
                None => Ok(()),
            }
        })
        .await??;
        Ok(network?)
    }
}

/// The genesis in a few words, for people to compare two.
fn summary(genesis: &Genesis) -> String {
    let names: Vec<&str> = genesis
        .members
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    let founded = api::time::format_rfc3339(genesis.genesis_time);
    format!("founded {founded} by {}", names.join(", "))
}
