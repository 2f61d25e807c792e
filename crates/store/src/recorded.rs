//! Reading what the order log records out of the batches that sealed it.

use std::ops::Range;

use types::{Entry, Height, LogIndex, PersonalPart};

use crate::{
    error::StoreError,
    frame::Position,
    index::Space,
    layout::{RUNS, Run, damaged, number, read_runs, take_number},
    record::{EncodedBatch, Parts},
    store::Shared,
};

/// A recorded entry.
pub(crate) struct Found {
    /// Its place in the order log.
    pub(crate) index: LogIndex,
    /// The height of the block that sealed it.
    pub(crate) height: Height,
    pub(crate) entry: Entry,
    /// `None` where erased or not held.
    pub(crate) personal: Option<PersonalPart>,
}

/// Reads recorded entries, and keeps the block and the batch read last: entries next to each other are mostly in one.
pub(crate) struct Recorded<'a> {
    shared: &'a Shared,
    parts: Parts,
    block: Option<SealedRuns>,
    batch: Option<(Position, EncodedBatch)>,
}

/// Where the entries are that one block recorded.
struct SealedRuns {
    height: Height,
    /// Their places in the order log.
    places: Range<u64>,
    /// Each with the place of its first entry.
    runs: Vec<(u64, Run)>,
}

impl<'a> Recorded<'a> {
    pub(crate) const fn with_personal_parts(shared: &'a Shared) -> Self {
        Self::new(shared, Parts::All)
    }

    /// Personal parts are neither read nor found.
    pub(crate) const fn without_personal_parts(shared: &'a Shared) -> Self {
        Self::new(shared, Parts::Public)
    }

    const fn new(shared: &'a Shared, parts: Parts) -> Self {
        Self {
            shared,
            parts,
            block: None,
            batch: None,
        }
    }

    /// Visits the entries at these places of the order log, which are all final, one after the other.
    ///
    /// # Errors
    /// When the disk fails, or the index is damaged.
    pub(crate) fn visit(
        &mut self,
        places: Range<u64>,
        visit: &mut dyn FnMut(Found),
    ) -> Result<(), StoreError> {
        for index in places {
            let (height, position, place) = self.locate(index)?;
            let batch = self.batch(position)?;
            let read = batch.entry(place).map_err(|fault| fault.at(position))?;
            let (entry, personal) = read.ok_or_else(|| damaged(RUNS))?;
            visit(Found {
                index: LogIndex(index),
                height,
                entry,
                personal,
            });
        }
        Ok(())
    }

    /// The height of the block that recorded an entry, its batch, and its place in that.
    fn locate(&mut self, index: u64) -> Result<(Height, Position, u32), StoreError> {
        let block = match self.block.take() {
            Some(block) if block.places.contains(&index) => block,
            _ => self.block_of(index)?,
        };
        let block = self.block.insert(block);
        let runs_up_to = block.runs.partition_point(|(first, _)| *first <= index);
        let run = block.runs[..runs_up_to].last();
        let (first, run) = run.ok_or_else(|| damaged(RUNS))?;
        let before = u32::try_from(index - first).unwrap_or(u32::MAX);
        Ok((block.height, run.batch, run.entry.saturating_add(before)))
    }

    /// The entries of the block that recorded this one.
    fn block_of(&self, index: u64) -> Result<SealedRuns, StoreError> {
        let entries = &self.shared.index;
        let found = entries.last_at_or_below(Space::Entries, &number(index))?;
        let (key, value) = found.ok_or_else(|| damaged(RUNS))?;
        let first = take_number(&mut &key[..], RUNS)?;
        let (height, runs) = read_runs(&value)?;
        let mut end = first;
        let runs = runs.map(|run| {
            let first = end;
            end = end.saturating_add(run.count.into());
            (first, run)
        });
        let runs = runs.collect();
        let places = first..end;
        if !places.contains(&index) {
            return Err(damaged(RUNS));
        }
        Ok(SealedRuns {
            height,
            places,
            runs,
        })
    }

    fn batch(&mut self, position: Position) -> Result<&mut EncodedBatch, StoreError> {
        let batch = match self.batch.take() {
            Some(batch) if batch.0 == position => batch,
            _ => {
                let read = EncodedBatch::read(&*self.shared.disk, position, self.parts);
                (position, read.map_err(|fault| fault.at(position))?)
            }
        };
        Ok(&mut self.batch.insert(batch).1)
    }
}
