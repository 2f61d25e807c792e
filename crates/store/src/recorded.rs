//! Reading what the order log records out of the batches that sealed it.

use std::ops::Range;

use types::{Entry, FullBatch, Height, LogIndex, PersonalPart};

use crate::{
    error::StoreError,
    frame::Position,
    index::Space,
    layout::{RUNS, Run, damaged, number, read_runs, take_number},
    record,
    store::Shared,
};

/// A recorded entry, where it was read.
pub(crate) struct Found<'a> {
    /// Its place in the order log.
    pub(crate) index: LogIndex,
    /// The height of the block that sealed it.
    pub(crate) height: Height,
    pub(crate) entry: &'a Entry,
    /// `None` where erased or not held.
    pub(crate) personal: Option<&'a PersonalPart>,
}

/// Reads recorded entries, and keeps the batch read last: entries next to each other are mostly in one.
pub(crate) struct Recorded<'a> {
    shared: &'a Shared,
    personal_parts: bool,
    last: Option<(Position, FullBatch)>,
}

impl<'a> Recorded<'a> {
    pub(crate) const fn with_personal_parts(shared: &'a Shared) -> Self {
        Self {
            shared,
            personal_parts: true,
            last: None,
        }
    }

    /// Personal parts are neither read nor found.
    pub(crate) const fn without_personal_parts(shared: &'a Shared) -> Self {
        Self {
            shared,
            personal_parts: false,
            last: None,
        }
    }

    /// Visits the entries at these places of the order log, which are all final, one after the other.
    ///
    /// # Errors
    /// When the disk fails, or the index is damaged.
    pub(crate) fn visit(
        &mut self,
        places: Range<u64>,
        visit: &mut dyn FnMut(Found<'_>),
    ) -> Result<(), StoreError> {
        let mut indexes = places;
        while !indexes.is_empty() {
            let (height, runs) = self.runs_of(&indexes)?;
            for run in runs {
                let full = self.batch(run.batch)?;
                let places = (run.entry as usize..).take(run.count as usize);
                for (place, index) in places.zip(indexes.by_ref()) {
                    let entry = full.batch.entries.get(place);
                    visit(Found {
                        index: LogIndex(index),
                        height,
                        entry: entry.ok_or_else(|| damaged(RUNS))?,
                        personal: full.personal_part(place),
                    });
                }
            }
        }
        Ok(())
    }

    /// Where the first of these entries are, those of its block; and the block's height.
    fn runs_of(&self, indexes: &Range<u64>) -> Result<(Height, Vec<Run>), StoreError> {
        let index = indexes.start;
        let mut wanted = indexes.end - index;
        let found = self
            .shared
            .index
            .last_at_or_below(Space::Entries, &number(index))?;
        let (key, value) = found.ok_or_else(|| damaged(RUNS))?;
        let mut before = index - take_number(&mut &key[..], RUNS)?;
        let (height, runs) = read_runs(&value)?;
        let mut rest = Vec::new();
        for run in runs {
            let known = u32::try_from(before).unwrap_or(u32::MAX).min(run.count);
            before -= u64::from(known);
            if known < run.count {
                let count = run.count - known;
                rest.push(Run {
                    entry: run.entry.saturating_add(known),
                    count,
                    ..run
                });
                wanted = wanted.saturating_sub(count.into());
            }
            if wanted == 0 {
                break;
            }
        }
        if rest.is_empty() {
            return Err(damaged(RUNS));
        }
        Ok((height, rest))
    }

    fn batch(&mut self, position: Position) -> Result<&FullBatch, StoreError> {
        let last = match self.last.take() {
            Some(last) if last.0 == position => last,
            _ => {
                let read = if self.personal_parts {
                    record::read_batch
                } else {
                    record::read_public_batch
                };
                let full = read(&*self.shared.disk, position);
                (position, full.map_err(|fault| fault.at(position))?)
            }
        };
        Ok(&self.last.insert(last).1)
    }
}
