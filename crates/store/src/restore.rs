//! Entries that a crash took from the index are read back from the log.

use types::{LogIndex, LogSize};

use crate::{
    error::StoreError, finalize::put_entry, index::Entries, layout::damaged, nodes::Nodes,
    reader::Reader, recorded::Recorded,
};

/// So many are added at a time: a block or two of a busy network.
const ENTRIES_AT_ONCE: u64 = 8_192;

/// Adds what is missing of the entries up to the final head.
///
/// # Errors
/// When the disk fails, or the index is damaged.
pub(crate) fn restore_entries(reader: &Reader) -> Result<(), StoreError> {
    let shared = &*reader.shared;
    let mut next = shared.index.entries_end().0;
    let Some(head) = reader.head().filter(|head| next < head.log_size.0) else {
        return Ok(());
    };
    let block = reader.block(head.height)?;
    let block = block.ok_or_else(|| damaged("the final head"))?;
    let mut frontier = Nodes::at(shared, LogSize(next)).frontier()?;
    let mut completed = Vec::new();
    let mut recorded = Recorded::new(shared);
    while next < head.log_size.0 {
        let mut entries = Entries::from_place(LogIndex(next));
        let end = head.log_size.0.min(next + ENTRIES_AT_ONCE);
        recorded.visit(next..end, &mut |found| {
            let (id, leaf) = found.entry.id_and_leaf();
            put_entry(&mut entries, &id, found.entry, found.personal);
            completed.clear();
            frontier.append(leaf, &mut completed);
        })?;
        shared.index.write_entries(Vec::new(), entries)?;
        next = end;
    }
    let header = block.header();
    if (frontier.size(), frontier.root()) != (header.log_size, header.log_root) {
        return Err(damaged("the order log of the index"));
    }
    Ok(())
}
