//! Where the orders, customers and receivers of the final chain are: sorted runs of pairs.
//!
//! Every final order brings up to three pairs of a hash and its place in the order log. A general
//! sorted tree takes microseconds for each such random key; here the pairs of a block are sorted once,
//! and runs of about equal length are merged, so that a pair is written a handful of times, always one
//! after the other (the idea of a log-structured merge tree, P. O'Neil and others 1996). Each run
//! holds the pairs of consecutive places, so the names of its files say what is there: no list of
//! files has to be kept in step with them. Runs are never changed, only merged by a thread of its
//! own. Each knows when its orders were placed, so nearly all are passed over in search of a new one.

mod file;
mod filter;
mod merge;
mod page;
mod run;
mod times;
mod worker;

use std::{
    fs, io,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
    sync::Arc,
};

use run::Run;
pub(super) use run::{CUSTOMERS, ORDERS, Pair, Piece, RECEIVERS, TABLES};
pub(super) use times::Times;
use types::{Sought, UnixMillis};
use worker::Worker;

use super::entries::KeyHasher;

/// What so many orders in memory brought goes to a file: seconds of work of a busy network.
const ORDERS_TO_FLUSH: u64 = 131_072;

/// What was written in so many pieces goes to a file as well, however few the orders are: a restart reads it back
/// from the log piece by piece.
const PIECES_TO_FLUSH: usize = 1_024;

/// When the oldest of so many neighbours is at most half as long as the others together, they are merged: a
/// pair is then written 2.5 times on the way to ten million, and there are 6 runs on average.
const NEIGHBOURS: usize = 8;

/// All runs there are.
pub(super) struct Runs {
    worker: Worker,
}

impl Runs {
    /// The runs in a folder, made if it does not exist. Files that are damaged, left over, without
    /// their predecessors or of another secret than these are removed: what they held is to be added again.
    ///
    /// # Errors
    /// When the disk fails, or the system has no randomness.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let (hasher, runs) = file::open_all(folder)?;
        let hasher = hasher.map_or_else(KeyHasher::random, Ok)?;
        let worker = Worker::start(folder.to_path_buf(), hasher, runs)?;
        Ok(Self { worker })
    }

    /// Makes the keys.
    pub(super) fn hasher(&self) -> KeyHasher {
        self.worker.hasher()
    }

    /// The place that follows on all that are here.
    pub(super) fn end(&self) -> u64 {
        self.worker.list().last().map_or(0, |run| run.places().end)
    }

    /// Adds a piece. What is here already, because the files are ahead of what the caller remembers, is passed
    /// over.
    ///
    /// # Errors
    /// When places are missing in between, or a file could not be written in the meantime; then no more
    /// is taken.
    pub(super) fn add(&self, piece: Piece) -> io::Result<()> {
        match piece.after(self.end())? {
            Some(piece) => self.worker.add(Run::in_memory(piece)),
            None => Ok(()),
        }
    }

    /// The place of each of these orders that has one.
    ///
    /// # Errors
    /// When a file cannot be read or is damaged.
    pub(super) fn places_of_orders(&self, orders: &[Sought<'_>]) -> io::Result<Vec<Option<u64>>> {
        let mut places: Vec<Option<u64>> = vec![None; orders.len()];
        let mut keys: Vec<Option<u128>> = vec![None; orders.len()];
        let mut found = Vec::new();
        let (hasher, time) = (self.hasher(), time_of(orders));
        let list = self.worker.list();
        let runs = list.iter().filter(|run| run.times().may_hold_any(&time));
        // Run by run: where one filter is in memory is looked up for many keys at a time.
        for run in runs {
            for ((order, key), place) in orders.iter().zip(&mut keys).zip(&mut places) {
                if order.placed_at.is_some_and(|at| !run.times().may_hold(at)) {
                    continue;
                }
                let key = *key.get_or_insert_with(|| hasher.of_id(order.id));
                if run.may_hold(key) {
                    let at = |place| Pair { key, place };
                    run.range(ORDERS, at(0), at(u64::MAX), 1, &mut found)?;
                    let least = found.drain(..).map(|pair| pair.place);
                    *place = least.chain(*place).min();
                }
            }
        }
        Ok(places)
    }

    /// The first `limit` pairs of a table from one to another, both included.
    ///
    /// # Errors
    /// When a file cannot be read or is damaged.
    pub(super) fn range(
        &self,
        table: usize,
        from: Pair,
        to: Pair,
        limit: usize,
    ) -> io::Result<Vec<Pair>> {
        let mut found = Vec::new();
        for run in self.worker.list().iter() {
            run.range(table, from, to, limit, &mut found)?;
        }
        found.sort_unstable();
        found.truncate(limit);
        Ok(found)
    }
}

/// The time in which all of these were placed: where it is not known of one of them, at any.
fn time_of(orders: &[Sought<'_>]) -> RangeInclusive<UnixMillis> {
    let any = UnixMillis(0)..=UnixMillis(u64::MAX);
    let first = orders
        .iter()
        .map(|order| order.placed_at.unwrap_or(*any.start()));
    let last = orders
        .iter()
        .map(|order| order.placed_at.unwrap_or(*any.end()));
    match (first.min(), last.max()) {
        (Some(first), Some(last)) => first..=last,
        _ => any,
    }
}

/// The neighbours that are to be merged into one first, if any are, the oldest such: see [`NEIGHBOURS`].
fn to_merge(runs: &[Arc<Run>]) -> Option<&[Arc<Run>]> {
    runs.windows(NEIGHBOURS).find(|window| {
        let length = |runs: &[Arc<Run>]| runs.iter().map(|run| run.len()).sum::<u64>();
        let (oldest, others) = window.split_at(1);
        length(oldest) <= length(others) / 2
    })
}

fn path_of(folder: &Path, places: &Range<u64>) -> PathBuf {
    folder.join(format!("{:016}-{:016}.pairs", places.start, places.end))
}
