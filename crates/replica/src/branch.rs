//! What a branch has recorded: the blocks above the final head, and the final ones not yet indexed,
//! laid over the store.

use std::collections::{BTreeSet, VecDeque};

use ledger::{Ids, Known, Pool};
use store::Reader;
use types::{
    BatchId, BlockHash, Height, Mutation, OrderId, RecordedIds, Sought, VerifiedBatch, mutated,
};

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
    /// What was looked up of its batches need not be again: all that are executed are held.
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

    /// Which of the orders of a batch of which this is known are recorded, by their places in it.
    pub(crate) fn recorded_besides(&self, known: &Known, orders: &[Sought<'_>]) -> BTreeSet<usize> {
        let above = (0..)
            .zip(orders)
            .filter(|(_, order)| self.is_above(order.id));
        let mut recorded = known.recorded.clone();
        recorded.extend(self.recorded_since(known, orders));
        recorded.extend(above.map(|(place, _)| place));
        recorded
    }

    /// What became final after that was looked up.
    fn recorded_since(&self, known: &Known, orders: &[Sought<'_>]) -> BTreeSet<usize> {
        if *known != Known::NOTHING && mutated(Mutation::LookUpOnce) {
            return BTreeSet::new();
        }
        self.reader.recorded_since(known.size, orders)
    }

    fn known(&self, batch: &VerifiedBatch) -> &Known {
        static NOTHING: Known = Known::NOTHING;
        let held = self.pool.get(&batch.id());
        held.map_or(&NOTHING, |held| &held.known)
    }
}

impl RecordedIds for Branch<'_> {
    fn is_recorded(&self, id: &OrderId) -> bool {
        self.is_above(id) || self.reader.is_recorded(id)
    }

    fn recorded_among(&self, orders: &[Sought<'_>]) -> BTreeSet<usize> {
        self.recorded_besides(&Known::NOTHING, orders)
    }

    fn recorded_of(&self, batch: &VerifiedBatch) -> BTreeSet<usize> {
        self.recorded_besides(self.known(batch), &batch.sought())
    }

    fn is_recorded_of(&self, batch: &VerifiedBatch, place: usize) -> bool {
        let known = self.known(batch);
        known.recorded.contains(&place)
            || batch.sought_at(place).is_some_and(|order| {
                self.is_above(order.id) || !self.recorded_since(known, &[order]).is_empty()
            })
    }
}
