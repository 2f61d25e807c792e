//! Links between nodes over which everything takes longer, and which count what they carry.
//!
//! A relay waits at an address of its own for one node and carries bytes to another. Nodes that are
//! given relays' addresses alone have no other way to each other.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// How much is taken at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces may be under way: on a long link there are many.
const MOST_PIECES: usize = 1_024;

/// What relays carried, in both directions.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// Pieces: what was there to read at a time, about a packet each where little is sent.
    pub(crate) pieces: AtomicU64,
    /// Bytes.
    pub(crate) bytes: AtomicU64,
}

/// The relays of a network; they end with it.
pub(crate) struct Relays {
    carried: Arc<Carried>,
    delay: Duration,
    tasks: JoinSet<()>,
}

impl Relays {
    /// Relays over which everything takes so much longer.
    pub(crate) fn new(delay: Duration) -> Self {
        Self {
            carried: Arc::default(),
            delay,
            tasks: JoinSet::new(),
        }
    }

    /// Waits at a new address for connections and carries them to a node.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn to(&mut self, node: SocketAddr) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.context("no port of this machine is free")?;
        let door = listener.local_addr()?;
        let (carried, delay) = (Arc::clone(&self.carried), self.delay);
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(relay(stream, node, delay, Arc::clone(&carried)));
            }
        });
        Ok(door)
    }

    /// What was carried so far.
    pub(crate) fn carried(&self) -> &Carried {
        &self.carried
    }
}

/// Carries one connection. How it ends is of no interest: it is gone on both sides then.
async fn relay(
    near: TcpStream,
    node: SocketAddr,
    delay: Duration,
    carried: Arc<Carried>,
) -> io::Result<()> {
    let far = TcpStream::connect(node).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::try_join!(
        carry(near_in, far_out, delay, &carried),
        carry(far_in, near_out, delay, &carried),
    )?;
    Ok(())
}

/// Carries bytes one way. What follows does not wait for what is under way.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    carried: &Carried,
) -> io::Result<()> {
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(MOST_PIECES);
    let take = async move {
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let length = from.read(&mut buffer).await?;
            let piece = (Instant::now() + delay, buffer[..length].to_vec());
            if sender.send(piece).await.is_err() || length == 0 {
                return Ok(());
            }
        }
    };
    let give = async {
        while let Some((due, piece)) = under_way.recv().await {
            sleep_until(due).await;
            to.write_all(&piece).await?;
            carried.pieces.fetch_add(1, Ordering::Relaxed);
            carried
                .bytes
                .fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        to.shutdown().await
    };
    tokio::try_join!(take, give).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_carried_comes_later_and_is_counted() {
        let node = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let delay = Duration::from_millis(30);
        let mut relays = Relays::new(delay);
        let door = relays.to(node.local_addr().unwrap()).await.unwrap();
        let mut near = TcpStream::connect(door).await.unwrap();
        let (mut far, _) = node.accept().await.unwrap();
        let start = Instant::now();
        near.write_all(b"beans").await.unwrap();
        let mut received = [0; 5];
        far.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"beans");
        assert!(start.elapsed() >= delay);
        far.write_all(b"thanks").await.unwrap();
        drop(far);
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"thanks");
        assert_eq!(relays.carried().bytes.load(Ordering::Relaxed), 11);
    }
}
