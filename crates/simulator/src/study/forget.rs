//! Members of a long study without liars forget what has long been final everywhere, so that memory does
//! not grow with every height: the index drops its keys, the disk gives the bytes back. No honest member
//! of a study ever asks for so old a block; one that did would stop, and the study would say so.

use store::{
    Index, IndexError, MemoryIndex,
    index::{Change, Space},
};
use types::merkle::{LOWEST_KEPT_LEVEL, nodes_before};

use crate::host::Host;

/// So many heights are kept below the one that is final everywhere.
pub(super) const KEPT: u64 = 64;

/// Forgets what is below a final height; `log_size` orders are recorded up to it.
pub(super) fn forget(host: &Host, height: u64, log_size: u64) -> Result<(), IndexError> {
    let index = &host.index;
    let mut changes = Vec::new();
    let mut oldest = u64::MAX;
    let mut sweep = |space: Space, is_old: &dyn Fn(&[u8], &[u8]) -> bool, place: bool| {
        for (key, value) in index.range(space, &[], &[0xff; 64], usize::MAX)? {
            if is_old(&key, &value) {
                changes.push(Change::remove(space, key));
            } else if place {
                oldest = oldest.min(number_at(&value, 0));
            }
        }
        Ok::<_, IndexError>(())
    };
    // The values of the index, as docs/storage-format.md tells.
    let by_height = |key: &[u8], _: &[u8]| number_at(key, 0) < height;
    sweep(Space::Blocks, &by_height, true)?;
    sweep(Space::Certificates, &by_height, true)?;
    sweep(
        Space::Batches,
        &|_, value| number_at(value, 8) < height,
        true,
    )?;
    sweep(
        Space::Hashes,
        &|_, value| number_at(value, 0) < height,
        false,
    )?;
    sweep(
        Space::Orders,
        &|_, value| number_at(value, 0) < log_size,
        false,
    )?;
    let by_order = |key: &[u8], _: &[u8]| number_at(key, key.len() - 8) < log_size;
    sweep(Space::Customers, &by_order, false)?;
    sweep(Space::Receivers, &by_order, false)?;
    // The leaves of the last subtree, which is not whole, are read from the log.
    let subtrees = log_size >> LOWEST_KEPT_LEVEL;
    let edge = (subtrees << LOWEST_KEPT_LEVEL).to_be_bytes();
    let needed = index.last_at_or_below(Space::Entries, &edge)?;
    let needed = needed.map_or(0, |(key, _)| number_at(&key, 0));
    for (key, value) in index.range(Space::Entries, &[], &[0xff; 64], usize::MAX)? {
        if number_at(&key, 0) < needed && number_at(&value, 0) < height {
            changes.push(Change::remove(Space::Entries, key));
        } else {
            let runs = value.get(8..).unwrap_or_default().chunks_exact(16);
            let batches = runs.map(|run| number_at(run, 0));
            oldest = batches.fold(oldest, u64::min);
        }
    }
    changes.extend(old_nodes(index, subtrees)?);
    index.write(changes)?;
    if oldest != u64::MAX {
        // A place in the log is the segment's number and the offset in it.
        let segment = u32::try_from(oldest >> 32).unwrap_or(0);
        host.disk.forget_before(segment.saturating_sub(1));
    }
    Ok(())
}

/// The nodes, of those kept of the order log's tree, that no larger tree's right edge needs: they are
/// numbered as if the subtrees of the lowest level were the leaves.
fn old_nodes(index: &MemoryIndex, subtrees: u64) -> Result<Vec<Change>, IndexError> {
    let before = nodes_before(subtrees);
    let edge = right_edge(subtrees);
    let keys = index.range(Space::Nodes, &[], &before.to_be_bytes(), usize::MAX)?;
    let mut changes = Vec::new();
    for (key, value) in keys {
        let first = number_at(&key, 0);
        let end = first + value.len() as u64 / 32;
        let is_needed = end > before || edge.iter().any(|node| (first..end).contains(node));
        if !is_needed {
            changes.push(Change::remove(Space::Nodes, key));
        }
    }
    Ok(changes)
}

/// The places of the roots of the whole trees that a tree of so many leaves is made of. Each is the last
/// node that its last leaf completed.
fn right_edge(size: u64) -> Vec<u64> {
    let mut leaves = 0;
    let mut edge = Vec::new();
    for power in (0..u64::BITS).rev() {
        let tree = 1 << power;
        if size & tree != 0 {
            leaves += tree;
            edge.push(nodes_before(leaves) - 1);
        }
    }
    edge
}

fn number_at(bytes: &[u8], place: usize) -> u64 {
    let mut number = [0; 8];
    if let Some(found) = bytes.get(place..place + 8) {
        number.copy_from_slice(found);
    }
    u64::from_be_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_edge_of_small_trees() {
        assert_eq!(right_edge(0), Vec::<u64>::new());
        assert_eq!(right_edge(1), [0]);
        // Leaves 0 and 1 are nodes 0 and 1, their parent is 2.
        assert_eq!(right_edge(2), [2]);
        assert_eq!(right_edge(3), [2, 3]);
        assert_eq!(right_edge(4), [6]);
        assert_eq!(right_edge(7), [6, 9, 10]);
    }
}
