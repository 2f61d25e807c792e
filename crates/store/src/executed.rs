//! What the caller tells about blocks that became final.

use std::sync::Arc;

use types::{BlockHash, Digest, FullBatch, LogSize, RecordedEntries, Seed, SignedBlock};

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
    /// The entries that were recorded; skipped ones are missing.
    pub recorded: Arc<RecordedEntries>,
    /// The Merkle nodes that the block's leaves completed, in the order of their positions, from the lowest level
    /// on that is kept.
    pub nodes: Vec<Digest>,
}
