//! The bytes of the log: segment headers and frames (`docs/storage-format.md`).

use std::{fmt, io};

use borsh::BorshSerialize;
use types::{
    ChainId, FORMAT_VERSION, Mutation, encoding::encode_into, message::MAX_MESSAGE_BYTES, mutated,
};

use crate::{
    disk::{Disk, file_name},
    error::StoreError,
};

/// What a segment begins with.
const MAGIC: [u8; 8] = *b"DEXTRLOG";
/// Magic 8, version 2, segment 4, chain 32, checksum 4.
pub(crate) const HEADER_BYTES: u32 = 50;
/// Length 4, kind 1, checksum 4.
pub(crate) const FRAME_HEAD_BYTES: usize = 9;
/// The longest payload: all that is persisted came in a message or fits one.
pub(crate) const MAX_PAYLOAD_BYTES: usize = MAX_MESSAGE_BYTES;

/// A place in the log. Places of later bytes are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
}

impl Position {
    /// Where the first frame of a segment is.
    pub(crate) const fn start_of(segment: u32) -> Self {
        Self {
            segment,
            offset: HEADER_BYTES,
        }
    }
    /// As one number in the same order.
    pub(crate) const fn to_u64(self) -> u64 {
        (self.segment as u64) << 32 | self.offset as u64
    }
    pub(crate) const fn from_u64(number: u64) -> Self {
        Self {
            segment: (number >> 32) as u32,
            offset: number as u32,
        }
    }
    /// The place `bytes` further in the same segment.
    pub(crate) fn after(self, bytes: usize) -> Self {
        let offset = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| self.offset.checked_add(bytes));
        assert!(
            offset.is_some(),
            "a segment and one write after it stay below 4 GiB"
        );
        Self {
            offset: offset.unwrap_or(u32::MAX),
            ..self
        }
    }
    /// The file, for messages.
    pub(crate) fn file(self) -> String {
        format!("log/{}", file_name(self.segment))
    }
}
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} of {}", self.offset, self.file())
    }
}

/// What a frame holds. 9 is kept free for personal parts that were erased in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The public part of a batch; the personal parts follow in the next frame.
    Batch = 1,
    /// The personal parts of the batch before.
    Personal = 2,
    Block = 3,
    Vote = 4,
    Certificate = 5,
    Evidence = 6,
    Answer = 7,
    /// "Everything before me was synced": the first frame written after a sync; its payload is its own
    /// position, so that no bytes anywhere else can pass for it.
    Mark = 8,
    FinalityProof = 10,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Batch,
        Self::Personal,
        Self::Block,
        Self::Vote,
        Self::Certificate,
        Self::Evidence,
        Self::Answer,
        Self::Mark,
        Self::FinalityProof,
    ];
    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Why there is no frame at a place.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The disk could not be read.
    Io(io::Error),
    /// The bytes are not a frame, or not the one that belongs here.
    Bad(String),
}

impl Fault {
    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        Self::Bad(reason.into())
    }
    /// As an error of the store, for a place that must be right.
    pub(crate) fn at(self, position: Position) -> StoreError {
        match self {
            Self::Io(error) => StoreError::io(format!("read {position}"), error),
            Self::Bad(reason) => StoreError::Corrupt {
                file: position.file(),
                offset: position.offset,
                reason,
            },
        }
    }
}

fn checksum(length: [u8; 4], kind: u8, payload: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(&[kind]);
    hasher.update(payload);
    hasher.finalize().to_le_bytes()
}

/// Appends one frame to a buffer, with the encoding of a value as its payload.
///
/// # Errors
/// When the payload is too large.
pub(crate) fn put_frame<T: BorshSerialize + ?Sized>(
    buffer: &mut Vec<u8>,
    kind: Kind,
    payload: &T,
) -> Result<(), StoreError> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
    encode_into(buffer, payload);
    let (head, payload) = buffer[start..].split_at_mut(FRAME_HEAD_BYTES);
    let bytes = payload.len();
    let most = MAX_PAYLOAD_BYTES;
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= most);
    let length = length
        .ok_or(StoreError::TooLarge { bytes, most })?
        .to_le_bytes();
    let sum = checksum(length, kind as u8, payload);
    head[..4].copy_from_slice(&length);
    head[4] = kind as u8;
    head[5..].copy_from_slice(&sum);
    Ok(())
}

/// The length of a mark.
pub(crate) const MARK_BYTES: usize = FRAME_HEAD_BYTES + 8;

/// The mark that stands at a position, of [`MARK_BYTES`].
pub(crate) fn mark(position: Position) -> Vec<u8> {
    let mut bytes = Vec::new();
    let put = put_frame(&mut bytes, Kind::Mark, &position.to_u64());
    assert!(put.is_ok(), "a mark is small");
    bytes
}

/// A frame read back.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) payload: Vec<u8>,
    /// Where the next one begins.
    pub(crate) next: Position,
}

/// Reads and checks the frame at a position.
pub(crate) fn read_frame(disk: &dyn Disk, position: Position) -> Result<Frame, Fault> {
    let read = |offset: usize, buffer: &mut [u8]| {
        let place = u64::from(position.offset) + offset as u64;
        disk.read_at(position.segment, place, buffer)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Fault::bad("the record is cut short"),
                _ => Fault::Io(error),
            })
    };
    let mut head = [0; FRAME_HEAD_BYTES];
    read(0, &mut head)?;
    let [l0, l1, l2, l3, kind_byte, c0, c1, c2, c3] = head;
    let length_bytes = [l0, l1, l2, l3];
    let length = u32::from_le_bytes(length_bytes) as usize;
    if length > MAX_PAYLOAD_BYTES {
        return Err(Fault::bad(format!(
            "a record of {length} bytes is impossible"
        )));
    }
    // The length is not trusted before the file is known to hold as much.
    let end = u64::from(position.offset) + (FRAME_HEAD_BYTES + length) as u64;
    if end > disk.len(position.segment).map_err(Fault::Io)? {
        return Err(Fault::bad("the record is cut short"));
    }
    let mut payload = vec![0; length];
    read(FRAME_HEAD_BYTES, &mut payload)?;
    let is_right = checksum(length_bytes, kind_byte, &payload) == [c0, c1, c2, c3];
    if !is_right && !mutated(Mutation::IgnoreChecksums) {
        return Err(Fault::bad("the checksum does not match"));
    }
    let kind = Kind::from_byte(kind_byte)
        .ok_or_else(|| Fault::bad(format!("records of kind {kind_byte} are unknown")))?;
    Ok(Frame {
        kind,
        payload,
        next: position.after(FRAME_HEAD_BYTES + length),
    })
}

/// The header of a segment.
pub(crate) fn header(segment: u32, chain: &ChainId) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&segment.to_le_bytes());
    bytes.extend_from_slice(chain.as_bytes());
    let checksum = crc32fast::hash(&bytes).to_le_bytes();
    bytes.extend_from_slice(&checksum);
    bytes
}

/// True when the header is right; false when it was never written whole, so that the segment holds
/// nothing yet.
///
/// # Errors
/// When the file is no log, of another version or network, or damaged.
pub(crate) fn check_header(
    disk: &dyn Disk,
    segment: u32,
    chain: &ChainId,
) -> Result<bool, StoreError> {
    let place = Position { segment, offset: 0 };
    let length = disk
        .len(segment)
        .map_err(|error| Fault::Io(error).at(place))?;
    let expected = header(segment, chain);
    let mut bytes = [0; HEADER_BYTES as usize];
    let present = usize::try_from(length).map_or(bytes.len(), |length| length.min(bytes.len()));
    disk.read_at(segment, 0, &mut bytes[..present])
        .map_err(|error| Fault::Io(error).at(place))?;
    let is_begun = bytes[..present] == expected[..present] && present < bytes.len();
    let is_blank = bytes == [0; HEADER_BYTES as usize] && length <= u64::from(HEADER_BYTES);
    if is_begun || is_blank {
        return Ok(false);
    }
    if bytes[..8] != MAGIC || present < bytes.len() {
        return Err(StoreError::NotALog { file: place.file() });
    }
    let theirs = u16::from_le_bytes([bytes[8], bytes[9]]);
    if theirs != FORMAT_VERSION {
        return Err(StoreError::Version {
            file: place.file(),
            theirs,
            ours: FORMAT_VERSION,
        });
    }
    if crc32fast::hash(&bytes[..46]).to_le_bytes() != bytes[46..] {
        return Err(Fault::bad("the checksum of the header does not match").at(place));
    }
    if bytes[14..46] != expected[14..46] {
        let mut theirs = [0; 32];
        theirs.copy_from_slice(&bytes[14..46]);
        return Err(StoreError::Chain {
            file: place.file(),
            theirs: ChainId::new(theirs),
            ours: *chain,
        });
    }
    if bytes[..] != expected[..] {
        return Err(Fault::bad("the file was renamed: its header names another number").at(place));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_header_and_frame() {
        let bytes = header(3, &ChainId::new([0xab; 32]));
        let mut expected = b"DEXTRLOG\x03\x00\x03\x00\x00\x00".to_vec();
        expected.extend([0xab; 32]);
        let sum = crc32fast::hash(&expected);
        expected.extend(sum.to_le_bytes());
        assert_eq!(bytes, expected);
        assert_eq!(bytes.len(), HEADER_BYTES as usize);

        let mut frame = Vec::new();
        put_frame(&mut frame, Kind::Vote, b"hello").unwrap();
        assert_eq!(frame[..5], [5, 0, 0, 0, 4]);
        assert_eq!(
            frame[5..9],
            crc32fast::hash(b"\x05\0\0\0\x04hello").to_le_bytes()
        );
        assert_eq!(&frame[9..], b"hello");
    }

    #[test]
    fn positions_keep_their_order_as_numbers() {
        let places = [(0, 50), (0, u32::MAX), (1, 50), (7, 0)]
            .map(|(segment, offset)| Position { segment, offset });
        for pair in places.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].to_u64() < pair[1].to_u64());
        }
        for place in places {
            assert_eq!(Position::from_u64(place.to_u64()), place);
        }
    }
}
