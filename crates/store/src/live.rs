//! Which records a restart still needs: batches that are in no final block, and blocks, votes and
//! certificates above the final height.

use std::collections::BTreeMap;

use types::{BlockHash, Height};

use crate::frame::Position;

/// A batch that is in no final block. Written again with more personal parts, it has two places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LiveBatch {
    /// Where it was written first: a restart reads from here.
    pub(crate) first: Position,
    /// Where it was written last: read from here.
    pub(crate) latest: Position,
    /// A block that is staged for the index seals it: a restart does not need it once that is written.
    pub(crate) staged: bool,
}

/// What was written about one height.
#[derive(Debug, Default)]
struct LiveHeight {
    /// The first record about it.
    first: Option<Position>,
    blocks: BTreeMap<BlockHash, Position>,
    /// Finality certificates.
    certificates: BTreeMap<BlockHash, Position>,
}

/// Records about heights above the final one. As large as what the caller persists there, which the
/// protocol bounds: two blocks a proposer a height, and a small window of heights.
#[derive(Debug, Default)]
pub(crate) struct LiveHeights {
    /// Nothing is kept about this height and those below.
    final_height: Height,
    heights: BTreeMap<Height, LiveHeight>,
}

impl LiveHeights {
    /// Those above a final height.
    pub(crate) fn above(final_height: Height) -> Self {
        Self {
            final_height,
            ..Self::default()
        }
    }
    /// Notes a record about a height.
    pub(crate) fn note(&mut self, height: Height, position: Position) {
        self.live(height, position);
    }
    fn live(&mut self, height: Height, position: Position) -> Option<&mut LiveHeight> {
        if height <= self.final_height {
            return None;
        }
        let live = self.heights.entry(height).or_default();
        live.first.get_or_insert(position);
        Some(live)
    }
    /// Notes a block.
    pub(crate) fn note_block(&mut self, height: Height, hash: BlockHash, position: Position) {
        if let Some(live) = self.live(height, position) {
            live.blocks.entry(hash).or_insert(position);
        }
    }
    /// Notes a finality certificate.
    pub(crate) fn note_finality(&mut self, height: Height, block: BlockHash, position: Position) {
        if let Some(live) = self.live(height, position) {
            live.certificates.entry(block).or_insert(position);
        }
    }
    /// Where a block was written.
    pub(crate) fn block(&self, height: Height, hash: &BlockHash) -> Option<Position> {
        self.heights.get(&height)?.blocks.get(hash).copied()
    }
    /// Where a block's finality certificate was written.
    pub(crate) fn finality(&self, height: Height, block: &BlockHash) -> Option<Position> {
        self.heights.get(&height)?.certificates.get(block).copied()
    }
    /// Where the oldest record about a height above this one is.
    pub(crate) fn oldest_above(&self, height: Height) -> Option<Position> {
        self.heights
            .range(height.next()..)
            .filter_map(|(_, live)| live.first)
            .min()
    }
    /// Drops everything up to a height that is final now.
    pub(crate) fn forget_up_to(&mut self, height: Height) {
        self.final_height = height;
        self.heights = self.heights.split_off(&height.next());
    }
}
