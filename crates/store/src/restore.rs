//! Entries that a crash took from the index are read back from the log.

use types::{LogIndex, LogSize};

use crate::{
    disk::Disk,
    error::StoreError,
    finalize::put_entry,
    index::{Entries, Index, Space},
    layout::{damaged, number, read_runs, take_number},
    reader::read_batch,
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
    while next < size.0 {
        let found = index.last_at_or_below(Space::Entries, &number(next))?;
        let (key, value) = found.ok_or_else(|| damaged(WHAT))?;
        let first = take_number(&mut &key[..], WHAT)?;
        let mut entries = Entries::from_place(LogIndex(next));
        let mut place = first;
        for run in read_runs(&value)?.1 {
            let known = next.saturating_sub(place).min(run.count.into());
            place += u64::from(run.count);
            if place <= next {
                continue;
            }
            let full = read_batch(disk, run.batch)?;
            for entry in (run.entry..).take(run.count as usize).skip(known as usize) {
                let id = full.batch.entries.get(entry as usize).map(types::Entry::id);
                put_entry(
                    &mut entries,
                    &id.ok_or_else(|| damaged(WHAT))?,
                    &full,
                    entry,
                );
            }
        }
        if place <= next {
            return Err(damaged(WHAT));
        }
        next = place;
        index.write_entries(Vec::new(), entries)?;
    }
    Ok(())
}
