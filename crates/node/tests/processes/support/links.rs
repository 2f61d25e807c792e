//! Links between nodes that a test can cut, slow down and stall.
//!
//! Every node is given an address of its own for each of the others, a *door*: behind it waits a relay
//! that connects to the other node and carries bytes both ways. So a relay knows whose connection it
//! carries without looking at a single byte, and nodes that are told to dial their doors only
//! (`--join-only`) have no other way to each other.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Runtime,
    sync::watch,
};

/// How much a relay takes at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// How things are on the way from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Condition {
    /// Connections break and new ones are closed at once, whatever the other direction is like.
    pub(crate) cut: bool,
    /// Nothing gets through; what was sent comes later, as it does when a cable is plugged in again.
    pub(crate) stalled: bool,
    /// Everything comes so much later.
    pub(crate) delay: Duration,
}

/// From one node to another, by their places.
type Way = (usize, usize);

/// One way, as the relays on it see it.
struct Lane {
    condition: watch::Sender<Condition>,
    carried: AtomicU64,
}

/// All links between some nodes.
pub(crate) struct Links {
    lanes: BTreeMap<Way, Arc<Lane>>,
    doors: BTreeMap<Way, SocketAddr>,
    /// Relays end with it.
    _runtime: Runtime,
}

impl Links {
    /// Links between nodes that listen at these addresses, all in order.
    pub(crate) fn between(nodes: &[SocketAddr]) -> Self {
        let ways = (0..nodes.len())
            .flat_map(|from| (0..nodes.len()).map(move |to| (from, to)))
            .filter(|(from, to)| from != to);
        let lanes: BTreeMap<Way, Arc<Lane>> =
            ways.map(|way| (way, Arc::new(Lane::new()))).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut doors = BTreeMap::new();
        for (way @ (from, to), there) in &lanes {
            let back = &lanes[&(*to, *from)];
            // The system gives a free port, and it is held from now on.
            let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
            let listener = listener.unwrap();
            doors.insert(*way, listener.local_addr().unwrap());
            let relay = Relay {
                target: nodes[*to],
                there: there.clone(),
                back: back.clone(),
            };
            runtime.spawn(relay.serve(listener));
        }
        Self {
            lanes,
            doors,
            _runtime: runtime,
        }
    }

    /// Where a node finds all others.
    pub(crate) fn doors(&self, from: usize) -> Vec<SocketAddr> {
        let own = self.doors.iter().filter(|((of, _), _)| *of == from);
        own.map(|(_, door)| *door).collect()
    }

    /// Every way there is.
    pub(crate) fn ways(&self) -> impl Iterator<Item = Way> + '_ {
        self.lanes.keys().copied()
    }

    /// Changes how things are on one way.
    pub(crate) fn set(&self, way: Way, condition: Condition) {
        self.lanes[&way].condition.send_replace(condition);
    }

    /// How many bytes went one way so far.
    pub(crate) fn carried(&self, way: Way) -> u64 {
        self.lanes[&way].carried.load(Ordering::Relaxed)
    }
}

impl Lane {
    fn new() -> Self {
        Self {
            condition: watch::Sender::new(Condition::default()),
            carried: AtomicU64::new(0),
        }
    }

    async fn is_cut(&self) {
        let mut condition = self.condition.subscribe();
        // The sender is in `self`, so it is not gone.
        let _ = condition.wait_for(|condition| condition.cut).await;
    }

    /// Carries bytes from one socket to another until the sender closes.
    async fn carry(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut condition = self.condition.subscribe();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = from.read(&mut chunk).await?;
            // What is sent meanwhile waits in the socket and makes up the next chunk, so everything
            // comes later by once to twice the delay.
            let delay = condition.borrow().delay;
            tokio::time::sleep(delay).await;
            let _ = condition.wait_for(|condition| !condition.stalled).await;
            if length == 0 {
                return to.shutdown().await;
            }
            to.write_all(&chunk[..length]).await?;
            let length = u64::try_from(length).unwrap();
            self.carried.fetch_add(length, Ordering::Relaxed);
        }
    }
}

/// What waits behind a door.
struct Relay {
    target: SocketAddr,
    there: Arc<Lane>,
    back: Arc<Lane>,
}

impl Relay {
    async fn serve(self, listener: TcpListener) {
        let relay = Arc::new(self);
        while let Ok((stream, _)) = listener.accept().await {
            let relay = relay.clone();
            tokio::spawn(async move {
                tokio::select! {
                    // How a connection ends is of no interest: it is gone on both sides.
                    _ = relay.connect(stream) => {}
                    () = relay.there.is_cut() => {}
                    () = relay.back.is_cut() => {}
                }
            });
        }
    }

    async fn connect(&self, near: TcpStream) -> io::Result<()> {
        let far = TcpStream::connect(self.target).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        tokio::try_join!(
            self.there.carry(near_in, far_out),
            self.back.carry(far_in, near_out),
        )?;
        Ok(())
    }
}
