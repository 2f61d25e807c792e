//! The index on disk: sorted runs for what every order brings, and for all the rest fjall (a
//! log-structured merge tree).

use std::path::Path;

use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions};
use types::{LogIndex, Sought};

use super::{
    Change, Entries, Index, IndexError, KeyHasher, Pair, Space,
    runs::{self, CUSTOMERS, ORDERS, RECEIVERS, Runs, TABLES},
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

/// The folder of the runs in that of the index.
const RUNS: &str = "runs";

/// An index in a folder.
pub struct FjallIndex {
    database: Database,
    /// By the space's number; none for the spaces that are tables of the runs.
    spaces: Vec<Option<Keyspace>>,
    runs: Runs,
}

impl From<fjall::Error> for IndexError {
    fn from(error: fjall::Error) -> Self {
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
        let runs = Runs::open(&folder.join(RUNS))?;
        Ok(Self {
            database,
            spaces,
            runs,
        })
    }

    fn keyspace(&self, space: Space) -> Result<&Keyspace, IndexError> {
        self.spaces[space as usize]
            .as_ref()
            .ok_or_else(|| IndexError {
                reason: format!("the space of {} is not asked for this", space.name()),
            })
    }
}

fn text_pair(key: &[u8]) -> Result<runs::Pair, IndexError> {
    let bytes = key.first_chunk().ok_or_else(|| IndexError {
        reason: "a text's key is too short".to_owned(),
    })?;
    Ok(runs::Pair::from_bytes(bytes))
}

fn pair(guard: Guard) -> Result<Pair, IndexError> {
    let (key, value) = guard.into_inner()?;
    Ok((key.to_vec(), value.to_vec()))
}

impl Index for FjallIndex {
    fn places_of_orders(&self, orders: &[Sought<'_>]) -> Result<Vec<Option<LogIndex>>, IndexError> {
        let places = self.runs.places_of_orders(orders)?.into_iter();
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

    fn hasher(&self) -> KeyHasher {
        self.runs.hasher()
    }

    fn entries_end(&self) -> LogIndex {
        LogIndex(self.runs.end())
    }

    fn write_entries(&self, changes: Vec<Change>, entries: Entries) -> Result<(), IndexError> {
        let mut batch = self.database.batch();
        for Change { space, key, value } in changes {
            match value {
                Some(value) => batch.insert(self.keyspace(space)?, key, value),
                None => batch.remove(self.keyspace(space)?, key),
            }
        }
        batch.commit()?;
        Ok(self.runs.add(entries.piece)?)
    }
}
