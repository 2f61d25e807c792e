//! Segments in memory that outlive their store and can crash.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Disk;

/// Segments in memory. Clones are handles to the same bytes, so a test keeps one, drops the store,
/// crashes the disk and opens a store on it again.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk {
    segments: Arc<Mutex<BTreeMap<u32, Segment>>>,
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    synced: usize,
}

impl MemoryDisk {
    /// Without segments.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a loss of power leaves: all that was synced, and in each segment the first `keep` bytes
    /// of what was not.
    pub fn crash(&self, keep: usize) {
        for segment in self.lock().values_mut() {
            segment.bytes.truncate(segment.synced.saturating_add(keep));
            segment.synced = segment.bytes.len();
        }
    }

    /// How many bytes of all segments a crash could lose.
    pub fn unsynced_bytes(&self) -> usize {
        self.lock()
            .values()
            .map(|segment| segment.bytes.len().saturating_sub(segment.synced))
            .sum()
    }

    /// Flips one bit, as a decaying disk does. Nothing happens outside the segment.
    pub fn flip_bit(&self, segment: u32, offset: usize, bit: u8) {
        if let Some(byte) = self
            .lock()
            .get_mut(&segment)
            .and_then(|segment| segment.bytes.get_mut(offset))
        {
            *byte ^= 1 << (bit % 8);
        }
    }

    /// All bytes of a segment; empty when there is none.
    pub fn bytes(&self, segment: u32) -> Vec<u8> {
        self.lock()
            .get(&segment)
            .map(|segment| segment.bytes.clone())
            .unwrap_or_default()
    }

    /// A second disk with the same bytes, all of them synced.
    pub fn copy(&self) -> Self {
        let segments = self.lock();
        let copied = segments.iter().map(|(number, segment)| {
            (
                *number,
                Segment {
                    bytes: segment.bytes.clone(),
                    synced: segment.bytes.len(),
                },
            )
        });
        Self {
            segments: Arc::new(Mutex::new(copied.collect())),
        }
    }
}

fn missing(segment: u32) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("there is no segment {segment}"),
    )
}

impl Disk for MemoryDisk {
    fn segments(&self) -> io::Result<Vec<u32>> {
        Ok(self.lock().keys().copied().collect())
    }

    fn create(&self, segment: u32) -> io::Result<()> {
        match self.lock().insert(segment, Segment::default()) {
            None => Ok(()),
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    fn append(&self, segment: u32, bytes: &[u8]) -> io::Result<()> {
        let mut segments = self.lock();
        segments
            .get_mut(&segment)
            .ok_or_else(|| missing(segment))?
            .bytes
            .extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&self, segment: u32) -> io::Result<()> {
        let mut segments = self.lock();
        let segment = segments.get_mut(&segment).ok_or_else(|| missing(segment))?;
        segment.synced = segment.bytes.len();
        Ok(())
    }

    fn read_at(&self, segment: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let segments = self.lock();
        let bytes = &segments
            .get(&segment)
            .ok_or_else(|| missing(segment))?
            .bytes;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        buffer.copy_from_slice(bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn len(&self, segment: u32) -> io::Result<u64> {
        let segments = self.lock();
        Ok(segments
            .get(&segment)
            .ok_or_else(|| missing(segment))?
            .bytes
            .len() as u64)
    }

    fn truncate(&self, segment: u32, len: u64) -> io::Result<()> {
        let mut segments = self.lock();
        let segment = segments.get_mut(&segment).ok_or_else(|| missing(segment))?;
        segment
            .bytes
            .truncate(usize::try_from(len).unwrap_or(usize::MAX));
        segment.synced = segment.synced.min(segment.bytes.len());
        Ok(())
    }
}
