//! TCP, Noise and Yamux put together, with their limits, and listening.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
};

use libp2p::{
    PeerId, Swarm, SwarmBuilder, TransportError, connection_limits::ConnectionLimits,
    identity::Keypair, noise, tcp, yamux,
};
use types::IdentityPublicKey;

use crate::{
    behaviour::Behaviour,
    config::{NetworkError, multiaddr},
    link::GREETING_TIMEOUT,
};

/// TCP connections that have not proved a key yet. Each is dropped after [`GREETING_TIMEOUT`].
const MAX_PENDING_INCOMING: u32 = 128;
/// Connections of one peer: the one that stays, one dialled from the other side at the same time, one
/// of a second holder of its key, one that is being closed.
const MAX_CONNECTIONS_PER_PEER: u32 = 4;
/// Streams of one connection: two are used, and some may be opening or closing.
const MAX_STREAMS: usize = 8;

/// A swarm that lets in these peers only.
pub(crate) fn build_swarm(
    keypair: Keypair,
    admitted: BTreeMap<PeerId, IdentityPublicKey>,
) -> Result<Swarm<Behaviour>, NetworkError> {
    let peers = u32::try_from(admitted.len()).unwrap_or(u32::MAX);
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_INCOMING))
        .with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER))
        .with_max_established(Some(peers.saturating_mul(MAX_CONNECTIONS_PER_PEER)));
    let mut multiplexing = yamux::Config::default();
    multiplexing.set_max_num_streams(MAX_STREAMS);
    let transport = |error: &dyn std::fmt::Display| NetworkError::Transport(error.to_string());
    let builder = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            || multiplexing,
        )
        .map_err(|error| transport(&error))?
        .with_behaviour(|_| Behaviour::new(limits, admitted))
        .map_err(|error| transport(&error))?;
    Ok(builder
        .with_swarm_config(|config| config.with_idle_connection_timeout(GREETING_TIMEOUT))
        .with_connection_timeout(GREETING_TIMEOUT)
        .build())
}

/// Listens on an address that nobody else listens on.
pub(crate) fn listen(
    swarm: &mut Swarm<Behaviour>,
    address: SocketAddr,
) -> Result<(), NetworkError> {
    // libp2p listens in a way that two programs of one user can share a port, each getting half of the
    // connections. A plain attempt first tells whether the port is taken.
    if address.port() != 0 {
        TcpListener::bind(address).map_err(|error| NetworkError::Listen { address, error })?;
    }
    swarm
        .listen_on(multiaddr(address))
        .map(|_| ())
        .map_err(|error| NetworkError::Listen {
            address,
            error: match error {
                TransportError::Other(error) => error,
                error => std::io::Error::other(error.to_string()),
            },
        })
}
