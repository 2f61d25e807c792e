//! Blocks that became final go into the index, in one atomic write.

use std::collections::BTreeSet;

use types::{
    BatchId, BlockHash, Certificate, Height, LogIndex, LogSize, VoteKind, merkle::nodes_before,
};

use crate::{
    error::StoreError,
    executed::{ExecutedBlock, RecordedEntry},
    frame::Position,
    index::{Change, Entries, Space},
    layout::{Head, NODES_A_VALUE, Run, number, put_head, runs_value, two_numbers},
    store::Store,
};

impl Store {
    /// Makes blocks final: a run that follows on the final head, lowest first, and the finality
    /// certificate of the last; `None` where a descendant's covers them that is not final here yet.
    /// One atomic write of the index moves the final head, and with it the place from which a restart
    /// reads the log. Not synced: a crash may undo it, and the restart then reads more of the log.
    ///
    /// The blocks, their batches and the certificate have been appended and synced before, or the
    /// index could be ahead of the log.
    ///
    /// # Errors
    /// When the index cannot be written; the store then takes no more writes.
    pub fn finalize(
        &mut self,
        blocks: &[ExecutedBlock],
        certificate: Option<&Certificate>,
    ) -> Result<(), StoreError> {
        self.check()?;
        let Some(last) = blocks.last() else {
            return Ok(());
        };
        if let Some(certificate) = certificate {
            let certified = (certificate.kind, certificate.height, certificate.block);
            let expected = (VoteKind::Finalize, last.block.header().height, last.hash);
            assert_eq!(
                certified, expected,
                "the certificate is the finality certificate of the last block"
            );
        }
        let (changes, entries, head) = self.collect(blocks, certificate);
        let written = self.shared.index.write_entries(changes, entries);
        let written = written.map_err(StoreError::from);
        self.or_poison(written)?;
        // Readers look at live batches before final ones, so a batch is never in neither.
        let mut published = self.shared.publish();
        published.head = Some(head);
        for batch in blocks.iter().flat_map(|block| &block.block.block.batches) {
            published.live.remove(batch);
        }
        drop(published);
        self.heights.forget_up_to(head.height);
        Ok(())
    }

    fn collect(
        &self,
        blocks: &[ExecutedBlock],
        certificate: Option<&Certificate>,
    ) -> (Vec<Change>, Entries, Head) {
        let mut changes = Vec::new();
        let head = self.shared.published().head;
        let (mut height, mut size) = head.map_or((Height::GENESIS, LogSize(0)), |head| {
            (head.height, head.log_size)
        });
        let mut hash = head.map(|head| head.hash);
        let mut entries = Entries::from_place(LogIndex(size.0));
        for block in blocks {
            let header = block.block.header();
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
                block.log_size_before, size,
                "the order log goes on where it ended"
            );
            self.collect_block(block, &mut changes);
            collect_entries(block, &mut entries);
            (height, size, hash) = (header.height, header.log_size, Some(block.hash));
        }
        if let Some(certificate) = certificate {
            let finality = self.durable(
                self.heights.finality(height, &certificate.block),
                "the finality certificate",
            );
            changes.push(Change::put(
                Space::Certificates,
                number(height.0),
                number(finality.to_u64()),
            ));
        }
        let head = Head {
            height,
            hash: hash.unwrap_or(BlockHash::ZERO),
            log_size: size,
            scan_from: self.scan_from(blocks, height).to_u64(),
            durable: self.log.synced().to_u64(),
        };
        changes.push(put_head(&head));
        (changes, entries, head)
    }

    fn collect_block(&self, block: &ExecutedBlock, changes: &mut Vec<Change>) {
        let header = block.block.header();
        let height = header.height;
        let at = self.durable(self.heights.block(height, &block.hash), "the block");
        let value = [number(at.to_u64()).as_slice(), block.seed.as_ref()].concat();
        changes.push(Change::put(Space::Blocks, number(height.0), value));
        changes.push(Change::put(
            Space::Hashes,
            block.hash.as_ref(),
            number(height.0),
        ));
        let positions: Vec<Position> = block
            .block
            .block
            .batches
            .iter()
            .map(|batch| self.durable_batch(batch))
            .collect();
        for (batch, position) in block.block.block.batches.iter().zip(&positions) {
            let value = two_numbers(position.to_u64(), height.0);
            changes.push(Change::put(Space::Batches, batch.as_ref(), value));
        }
        let (before, count) = (block.log_size_before, block.recorded.len() as u64);
        assert_eq!(
            header.log_size,
            before.plus(count),
            "the header counts what was recorded"
        );
        if count > 0 {
            let runs = runs_of(&block.recorded, &positions);
            changes.push(Change::put(
                Space::Entries,
                number(before.0),
                runs_value(height, &runs),
            ));
        }
        let first_node = nodes_before(before.0);
        let completed = nodes_before(header.log_size.0) - first_node;
        assert_eq!(
            block.nodes.len() as u64,
            completed,
            "the leaves complete so many nodes"
        );
        for (piece, nodes) in block.nodes.chunks(NODES_A_VALUE).enumerate() {
            let key = first_node + (piece * NODES_A_VALUE) as u64;
            let value: Vec<u8> = nodes.iter().flat_map(|node| *node.as_bytes()).collect();
            changes.push(Change::put(Space::Nodes, number(key), value));
        }
    }

    /// The oldest record that a restart still needs once blocks are final up to `height`.
    fn scan_from(&self, blocks: &[ExecutedBlock], height: Height) -> Position {
        let published = self.shared.published();
        let sealed: BTreeSet<&BatchId> = blocks
            .iter()
            .flat_map(|block| &block.block.block.batches)
            .collect();
        let live = published.live.iter().filter(|(id, _)| !sealed.contains(id));
        let oldest = live
            .map(|(_, live)| live.first)
            .chain(self.heights.oldest_above(height));
        // What is not synced is not in the log after a crash, so it cannot be where reading begins.
        oldest
            .chain([self.log.synced()])
            .min()
            .unwrap_or(Position::start_of(0))
    }

    fn durable_batch(&self, batch: &BatchId) -> Position {
        let live = self.shared.published().live.get(batch).copied();
        let place = live.map(|live| {
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

/// Where each order is, and whose it is.
fn collect_entries(block: &ExecutedBlock, entries: &mut Entries) {
    for recorded in &block.recorded {
        let full = &block.batches[recorded.batch as usize];
        let place = recorded.entry as usize;
        let order = full.batch.entries[place].order();
        let personal = full.personal.get(place).and_then(Option::as_ref);
        let customer = personal.map(|personal| personal.customer.as_str());
        entries.push(&recorded.id, order.receiver.as_str(), customer);
    }
}

/// Joins entries that follow one another in one batch.
fn runs_of(recorded: &[RecordedEntry], positions: &[Position]) -> Vec<Run> {
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
