//! A disk that fails on purpose.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::Disk;

/// Passes everything on to another disk until its `fail_at`-th write (creating, appending, syncing
/// and truncating count, from 0); that one and every later one fails. A failing append leaves half
/// of its bytes behind.
pub struct FailingDisk {
    inner: Arc<dyn Disk>,
    fail_at: u64,
    writes: AtomicU64,
}

impl FailingDisk {
    /// Around another disk.
    pub fn new(inner: Arc<dyn Disk>, fail_at: u64) -> Self {
        Self {
            inner,
            fail_at,
            writes: AtomicU64::new(0),
        }
    }

    /// How many writes were tried so far.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    fn count(&self) -> io::Result<()> {
        if self.writes.fetch_add(1, Ordering::SeqCst) < self.fail_at {
            return Ok(());
        }
        Err(io::Error::other("the disk fails on purpose"))
    }
}

impl Disk for FailingDisk {
    fn segments(&self) -> io::Result<Vec<u32>> {
        self.inner.segments()
    }
    fn create(&self, segment: u32) -> io::Result<()> {
        self.count()?;
        self.inner.create(segment)
    }
    fn append(&self, segment: u32, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.count() {
            let half = bytes.len() / 2;
            self.inner.append(segment, &bytes[..half])?;
            return Err(error);
        }
        self.inner.append(segment, bytes)
    }
    fn sync(&self, segment: u32) -> io::Result<()> {
        self.count()?;
        self.inner.sync(segment)
    }
    fn read_at(&self, segment: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(segment, offset, buffer)
    }
    fn len(&self, segment: u32) -> io::Result<u64> {
        self.inner.len(segment)
    }
    fn truncate(&self, segment: u32, len: u64) -> io::Result<()> {
        self.count()?;
        self.inner.truncate(segment, len)
    }
}
