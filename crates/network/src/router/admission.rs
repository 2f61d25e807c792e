//! Which connections may stay: one for each peer, of our network, and of the first holder of its key.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use libp2p::swarm::ConnectionId;
use tokio::{sync::oneshot, time::Instant};
use types::IdentityPublicKey;

use super::Router;
use crate::{
    addresses::Certainty,
    event::Event,
    frames::{Frame, Greeting, KnownAddress, WIRE_VERSION, frame_bytes, printable},
    link::{Ended, KEY_IN_USE, Link, Peer, Rank, Report, Verdict},
};

/// Addresses taken from one greeting or one frame: all that an honest member knows.
const MAX_TOLD_ADDRESSES: usize = 1024;
/// Addresses at which one peer may say it listens.
const MAX_LISTEN_ADDRESSES: usize = 4;

impl Router {
    pub(super) async fn on_report(&mut self, report: Report) {
        match report {
            Report::Greeted {
                connection,
                greeting,
                incumbent_alive,
                verdict,
            } => {
                self.on_greeted(connection, &greeting, incumbent_alive, verdict)
                    .await;
            }
            Report::Addresses(addresses) => self.learn_claims(&addresses),
        }
    }

    fn learn_claims(&mut self, claims: &[KnownAddress]) {
        let now = Instant::now();
        for claim in claims.iter().take(MAX_TOLD_ADDRESSES) {
            self.addresses.learn(*claim, Certainty::Claimed, now);
        }
    }

    /// Decides whether a connection that greeted well may stay.
    async fn on_greeted(
        &mut self,
        connection: ConnectionId,
        greeting: &Greeting,
        incumbent_alive: Option<bool>,
        verdict: oneshot::Sender<Verdict>,
    ) {
        // A task whose verdict is dropped ends.
        let Some(state) = self.connections.get(&connection) else {
            return;
        };
        let (key, address) = (state.peer.key, state.peer.address);
        let rank = Rank {
            dialled_by_lower_key: state.dialled == (self.me < key),
            diallers_count: if state.dialled {
                state.count
            } else {
                greeting.connection
            },
        };
        let incumbent = self.shared.links().get(&key).cloned();
        if let Some(incumbent) = incumbent {
            let same_node = incumbent.instance == greeting.instance;
            match incumbent_alive {
                _ if same_node && rank > incumbent.rank => {}
                Some(false) => {}
                None => {
                    let _ = verdict.send(Verdict::Probe(incumbent));
                    return;
                }
                Some(true) if same_node => {
                    let _ = verdict.send(Verdict::Leave("there is another connection"));
                    return;
                }
                Some(true) => {
                    let _ = verdict.send(Verdict::Leave(KEY_IN_USE));
                    let name = incumbent.name.clone();
                    self.complain(key, "duplicate", Event::DuplicateKey { key, name, address })
                        .await;
                    return;
                }
            }
            self.unlink(&incumbent, "another connection took its place")
                .await;
        }
        self.admit(connection, greeting, rank, verdict).await;
    }

    /// Lets a connection stay.
    async fn admit(
        &mut self,
        connection: ConnectionId,
        greeting: &Greeting,
        rank: Rank,
        verdict: oneshot::Sender<Verdict>,
    ) {
        let Some(state) = self.connections.get_mut(&connection) else {
            return;
        };
        let remote = state.peer.address;
        let mut peer = state.peer.clone();
        if !state.dialled {
            // Its port is a passing one; people want to see where it listens.
            peer.address = reachable(&greeting.listen, remote).next().unwrap_or(remote);
        }
        if peer.name.is_empty() {
            peer.name = format!("observer {}", printable(greeting.name.as_str()));
        }
        let (link, outgoing) = Link::new(peer.clone(), connection, greeting.instance, rank);
        state.link = Some(Arc::clone(&link));
        let met = state.dialled.then_some(remote);
        self.shared.links().insert(peer.key, Arc::clone(&link));
        let Peer { key, name, address } = peer;
        self.tell(Event::Connected { key, name, address }).await;
        // Its messages come after this event, because its task goes on only now.
        let _ = verdict.send(Verdict::Stay(link, outgoing));

        let now = Instant::now();
        let confirmed = reachable(&greeting.listen, remote).chain(met);
        let confirmed = confirmed.map(|address| KnownAddress { key, address });
        let learnt: Vec<_> = confirmed
            .filter(|known| self.addresses.learn(*known, Certainty::Confirmed, now))
            .collect();
        self.learn_claims(&greeting.known);
        if !learnt.is_empty() {
            let frame = frame_bytes(&Frame::Addresses(learnt));
            for link in self.shared.links().values().filter(|link| link.key != key) {
                link.small.push(Arc::clone(&frame));
            }
        }
    }

    /// Takes a link out of use, and its connection down.
    async fn unlink(&mut self, link: &Arc<Link>, reason: &'static str) {
        self.shared.links().remove(&link.key);
        self.swarm.close_connection(link.connection);
        if let Some(state) = self.connections.get_mut(&link.connection) {
            state.link = None;
        }
        let (key, name) = (link.key, link.name.clone());
        self.tell(Event::Disconnected {
            key,
            name,
            reason: reason.into(),
        })
        .await;
    }

    /// Takes a link out of use whose connection has ended; there is none where it was not admitted.
    async fn part(&mut self, key: &IdentityPublicKey, link: Option<Arc<Link>>, reason: String) {
        let Some(link) = link else { return };
        self.shared.links().remove(key);
        let (key, name) = (link.key, link.name.clone());
        self.tell(Event::Disconnected { key, name, reason }).await;
    }

    /// A connection's task ended, and with it the connection.
    pub(super) async fn on_ended(&mut self, connection: ConnectionId, ended: Ended) {
        self.swarm.close_connection(connection);
        let Some(state) = self.connections.remove(&connection) else {
            return;
        };
        let Peer { key, name, address } = state.peer;
        let lasted = state
            .link
            .as_ref()
            .map_or(Duration::ZERO, |link| link.admitted.elapsed());
        let hopeless = !matches!(ended, Ended::Lost(_));
        self.addresses.lost(&key, lasted, hopeless, Instant::now());
        match ended {
            Ended::Lost(reason) => {
                tracing::debug!("connection with {name} at {address}: {reason}");
                self.part(&key, state.link, reason).await;
            }
            Ended::KeyInUse => {
                self.part(&key, state.link, format!("it says: {KEY_IN_USE}"))
                    .await;
                self.complain(key, "key in use", Event::KeyInUse { key, name, address })
                    .await;
            }
            Ended::OtherGenesis { ours, theirs } => {
                let event = Event::GenesisMismatch {
                    key,
                    name,
                    address,
                    ours,
                    theirs,
                };
                self.complain(key, "genesis", event).await;
            }
            Ended::OtherVersion { theirs } => {
                let ours = WIRE_VERSION;
                let event = Event::VersionMismatch {
                    key,
                    name,
                    address,
                    ours,
                    theirs,
                };
                self.complain(key, "version", event).await;
            }
        }
    }
}

/// Of the addresses at which a peer says it listens, those that can be meant for us.
fn reachable(listen: &[SocketAddr], remote: SocketAddr) -> impl Iterator<Item = SocketAddr> + '_ {
    let local = remote.ip().is_loopback();
    listen
        .iter()
        .copied()
        .filter(move |address| local || !address.ip().is_loopback())
        .take(MAX_LISTEN_ADDRESSES)
}
