//! One running member: its store, its replica, its connections and its REST interface, wired up.
//!
//! ```text
//! peers ─ network ─→ inbox (checks signatures) ─→ driver (replica + store) ─→ network ─ peers
//!                              orders ─ REST interface ─↗        ↘ index ─→ view ─→ REST interface
//! ```
//!
//! The driver's thread is the only one that steps the replica and writes the log; it commits what a
//! round of events persisted with one sync, and lets nothing leave before. The inbox's thread checks
//! what peers send, so that the driver never waits for signatures in bulk; nor does it for what becomes
//! final to be put into the index, which is another thread's.

mod backend;
mod drain;
mod driver;
mod inbox;
mod indexing;
mod menu;
mod orders;
mod race;
mod reads;
mod view;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, thread::JoinHandle};

use anyhow::{Context as _, anyhow, bail};
use api::{ApiConfig, EventFeed};
use network::{Config, Events, Handle, Hello, NamedKey, Network, NetworkError};
use store::{Recovered, Store};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle as Task};
use types::{BlsAndEd25519, Genesis, IdentityPublicKey, Member, MemberSet, Signatures};

use menu::MenuFile;

use crate::keys::{MemberKeys, create_private_folder};
pub use view::{Happening, View};

/// Tells people what happens.
pub type OnHappening = Arc<dyn Fn(&Happening) + Send + Sync>;

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
    /// Dials the addresses that it joins through alone, and none learnt from others.
    pub join_only: bool,
    /// Who may read along without being a member.
    pub observers: Vec<IdentityPublicKey>,
    /// Where the REST interface listens already.
    pub api: TcpListener,
    /// How the REST interface is guarded.
    pub api_config: ApiConfig,
    /// Is told what happens, on the threads of the driver and the index: it must not block for long.
    pub on_happening: OnHappening,
}

impl ShopConfig {
    /// Opens the data folder and reads what a restart needs. Nothing is heard or said yet.
    ///
    /// # Errors
    /// When the keys are no member's or not of the same one, or the data folder is in use, damaged or of
    /// another network.
    pub async fn open(self) -> anyhow::Result<OpenShop> {
        let signatures: Arc<dyn Signatures> = Arc::new(BlsAndEd25519::new());
        let members = Arc::new(self.genesis.member_set());
        let identity = signatures.identity_public(&self.keys.identity);
        let index = members.index_of_identity(&identity).ok_or_else(|| {
            anyhow!(
                "the keys in {} belong to no member of the network {:?}; use the data folder whose card is in the genesis file",
                self.data.display(),
                self.genesis.network.as_str(),
            )
        })?;
        let me = members
            .get(index)
            .cloned()
            .context("an index names a member")?;
        if signatures.lottery_public(&self.keys.lottery) != me.lottery_key {
            bail!(
                "the lottery key in {} is not the one that the genesis file has for {}; put back the lottery.key that its \
                 card was made with",
                self.data.display(),
                me.name,
            );
        }
        let menu = MenuFile::open(&self.data, self.genesis.currency)?;
        let chain = self.genesis.chain_id();
        let folder = self.data.join("chain");
        // Customers' names are in it.
        create_private_folder(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let shown = folder.display().to_string();
        let (store, recovered) = tokio::task::spawn_blocking(move || Store::open(&folder, &chain))
            .await?
            .with_context(|| format!("the chain in {shown} cannot be opened"))?;
        Ok(OpenShop {
            config: self,
            signatures,
            members,
            me,
            menu,
            store,
            recovered,
        })
    }
}

/// A shop with its data folder open, that does not listen or talk yet. Opening many at once takes
/// hardly longer than opening one, because most of it is waiting for the disk.
pub struct OpenShop {
    config: ShopConfig,
    signatures: Arc<dyn Signatures>,
    members: Arc<MemberSet>,
    me: Member,
    menu: MenuFile,
    store: Store,
    recovered: Recovered,
}

impl OpenShop {
    /// Begins to listen and to talk, and joins the others through any of these addresses.
    ///
    /// # Errors
    /// When a port is taken or a thread cannot be started.
    pub async fn start(self, join: Vec<SocketAddr>) -> anyhow::Result<Shop> {
        let Self {
            config,
            signatures,
            members,
            me,
            menu,
            store,
            recovered,
        } = self;
        let (network, events) = connect(&config, &members, &me, join)?;
        let p2p = network.listening().await;
        let view = Arc::new(View::new(
            config.genesis.clone(),
            members.clone(),
            me,
            EventFeed::new(api::time::now()),
            store.reader(),
            network.clone(),
        ));
        count_wins(&view);
        tokio::spawn(view.race.tell(view.feed.clone()));
        let (commands, inputs) = driver::channel();
        let (failed_sender, failed) = watch::channel(None);
        let driver = driver::Driver {
            store,
            recovered,
            genesis: config.genesis.clone(),
            keys: config.keys,
            signatures: signatures.clone(),
            network: network.clone(),
            view: view.clone(),
            on_happening: config.on_happening,
            wake: commands.wake(),
        };
        let driver = driver::spawn(driver, inputs, failed_sender)?;
        let inbox = inbox::Inbox {
            events,
            commands: commands.clone(),
            signatures: signatures.clone(),
            genesis: config.genesis,
            members,
            view: view.clone(),
        };
        let inbox = inbox::spawn(inbox, tokio::runtime::Handle::current())?;
        let backend = backend::NodeBackend::new(view.clone(), menu, commands.clone(), signatures);
        let (stop, mut stopping) = watch::channel(false);
        let serving = api::serve(
            config.api,
            Arc::new(backend),
            config.api_config,
            async move {
                // An error means that the shop is gone, and its interface goes with it.
                let _ = stopping.wait_for(|stop| *stop).await;
            },
        );
        Ok(Shop {
            view,
            p2p,
            network,
            driver: Some(driver),
            inbox: Some(inbox),
            api: Some(tokio::spawn(serving)),
            commands,
            stop,
            failed,
        })
    }
}

/// Starts to listen for other members and to dial them.
fn connect(
    config: &ShopConfig,
    members: &MemberSet,
    me: &Member,
    bootstrap: Vec<SocketAddr>,
) -> Result<(Handle, Events), NetworkError> {
    let genesis = &config.genesis;
    let named = members.members().iter().map(|member| NamedKey {
        name: member.name.clone(),
        key: member.identity_key,
    });
    Network::start(Config {
        identity: config.keys.identity.clone(),
        listen: config.p2p.clone(),
        bootstrap,
        bootstrap_only: config.join_only,
        members: named.collect(),
        observers: config.observers.clone(),
        hello: Hello {
            chain: genesis.chain_id(),
            network: genesis.network.as_str().to_owned(),
            genesis: summary(genesis),
            name: me.name.clone(),
        },
        addresses_file: Some(config.data.join("addresses")),
    })
}

/// Counts who won so far. Nobody waits for it: the counts appear when they are there.
fn count_wins(view: &Arc<View>) {
    let head = view.reader.final_head();
    let counted_to = head.map_or(types::Height::GENESIS, |(height, _)| height);
    let view = view.clone();
    tokio::task::spawn_blocking(move || view.count_wins(counted_to));
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
