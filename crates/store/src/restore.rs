//! Entries that a crash took from the index are read back from the log.

use types::{LogIndex, LogSize, VerifiedBatch};

use crate::{
    disk::Disk,
    error::StoreError,
    finalize::put_entry,
    index::{Entries, Index, Space},
    layout::{damaged, number, read_runs, take_number},
    reader::{frontier, read_batch},
};

/// Adds what is missing of the entries below a place, block by block.
///
/// # Errors
/// When the disk fails, or the index is damaged.
pub(crate) fn restore_entries(
    disk: &dyn Disk,
    index: &dyn Index,
    size: LogSize,
) -> Result<(), StoreError> {
    const WHAT: &str = "a list of recorded entries";
    let mut next = index.entries_end().0;
    if next >= size.0 {
        return Ok(());
    }
    let mut frontier = frontier(index, LogSize(next))?;
    while next < size.0 {
        let found = index.last_at_or_below(Space::Entries, &number(next))?;
        let (key, value) = found.ok_or_else(|| damaged(WHAT))?;
        let first = take_number(&mut &key[..], WHAT)?;
        let mut entries = Entries::from_place(LogIndex(next));
        let mut nodes = Vec::new();
        let mut place = first;
        for run in read_runs(&value)?.1 {
            let known = next.saturating_sub(place).min(run.count.into());
            place += u64::from(run.count);
            if place <= next {
                continue;
            }
            let full = read_batch(disk, run.batch)?;
            let batch = VerifiedBatch::from_own_disk(full.batch.clone());
            for entry in (run.entry..).take(run.count as usize).skip(known as usize) {
                let hashes = batch.entries().get(entry as usize);
                let (id, leaf) = hashes.ok_or_else(|| damaged(WHAT))?;
                put_entry(&mut entries, id, &full, entry);
                frontier.append(*leaf, &mut nodes);
            }
        }
        if place <= next {
            return Err(damaged(WHAT));
        }
        next = place;
        entries.push_nodes(nodes);
        index.write_entries(Vec::new(), entries)?;
    }
    Ok(())
}
