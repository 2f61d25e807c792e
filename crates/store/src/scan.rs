//! Reading the log from a place to its end: at open, to find where it ends and what is still
//! needed, and afterwards to hand the records back.

use std::sync::Arc;

use crate::{
    disk::Disk,
    error::StoreError,
    frame::{FRAME_HEAD_BYTES, Fault, Position, mark, read_frame},
    record::{Record, read_record},
};

/// How much is read at once when looking for marks.
const SEARCH_BYTES: usize = 1024 * 1024;

/// The records that a restart must read, in the order in which they were appended. Everything that
/// is still needed is among them, and some that is not: batches that are final by now, votes at
/// heights that are final.
pub struct Recovered {
    disk: Arc<dyn Disk>,
    next: Position,
    end: Position,
}

impl Recovered {
    pub(crate) fn new(disk: Arc<dyn Disk>, from: Position, end: Position) -> Self {
        Self {
            disk,
            next: from,
            end,
        }
    }

    fn read_next(&mut self) -> Result<Option<Record>, StoreError> {
        while self.next < self.end {
            let position = self.next;
            if position.segment < self.end.segment && is_at_end(&*self.disk, position)? {
                self.next = Position::start_of(position.segment + 1);
                continue;
            }
            let (record, next) =
                read_record(&*self.disk, position).map_err(|fault| fault.at(position))?;
            self.next = next;
            if record.is_some() {
                return Ok(record);
            }
        }
        Ok(None)
    }
}

impl Iterator for Recovered {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read_next();
        if next.is_err() {
            // Nothing after a record that cannot be read is handed out.
            self.next = self.end;
        }
        next.transpose()
    }
}

fn is_at_end(disk: &dyn Disk, position: Position) -> Result<bool, StoreError> {
    let length = disk
        .len(position.segment)
        .map_err(|error| Fault::Io(error).at(position))?;
    Ok(u64::from(position.offset) >= length)
}

/// Visits every record from a place on and returns where the log ends. What a crash left half
/// written at the end of the last segment is not part of the log; `durable` is a place known to
/// have been synced once.
///
/// # Errors
/// When bytes that were once synced have changed or are gone, or when `visit` fails.
pub(crate) fn scan(
    disk: &dyn Disk,
    from: Position,
    last_segment: u32,
    durable: Position,
    visit: &mut dyn FnMut(Position, Record) -> Result<(), StoreError>,
) -> Result<Position, StoreError> {
    let mut position = from;
    loop {
        if position.segment > last_segment {
            return Err(cut_short(Position::start_of(last_segment), durable));
        }
        if is_at_end(disk, position)? {
            if position.segment < last_segment {
                position = Position::start_of(position.segment + 1);
                continue;
            }
            break;
        }
        match read_record(disk, position) {
            Ok((record, next)) => {
                if let Some(record) = record {
                    visit(position, record)?;
                }
                position = next;
            }
            Err(Fault::Bad(reason)) => {
                if position.segment < last_segment
                    || position < durable
                    || was_synced_beyond(disk, position)?
                {
                    return Err(Fault::Bad(reason).at(position));
                }
                break;
            }
            Err(fault) => return Err(fault.at(position)),
        }
    }
    if position < durable {
        return Err(cut_short(position, durable));
    }
    Ok(position)
}

fn cut_short(end: Position, durable: Position) -> StoreError {
    StoreError::CutShort {
        file: end.file(),
        offset: end.offset,
        durable_file: durable.file(),
        durable_offset: durable.offset,
    }
}

/// Looks for a mark after a bad record. A mark was written only after all before it was synced, so
/// one that follows proves that the bad bytes were once good. Without it they are what a crash left:
/// unsynced pages reach the disk in any order, and good frames may well follow a torn one.
fn was_synced_beyond(disk: &dyn Disk, bad: Position) -> Result<bool, StoreError> {
    let length = disk
        .len(bad.segment)
        .map_err(|error| Fault::Io(error).at(bad))?;
    let head = &mark(bad)[..5];
    let mut start = u64::from(bad.offset);
    let mut buffer = Vec::new();
    while start + FRAME_HEAD_BYTES as u64 <= length {
        let count = usize::try_from(length - start)
            .unwrap_or(usize::MAX)
            .min(SEARCH_BYTES);
        buffer.resize(count, 0);
        disk.read_at(bad.segment, start, &mut buffer)
            .map_err(|error| Fault::Io(error).at(bad))?;
        for (place, window) in buffer.windows(head.len()).enumerate() {
            if window != head {
                continue;
            }
            let candidate = bad.after(
                usize::try_from(start - u64::from(bad.offset)).unwrap_or(usize::MAX) + place,
            );
            let is_mark = read_frame(disk, candidate)
                .is_ok_and(|frame| frame.payload[..] == candidate.to_u64().to_le_bytes());
            if is_mark {
                return Ok(true);
            }
        }
        // The next piece overlaps, so that a mark across the border is seen.
        start += (count - (head.len() - 1)) as u64;
    }
    Ok(false)
}
