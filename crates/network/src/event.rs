//! What the network tells the rest of the program.

use std::{fmt, net::SocketAddr};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use types::{IdentityPublicKey, Message};

/// How many events may wait to be taken. Messages wait in it in turn, one peer as good as another;
/// their bytes are bounded for each peer. Enough that a node that looks up every few milliseconds
/// finds a full round of votes of the largest network.
pub(crate) const MAX_WAITING_EVENTS: usize = 256;

/// What happened. Its `Display` says it in words, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// This node listens here.
    Listening(SocketAddr),
    /// A peer is connected: messages can be sent to it.
    Connected {
        /// Its key.
        key: IdentityPublicKey,
        /// Its name.
        name: String,
        /// Where it is.
        address: SocketAddr,
    },
    /// A peer is no longer connected; it is dialled again for ever.
    Disconnected {
        /// Its key.
        key: IdentityPublicKey,
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A message came in.
    Message {
        /// Who sent it: proved by the encrypted connection.
        from: IdentityPublicKey,
        /// What it sent; well formed, but not otherwise checked.
        message: Message,
    },
    /// Somebody who is neither a member nor an admitted observer was refused.
    Refused {
        /// Its key.
        key: IdentityPublicKey,
        /// Where it is.
        address: SocketAddr,
    },
    /// A peer that we dialled closed the connection before it greeted.
    Unwelcome {
        /// Its key.
        key: IdentityPublicKey,
        /// Its name.
        name: String,
        /// Where it is.
        address: SocketAddr,
    },
    /// A member belongs to another network, or its genesis file differs from ours.
    GenesisMismatch {
        /// Its key.
        key: IdentityPublicKey,
        /// Its name.
        name: String,
        /// Where it is.
        address: SocketAddr,
        /// Our network in words.
        ours: String,
        /// Its network in words.
        theirs: String,
    },
    /// A member speaks another version.
    VersionMismatch {
        /// Its key.
        key: IdentityPublicKey,
        /// Its name.
        name: String,
        /// Where it is.
        address: SocketAddr,
        /// Our version.
        ours: u16,
        /// Its version.
        theirs: u16,
    },
    /// Two nodes run with one member's key.
    DuplicateKey {
        /// The key.
        key: IdentityPublicKey,
        /// Whose key it is.
        name: String,
        /// Where the second holder is.
        address: SocketAddr,
    },
    /// A peer refuses us, because it is connected with another node that has our key.
    KeyInUse {
        /// The peer's key.
        key: IdentityPublicKey,
        /// The peer's name.
        name: String,
        /// Where the peer is.
        address: SocketAddr,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening(address) => write!(f, "listening on {address}"),
            Self::Connected { name, address, .. } => {
                write!(f, "connected with {name} at {address}")
            }
            Self::Disconnected { name, reason, .. } => {
                write!(f, "disconnected from {name}: {reason}")
            }
            Self::Message { from, .. } => write!(f, "a message from {}", from.short()),
            Self::Refused { key, address } => write!(
                f,
                "refused {address}: its key {key} belongs to no member of this network; if it should, \
                 compare the genesis files"
            ),
            Self::Unwelcome { name, address, .. } => write!(
                f,
                "{name} at {address} closed the connection before saying hello; it may not know this \
                 node's key as a member's: compare the genesis files"
            ),
            Self::GenesisMismatch {
                name,
                address,
                ours,
                theirs,
                ..
            } => write!(
                f,
                "{name} at {address} has another genesis. Ours: {ours}. Theirs: {theirs}. \
                 Give every member the same genesis file and start again with an empty data folder \
                 where it was the wrong one"
            ),
            Self::VersionMismatch {
                name,
                address,
                ours,
                theirs,
                ..
            } => write!(
                f,
                "{name} at {address} speaks version {theirs} of the protocol, this node version {ours}; \
                 update the older of the two"
            ),
            Self::DuplicateKey { name, address, .. } => write!(
                f,
                "a second node with the key of {name} is at {address}; it was refused. Stop one of the \
                 two: a member that runs twice counts as lying"
            ),
            Self::KeyInUse { name, address, .. } => write!(
                f,
                "{name} at {address} refuses this node: another node with the same key is connected with \
                 it. Stop one of the two: a member that runs twice counts as lying"
            ),
        }
    }
}

/// An event on its way, with the room a message takes until it is taken.
#[derive(Debug)]
pub(crate) struct Envelope {
    event: Event,
    _room: Option<OwnedSemaphorePermit>,
}

impl Envelope {
    pub(crate) const fn of_message(event: Event, room: OwnedSemaphorePermit) -> Self {
        Self {
            event,
            _room: Some(room),
        }
    }
}
impl From<Event> for Envelope {
    fn from(event: Event) -> Self {
        Self { event, _room: None }
    }
}

/// Where events are taken. While they are not, reading from peers pauses.
#[derive(Debug)]
pub struct Events {
    pub(crate) receiver: mpsc::Receiver<Envelope>,
}

impl Events {
    /// The next event, once there is one; `None` when the network has ended, which is a failure
    /// unless it was shut down: [`crate::Handle::shutdown`] says which. Nothing is lost when the
    /// future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        self.receiver.recv().await.map(|envelope| envelope.event)
    }

    /// An event that already waits, if there is one.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.receiver.try_recv().ok().map(|envelope| envelope.event)
    }
}
