//! The order log's Merkle tree: RFC 9162 §2.1 hashing, append-only, with inclusion proofs.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest as _, Sha256};

use crate::{
    encoding::{encode_into, sha256},
    fixed::{Digest, Fixed},
    units::{LogIndex, LogSize},
};

/// The hash of a leaf: SHA-256(0x00 ‖ data).
pub fn leaf_hash(data: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(data);
    Digest::new(hasher.finalize().into())
}

/// The hash of a leaf that is the canonical encoding of a value, put together in `scratch`; and the
/// length of the encoding.
pub(crate) fn leaf_hash_of<K, T: BorshSerialize>(
    scratch: &mut Vec<u8>,
    value: &T,
) -> (Fixed<K, 32>, usize) {
    scratch.clear();
    scratch.push(0x00);
    encode_into(scratch, value);
    (sha256(scratch), scratch.len().saturating_sub(1))
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [0x01; 65];
    let (_, digests) = bytes.split_at_mut(1);
    let (first, second) = digests.split_at_mut(32);
    first.copy_from_slice(left.as_bytes());
    second.copy_from_slice(right.as_bytes());
    Digest::new(Sha256::digest(bytes).into())
}

/// The root of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Digest {
    Digest::new(Sha256::digest([]).into())
}

/// The lowest level of the order log's nodes that are kept: of every 64 leaves two nodes, one with another.
/// Those below are computed again from the leaves.
pub const LOWEST_KEPT_LEVEL: u32 = 6;

/// A complete subtree: `level` 0 is a leaf, and `index` counts subtrees of that level from the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// The height of the subtree: it covers 2^level leaves.
    pub level: u32,
    /// Its place among the subtrees of its level.
    pub index: u64,
}

impl Node {
    /// Where the node stands when nodes are written in the order in which they become complete
    /// (every leaf followed by the inner nodes it completes).
    pub fn position(self) -> u64 {
        let last_leaf = self
            .index
            .saturating_add(1)
            .checked_shl(self.level)
            .unwrap_or(u64::MAX)
            .saturating_sub(1);
        nodes_before(last_leaf).saturating_add(u64::from(self.level))
    }
}

/// How many nodes are complete before leaf `leaf` is added: 2·leaf − popcount(leaf).
pub fn nodes_before(leaf: u64) -> u64 {
    leaf.saturating_mul(2)
        .saturating_sub(u64::from(leaf.count_ones()))
}

/// The right edge of an append-only tree: all that is needed to append and to know the root.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete subtrees, largest first: one for every bit set in `size`.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The frontier of an empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a size and the peaks read back, largest first; `None` when their number does not fit.
    pub fn from_peaks(size: LogSize, peaks: Vec<Digest>) -> Option<Self> {
        (usize::try_from(size.0.count_ones()).ok()? == peaks.len()).then_some(Self {
            size: size.0,
            peaks,
        })
    }

    /// The nodes whose hashes are the peaks of a tree of `size` leaves, largest first.
    pub fn peak_nodes(size: LogSize) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut start = 0_u64;
        for level in (0..64_u32).rev() {
            let width = 1_u64.checked_shl(level).unwrap_or(0);
            if size.0 & width != 0 {
                nodes.push(Node {
                    level,
                    index: start.checked_shr(level).unwrap_or(0),
                });
                start = start.saturating_add(width);
            }
        }
        nodes
    }

    /// How many leaves.
    pub const fn size(&self) -> LogSize {
        LogSize(self.size)
    }

    /// Appends a leaf's hash. `completed` is told of the nodes that became complete with their levels, in the
    /// order of their positions: the leaf first.
    pub fn append(&mut self, leaf: Digest, mut completed: impl FnMut(u32, Digest)) {
        completed(0, leaf);
        let mut node = leaf;
        for below in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
                completed(below.saturating_add(1), node);
            }
        }
        self.peaks.push(node);
        self.size = self.size.saturating_add(1);
    }

    /// The tree's root.
    pub fn root(&self) -> Digest {
        self.peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(empty_root)
    }
}

/// The root over a list of leaf hashes.
pub fn root(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.append(*leaf, |_, _| {});
    }
    frontier.root()
}

/// The inclusion path of a leaf in the tree of the first `size` leaves, nearest sibling first.
/// `node` reads the hash of a complete subtree; `None` where the leaf is outside the tree or a node
/// cannot be read.
pub fn inclusion_path(
    leaf: LogIndex,
    size: LogSize,
    node: &mut dyn FnMut(Node) -> Option<Digest>,
) -> Option<Vec<Digest>> {
    if leaf.0 >= size.0 {
        return None;
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0_u64, size.0);
    while end.saturating_sub(start) > 1 {
        let middle = start.checked_add(split(end.saturating_sub(start)))?;
        if leaf.0 < middle {
            path.push(subtree_root(middle, end, node)?);
            end = middle;
        } else {
            path.push(subtree_root(start, middle, node)?);
            start = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// The root over leaves `start..end`, where `start` is a multiple of the next power of two.
fn subtree_root(
    start: u64,
    end: u64,
    node: &mut dyn FnMut(Node) -> Option<Digest>,
) -> Option<Digest> {
    let width = end.checked_sub(start)?;
    if width.is_power_of_two() {
        let level = width.trailing_zeros();
        return node(Node {
            level,
            index: start.checked_shr(level)?,
        });
    }
    let middle = start.checked_add(split(width))?;
    let left = subtree_root(start, middle, node)?;
    let right = subtree_root(middle, end, node)?;
    Some(node_hash(&left, &right))
}

/// The largest power of two smaller than `width` (RFC 9162 §2.1.1), for widths above 1.
fn split(width: u64) -> u64 {
    width.next_power_of_two().checked_shr(1).unwrap_or(1)
}

/// Checks an inclusion path (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(
    leaf: &Digest,
    index: LogIndex,
    size: LogSize,
    path: &[Digest],
    root: &Digest,
) -> bool {
    if index.0 >= size.0 {
        return false;
    }
    let mut node_index = index.0;
    let mut last = size.0.saturating_sub(1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node_index & 1 == 1 || node_index == last {
            hash = node_hash(sibling, &hash);
            while node_index & 1 == 0 && node_index != 0 {
                node_index >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node_index >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u64) -> Vec<Digest> {
        (0..count)
            .map(|number| leaf_hash(&number.to_le_bytes()))
            .collect()
    }

    /// The definition of RFC 9162 §2.1.1, written down as it stands.
    fn root_by_definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let mut k = 1;
                while k * 2 < leaves.len() {
                    k *= 2;
                }
                node_hash(
                    &root_by_definition(&leaves[..k]),
                    &root_by_definition(&leaves[k..]),
                )
            }
        }
    }

    #[test]
    fn roots_and_proofs_of_every_small_tree() {
        for count in 0..=70_u64 {
            let leaves = leaves(count);
            let mut frontier = Frontier::new();
            let mut nodes = Vec::new();
            for leaf in &leaves {
                assert_eq!(nodes.len() as u64, nodes_before(frontier.size().0));
                frontier.append(*leaf, |_, node| nodes.push(node));
            }
            let root = frontier.root();
            assert_eq!(root, root_by_definition(&leaves));
            let peaks = Frontier::peak_nodes(LogSize(count))
                .into_iter()
                .map(|node| nodes[node.position() as usize])
                .collect();
            assert_eq!(Frontier::from_peaks(LogSize(count), peaks), Some(frontier));
            for index in 0..count {
                let mut read = |node: Node| nodes.get(node.position() as usize).copied();
                let path = inclusion_path(LogIndex(index), LogSize(count), &mut read).unwrap();
                let leaf = &leaves[index as usize];
                assert!(verify_inclusion(
                    leaf,
                    LogIndex(index),
                    LogSize(count),
                    &path,
                    &root
                ));
                assert!(!verify_inclusion(
                    leaf,
                    LogIndex(index + 1),
                    LogSize(count),
                    &path,
                    &root
                ));
                assert!(
                    !verify_inclusion(&root, LogIndex(index), LogSize(count), &path, &root)
                        || count == 1
                );
                let mut longer = path.clone();
                longer.push(root);
                assert!(!verify_inclusion(
                    leaf,
                    LogIndex(index),
                    LogSize(count),
                    &longer,
                    &root
                ));
            }
        }
    }

    #[test]
    fn agrees_with_another_implementation() {
        use ct_merkle::mem_backed_tree::MemoryBackedTree;
        let mut oracle = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
        let mut frontier = Frontier::new();
        for number in 0..200_u64 {
            oracle.push(number.to_le_bytes().to_vec());
            frontier.append(leaf_hash(&number.to_le_bytes()), |_, _| {});
            assert_eq!(
                oracle.root().as_bytes().as_slice(),
                frontier.root().as_bytes()
            );
        }
    }
}
