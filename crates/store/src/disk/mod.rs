//! Where the bytes of the log go: files, memory, or a disk that fails on purpose.

mod failing;
mod files;
mod forget;
mod memory;

use std::io;

pub use failing::FailingDisk;
pub use files::FileDisk;
pub(crate) use files::{file_name, read_exact_at, sync_folder};
pub(crate) use forget::forget;
pub use memory::MemoryDisk;

/// Numbered segments of bytes. One thread appends; any thread reads what was appended.
pub trait Disk: Send + Sync {
    /// The numbers of the segments there are, rising.
    ///
    /// # Errors
    /// When the disk fails.
    fn segments(&self) -> io::Result<Vec<u32>>;
    /// Makes an empty segment. That it exists is durable when this returns.
    ///
    /// # Errors
    /// When the disk fails or the segment exists.
    fn create(&self, segment: u32) -> io::Result<()>;
    /// Adds bytes at the end. Durable only after [`Disk::sync`].
    ///
    /// # Errors
    /// When the disk fails; some of the bytes may then be there.
    fn append(&self, segment: u32, bytes: &[u8]) -> io::Result<()>;
    /// Makes a segment's bytes and length durable.
    ///
    /// # Errors
    /// When the disk fails; what is durable is then unknown.
    fn sync(&self, segment: u32) -> io::Result<()>;
    /// Fills the buffer from a place in a segment.
    ///
    /// # Errors
    /// When the disk fails; `UnexpectedEof` when the segment ends before.
    fn read_at(&self, segment: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// How many bytes a segment holds.
    ///
    /// # Errors
    /// When the disk fails.
    fn len(&self, segment: u32) -> io::Result<u64>;
    /// Cuts a segment off. Durable only after [`Disk::sync`].
    ///
    /// # Errors
    /// When the disk fails.
    fn truncate(&self, segment: u32, len: u64) -> io::Result<()>;
}
