//! Which entries a block recorded.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::{HashTable, hash_table::Entry};

use crate::fixed::OrderId;

/// The entries that a block recorded, in the order of the order log. Asked for an id it answers by a hash
/// with a secret, so that nobody can choose ids that are slow to look up.
#[derive(Clone, Default)]
pub struct RecordedEntries {
    ids: Vec<OrderId>,
    places: Vec<EntryPlace>,
    /// Places in `ids`, by the hash of what is there.
    table: HashTable<u32>,
    hasher: RandomState,
}

/// Where an entry is in its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryPlace {
    /// The batch's place in the block.
    pub batch: u32,
    /// The entry's place in the batch.
    pub entry: u32,
}

impl RecordedEntries {
    /// None yet, with room for so many.
    pub fn with_capacity(entries: usize) -> Self {
        Self {
            ids: Vec::with_capacity(entries),
            places: Vec::with_capacity(entries),
            table: HashTable::with_capacity(entries),
            hasher: RandomState::default(),
        }
    }

    /// Adds the next entry; false, and nothing changes, where one of this id is there already (or 2^32 others).
    pub fn insert(&mut self, id: OrderId, place: EntryPlace) -> bool {
        let Self {
            ids, table, hasher, ..
        } = self;
        let at = |place: &u32| ids.get(*place as usize);
        let free = table.entry(
            hasher.hash_one(id),
            |other| at(other) == Some(&id),
            |other| at(other).map_or(0, |id| hasher.hash_one(id)),
        );
        let (Entry::Vacant(free), Ok(next)) = (free, u32::try_from(ids.len())) else {
            return false;
        };
        free.insert(next);
        self.ids.push(id);
        self.places.push(place);
        true
    }

    /// True when an entry of this id is among them.
    pub fn contains(&self, id: &OrderId) -> bool {
        let is_it = |place: &u32| self.ids.get(*place as usize) == Some(id);
        self.table.find(self.hasher.hash_one(id), is_it).is_some()
    }

    /// Their ids.
    pub fn ids(&self) -> &[OrderId] {
        &self.ids
    }

    /// Where they are in the block.
    pub fn places(&self) -> &[EntryPlace] {
        &self.places
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.ids.len()
    }

    /// True when there is none.
    pub const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl PartialEq for RecordedEntries {
    fn eq(&self, other: &Self) -> bool {
        self.ids == other.ids && self.places == other.places
    }
}

impl Eq for RecordedEntries {}

impl std::fmt::Debug for RecordedEntries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries = self.ids.iter().zip(&self.places);
        formatter.debug_map().entries(entries).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_their_ids_however_many() {
        let id = |number: u32| {
            let mut bytes = [7; 32];
            bytes[28..].copy_from_slice(&number.to_be_bytes());
            OrderId::new(bytes)
        };
        let place = |number: u32| EntryPlace {
            batch: number / 100,
            entry: number % 100,
        };
        // More than there was said to be room for.
        let mut recorded = RecordedEntries::with_capacity(10);
        for number in 0..5_000 {
            assert!(!recorded.contains(&id(number)));
            assert!(recorded.insert(id(number), place(number)));
            assert!(!recorded.insert(id(number / 2), place(9_999)));
        }
        assert_eq!(recorded.len(), 5_000);
        assert!((0..5_000).all(|number| recorded.contains(&id(number))));
        assert!(!recorded.contains(&id(5_000)));
        assert!(recorded.ids().iter().copied().eq((0..5_000).map(id)));
        assert!(recorded.places().iter().copied().eq((0..5_000).map(place)));
    }
}
