//! Executing a block: which entries become leaves of the order log.

use types::{Digest, Frontier, Mutation, OrderId, RecordedIds, VerifiedBatch, mutated};

/// Ids of orders. Only ever asked for one of them: their order is random, so that nobody can choose ids
/// that are slow to look up, and has no part in anything.
pub type Ids = foldhash::HashSet<OrderId>;

/// What executing a list of batches yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The order log's right edge afterwards: its size and root go into the header.
    pub frontier: Frontier,
    /// The entries that became leaves, in order.
    pub recorded: Vec<Recorded>,
    /// Their ids.
    pub ids: Ids,
    /// Merkle nodes completed by them, in the order of their positions.
    pub nodes: Vec<Digest>,
}

/// An entry that became a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The entry's id.
    pub id: OrderId,
    /// The batch's place in the block.
    pub batch: u32,
    /// The entry's place in the batch.
    pub entry: u32,
}

/// The most levels that the order log's tree has.
const MOST_LEVELS: usize = 64;

/// Executes batches in order on an order log. An entry recorded before, in the branch or in this very
/// block, is skipped: no leaf, no effect (`docs/protocol.md` §3).
pub fn execute(before: &Frontier, branch: &dyn RecordedIds, batches: &[VerifiedBatch]) -> Executed {
    let entries = batches.iter().map(|batch| batch.entries().len()).sum();
    let mut frontier = before.clone();
    let mut recorded = Vec::with_capacity(entries);
    // A leaf and an inner node for each, and those that leaves from before had waited for.
    let mut nodes = Vec::with_capacity(entries.saturating_mul(2).saturating_add(MOST_LEVELS));
    let mut ids = Ids::with_capacity_and_hasher(entries, Default::default());
    for (batch_place, batch) in (0_u32..).zip(batches) {
        let recorded_before = branch.recorded_among(&batch.sought().collect::<Vec<_>>());
        for (place, (id, leaf)) in batch.entries().iter().enumerate() {
            let known = recorded_before.contains(&place) || !ids.insert(*id);
            if known && !mutated(Mutation::RecordAgain) {
                continue;
            }
            frontier.append(*leaf, &mut nodes);
            recorded.push(Recorded {
                id: *id,
                batch: batch_place,
                entry: u32::try_from(place).unwrap_or(u32::MAX),
            });
        }
    }
    Executed {
        frontier,
        recorded,
        ids,
        nodes,
    }
}

/// True when executing the batch on this branch would record at least one entry, at this place or behind it.
pub fn would_record(branch: &dyn RecordedIds, batch: &VerifiedBatch, from: usize) -> bool {
    let mut entries = batch.sought().skip(from);
    entries.any(|order| !branch.is_recorded(order))
}
