//! One connection: the greeting, then frames both ways until it ends.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use borsh::BorshDeserialize;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{Stream, swarm::ConnectionId};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, timeout},
};
use types::{IdentityPublicKey, decode};

use crate::{
    behaviour::Streams,
    event::{Envelope, Event},
    frames::{
        Encoded, Frame, FrameError, FrameReader, Greeting, KnownAddress, MAX_FRAME_BYTES,
        MAX_GREETING_BYTES, MAX_SMALL_FRAME_BYTES, Silence, WIRE_VERSION, frame_bytes, goodbye,
        printable,
    },
    queue::{Queue, QueueLimits, Queued, queue},
};

/// A stranger's whole greeting must be there by then; slow links need a few round trips.
pub(crate) const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// Something is sent at least so often: two lost in a row are noticed, and an idle network is quiet.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// A peer from which nothing came for so long is gone: two keep-alives and a second of delay.
const MAX_SILENCE: Duration = Duration::from_secs(11);
/// A peer that lives answers a probe by then: an order of magnitude above any round trip.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the other side may take to read why we close.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// The goodbye to the second holder of a key. It is a part of the protocol: that node tells its
/// operator, and rests.
pub(crate) const KEY_IN_USE: &str = "another node with the same key is connected";
/// A round of votes of the largest network (100 members, two kinds, several heights), and a dozen of
/// the largest proposals.
const SMALL_QUEUE: QueueLimits = QueueLimits {
    frames: 4096,
    bytes: 8 * 1024 * 1024,
};
/// Two of the longest messages: one under way, one waiting.
const BULK_QUEUE: QueueLimits = QueueLimits {
    frames: 4096,
    bytes: 2 * (MAX_FRAME_BYTES + 4),
};
/// Received and not yet taken: the small stream's share. A node that is behind stops reading.
const SMALL_ROOM: usize = 4 * MAX_SMALL_FRAME_BYTES;
/// Received and not yet taken: the bulk stream's share.
const BULK_ROOM: usize = MAX_FRAME_BYTES;

/// Which of several connections between the same two nodes is kept; the greater one, on both sides:
/// the one dialled by the lower key, and of those the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) dialled_by_lower_key: bool,
    pub(crate) diallers_count: u64,
}

/// An admitted connection, as the handle and the router see it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) key: IdentityPublicKey,
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) connection: ConnectionId,
    pub(crate) instance: u64,
    pub(crate) rank: Rank,
    pub(crate) since: SystemTime,
    pub(crate) admitted: Instant,
    pub(crate) small: Queue,
    pub(crate) bulk: Queue,
    pub(crate) counters: Counters,
    /// Woken when it answers a probe.
    answered: Notify,
}

/// What went over a link.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) messages_in: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) messages_out: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) key: IdentityPublicKey,
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
}

/// What waits to be sent on a link.
#[derive(Debug)]
pub(crate) struct Outgoing {
    small: Queued,
    bulk: Queued,
}

impl Link {
    pub(crate) fn new(
        peer: Peer,
        connection: ConnectionId,
        instance: u64,
        rank: Rank,
    ) -> (Arc<Self>, Outgoing) {
        let (small, small_queued) = queue(SMALL_QUEUE);
        let (bulk, bulk_queued) = queue(BULK_QUEUE);
        let link = Self {
            key: peer.key,
            name: peer.name,
            address: peer.address,
            connection,
            instance,
            rank,
            since: SystemTime::now(),
            admitted: Instant::now(),
            small,
            bulk,
            counters: Counters::default(),
            answered: Notify::new(),
        };
        (
            Arc::new(link),
            Outgoing {
                small: small_queued,
                bulk: bulk_queued,
            },
        )
    }

    /// Queues a message; false when there is no room.
    pub(crate) fn send(&self, message: &Encoded) -> bool {
        let queue = if message.is_bulk() {
            &self.bulk
        } else {
            &self.small
        };
        let queued = queue.push(Arc::clone(message.frame()));
        if !queued {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
        queued
    }

    /// Does the other side still answer on this link?
    async fn proves_life(&self) -> bool {
        let mut answered = std::pin::pin!(self.answered.notified());
        answered.as_mut().enable();
        self.small.push(frame_bytes(&Frame::Probe));
        tokio::select! {
            () = answered => true,
            () = self.small.closed() => false,
            () = tokio::time::sleep(PROBE_TIMEOUT) => false,
        }
    }
}

/// What a connection's task tells the router.
#[derive(Debug)]
pub(crate) enum Report {
    /// The other side greeted us and belongs to our network. May it stay?
    Greeted {
        connection: ConnectionId,
        greeting: Box<Greeting>,
        /// Whether the connection that is already there was found alive; `None` when not yet asked.
        incumbent_alive: Option<bool>,
        verdict: oneshot::Sender<Verdict>,
    },
    /// A peer tells where others are.
    Addresses(Vec<KnownAddress>),
}

/// The router's answer to a greeting.
#[derive(Debug)]
pub(crate) enum Verdict {
    Stay(Arc<Link>, Outgoing),
    /// There is another connection: find out whether it lives, and ask again.
    Probe(Arc<Link>),
    Leave(&'static str),
}

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Lost(String),
    OtherGenesis {
        ours: String,
        theirs: String,
    },
    OtherVersion {
        theirs: u16,
    },
    /// The other side is connected with another node that has our key.
    KeyInUse,
}

impl From<FrameError> for Ended {
    fn from(error: FrameError) -> Self {
        Self::Lost(error.to_string())
    }
}
impl From<std::io::Error> for Ended {
    fn from(error: std::io::Error) -> Self {
        FrameError::from(error).into()
    }
}

/// What a connection's task needs.
pub(crate) struct Session {
    pub(crate) connection: ConnectionId,
    pub(crate) greeting: Greeting,
    pub(crate) router: mpsc::Sender<Report>,
    pub(crate) events: mpsc::Sender<Envelope>,
}

impl Session {
    /// Greets, asks the router, and carries frames until the connection ends.
    pub(crate) async fn run(self, mut streams: Streams) -> Ended {
        let silence = Silence::new(MAX_SILENCE);
        match timeout(GREETING_TIMEOUT, self.greet(&mut streams.small, &silence)).await {
            Ok(Ok(theirs)) => match self.ask(theirs).await {
                Ok((link, outgoing)) => self.carry(&link, outgoing, streams, &silence).await,
                Err(reason) => {
                    // Whether it is read does not matter: the connection ends anyway.
                    let _ =
                        timeout(FAREWELL_TIMEOUT, say_goodbye(&mut streams.small, reason)).await;
                    Ended::Lost(reason.into())
                }
            },
            Ok(Err(ended)) => {
                let _ = timeout(FAREWELL_TIMEOUT, hear_out(&mut streams.small)).await;
                ended
            }
            Err(_) => Ended::Lost("it sent no greeting in time".into()),
        }
    }

    /// Sends our greeting and reads theirs.
    async fn greet(&self, stream: &mut Stream, silence: &Silence) -> Result<Box<Greeting>, Ended> {
        stream.write_all(&frame_bytes(&self.greeting)).await?;
        stream.flush().await?;
        let mut reader = FrameReader::new(
            stream,
            MAX_GREETING_BYTES,
            MAX_GREETING_BYTES,
            silence,
            true,
        );
        let (bytes, _) = reader.next().await?;
        check_greeting(&self.greeting, &bytes).map(Box::new)
    }

    /// Asks the router whether the connection may stay, as often as it takes.
    async fn ask(&self, greeting: Box<Greeting>) -> Result<(Arc<Link>, Outgoing), &'static str> {
        let mut incumbent_alive = None;
        loop {
            let (verdict, answer) = oneshot::channel();
            let greeting = greeting.clone();
            let report = Report::Greeted {
                connection: self.connection,
                greeting,
                incumbent_alive,
                verdict,
            };
            let sent = self.router.send(report).await;
            match (sent, answer.await) {
                (Ok(()), Ok(Verdict::Stay(link, outgoing))) => return Ok((link, outgoing)),
                (Ok(()), Ok(Verdict::Probe(incumbent))) => {
                    incumbent_alive = Some(incumbent.proves_life().await);
                }
                (Ok(()), Ok(Verdict::Leave(reason))) => return Err(reason),
                _ => return Err("the node is shutting down"),
            }
        }
    }

    /// Reads and writes both streams until one of them fails.
    async fn carry(
        &self,
        link: &Link,
        outgoing: Outgoing,
        streams: Streams,
        silence: &Silence,
    ) -> Ended {
        let (small_in, small_out) = streams.small.split();
        let (bulk_in, bulk_out) = streams.bulk.split();
        let small_in = FrameReader::new(small_in, MAX_SMALL_FRAME_BYTES, SMALL_ROOM, silence, true);
        let bulk_in = FrameReader::new(bulk_in, MAX_FRAME_BYTES, BULK_ROOM, silence, false);
        tokio::select! {
            ended = self.read(link, small_in) => ended,
            ended = self.read(link, bulk_in) => ended,
            ended = write(link, outgoing.small, small_out, Some(KEEP_ALIVE)) => ended,
            ended = write(link, outgoing.bulk, bulk_out, None) => ended,
        }
    }

    /// Reads frames; waits where nobody takes the messages.
    async fn read<S: AsyncRead + Unpin>(
        &self,
        link: &Link,
        mut reader: FrameReader<'_, S>,
    ) -> Ended {
        loop {
            let (bytes, room) = match reader.next().await {
                Ok(frame) => frame,
                Err(error) => return error.into(),
            };
            let frame = match decode::<Frame>(&bytes) {
                Ok(frame) => frame,
                Err(error) => return Ended::Lost(format!("it sent a malformed frame: {error}")),
            };
            let length = bytes.len();
            drop(bytes);
            match frame {
                Frame::Alive => link.answered.notify_waiters(),
                Frame::Probe => {
                    link.small.push(frame_bytes(&Frame::Alive));
                }
                Frame::Goodbye(reason) if reason.as_str() == KEY_IN_USE => return Ended::KeyInUse,
                Frame::Goodbye(reason) => {
                    return Ended::Lost(format!("it says: {}", printable(reason.as_str())));
                }
                Frame::Addresses(addresses) => {
                    if self
                        .router
                        .send(Report::Addresses(addresses))
                        .await
                        .is_err()
                    {
                        return Ended::Lost("the node is shutting down".into());
                    }
                }
                Frame::Message(message) => {
                    link.counters.messages_in.fetch_add(1, Ordering::Relaxed);
                    link.counters
                        .bytes_in
                        .fetch_add(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
                    let event = Event::Message {
                        from: link.key,
                        message,
                    };
                    if self
                        .events
                        .send(Envelope::of_message(event, room))
                        .await
                        .is_err()
                    {
                        return Ended::Lost("the node is shutting down".into());
                    }
                }
            }
        }
    }
}

/// Reads a greeting and compares it with ours.
fn check_greeting(ours: &Greeting, bytes: &[u8]) -> Result<Greeting, Ended> {
    let malformed = |error: &dyn std::fmt::Display| {
        Ended::Lost(format!("it sent a malformed greeting: {error}"))
    };
    let version = u16::deserialize(&mut &*bytes).map_err(|error| malformed(&error))?;
    if version != WIRE_VERSION {
        return Err(Ended::OtherVersion { theirs: version });
    }
    let theirs: Greeting = decode(bytes).map_err(|error| malformed(&error))?;
    if theirs.chain != ours.chain {
        return Err(Ended::OtherGenesis {
            ours: ours.network_in_words(),
            theirs: theirs.network_in_words(),
        });
    }
    Ok(theirs)
}

/// Tells the other side why we close.
async fn say_goodbye(stream: &mut Stream, reason: &str) -> std::io::Result<()> {
    stream.write_all(&goodbye(reason)).await?;
    hear_out(stream).await
}

/// Closes our direction and waits for the other side to close its own, so that all we sent is read.
async fn hear_out(stream: &mut Stream) -> std::io::Result<()> {
    stream.close().await?;
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// Writes what is queued. With `keep_alive` something is written at least so often.
async fn write<S: AsyncWrite + Unpin>(
    link: &Link,
    mut queued: Queued,
    mut stream: S,
    keep_alive: Option<Duration>,
) -> Ended {
    let alive = frame_bytes(&Frame::Alive);
    loop {
        let next = match keep_alive {
            Some(interval) => timeout(interval, queued.next()).await,
            None => Ok(queued.next().await),
        };
        let frame = match next {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ended::Lost("the node is shutting down".into()),
            Err(_) => Arc::clone(&alive),
        };
        let written = match stream.write_all(&frame).await {
            // Frames that wait already go out together.
            Ok(()) if queued.is_empty() => stream.flush().await,
            written => written,
        };
        if let Err(error) = written {
            return error.into();
        }
        if Encoded::is_message(&frame) {
            let length = u64::try_from(frame.len()).unwrap_or(0);
            link.counters.messages_out.fetch_add(1, Ordering::Relaxed);
            link.counters.bytes_out.fetch_add(length, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use types::{ChainId, encode};

    use super::*;
    use crate::config::Hello;

    fn greeting(chain: u8) -> Greeting {
        let hello = Hello {
            chain: ChainId::new([chain; 32]),
            network: "beans\n".into(),
            genesis: format!("founded {chain}"),
            name: "a".into(),
        };
        Greeting::new(&hello, 1, 1, Vec::new(), Vec::new())
    }

    #[test]
    fn greetings_are_compared_and_differences_told_in_words() {
        let ours = greeting(1);
        assert_eq!(
            check_greeting(&ours, &encode(&greeting(1))),
            Ok(greeting(1))
        );
        let words = |chain: &str| {
            format!(
                "network \"beans\u{fffd}\", chain {}, founded {}",
                chain.repeat(32),
                &chain[1..]
            )
        };
        let ended = Ended::OtherGenesis {
            ours: words("01"),
            theirs: words("02"),
        };
        assert_eq!(check_greeting(&ours, &encode(&greeting(2))), Err(ended));
        assert_eq!(
            check_greeting(&ours, &[9, 0, 1, 2, 3]),
            Err(Ended::OtherVersion { theirs: 9 })
        );
        for cut in [&encode(&ours)[..20], &[1]] {
            let Err(Ended::Lost(reason)) = check_greeting(&ours, cut) else {
                panic!("accepted")
            };
            assert!(
                reason.starts_with("it sent a malformed greeting: "),
                "{reason}"
            );
        }
    }

    #[test]
    fn ranks_order_connections_alike_on_both_sides() {
        let rank = |lower, count| Rank {
            dialled_by_lower_key: lower,
            diallers_count: count,
        };
        assert!(rank(true, 1) > rank(false, 9));
        assert!(rank(false, 2) > rank(false, 1));
    }
}
