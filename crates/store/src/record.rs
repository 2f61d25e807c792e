//! What a member persists, and how each record becomes frames and comes back.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use types::{
    Certificate, Digest, Equivocation, FullBatch, Header, OrderId, PersonalParts, SignedBlock,
    UnixMillis, VerifiedBatch, Vote, decode,
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

/// Reads the batch at a position and leaves its personal parts out.
pub(crate) fn read_public_batch(disk: &dyn Disk, position: Position) -> Result<FullBatch, Fault> {
    let frame = batch_frame(disk, position)?;
    Ok(FullBatch {
        batch: Arc::new(decoded(&frame.payload)?),
        personal: Arc::default(),
    })
}

fn batch_frame(disk: &dyn Disk, position: Position) -> Result<Frame, Fault> {
    let frame = read_frame(disk, position)?;
    if frame.kind != Kind::Batch {
        return Err(Fault::bad("another record stands where a batch should"));
    }
    Ok(frame)
}

/// The batch in a frame with its personal parts in the next, and where the one after those begins.
fn batch_of(disk: &dyn Disk, frame: &Frame) -> Result<(FullBatch, Position), Fault> {
    let second = read_frame(disk, frame.next)?;
    if second.kind != Kind::Personal {
        return Err(Fault::bad(
            "the batch is not followed by its personal parts",
        ));
    }
    let full = FullBatch {
        batch: Arc::new(decoded(&frame.payload)?),
        personal: Arc::new(decoded(&second.payload)?),
    };
    Ok((full, second.next))
}

fn decoded<T: BorshDeserialize>(payload: &[u8]) -> Result<T, Fault> {
    decode(payload).map_err(|error| Fault::bad(error.to_string()))
}
