//! The log's writing end.

use std::{mem, sync::Arc};

use types::{ChainId, Mutation, mutated};

use crate::{
    disk::Disk,
    error::StoreError,
    frame::{Fault, HEADER_BYTES, MARK_BYTES, Position, check_header, header, mark},
    record::{Record, put_record},
    scan::scan,
};

/// Memory for frames is kept from one append to the next up to so much: several full batches.
const MOST_BYTES_KEPT: usize = 4 * 1024 * 1024;

/// Appends to the last segment.
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    chain: ChainId,
    /// A segment this long is followed by another.
    segment_bytes: u32,
    end: Position,
    synced: Position,
    /// The next write begins with a mark.
    mark_due: bool,
    prepared: Prepared,
}

/// The frames of records that are appended together, with room for a mark before them.
#[derive(Default)]
struct Prepared {
    bytes: Vec<u8>,
    /// Where each record ends.
    ends: Vec<usize>,
}

impl Prepared {
    fn clear(&mut self) {
        if self.bytes.capacity() > MOST_BYTES_KEPT {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.bytes.resize(MARK_BYTES, 0);
        self.ends.clear();
    }

    fn put(&mut self, records: &[Record]) -> Result<(), StoreError> {
        for record in records {
            put_record(&mut self.bytes, record)?;
            self.ends.push(self.bytes.len());
        }
        Ok(())
    }
}

impl Log {
    /// Opens the log: checks every header, makes durable what is there, visits the records from
    /// `from` on, and cuts off what a crash left half written.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        chain: &ChainId,
        segment_bytes: u32,
        from: Position,
        durable: Position,
        visit: &mut dyn FnMut(Position, Record) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let last = prepare(&*disk, chain)?;
        let sync = || {
            disk.sync(last)
                .map_err(|error| StoreError::io(format!("sync segment {last} of the log"), error))
        };
        // What is read now is believed and acted on, so it must be as durable as if just written.
        sync()?;
        let end = scan(&*disk, from, last, durable, visit)?;
        let torn = |error| StoreError::io(format!("cut off the torn end at {end}"), error);
        let is_torn = disk.len(last).map_err(torn)? > u64::from(end.offset);
        if is_torn && !mutated(Mutation::KeepTornTail) {
            disk.truncate(last, end.offset.into()).map_err(torn)?;
            sync()?;
        }
        let mark_due = end.offset > HEADER_BYTES;
        Ok(Self {
            disk,
            chain: *chain,
            segment_bytes,
            end,
            synced: end,
            mark_due,
            prepared: Prepared::default(),
        })
    }

    /// Where the next record goes.
    pub(crate) const fn end(&self) -> Position {
        self.end
    }
    /// Everything before is durable.
    pub(crate) const fn synced(&self) -> Position {
        self.synced
    }

    /// Puts records together for [`Log::append`].
    ///
    /// # Errors
    /// When one is too large; then none is.
    pub(crate) fn prepare(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.prepared.clear();
        let put = self.prepared.put(records);
        if put.is_err() {
            self.prepared.clear();
        }
        put
    }

    /// Appends what was prepared and returns where each record begins.
    pub(crate) fn append(&mut self) -> Result<Vec<Position>, StoreError> {
        let mut prepared = mem::take(&mut self.prepared);
        let mut positions = Vec::with_capacity(prepared.ends.len());
        let mut start = MARK_BYTES;
        // What is written next begins here.
        let mut from = start;
        for end in &prepared.ends {
            if self.end.offset as usize + start - from >= self.segment_bytes as usize {
                self.write(&prepared.bytes[from..start])?;
                self.roll()?;
                from = start;
            }
            if self.mark_due && !mutated(Mutation::NoMarks) {
                from = start - MARK_BYTES;
                prepared.bytes[from..start].copy_from_slice(&mark(self.end));
                self.mark_due = false;
            }
            positions.push(self.end.after(start - from));
            start = *end;
        }
        self.write(&prepared.bytes[from..start])?;
        self.prepared = prepared;
        Ok(positions)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if !bytes.is_empty() {
            let written = self.disk.append(self.end.segment, bytes);
            passed_over(written, Mutation::IgnoreFailedWrite).map_err(|error| {
                StoreError::io(format!("write to the log at {}", self.end), error)
            })?;
            self.end = self.end.after(bytes.len());
        }
        Ok(())
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        if self.synced < self.end {
            let synced = if mutated(Mutation::SyncNothing) {
                Ok(())
            } else {
                self.disk.sync(self.end.segment)
            };
            passed_over(synced, Mutation::IgnoreFailedSync).map_err(|error| {
                StoreError::io(format!("sync the log up to {}", self.end), error)
            })?;
            self.synced = self.end;
            self.mark_due = true;
        }
        Ok(())
    }

    /// Ends the segment and begins the next. A segment is whole and durable before another exists.
    fn roll(&mut self) -> Result<(), StoreError> {
        if !mutated(Mutation::RollWithoutSync) {
            self.sync()?;
        }
        let segment = self.end.segment + 1;
        begin_segment(&*self.disk, segment, &self.chain)?;
        self.end = Position::start_of(segment);
        self.synced = self.end;
        self.mark_due = false;
        Ok(())
    }
}

/// What the disk said, unless a mutation says that a failure is passed over.
fn passed_over(result: std::io::Result<()>, by: Mutation) -> std::io::Result<()> {
    if mutated(by) { Ok(()) } else { result }
}

fn begin_segment(disk: &dyn Disk, segment: u32, chain: &ChainId) -> Result<(), StoreError> {
    disk.create(segment)
        .and_then(|()| write_header(disk, segment, chain))
        .map_err(|error| {
            StoreError::io(
                format!("begin {}", Position::start_of(segment).file()),
                error,
            )
        })
}

fn write_header(disk: &dyn Disk, segment: u32, chain: &ChainId) -> std::io::Result<()> {
    disk.append(segment, &header(segment, chain))?;
    disk.sync(segment)
}

/// Checks the segments' numbers and headers, makes the first one where there is none, and writes
/// the last one's header again where a crash cut it off. Returns the number of the last.
fn prepare(disk: &dyn Disk, chain: &ChainId) -> Result<u32, StoreError> {
    let segments = disk
        .segments()
        .map_err(|error| StoreError::io("list the files of the log", error))?;
    let Some((last, _)) = segments.split_last() else {
        begin_segment(disk, 0, chain)?;
        return Ok(0);
    };
    for (expected, segment) in (0_u32..).zip(&segments) {
        let place = Position {
            segment: expected,
            offset: 0,
        };
        if *segment != expected {
            return Err(Fault::bad("the file is missing").at(place));
        }
        if check_header(disk, *segment, chain)? {
            continue;
        }
        if segment != last {
            return Err(Fault::bad("the header is missing").at(place));
        }
        disk.truncate(*segment, 0)
            .and_then(|()| write_header(disk, *segment, chain))
            .map_err(|error| StoreError::io(format!("begin {} again", place.file()), error))?;
    }
    Ok(*last)
}
