//! The index in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use types::{LogIndex, OrderId};

use super::{
    Change, Entries, Index, IndexError, Pair, Space,
    entries::{KEY_BYTES, key_of_id},
};

type Spaces = BTreeMap<Space, BTreeMap<Vec<u8>, Vec<u8>>>;

/// An index in memory. Clones are handles to the same keys; [`MemoryIndex::copy`] keeps its state as
/// it is now, which a test hands back as what a crash left.
#[derive(Debug, Clone, Default)]
pub struct MemoryIndex {
    spaces: Arc<RwLock<Spaces>>,
}

impl MemoryIndex {
    /// Without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// A second index with the same keys.
    pub fn copy(&self) -> Self {
        Self {
            spaces: Arc::new(RwLock::new(self.read().clone())),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Spaces> {
        self.spaces.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index for MemoryIndex {
    fn places_of_orders(&self, ids: &[&OrderId]) -> Result<Vec<Option<LogIndex>>, IndexError> {
        let spaces = self.read();
        let orders = spaces.get(&Space::Orders);
        let place = |id: &&OrderId| {
            let place = orders?.get(&key_of_id(id).to_be_bytes()[..])?;
            Some(LogIndex(u64::from_be_bytes(*place.first_chunk()?)))
        };
        Ok(ids.iter().map(place).collect())
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self
            .read()
            .get(&space)
            .and_then(|keys| keys.get(key))
            .cloned())
    }

    fn last_at_or_below(&self, space: Space, key: &[u8]) -> Result<Option<Pair>, IndexError> {
        let spaces = self.read();
        let last = spaces
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
        let spaces = self.read();
        let Some(keys) = spaces.get(&space).filter(|_| from <= to) else {
            return Ok(Vec::new());
        };
        let pairs = keys.range(from.to_vec()..=to.to_vec()).take(limit);
        Ok(pairs
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn write_entries(&self, changes: Vec<Change>, entries: Entries) -> Result<(), IndexError> {
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        let [orders, customers, receivers] = entries.tables;
        let ids = orders.into_iter().map(|order| {
            let bytes = order.to_bytes();
            let (key, place) = bytes.split_at(KEY_BYTES);
            (key.to_vec(), place.to_vec())
        });
        spaces.entry(Space::Orders).or_default().extend(ids);
        for (space, pairs) in [(Space::Customers, customers), (Space::Receivers, receivers)] {
            let keys = pairs
                .into_iter()
                .map(|pair| (pair.to_bytes().to_vec(), Vec::new()));
            spaces.entry(space).or_default().extend(keys);
        }
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
