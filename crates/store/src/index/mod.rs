//! The index: sorted keys and values in named spaces, written atomically, off the commit path.

mod durable;
mod entries;
mod memory;
mod runs;

pub use durable::FjallIndex;
pub use entries::{Entries, KeyHasher};
pub use memory::MemoryIndex;

use std::io;

use types::{LogIndex, Sought};

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The index failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "the index failed: {reason}; stop the node and delete the folder \"index\" in its data folder: it is built again from the log"
)]
pub struct IndexError {
    /// What the engine said.
    pub reason: String,
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        Self {
            reason: error.to_string(),
        }
    }
}

/// The named spaces of keys; `docs/storage-format.md` tells what each holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Space {
    /// The format, and the final head.
    Meta,
    /// Height to the block's place in the log.
    Blocks,
    /// Block hash to height.
    Hashes,
    /// Height to the place of its own finality certificate in the log.
    Certificates,
    /// Batch id to its place in the log and its block's height.
    Batches,
    /// First log index of a block to where its recorded entries are.
    Entries,
    /// Number of the first of some Merkle nodes, among those kept, to their hashes.
    Nodes,
    /// Hashed order id to log index.
    Orders,
    /// Hashed customer and log index.
    Customers,
    /// Hashed receiver and log index.
    Receivers,
    /// Idempotency key to the answer's place in the log and its time.
    Answers,
    /// Time and key of each answer, to find the old ones.
    AnswerTimes,
    /// Height and proposer of each piece of evidence, the highest first, to its place in the log.
    Evidence,
}

impl Space {
    /// Every space, in the order of its number.
    pub const ALL: [Self; 13] = [
        Self::Meta,
        Self::Blocks,
        Self::Hashes,
        Self::Certificates,
        Self::Batches,
        Self::Entries,
        Self::Nodes,
        Self::Orders,
        Self::Customers,
        Self::Receivers,
        Self::Answers,
        Self::AnswerTimes,
        Self::Evidence,
    ];

    /// What it is called on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Blocks => "blocks",
            Self::Hashes => "hashes",
            Self::Certificates => "certificates",
            Self::Batches => "batches",
            Self::Entries => "entries",
            Self::Nodes => "nodes",
            Self::Orders => "orders",
            Self::Customers => "customers",
            Self::Receivers => "receivers",
            Self::Answers => "answers",
            Self::AnswerTimes => "answer-times",
            Self::Evidence => "evidence",
        }
    }
}

/// One change of an atomic write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub space: Space,
    /// Which key.
    pub key: Vec<u8>,
    /// Its new value; `None` removes it.
    pub value: Option<Vec<u8>>,
}

impl Change {
    /// Sets a key.
    pub fn put(space: Space, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            space,
            key: key.into(),
            value: Some(value.into()),
        }
    }
    /// Removes a key.
    pub fn remove(space: Space, key: impl Into<Vec<u8>>) -> Self {
        Self {
            space,
            key: key.into(),
            value: None,
        }
    }
}

/// Sorted keys and values. Any thread reads and writes, but entries only one. What every order brings ([`Space::Orders`],
/// [`Space::Customers`], [`Space::Receivers`]) is only ever added, as [`Entries`]; ids are looked for many together
/// there, and texts in ranges.
pub trait Index: Send + Sync {
    /// The place in the order log of each of these orders that has one.
    ///
    /// # Errors
    /// When the engine fails.
    fn places_of_orders(&self, orders: &[Sought<'_>]) -> Result<Vec<Option<LogIndex>>, IndexError>;
    /// The value of a key, of any space but [`Space::Orders`].
    ///
    /// # Errors
    /// When the engine fails.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;
    /// The greatest key that is not above this one, and its value.
    ///
    /// # Errors
    /// When the engine fails.
    fn last_at_or_below(&self, space: Space, key: &[u8]) -> Result<Option<Pair>, IndexError>;
    /// The first `limit` keys from one to another, both included, and their values.
    ///
    /// # Errors
    /// When the engine fails.
    fn range(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Pair>, IndexError>;
    /// Makes its keys of ids and texts.
    fn hasher(&self) -> KeyHasher;
    /// The place that follows on all entries here. A crash may take the last of them and leave the changes that
    /// they came with; they are to be added again, from this place on. Or it leaves them and takes the changes.
    fn entries_end(&self) -> LogIndex;
    /// Makes all changes, no key twice, or none, and adds those entries that are not here yet. A crash may undo the
    /// last changes, never one before a change that it leaves.
    ///
    /// # Errors
    /// When the engine fails.
    fn write_entries(&self, changes: Vec<Change>, entries: Entries) -> Result<(), IndexError>;

    /// Entries for this index, none yet; the first one will be at this place.
    fn entries_from(&self, first: LogIndex) -> Entries {
        Entries::from_place(first, self.hasher())
    }

    /// The key of a customer or receiver, with a place in the order log. Another text may have the same: the text
    /// itself is checked on reading.
    fn text_key(&self, text: &str, LogIndex(place): LogIndex) -> Vec<u8> {
        let key = self.hasher().of_text(text);
        runs::Pair { key, place }.to_bytes().to_vec()
    }

    /// Makes all changes or none, as [`Index::write_entries`] does.
    ///
    /// # Errors
    /// When the engine fails.
    fn write(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        self.write_entries(changes, self.entries_from(LogIndex(0)))
    }
}
