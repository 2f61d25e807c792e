//! What members say to each other (`docs/protocol.md` §5, §7).

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    batch::FullBatch,
    block::{Equivocation, SignedBlock},
    fixed::{BatchId, BlockHash},
    units::{Epoch, Height},
    vote::{Certificate, Vote},
};

/// The longest encoded message: a largest block's batches with a personal part of the largest size
/// beside small orders would be more, so bulk answers are cut to this and ask for the rest.
pub const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;

/// Where a member stands; sent on connecting, after a restart and at every resend interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Status {
    /// The epoch it is in.
    pub epoch: Epoch,
    /// The height it works on.
    pub height: Height,
    /// The height of its final head.
    pub final_height: Height,
}

/// A block on its way to be voted on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// The block under its proposer's signature.
    pub block: SignedBlock,
    /// Any certificate of the parent; `None` where the parent is the genesis.
    pub parent_certificate: Option<Certificate>,
}

/// A final block with all it seals, as fetched in bulk.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FinalBlock {
    /// The block.
    pub block: SignedBlock,
    /// Its batches, in order; personal parts that were erased are missing.
    pub batches: Vec<FullBatch>,
}

/// One message between members.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Where the sender stands.
    Status(Status),
    /// Orders the author took in, to every member at once.
    Batch(FullBatch),
    /// A block to vote on.
    Proposal(Box<Proposal>),
    /// A vote.
    Vote(Vote),
    /// A quorum's votes.
    Certificate(Certificate),
    /// Proof that a proposer lied.
    Evidence(Box<Equivocation>),
    /// "Send me this block, its parent's certificate, and these of its batches."
    FetchBlock {
        /// The block's height.
        height: Height,
        /// The block.
        block: BlockHash,
    },
    /// "Send me these batches."
    FetchBatches(Vec<BatchId>),
    /// "Send me final blocks from this height on."
    FetchFinal {
        /// The first height wanted.
        from: Height,
    },
    /// A run of final blocks, lowest first, and one finality certificate that covers them all: of the
    /// last block, or of a descendant whose headers the receiver can follow.
    FinalBlocks {
        /// The blocks.
        blocks: Vec<FinalBlock>,
        /// Headers above the last block up to the certified one, lowest first; at most
        /// [`MAX_FINALITY_HEADERS`].
        headers: Vec<crate::block::Header>,
        /// The finality certificate.
        certificate: Certificate,
    },
}

/// The most headers between a final block and the finality certificate that covers it, in an answer:
/// over a megabyte of them. Blocks without a certificate of their own are rare, and a run of so many
/// has never been seen.
pub const MAX_FINALITY_HEADERS: usize = 4_096;

/// The most batch ids a message may ask for: as many as a largest block can name.
pub const MAX_FETCHED_BATCHES: usize = 20_000;
