//! What everything in Dexter is made of: orders, batches, headers, blocks, votes, certificates,
//! the genesis, receipts; their canonical encoding, hashing, the two kinds of keys, and Merkle
//! proofs. Pure: no clock, no socket, no file.
//!
//! The formats follow `docs/protocol.md` §2–§4; golden tests in `tests/golden.rs` pin their bytes.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod batch;
pub mod block;
pub mod encoding;
pub mod fixed;
pub mod genesis;
pub mod members;
pub mod merkle;
pub mod message;
pub mod mutation;
pub mod order;
pub mod receipt;
pub mod recorded;
pub mod signatures;
pub mod simulated;
pub mod text;
pub mod units;
pub mod vote;

use std::collections::BTreeSet;

pub use batch::{Batch, BatchError, FullBatch, PersonalParts, VerifiedBatch};
pub use block::{Block, Equivocation, Header, SignedBlock, SignedHeader};
pub use encoding::{DecodeError, decode, encode, encoded_len};
pub use fixed::{
    BatchId, BlockHash, ChainId, Digest, IdentityPublicKey, IdentitySignature, LotteryPublicKey,
    LotterySignature, MemberId, OrderId, PersonalHash, Seed,
};
pub use genesis::{Genesis, GenesisError, MemberCard, Preset, Timing};
pub use members::{FaultModel, Member, MemberSet};
pub use merkle::Frontier;
pub use message::{FinalBlock, Message, Proposal, Status};
pub use mutation::{Mutation, mutated};
pub use order::{Entry, HashedEntry, Order, OrderError, PersonalPart, Sought, Voucher};
pub use receipt::{Receipt, ReceiptError};
pub use recorded::{EntryPlace, RecordedEntries};
pub use signatures::{BlsAndEd25519, IdentitySecret, LotterySecret, Signatures};
pub use simulated::Simulated;
pub use text::Text;
pub use units::{
    Amount, Currency, Epoch, Height, LogIndex, LogSize, MemberIndex, Micros, Monotonic, Now,
    UnixMillis,
};
pub use vote::{Certificate, Share, Vote, VoteKind};

/// The version of every format in this crate, carried in the genesis, in headers and on disk. A network
/// or a file of another version is refused in words; the wire has a version of its own.
pub const FORMAT_VERSION: u16 = 3;

/// Has this entry been recorded in the order log of a branch?
///
/// `store` answers for the final chain; the replica lays the certified and not yet final blocks
/// over it.
pub trait RecordedIds {
    /// True when the order is a leaf of the order log.
    fn is_recorded(&self, order: Sought<'_>) -> bool;

    /// Which of these are, by their places among them: where it takes less time to look for many together.
    fn recorded_among(&self, orders: &[Sought<'_>]) -> BTreeSet<usize> {
        let orders = (0..).zip(orders);
        let recorded = orders.filter(|(_, order)| self.is_recorded(**order));
        recorded.map(|(place, _)| place).collect()
    }
}
