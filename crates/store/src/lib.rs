//! What a member has on disk: one append-only log that holds everything it persists, in order, and
//! an index over the final chain that can always be built again from the log
//! (`docs/storage-format.md`).
//!
//! [`Store`] is the one writer; [`Reader`]s, made by [`Store::reader`], read final things from any
//! thread while it writes. Nothing counts as persisted before [`Store::sync`] has returned the
//! [`CommitReceipt`] for it. After a failed write or sync the store takes no more writes: what is
//! on the disk is then unknown, and only a restart, which reads it back, can tell.

pub mod disk;
pub mod error;
pub mod index;

mod answers;
mod evidence;
mod executed;
mod finalize;
mod frame;
mod layout;
mod live;
mod log;
mod nodes;
mod pages;
mod reader;
mod record;
mod recorded;
mod restore;
mod scan;
mod store;

pub use disk::{Disk, FailingDisk, FileDisk, MemoryDisk};
pub use error::StoreError;
pub use executed::ExecutedBlock;
pub use finalize::{Indexer, Staged};
pub use index::{FjallIndex, Index, IndexError, MemoryIndex};
pub use pages::{MOST_ORDERS_A_PAGE, StoredOrder};
pub use reader::Reader;
pub use record::{Answer, FinalityProof, Record};
pub use scan::Recovered;
pub use store::{ANSWERS_KEPT_MILLIS, CommitReceipt, SEGMENT_BYTES, Store};
