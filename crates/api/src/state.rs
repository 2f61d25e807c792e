//! What the interface is told at its start, and what all its requests share.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::sync::{Semaphore, watch};

use crate::{backend::Backend, page::Page, security::HostName};

/// How the interface is guarded.
#[derive(Clone, Default)]
pub struct ApiConfig {
    /// What a client must show as `Authorization: Bearer`; `None` only where nobody but this machine
    /// can connect.
    pub token: Option<String>,
    /// Host names that clients may use beside `localhost` and the address they connect to.
    pub allowed_hosts: Vec<String>,
    /// Origins of other web pages that may use the interface, such as `https://shop.example`.
    pub allowed_origins: Vec<String>,
    /// The web page it serves; without one `/` says how to get it. Its files need no token.
    pub page: Option<Arc<Page>>,
    /// How much it takes on.
    pub limits: Limits,
}

impl std::fmt::Debug for ApiConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiConfig")
            .field("token", &self.token.as_ref().map(|_| "hidden"))
            .field("allowed_hosts", &self.allowed_hosts)
            .field("allowed_origins", &self.allowed_origins)
            .field("page", &self.page.is_some())
            .field("limits", &self.limits)
            .finish()
    }
}

/// How much the interface takes on. The defaults fit a shop's machine; tests set smaller ones.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; more wait to be accepted. Well below the usual 1,024 open files less those
    /// of the store and the network.
    pub connections: usize,
    /// Requests at once, those that wait for finality among them; more are answered 503.
    pub requests: usize,
    /// Listeners to events at once; more are answered 503. Each is one connection held open.
    pub event_listeners: usize,
    /// Streams of the whole chain at once; more are answered 503. Each holds a few megabytes.
    pub chain_streams: usize,
    /// Streams of orders at once; more are answered 503. Each holds a few megabytes.
    pub order_streams: usize,
    /// How long a client may take to send a request's head, or its body, or stay idle.
    pub read_timeout: Duration,
    /// How long an answer may take to begin, waiting for finality excepted.
    pub request_timeout: Duration,
    /// How long `?wait=final` waits at most.
    pub final_wait: Duration,
    /// How long a stream of orders waits for room in the pool before it refuses orders.
    pub pool_wait: Duration,
    /// How long open requests are given to end when the node stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 768,
            requests: 512,
            event_listeners: 64,
            chain_streams: 8,
            order_streams: 32,
            read_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            final_wait: Duration::from_secs(60),
            pool_wait: Duration::from_secs(60),
            drain: Duration::from_secs(3),
        }
    }
}

/// What all requests share.
pub(crate) type Shared = Arc<App>;

/// What all requests share.
pub(crate) struct App {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) config: ApiConfig,
    pub(crate) hosts: Vec<HostName>,
    pub(crate) requests: Semaphore,
    pub(crate) event_listeners: Arc<Semaphore>,
    pub(crate) chain_streams: Arc<Semaphore>,
    pub(crate) order_streams: Arc<Semaphore>,
    /// True once the interface stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl App {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        config: ApiConfig,
        listening: SocketAddr,
        stopping: watch::Receiver<bool>,
    ) -> Shared {
        let configured = config
            .allowed_hosts
            .iter()
            .filter_map(|host| HostName::parse(host));
        let hosts = HostName::always_allowed(listening)
            .chain(configured)
            .collect();
        let limits = &config.limits;
        Arc::new(Self {
            backend,
            hosts,
            requests: Semaphore::new(limits.requests),
            event_listeners: Arc::new(Semaphore::new(limits.event_listeners)),
            chain_streams: Arc::new(Semaphore::new(limits.chain_streams)),
            order_streams: Arc::new(Semaphore::new(limits.order_streams)),
            config,
            stopping,
        })
    }

    /// Resolves when the interface stops.
    pub(crate) async fn stopped(&self) {
        wait_for_stop(self.stopping.clone()).await;
    }
}

/// Resolves when the interface stops, or is gone.
pub(crate) async fn wait_for_stop(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, and the interface with it.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
