//! Entries that a crash took from the index are read back from the log.

use types::{FullBatch, Header, LogIndex, LogSize, VerifiedBatch, merkle::nodes_before};

use crate::{
    disk::Disk,
    error::StoreError,
    finalize::put_entry,
    frame::Position,
    index::{Entries, Index, Space},
    layout::{Run, damaged, number, read_runs, take_number},
    reader::{frontier, read_batch},
};

const WHAT: &str = "a list of recorded entries";

/// Adds what is missing of the entries up to the final head, block by block.
///
/// # Errors
/// When the disk fails, or the index is damaged.
pub(crate) fn restore_entries(
    disk: &dyn Disk,
    index: &dyn Index,
    head: &Header,
) -> Result<(), StoreError> {
    let end = index.entries_end();
    if end.0 >= head.log_size.0 {
        return Ok(());
    }
    let mut frontier = frontier(index, LogSize(end.0))?;
    let mut batches = Batches { disk, last: None };
    let mut next = end.0;
    while next < head.log_size.0 {
        let found = index.last_at_or_below(Space::Entries, &number(next))?;
        let (key, value) = found.ok_or_else(|| damaged(WHAT))?;
        let mut known = next.checked_sub(take_number(&mut &key[..], WHAT)?);
        let mut entries = Entries::from_place(LogIndex(next));
        let mut nodes = Vec::new();
        for run in read_runs(&value)?.1 {
            let count = u64::from(run.count);
            let skipped = known.unwrap_or(0).min(count);
            known = known.map(|known| known - skipped);
            if skipped == count {
                continue;
            }
            let (full, batch) = batches.of(&run)?;
            for place in (run.entry as usize..)
                .take(run.count as usize)
                .skip(skipped as usize)
            {
                let (id, leaf) = batch.entries().get(place).ok_or_else(|| damaged(WHAT))?;
                put_entry(&mut entries, id, full, place);
                frontier.append(*leaf, &mut nodes);
                next += 1;
            }
        }
        if nodes.is_empty() {
            return Err(damaged(WHAT));
        }
        let last_node = nodes_before(next) - 1;
        if index.node(last_node)?.is_none() {
            entries.push_nodes(nodes);
        }
        index.write_entries(Vec::new(), entries)?;
    }
    if (frontier.size(), frontier.root()) != (head.log_size, head.log_root) {
        return Err(damaged("the order log of the index"));
    }
    Ok(())
}

/// Reads batches; runs that follow one another are mostly of one.
struct Batches<'a> {
    disk: &'a dyn Disk,
    last: Option<(Position, FullBatch, VerifiedBatch)>,
}

impl Batches<'_> {
    fn of(&mut self, run: &Run) -> Result<(&FullBatch, &VerifiedBatch), StoreError> {
        let is_last = |(position, ..): &(Position, _, _)| *position == run.batch;
        if !self.last.as_ref().is_some_and(is_last) {
            let full = read_batch(self.disk, run.batch)?;
            let batch = VerifiedBatch::from_own_disk(full.batch.clone());
            self.last = Some((run.batch, full, batch));
        }
        let last = self.last.as_ref().ok_or_else(|| damaged(WHAT))?;
        Ok((&last.1, &last.2))
    }
}
