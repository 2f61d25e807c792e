//! The index in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use types::{LogIndex, Sought};

use super::{
    Change, Entries, Index, IndexError, Pair, Space,
    entries::{KEY_BYTES, KeyHasher},
    runs::{Piece, Times},
};

/// The same everywhere: what is simulated comes out the same every time.
const HASHER: KeyHasher = KeyHasher::KNOWN;

#[derive(Debug, Clone, Default)]
struct Keys {
    spaces: BTreeMap<Space, BTreeMap<Vec<u8>, Vec<u8>>>,
    /// When the orders of each piece were placed, by the place of its first.
    times: BTreeMap<u64, Times>,
    entries_end: u64,
}

impl Keys {
    /// Adds what follows on all entries.
    fn add(&mut self, piece: Piece) {
        let Piece {
            places,
            times,
            tables: [orders, customers, receivers],
        } = piece;
        self.times.insert(places.start, times);
        self.entries_end = places.end;
        let ids = orders.into_iter().map(|order| {
            let bytes = order.to_bytes();
            let (key, place) = bytes.split_at(KEY_BYTES);
            (key.to_vec(), place.to_vec())
        });
        self.spaces.entry(Space::Orders).or_default().extend(ids);
        for (space, pairs) in [(Space::Customers, customers), (Space::Receivers, receivers)] {
            let keys = pairs
                .into_iter()
                .map(|pair| (pair.to_bytes().to_vec(), Vec::new()));
            self.spaces.entry(space).or_default().extend(keys);
        }
    }
}

/// An index in memory. Clones are handles to the same keys; [`MemoryIndex::after_crash`] tells what a crash
/// would leave of them.
#[derive(Debug, Clone, Default)]
pub struct MemoryIndex {
    keys: Arc<RwLock<Keys>>,
}

impl MemoryIndex {
    /// Without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// A second index, with what a crash leaves of this one: all keys, and the entries before a place.
    pub fn after_crash(&self, entries_end: LogIndex) -> Self {
        let mut keys = self.read().clone();
        keys.entries_end = keys.entries_end.min(entries_end.0);
        let end = keys.entries_end.to_be_bytes();
        let orders = keys.spaces.entry(Space::Orders).or_default();
        orders.retain(|_, place| place[..] < end[..]);
        for space in [Space::Customers, Space::Receivers] {
            let texts = keys.spaces.entry(space).or_default();
            texts.retain(|key, _| key[KEY_BYTES..] < end[..]);
        }
        Self {
            keys: Arc::new(RwLock::new(keys)),
        }
    }

    /// A second index, with the keys of this one and the entries of another: those that were in files are left where
    /// the last changes are lost that came with them.
    pub fn with_entries_of(&self, other: &Self) -> Self {
        let (mut keys, other) = (self.read().clone(), other.read());
        keys.entries_end = other.entries_end;
        keys.times = other.times.clone();
        for space in [Space::Orders, Space::Customers, Space::Receivers] {
            let entries = other.spaces.get(&space).cloned().unwrap_or_default();
            keys.spaces.insert(space, entries);
        }
        Self {
            keys: Arc::new(RwLock::new(keys)),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index for MemoryIndex {
    fn places_of_orders(&self, sought: &[Sought<'_>]) -> Result<Vec<Option<LogIndex>>, IndexError> {
        let keys = self.read();
        let orders = keys.spaces.get(&Space::Orders);
        let place = |order: &Sought<'_>| {
            let key = HASHER.of_id(order.id).to_be_bytes();
            let place = u64::from_be_bytes(*orders?.get(&key[..])?.first_chunk()?);
            // As on disk, what was placed at another time is not found.
            let (_, times) = keys.times.range(..=place).next_back()?;
            let is_there = order.placed_at.is_none_or(|at| times.may_hold(at));
            is_there.then_some(LogIndex(place))
        };
        Ok(sought.iter().map(place).collect())
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self
            .read()
            .spaces
            .get(&space)
            .and_then(|keys| keys.get(key))
            .cloned())
    }

    fn last_at_or_below(&self, space: Space, key: &[u8]) -> Result<Option<Pair>, IndexError> {
        let keys = self.read();
        let last = keys
            .spaces
            .get(&space)
            .and_then(|keys| keys.range(..=key.to_vec()).next_back());
        Ok(last.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn range(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Pair>, IndexError> {
        let held = self.read();
        let Some(keys) = held.spaces.get(&space).filter(|_| from <= to) else {
            return Ok(Vec::new());
        };
        let pairs = keys.range(from.to_vec()..=to.to_vec()).take(limit);
        Ok(pairs
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn hasher(&self) -> KeyHasher {
        HASHER
    }

    fn entries_end(&self) -> LogIndex {
        LogIndex(self.read().entries_end)
    }

    fn write_entries(&self, changes: Vec<Change>, entries: Entries) -> Result<(), IndexError> {
        let mut held = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(piece) = entries.piece.after(held.entries_end)? {
            held.add(piece);
        }
        let spaces = &mut held.spaces;
        for Change { space, key, value } in changes {
            let keys = spaces.entry(space).or_default();
            match value {
                Some(value) => keys.insert(key, value),
                None => keys.remove(&key),
            };
        }
        Ok(())
    }
}
