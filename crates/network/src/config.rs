//! What a network is started with, and the two forms of a key.

use std::{io, net::SocketAddr, path::PathBuf};

use libp2p::{
    Multiaddr, PeerId,
    identity::{self, Keypair},
    multiaddr::Protocol,
};
use types::{ChainId, IdentityPublicKey, IdentitySecret};

/// A member as the genesis names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKey {
    /// What people call it.
    pub name: String,
    /// Its identity key: whoever holds its secret is this member.
    pub key: IdentityPublicKey,
}

/// What this node tells a peer about itself; both must belong to the same chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The network's id, the hash of its genesis.
    pub chain: ChainId,
    /// The network's name. Cut to 64 bytes on the wire.
    pub network: String,
    /// What the genesis says, for people, so that two different ones can be compared. Cut to 1,024
    /// bytes on the wire.
    pub genesis: String,
    /// This node's own name. Cut to 64 bytes on the wire.
    pub name: String,
}

/// What a network is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// This node's identity; also its libp2p key.
    pub identity: IdentitySecret,
    /// Where to listen; port 0 takes a free one, told by [`crate::Event::Listening`].
    pub listen: Vec<SocketAddr>,
    /// Addresses to join through. Who is there need not be known.
    pub bootstrap: Vec<SocketAddr>,
    /// Dials the addresses of `bootstrap` alone: where peers say that they or others are is passed
    /// over. For members that reach each other through tunnels, each by addresses of its own.
    pub bootstrap_only: bool,
    /// Every member of the genesis, this node included when it is one.
    pub members: Vec<NamedKey>,
    /// Who may connect without being a member.
    pub observers: Vec<IdentityPublicKey>,
    /// What to tell peers.
    pub hello: Hello,
    /// Where learnt addresses are remembered over restarts, if anywhere.
    pub addresses_file: Option<PathBuf>,
}

/// Why a network could not start or ended badly. Always ours or our operator's to put right.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {error}; is another program using this port? Choose another one"
    )]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// A key in the configuration is not a point of the curve.
    #[error("the identity key of {name} is not an Ed25519 key; check the genesis file")]
    BadKey {
        /// Whose key it is.
        name: String,
    },
    /// The encrypted transport could not be set up.
    #[error("the encrypted transport cannot be set up: {0}")]
    Transport(String),
    /// A task of the network panicked.
    #[error("the network stopped by a bug: {0}; please report it")]
    Panicked(String),
}

/// The libp2p key pair of an identity.
pub(crate) fn keypair(secret: &IdentitySecret) -> Keypair {
    // Every 32 bytes are an Ed25519 seed, so this cannot fail.
    let keypair = Keypair::ed25519_from_bytes(*secret.expose());
    keypair.expect("any 32 bytes are an Ed25519 seed")
}

/// The peer id of an identity key; `None` when it is not a point of the curve.
pub(crate) fn peer_id(key: &IdentityPublicKey) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

/// The identity key of a peer id; `None` when it is of another kind than Ed25519.
pub(crate) fn identity_key(peer: &PeerId) -> Option<IdentityPublicKey> {
    // A short key's peer id holds the key itself, not its hash.
    let key = identity::PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()?;
    Some(IdentityPublicKey::new(
        key.try_into_ed25519().ok()?.to_bytes(),
    ))
}

/// An IP address and TCP port in libp2p's form.
pub(crate) fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

/// The IP address and TCP port of libp2p's form; `None` for any other transport.
pub(crate) fn socket_addr(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_id_is_an_identity_key_in_another_form() {
        let keypair = keypair(&IdentitySecret::new([7; 32]));
        let key = IdentityPublicKey::new(keypair.public().try_into_ed25519().unwrap().to_bytes());
        assert_eq!(
            key.to_string(),
            "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
        );
        let peer = peer_id(&key).unwrap();
        assert_eq!(peer, keypair.public().to_peer_id());
        assert_eq!(identity_key(&peer), Some(key));
        assert_eq!(identity_key(&PeerId::random()), None);
    }

    #[test]
    fn addresses_in_both_forms() {
        for text in ["127.0.0.1:5000", "[::1]:5001"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(socket_addr(&multiaddr(address)), Some(address));
        }
        assert_eq!(
            socket_addr(&"/ip4/127.0.0.1/udp/5000".parse().unwrap()),
            None
        );
    }
}
