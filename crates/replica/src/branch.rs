//! What a branch has recorded: the blocks above the final head, and the final ones not yet indexed,
//! laid over the store.

use std::collections::{BTreeSet, VecDeque};

use ledger::{Ids, Known, Pool};
use store::Reader;
use types::{BatchId, BlockHash, Height, Mutation, OrderId, RecordedIds, VerifiedBatch, mutated};

use crate::tree::Tree;

/// A final block that the store's index may not hold yet.
#[derive(Debug)]
pub(crate) struct Unindexed {
    pub(crate) height: Height,
    pub(crate) ids: Ids,
    pub(crate) batches: BTreeSet<BatchId>,
}

/// The entries recorded by a block, its ancestors and the final chain.
pub(crate) struct Branch<'a> {
    above: Vec<&'a Ids>,
    /// Knows something of the batches it holds.
    pool: &'a Pool,
    reader: &'a Reader,
}

impl<'a> Branch<'a> {
    /// The branch that ends in `tip`, a valid block or the final head.
    pub(crate) fn new(
        tree: &'a Tree,
        unindexed: &'a VecDeque<Unindexed>,
        pool: &'a Pool,
        reader: &'a Reader,
        tip: &BlockHash,
    ) -> Self {
        let path = tree.path(tip).unwrap_or_default();
        let above = path
            .iter()
            .filter_map(|hash| Some(&tree.get(hash)?.valid()?.executed.ids));
        let above = above
            .chain(unindexed.iter().map(|block| &block.ids))
            .collect();
        Self {
            above,
            pool,
            reader,
        }
    }

    fn is_above(&self, id: &OrderId) -> bool {
        self.above.iter().any(|ids| ids.contains(id))
    }

    /// What is known to be recorded, and what was since.
    fn recorded_besides(&self, known: &Known, ids: &[&OrderId]) -> BTreeSet<usize> {
        let above = (0..).zip(ids).filter(|(_, id)| self.is_above(id));
        let mut recorded = known.recorded.clone();
        if *known == Known::NOTHING || !mutated(Mutation::LookUpOnce) {
            recorded.extend(self.reader.recorded_since(known.size, ids));
        }
        recorded.extend(above.map(|(place, _)| place));
        recorded
    }
}

impl RecordedIds for Branch<'_> {
    fn is_recorded(&self, id: &OrderId) -> bool {
        self.is_above(id) || self.reader.is_recorded(id)
    }

    fn recorded_among(&self, ids: &[&OrderId]) -> BTreeSet<usize> {
        self.recorded_besides(&Known::NOTHING, ids)
    }

    fn recorded_of(&self, batch: &VerifiedBatch) -> BTreeSet<usize> {
        let ids: Vec<&OrderId> = batch.entries().iter().map(|(id, _)| id).collect();
        let held = self.pool.get(&batch.id());
        self.recorded_besides(held.map_or(&Known::NOTHING, |held| &held.known), &ids)
    }
}
