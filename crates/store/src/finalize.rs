//! Blocks that became final go into the index, in one atomic write and their orders' entries beside it. Where what
//! they are made of is in the log only the writer knows; the rest, which takes longer, any thread can do.

use std::sync::Arc;

use types::{
    BatchId, BlockHash, Certificate, Entry, EntryPlace, Height, LogIndex, LogSize, OrderId,
    PersonalPart, VoteKind,
};

use crate::{
    error::StoreError,
    executed::ExecutedBlock,
    frame::Position,
    index::{Change, Entries, Space},
    layout::{Head, Run, number, put_head, runs_value, two_numbers},
    nodes::put_nodes,
    store::{Shared, Store},
};

/// Blocks that became final, with where the log holds what they are made of: ready for the index. Made by
/// [`Store::stage`], which must be on the writer's thread; [`Indexer::write`] need not.
pub struct Staged {
    blocks: Vec<StagedBlock>,
    /// Where the finality certificate of the last block is.
    certificate: Option<Position>,
    head: Head,
}

struct StagedBlock {
    executed: ExecutedBlock,
    place: Position,
    /// Where its batches are, in the order in which it seals them.
    batches: Vec<Position>,
}

impl Staged {
    /// The final height once it is written.
    pub const fn height(&self) -> Height {
        self.head.height
    }
}

/// Writes into the index what was staged, in the order in which it was.
pub struct Indexer {
    shared: Arc<Shared>,
}

impl Store {
    /// Makes blocks final: [`Store::stage`] and [`Indexer::write`] in one.
    ///
    /// # Errors
    /// When the index cannot be written; the store then takes no more writes.
    pub fn finalize(
        &mut self,
        blocks: Vec<ExecutedBlock>,
        certificate: Option<&Certificate>,
    ) -> Result<(), StoreError> {
        let staged = self.stage(blocks, certificate)?;
        self.indexer().write(staged)
    }

    /// Prepares blocks that became final for the index: a run that follows on what was staged last, lowest
    /// first, and the finality certificate of the last; `None` where a descendant's covers them that is
    /// not final here yet. Readers see them when they are written.
    ///
    /// The blocks, their batches and the certificate have been appended and synced before, or the
    /// index could be ahead of the log.
    ///
    /// # Errors
    /// When the store takes no more writes.
    pub fn stage(
        &mut self,
        blocks: Vec<ExecutedBlock>,
        certificate: Option<&Certificate>,
    ) -> Result<Staged, StoreError> {
        self.check()?;
        assert!(!blocks.is_empty(), "a run has blocks");
        let (mut height, mut size) = self.staged.map_or((Height::GENESIS, LogSize(0)), |head| {
            (head.height, head.log_size)
        });
        let mut hash = self.staged.map(|head| head.hash);
        let mut staged = Vec::with_capacity(blocks.len());
        for executed in blocks {
            let header = executed.block.header();
            assert_eq!(
                header.height,
                height.next(),
                "blocks become final one height after the other"
            );
            assert!(
                hash.is_none_or(|hash| hash == header.parent),
                "a block follows on the final head"
            );
            assert_eq!(
                executed.log_size_before, size,
                "the order log goes on where it ended"
            );
            (height, size, hash) = (header.height, header.log_size, Some(executed.hash));
            staged.push(self.stage_block(executed));
        }
        let finality = certificate.map(|certificate| {
            let certified = (certificate.kind, certificate.height, certificate.block);
            let expected = (VoteKind::Finalize, height, hash.unwrap_or(BlockHash::ZERO));
            assert_eq!(
                certified, expected,
                "the certificate is the finality certificate of the last block"
            );
            let place = self.heights.finality(height, &certificate.block);
            self.durable(place, "the finality certificate")
        });
        let head = Head {
            height,
            hash: hash.unwrap_or(BlockHash::ZERO),
            log_size: size,
            scan_from: self.scan_from(height).to_u64(),
            durable: self.log.synced().to_u64(),
        };
        self.staged = Some(head);
        self.heights.forget_up_to(height);
        Ok(Staged {
            blocks: staged,
            certificate: finality,
            head,
        })
    }

    fn stage_block(&self, executed: ExecutedBlock) -> StagedBlock {
        let height = executed.block.header().height;
        let place = self.durable(self.heights.block(height, &executed.hash), "the block");
        let batches = executed.block.block.batches.iter();
        StagedBlock {
            place,
            batches: batches.map(|batch| self.stage_batch(batch)).collect(),
            executed,
        }
    }

    /// The oldest record that a restart still needs once blocks are final up to `height`.
    fn scan_from(&self, height: Height) -> Position {
        let published = self.shared.published();
        let live = published.live.values().filter(|live| !live.staged);
        let oldest = live
            .map(|live| live.first)
            .chain(self.heights.oldest_above(height));
        // What is not synced is not in the log after a crash, so it cannot be where reading begins.
        oldest
            .chain([self.log.synced()])
            .min()
            .unwrap_or(Position::start_of(0))
    }

    fn stage_batch(&self, batch: &BatchId) -> Position {
        let mut published = self.shared.publish();
        let place = published.live.get_mut(batch).map(|live| {
            live.staged = true;
            if live.latest < self.log.synced() {
                live.latest
            } else {
                live.first
            }
        });
        self.durable(place, "the batch")
    }

    fn durable(&self, position: Option<Position>, what: &str) -> Position {
        assert!(
            position.is_some_and(|position| position < self.log.synced()),
            "{what} was appended and synced before it became final"
        );
        position.unwrap_or(self.log.synced())
    }
}

impl StagedBlock {
    fn batches(&self) -> impl Iterator<Item = &BatchId> {
        self.executed.block.block.batches.iter()
    }

    /// What the block brings into the index, apart from its orders.
    fn collect(&self, changes: &mut Vec<Change>) {
        let executed = &self.executed;
        let header = executed.block.header();
        let height = header.height;
        let value = [
            number(self.place.to_u64()).as_slice(),
            executed.seed.as_ref(),
        ]
        .concat();
        changes.push(Change::put(Space::Blocks, number(height.0), value));
        changes.push(Change::put(
            Space::Hashes,
            executed.hash.as_ref(),
            number(height.0),
        ));
        for (batch, position) in self.batches().zip(&self.batches) {
            let value = two_numbers(position.to_u64(), height.0);
            changes.push(Change::put(Space::Batches, batch.as_ref(), value));
        }
        let (before, count) = (executed.log_size_before, executed.recorded.len() as u64);
        assert_eq!(
            header.log_size,
            before.plus(count),
            "the header counts what was recorded"
        );
        if count > 0 {
            let runs = runs_of(executed.recorded.places(), &self.batches);
            changes.push(Change::put(
                Space::Entries,
                number(before.0),
                runs_value(height, &runs),
            ));
        }
        put_nodes(before..header.log_size, &executed.nodes, changes);
    }
}

impl Indexer {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Puts what was staged into the index: the entries, and all else in one atomic write that moves the final head,
    /// and with it the place from which a restart reads the log. Not synced: a crash may undo either, and the
    /// restart then reads more of the log.
    ///
    /// # Errors
    /// When the index cannot be written; the store then takes no more writes.
    pub fn write(&self, staged: Staged) -> Result<(), StoreError> {
        let Staged {
            blocks,
            certificate,
            head,
        } = staged;
        let first = blocks.first().map(|block| block.executed.log_size_before);
        let first = LogIndex(first.unwrap_or(head.log_size).0);
        let mut entries = self.shared.index.entries_from(first);
        entries.reserve(
            blocks
                .iter()
                .map(|block| block.executed.recorded.len())
                .sum(),
        );
        let mut changes = Vec::new();
        for block in &blocks {
            block.collect(&mut changes);
            collect_entries(&block.executed, &mut entries);
        }
        changes.extend(certificate.map(|position| {
            Change::put(
                Space::Certificates,
                number(head.height.0),
                number(position.to_u64()),
            )
        }));
        changes.push(put_head(&head));
        let written = self.shared.index.write_entries(changes, entries);
        self.shared.or_poison(written.map_err(StoreError::from))?;
        // Readers look at live batches before final ones, so a batch is never in neither.
        let mut published = self.shared.publish();
        published.head = Some(head);
        for batch in blocks.iter().flat_map(StagedBlock::batches) {
            published.live.remove(batch);
        }
        Ok(())
    }
}

/// Where each order is, and whose it is.
fn collect_entries(block: &ExecutedBlock, entries: &mut Entries) {
    let recorded = &block.recorded;
    for (id, at) in recorded.ids().iter().zip(recorded.places()) {
        let full = &block.batches[at.batch as usize];
        let place = at.entry as usize;
        let entry = &full.batch.entries[place];
        put_entry(entries, id, entry, full.personal_part(place));
    }
}

/// Adds the next recorded entry.
pub(crate) fn put_entry(
    entries: &mut Entries,
    id: &OrderId,
    entry: &Entry,
    personal: Option<&PersonalPart>,
) {
    let customer = personal.map(|personal| personal.customer.as_str());
    let order = entry.order();
    entries.push(id, order.placed_at, order.receiver.as_str(), customer);
}

/// Joins entries that follow one another in one batch.
fn runs_of(recorded: &[EntryPlace], positions: &[Position]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for entry in recorded {
        let batch = positions[entry.batch as usize];
        match runs.last_mut() {
            Some(run) if run.batch == batch && run.entry + run.count == entry.entry => {
                run.count += 1
            }
            _ => runs.push(Run {
                batch,
                entry: entry.entry,
                count: 1,
            }),
        }
    }
    runs
}
