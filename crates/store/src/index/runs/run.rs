//! One run: the pairs of consecutive places of the order log, sorted, in memory or in a file.

use std::{io, ops::Range, sync::Arc};

use super::{file::File, filter::Filter, times::Times};

/// How many kinds of pairs there are: orders, customers, receivers.
pub(in super::super) const TABLES: usize = 3;

/// The table of orders: the only one that a filter is kept for, since it alone is asked for keys that
/// are mostly not there.
pub(in super::super) const ORDERS: usize = 0;
/// The table of customers.
pub(in super::super) const CUSTOMERS: usize = 1;
/// The table of receivers.
pub(in super::super) const RECEIVERS: usize = 2;

/// A hash and a place in the order log. In 24 bytes: 16 of the hash would be aligned to 16 otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C, packed(8))]
pub(in super::super) struct Pair {
    /// The hash.
    pub(in super::super) key: u128,
    /// The place.
    pub(in super::super) place: u64,
}

/// How many bytes a pair takes as a key of the index.
const PAIR_BYTES: usize = 24;

impl Pair {
    /// The key and the place, so that the bytes sort as the pairs do.
    pub(in super::super) fn to_bytes(self) -> [u8; PAIR_BYTES] {
        let mut bytes = [0; PAIR_BYTES];
        bytes[..16].copy_from_slice(&self.key.to_be_bytes());
        bytes[16..].copy_from_slice(&self.place.to_be_bytes());
        bytes
    }

    /// From those bytes.
    pub(in super::super) fn from_bytes(bytes: &[u8; PAIR_BYTES]) -> Self {
        let (mut key, mut place) = ([0; 16], [0; 8]);
        key.copy_from_slice(&bytes[..16]);
        place.copy_from_slice(&bytes[16..]);
        Self {
            key: u128::from_be_bytes(key),
            place: u64::from_be_bytes(place),
        }
    }
}

/// The pairs of each kind.
pub(in super::super) type Tables = [Vec<Pair>; TABLES];

/// What orders at consecutive places bring.
#[derive(Debug, Default)]
pub(in super::super) struct Piece {
    pub(in super::super) places: Range<u64>,
    /// When they were placed.
    pub(in super::super) times: Times,
    pub(in super::super) tables: Tables,
}

impl Piece {
    /// What follows on a place, up to which all is known; `None` where nothing does.
    ///
    /// # Errors
    /// When places are missing in between.
    pub(in super::super) fn after(mut self, end: u64) -> io::Result<Option<Self>> {
        let Range { start, end: last } = self.places;
        if last <= end {
            return Ok(None);
        }
        if start > end {
            let reason = format!("places {end} to {start} are missing");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        if start < end {
            for table in &mut self.tables {
                table.retain(|pair| pair.place >= end);
            }
            self.places.start = end;
        }
        Ok(Some(self))
    }
}

/// A run. Cheap to read from many threads; never changed.
pub(super) struct Run {
    places: Range<u64>,
    times: Times,
    /// How many pieces it was made of, while it is in memory.
    pieces: usize,
    filter: Filter,
    held: Held,
}

enum Held {
    Memory(Tables),
    File(File),
}

impl Run {
    /// Sorts the pairs of a piece.
    pub(super) fn in_memory(mut piece: Piece) -> Self {
        for table in &mut piece.tables {
            table.sort_unstable();
        }
        Self::sorted(piece, 1)
    }

    /// Of pairs that are sorted, put together from so many pieces.
    pub(super) fn sorted(piece: Piece, pieces: usize) -> Self {
        let Piece {
            places,
            times,
            tables,
        } = piece;
        let mut filter = Filter::for_keys(tables[ORDERS].len());
        for pair in &tables[ORDERS] {
            filter.insert(pair.key);
        }
        Self {
            places,
            times,
            pieces,
            filter,
            held: Held::Memory(tables),
        }
    }

    /// What a file holds.
    pub(super) fn in_file(places: Range<u64>, times: Times, filter: Filter, file: File) -> Self {
        Self {
            places,
            times,
            pieces: 0,
            filter,
            held: Held::File(file),
        }
    }

    pub(super) const fn places(&self) -> &Range<u64> {
        &self.places
    }

    /// When its orders were placed.
    pub(super) const fn times(&self) -> &Times {
        &self.times
    }

    /// When the orders of several were.
    pub(super) fn times_of(runs: &[Arc<Self>]) -> Times {
        let mut times = Times::default();
        for run in runs {
            times.extend(&run.times);
        }
        times
    }

    /// How many places it covers.
    pub(super) fn len(&self) -> u64 {
        self.places.end - self.places.start
    }

    /// How many pieces it was made of, while it is in memory.
    pub(super) const fn pieces(&self) -> usize {
        self.pieces
    }

    pub(super) const fn is_file(&self) -> bool {
        matches!(self.held, Held::File(_))
    }

    /// How many pairs a table has.
    pub(super) fn count(&self, table: usize) -> usize {
        match &self.held {
            Held::Memory(tables) => tables[table].len(),
            Held::File(file) => file.count(table),
        }
    }

    /// False only where it has no order of this key.
    pub(super) fn may_hold(&self, key: u128) -> bool {
        self.filter.may_hold(key)
    }

    /// Adds the first `limit` pairs of a table from one to another, both included, to those found.
    pub(super) fn range(
        &self,
        table: usize,
        from: Pair,
        to: Pair,
        limit: usize,
        found: &mut Vec<Pair>,
    ) -> io::Result<()> {
        match &self.held {
            Held::Memory(tables) => {
                let pairs = &tables[table];
                let start = pairs.partition_point(|pair| *pair < from);
                let wanted = pairs[start..].iter().take_while(|pair| **pair <= to);
                found.extend(wanted.take(limit));
                Ok(())
            }
            Held::File(file) => file.range(table, from, to, limit, found),
        }
    }

    /// All pairs of a table in their order, at most some ten thousand at a time.
    pub(super) fn chunk(&self, table: usize, chunk: usize) -> io::Result<Vec<Pair>> {
        match &self.held {
            Held::Memory(tables) => Ok(match chunk {
                0 => tables[table].clone(),
                _ => Vec::new(),
            }),
            Held::File(file) => file.chunk(table, chunk),
        }
    }

    /// Its file is not needed any more, and goes when the last reader has done with it.
    pub(super) fn remove_file(&self) {
        if let Held::File(file) = &self.held {
            file.remove();
        }
    }
}
