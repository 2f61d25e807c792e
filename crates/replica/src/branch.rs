//! What a branch has recorded: the blocks above the final head, and the final ones not yet indexed,
//! laid over the store.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use store::Reader;
use types::{BatchId, BlockHash, Height, OrderId, RecordedEntries, RecordedIds, Sought};

use crate::tree::Tree;

/// A final block that the store's index may not hold yet.
#[derive(Debug)]
pub(crate) struct Unindexed {
    pub(crate) height: Height,
    pub(crate) recorded: Arc<RecordedEntries>,
    pub(crate) batches: BTreeSet<BatchId>,
}

/// The entries recorded by a block, its ancestors and the final chain.
pub(crate) struct Branch<'a> {
    above: Vec<&'a RecordedEntries>,
    reader: &'a Reader,
}

impl<'a> Branch<'a> {
    /// The branch that ends in `tip`, a valid block or the final head.
    pub(crate) fn new(
        tree: &'a Tree,
        unindexed: &'a VecDeque<Unindexed>,
        reader: &'a Reader,
        tip: &BlockHash,
    ) -> Self {
        let path = tree.path(tip).unwrap_or_default();
        let above = path
            .iter()
            .filter_map(|hash| Some(&*tree.get(hash)?.valid()?.executed.recorded));
        let above = above
            .chain(unindexed.iter().map(|block| &*block.recorded))
            .collect();
        Self { above, reader }
    }

    fn is_above(&self, id: &OrderId) -> bool {
        self.above.iter().any(|recorded| recorded.contains(id))
    }
}

impl RecordedIds for Branch<'_> {
    fn is_recorded(&self, order: Sought<'_>) -> bool {
        self.is_above(order.id) || self.reader.is_recorded(order)
    }

    fn recorded_among(&self, orders: &[Sought<'_>]) -> BTreeSet<usize> {
        let above = (0..)
            .zip(orders)
            .filter(|(_, order)| self.is_above(order.id));
        let mut recorded = self.reader.recorded_among(orders);
        recorded.extend(above.map(|(place, _)| place));
        recorded
    }
}
