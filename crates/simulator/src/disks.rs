//! Disks in memory that lose or tear what was not synced, fail, fill up and rot.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use store::Disk;

use crate::random::Random;

/// What the device writes at once: a loss of power leaves such a piece whole or not at all. Far
/// smaller than that of a real one, so that also short records are torn.
const SECTOR: usize = 64;

/// A segment's header is checked by itself; rot falls on what follows.
const HEADER_BYTES: usize = 50;

/// A disk that outlives the process on it. Clones are handles to the same bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    segments: BTreeMap<u32, Segment>,
    fails: Option<Failing>,
    full: bool,
}

/// What a disk fails to do, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// The next write; half of its bytes are left behind.
    Append,
    /// The next sync.
    Sync,
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    synced: usize,
    /// Where the last write after a sync began: with a mark.
    mark: usize,
    /// Everything before is followed by a mark that is on the disk, so damage to it is told from a
    /// torn write.
    guarded: usize,
}

impl FaultyDisk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next such operation fails.
    pub(crate) fn fail_next(&self, what: Failing) {
        self.lock().fails = Some(what);
    }

    /// No space is left, or there is again.
    pub(crate) fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// From now on nothing fails.
    pub(crate) fn heal(&self) {
        let mut state = self.lock();
        state.fails = None;
        state.full = false;
    }

    /// The power goes: of what was not synced nothing is left, or a beginning, or some sectors.
    pub(crate) fn lose_power(&self, random: &mut Random) {
        for segment in self.lock().segments.values_mut() {
            let unsynced = segment.bytes.len() - segment.synced;
            let keep = match random.below(4) {
                0 => 0,
                1 => unsynced,
                _ => random.index(unsynced + 1),
            };
            let scattered = random.percent(30);
            segment.bytes.truncate(segment.synced + keep);
            if scattered {
                for sector in segment.bytes[segment.synced..].chunks_mut(SECTOR) {
                    if random.percent(50) {
                        sector.fill(0);
                    }
                }
            }
            segment.synced = segment.bytes.len();
            segment.mark = segment.mark.min(segment.synced);
        }
    }

    /// Flips one bit of what was safely written; false where nothing is that the store could tell from
    /// the trace of a crash.
    pub(crate) fn rot(&self, random: &mut Random) -> bool {
        let mut state = self.lock();
        let Some(segment) = state
            .segments
            .values_mut()
            .find(|segment| segment.guarded > HEADER_BYTES)
        else {
            return false;
        };
        let place = HEADER_BYTES + random.index(segment.guarded - HEADER_BYTES);
        segment.bytes[place] ^= 1 << random.below(8);
        true
    }

    /// Gives the bytes of the segments before this one back. Their headers stay: a store that is
    /// opened looks at them.
    pub(crate) fn forget_before(&self, segment: u32) {
        for segment in self.lock().segments.range_mut(..segment) {
            let bytes = &mut segment.1.bytes;
            bytes.truncate(HEADER_BYTES);
            bytes.shrink_to_fit();
            segment.1.synced = bytes.len();
            segment.1.mark = bytes.len();
            segment.1.guarded = segment.1.guarded.min(bytes.len());
        }
    }

    /// A new, empty one is put in.
    pub(crate) fn replace(&self) {
        *self.lock() = State::default();
    }
}

fn missing(segment: u32) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("there is no segment {segment}"),
    )
}

impl State {
    fn fail(&mut self, what: Failing) -> io::Result<()> {
        if self.fails == Some(what) {
            self.fails = None;
            return Err(io::Error::other("the disk fails on purpose"));
        }
        Ok(())
    }

    fn segment(&mut self, segment: u32) -> io::Result<&mut Segment> {
        self.segments
            .get_mut(&segment)
            .ok_or_else(|| missing(segment))
    }
}

impl Disk for FaultyDisk {
    fn segments(&self) -> io::Result<Vec<u32>> {
        Ok(self.lock().segments.keys().copied().collect())
    }

    fn create(&self, segment: u32) -> io::Result<()> {
        let mut state = self.lock();
        if state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        match state.segments.insert(segment, Segment::default()) {
            None => Ok(()),
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    fn append(&self, segment: u32, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let failed = if state.full {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            state.fail(Failing::Append)
        };
        let segment = state.segment(segment)?;
        if segment.bytes.len() == segment.synced {
            segment.mark = segment.synced;
        }
        let written = if failed.is_ok() {
            bytes
        } else {
            &bytes[..bytes.len() / 2]
        };
        segment.bytes.extend_from_slice(written);
        failed
    }

    fn sync(&self, segment: u32) -> io::Result<()> {
        let mut state = self.lock();
        state.fail(Failing::Sync)?;
        let segment = state.segment(segment)?;
        if segment.bytes.len() > segment.synced {
            segment.guarded = segment.mark;
        }
        segment.synced = segment.bytes.len();
        Ok(())
    }

    fn read_at(&self, segment: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.lock();
        let bytes = &state.segment(segment)?.bytes;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        buffer.copy_from_slice(bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn len(&self, segment: u32) -> io::Result<u64> {
        Ok(self.lock().segment(segment)?.bytes.len() as u64)
    }

    fn truncate(&self, segment: u32, len: u64) -> io::Result<()> {
        let mut state = self.lock();
        let segment = state.segment(segment)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        segment.bytes.truncate(len);
        segment.synced = segment.synced.min(segment.bytes.len());
        segment.mark = segment.mark.min(segment.bytes.len());
        segment.guarded = segment.guarded.min(segment.bytes.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn a_loss_of_power_keeps_what_was_synced_and_damages_at_most_the_rest() {
        let mut lost = 0;
        for seed in 0..100 {
            let disk = FaultyDisk::default();
            disk.create(0).unwrap();
            disk.append(0, &[1; 100]).unwrap();
            disk.sync(0).unwrap();
            disk.append(0, &[2; 200]).unwrap();
            disk.lose_power(&mut Random::new(seed, Stream::Disks));
            let len = usize::try_from(disk.len(0).unwrap()).unwrap();
            let mut bytes = vec![0; len];
            disk.read_at(0, 0, &mut bytes).unwrap();
            assert_eq!(bytes[..100], [1; 100]);
            assert!(bytes[100..].iter().all(|byte| [0, 2].contains(byte)));
            lost += usize::from(len < 300);
        }
        assert!((40..100).contains(&lost), "{lost}");
    }

    #[test]
    fn a_failing_disk_fails_once_and_a_full_one_until_there_is_space() {
        let disk = FaultyDisk::default();
        disk.create(0).unwrap();
        disk.fail_next(Failing::Append);
        disk.append(0, &[1; 10]).unwrap_err();
        assert_eq!(disk.len(0).unwrap(), 5);
        disk.append(0, &[1; 10]).unwrap();
        disk.fail_next(Failing::Sync);
        disk.sync(0).unwrap_err();
        disk.sync(0).unwrap();
        disk.set_full(true);
        disk.append(0, &[1]).unwrap_err();
        disk.create(1).unwrap_err();
        disk.heal();
        disk.create(1).unwrap();
    }
}
