//! What the caller tells about blocks that became final.

use types::{BlockHash, Digest, FullBatch, LogSize, OrderId, Seed, SignedBlock};

/// A final block as it was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutedBlock {
    /// The block's hash.
    pub hash: BlockHash,
    /// The block.
    pub block: SignedBlock,
    /// How many entries the order log held before.
    pub log_size_before: LogSize,
    /// Its batches with the personal parts that are held, in the order in which it seals them: what the
    /// log holds of them, so that they need not be read back.
    pub batches: Vec<FullBatch>,
    /// The seed that the tickets of the height above are drawn on.
    pub seed: Seed,
    /// The entries that were recorded, in the order of the order log; skipped ones are missing.
    pub recorded: Vec<RecordedEntry>,
    /// The Merkle nodes that the block's leaves completed, in the order of their positions.
    pub nodes: Vec<Digest>,
}

/// Where a recorded entry is in its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedEntry {
    /// Its id.
    pub id: OrderId,
    /// The batch's place in the block.
    pub batch: u32,
    /// The entry's place in the batch.
    pub entry: u32,
}
