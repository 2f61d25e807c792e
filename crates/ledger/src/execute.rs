//! Executing a block: which entries become leaves of the order log.

use std::sync::Arc;

use types::{
    Digest, EntryPlace, Frontier, Mutation, RecordedEntries, RecordedIds, VerifiedBatch,
    merkle::LOWEST_KEPT_LEVEL, mutated,
};

/// What executing a list of batches yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The order log's right edge afterwards: its size and root go into the header.
    pub frontier: Frontier,
    /// The entries that became leaves, in order.
    pub recorded: Arc<RecordedEntries>,
    /// Merkle nodes completed by them, in the order of their positions: those of the levels that are kept.
    pub nodes: Vec<Digest>,
}

/// Executes batches in order on an order log. An entry recorded before, in the branch or in this very
/// block, is skipped: no leaf, no effect (`docs/protocol.md` §3).
pub fn execute(before: &Frontier, branch: &dyn RecordedIds, batches: &[VerifiedBatch]) -> Executed {
    let entries = batches.iter().map(|batch| batch.entries().len()).sum();
    let mut frontier = before.clone();
    let mut recorded = RecordedEntries::with_capacity(entries);
    let mut nodes = Vec::new();
    for (batch, verified) in (0_u32..).zip(batches) {
        let before = branch.recorded_among(&verified.sought().collect::<Vec<_>>());
        for (entry, (id, leaf)) in (0_u32..).zip(verified.entries()) {
            let known = before.contains(&(entry as usize)) && !mutated(Mutation::RecordAgain);
            if known || !recorded.insert(*id, EntryPlace { batch, entry }) {
                continue;
            }
            frontier.append(*leaf, |level, node| {
                if level >= LOWEST_KEPT_LEVEL {
                    nodes.push(node);
                }
            });
        }
    }
    Executed {
        frontier,
        recorded: Arc::new(recorded),
        nodes,
    }
}

/// True when executing the batch on this branch would record at least one entry, at this place or behind it.
pub fn would_record(branch: &dyn RecordedIds, batch: &VerifiedBatch, from: usize) -> bool {
    let mut entries = batch.sought().skip(from);
    entries.any(|order| !branch.is_recorded(order))
}
