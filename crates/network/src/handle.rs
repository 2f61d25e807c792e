//! How the rest of the program sends, looks, and ends the network.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::SystemTime,
};

use tokio::{sync::watch, task::JoinHandle};
use types::IdentityPublicKey;

use crate::{config::NetworkError, frames::Encoded, link::Link};

/// A peer as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// Its key.
    pub key: IdentityPublicKey,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Since when it is connected.
    pub connected_since: SystemTime,
    /// Messages received from it.
    pub messages_in: u64,
    /// Bytes of messages received from it.
    pub bytes_in: u64,
    /// Messages sent to it.
    pub messages_out: u64,
    /// Bytes of messages sent to it.
    pub bytes_out: u64,
    /// Messages to it that were dropped because too many waited.
    pub dropped: u64,
    /// Bytes that wait to be sent to it.
    pub waiting_bytes: u64,
}

/// What the handle and the router share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The one admitted connection of every connected peer.
    links: Mutex<BTreeMap<IdentityPublicKey, Arc<Link>>>,
    listening: watch::Sender<Vec<SocketAddr>>,
    /// It was told to listen somewhere.
    pub(crate) listens: bool,
    stop: watch::Sender<bool>,
    router: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(listens: bool) -> Self {
        Self {
            listens,
            ..Self::default()
        }
    }
    pub(crate) fn links(&self) -> MutexGuard<'_, BTreeMap<IdentityPublicKey, Arc<Link>>> {
        lock(&self.links)
    }
    pub(crate) fn listening(&self) -> Vec<SocketAddr> {
        self.listening.borrow().clone()
    }
    pub(crate) fn listens_on(&self, address: SocketAddr) {
        self.listening
            .send_modify(|listening| listening.push(address));
    }
    pub(crate) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

/// The running network. Clones are the same network.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn runs_as(&self, router: JoinHandle<()>) {
        let slot = self.shared.router.try_lock();
        *slot.expect("nobody else has the handle yet") = Some(router);
    }

    /// Queues a message to a peer without waiting. False when it is not connected or its queue is
    /// full and the message is dropped: the protocol sends again what matters.
    pub fn send(&self, to: &IdentityPublicKey, message: &Encoded) -> bool {
        self.shared
            .links()
            .get(to)
            .is_some_and(|link| link.send(message))
    }

    /// Queues a message to every connected peer, observers too, without waiting.
    pub fn broadcast(&self, message: &Encoded) {
        for link in self.shared.links().values() {
            link.send(message);
        }
    }

    /// Every connected peer, ordered by key.
    pub fn peers(&self) -> Vec<PeerSnapshot> {
        self.shared
            .links()
            .values()
            .map(|link| link.snapshot())
            .collect()
    }

    /// Where this node listens, once it does: not at all where it was not told to.
    pub async fn listening(&self) -> Vec<SocketAddr> {
        if !self.shared.listens {
            return Vec::new();
        }
        let mut listening = self.shared.listening.subscribe();
        match listening.wait_for(|addresses| !addresses.is_empty()).await {
            Ok(addresses) => addresses.clone(),
            Err(_) => Vec::new(),
        }
    }

    /// Closes every connection and ends every task; done at once when that has happened before.
    ///
    /// # Errors
    /// When the network ended by a panic, which only a bug can bring about; told once.
    pub async fn shutdown(&self) -> Result<(), NetworkError> {
        self.shared.stop.send_replace(true);
        self.ended().await
    }

    /// Returns once the network has ended, told to or not.
    ///
    /// # Errors
    /// When it ended by a panic, which only a bug can bring about; told once.
    pub async fn ended(&self) -> Result<(), NetworkError> {
        let mut router = self.shared.router.lock().await;
        let Some(running) = router.as_mut() else {
            return Ok(());
        };
        let ended = running.await;
        *router = None;
        ended.map_err(|error| NetworkError::Panicked(error.to_string()))
    }
}

impl Link {
    fn snapshot(&self) -> PeerSnapshot {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        PeerSnapshot {
            key: self.key,
            name: self.name.clone(),
            address: self.address,
            connected_since: self.since,
            messages_in: count(&self.counters.messages_in),
            bytes_in: count(&self.counters.bytes_in),
            messages_out: count(&self.counters.messages_out),
            bytes_out: count(&self.counters.bytes_out),
            dropped: count(&self.counters.dropped),
            waiting_bytes: u64::try_from(self.small.bytes() + self.bulk.bytes())
                .unwrap_or(u64::MAX),
        }
    }
}
