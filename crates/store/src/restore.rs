//! Entries that a crash took from the index are read back from the log.

use types::{FullBatch, LogIndex, LogSize, VerifiedBatch};

use crate::{
    disk::Disk,
    error::StoreError,
    finalize::put_entry,
    frame::Position,
    index::{Entries, Space},
    layout::{Run, damaged, number, read_runs, take_number},
    reader::{Reader, read_batch},
};

const WHAT: &str = "a list of recorded entries";

/// Adds what is missing of the entries up to the final head, block by block.
///
/// # Errors
/// When the disk fails, or the index is damaged.
pub(crate) fn restore_entries(reader: &Reader) -> Result<(), StoreError> {
    let index = &*reader.shared.index;
    let mut next = index.entries_end().0;
    let Some(head) = reader.head().filter(|head| next < head.log_size.0) else {
        return Ok(());
    };
    let block = reader.block(head.height)?;
    let block = block.ok_or_else(|| damaged("the final head"))?;
    let mut frontier = reader.frontier_at(LogSize(next))?;
    let mut completed = Vec::new();
    let mut batches = Batches {
        disk: &*reader.shared.disk,
        last: None,
    };
    while next < head.log_size.0 {
        let found = index.last_at_or_below(Space::Entries, &number(next))?;
        let (key, value) = found.ok_or_else(|| damaged(WHAT))?;
        let mut entries = Entries::from_place(LogIndex(next));
        // Where the next run begins in the order log, and from where on entries are missing.
        let (mut start, from) = (take_number(&mut &key[..], WHAT)?, next);
        for run in read_runs(&value)?.1 {
            let known = from.saturating_sub(start).min(run.count.into());
            start += u64::from(run.count);
            if start <= from {
                continue;
            }
            let (full, batch) = batches.of(&run)?;
            let places = (run.entry as usize..).take(run.count as usize);
            for place in places.skip(known as usize) {
                let (id, leaf) = batch.entries().get(place).ok_or_else(|| damaged(WHAT))?;
                put_entry(&mut entries, id, full, place);
                completed.clear();
                frontier.append(*leaf, &mut completed);
                next += 1;
            }
        }
        if next == from {
            return Err(damaged(WHAT));
        }
        index.write_entries(Vec::new(), entries)?;
    }
    let header = block.header();
    if (frontier.size(), frontier.root()) != (header.log_size, header.log_root) {
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
        let last = match self.last.take() {
            Some(last) if last.0 == run.batch => last,
            _ => {
                let full = read_batch(self.disk, run.batch)?;
                let batch = VerifiedBatch::from_own_disk(full.batch.clone());
                (run.batch, full, batch)
            }
        };
        let (_, full, batch) = self.last.insert(last);
        Ok((full, batch))
    }
}
