//! The one task that owns the swarm: it dials, decides who stays connected, and tells what happened.

mod admission;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    PeerId, Swarm,
    core::ConnectedPoint,
    swarm::{
        ConnectionId, DialError, ListenError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};
use types::IdentityPublicKey;

use crate::{
    addresses::Addresses,
    behaviour::{Behaviour, BehaviourEvent, NotAdmitted, Opened, Streams},
    config::{
        Config, Hello, NamedKey, NetworkError, identity_key, keypair, multiaddr, peer_id,
        socket_addr,
    },
    event::{Envelope, Event, Events, MAX_WAITING_EVENTS},
    frames::Greeting,
    handle::{Handle, Shared},
    link::{Ended, Link, Peer, Report, Session},
    transport::{build_swarm, listen},
};

/// Reports of connections' tasks that may wait: those tasks wait in turn.
const MAX_WAITING_REPORTS: usize = 64;
/// The same complaint about the same peer is told at most so often.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);
/// Complaints remembered; when there are more, new ones wait until old ones have passed.
const MAX_COMPLAINTS: usize = 256;
/// How long closing connections may take at the end.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that passed the handshake.
#[derive(Debug)]
struct Connection {
    peer: Peer,
    dialled: bool,
    /// Our number for it, told in the greeting.
    count: u64,
    /// Set once it was admitted.
    link: Option<Arc<Link>>,
}

/// The state of the network.
pub(crate) struct Router {
    me: IdentityPublicKey,
    hello: Hello,
    /// Random; tells this start of the node from every other one.
    instance: u64,
    names: BTreeMap<IdentityPublicKey, String>,
    /// Is this node to listen anywhere?
    addresses: Addresses,
    addresses_file: Option<PathBuf>,
    swarm: Swarm<Behaviour>,
    connections: HashMap<ConnectionId, Connection>,
    connections_so_far: u64,
    tasks: JoinSet<(ConnectionId, Ended)>,
    reports: mpsc::Receiver<Report>,
    report_sender: mpsc::Sender<Report>,
    events: mpsc::Sender<Envelope>,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    complaints: HashMap<(IdentityPublicKey, &'static str), Instant>,
}

impl Router {
    /// Listens, and prepares everything else.
    pub(crate) fn new(config: Config) -> Result<(Self, Handle, Events), NetworkError> {
        let keypair = keypair(&config.identity);
        let me = identity_key(&keypair.public().to_peer_id());
        let me = me.expect("an Ed25519 key pair has an Ed25519 public key");
        let members: BTreeSet<_> = config.members.iter().map(|member| member.key).collect();
        let observers = config.observers.iter().map(|key| NamedKey {
            name: String::new(),
            key: *key,
        });
        let mut names = BTreeMap::new();
        let mut admitted = BTreeMap::new();
        for NamedKey { name, key } in observers.chain(config.members) {
            let peer = peer_id(&key).ok_or_else(|| NetworkError::BadKey { name: name.clone() })?;
            admitted.insert(peer, key);
            names.insert(key, name);
        }
        let mut swarm = build_swarm(keypair, admitted)?;
        for address in config.listen.iter().copied() {
            listen(&mut swarm, address)?;
        }
        let now = Instant::now();
        let (bootstrap, only) = (&config.bootstrap, config.bootstrap_only);
        let mut addresses = Addresses::new(me, members, bootstrap, only, now);
        if let Some(path) = &config.addresses_file
            && let Err(error) = addresses.load(path, now)
        {
            tracing::warn!(
                "the known addresses in {} are not used: {error}",
                path.display()
            );
        }
        let (events, receiver) = mpsc::channel(MAX_WAITING_EVENTS);
        let (report_sender, reports) = mpsc::channel(MAX_WAITING_REPORTS);
        let shared = Arc::new(Shared::new(!config.listen.is_empty()));
        let router = Self {
            me,
            hello: config.hello,
            instance: rand::random(),
            names,
            addresses,
            addresses_file: config.addresses_file,
            swarm,
            connections: HashMap::new(),
            connections_so_far: 0,
            tasks: JoinSet::new(),
            reports,
            report_sender,
            events,
            stop: shared.stop(),
            shared: Arc::clone(&shared),
            complaints: HashMap::new(),
        };
        Ok((router, Handle { shared }, Events { receiver }))
    }

    /// Runs until it is stopped or nobody takes the events any more.
    pub(crate) async fn run(mut self) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.serve() => {}
            _ = stop.wait_for(|stopped| *stopped) => {}
        }
        self.close().await;
    }

    async fn serve(&mut self) {
        while !self.events.is_closed() {
            let next_dial = self.dial();
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event).await,
                Some(report) = self.reports.recv() => self.on_report(report).await,
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok((connection, ended)) => self.on_ended(connection, ended).await,
                    // A panic of a connection's task is a panic of the network.
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_) => unreachable!("tasks are not aborted while the router runs"),
                    },
                },
                () = sleep_until(next_dial) => {}
                () = self.events.closed() => {}
            }
            self.remember_addresses();
        }
    }

    /// Closes every connection in good order, so that the other sides notice at once.
    async fn close(mut self) {
        self.shared.links().clear();
        self.tasks.shutdown().await;
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // It may have closed by itself meanwhile.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.next().await;
            }
        };
        if tokio::time::timeout(CLOSING_TIMEOUT, closed).await.is_err() {
            tracing::debug!("some connections were cut at the end");
        }
    }

    /// Tells an event; waits while too many wait to be taken.
    async fn tell(&mut self, event: Event) {
        // Where nobody takes events any more the network is about to end.
        let _ = self.events.send(event.into()).await;
    }

    /// Tells an event about something that may go on and on, but seldom.
    async fn complain(&mut self, key: IdentityPublicKey, about: &'static str, event: Event) {
        let now = Instant::now();
        self.complaints
            .retain(|_, last| now.duration_since(*last) < COMPLAINT_INTERVAL);
        if self.complaints.len() < MAX_COMPLAINTS && !self.complaints.contains_key(&(key, about)) {
            self.complaints.insert((key, about), now);
            self.tell(event).await;
        }
    }

    fn remember_addresses(&mut self) {
        // A few kilobytes, and only when there is a new address: not worth a thread of its own.
        if let Some(path) = &self.addresses_file
            && let Err(error) = self.addresses.save(path)
        {
            tracing::warn!(
                "the known addresses cannot be written to {}: {error}",
                path.display()
            );
        }
    }

    /// Dials every address whose time has come, and says when the next one's comes.
    fn dial(&mut self) -> Option<Instant> {
        if self.shared.listens && self.shared.listening().is_empty() {
            // Our own addresses are not to be dialled, so they must be known first.
            return None;
        }
        let connections = &self.connections;
        let connected =
            |key: &IdentityPublicKey| connections.values().any(|it| it.peer.key == *key);
        let now = Instant::now();
        loop {
            let mut options = None;
            let taken = self.addresses.take_due(now, &connected, |due| {
                let peer = due.owner.and_then(|owner| peer_id(&owner));
                // Not from the listening port: two nodes that dial each other at once would meet
                // in one connection.
                let built = match peer {
                    Some(peer) => DialOpts::peer_id(peer)
                        .condition(PeerCondition::Always)
                        .addresses(vec![multiaddr(due.address)])
                        .allocate_new_port()
                        .build(),
                    None => DialOpts::unknown_peer_id()
                        .address(multiaddr(due.address))
                        .allocate_new_port()
                        .build(),
                };
                options.insert(built).connection_id()
            });
            let Some(options) = options.filter(|_| taken) else {
                return self.addresses.next_due(&connected);
            };
            let connection = options.connection_id();
            if let Err(error) = self.swarm.dial(options) {
                tracing::debug!("cannot dial: {error}");
                self.addresses.failed(connection, false, now);
            }
        }
    }

    async fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                if let Some(address) = socket_addr(&address) {
                    self.addresses.is_own(address);
                    self.shared.listens_on(address);
                    self.tell(Event::Listening(address)).await;
                }
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.on_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Doors(Opened {
                connection,
                streams,
            })) => match streams {
                Ok(streams) => self.greet(connection, streams),
                Err(reason) => {
                    tracing::debug!("connection {connection}: {reason}");
                    self.swarm.close_connection(connection);
                }
            },
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.on_closed(connection_id).await;
            }
            SwarmEvent::IncomingConnectionError {
                error,
                send_back_addr,
                peer_id,
                ..
            } => {
                if let Some(address) = socket_addr(&send_back_addr) {
                    self.on_incoming_error(address, peer_id, error).await;
                }
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id,
                error,
            } => {
                self.on_dial_error(connection_id, peer_id, error).await;
            }
            event => tracing::trace!("{event:?}"),
        }
    }

    async fn on_incoming_error(
        &mut self,
        address: SocketAddr,
        peer: Option<PeerId>,
        error: ListenError,
    ) {
        match error {
            ListenError::LocalPeerId { .. } => self.complain_of_own_key(address).await,
            ListenError::Denied { cause } if cause.downcast_ref::<NotAdmitted>().is_some() => {
                if let Some(key) = peer.as_ref().and_then(identity_key) {
                    self.complain(key, "refused", Event::Refused { key, address })
                        .await;
                }
            }
            // Whoever does not speak the protocol is no news.
            error => tracing::debug!("{address}: {error}"),
        }
    }

    async fn on_dial_error(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        error: DialError,
    ) {
        let now = Instant::now();
        match error {
            DialError::WrongPeerId { .. } => self.addresses.wrong(connection, now),
            DialError::LocalPeerId { address } => {
                self.addresses.failed(connection, true, now);
                if let Some(address) =
                    socket_addr(&address).filter(|address| !self.addresses.owns(address))
                {
                    self.complain_of_own_key(address).await;
                }
            }
            DialError::Denied { cause } if cause.downcast_ref::<NotAdmitted>().is_some() => {
                let address = self.addresses.failed(connection, true, now);
                if let (Some(key), Some(address)) = (peer.as_ref().and_then(identity_key), address)
                {
                    self.complain(key, "refused", Event::Refused { key, address })
                        .await;
                }
            }
            error => {
                tracing::trace!("dialling failed: {error}");
                self.addresses.failed(connection, false, now);
            }
        }
    }

    /// Somebody at this address has our own key.
    async fn complain_of_own_key(&mut self, address: SocketAddr) {
        let name = self.hello.name.clone();
        self.complain(
            self.me,
            "duplicate",
            Event::DuplicateKey {
                key: self.me,
                name,
                address,
            },
        )
        .await;
    }

    fn on_established(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        let address = socket_addr(endpoint.get_remote_address());
        let (Some(key), Some(address)) = (identity_key(&peer), address) else {
            self.swarm.close_connection(connection);
            return;
        };
        let name = self.names.get(&key).cloned().unwrap_or_default();
        let peer = Peer { key, name, address };
        let dialled = endpoint.is_dialer();
        if dialled {
            self.addresses.met(connection, key, Instant::now());
        }
        let state = Connection {
            peer,
            dialled,
            count: 0,
            link: None,
        };
        self.connections.insert(connection, state);
    }

    /// A connection is gone. With a task it is removed when that ends, which this makes happen.
    async fn on_closed(&mut self, connection: ConnectionId) {
        if self
            .connections
            .get(&connection)
            .is_none_or(|state| state.count > 0)
        {
            return;
        }
        let Some(Connection {
            peer: Peer { key, name, address },
            dialled,
            ..
        }) = self.connections.remove(&connection)
        else {
            return;
        };
        self.addresses
            .lost(&key, Duration::ZERO, false, Instant::now());
        if dialled {
            self.complain(key, "unwelcome", Event::Unwelcome { key, name, address })
                .await;
        }
    }

    /// The streams of a connection are open: the greetings are next.
    fn greet(&mut self, connection: ConnectionId, streams: Streams) {
        let Some(state) = self.connections.get_mut(&connection) else {
            return;
        };
        self.connections_so_far += 1;
        state.count = self.connections_so_far;
        let listen = self.shared.listening();
        let known = self.addresses.known();
        let greeting = Greeting::new(&self.hello, self.instance, state.count, listen, known);
        let (router, events) = (self.report_sender.clone(), self.events.clone());
        let session = Session {
            connection,
            greeting,
            router,
            events,
        };
        self.tasks
            .spawn(async move { (connection, session.run(streams).await) });
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
