//! The index on disk, kept by fjall (a log-structured merge tree).

use std::path::Path;

use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions};

use super::{Change, Index, IndexError, Pair, Space};

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

/// An index in a folder.
pub struct FjallIndex {
    database: Database,
    /// By the space's number.
    spaces: Vec<Keyspace>,
}

impl From<fjall::Error> for IndexError {
    fn from(error: fjall::Error) -> Self {
        Self {
            reason: error.to_string(),
        }
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
        let mut spaces = Vec::with_capacity(Space::ALL.len());
        for space in Space::ALL {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            spaces.push(database.keyspace(space.name(), options)?);
        }
        Ok(Self { database, spaces })
    }

    fn keyspace(&self, space: Space) -> &Keyspace {
        &self.spaces[space as usize]
    }
}

fn pair(guard: Guard) -> Result<Pair, IndexError> {
    let (key, value) = guard.into_inner()?;
    Ok((key.to_vec(), value.to_vec()))
}

impl Index for FjallIndex {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.keyspace(space).get(key)?.map(|value| value.to_vec()))
    }

    fn last_at_or_below(&self, space: Space, key: &[u8]) -> Result<Option<Pair>, IndexError> {
        self.keyspace(space)
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
        self.keyspace(space)
            .range(from..=to)
            .take(limit)
            .map(pair)
            .collect()
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        let mut batch = self.database.batch();
        for Change { space, key, value } in changes {
            match value {
                Some(value) => batch.insert(self.keyspace(space), key, value),
                None => batch.remove(self.keyspace(space), key),
            }
        }
        Ok(batch.commit()?)
    }
}
