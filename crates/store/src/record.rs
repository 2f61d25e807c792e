//! What a member persists, and how each record becomes frames and comes back.

use std::{io, marker::PhantomData, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use types::{
    Certificate, Digest, Entry, Equivocation, FullBatch, Header, MemberId, OrderId, PersonalPart,
    PersonalParts, SignedBlock, UnixMillis, VerifiedBatch, Vote, decode, encoded_len,
};

use crate::{
    disk::Disk,
    error::StoreError,
    frame::{Fault, Frame, Kind, Position, put_frame, read_frame},
};

/// One thing a member persists.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "records are few at a time and gone once written"
)]
pub enum Record {
    /// A batch with the personal parts held.
    Batch(VerifiedBatch, PersonalParts),
    /// A block, this member's own or another's.
    Block(SignedBlock),
    /// A vote.
    Vote(Vote),
    /// A certificate.
    Certificate(Certificate),
    /// Why a block is final that has no finality certificate of its own.
    FinalityProof(FinalityProof),
    /// Proof that a proposer lied.
    Evidence(Equivocation),
    /// An answer given under an idempotency key.
    Answer(Answer),
}

/// A block and all below it are final because a descendant of it is: headers from its child up to that
/// descendant, each the parent of the next, and the descendant's finality certificate.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FinalityProof {
    /// At least one header; the first one's parent is the block that is proved to be final.
    pub headers: Vec<Header>,
    /// Of the last header.
    pub certificate: Certificate,
}

/// An answer given under an idempotency key, so that a repeated request gets it again.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Answer {
    /// Digest of the key.
    pub key: Digest,
    /// Digest of the request's body.
    pub body: Digest,
    /// The orders that were taken.
    pub orders: Vec<OrderId>,
    /// When.
    pub at: UnixMillis,
}

/// Appends a record's frames, one after the other.
///
/// # Errors
/// When the record is too large.
pub(crate) fn put_record(buffer: &mut Vec<u8>, record: &Record) -> Result<(), StoreError> {
    match record {
        Record::Batch(batch, personal) => {
            put_frame(buffer, Kind::Batch, &**batch.batch())?;
            put_frame(buffer, Kind::Personal, &**personal)
        }
        Record::Block(block) => put_frame(buffer, Kind::Block, block),
        Record::Vote(vote) => put_frame(buffer, Kind::Vote, vote),
        Record::Certificate(certificate) => put_frame(buffer, Kind::Certificate, certificate),
        Record::FinalityProof(proof) => put_frame(buffer, Kind::FinalityProof, proof),
        Record::Evidence(evidence) => put_frame(buffer, Kind::Evidence, evidence),
        Record::Answer(answer) => put_frame(buffer, Kind::Answer, answer),
    }
}

/// Reads what stands at a position: a record, or `None` for a mark; and where the next begins.
pub(crate) fn read_record(
    disk: &dyn Disk,
    position: Position,
) -> Result<(Option<Record>, Position), Fault> {
    let frame = read_frame(disk, position)?;
    let payload = &frame.payload;
    let record = match frame.kind {
        Kind::Batch => {
            let (FullBatch { batch, personal }, next) = batch_of(disk, &frame)?;
            let batch = VerifiedBatch::from_own_disk(batch);
            return Ok((Some(Record::Batch(batch, personal)), next));
        }
        Kind::Personal => return Err(Fault::bad("personal parts stand without their batch")),
        Kind::Block => Record::Block(decoded(payload)?),
        Kind::Vote => Record::Vote(decoded(payload)?),
        Kind::Certificate => Record::Certificate(decoded(payload)?),
        Kind::FinalityProof => Record::FinalityProof(decoded(payload)?),
        Kind::Evidence => Record::Evidence(decoded(payload)?),
        Kind::Answer => Record::Answer(decoded(payload)?),
        Kind::Mark if payload[..] == position.to_u64().to_le_bytes() => {
            return Ok((None, frame.next));
        }
        Kind::Mark => return Err(Fault::bad("a mark stands where it was not written")),
    };
    Ok((Some(record), frame.next))
}

/// Reads the batch at a position, for who trusts that it is the one that is meant.
pub(crate) fn read_batch(disk: &dyn Disk, position: Position) -> Result<FullBatch, Fault> {
    Ok(batch_of(disk, &batch_frame(disk, position)?)?.0)
}

/// What of a batch is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    All,
    /// Without the personal parts.
    Public,
}

/// A batch as it is in the log. Mostly one entry of many is wanted, so they are decoded one by one.
pub(crate) struct EncodedBatch {
    entries: EncodedList<Entry>,
    /// `None` where they were left out.
    personal: Option<EncodedList<Option<PersonalPart>>>,
}

impl EncodedBatch {
    /// Reads the batch at a position.
    pub(crate) fn read(disk: &dyn Disk, position: Position, parts: Parts) -> Result<Self, Fault> {
        let frame = batch_frame(disk, position)?;
        let personal = match parts {
            Parts::All => {
                let second = personal_frame(disk, frame.next)?;
                Some(EncodedList::from(second.payload, 0)?)
            }
            Parts::Public => None,
        };
        // Before the entries are author and number.
        let before = encoded_len(&(MemberId::ZERO, 0_u64));
        let entries = EncodedList::from(frame.payload, before)?;
        Ok(Self { entries, personal })
    }

    /// The entry at a place, with its personal part where that was read and is held; `None` where there are fewer.
    /// Takes longer where it stands before the one that was asked for last.
    pub(crate) fn entry(
        &mut self,
        place: u32,
    ) -> Result<Option<(Entry, Option<PersonalPart>)>, Fault> {
        let Some(entry) = self.entries.get(place)? else {
            return Ok(None);
        };
        let personal = match &mut self.personal {
            Some(list) => list.get(place)?.flatten(),
            None => None,
        };
        Ok(Some((entry, personal)))
    }
}

/// A list within the encoding of something.
struct EncodedList<T> {
    bytes: Vec<u8>,
    /// Where the first one begins.
    start: usize,
    count: u32,
    /// The next one's place in the list, and where it begins.
    next: (u32, usize),
    of: PhantomData<T>,
}

impl<T: BorshDeserialize> EncodedList<T> {
    /// The list that begins so many bytes into an encoding.
    fn from(bytes: Vec<u8>, at: usize) -> Result<Self, Fault> {
        let mut rest = bytes.get(at..).unwrap_or_default();
        let count = u32::deserialize(&mut rest).map_err(undecodable)?;
        let start = bytes.len() - rest.len();
        Ok(Self {
            bytes,
            start,
            count,
            next: (0, start),
            of: PhantomData,
        })
    }

    fn get(&mut self, place: u32) -> Result<Option<T>, Fault> {
        if place >= self.count {
            return Ok(None);
        }
        if place < self.next.0 {
            self.next = (0, self.start);
        }
        loop {
            let (next, at) = self.next;
            let mut rest = &self.bytes[at..];
            let item = T::deserialize(&mut rest).map_err(undecodable)?;
            self.next = (next + 1, self.bytes.len() - rest.len());
            if next == place {
                return Ok(Some(item));
            }
        }
    }
}

fn undecodable(error: io::Error) -> Fault {
    Fault::bad(error.to_string())
}

fn batch_frame(disk: &dyn Disk, position: Position) -> Result<Frame, Fault> {
    let frame = read_frame(disk, position)?;
    if frame.kind != Kind::Batch {
        return Err(Fault::bad("another record stands where a batch should"));
    }
    Ok(frame)
}

fn personal_frame(disk: &dyn Disk, position: Position) -> Result<Frame, Fault> {
    let frame = read_frame(disk, position)?;
    if frame.kind != Kind::Personal {
        return Err(Fault::bad(
            "the batch is not followed by its personal parts",
        ));
    }
    Ok(frame)
}

/// The batch in a frame with its personal parts in the next, and where the one after those begins.
fn batch_of(disk: &dyn Disk, frame: &Frame) -> Result<(FullBatch, Position), Fault> {
    let second = personal_frame(disk, frame.next)?;
    let full = FullBatch {
        batch: Arc::new(decoded(&frame.payload)?),
        personal: Arc::new(decoded(&second.payload)?),
    };
    Ok((full, second.next))
}

fn decoded<T: BorshDeserialize>(payload: &[u8]) -> Result<T, Fault> {
    decode(payload).map_err(|error| Fault::bad(error.to_string()))
}
