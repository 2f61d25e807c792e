//! The index on disk: sorted runs for what every order brings, and for all the rest fjall (a
//! log-structured merge tree).

use std::{io, ops::Range, path::Path};

use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions};
use types::{LogIndex, OrderId};

use super::{
    Change, Entries, Index, IndexError, Pair, Space,
    entries::key_of_id,
    runs::{self, CUSTOMERS, ORDERS, PAIR_BYTES, RECEIVERS, Runs, TABLES, Tables},
};

/// Cached blocks: a shop's machine may run four nodes, and the system caches the files as well.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// Writes of one space held in memory before they become a file; the busiest three or four spaces
/// fill up at a time.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;
/// The least the engine allows.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
/// One thread writes out and one compacts; more would take the processor from sealing.
const WORKER_THREADS: usize = 2;
/// Enough for every file of an index of a hundred million orders to be opened a few times a minute.
const MOST_OPEN_FILES: usize = 128;

/// Where pairs are kept, as they were written, until they are in the file of a run.
const RECENT: &str = "recent";
/// The folder of the runs in that of the index.
const RUNS: &str = "runs";
/// In [`Space::Meta`]: the place that follows on all whose pairs were written.
const PAIRS_END: &[u8] = b"pairs";

/// An index in a folder.
pub struct FjallIndex {
    database: Database,
    /// By the space's number; none for the spaces that are tables of the runs.
    spaces: Vec<Option<Keyspace>>,
    recent: Keyspace,
    runs: Runs,
}

impl From<fjall::Error> for IndexError {
    fn from(error: fjall::Error) -> Self {
        Self {
            reason: error.to_string(),
        }
    }
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        Self {
            reason: error.to_string(),
        }
    }
}

/// The table of the runs that a space is.
const fn table_of(space: Space) -> Option<usize> {
    match space {
        Space::Orders => Some(ORDERS),
        Space::Customers => Some(CUSTOMERS),
        Space::Receivers => Some(RECEIVERS),
        _ => None,
    }
}

impl FjallIndex {
    /// Opens the index in a folder, or makes an empty one.
    ///
    /// # Errors
    /// When the folder cannot be read or is damaged.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        let database = Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(MOST_OPEN_FILES))
            .worker_threads(WORKER_THREADS)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let mut spaces = Vec::with_capacity(Space::ALL.len());
        for space in Space::ALL {
            spaces.push(match table_of(space) {
                None => Some(database.keyspace(space.name(), options)?),
                Some(_) => None,
            });
        }
        let recent = database.keyspace(RECENT, options)?;
        let flushed = recent.clone();
        let on_flushed =
            Box::new(move |end| forget_recent(&flushed, end).map_err(io::Error::other));
        let runs = Runs::open(&folder.join(RUNS), on_flushed)?;
        let index = Self {
            database,
            spaces,
            recent,
            runs,
        };
        index.read_recent()?;
        Ok(index)
    }

    /// Reads back what is in no file of a run yet.
    fn read_recent(&self) -> Result<(), IndexError> {
        forget_recent(&self.recent, self.runs.end())?;
        for guard in self.recent.iter() {
            let (key, value) = pair(guard)?;
            let places = places_of(&key).ok_or_else(damaged)?;
            self.runs
                .add(places, tables_of(&value).ok_or_else(damaged)?)?;
        }
        let written = self.get(Space::Meta, PAIRS_END)?;
        let written = written.map(|value| number_at(&value, 0).ok_or_else(damaged));
        if written
            .transpose()?
            .is_some_and(|end| self.runs.end() < end)
        {
            return Err(damaged());
        }
        Ok(())
    }

    fn keyspace(&self, space: Space) -> Result<&Keyspace, IndexError> {
        self.spaces[space as usize]
            .as_ref()
            .ok_or_else(|| IndexError {
                reason: format!("the space of {} is not asked for this", space.name()),
            })
    }
}

/// Removes what is in files by now.
fn forget_recent(recent: &Keyspace, end: u64) -> Result<(), fjall::Error> {
    for guard in recent.range(..end.to_be_bytes()) {
        let key = guard.key()?;
        // What reaches beyond the files is needed still.
        if places_of(&key).is_some_and(|places| places.end <= end) {
            recent.remove(key)?;
        }
    }
    Ok(())
}

fn text_pair(key: &[u8]) -> Result<runs::Pair, IndexError> {
    let bytes = key.first_chunk().ok_or_else(damaged)?;
    Ok(runs::Pair::from_bytes(bytes))
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_be_bytes(*bytes))
}

/// What pairs are kept under until they are in a file.
fn recent_key(places: &Range<u64>) -> Vec<u8> {
    [places.start.to_be_bytes(), places.end.to_be_bytes()].concat()
}

fn places_of(key: &[u8]) -> Option<Range<u64>> {
    Some(number_at(key, 0)?..number_at(key, 8)?)
}

/// Pairs as they are kept there: each table with its length before it.
fn to_value(tables: &Tables) -> Vec<u8> {
    let pairs: usize = tables.iter().map(Vec::len).sum();
    let mut value = Vec::with_capacity(8 * TABLES + PAIR_BYTES * pairs);
    for table in tables {
        value.extend_from_slice(&(table.len() as u64).to_be_bytes());
        for pair in table {
            value.extend_from_slice(&pair.to_bytes());
        }
    }
    value
}

fn tables_of(value: &[u8]) -> Option<Tables> {
    let mut rest = value;
    let mut tables = Tables::default();
    for table in &mut tables {
        let count = usize::try_from(number_at(rest, 0)?).ok()?;
        let (pairs, after) = rest
            .get(8..)?
            .split_at_checked(count.checked_mul(PAIR_BYTES)?)?;
        table.extend(pairs.as_chunks().0.iter().map(runs::Pair::from_bytes));
        rest = after;
    }
    Some(tables)
}

fn damaged() -> IndexError {
    IndexError {
        reason: "where orders are is not known of all of them".to_owned(),
    }
}

fn pair(guard: Guard) -> Result<Pair, IndexError> {
    let (key, value) = guard.into_inner()?;
    Ok((key.to_vec(), value.to_vec()))
}

impl Index for FjallIndex {
    fn places_of_orders(&self, ids: &[&OrderId]) -> Result<Vec<Option<LogIndex>>, IndexError> {
        let keys: Vec<u128> = ids.iter().map(|id| key_of_id(id)).collect();
        let places = self.runs.places_of_orders(&keys)?.into_iter();
        Ok(places.map(|place| place.map(LogIndex)).collect())
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.keyspace(space)?.get(key)?.map(|value| value.to_vec()))
    }

    fn last_at_or_below(&self, space: Space, key: &[u8]) -> Result<Option<Pair>, IndexError> {
        self.keyspace(space)?
            .range(..=key)
            .next_back()
            .map(pair)
            .transpose()
    }

    fn range(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Pair>, IndexError> {
        if from > to {
            return Ok(Vec::new());
        }
        if let Some(table @ 1..TABLES) = table_of(space) {
            let found = self
                .runs
                .range(table, text_pair(from)?, text_pair(to)?, limit)?;
            let pairs = found.into_iter();
            return Ok(pairs
                .map(|pair| (pair.to_bytes().to_vec(), Vec::new()))
                .collect());
        }
        self.keyspace(space)?
            .range(from..=to)
            .take(limit)
            .map(pair)
            .collect()
    }

    fn write_entries(&self, changes: Vec<Change>, entries: Entries) -> Result<(), IndexError> {
        let Entries { places, tables, .. } = entries;
        let mut batch = self.database.batch();
        for Change { space, key, value } in changes {
            match value {
                Some(value) => batch.insert(self.keyspace(space)?, key, value),
                None => batch.remove(self.keyspace(space)?, key),
            }
        }
        if places.end > self.runs.end() {
            batch.insert(&self.recent, recent_key(&places), to_value(&tables));
            let end = places.end.to_be_bytes();
            batch.insert(self.keyspace(Space::Meta)?, PAIRS_END, end);
        }
        batch.commit()?;
        Ok(self.runs.add(places, tables)?)
    }
}
