//! `dexter run`: one member's node.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, anyhow};
use api::{ApiConfig, Page};
use clap::Args;
use network::NetworkError;
use tokio::net::TcpListener;
use types::{BlsAndEd25519, IdentityPublicKey};

use super::report;
use crate::{
    founding::{fault_advice, read_genesis},
    keys::{DEFAULT_DATA_DIR, MemberKeys},
    output,
    shop::ShopConfig,
    token,
};

/// Runs this shop's node.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The folder with this shop's keys and data, made by `dexter init`.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA_DIR)]
    data: PathBuf,
    /// The network's genesis file, the same for every member.
    #[arg(long, value_name = "FILE", default_value = "genesis.json")]
    genesis: PathBuf,
    /// Where to listen for other members. An address beyond this machine, such as 0.0.0.0:5000, lets
    /// members elsewhere connect; nobody else can.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    p2p: Vec<SocketAddr>,
    /// Where the REST interface listens. Beyond this machine it asks for the token in DIR/token.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    api: SocketAddr,
    /// The p2p address of any other member; the rest are found through it. May be given several times.
    #[arg(long, value_name = "ADDRESS")]
    join: Vec<SocketAddr>,
    /// Dial the addresses given with --join alone, and none that other members tell. For members that
    /// reach each other through tunnels or forwarded ports; give every member's address.
    #[arg(long, requires = "join")]
    join_only: bool,
    /// The identity key of somebody who may read along without being a member.
    #[arg(long, value_name = "KEY")]
    observer: Vec<IdentityPublicKey>,
    /// A name by which clients reach the REST interface, beside localhost and its address.
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// Another web page that may use the REST interface, such as https://shop.example.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
}

/// Runs `dexter run` until it is told to stop.
///
/// # Errors
/// When the node cannot start or cannot go on.
pub async fn run(args: RunArgs) -> anyhow::Result<()> {
    let signatures = BlsAndEd25519::new();
    let genesis = Arc::new(read_genesis(&signatures, &args.genesis)?);
    let keys = MemberKeys::load(&args.data)?;
    let beyond = !args.api.ip().is_loopback();
    let token_file = args.data.join("token");
    let token = if beyond {
        Some(token::read_or_create(&token_file)?)
    } else {
        None
    };
    let page = Page::embedded().map(Arc::new);
    let has_page = page.is_some();
    let api = listen(args.api, "--api").await?;
    let address = api
        .local_addr()
        .context("the address of the REST interface")?;
    let config = ShopConfig {
        genesis: genesis.clone(),
        keys,
        data: args.data,
        p2p: args.p2p,
        join_only: args.join_only,
        observers: args.observer,
        api,
        api_config: ApiConfig {
            token,
            allowed_hosts: args.allow_host,
            allowed_origins: args.allow_origin,
            page,
            ..ApiConfig::default()
        },
        on_happening: Arc::new(report::print),
    };
    let start = async {
        let open = config.open().await?;
        // What takes long is done, and nobody has been answered yet: until here a signal just ends it.
        let stopping = Stopping::new()?;
        Ok((open.start(args.join).await?, stopping))
    };
    let (mut shop, mut stopping) = start
        .await
        .map_err(name_the_flag)
        .context("the node cannot start")?;
    let mut facts = output::facts();
    facts.add_row([
        "network".to_owned(),
        output::plain(genesis.network.as_str()),
    ]);
    facts.add_row(["members".to_owned(), genesis.members.len().to_string()]);
    for p2p in &shop.p2p {
        facts.add_row(["listening for members".to_owned(), p2p.to_string()]);
    }
    facts.add_row(["REST interface".to_owned(), format!("http://{address}")]);
    if has_page {
        facts.add_row(["web page".to_owned(), format!("http://{address}/")]);
    }
    if beyond {
        facts.add_row([
            "token".to_owned(),
            format!("{} (clients: --token-file)", token_file.display()),
        ]);
    }
    output::line(facts)?;
    output::line(fault_advice(genesis.members.len(), genesis.fault_model))?;
    output::line("stop with Ctrl-C")?;
    tokio::select! {
        error = shop.failed() => {
            // What it failed with is the better message.
            let _ = shop.stop().await;
            Err(error.context("the node stopped"))
        }
        () = stopping.wait() => {
            output::line("stopping")?;
            shop.stop().await
        }
    }
}

/// Adds the flag that puts a port in use right.
fn name_the_flag(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(NetworkError::Listen { .. }) => anyhow!("{error} with --p2p"),
        _ => error,
    }
}

/// Listens for the REST interface.
pub(super) async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; is the port in use? Choose another one with {flag}")
    })
}

/// Waits for Ctrl-C or the system's request to stop. Either is kept from when this is made.
pub(super) struct Stopping {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Stopping {
    #[cfg(unix)]
    pub(super) fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }
    #[cfg(unix)]
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {})
    }
    #[cfg(not(unix))]
    pub(super) async fn wait(&mut self) {
        // Without signals the node runs until it is ended.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
