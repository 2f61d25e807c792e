//! The Merkle tree over the order log. A node that covers many leaves is in the index; one that covers few is
//! computed again from their entries, which takes less than to keep it: whoever asks for one reads at most 64
//! entries, on a busy network most likely of one batch.

use std::ops::Range;

use types::{
    Digest, Frontier, LogSize,
    merkle::{self, LOWEST_KEPT_LEVEL, Node, nodes_before},
};

use crate::{
    error::StoreError,
    index::{Change, Space},
    layout::{damaged, number, take_number},
    recorded::Recorded,
    store::Shared,
};

/// How many nodes one value holds: 4 KiB, one block of the index, so that reading a node of a large block
/// reads no more than that.
const NODES_A_VALUE: usize = 128;

const WHAT: &str = "a Merkle node";

/// Keeps the nodes that became complete as the order log grew from one size to another, given in the order of their
/// positions from the lowest level on that is kept.
pub(crate) fn put_nodes(sizes: Range<LogSize>, kept: &[Digest], changes: &mut Vec<Change>) {
    // They are numbered as if the subtrees of the lowest level were the leaves.
    let number_at = |size: LogSize| nodes_before(size.0 >> LOWEST_KEPT_LEVEL);
    let mut key = number_at(sizes.start);
    assert_eq!(
        kept.len() as u64,
        number_at(sizes.end) - key,
        "the leaves complete so many nodes"
    );
    for nodes in kept.chunks(NODES_A_VALUE) {
        let mut value = Vec::with_capacity(size_of_val(nodes));
        for node in nodes {
            value.extend_from_slice(node.as_bytes());
        }
        changes.push(Change::put(Space::Nodes, number(key), value));
        key += nodes.len() as u64;
    }
}

/// Reads the tree as it was at a size that is final.
pub(crate) struct Nodes<'a> {
    shared: &'a Shared,
    size: LogSize,
    recorded: Recorded<'a>,
    /// The place of the leaves read last, and their hashes: all there are of a subtree of the lowest level kept.
    leaves: Option<(u64, Vec<Digest>)>,
}

impl<'a> Nodes<'a> {
    pub(crate) const fn at(shared: &'a Shared, size: LogSize) -> Self {
        Self {
            shared,
            size,
            recorded: Recorded::without_personal_parts(shared),
            leaves: None,
        }
    }

    /// A node; `None` when it is not complete.
    ///
    /// # Errors
    /// When the disk fails, or the index is damaged.
    pub(crate) fn node(&mut self, node: Node) -> Result<Option<Digest>, StoreError> {
        if node.position() >= nodes_before(self.size.0) {
            return Ok(None);
        }
        let digest = match node.level.checked_sub(LOWEST_KEPT_LEVEL) {
            Some(level) => self.kept(Node { level, ..node }),
            None => self.computed(node),
        };
        digest.map(Some)
    }

    /// The tree's right edge.
    ///
    /// # Errors
    /// When the disk fails, or the index is damaged.
    pub(crate) fn frontier(&mut self) -> Result<Frontier, StoreError> {
        let mut peaks = Vec::new();
        for node in Frontier::peak_nodes(self.size) {
            peaks.push(self.node(node)?.ok_or_else(|| damaged(WHAT))?);
        }
        Frontier::from_peaks(self.size, peaks).ok_or_else(|| damaged("the Merkle tree"))
    }

    /// A node that is in the index, its level counted from the lowest kept.
    fn kept(&self, node: Node) -> Result<Digest, StoreError> {
        let position = node.position();
        let found = self
            .shared
            .index
            .last_at_or_below(Space::Nodes, &number(position))?;
        let (key, value) = found.ok_or_else(|| damaged(WHAT))?;
        let place = usize::try_from(position - take_number(&mut &key[..], WHAT)?).ok();
        let bytes = place.and_then(|place| value.as_chunks::<32>().0.get(place));
        bytes
            .map(|bytes| Digest::new(*bytes))
            .ok_or_else(|| damaged(WHAT))
    }

    /// A node of a level that is not kept.
    fn computed(&mut self, node: Node) -> Result<Digest, StoreError> {
        let start = node.index >> (LOWEST_KEPT_LEVEL - node.level) << LOWEST_KEPT_LEVEL;
        let leaves = match self.leaves.take() {
            Some(leaves) if leaves.0 == start => leaves,
            _ => (start, self.read_leaves(start)?),
        };
        let (_, leaves) = self.leaves.insert(leaves);
        let first = ((node.index << node.level) - start) as usize;
        let covered = leaves.get(first..first + (1 << node.level));
        covered.map(merkle::root).ok_or_else(|| damaged(WHAT))
    }

    fn read_leaves(&mut self, start: u64) -> Result<Vec<Digest>, StoreError> {
        let end = self.size.0.min(start + (1 << LOWEST_KEPT_LEVEL));
        let mut leaves = Vec::with_capacity(1 << LOWEST_KEPT_LEVEL);
        self.recorded.visit(start..end, &mut |found| {
            leaves.push(merkle::leaf_hash(&found.entry.leaf_bytes()));
        })?;
        Ok(leaves)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Blocks that end before, with and after a subtree; one value's worth of nodes, and several.
    #[test]
    fn every_kept_node_is_found_under_its_number() {
        // Which digests they are does not matter here.
        let digest = |position: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&position.to_be_bytes());
            Digest::new(bytes)
        };
        let mut size = 0;
        let mut changes = Vec::new();
        for orders in [63, 1, 0, 64, 65, 4_097, 20_000, 31] {
            let sizes = LogSize(size)..LogSize(size + orders);
            let of_level = |leaf: u64, level: u32| digest(nodes_before(leaf) + u64::from(level));
            let kept = (size..size + orders).flat_map(|leaf| {
                let levels = LOWEST_KEPT_LEVEL..=leaf.trailing_ones();
                levels.map(move |level| of_level(leaf, level))
            });
            put_nodes(sizes, &kept.collect::<Vec<_>>(), &mut changes);
            size += orders;
        }
        let values = changes.into_iter().map(|change| {
            let key = change.key.try_into().map(u64::from_be_bytes).unwrap();
            (key, change.value.unwrap())
        });
        let values: BTreeMap<u64, Vec<u8>> = values.collect();
        assert!(
            values
                .values()
                .any(|value| value.len() == 32 * NODES_A_VALUE)
        );
        let mut found = 0;
        for level in LOWEST_KEPT_LEVEL..20 {
            for index in 0..size >> level {
                let kept = Node {
                    level: level - LOWEST_KEPT_LEVEL,
                    index,
                }
                .position();
                let (first, value) = values.range(..=kept).next_back().unwrap();
                let place = (kept - first) as usize;
                let expected = digest(Node { level, index }.position());
                assert_eq!(value.as_chunks::<32>().0[place], *expected.as_bytes());
                found += 1;
            }
        }
        let bytes: usize = values.values().map(Vec::len).sum();
        assert_eq!(bytes, 32 * found);
    }
}
