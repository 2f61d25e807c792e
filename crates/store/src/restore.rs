//! Entries that a crash took from the index are read back from the log.

use types::{Height, LogSize};

use crate::{
    error::StoreError, finalize::put_entry, index::Entries, layout::damaged, nodes::Nodes,
    reader::Reader, recorded::Recorded,
};

/// So many are read at a time: a block or two of a busy network.
const ENTRIES_AT_ONCE: u64 = 8_192;

/// Adds what is missing of the entries up to the final head, block by block, as they were added before: the index
/// counts the pieces that it holds in memory.
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
    let mut recorded = Recorded::with_personal_parts(shared);
    while next < head.log_size.0 {
        let mut blocks: Vec<(Height, Entries)> = Vec::new();
        let end = head.log_size.0.min(next.saturating_add(ENTRIES_AT_ONCE));
        recorded.visit(next..end, &mut |found| {
            let (id, leaf) = found.entry.id_and_leaf();
            frontier.append(leaf, |_, _| {});
            if blocks
                .last()
                .is_none_or(|(height, _)| *height != found.height)
            {
                blocks.push((found.height, shared.index.entries_from(found.index)));
            }
            if let Some((_, entries)) = blocks.last_mut() {
                put_entry(entries, &id, &found.entry, found.personal.as_ref());
            }
        })?;
        for (_, entries) in blocks {
            shared.index.write_entries(Vec::new(), entries)?;
        }
        next = end;
    }
    let header = block.header();
    if (frontier.size(), frontier.root()) != (header.log_size, header.log_root) {
        return Err(damaged("the order log of the index"));
    }
    Ok(())
}
