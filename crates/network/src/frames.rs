//! The bytes on the wire: a `u32` length (little-endian) and a borsh value of that length.

use std::{net::SocketAddr, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use futures::{AsyncRead, AsyncReadExt};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use types::{
    ChainId, IdentityPublicKey, Message, Text, encoded_len, encoding::encode_into,
    genesis::MAX_NAME_BYTES, message::MAX_MESSAGE_BYTES,
};

use crate::config::Hello;

/// The version of these frames and of the messages in them. A peer of another one is refused in words.
pub const WIRE_VERSION: u16 = 2;

/// Bytes of a frame's length.
const LENGTH_BYTES: usize = 4;
/// The longest frame: the longest message and the byte that says it is one.
pub(crate) const MAX_FRAME_BYTES: usize = MAX_MESSAGE_BYTES + 1;
/// The longest frame beside the bulk ones: a proposal or a request that names 20,000 batches (640 KiB)
/// fits; anything larger goes with the bulk.
pub(crate) const MAX_SMALL_FRAME_BYTES: usize = 1024 * 1024;
/// The longest greeting: 100 members with 8 addresses each and the texts are under 32 KiB.
pub(crate) const MAX_GREETING_BYTES: usize = 64 * 1024;
/// The longest text that says what a genesis is.
const MAX_GENESIS_BYTES: usize = 1024;
/// The longest reason given in a goodbye.
const MAX_REASON_BYTES: usize = 512;
/// Read at once: yamux delivers 16 KiB at a time, and an idle link should hold little.
const CHUNK_BYTES: usize = 16 * 1024;
/// What is taken for a frame before its bytes arrive: enough for a batch of a thousand usual orders, and little
/// for a peer that promises more than it sends.
const MOST_BYTES_AT_ONCE: usize = 512 * 1024;

/// Where a member may be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct KnownAddress {
    pub(crate) key: IdentityPublicKey,
    pub(crate) address: SocketAddr,
}

/// The first frame of each side: who it is and whom it knows. The version comes first in every
/// version, so that a peer of another one can be told so.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Greeting {
    pub(crate) version: u16,
    pub(crate) chain: ChainId,
    pub(crate) network: Text<MAX_NAME_BYTES>,
    pub(crate) genesis: Text<MAX_GENESIS_BYTES>,
    pub(crate) name: Text<MAX_NAME_BYTES>,
    /// Random for every start of a node: two holders of one key differ in it.
    pub(crate) instance: u64,
    /// The sender's count of connections; of two connections that one node dialled the later counts.
    pub(crate) connection: u64,
    /// Where the sender listens.
    pub(crate) listen: Vec<SocketAddr>,
    /// Where the sender knows others to be.
    pub(crate) known: Vec<KnownAddress>,
}

/// Every frame after the greeting.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Frame {
    /// "I am here": sent when nothing else was for a while, and in answer to a probe.
    Alive,
    /// "Are you there?"
    Probe,
    /// Addresses of members that the sender has newly learnt.
    Addresses(Vec<KnownAddress>),
    /// The last frame: why the sender closes the connection.
    Goodbye(Text<MAX_REASON_BYTES>),
    /// A message.
    Message(Message),
}

/// The first byte of a [`Frame::Message`].
const MESSAGE_TAG: u8 = 4;

/// A message longer than [`MAX_MESSAGE_BYTES`]; whoever made it must make it shorter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message is {bytes} bytes; at most {MAX_MESSAGE_BYTES} can be sent. Split it")]
pub struct MessageTooLarge {
    /// How long it is.
    pub bytes: usize,
}

/// A message ready to be sent, to one peer or to many: encoded once, shared by all.
#[derive(Debug, Clone)]
pub struct Encoded {
    frame: Arc<Vec<u8>>,
    bulk: bool,
}

impl Encoded {
    /// Encodes a message.
    ///
    /// # Errors
    /// When it is too long to be sent.
    pub fn new(message: &Message) -> Result<Self, MessageTooLarge> {
        let frame = frame_bytes(&(MESSAGE_TAG, message));
        let bytes = frame.len() - LENGTH_BYTES - 1;
        if bytes > MAX_MESSAGE_BYTES {
            return Err(MessageTooLarge { bytes });
        }
        let large = frame.len() - LENGTH_BYTES > MAX_SMALL_FRAME_BYTES;
        let bulk = large || matches!(message, Message::Batch(_) | Message::FinalBlocks { .. });
        Ok(Self { frame, bulk })
    }

    /// Bytes on the wire.
    pub fn bytes(&self) -> usize {
        self.frame.len()
    }
    pub(crate) const fn frame(&self) -> &Arc<Vec<u8>> {
        &self.frame
    }
    /// Is this frame a message, not something of the connection's own?
    pub(crate) fn is_message(frame: &[u8]) -> bool {
        frame.get(LENGTH_BYTES) == Some(&MESSAGE_TAG)
    }
    pub(crate) const fn is_bulk(&self) -> bool {
        self.bulk
    }
}

/// A value with its length before it.
pub(crate) fn frame_bytes<T: BorshSerialize>(value: &T) -> Arc<Vec<u8>> {
    let mut bytes = Vec::with_capacity(LENGTH_BYTES + encoded_len(value));
    bytes.extend_from_slice(&[0; LENGTH_BYTES]);
    encode_into(&mut bytes, value);
    // A longer one never leaves: `Encoded::new` refuses it, and all others are small.
    let length = u32::try_from(bytes.len() - LENGTH_BYTES).unwrap_or(u32::MAX);
    bytes[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    Arc::new(bytes)
}

/// The frame that says why the connection ends.
pub(crate) fn goodbye(reason: &str) -> Arc<Vec<u8>> {
    frame_bytes(&Frame::Goodbye(cut(reason)))
}

impl Greeting {
    /// A greeting of this node for its connection number `connection`.
    pub(crate) fn new(
        hello: &Hello,
        instance: u64,
        connection: u64,
        listen: Vec<SocketAddr>,
        known: Vec<KnownAddress>,
    ) -> Self {
        Self {
            version: WIRE_VERSION,
            chain: hello.chain,
            network: cut(&hello.network),
            genesis: cut(&hello.genesis),
            name: cut(&hello.name),
            instance,
            connection,
            listen,
            known,
        }
    }

    /// The network it speaks for, in words.
    pub(crate) fn network_in_words(&self) -> String {
        let (network, genesis) = (
            printable(self.network.as_str()),
            printable(self.genesis.as_str()),
        );
        format!("network \"{network}\", chain {}, {genesis}", self.chain)
    }
}

/// As much of a text as fits.
fn cut<const MAX: usize>(text: &str) -> Text<MAX> {
    let mut end = text.len().min(MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Text::new(&text[..end]).unwrap_or_default()
}

/// A text from outside without what could confuse a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// What broke a connection. Its many ways to be closed come with the words of the system or the
/// multiplexer, which tell a person no more than that.
fn in_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::BrokenPipe
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionReset
        | ErrorKind::UnexpectedEof
        | ErrorKind::WriteZero => "the other side closed it".to_owned(),
        _ => error.to_string(),
    }
}

/// Why a frame could not be read. The peer's fault, or the network's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the connection was lost: {}", in_words(.0))]
    Lost(#[from] std::io::Error),
    #[error("nothing was heard from it for {0} s")]
    Silent(u64),
    #[error("it sent a frame of {length} bytes; at most {most} are allowed")]
    Oversized { length: usize, most: usize },
}

/// When a peer was last heard, and how long it may be silent.
#[derive(Debug)]
pub(crate) struct Silence {
    pub(crate) most: std::time::Duration,
    pub(crate) heard: std::sync::Mutex<Instant>,
}

impl Silence {
    pub(crate) fn new(most: std::time::Duration) -> Self {
        Self {
            most,
            heard: std::sync::Mutex::new(Instant::now()),
        }
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.heard
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    fn broken(&self) {
        *self.lock() = Instant::now();
    }
    fn too_long(&self) -> bool {
        self.lock().elapsed() >= self.most
    }
}

/// Reads frames of one stream.
pub(crate) struct FrameReader<'a, S> {
    pub(crate) stream: S,
    /// The longest frame allowed.
    pub(crate) most: usize,
    /// Bytes that this stream's frames may hold until they are consumed.
    pub(crate) budget: Arc<Semaphore>,
    /// Shared by the streams of a peer: any byte from it breaks the silence.
    pub(crate) silence: &'a Silence,
    /// Is it this stream that notices silence? Keep-alives come on one only.
    pub(crate) notices: bool,
    pub(crate) chunk: Vec<u8>,
}

impl<'a, S: AsyncRead + Unpin> FrameReader<'a, S> {
    pub(crate) fn new(
        stream: S,
        most: usize,
        budget: usize,
        silence: &'a Silence,
        notices: bool,
    ) -> Self {
        assert!(budget >= most, "a longest frame must fit the budget");
        let budget = Arc::new(Semaphore::new(budget));
        Self {
            stream,
            most,
            budget,
            silence,
            notices,
            chunk: vec![0; CHUNK_BYTES],
        }
    }

    /// Reads a frame once there is room for it. The permit is to be dropped when it was consumed.
    pub(crate) async fn next(&mut self) -> Result<(Vec<u8>, OwnedSemaphorePermit), FrameError> {
        let length = self.read(LENGTH_BYTES).await?;
        let length = length.try_into().map_or(u32::MAX, u32::from_le_bytes);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if bytes > self.most {
            return Err(FrameError::Oversized {
                length: bytes,
                most: self.most,
            });
        }
        let permit = Arc::clone(&self.budget).acquire_many_owned(length).await;
        let permit = permit.expect("the budget is never closed");
        Ok((self.read(bytes).await?, permit))
    }

    /// Reads so many bytes. Beyond a usual frame's, memory is taken as bytes arrive, not as they are promised.
    async fn read(&mut self, length: usize) -> Result<Vec<u8>, FrameError> {
        let mut bytes = Vec::with_capacity(length.min(MOST_BYTES_AT_ONCE));
        while bytes.len() < length {
            let wanted = (length - bytes.len()).min(CHUNK_BYTES);
            let reading = self.stream.read(&mut self.chunk[..wanted]);
            match tokio::time::timeout(self.silence.most, reading).await {
                Ok(Ok(0)) => {
                    return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
                }
                Ok(read) => bytes.extend_from_slice(&self.chunk[..read?]),
                Err(_) if self.notices && self.silence.too_long() => {
                    return Err(FrameError::Silent(self.silence.most.as_secs()));
                }
                Err(_) => continue,
            }
            self.silence.broken();
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{FutureExt, TryStreamExt, channel::mpsc, io::Cursor};
    use types::{BatchId, Epoch, Height, Status, decode, encode};

    use super::*;

    fn status() -> Message {
        Message::Status(Status {
            epoch: Epoch(1),
            height: Height(2),
            final_height: Height(3),
        })
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn golden_bytes_of_a_message_frame() {
        let encoded = Encoded::new(&status()).unwrap();
        let golden = "1a000000".to_owned() // 26 bytes follow
            + "04" // a message
            + "00" // a status
            + "0100000000000000"
            + "0200000000000000"
            + "0300000000000000";
        assert_eq!(hex(encoded.frame()), golden);
        assert_eq!(encoded.frame()[4..], encode(&Frame::Message(status())));
        assert!(!encoded.is_bulk());
        assert_eq!(hex(&frame_bytes(&Frame::Alive)), "0100000000");
        assert_eq!(hex(&frame_bytes(&Frame::Probe)), "0100000001");
        assert_eq!(
            hex(&goodbye("no")),
            "070000000302000000".to_owned() + "6e6f"
        );
    }

    #[test]
    fn golden_bytes_of_the_greeting() {
        let hello = Hello {
            chain: ChainId::new([0xcc; 32]),
            network: "net".into(),
            genesis: "gen".into(),
            name: "me".into(),
        };
        let known = KnownAddress {
            key: IdentityPublicKey::new([0xee; 32]),
            address: "[::1]:2".parse().unwrap(),
        };
        let greeting = Greeting::new(
            &hello,
            5,
            6,
            vec!["127.0.0.1:5000".parse().unwrap()],
            vec![known],
        );
        let golden = "0200".to_owned() // version
            + &"cc".repeat(32)
            + "030000006e6574"
            + "0300000067656e"
            + "020000006d65"
            + "0500000000000000"
            + "0600000000000000"
            + "01000000" + "00" + "7f000001" + "8813"
            + "01000000" + &"ee".repeat(32) + "01" + "00000000000000000000000000000001" + "0200";
        assert_eq!(hex(&encode(&greeting)), golden);
        assert_eq!(decode::<Greeting>(&encode(&greeting)), Ok(greeting));
    }

    #[test]
    fn texts_are_cut_at_a_character_and_made_printable() {
        assert_eq!(cut::<3>("aé€").as_str(), "aé");
        assert_eq!(printable("a\x1b[2J\nb"), "a\u{fffd}[2J\u{fffd}b");
    }

    #[test]
    fn large_messages_go_with_the_bulk_and_larger_ones_nowhere() {
        let ids = |count: usize| Message::FetchBatches(vec![BatchId::ZERO; count]);
        assert!(!Encoded::new(&ids(20_000)).unwrap().is_bulk());
        assert!(Encoded::new(&ids(40_000)).unwrap().is_bulk());
        let most = (MAX_MESSAGE_BYTES - 5) / 32;
        assert!(Encoded::new(&ids(most)).is_ok());
        let bytes = 5 + 32 * (most + 1);
        assert_eq!(
            Encoded::new(&ids(most + 1)).unwrap_err(),
            MessageTooLarge { bytes }
        );
    }

    #[tokio::test]
    async fn a_frame_is_bounded_before_memory_is_taken_for_it() {
        let silence = Silence::new(Duration::from_secs(1));
        let read = |bytes: Vec<u8>| {
            let mut reader = FrameReader::new(Cursor::new(bytes), 10, 10, &silence, true);
            reader
                .next()
                .now_or_never()
                .unwrap()
                .map(|(frame, _)| frame)
                .map_err(|e| e.to_string())
        };
        assert_eq!(read(vec![2, 0, 0, 0, 8, 9]), Ok(vec![8, 9]));
        assert_eq!(
            read(vec![11, 0, 0, 0, 8]),
            Err("it sent a frame of 11 bytes; at most 10 are allowed".into())
        );
        assert_eq!(
            read(vec![2, 0, 0, 0, 8]),
            Err("the connection was lost: the other side closed it".into())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_noticed_but_not_one_that_talks_on_the_other_stream() {
        let silence = Silence::new(Duration::from_secs(11));
        let start = Instant::now();
        let (_theirs, ours) = mpsc::unbounded::<std::io::Result<Vec<u8>>>();
        let mut noticing = FrameReader::new(ours.into_async_read(), 10, 10, &silence, true);
        let (sender, other) = mpsc::unbounded::<std::io::Result<Vec<u8>>>();
        let mut other = FrameReader::new(other.into_async_read(), 100, 100, &silence, false);
        let talk = async {
            // A few bytes of a large frame at a time, then nothing.
            sender.unbounded_send(Ok(vec![100, 0, 0, 0])).unwrap();
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(10)).await;
                sender.unbounded_send(Ok(vec![1])).unwrap();
            }
            std::future::pending::<()>().await
        };
        let error = tokio::select! {
            frame = noticing.next() => frame.unwrap_err(),
            _ = other.next() => panic!("the frame is not whole"),
            () = talk => unreachable!(),
        };
        assert_eq!(error.to_string(), "nothing was heard from it for 11 s");
        let noticed = start.elapsed().as_secs();
        assert!((41..=52).contains(&noticed), "{noticed} s");
    }
}
